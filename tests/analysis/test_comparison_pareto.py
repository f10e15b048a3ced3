"""Loss against cost: what is dominated beyond doubt, what is not, and where more money stops helping."""

import pytest
from sweeps import simulated_run

from tunebook.analysis import compare
from tunebook.analysis.sweeps.pareto import pareto


def runs(losses_and_tokens):
    return [
        simulated_run(
            f"job-{place}",
            {"n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 0.05 * 2**place},
            final=loss,
            steps=24,
            trained_tokens=tokens,
        )
        for place, (loss, tokens) in enumerate(losses_and_tokens)
    ]


def standing(front):
    return dict(zip(front["id"], front["standing"], strict=True))


def test_a_dearer_and_clearly_worse_configuration_is_dominated():
    front = pareto(compare(runs([(0.5, 1000), (0.9, 2000)])))

    assert standing(front) == {"job-0": "front", "job-1": "dominated"}


def test_a_dearer_and_hardly_worse_configuration_stays_undecided():
    front = pareto(compare(runs([(0.500, 1000), (0.503, 2000)])))

    assert standing(front)["job-1"] == "undecided"


def test_the_knee_is_the_cheapest_that_cannot_be_told_from_the_best():
    front = pareto(compare(runs([(0.9, 1000), (0.502, 2000), (0.500, 8000)]), noise_sd=0.01))

    assert front.loc[front["knee"], "id"].tolist() == ["job-1"]


def test_a_knee_is_never_the_dearest_where_a_cheaper_one_is_as_good():
    front = pareto(compare(runs([(0.503, 1000), (0.502, 2000), (0.500, 8000)])))

    assert front.loc[front["knee"], "id"].tolist() == ["job-0"]


def test_seeds_of_one_configuration_are_points_of_their_own():
    same = {"n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 0.1}
    pair = [simulated_run(f"s{k}", same, final=0.5, seed=k, steps=24, trained_tokens=1000 + 200 * k) for k in range(2)]

    assert pareto(compare(pair))["cost"].tolist() == pytest.approx(
        [0.00605, 0.00726]
    )  # dollars: the catalogue has the model's price


def test_jobs_without_a_known_cost_are_not_placed():
    assert pareto(compare(runs([(0.5, 1000), (0.9, None)])))["id"].tolist() == ["job-0"]


@pytest.mark.parametrize("given", [[], [(0.5, None)]], ids=["no runs", "no cost"])
def test_nothing_to_place_is_an_empty_table(given):
    assert pareto(compare(runs(given))).empty
