"""What to pay for next: nothing beyond the budget, no number that means nothing, gains that come true."""

import json

import numpy as np
import pandas as pd
import pytest
from sweeps import simulated_run, simulated_sweep

from tunebook.analysis import Results, Run, compare
from tunebook.analysis.sweeps.more_data import MoreData
from tunebook.analysis.sweeps.next_steps import next_steps
from tunebook.analysis.sweeps.ranking import Measure
from tunebook.analysis.sweeps.worth import Incumbent, of_evaluation, of_jobs
from tunebook.errors import RequestError


def a_comparison(losses, **job):
    """One job a learning rate, with its final loss."""
    return compare(
        [
            simulated_run(
                f"rate-{rate}",
                {"n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": rate},
                final=loss,
                steps=40,
                seed=place,
                **job,
            )
            for place, (rate, loss) in enumerate(losses.items())
        ]
    )


BOWL = {0.02: 0.9, 0.05: 0.7, 0.2: 0.71, 0.5: 0.95}


def test_the_gap_in_the_middle_of_a_bowl_is_what_to_pay_for():
    found = next_steps(a_comparison(BOWL))

    first = found[0]
    assert (first.kind, first.chosen) == ("untried", True)
    assert first.gain.expected > 0
    (request,) = first.requests
    assert 0.05 < request["method"]["supervised"]["hyperparameters"]["learning_rate_multiplier"] < 0.2
    assert request["method"]["supervised"]["hyperparameters"]["n_epochs"] == 2
    assert (request["model"], request["training_file"]) == ("gpt-4.1-mini-2025-04-14", "file-train")


@pytest.mark.parametrize("budget", [0, 0.1, 0.3, 0.6, 100])
def test_a_budget_is_never_exceeded(budget):
    found = next_steps(a_comparison(BOWL), budget_usd=budget)

    assert sum(step.cost_usd for step in found.chosen) == pytest.approx(found.spent_usd)
    assert found.spent_usd <= budget
    assert all(step.fits == (step.cost_usd <= budget) for step in found if step.cost_usd is not None)
    assert len(found.requests) <= 3


def test_a_budget_of_nothing_stops_and_deploys():
    found = next_steps(a_comparison(BOWL), budget_usd=0)

    assert [step.kind for step in found.chosen] == ["deploy"]
    assert found.sentence == "Stop and deploy rate-0.05: a budget of $0 pays for no step that is worth it."


def test_without_a_price_nothing_is_bought_under_a_budget_and_no_price_is_made_up():
    comparison = a_comparison(BOWL, model="a-model-nobody-knows")

    found = next_steps(comparison, budget_usd=50)

    assert {step.cost_usd for step in found if step.kind != "deploy"} == {None}
    assert "none is known" in found.sentence
    assert "price not known" in found._repr_html_()
    assert next_steps(comparison).chosen[0].kind == "untried"


@pytest.mark.parametrize("jobs", [1, 2])
def test_from_one_job_or_two_no_gain_is_told(jobs):
    found = next_steps(a_comparison(dict(list(BOWL.items())[:jobs])))

    assert all(step.gain is None for step in found if step.kind != "deploy")
    assert "cannot say what a step gains" in found.sentence
    assert {step.kind for step in found.chosen} == {"untried"}


def test_nothing_ranked_is_a_sentence():
    assert next_steps(compare([])).steps == ()
    assert "no runs to compare" in next_steps(compare([])).sentence


@pytest.mark.parametrize("budget", [-1, float("nan"), "5", True])
def test_a_budget_that_is_no_amount_is_refused(budget):
    with pytest.raises(RequestError, match="US dollars"):
        next_steps(a_comparison(BOWL), budget_usd=budget)


def test_what_is_no_comparison_is_refused():
    with pytest.raises(RequestError, match="compare"):
        next_steps([])


