"""Diagnose many runs: one by one, or on several processes where that is worth their start and safe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context

from tunebook.analysis.diagnosis import Diagnosis, diagnose
from tunebook.analysis.run import Run

# A fresh process needs about a second to load its libraries; a diagnosis takes 10-40 ms.
WORTH_PROCESSES = 200


def diagnose_many(runs: Sequence[Run], *, workers: int | None = None, seed: int = 0) -> list[Diagnosis]:
    """`diagnose` of each run, in order; the same answers however many processes work.

    `workers` None takes all cores for 200 runs or more, where starting processes cannot run the caller's program
    again (a notebook, a prompt, `python -m`); else one.
    """
    if workers is None:
        workers = _cores() if len(runs) >= WORTH_PROCESSES and _may_start_processes() else 1
    task = partial(diagnose, seed=seed)
    if workers <= 1 or len(runs) <= 1:
        return [task(run) for run in runs]
    try:
        # Fresh processes: a forked kernel would take its threads' locks along and could wait for ever.
        with ProcessPoolExecutor(min(workers, len(runs)), mp_context=get_context("spawn")) as pool:
            return list(pool.map(task, runs, chunksize=max(1, len(runs) // (workers * 8))))
    except (BrokenProcessPool, OSError):
        return [task(run) for run in runs]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _may_start_processes() -> bool:
    """A new process loads the main module again: harmless but for a script that lacks `if __name__ == "__main__"`."""
    main = sys.modules.get("__main__")
    return not hasattr(main, "__file__") or getattr(main, "__spec__", None) is not None
