"""The table of a comparison: filtered, sorted, picked from; quick with a thousand jobs; safe with any text."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from ipywidgets.widgets.widget import _instances as widget_register

from tunebook.analysis import Results, Run, compare
from tunebook.analysis.sweeps import rows
from tunebook.analysis.sweeps.rows import Column
from tunebook.widgets.tables.comparing import ComparisonTable, comparison_table
from tunebook.widgets.tables.comparison_view import BEST, LEFT_OUT, RANKED

from .conftest import texts


def a_run(job_id: str, loss: float = 0.5, *, epochs: int = 2, rate: float = 0.1, **job: object) -> Run:
    frame = pd.DataFrame(
        {
            "step": range(1, 9),
            "train_loss": [1.2 - 0.05 * k for k in range(8)],
            "valid_loss": [loss * (1.35 - 0.05 * k) for k in range(8)],
            "full_valid_loss": [math.nan] * 7 + [loss],
        }
    )
    known = {
        "id": job_id,
        "model": "gpt-4.1-2025-04-14",
        "trainingType": "globalStandard",
        "status": "succeeded",
        "seed": 1,
        "trained_tokens": 1000 * epochs,
        "hyperparameters": {"n_epochs": epochs, "batch_size": 4, "learning_rate_multiplier": rate},
    }
    return Run(known | job, Results.from_frame(frame, job_id))


@pytest.fixture(scope="module")
def comparison():
    return compare(
        [
            a_run("ftjob-a", 0.50, epochs=2, rate=0.1, suffix="short"),
            a_run("ftjob-b", 0.90, epochs=4, rate=0.1),
            a_run("ftjob-c", 0.51, epochs=4, rate=0.3, suffix="hot"),
            a_run("ftjob-d", status="failed", error={"message": "quota used up"}),
        ]
    )


@pytest.fixture
def table(comparison):
    made = ComparisonTable(comparison)
    yield made
    made.close()


def shown(table: ComparisonTable) -> str:
    return "".join(job_id[-1] for job_id in table.rows["id"])


def test_ranked_jobs_stand_first_and_the_one_left_out_says_why(table) -> None:
    assert shown(table) == "acbd"
    assert "failed: quota used up" in texts(table.widget)
    assert "4 jobs; ★ best guess" in texts(table.widget)


@pytest.mark.parametrize(
    ("sort", "turn", "expected"),
    [
        ("rank", True, "bcad"),
        ("loss", False, "acbd"),
        ("job", True, "dcba"),
        ("cost", False, "cbad"),
        ("n_epochs", False, "adcb"),
        ("learning_rate_multiplier", True, "cabd"),
    ],
)
def test_rows_are_sorted_by_what_is_asked_and_unknown_values_come_last(table, sort, turn, expected) -> None:
    table.grid.sort, table.grid.turn = sort, turn

    assert shown(table) == expected


@pytest.mark.parametrize(
    ("find", "expected"),
    [
        ("n_epochs=4", "cb"),
        ("HOT", "c"),
        ("n_epochs=4 rate", ""),
        ("quota", "d"),
        ("learning_rate_multiplier=0.3", "c"),
    ],
)
def test_words_and_values_are_found(table, find, expected) -> None:
    table.find.value = find

    assert shown(table) == expected


def test_only_what_is_asked_for_is_shown(table) -> None:
    found = {}
    for show in (RANKED, BEST, LEFT_OUT):
        table.show_only.value = show
        found[show] = shown(table)

    assert (found[RANKED], found[LEFT_OUT]) == ("acb", "d")
    assert found[BEST].startswith("a")
    assert "b" not in found[BEST]


def test_picked_rows_are_drawn_as_curves_and_handed_on_as_runs(table) -> None:
    table.grid.picked = ["ftjob-a", "ftjob-b"]

    drawn = table._chart.value
    assert drawn.count("<polyline") + drawn.count("<path") >= 2
    assert "Overlaid curves: validation loss" in drawn
    assert [run.id for run in table.runs] == ["ftjob-a", "ftjob-b"]


def test_what_is_picked_stays_picked_while_it_is_shown(table) -> None:
    table.grid.picked = ["ftjob-a", "ftjob-b"]
    table.grid.sort = "job"
    assert table.picked == ("ftjob-a", "ftjob-b")

    table.find.value = "short"
    assert table.picked == ("ftjob-a",)
    assert "ftjob-b" not in table._chart.value


def test_a_job_without_curves_can_be_picked(table) -> None:
    table.grid.picked = ["ftjob-d"]

    assert "polyline" not in table._chart.value or "ftjob-d" in table._chart.value


def test_everything_from_outside_is_escaped() -> None:
    evil = "<script>x</script>\"'"
    made = comparison_table(
        compare([a_run(evil, suffix=evil), a_run("b", rate=0.3, status="failed", error={"message": evil})])
    )
    made.grid.picked = [evil]

    assert "<script>x" not in texts(made.widget)
    assert "<script>x" not in made._repr_mimebundle_()["text/html"]
    made.close()


def test_a_new_column_of_the_comparison_is_a_column_here(comparison, monkeypatch) -> None:
    status = Column("status", "State at the end", lambda job: job.status, numeric=False, sort="state at the end")
    monkeypatch.setattr(rows, "COLUMNS", (*rows.COLUMNS, status))
    made = ComparisonTable(comparison)

    assert "State at the end" in texts(made.widget)
    made.grid.sort = "state at the end"
    assert shown(made) == "dacb"
    assert "State at the end" in made._repr_mimebundle_()["text/plain"]
    made.close()


def test_nothing_to_compare_is_a_table_that_says_so() -> None:
    made = comparison_table(compare([]))

    assert "There are no runs to compare." in texts(made.widget)
    made.close()


def test_the_saved_picture_needs_no_widget(table) -> None:
    bundle = table._repr_mimebundle_()

    assert "Saved picture" in bundle["text/html"]
    assert "ftjob-a" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_closing_leaves_no_widget_behind(comparison) -> None:
    before = set(widget_register)

    comparison_table(comparison).close()

    assert [widget_register[name] for name in set(widget_register) - before] == []


def test_a_thousand_jobs_are_sorted() -> None:
    rates = [0.01 * 1.01**k for k in range(1000)]
    runs = [a_run(f"ftjob-{k:04d}", 0.5 + k / 1000, rate=rate) for k, rate in enumerate(rates)]
    few = compare(runs[:4])
    frame = pd.concat([few.frame.assign(id=[f"{job}-{k}" for job in few.frame["id"]]) for k in range(250)])
    many = replace(few, frame=frame.reset_index(drop=True), runs=tuple(runs))
    made = ComparisonTable(many)

    made.grid.sort = "own value"

    assert len(made.rows) == len(made.grid.rows) == 1000
    made.close()
