"""A comparison's row is one record, and a column of it is one entry of a table that every view lays out."""

from dataclasses import replace

import pandas as pd
import pytest

from tunebook.analysis import Results, Run, compare
from tunebook.analysis.sweeps import rows
from tunebook.analysis.sweeps.rows import Column, columns_of, varied_settings
from tunebook.report import write_report


def a_run(job_id, loss, *, epochs=2, **job):
    frame = pd.DataFrame({"step": range(1, 13), "train_loss": [loss] * 12, "valid_loss": [loss] * 12})
    known = {
        "id": job_id,
        "model": "gpt-4.1",
        "trainingType": "GlobalStandard",
        "status": "succeeded",
        "trained_tokens": 1_000_000 * epochs,
        "hyperparameters": {"n_epochs": epochs, "batch_size": 4, "learning_rate_multiplier": 0.1},
    }
    return Run(known | job, Results.from_frame(frame, job_id))


@pytest.fixture(scope="module")
def comparison():
    failed = Run({"id": "c", "status": "failed", "error": {"message": "quota"}})
    return compare([a_run("a", 0.5, suffix="short"), a_run("b", 0.9, epochs=4, suffix="long"), failed])


def test_a_job_is_one_record_of_plain_values(comparison):
    best, second, failed = comparison.jobs

    assert (best.id, best.label, best.standing, best.rank, best.settings["n_epochs"]) == ("a", "short", "best", 1, 2)
    assert (best.observed, best.cost_usd, best.left_out) == (pytest.approx(0.5, rel=0.02), 50.0, "")
    assert (second.standing, second.distance[0], second.verdict) == ("", "+", best.verdict)
    assert (failed.ranked, failed.loss, failed.place, failed.left_out) == (False, None, "", "failed: quota")


def test_only_columns_that_have_something_to_show_are_laid_out(comparison):
    names = [column.name for column in columns_of([job for job in comparison.jobs if job.ranked])]

    assert names[:4] == ["rank", "id", "verdict", "n_epochs"]
    assert not {"group", "seed", "batch_size", "accuracy"} & set(names)


def test_settings_are_compared_between_ranked_jobs_where_not_to_be_told_is_a_difference(comparison):
    best, second, failed = comparison.jobs
    untold = replace(second, settings=second.settings | {"batch_size": None})

    assert varied_settings((best, second, failed)) == ("n_epochs",)
    assert varied_settings((best, untold)) == ("n_epochs", "batch_size")


def test_ranks_are_sorted_within_their_groups(comparison):
    rank = next(column for column in columns_of(comparison.jobs) if column.name == "rank")
    best, second, _ = comparison.jobs

    assert rank.value_of(second) < rank.value_of(replace(best, group="B"))


def test_a_new_column_is_one_entry_and_every_view_shows_it(comparison, monkeypatch):
    status = Column("status", "State at the end", lambda job: job.status, numeric=False)
    monkeypatch.setattr(rows, "COLUMNS", (*rows.COLUMNS, status))

    card = comparison._card()

    assert "State at the end" in card.html()
    assert "| State at the end |" in card.markdown()


def test_a_new_column_is_in_the_report_too(comparison, monkeypatch, tmp_path):
    status = Column("status", "State at the end", lambda job: job.status, numeric=False)
    monkeypatch.setattr(rows, "COLUMNS", (*rows.COLUMNS, status))

    for name in ("report.html", "report.md"):
        assert "State at the end" in write_report(comparison, tmp_path / name).read_text("utf-8")
