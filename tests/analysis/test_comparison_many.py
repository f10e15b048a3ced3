"""Many runs: several processes give the answers one gives, and are not started where that could harm."""

import sys
from dataclasses import replace
from types import ModuleType

import pytest
from sweeps import simulated_sweep

from tunebook.analysis.curves import many


def test_two_processes_give_the_answers_one_gives():
    runs = simulated_sweep(4, steps=24)

    alone = [d.to_json() for d in many.diagnose_many(runs, workers=1)]
    shared = [d.to_json() for d in many.diagnose_many(runs, workers=2)]

    assert alone == shared


def test_a_run_that_cannot_be_judged_costs_no_other_its_answer():
    good = simulated_sweep(1)[0]
    frame = good.results.frame.assign(step=[f"step {n}" for n in good.results.frame["step"]])
    broken = replace(good, results=replace(good.results, frame=frame))

    first, second = many.diagnose_many([broken, good])

    assert first.verdict == "inconclusive"
    assert first.reason.startswith("It cannot be judged (ValueError: ")
    assert second.verdict == many.diagnose_many([good])[0].verdict


def test_processes_are_started_unasked_in_a_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))

    assert many._may_start_processes()


@pytest.mark.parametrize(
    ("program", "may"),
    [
        ("import sys\nfrom tunebook.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n", True),
        ('"""Compare."""\nMOST: int = 3\ndef main(): print(MOST)\nif __name__ == "__main__":\n    main()\n', True),
        ("import tunebook\nprint(tunebook.compare([]))\n", False),
        ("import tunebook\nws = tunebook.connect()\nif __name__ == '__main__':\n    print(ws)\n", False),
        ("if True:\n    print(1)\n", False),
        ("not a program (", False),
    ],
)
def test_processes_are_started_unasked_by_a_script_only_if_loading_it_does_nothing(program, may, tmp_path, monkeypatch):
    script = ModuleType("__main__")
    script.__file__ = str(tmp_path / "analyse.py")
    (tmp_path / "analyse.py").write_text(program)
    monkeypatch.setitem(sys.modules, "__main__", script)

    assert many._may_start_processes() is may


def test_a_script_that_cannot_be_read_starts_no_processes(monkeypatch):
    script = ModuleType("__main__")
    script.__file__ = "gone.py"
    monkeypatch.setitem(sys.modules, "__main__", script)

    assert not many._may_start_processes()


def test_files_are_diagnosed_in_order_and_a_bad_one_is_named(tmp_path):
    (tmp_path / "good.csv").write_text("step,train_loss,valid_loss\n" + "".join(f"{i},1,{9 - i}\n" for i in range(8)))
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7")
    files = [tmp_path / "letter.pdf", tmp_path / "good.csv", tmp_path / "gone.csv"]

    alone = list(many.diagnose_files(files, workers=1))

    assert [record.get("verdict") for record in alone] == [None, "not_converged", None]
    assert "letter.pdf" in alone[0]["error"]
    assert list(many.diagnose_files(files, workers=2)) == alone
