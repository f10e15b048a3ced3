"""One price of a job, wherever it is shown."""

from datetime import date

import pytest

from tunebook.catalogue import load_catalogue
from tunebook.errors import TunebookError
from tunebook.money import bill, epochs_of, grading, paid, per_million, prices_of, remember_price, tier_of


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

    assert (cost.billed_tokens, cost.usd, cost.assumed) == (2_000_000, 50.0, False)
    assert str(cost) == (
        "1,000,000 tokens × 2 epochs = 2,000,000 billed tokens, about $50.00 on gpt-4.1, GlobalStandard, "
        "at $25 a million tokens, as of 2025-08-25"
    )


@pytest.mark.parametrize(
    ("job", "usd"),
    [
        # Microsoft's cost page of 2026-03: 1 million tokens x 2 epochs at its example price of $2 a million = $4.
        ({"model": "gpt-4.1", "tokens": 1_000_000, "n_epochs": 2, "usd_per_unit": 2.0}, 4.0),
        # The same page: 4 hours of reinforcement at $100 an hour = $400, which is the meter's price of Global training.
        ({"model": "o4-mini", "tokens": 0, "method": "reinforcement", "hours": 4, "training_type": "Global"}, 400.0),
        # A recorded run of gpt-4.1-nano: 8,000 tokens billed (10 epochs of 800), at the meter's $1.50 a million.
        ({"model": "gpt-4.1-nano", "tokens": 800, "n_epochs": 10, "training_type": "GlobalStandard"}, 0.012),
    ],
)
def test_three_jobs_cost_what_the_documentations_own_arithmetic_says(job, usd):
    assert bill(**job).usd == pytest.approx(usd)


def test_a_job_that_names_no_tier_is_billed_as_the_api_takes_it_at_most_the_price_of_the_dearer_regions():
    cost = bill("gpt-4.1", 1_000_000, n_epochs=2)

    assert (cost.training_type, cost.usd, cost.usd_interval) == ("Standard", 60.5, (55.0, 60.5))
    assert "about $60.50 ($55.00 to $60.50)" in str(cost)
    assert cost.price == "at $27.5 to $30.25 a million tokens by region, as of 2025-08-25"


def test_an_unknown_price_is_said_and_not_guessed_with_where_to_look_it_up():
    cost = bill("gpt-4.1", 1_000_000, n_epochs=2, training_type="datazone")

    assert (cost.usd, cost.known) == (None, False)
    assert cost.price == (
        "no price known for gpt-4.1, DatazoneStandard (about $50.00 as GlobalStandard; about $60.50 as Standard; "
        "about $25.00 as Developer; look it up at "
        "https://azure.microsoft.com/pricing/details/cognitive-services/openai-service/ and type it once into the job "
        "form, or into a file named by TUNEBOOK_CATALOGUE)"
    )


def test_a_price_that_follows_from_another_says_how():
    told = bill("gpt-4.1-nano", 100, examples=10, training_type="developerTier").price

    assert told == "at $0.75 a million tokens, half of Global, says the overview of training tiers, as of 2025-08-25"


def test_an_estimate_gives_a_range():
    cost = bill("gpt-4.1", 1_000_000, interval=(900_000, 1_100_000), n_epochs=1, training_type="globalstandard")

    assert cost.usd_interval == pytest.approx((22.5, 27.5))
    assert "about $25.00 ($22.50 to $27.50)" in str(cost)


def test_your_own_price_goes_first():
    assert bill("gpt-4.1", 1_000_000, n_epochs=1, usd_per_unit=10).usd == 10.0


def test_reinforcement_has_no_price_a_token():
    cost = bill("o4-mini", 1_000, n_epochs=1, method="reinforcement")

    assert (cost.usd, cost.hourly, cost.known) == (None, True, True)
    assert str(cost) == ("by the hour of training; at $110 to $121 an hour of training by region, as of 2025-08-25")
    assert per_million("o4-mini") is None


def test_a_price_typed_once_is_kept_in_the_state_folder_until_it_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path / "new"))
    day = date(2026, 11, 20)

    remember_price("gpt-4.1-nano", "datazone", 2.5, hourly=False, today=day)
    remember_price('my "own"\x7f\n模型 🙂', "Standard", 7, hourly=True, today=day)

    told = bill("gpt-4.1-nano", 1_000_000, n_epochs=1, training_type="DatazoneStandard")
    assert (told.usd, told.price) == (2.5, "at $2.5 a million tokens, typed in on 2026-11-20")
    assert bill('my "own"\x7f\n模型 🙂', 0, hours=2, method="reinforcement").usd == 14
    remember_price("gpt-4.1-nano", "datazone", None, hourly=False, today=day)
    assert not bill("gpt-4.1-nano", 1, training_type="DatazoneStandard").known
    assert bill('my "own"\x7f\n模型 🙂', 0, hours=2, method="reinforcement").known


def test_a_price_that_cannot_be_kept_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path / "file"))

    with pytest.raises(TunebookError, match="Choose another folder with TUNEBOOK_STATE"):
        remember_price("gpt-4.1", "Standard", 1, hourly=False, today=date(2026, 11, 20))


def test_models_that_grade_are_billed_on_top():
    part = {"type": "score_model", "model": "gpt-9"}
    multi = {"type": "multi", "graders": {"a": {"type": "score_model", "model": "o3-mini"}, "b": part}}

    assert [line.split(",")[0] for line in grading(multi, load_catalogue())] == ["o3-mini grades", "gpt-9 grades"]


def test_what_was_trained_is_paid_for_by_the_million():
    assert paid(2_000_000, 2.0) == 4.0
    assert paid(None, 2.0) is paid(2_000_000, None) is None


def test_a_job_without_a_tier_was_trained_as_the_api_takes_it():
    assert tier_of({"trainingType": "globalStandard"}) == "globalStandard"
    assert tier_of({}) == "Standard"


def test_prices_say_how_old_they_are():
    assert prices_of([("gpt-4.1", "GlobalStandard"), ("gpt-4.1-nano", "Standard")]) == "prices of 2025-08-25"
    assert prices_of([]) == "prices as given"
