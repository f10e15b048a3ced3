"""The catalogue of dated facts: names resolve, users may lay their own file over it."""

from datetime import date

import pytest

from tunebook.catalogue import load_catalogue
from tunebook.errors import TunebookError


@pytest.mark.parametrize(
    "name",
    ["gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14.ft-0e20-support:ckpt-step-80"],
)
def test_an_alias_a_dated_id_and_a_tuned_model_name_the_same_base_model(name):
    assert load_catalogue().model(name).id == "gpt-4.1-mini-2025-04-14"


def test_a_model_nobody_knows_is_none_and_not_an_error():
    assert load_catalogue().model("gpt-9") is None


@pytest.mark.parametrize("spelling", ["Developer", "developerTier", "developertier", "developer"])
def test_training_types_are_known_by_every_spelling_seen_on_the_wire(spelling):
    assert load_catalogue().training_type(spelling).wire == "developerTier"


def test_a_price_nobody_documented_is_none():
    assert load_catalogue().price("gpt-4.1-mini", "Standard") is None


def test_every_fact_says_where_and_when_it_was_read():
    catalogue = load_catalogue()
    facts = [*catalogue.limits.values(), *catalogue.models, *catalogue.prices, *catalogue.hosting]
    assert all(fact.source.startswith("https://") and fact.dated <= catalogue.as_of for fact in facts)


def test_the_users_file_lies_over_the_shipped_one(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text(
        '[[prices]]\nmodel = "gpt-4.1-mini-2025-04-14"\ntraining_type = "Standard"\n'
        'usd_per_million_tokens = 5.0\nsource = "our contract"\ndated = 2026-11-01\n'
    )
    catalogue = load_catalogue(own)
    assert catalogue.price("gpt-4.1-mini").usd_per_million_tokens == 5.0
    assert catalogue.as_of == date(2026, 11, 1)
    assert catalogue.limit("min_examples") == 10


@pytest.mark.parametrize("text", ["not toml", "[[prices]]\nmodel = 1\n"])
def test_a_users_file_that_does_not_fit_is_named(tmp_path, text):
    own = tmp_path / "mine.toml"
    own.write_text(text)
    with pytest.raises(TunebookError, match=r"mine\.toml"):
        load_catalogue(own)
