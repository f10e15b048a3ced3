"""The plan of a sweep: which jobs, under which names, at what cost, before anything is sent."""

import pandas as pd
import pytest
from scipy.stats import loguniform

from tunebook.errors import RequestError
from tunebook.experiments.sweeps.plan import check_budget, draw, grid, plan_frame, trials
from tunebook.service.request import JobRequest

BASE = JobRequest(model="gpt-4.1", training_file="file-1", seed=5, suffix="tone", training_type="GlobalStandard")


def test_a_grid_is_every_combination():
    assert grid({"n_epochs": [1, 2], "learning_rate_multiplier": [0.1]}) == [
        {"learning_rate_multiplier": 0.1, "n_epochs": 1},
        {"learning_rate_multiplier": 0.1, "n_epochs": 2},
    ]


def test_draws_repeat_with_their_seed_and_are_plain_numbers():
    space = {"learning_rate_multiplier": loguniform(0.02, 0.2), "n_epochs": [2, 3]}

    first, again = (draw(space, 3, seed=1) for _ in range(2))

    assert first == again
    assert {type(setting["learning_rate_multiplier"]) for setting in first} == {float}


@pytest.mark.parametrize("space", [{}, {"n_epochs": []}, {"n_epochs": 2}, {"epochs": [1]}, {"n_epochs": "12"}])
def test_a_space_that_spans_nothing_is_refused(space):
    with pytest.raises(RequestError):
        grid(space)


def test_each_seed_of_each_setting_is_a_trial_with_an_identity_of_its_own():
    planned = trials(BASE, [{"n_epochs": 1}, {"n_epochs": 2}], identity="ab12cd", seeds=2)

    assert [(t.request.n_epochs, t.request.seed, t.identity) for t in planned] == [
        (1, 5, "tone-ab12cd-000"),
        (1, 6, "tone-ab12cd-001"),
        (2, 5, "tone-ab12cd-002"),
        (2, 6, "tone-ab12cd-003"),
    ]


def test_a_long_suffix_is_cut_and_the_identity_kept():
    base = JobRequest(model="gpt-4.1", training_file="file-1", suffix="x" * 40)

    identity = trials(base, [{"n_epochs": 1}], identity="ab12cd")[0].identity

    assert len(identity) == 40
    assert identity.endswith("x-ab12cd-000")


def test_a_value_outside_the_services_range_names_its_trial_and_field():
    with pytest.raises(RequestError, match="trial 1, n_epochs: 0"):
        trials(BASE, [{"n_epochs": 1}, {"n_epochs": 0}], identity="ab12cd")


def test_the_plan_tells_tokens_and_dollars_of_each_job():
    planned = trials(BASE, [{"n_epochs": 1}, {"n_epochs": 4}], identity="ab12cd")

    plan = plan_frame(planned, file_tokens=250_000)

    assert plan[["tokens", "usd"]].to_dict("list") == {"tokens": [250_000.0, 1_000_000.0], "usd": [6.25, 25.0]}


def test_a_plan_dearer_than_its_budget_is_refused():
    plan = plan_frame(trials(BASE, [{"n_epochs": 4}], identity="ab12cd"), file_tokens=250_000)

    check_budget(plan, budget_tokens=1_000_000, budget_usd=25.0)
    with pytest.raises(RequestError, match="costs 25 usd, the budget is 24"):
        check_budget(plan, budget_tokens=None, budget_usd=24.0)


def test_a_budget_that_cannot_be_kept_because_the_cost_is_unknown_is_refused():
    plan = pd.DataFrame({"tokens": [float("nan")], "usd": [float("nan")]})

    with pytest.raises(RequestError, match="not known"):
        check_budget(plan, budget_tokens=1e9, budget_usd=None)


def test_settings_that_name_something_unknown_are_refused_with_what_can_be_varied():
    with pytest.raises(RequestError, match="epochs: not something a sweep can vary; it can vary n_epochs"):
        trials(BASE, [{"epochs": 1}], identity="ab12cd")


def test_the_plan_shows_whatever_is_varied():
    base = JobRequest(model="gpt-4.1", training_file="file-1", method="dpo")

    plan = plan_frame(trials(base, [{"beta": 0.1}, {"beta": 0.5}], identity="ab12cd"))

    assert plan["beta"].tolist() == [0.1, 0.5]
