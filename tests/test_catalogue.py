"""The catalogue of dated facts: names resolve, users may lay their own file over it."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook import catalogue as catalogue_module
from tunebook.catalogue import _findings, _read, check_catalogue, load_catalogue
from tunebook.errors import TunebookError
from tunebook.fields import METHODS

SHIPPED = Path(catalogue_module.__file__).with_name("catalogue.toml")


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


@pytest.mark.parametrize("spelling", ["DatazoneStandard", "dataZoneStandard", "DATAZONESTANDARD", "datazone"])
def test_the_data_zone_is_a_training_type(spelling):
    assert load_catalogue().training_type(spelling).id == "DatazoneStandard"


def test_a_price_nobody_documented_is_none():
    assert load_catalogue().price("gpt-5", "Standard") is None


def test_training_and_deployments_of_a_model_end_apart():
    ends = load_catalogue().model("gpt-4.1-mini").retires
    assert (ends.base, ends.training, ends.deployment) == (date(2026, 10, 14), date(2027, 4, 14), date(2027, 10, 14))


@pytest.mark.parametrize(
    ("model", "offer", "region", "offered"),
    [
        ("gpt-4.1-nano", "Standard", "swedencentral", True),
        ("gpt-4.1-nano", "Standard", "westus", False),
        ("gpt-4.1-nano", "GlobalStandard", "westus", True),
        ("gpt-oss-120b", "GlobalStandard", "westus", False),
        ("gpt-oss-120b", "GlobalStandard", "uaenorth", True),
        ("gpt-4.1-nano", "DatazoneStandard", "swedencentral", False),
    ],
)
def test_regions_are_those_of_the_model_and_the_tier(model, offer, region, offered):
    assert (region in load_catalogue().regions(model, offer).regions) == offered


def test_where_two_pages_differ_the_stricter_limit_is_kept_and_the_laxer_one_known():
    catalogue = load_catalogue()
    assert (catalogue.limit("suffix_characters"), catalogue.most("suffix_characters")) == (40, 64)


# The shipped file holds together: what a refresh must leave true.


def test_the_shipped_file_has_no_fault():
    assert check_catalogue(SHIPPED) == ()


def test_every_fact_says_where_and_when_it_was_read():
    catalogue = load_catalogue()
    facts = [
        *(fact for limit in catalogue.limits.values() for fact in (limit, limit.elsewhere) if fact),
        *catalogue.models,
        *(model.retires for model in catalogue.models if model.retires),
        *catalogue.training_types,
        *catalogue.places,
        *catalogue.prices,
        *catalogue.hosting,
        *catalogue.tokens,
    ]
    assert all(fact.source.startswith("https://") and fact.dated <= catalogue.as_of for fact in facts)


def test_every_source_that_is_named_is_used():
    text = SHIPPED.read_text("utf-8")
    named = [
        line.split(" = ")[0] for line in text.split("[sources]\n")[1].split("\n\n")[0].splitlines() if " = " in line
    ]
    assert [name for name in named if f'source = "{name}"' not in text and name != "pricing"] == []


def test_what_the_entries_say_of_each_other_is_so():
    catalogue = load_catalogue()
    tiers = {tier.id for tier in catalogue.training_types}
    known = {model.id for model in catalogue.models}
    assert all(set(model.training_types) <= tiers and set(model.methods) <= set(METHODS) for model in catalogue.models)
    for price in catalogue.prices:
        model = catalogue.model(price.model)
        assert price.training_type in model.training_types
        assert (price.usd_per_hour is not None) == (model.methods == ("reinforcement",))
        assert 0 < price.least <= price.usd
    assert all(set(row.models) <= known for row in catalogue.places)
    assert all(catalogue.regions(model.id, tier) for model in catalogue.models for tier in model.training_types
               if tier != "Developer")  # fmt: skip
    ends = [model.retires for model in catalogue.models if model.retires]
    assert all(end.base <= (end.training or end.base) <= (end.deployment or date.max) for end in ends)
    names = [name.lower() for model in catalogue.models for name in (model.id, *model.aliases)]
    assert len(names) == len({*names, *()}) + sum(m.id.lower() in map(str.lower, m.aliases) for m in catalogue.models)


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


PRICE = '[[prices]]\nmodel = "gpt-4.1-nano-2025-04-14"\ntraining_type = "Standard"\nsource = "me"\n'


@pytest.mark.parametrize(
    ("text", "severity", "told"),
    [
        (f"{PRICE}dated = 2026-11-01\nusd_per_million_tokens = -5", "error", "= -5: expected `float` >= 0"),
        (
            f'{PRICE}dated = 2026-11-01\nusd_per_million_tokens = "5"',
            "error",
            "= '5': expected `float | null`, got `str`",
        ),
        (f'{PRICE}dated = "today"\nusd_per_hour = 5', "error", "dated = 'today': "),
        (f"{PRICE}dated = 2026-11-01", "error", "either usd_per_million_tokens or, of reinforcement, usd_per_hour"),
        (f"{PRICE}dated = 2026-11-01\nusd = 5", "error", "unknown field `usd`"),
        (f"{PRICE}usd_per_hour = 5", "error", "missing required field `dated`"),
        (
            f"{PRICE}dated = 2024-01-01\nusd_per_million_tokens = 5",
            "warning",
            "older than the shipped entry of 2025-08-25",
        ),
        (f"{PRICE}dated = 2026-11-01\nusd_per_hour = 5".replace("nano", "n"), "warning", "is not the id of a model"),
        (f"{PRICE}dated = 2026-11-01\nusd_per_hour = 5".replace("Stand", "Std"), "warning", "'Stdard' is none of"),
        ('[[models]]\nid = "a"\nretires = 2027-04-14', "error", "Training and deployments end apart"),
        ("[[price]]\nmodel = 1", "error", "there is no such table"),
        ("prices = 5", "error", "expected `object`, got `int`"),
        ("limits = 5", "error", "expected `object`, got `int`"),
        (
            "[limits]\nmin_examples = { value = 9, source = 'me', dated = 2020-01-01 }",
            "warning",
            "older than the shipped",
        ),
    ],
)
def test_each_fault_of_a_catalogue_file_is_a_finding(tmp_path, text, severity, told):
    own = tmp_path / "own.toml"
    own.write_text(text)

    (finding,) = check_catalogue(own)

    assert finding.severity == severity
    assert told in str(finding)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.dates(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "source", "models", "retires"]), inner)
), max_leaves=6), st.sampled_from(["models", "prices", "limits", "sources", "regions", "training_types"]))  # fmt: skip
def test_no_table_of_a_catalogue_breaks_its_check(value, name):
    findings = list(_findings({name: value}, _read(SHIPPED)))

    assert all(str(finding) for finding in findings)


def test_several_faults_are_told_at_once_when_the_file_is_used(tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text(f"{PRICE}dated = 2026-11-01\nusd_per_hour = -1\n[[prises]]\nmodel = 1\n")

    with pytest.raises(TunebookError, match=r"(?s)mine\.toml: .*prises: .*prices 1 \(gpt-4.1-nano-2025-04-14"):
        load_catalogue(own)


@pytest.mark.parametrize("text", ["not toml", "[[prices]]\nmodel = 1\n"])
def test_a_users_file_that_does_not_fit_is_named(tmp_path, text):
    own = tmp_path / "mine.toml"
    own.write_text(text)
    with pytest.raises(TunebookError, match=r"mine\.toml"):
        load_catalogue(own)
