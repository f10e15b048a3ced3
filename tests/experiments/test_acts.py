"""A price holds: what is paid for stands where it is priced, and no budget is kept by a price that is none."""

import math

import pytest

from tunebook.errors import RequestError
from tunebook.experiments import Act, create_act, evaluate_act, sweep_act
from tunebook.service import JobRequest


@pytest.mark.parametrize("usd", [None, -1.0, math.nan, math.inf, 6.0])
def test_a_budget_refuses_what_is_too_dear_and_what_is_no_price(usd):
    assert Act("create", "Train.", usd, "It costs.", lambda: None).refusal(5)


def test_fewer_answers_than_one_are_refused_before_they_are_priced():
    with pytest.raises(RequestError, match="samples=-100000: at least 1"):
        evaluate_act(None, "nowhere.jsonl", ["base"], samples=-100000)


@pytest.mark.parametrize(
    "extra",
    [
        {"hyperparameters": {"n_epochs": 50}},
        {"method": {"supervised": {"hyperparameters": {"nEpochs": 50}}}},
        {"method": {"dpo": {"hyperparameters": {"epochs": 50}}}},
        {"training_type": "GlobalStandard"},
        {"trainingType": "GlobalStandard"},
    ],
)
def test_what_makes_the_price_is_not_taken_from_beside_it(extra):
    request = JobRequest(model="gpt-4.1-nano", training_file="file-1", extra=extra)

    for act in (lambda: create_act(None, request), lambda: sweep_act(None, request, {"n_epochs": [1]})):
        with pytest.raises(RequestError, match=r"the price depends on it|says otherwise"):
            act()


def test_a_name_writes_no_lines_into_what_is_approved():
    with pytest.raises(RequestError, match="holds what no name has"):
        create_act(None, JobRequest(model="m\nFREE", training_file="file-1"))
