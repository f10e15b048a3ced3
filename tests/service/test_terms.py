"""What a deployment costs and when it ends, from the catalogue's facts."""

from datetime import UTC, date, datetime

from tunebook.service.terms import deployment_terms, retirement, sku_name

TUNED = "gpt-4.1-mini-2025-04-14.ft-0123"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_standard_deployment_costs_by_the_hour_and_goes_when_idle():
    terms = deployment_terms(sku="standard", model=TUNED, now=NOW)

    assert (terms.usd_per_hour, terms.idle_days, terms.life_hours) == (1.70, 15, None)
    assert "$40.80 a day" in terms.lines[0]


def test_a_developer_deployment_is_free_and_goes_a_day_after_its_creation():
    terms = deployment_terms(
        sku="developerTier", model=TUNED, now=NOW, created_at=datetime(2026, 11, 23, 9, tzinfo=UTC)
    )

    assert (terms.usd_per_hour, terms.idle_days) == (0.0, None)
    assert terms.removed_at == datetime(2026, 11, 24, 9, tzinfo=UTC)


def test_a_base_model_is_charged_by_its_tokens_alone():
    terms = deployment_terms(sku="standard", model="gpt-4.1-mini-2025-04-14", now=NOW)

    assert (terms.usd_per_hour, terms.idle_days) == (0.0, None)


def test_a_sku_without_a_known_price_says_so():
    terms = deployment_terms(sku="ProvisionedManaged", model=TUNED, now=NOW)

    assert terms.usd_per_hour is None
    assert "not in the catalogue" in terms.lines[0]


def test_the_days_to_retirement_are_counted_for_a_fine_tuned_model():
    end = retirement(TUNED, today=date(2027, 10, 4))

    assert (end.model, end.days) == ("gpt-4.1-mini-2025-04-14", 10)
    assert "in 10 days" in str(end)


def test_a_retired_model_says_since_when():
    assert "retired on 2027-10-14, 6 days ago" in str(retirement(TUNED, today=date(2027, 10, 20)))


def test_a_base_model_stops_answering_before_what_was_tuned_from_it():
    today = date(2026, 10, 1)

    assert [str(retirement(name, today=today)) for name in ("gpt-4.1-mini", TUNED)] == [
        "gpt-4.1-mini-2025-04-14 retires on 2026-10-14, in 13 days (as known on 2026-07-07).",
        "What is tuned from gpt-4.1-mini-2025-04-14 retires on 2027-10-14, in 378 days (as known on 2026-07-07).",
    ]


def test_a_model_without_a_known_end_has_none():
    assert retirement("gpt-oss-120b", today=date(2026, 1, 1)) is None


def test_the_spellings_of_a_sku_mean_the_same():
    assert {sku_name(s) for s in ("developer", "Developer", "developertier", "DeveloperTier")} == {"DeveloperTier"}
    assert sku_name("DataZoneStandard") == "DataZoneStandard"
