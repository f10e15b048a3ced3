"""Many runs: several processes give the answers one gives, and are not started where that could harm."""

import sys
from types import ModuleType

from sweeps import simulated_sweep

from tunebook.analysis import many


def test_two_processes_give_the_answers_one_gives():
    runs = simulated_sweep(4, steps=24)

    alone = [d.to_json() for d in many.diagnose_many(runs, workers=1)]
    shared = [d.to_json() for d in many.diagnose_many(runs, workers=2)]

    assert alone == shared


def test_processes_are_started_unasked_only_where_the_callers_program_cannot_run_again(monkeypatch):
    script, notebook = ModuleType("__main__"), ModuleType("__main__")
    script.__file__ = "analyse.py"

    monkeypatch.setitem(sys.modules, "__main__", script)
    assert not many._may_start_processes()
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    assert many._may_start_processes()
