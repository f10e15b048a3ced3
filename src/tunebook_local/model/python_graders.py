"""Running python graders: each source in a process of its own, with limits and without our environment.

The process lives as long as this object, as a training asks it some thousand times; one that runs too long, takes too
much memory or says too much is ended, and the next answer has a new one.
"""

from __future__ import annotations

import importlib.util
import json
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tunebook.graders import GradingError, Item, Sample

TIME_S = 10  # a grade may take; Azure gives two minutes
MEMORY_BYTES = 2 * 2**30  # as Azure's graders have
_OUTPUT_BYTES = 64 * 1024  # of one reply
_ENDED_ALLOWED = 3  # processes of one source in a row that had to be ended, or ended themselves
_PROGRAM = Path(__file__).with_name("grader_process.py")
_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
POSSIBLE = importlib.util.find_spec("resource") is not None  # POSIX: elsewhere there are no limits to set


class PythonGraders:
    """Call it as `(grader, item, sample)`; use it in a `with`, which ends its processes."""

    def __init__(self, *, time_s: int = TIME_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._time_s, self._memory = time_s, memory_bytes
        self._processes: dict[str, _Process] = {}
        self._ended: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, grader: Mapping[str, Any], item: Item, sample: Sample) -> float:
        """The reward. Raises GradingError with what the source raised, or why its process was ended."""
        source = str(grader["source"])
        if self._ended[source] >= _ENDED_ALLOWED:
            raise GradingError(
                "python_grader_server_error", f"the grader's process had to be ended {_ENDED_ALLOWED} times in a row"
            )
        with self._lock:
            try:
                process = self._processes.get(source) or self._start(source)
                reply = process.ask({"sample": dict(sample), "item": dict(item)})
            except _Ended as ended:
                self._ended[source] += 1
                if source in self._processes:
                    self._processes.pop(source).end()
                raise GradingError("python_grader_server_error", str(ended)) from None
        self._ended[source] = 0
        if "error" in reply:
            raise GradingError("python_grader_runtime_error", str(reply["error"]))
        return float(reply["reward"])

    def _start(self, source: str) -> _Process:
        process = self._processes[source] = _Process(self._time_s, self._memory)
        reply = process.ask({"source": source})
        if "error" in reply:
            process.end()
            del self._processes[source]
            raise GradingError("python_grader_runtime_error", str(reply["error"]))
        return process

    def __enter__(self) -> PythonGraders:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.end()
        self._processes.clear()


class _Ended(Exception):
    """The process gave no answer, and why."""


class _Process:
    """One process: a line in, a line out."""

    def __init__(self, time_s: int, memory_bytes: int) -> None:
        self._time_s = time_s
        self._folder = tempfile.TemporaryDirectory(prefix="tunebook-grader-")
        command = [sys.executable, "-I", "-B", str(_PROGRAM), str(time_s + 1), str(memory_bytes)]
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell; what it runs was allowed at the start
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
            env=dict(_ENVIRONMENT),
            start_new_session=True,
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer. Raises _Ended when there is none in time, or too much of it."""
        assert self._process.stdin is not None  # noqa: S101 - opened above
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise _Ended("the grader's process ended: it took too much memory, or stopped itself") from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - opened above
        said, deadline, stdout = b"", time.monotonic() + self._time_s, self._process.stdout
        while not said.endswith(b"\n"):
            if not select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise _Ended(f"the grader took longer than {self._time_s} s; does it loop?")
            piece = stdout.read1(_OUTPUT_BYTES)  # type: ignore[attr-defined]
            said += piece
            if not piece:
                raise _Ended("the grader's process ended: it took too much memory, or stopped itself")
            if len(said) > _OUTPUT_BYTES:
                raise _Ended(f"the grader's reply is longer than {_OUTPUT_BYTES} bytes")
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise _Ended("the grader's process answered with something else than a grade")
        return answer

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.wait()
        self._folder.cleanup()
