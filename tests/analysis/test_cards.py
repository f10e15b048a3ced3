"""What each record shows of itself: every fact, and nothing from outside as markup or mathematics."""

import re

import numpy as np
import pandas as pd
import pytest

from tunebook.analysis import Results, Run, compare, diagnose
from tunebook.analysis.sweeps.suggestions import suggest_from

HOSTILE = "<script>alert(1)</script> $x$ \\(y\\) \x1b[31m"
STEPS = np.arange(1, 41)
RISING = pd.DataFrame(
    {
        "step": STEPS,
        "train_loss": 2 * np.exp(-STEPS / 15),
        "valid_loss": 1 + (STEPS - 20.0) ** 2 / 800,
        "valid_mean_token_accuracy": np.linspace(0.5, 0.9, 40),
    }
)


def a_run(job_id, rate=0.1, **job):
    job = {
        "id": job_id,
        "status": "succeeded",
        "hyperparameters": {"n_epochs": 4, "learning_rate_multiplier": rate},
    } | job
    kept = ({"step_number": 20, "fine_tuned_model_checkpoint": f"{job_id}:ckpt-20"},)
    return Run(job, Results.from_frame(RISING, job_id), kept)


def comparison(name):
    failed = a_run("c", status="failed", error={"message": name})
    return compare([a_run("a", suffix=name), a_run(name, 0.3, seed=7), failed])


RECORDS = {
    "run": lambda name: a_run(name, suffix=name),
    "results": lambda name: Results.from_frame(RISING.assign(**{name: 1.0}), name),
    "diagnosis": lambda name: diagnose(a_run(name)),
    "comparison": comparison,
    "importance": lambda name: compare([a_run("a"), a_run("b", hyperparameters={"n_epochs": 2, name: 1.0})]).importance,
    "suggestions": lambda name: suggest_from(pd.DataFrame(columns=["observed"]), {"kind": [name, "b"]}, 2),
}


@pytest.mark.parametrize("record", RECORDS)
def test_nothing_from_outside_is_markup_or_mathematics(record):
    html = RECORDS[record](HOSTILE)._repr_html_()

    assert "<script" not in html
    text_nodes = re.sub(r"<[^>]*>", "\n", html).split("\n")
    assert all(node in ("$", "\\") or not set(node) & set("$\\") for node in text_nodes)


def test_a_diagnosis_shows_verdict_sentence_numbers_advice_and_notes():
    text = diagnose(a_run("ftjob-1"))._card().text()

    assert text.startswith("▲ Overfitting  ftjob-1\nValidation loss rose ")
    for fact in (
        "Probability of overfitting",
        "90 % interval",
        "Began",
        "step 20, epoch 2: ftjob-1:ckpt-20",
        "What to do",
    ):
        assert fact in text


def test_a_comparison_shows_the_sentence_the_jobs_what_mattered_and_what_was_left_out():
    text = comparison("short")._card().text()

    for fact in ("is the best guess", "★ 1", "learning_rate_multiplier", "What mattered", "failed: short", "luck"):
        assert fact in text


def test_results_show_each_column_with_its_first_lowest_and_last_value():
    assert "valid_loss                       40  1.451       1    1.5" in Results.from_frame(RISING)._card().text()


def test_a_run_shows_what_the_job_tells_and_leaves_out_what_it_does_not():
    text = Run({"id": "ftjob-1", "status": "running", "seed": 3})._card().text()

    assert "Run ftjob-1" in text
    assert "seed             3" in text
    assert "suffix" not in text