def test_a_lowest_point_that_was_not_kept_is_trained_again_with_as_many_epochs():
    step = np.arange(1, 121)
    loss = 0.5 + 0.4 * np.exp(-step / 8) + 0.6 * np.clip(step - 40, 0, None) / 80
    frame = pd.DataFrame({"step": step, "train_loss": 0.4 + np.exp(-step / 30), "valid_loss": loss})
    others = [simulated_run(f"j{k}", {"n_epochs": 3, "batch_size": 8}, final=1.0 + k / 9, steps=60) for k in range(3)]
    job = {**others[0].job, "id": "long"}
    job["method"] = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 6, "batch_size": 8}}}
    long = Run(job, Results.from_frame(frame), [{"step_number": 120, "fine_tuned_model_checkpoint": "ft:long"}])

    again = [each for each in next_steps(compare([long, *others])) if each.kind == "train again"]

    assert [each.requests[0]["method"]["supervised"]["hyperparameters"]["n_epochs"] for each in again] == [2]
    assert again[0].gain.expected > 0.1


def test_what_more_data_said_takes_its_place_among_the_others():
    twice = pd.DataFrame({"times": [2.0], "gain": [0.2], "gain_low": [0.1], "gain_high": [0.3], "p_lower": [0.99]})
    more = MoreData("yes", "Twice the data is expected to lower the loss by 10 % to 30 %.", twice, twice)

    found = next_steps(a_comparison(BOWL), more=more)

    step = next(step for step in found if step.kind == "more data")
    assert step.reason.startswith("Train on twice the examples: twice the data is expected to lower the loss by 10 %")
    assert (step.gain.share, step.gain.changes) == (0.2, 0.99)


def test_jobs_of_another_model_speak_for_nothing_and_that_is_said():
    other = simulated_run("other", {"n_epochs": 2}, final=0.1, model="gpt-4o-2024-08-06")

    found = next_steps(compare([*a_comparison(BOWL).runs, other]))

    assert found.notes[0] == "Not looked at: 1 other group of jobs with another model, file, method or measure."


def test_a_foreign_name_is_escaped_and_the_list_is_plain_json():
    found = next_steps(a_comparison(BOWL, suffix="<script>alert(1)</script>", training_file="<script>"))

    assert "<script>" not in found._repr_html_()
    assert json.loads(json.dumps(found.to_json()))["steps"][0]["kind"] == "untried"


NORMAL = np.random.default_rng(0).standard_normal(20_000)


def incumbent(error, luck=0.02):
    return Incumbent(0.01 * NORMAL, np.full(20_000, luck), error, Measure("loss", 0.0))


def test_the_gain_of_a_job_is_the_normal_loss_function():
    """One job as good on average, sd 0.02, measured exactly: 0.02 times the density at 0, chosen every second time."""
    truths = 0.02 * np.random.default_rng(1).standard_normal((20_000, 1))

    gain = of_jobs(incumbent(0.0), truths, np.random.default_rng(2))

    assert gain.expected == pytest.approx(0.02 * 0.3989, rel=0.1)
    assert gain.changes == pytest.approx(0.5, abs=0.02)


def test_a_measurement_that_says_nothing_gains_nothing():
    truths = 0.02 * np.random.default_rng(1).standard_normal((20_000, 1))

    assert of_jobs(incumbent(5.0), truths, np.random.default_rng(2)).expected < 0.0005
    assert of_evaluation(incumbent(0.0), 0.01 + truths[:, 0], 5.0, np.random.default_rng(2)).changes == 0


def test_expected_gains_come_true_on_average():
    """Twelve sweeps: the job advised is then run; what it gains is, on average, what was expected."""
    expected, won = [], []
    for seed in range(12):
        runs = simulated_sweep(8, seed=seed, steps=40)
        comparison = compare(runs, workers=1)
        step = next(each for each in next_steps(comparison) if each.kind == "repeat")
        rng = np.random.default_rng(seed)
        best = float(comparison.frame["loss"].iloc[0])
        again = best * np.exp(rng.normal(0, 0.02, 2)).min()
        expected.append(step.gain.share)
        won.append(max(0.0, best - again) / best)

    assert 0.5 < np.mean(expected) / np.mean(won) < 2
