"""Diagnose many runs or files: one by one, or on several processes where that is worth their start and safe."""

from __future__ import annotations

import ast
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, TypeVar

from tunebook.analysis.curves.diagnosis import Diagnosis, diagnose, undiagnosed
from tunebook.analysis.results import load_results
from tunebook.analysis.run import Run
from tunebook.errors import TunebookError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# A fresh process needs about a second to load its libraries; a diagnosis takes 10-40 ms.
WORTH_PROCESSES = 200


def diagnose_many(runs: Sequence[Run], *, workers: int | None = None, seed: int = 0) -> list[Diagnosis]:
    """`diagnose` of each run, in order; the same answers however many processes work (`workers`, see `_spread`).

    A run that cannot be diagnosed is inconclusive with the reason, and costs no other run its answer.
    """
    return list(_spread(partial(_diagnose_run, seed=seed), [_light(run) for run in runs], workers))


def diagnose_files(files: Sequence[str | Path], *, workers: int | None = None) -> Iterator[dict[str, Any]]:
    """The diagnosis of each result file, in order, as soon as it is there: `file` and what `Diagnosis.to_json` holds.

    For a file that cannot be read or judged, `file` and `error`.
    """
    return _spread(_diagnose_file, files, workers)


def _diagnose_file(file: str | Path) -> dict[str, Any]:
    try:
        return {"file": str(file)} | diagnose(load_results(file)).to_json()
    except TunebookError as error:
        return {"file": str(file), "error": str(error)}
    except Exception as error:  # the other files still have their answers
        return {"file": str(file), "error": f"{file} cannot be judged ({type(error).__name__}: {error})."}


def _diagnose_run(run: Run, *, seed: int) -> Diagnosis:
    try:
        return diagnose(run, seed=seed)
    except Exception as error:  # the other runs still have their answers
        return undiagnosed(run, f"It cannot be judged ({type(error).__name__}: {error}).")


def _spread(task: Callable[[Item], Answer], items: Sequence[Item], workers: int | None) -> Iterator[Answer]:
    """`task` of each item, in order.

    `workers` None takes all cores for 200 items or more, where starting processes cannot run the caller's program
    again (a notebook, a prompt, `python -m`, a script that works under `if __name__ == "__main__"`); else one.
    """
    if workers is None:
        workers = _cores() if len(items) >= WORTH_PROCESSES and _may_start_processes() else 1
    done = 0
    if workers > 1 and len(items) > 1:
        try:
            # Fresh processes: a forked kernel would take its threads' locks along and could wait for ever.
            with ProcessPoolExecutor(min(workers, len(items)), mp_context=get_context("spawn")) as pool:
                with _deaf():
                    # Chunks large enough to be worth sending, small enough that the first answers come soon.
                    answers = pool.map(task, items, chunksize=min(16, -(-len(items) // workers)))
                for answer in answers:
                    yield answer
                    done += 1
        except (BrokenProcessPool, OSError):
            pass  # no processes to be had: go on in this one
    for item in items[done:]:
        yield task(item)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started within do not hear Ctrl-C, which a terminal sends them too: this one does, and ends them."""
    if current_thread() is not main_thread():  # where handlers cannot be set, and Ctrl-C does not arrive
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def _light(run: Run) -> Run:
    """The run without what its diagnosis does not read: events are most of what would be sent to a process."""
    return replace(run, events=()) if run.status == "succeeded" else run


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _may_start_processes() -> bool:
    """A new process loads the main module again: harmless only where loading it defines things and does nothing."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is None or getattr(main, "__spec__", None) is not None:
        return True
    try:
        return _only_defines(Path(file).read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return False


def _only_defines(source: str) -> bool:
    """Whether a program's own lines are imports, definitions and a guarded start, as in the `tunebook` command."""
    return all(map(_harmless, ast.parse(source).body))


def _harmless(line: ast.stmt) -> bool:
    if isinstance(line, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return True
    if isinstance(line, ast.If):
        return ast.unparse(line.test) == "__name__ == '__main__'" and not line.orelse
    plain = isinstance(line, ast.Assign | ast.AnnAssign | ast.Expr)
    return plain and not any(isinstance(part, ast.Call | ast.Await) for part in ast.walk(line))
