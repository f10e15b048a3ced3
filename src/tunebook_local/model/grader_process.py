"""The process in which a python grader runs; started by `python_graders.py`, with nothing of ours in it.

It reads one JSON object a line (first `{"source": …}`, then `{"sample": …, "item": …}`) and answers each with one. What
the source prints goes nowhere. Its limits are a seat belt, no cage: it is the user's own code, run as the user.
"""

import json
import math
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_FORBIDDEN = ("socket.", "subprocess.", "shutil.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork")
_CHANGING = {
    f"os.{name}" for name in ("remove", "rename", "rmdir", "mkdir", "truncate", "link", "symlink", "chmod", "kill")
}
_LONGEST = 500  # characters of what went wrong


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        raise PermissionError(f"a grader may not write to disk: {arguments[0]!r}")
    if event in _CHANGING or event.startswith(_FORBIDDEN):
        raise PermissionError(f"a grader may not do this: {event}")


def _limited(memory_bytes: int) -> None:
    for what, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))


def _graded(grade: Callable[[Any, Any], Any], request: Mapping[str, Any]) -> dict[str, Any]:
    value = grade(request["sample"], request["item"])
    if isinstance(value, bool | int | float) or hasattr(value, "__float__"):
        reward = float(value)
        if math.isfinite(reward):
            return {"reward": reward}
    raise TypeError(f"grade returned {value!r}, which is no finite number")


def _told(work: Callable[[Any], dict[str, Any]], request: Any) -> dict[str, Any]:
    """What comes of it, or what went wrong with the line of the source."""
    try:
        return work(request)
    except BaseException as error:  # whatever the source raises, SystemExit included, is its answer
        where, trace = "", error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "grader":
                where = f" (line {trace.tb_lineno})"
            trace = trace.tb_next
        return {"error": f"{type(error).__name__}: {error}"[:_LONGEST] + where}


def main() -> None:
    seconds, memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    defined: dict[str, Any] = {"__name__": "grader"}

    def define(request: Mapping[str, Any]) -> dict[str, Any]:
        exec(compile(request["source"], "grader", "exec"), defined)  # noqa: S102 - what this process is for
        return {"ready": callable(defined["grade"])}

    def work(request: Mapping[str, Any]) -> dict[str, Any]:
        return define(request) if "source" in request else _graded(defined["grade"], request)

    _limited(memory_bytes)
    sys.addaudithook(_watch)
    for line in sys.stdin:
        signal.alarm(seconds)  # ends a loop without an end, also when nobody waits for it any more
        print(json.dumps(_told(work, json.loads(line))), file=replies, flush=True)
        signal.alarm(0)


if __name__ == "__main__":
    main()
