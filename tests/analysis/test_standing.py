"""What is said of a running job changes when the evidence does, not with every measurement."""

import pandas as pd
import pytest

from tunebook.analysis import Results, diagnose
from tunebook.analysis.curves.standing import Standing, look

FALLING = diagnose(
    pd.DataFrame({"step": range(1, 21), "train_loss": 3.0, "valid_loss": [3 * 0.9**k for k in range(20)]})
)
HEALTHY = diagnose(
    pd.DataFrame({"step": range(1, 31), "train_loss": 1.0, "valid_loss": [1 + 2 * 0.5**k for k in range(30)]})
)
EMPTY = diagnose(pd.DataFrame({"step": [1], "train_loss": [3.0], "valid_loss": [3.0]}))


def results(measured):
    return Results.from_frame(pd.DataFrame({"step": range(1, measured + 1), "valid_loss": 1.0}))


def shown(found, **settings):
    """The verdicts shown as a job is looked at with 10, 20, 30 … measurements and these are found."""
    standing, verdicts = Standing(), []
    for number, diagnosis in enumerate(found, start=1):
        standing = look(standing, results(10 * number), lambda now=diagnosis: now, **settings)
        verdicts.append(standing.diagnosis.verdict)
    return verdicts


def test_one_look_that_finds_otherwise_changes_nothing():
    assert shown([FALLING, HEALTHY, FALLING]) == ["not_converged"] * 3


def test_the_third_look_in_a_row_changes_what_is_shown():
    assert shown([FALLING, HEALTHY, HEALTHY, HEALTHY]) == ["not_converged"] * 3 + ["healthy"]


def test_what_nothing_could_be_said_of_is_replaced_at_once():
    assert shown([EMPTY, FALLING]) == ["inconclusive", "not_converged"]


def test_the_end_of_a_job_is_judged_at_once():
    assert shown([FALLING, HEALTHY], ended=True) == ["not_converged", "healthy"]


def test_the_same_verdict_brings_its_newest_numbers():
    later = diagnose(pd.DataFrame({"step": range(1, 41), "valid_loss": [1 + 2 * 0.5**k for k in range(40)]}))
    standing = look(Standing(), results(10), lambda: HEALTHY)

    assert look(standing, results(20), lambda: later).diagnosis is later


@pytest.mark.parametrize("measured", [100, 104])
def test_a_look_without_enough_new_measurements_is_none(measured):
    standing = look(Standing(), results(100), lambda: FALLING)

    assert look(standing, results(measured), lambda: pytest.fail("diagnosed again")) is standing


def test_a_job_that_has_ended_is_judged_once():
    standing = look(Standing(), results(100), lambda: FALLING, ended=True)

    assert look(standing, results(100), lambda: pytest.fail("diagnosed again"), ended=True) is standing
