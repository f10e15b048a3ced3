"""Pictures of a job as HTML: every state in words, nothing from outside unescaped, nothing that jumps."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest

from tunebook.analysis import diagnose, forecast
from tunebook.service.states import STATES, state
from tunebook.service.watching import STATES as SENTENCES
from tunebook.widgets.live import view as live_view
from tunebook.widgets.pieces import rendered
from tunebook.widgets.states import may

from .conftest import T0, events_of, picture

AZURE = ("created", "pending", "running", "pausing", "paused", "resuming", "succeeded", "cancelled", "failed")


def parts_of(snapshot, **options) -> live_view.Parts:
    return live_view.parts(snapshot, resource="contoso", now=T0 + 101.0, **options)


@pytest.mark.parametrize("name", AZURE)
def test_each_azure_state_is_explained_in_a_sentence_with_word_and_symbol(name) -> None:
    html = parts_of(picture(name)).status

    assert SENTENCES[name] in html
    assert STATES[name].word in html
    assert STATES[name].symbol in html


def test_an_unknown_state_is_shown_as_it_is_and_is_not_an_end() -> None:
    html = parts_of(picture("defragmenting")).status

    assert "Defragmenting" in html
    assert not state("defragmenting").ended
    assert may("cancel", "defragmenting")


def test_everything_from_outside_is_escaped_everywhere() -> None:
    evil = "<script>alert('x')</script>\"'"
    event = {"id": "e", "created_at": T0, "level": "error", "message": evil}
    checkpoint = {"step_number": 3, "fine_tuned_model_checkpoint": evil, "metrics": {}}
    snapshot = picture(
        "failed",
        job={"suffix": evil, "model": evil, "error": {"message": evil}},
        events=(*events_of(3, 30), event),
        checkpoints=(checkpoint,),
        problem=evil,
    )

    card = live_view.card(snapshot, resource=evil, now=T0 + 101.0, notes=[evil], again=evil)
    living = parts_of(snapshot, notes=[evil])

    for html in (card.html(), living.status + living.checkpoints + living.events):
        assert "<script" not in html
        assert html.count("&lt;script&gt;") >= 6


def test_each_part_is_well_formed() -> None:
    snapshot = picture(steps=25, checkpoints=({"step_number": 10, "fine_tuned_model_checkpoint": "m"},))
    seen = parts_of(snapshot)

    for html in (seen.status, seen.chart, seen.side, seen.checkpoints, seen.events):
        ElementTree.fromstring(f"<div>{html}</div>".replace("&nbsp;", " "))  # noqa: S314 - made above


def test_a_long_event_log_is_cut_and_says_so() -> None:
    table = live_view.events_table(events_of(10_000, 10_000), now=T0)

    assert len(table.rows) == live_view.SHOWN_EVENTS + 1
    assert "9,962 earlier events" in table.text()


def test_the_card_shows_the_newest_events_and_folds_the_others() -> None:
    shown, folded = live_view.folded_events(events_of(20, 20), now=T0)

    assert [message for _, message in shown.rows][:2] == [
        "Step 20: training loss=1.0000",
        "Step 19: training loss=1.0500",
    ]
    assert len(shown.rows) == live_view.UNFOLDED_EVENTS
    assert "Job enqueued." in folded.text()


def test_the_card_holds_the_curves_as_a_picture_that_needs_no_page_around_it() -> None:
    picture_of_curves = live_view.chart_picture(picture(steps=12), None)

    ElementTree.fromstring(picture_of_curves.image)  # noqa: S314 - made above
    assert "currentColor" not in picture_of_curves.image
    assert "Training: from 1.956 to 1.611" in picture_of_curves.words


def test_progress_is_told_in_steps_epochs_and_percent() -> None:
    said = live_view.steps_said(picture(steps=15, total=30))

    assert said == ["50 %", "step 15 of 30", "epoch 1.5 of 3"]


def test_progress_is_not_made_up_when_the_total_is_unknown() -> None:
    events = tuple({**e, "data": {"step": 4, "train_loss": 1.0}} for e in events_of(1, 30)[-1:])
    snapshot = picture(events=events)

    assert snapshot.progress is None
    assert "aria-valuenow" not in live_view.bar(snapshot)


def test_a_service_clock_ahead_of_this_one_is_said_and_gives_no_negative_times() -> None:
    snapshot = picture(job={"created_at": T0 + 4000, "estimated_finish": T0 + 5000}, events=())

    said = live_view.times(snapshot, now=T0 + 101.0)

    assert "the service's clock is 1 h 4 min ahead of this machine's" in said
    assert not any("-" in text for text in said[1:])


def test_an_estimate_of_the_end_becomes_time_left() -> None:
    said = live_view.times(picture(job={"estimated_finish": T0 + 401}), now=T0 + 101.0)

    assert "about 5 min left by the service's estimate" in said


def test_a_stale_picture_says_how_old_it_is_and_that_the_job_goes_on() -> None:
    html = parts_of(picture(read_at=T0 - 100.0, stale_since=T0 - 80.0, problem="the service answers 503")).status

    assert "The service answers 503. This picture is 3 min 21 s old" in html
    assert "The job goes on without this cell" in html


def test_the_place_in_the_queue_is_shown_until_the_job_starts() -> None:
    waiting = [{"message": "Job enqueued. Waiting for jobs ahead to complete."}]

    assert live_view.queue_place(waiting) == "Job enqueued. Waiting for jobs ahead to complete."
    assert live_view.queue_place([*waiting, {"message": "Training started."}]) is None


def test_the_chart_has_the_same_size_before_and_after_the_first_value() -> None:
    size = re.compile(r'viewBox="[^"]+"')
    before = size.search(parts_of(picture("pending", steps=0)).chart)
    after = size.search(parts_of(picture(steps=12)).chart)

    assert before.group() == after.group()


def test_the_curves_are_drawn_again_only_when_something_but_time_has_changed(monkeypatch) -> None:
    first = picture(steps=5)
    seen = parts_of(first)
    drawn = []
    monkeypatch.setattr(live_view, "chart_html", lambda *_: drawn.append(1) or "")

    later = live_view.parts(
        replace(first, read_at=T0 + 500.0), resource="contoso", now=T0 + 500.0, before=(first, None, seen)
    )
    assert (later.chart, drawn) == (seen.chart, [])
    assert later.status != seen.status

    live_view.parts(picture(steps=6), resource="contoso", now=T0 + 500.0, before=(first, None, seen))
    assert drawn == [1]


def test_the_plain_text_says_the_same_without_markup() -> None:
    plain = live_view.plain_text(picture(steps=15), None, "contoso")

    assert plain.splitlines()[1] == "Running: Training."
    assert "step 15 of 30" in plain
    assert "<" not in plain


def test_a_running_job_says_where_it_will_end_and_how_likely_it_beats_the_incumbent() -> None:
    frame = pd.DataFrame({"step": range(1, 61), "valid_loss": 0.5})
    ahead = forecast(frame, total_steps=100, incumbent=0.4)
    snapshot = picture("running")

    side, ended = (rendered(*live_view.verdict(diagnose(frame), ahead, ended=over)) for over in (False, True))

    assert "Forecast: expected to end at 0.5" in side
    assert "to beat 0.4." in side
    assert "expected to end" not in ended
    assert "expected to end at 0.5" in live_view.plain_text(snapshot, None, "contoso", ahead)
