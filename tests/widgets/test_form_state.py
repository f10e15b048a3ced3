"""From what is typed to a request, notes, estimate and code: the form's decisions, without a widget."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.catalogue import load_catalogue
from tunebook.widgets.form.state import FormState, resolve
from tunebook.widgets.form.values import FileChoice, FormValues, metadata_of, number_or_text

UPLOADED = FileChoice(file_id="file-1", label="a", examples=200, tokens=1_000_000)


def state_of(today=date(2026, 11, 1), **values) -> FormState:
    files = {"training": UPLOADED, "validation": FileChoice(file_id="file-2")}
    free = values.pop("free", False)
    chosen = FormValues(**(files | values))
    return resolve(chosen, load_catalogue(), today=today, endpoint="https://c.example", free=free)


def said(state: FormState, field: str) -> str:
    return " ".join(note.text for note in state.notes[field])


def tones(state: FormState, field: str) -> set[str]:
    return {note.tone for note in state.notes[field]}


@pytest.mark.parametrize(
    ("field", "text", "tone"),
    [
        ("n_epochs", "x", "bad"),
        ("n_epochs", "0", "bad"),
        ("n_epochs", "3", ""),
        ("batch_size", "1.5", "bad"),
        ("learning_rate_multiplier", "3", "warning"),
        ("learning_rate_multiplier", "0.1", ""),
        ("learning_rate_multiplier", "-1", "bad"),
        ("seed", "seven", "bad"),
        ("seed", "7", ""),
        ("suffix", "a" * 41, "warning"),
        ("suffix", "a" * 65, "bad"),
        ("suffix", "a.b", "bad"),
        ("suffix", "ok-1_x", ""),
        ("metadata", "no equals sign", "bad"),
        ("metadata", "team = support", ""),
    ],
)
def test_a_field_is_judged_while_it_is_typed(field, text, tone) -> None:
    state = state_of(**{field: text})

    assert max(tones(state, field), key=["", "warning", "bad"].index) == tone
    assert state.ready == (tone != "bad")


def test_the_source_documents_advice_stands_beside_the_multiplier() -> None:
    assert "0.02 to 0.2" in said(state_of(), "learning_rate_multiplier")


def test_the_characters_of_a_suffix_are_counted() -> None:
    assert said(state_of(suffix="support"), "suffix").startswith("7 of 40 characters.")


def test_without_a_training_file_nothing_can_be_created() -> None:
    assert not state_of(training=FileChoice()).ready


def test_a_file_still_being_checked_or_with_errors_cannot_be_sent() -> None:
    checking = FileChoice(source="x", source_code="'x'", checking=True)
    broken = FileChoice(source="x", source_code="'x'", examples=20, errors=tuple(f"Line {i}" for i in range(9)))

    assert not state_of(training=checking).ready
    assert not state_of(training=broken).ready
    assert "… and 6 more" in said(state_of(training=broken), "training")


def test_fewer_examples_than_the_service_takes_are_refused() -> None:
    state = state_of(training=FileChoice(source="x", source_code="'x'", examples=9, tokens=10))

    assert "9 examples; the service needs at least 10." in said(state, "training")
    assert not state.ready


def test_no_validation_file_is_a_warning_and_for_reinforcement_an_error() -> None:
    plain = state_of(validation=FileChoice())
    reinforcement = state_of(model="o4-mini", method="reinforcement", grader="{}", validation=FileChoice())

    assert (plain.ready, tones(plain, "validation")) == (True, {"warning"})
    assert not reinforcement.ready


def test_the_training_file_as_validation_file_is_warned_of() -> None:
    assert "would show no overfitting" in said(state_of(validation=FileChoice(file_id="file-1")), "validation")


def test_only_pairs_of_the_catalogue_are_offered_and_all_for_an_unknown_model() -> None:
    known, unknown = state_of(model="gpt-5"), state_of(model="gpt-9")

    assert known.methods == ("reinforcement",)
    assert "Developer" not in known.training_types
    assert unknown.methods == ("supervised", "dpo", "reinforcement")
    assert "not in the catalogue" in said(unknown, "model")


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (date(2026, 9, 1), "Training of it ends on 2026-10-14, for newcomers at least"),
        (date(2027, 1, 1), "Since 2026-10-14 only those who trained it before may train it, until 2027-04-14"),
        (date(2027, 5, 1), "Training of it ended on 2027-04-14"),
        (date(2027, 1, 1), "What is tuned from it is served until 2027-10-14, 286 days from now"),
    ],
)
def test_the_end_of_training_and_the_end_of_deployments_are_said_apart(today, words) -> None:
    assert words in said(state_of(today=today, model="gpt-4.1-mini"), "model")


def test_a_region_that_does_not_offer_standard_training_is_warned_of() -> None:
    assert "not in West US" in said(state_of(region="West US"), "model")
    assert "not in" not in said(state_of(region="West US", training_type="GlobalStandard"), "model")
    europe = state_of(region="Sweden Central", training_type="DatazoneStandard")
    assert "DatazoneStandard training of it is offered in centralus" in said(europe, "model")


def test_a_training_type_says_what_it_means_for_residency_and_price() -> None:
    text = said(state_of(training_type="GlobalStandard"), "training_type")

    assert "copied to the region where training runs" in text
    assert "below Standard" in text


def test_the_estimate_multiplies_tokens_epochs_and_price() -> None:
    state = state_of(n_epochs="2", price="10")

    assert (state.estimate.cost.billed_tokens, state.estimate.cost.usd) == (2_000_000, 20.0)
    assert state.ask is None


def test_an_estimate_above_the_limit_is_asked_about() -> None:
    state = state_of(price="10")

    assert state.ask == "This job is estimated at $30.00. Create it?"


def test_the_embedded_service_is_free() -> None:
    estimate = state_of(free=True, price="10").estimate

    assert estimate.cost.usd == 0.0
    assert estimate.words.startswith(
        "The embedded service bills nothing. The same job on Azure: 1,000,000 tokens × 3 epochs"
    )
    assert "about $30.00 on gpt-4.1-mini, Standard, at $10 a million tokens, your price." in estimate.words


@pytest.mark.parametrize("price", ["-5", "five", "inf"])
def test_a_price_that_is_none_is_said_at_its_field(price) -> None:
    assert f"“{price}” is not a number of dollars." in said(state_of(price=price), "price")


def test_without_a_published_price_the_form_says_where_to_look_it_up() -> None:
    unpriced = state_of(model="gpt-oss-20b", training_type="GlobalStandard")

    assert "Look it up at https://azure.microsoft.com/pricing/" in said(unpriced, "price")
    assert unpriced.ready


def test_reinforcement_is_priced_by_the_hour_and_its_grading_model_by_the_token() -> None:
    grader = '{"type": "score_model", "name": "g", "model": "o3-mini", "input": []}'

    words = state_of(model="o4-mini", method="reinforcement", grader=grader).estimate.words

    assert words == (
        "by the hour of training; at $110 to $121 an hour of training by region, as of 2025-08-25. o3-mini grades, "
        "which is billed on top: $1.21 a million tokens read and $4.84 written, as of 2025-08-25."
    )


def test_the_code_uploads_what_is_local_first() -> None:
    local = FileChoice(source="a.jsonl", source_code="'a.jsonl'", examples=50, tokens=100)

    state = state_of(training=local)

    assert state.python.splitlines()[0] == "training = ws.files.upload('a.jsonl')"
    assert "training_file=training.id" in state.python
    assert '"training_file": "<training file id>"' in state.body


def test_reinforcement_settings_go_where_the_api_wants_them() -> None:
    state = state_of(
        model="o4-mini", method="reinforcement", grader='{"type": "string_check"}', reasoning_effort="low", n_epochs="2"
    )

    assert state.request.to_json()["method"]["reinforcement"] == {
        "hyperparameters": {"n_epochs": 2, "reasoning_effort": "low"},
        "grader": {"type": "string_check"},
    }


def test_a_template_that_no_example_has_is_said_at_the_grader() -> None:
    read = FileChoice(file_id="file-1", items=({"label": "x"}, {"label": "y", "<b>": 1}))
    grader = '{"type": "python", "name": "g", "source": "def grade(sample, item):\\n    return item[\'answr\']"}'
    state = state_of(model="o4-mini", method="reinforcement", grader=grader, training=read)

    assert "{{item.answr}} is in no example of the training file, which has item.label, item.<b>." in said(
        state, "grader"
    )
    assert not state.ready


def test_the_models_of_the_methods_that_this_one_lacks_are_named() -> None:
    assert "reinforcement is offered for o4-mini" in said(state_of(model="gpt-4.1-mini"), "method")
    assert "supervised is offered for gpt-4.1" in said(state_of(model="o4-mini", method="reinforcement"), "method")


def test_settings_of_dpo_are_read_and_judged() -> None:
    state = state_of(method="dpo", beta="0.2", l2_multiplier="0.1")

    assert (state.request.beta, state.request.l2_multiplier) == (0.2, 0.1)
    assert "at most 2" in said(state_of(method="dpo", beta="3"), "beta")


def test_a_number_of_reinforcement_out_of_range_is_said_at_its_field() -> None:
    state = state_of(model="o4-mini", method="reinforcement", grader="{}", eval_interval="0", compute_multiplier="x")

    assert tones(state, "eval_interval") == tones(state, "compute_multiplier") == {"bad"}


def test_a_grader_that_is_not_json_is_said_at_its_field() -> None:
    state = state_of(model="o4-mini", method="reinforcement", grader="{oops")

    assert state.request is None
    assert "not a grader in JSON" in said(state, "grader")


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_in_any_field_breaks_the_form(first, second, third) -> None:
    values = {"n_epochs": first, "seed": second, "suffix": third, "metadata": first, "price": third, "model": second}

    state_of(**values, method="reinforcement", grader=third, eval_interval=first)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_typed_number_is_read_as_that_number(value) -> None:
    assert number_or_text(f" {value!r} ", type(value)) == value


def test_metadata_lines_become_pairs() -> None:
    assert metadata_of("a = 1\n\nb=x = y") == {"a": "1", "b": "x = y"}
