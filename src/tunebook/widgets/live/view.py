"""What the live cell shows of one JobSnapshot, the diagnosis so far, and the time: living parts, and a still card.

The living parts are separate strings because each is a widget of its own: only what changed is sent, and a list
someone scrolls is not redrawn because a clock moved. The card is what stays when the kernel is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunebook import words
from tunebook.palette import VERDICTS
from tunebook.plots import curves, svg
from tunebook.service.states import state
from tunebook.show import Card, Fold, Inline, Part, Picture, Span, Table, Text, escape
from tunebook.widgets.pieces import notice, rendered
from tunebook.widgets.states import badge, chip

if TYPE_CHECKING:
    from tunebook.analysis import Diagnosis, Forecast
    from tunebook.plots.chart import Chart
    from tunebook.service import JobSnapshot

SHOWN_EVENTS = 40
UNFOLDED_EVENTS = 5  # in the still card, where the list does not scroll
# Two machines' clocks within this many seconds of each other are called equal.
SKEW_S = 120
CHART_SIZE = (600, 280)


@dataclass(frozen=True)
class Parts:
    """The living cell as HTML. chart, side and checkpoints are empty for a job that ended before its first step."""

    status: str
    chart: str
    side: str
    checkpoints: str
    events: str


def field(record: Any, name: str, default: Any = None) -> Any:
    """One field of a record that may be an SDK object, a mapping, or None."""
    if isinstance(record, Mapping):
        return record.get(name, default)
    return getattr(record, name, default)


def parts(
    snapshot: JobSnapshot,
    *,
    diagnosis: Diagnosis | None = None,
    forecast: Forecast | None = None,
    resource: str,
    now: float,
    notes: Iterable[str] = (),
    before: tuple[JobSnapshot, Diagnosis | None, Parts] | None = None,
) -> Parts:
    """Everything the cell shows of `snapshot`. `now` is this machine's clock, in unix seconds.

    before: what was shown last, and of what: where nothing but time has passed, the curves are not drawn again.
    """
    status = status_html(snapshot, resource=resource, now=now, notes=notes)
    if before is not None and before[1] is diagnosis and _same_curves(before[0], snapshot):
        return replace(before[2], status=status)
    trained = _trained(snapshot)
    return Parts(
        status=status,
        chart=chart_html(snapshot, diagnosis, forecast) if trained else "",
        side=rendered(*verdict(diagnosis, forecast, ended=snapshot.ended), newest(snapshot)) if trained else "",
        checkpoints=rendered(checkpoints(snapshot, diagnosis)) if trained else "",
        events=rendered(events_table(snapshot.events, now=now)),
    )


def card(
    snapshot: JobSnapshot,
    *,
    diagnosis: Diagnosis | None = None,
    forecast: Forecast | None = None,
    resource: str,
    now: float,
    notes: Iterable[str] = (),
    again: str,
) -> Card:
    """The same as a card that stands alone; `again` is the line of code that brings the live cell back."""
    trained: Sequence[Part | None] = ()
    if _trained(snapshot):
        trained = (
            chart_picture(snapshot, diagnosis, forecast),
            *verdict(diagnosis, forecast, ended=snapshot.ended),
            newest(snapshot),
            checkpoints(snapshot, diagnosis),
        )
    return Card(
        Text(snapshot.status_text),
        Text(Span("; ".join(standing(snapshot, now)), "muted")),
        *(Text(sentence, tone) for sentence, tone in troubles(snapshot, now)),
        *(Text(sentence, "warning") for sentence in notes),
        *trained,
        *folded_events(snapshot.events, now=now),
        Text(Span(f"Saved picture. {again} shows the job live again.", "muted")),
        title=title(snapshot),
        aside=", ".join(filter(None, (snapshot.job_id, resource, snapshot.job.get("model")))),
        **badge(snapshot.status),
    )


def _trained(snapshot: JobSnapshot) -> bool:
    """Whether there are curves or may be: a job that ended before its first step has none and never will."""
    return snapshot.results is not None or bool(snapshot.checkpoints) or not snapshot.ended


def _same_curves(before: JobSnapshot, now: JobSnapshot) -> bool:
    """Whether all but the status line of two pictures would be the same. The poller keeps what has no news."""
    return (
        before.results is now.results
        and len(before.events) == len(now.events)
        and len(before.checkpoints) == len(now.checkpoints)
        and (before.status, before.total_steps) == (now.status, now.total_steps)
    )


def title(snapshot: JobSnapshot) -> str:
    """What the job is called: its suffix, or its model."""
    job = snapshot.job
    return str(job.get("suffix") or job.get("user_provided_suffix") or job.get("model") or snapshot.job_id)


def times(snapshot: JobSnapshot, now: float) -> list[str]:
    """What can be said about time, never negative: how long it has run, when it may end, if the clocks disagree."""
    created, finished = snapshot.created_at, snapshot.finished_at
    newest = max([field(event, "created_at") or 0 for event in snapshot.events[-1:]] + [created or 0])
    skewed = newest - now > SKEW_S
    lines = []
    if snapshot.ended and created and finished:
        lines += [f"took {words.duration(finished - created)}", f"ended {words.clock(finished, now=now)}"]
    elif created:
        lines.append(f"created {words.clock(created, now=now)}")
        lines += [] if skewed else [f"{words.duration(now - created)} ago"]
    if skewed:
        return [*lines, f"the service's clock is {words.duration(newest - now)} ahead of this machine's"]
    return [*lines, *_time_left(snapshot, now)]


def _time_left(snapshot: JobSnapshot, now: float) -> list[str]:
    estimate = snapshot.estimated_finish
    if snapshot.ended or not estimate:
        return []
    if estimate > now:
        return [f"about {words.duration(estimate - now)} left by the service's estimate"]
    return ["past the service's estimated end, which is rough"] if snapshot.status == "running" else []


def queue_place(events: Iterable[Any]) -> str | None:
    """The newest message about the queue, while nothing newer says that the job has started."""
    place = None
    for event in events:
        message = str(field(event, "message") or "")
        low = message.lower()
        if "queue" in low or "enqueued" in low or "waiting for" in low:
            place = message
        elif "started" in low or "completed" in low or low.startswith("step "):
            place = None
    return place


def standing(snapshot: JobSnapshot, now: float) -> list[str]:
    """How far the job is and since when, when it was read, and its place in the queue."""
    lines = [*steps_said(snapshot), *times(snapshot, now), f"updated {words.clock(snapshot.read_at, now=now)}"]
    if snapshot.status in ("pending", "queued", "created") and (place := queue_place(snapshot.events)):
        lines.append(place)
    return lines


def status_html(snapshot: JobSnapshot, *, resource: str, now: float, notes: Iterable[str] = ()) -> str:
    """Name, state, the sentence that explains it, progress, and time; then whatever is wrong."""
    head = (
        f'<div class="tb-head">{chip(snapshot.status)}<span class="tb-title">{escape(title(snapshot))}</span>'
        f'<span class="tb-mono">{escape(snapshot.job_id)}</span>'
        f'<span class="tb-muted tb-push">{escape(resource)}, {escape(snapshot.job.get("model") or "")}</span></div>'
    )
    lines = [
        head,
        f'<div class="tb-line" role="status" aria-live="polite">{escape(snapshot.status_text)}</div>',
        bar(snapshot),
        '<div class="tb-under">' + "".join(f"<span>{escape(s)}</span>" for s in standing(snapshot, now)) + "</div>",
        *(notice(sentence, tone) for sentence, tone in troubles(snapshot, now)),
        *(notice(sentence) for sentence in notes),
    ]
    return "".join(lines)


def steps_said(snapshot: JobSnapshot) -> list[str]:
    """Progress in words: percent, step of steps, epoch of epochs; tokens once they are known."""
    lines = []
    done = snapshot.progress
    if done is not None:
        lines.append(words.percent(done, 0))
    if snapshot.step is not None:
        total = f" of {words.count(snapshot.total_steps)}" if snapshot.total_steps else ""
        lines.append(f"step {words.count(snapshot.step)}{total}")
    if snapshot.epoch is not None and snapshot.n_epochs:
        lines.append(f"epoch {snapshot.epoch:.1f} of {snapshot.n_epochs}")
    if snapshot.trained_tokens:
        lines.append(f"{words.count(snapshot.trained_tokens)} tokens billed")
    return lines


def troubles(snapshot: JobSnapshot, now: float) -> list[tuple[str, str]]:
    """(sentence, tone) for each thing that is wrong: a failed job, a picture that is old."""
    problems = []
    if snapshot.error:
        problems.append((f"The service says: {snapshot.error}", "bad"))
    elif snapshot.status == "failed":
        problems.append(("The service gives no reason. The events below may.", "bad"))
    if snapshot.stale_since is not None or snapshot.problem:
        since = snapshot.stale_since or snapshot.read_at
        why = (snapshot.problem or "the service cannot be reached").rstrip(".")
        problems.append((
            f"{why[:1].upper()}{why[1:]}. This picture is {words.duration(now - snapshot.read_at)} old (trouble since "
            f"{words.clock(since, now=now)}). The job goes on without this cell; trying again.", "warning",
        ))  # fmt: skip
    return problems


def bar(snapshot: JobSnapshot) -> str:
    """The progress bar, with a hair line at the end of each epoch; empty while progress is unknown."""
    done = snapshot.progress
    share = 100 * (done or 0.0)
    kind = {"succeeded": "good", "failed": "rest", "cancelled": "rest"}.get(snapshot.status, "go")
    epochs = snapshot.n_epochs or 1
    hairs = "".join(f'<b style="left:{100 * i / epochs:.2f}%"></b>' for i in range(1, epochs)) if epochs <= 50 else ""
    now_at = f' aria-valuenow="{share:.0f}"' if done is not None else ""
    return (
        f'<div class="tb-bar tb-{kind}" role="progressbar" aria-label="training progress" aria-valuemin="0" '
        f'aria-valuemax="100"{now_at}><i style="width:{share:.2f}%"></i>{hairs}</div>'
    )


def chart_html(snapshot: JobSnapshot, diagnosis: Diagnosis | None, forecast: Forecast | None = None) -> str:
    """The loss chart; a frame of the same size before there is a first value."""
    width, height = CHART_SIZE
    return svg.inline(_chart(snapshot, diagnosis, forecast), width=width, height=height, empty=_no_curve(snapshot))


def chart_picture(
    snapshot: JobSnapshot, diagnosis: Diagnosis | None, forecast: Forecast | None = None
) -> Picture | Text:
    """The loss chart as a picture that stands alone; before there is a first value, words."""
    drawn = _chart(snapshot, diagnosis, forecast)
    if not drawn.lines:
        return Text(Span(_no_curve(snapshot), "muted"))
    return svg.picture(drawn, width=CHART_SIZE[0], height=CHART_SIZE[1])


def _chart(snapshot: JobSnapshot, diagnosis: Diagnosis | None, forecast: Forecast | None) -> Chart:
    frame = snapshot.results.frame if snapshot.results is not None else None
    plan: dict[str, Any] = {"total_steps": snapshot.total_steps, "n_epochs": snapshot.n_epochs, "forecast": forecast}
    return curves.loss_chart(frame, diagnosis=diagnosis, **plan)


def _no_curve(snapshot: JobSnapshot) -> str:
    return "No step was reported." if snapshot.ended else "The curves begin with the first training step."


def verdict(diagnosis: Diagnosis | None, forecast: Forecast | None = None, *, ended: bool) -> list[Text]:
    """What the curves say up to now, and where they lead, in the words of the analysis."""
    from tunebook.analysis.curves import wording

    heading = Span("Verdict: " if ended else "Verdict so far: ", "muted")
    if diagnosis is None:
        return [Text((heading, "none yet; it needs validation values from several steps."))]
    sign = VERDICTS[diagnosis.verdict].sign if diagnosis.verdict in VERDICTS else "?"
    tone = diagnosis.verdict if diagnosis.verdict in VERDICTS else ""
    judged = Span(f"{sign} {wording.title(diagnosis.verdict)}", "strong", tone)
    again = diagnosis.choice if diagnosis.train_again else ""
    advice = (again or diagnosis.advice[:1][0],) if ended and (again or diagnosis.advice) else ()
    warned = (Text(str(finding), "warning") for finding in diagnosis.findings)
    ahead = [] if ended or forecast is None or forecast.expected is None else [Text(f"Forecast: {forecast.told}.")]
    return [Text((heading, judged)), *ahead, Text(diagnosis.reason), *warned, *map(Text, advice)]


_NEWEST = (
    ("training loss", "train_loss"),
    ("validation loss", "valid_loss"),
    ("full validation loss", "full_valid_loss"),
    ("training accuracy", "train_mean_token_accuracy"),
    ("validation accuracy", "valid_mean_token_accuracy"),
    ("full validation accuracy", "full_valid_mean_token_accuracy"),
    ("training reward", "train_mean_reward"),
    ("validation reward", "valid_mean_reward"),
    ("full validation reward", "full_valid_mean_reward"),
    ("entropy", "entropy_loss_sum"),
    ("policy gradient loss", "pg_loss_sum"),
    ("total loss", "total_loss_sum"),
)


def newest(snapshot: JobSnapshot) -> Table | None:
    """The last measured value of each curve, and the best of those that were measured on the whole file.

    The best of many batches is a lucky batch, and says nothing.
    """
    frame = snapshot.results.frame if snapshot.results is not None else None
    rows = []
    for label, column in _NEWEST:
        steps, values = curves.measured(frame, column)
        if len(values):
            best = int(values.argmin() if "loss" in column else values.argmax())
            whole = (words.number(values[best]), words.count(steps[best])) if column.startswith("full_") else ("–", "–")
            rows.append((label, words.number(values[-1]), *whole))
    head = ("newest values", "last", "best", "at step")
    return Table(head, rows, numeric=(1, 2, 3), labelled=True) if rows else None


def checkpoints(snapshot: JobSnapshot, diagnosis: Diagnosis | None = None) -> Table | Text:
    """The checkpoints kept, newest last; the one the diagnosis recommends is marked in words."""
    best = field(getattr(diagnosis, "checkpoint", None), "step")
    best_kept = "recommended" if getattr(diagnosis, "train_again", None) is None else "best kept, too late"
    kept = [(each, field(each, "metrics") or {}) for each in snapshot.checkpoints]
    rewarded = any(field(metrics, "train_mean_reward") is not None for _, metrics in kept)
    measures = ("mean_reward",) if rewarded else ("loss", "mean_token_accuracy")
    whole = any(field(metrics, f"full_valid_{measures[0]}") is not None for _, metrics in kept)
    prefix = "full_valid" if whole else "valid"
    rows: list[tuple[Inline, ...]] = []
    for checkpoint, metrics in kept:
        step = int(field(checkpoint, "step_number") or 0)
        values = [words.number(field(metrics, f"{prefix}_{measure}")) for measure in measures]
        name = Span(str(field(checkpoint, "fine_tuned_model_checkpoint") or "–"), "code")
        mark = Span(best_kept if step == best else "", "strong")
        rows.append((words.count(step), *values, mark, name))
    if not rows:
        when = "none was kept." if snapshot.ended else "they appear at the end of each epoch."
        return Text((Span("Checkpoints: ", "muted"), f"{when} The service keeps the newest few."))
    measured = "the whole validation file" if whole else "one batch of the validation file, which may be a lucky one"
    caption = f"Checkpoints, measured on {measured}; the service keeps the newest few"
    heads = ("reward",) if rewarded else ("loss", "accuracy")
    return Table(("step", *heads, "", "model to deploy"), rows, caption, numeric=range(len(heads) + 1))


_LONG = re.compile(r"(?<![\w.-])\d+\.\d{6,}(?:[eE][-+]?\d+)?(?![\w.-])")  # numbers with more digits than anybody reads


def _event_rows(events: Sequence[Any], now: float) -> list[tuple[Inline, Inline]]:
    """(time, message) of each event, the newest first; a long log is cut, and says so."""
    rows: list[tuple[Inline, Inline]] = []
    for event in reversed(events[-SHOWN_EVENTS:]):
        level = str(field(event, "level") or "info")
        sign = "✕ error: " if level == "error" else "! warning: " if level.startswith("warn") else ""
        message = _LONG.sub(lambda found: words.number(float(found[0])), str(field(event, "message") or ""))
        rows.append((words.clock(field(event, "created_at"), now=now), f"{sign}{message}"))
    if (left := len(events) - SHOWN_EVENTS) > 0:
        rows.append(("", Span(f"… {words.plural(left, 'earlier event')}: job.events()", "muted")))
    return rows or [("", Span("No events yet.", "muted"))]


def events_table(events: Sequence[Any], *, now: float) -> Table:
    """The newest events first."""
    return Table(("", ""), _event_rows(events, now), labelled=True)


def folded_events(events: Sequence[Any], *, now: float) -> list[Part]:
    """The newest few events in sight, the others folded."""
    rows = _event_rows(events, now)
    seen, rest = rows[:UNFOLDED_EVENTS], rows[UNFOLDED_EVENTS:]
    shown = Table(("", ""), seen, "Events, newest first", labelled=True)
    return [shown, Fold("Earlier events", [Table(("", ""), rest, labelled=True)])] if rest else [shown]


def plain_text(
    snapshot: JobSnapshot, diagnosis: Diagnosis | None, resource: str, forecast: Forecast | None = None
) -> str:
    """The cell in a few lines of text."""
    job: Mapping[str, Any] = snapshot.job
    lines = [f"{snapshot.job_id} at {resource} ({job.get('model') or 'unknown model'})"]
    lines.append(f"{state(snapshot.status).word}: {snapshot.status_text}")
    if progress_words := steps_said(snapshot):
        lines.append(", ".join(progress_words))
    if snapshot.last_losses:
        lines.append(", ".join(f"{name} {words.number(value)}" for name, value in snapshot.last_losses.items()))
    if diagnosis is not None:
        from tunebook.analysis.curves import wording

        lines.append(f"{wording.title(diagnosis.verdict)}: {diagnosis.told}")
    if forecast is not None and forecast.expected is not None:
        lines.append(f"Forecast: {forecast.told}")
    lines += [sentence for sentence, _ in troubles(snapshot, snapshot.read_at)]
    return "\n".join(lines)
