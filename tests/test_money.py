"""One price of a job, wherever it is shown."""

import pytest

from tunebook.money import bill, epochs_of, paid, prices_of, tier_of


@pytest.mark.parametrize(
    ("examples", "epochs"), [(10, 10), (33, 3), (34, 3), (500, 3), (8_334, 2), (100_000, 1), (1, 25), (None, 3)]
)
def test_epochs_are_assumed_as_the_cookbook_does(examples, epochs):
    assert epochs_of("auto", examples) == epochs


@pytest.mark.parametrize("auto", ["auto", None, -1])
def test_all_spellings_of_auto_are_one(auto):
    assert epochs_of(auto, 10) == 10


def test_the_bill_is_tokens_times_epochs_times_price():
    cost = bill("gpt-4.1", 1_000_000, n_epochs=2, training_type="GlobalStandard")

    assert (cost.billed_tokens, cost.usd, cost.assumed) == (2_000_000, 4.0, False)  # the documentation's own example
    assert str(cost) == (
        "1,000,000 tokens × 2 epochs = 2,000,000 billed tokens, about $4.00 on gpt-4.1, GlobalStandard, "
        "at $2 a million tokens, as of 2026-03-01"
    )


def test_a_job_that_names_no_tier_is_billed_as_the_api_takes_it_and_told_where_a_price_is_known():
    cost = bill("gpt-4.1", 1_000_000, n_epochs=2)

    assert (cost.training_type, cost.usd) == ("Standard", None)
    assert cost.price.startswith("no price known for gpt-4.1, Standard (about $4.00 as GlobalStandard; set one")


def test_an_unknown_price_is_said_and_not_guessed():
    cost = bill("gpt-4.1-nano", 100, examples=10)

    assert cost.usd is None
    assert "assumed" in str(cost)
    assert "no price known for gpt-4.1-nano" in str(cost)


def test_an_estimate_gives_a_range():
    cost = bill("gpt-4.1", 1_000_000, interval=(900_000, 1_100_000), n_epochs=1, training_type="globalstandard")

    assert cost.usd_interval == (1.8, 2.2)
    assert "about $2.00 ($1.80 to $2.20)" in str(cost)


def test_your_own_price_goes_first():
    assert bill("gpt-4.1", 1_000_000, n_epochs=1, usd_per_million=10).usd == 10.0


def test_reinforcement_has_no_price_a_token():
    cost = bill("o4-mini", 1_000, n_epochs=1, method="reinforcement")

    assert (cost.usd, cost.price) == (None, "reinforcement is billed by the hour of training, not by tokens")


def test_what_was_trained_is_paid_for_by_the_million():
    assert paid(2_000_000, 2.0) == 4.0
    assert paid(None, 2.0) is paid(2_000_000, None) is None


def test_a_job_without_a_tier_was_trained_as_the_api_takes_it():
    assert tier_of({"trainingType": "globalStandard"}) == "globalStandard"
    assert tier_of({}) == "Standard"


def test_prices_say_how_old_they_are():
    assert prices_of([("gpt-4.1", "GlobalStandard"), ("gpt-4.1-nano", "Standard")]) == "prices of 2026-03-01"
    assert prices_of([]) == "prices as given"
