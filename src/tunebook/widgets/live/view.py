"""The live cell as HTML: each part a function of one JobSnapshot, the diagnosis so far, and the time.

The parts are separate strings because each is a widget of its own: only what changed is sent, and a list someone
scrolls is not redrawn because a clock moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunebook.plots import curves, svg
from tunebook.widgets.markup import clock, count, duration, esc, field, note, notice, number, table
from tunebook.widgets.states import chip, state

if TYPE_CHECKING:
    from tunebook.analysis import Diagnosis
    from tunebook.service import JobSnapshot

SHOWN_EVENTS = 40
# Two machines' clocks within this many seconds of each other are called equal.
SKEW_S = 120
CHART_SIZE = (600, 280)


@dataclass(frozen=True)
class Parts:
    """The live cell, ready to show. `plain` is the same in text, for terminals and diffs.

    chart, side and checkpoints are empty for a job that ended before its first step.
    """

    status: str
    chart: str
    side: str
    checkpoints: str
    events: str
    plain: str

    def static(self, code: str) -> str:
        """All parts in one picture, and the line that brings the live cell back."""
        again = note(f"Saved picture. {code} shows the job live again.")
        curves = f'<div class="tb-chart">{self.chart}</div><div class="tb-side">{self.side}</div>'
        columns = f'<div class="tb-columns">{curves}</div>' if self.chart else ""
        return (
            f"{self.status}{columns}{self.checkpoints}"
            f'<h4>Events, newest first</h4><div class="tb-events-box" tabindex="0">{self.events}</div>{again}'
        )


def parts(
    snapshot: JobSnapshot,
    *,
    diagnosis: Diagnosis | None = None,
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
        return replace(before[2], status=status, plain=plain_text(snapshot, diagnosis, resource))
    # A job that ended before its first step has no curves and never will.
    trained = snapshot.results is not None or bool(snapshot.checkpoints) or not snapshot.ended
    return Parts(
        status=status,
        chart=chart_html(snapshot, diagnosis) if trained else "",
        side=side_html(snapshot, diagnosis) if trained else "",
        checkpoints=checkpoints_html(snapshot, diagnosis) if trained else "",
        events=events_html(snapshot.events, now=now),
        plain=plain_text(snapshot, diagnosis, resource),
    )


def _same_curves(before: JobSnapshot, now: JobSnapshot) -> bool:
    """Whether all but the status line of two pictures would be the same. The poller keeps what has no news."""
    return (
        before.results is now.results
        and len(before.events) == len(now.events)
        and len(before.checkpoints) == len(now.checkpoints)
        and (before.status, before.total_steps) == (now.status, now.total_steps)
    )


def progress(snapshot: JobSnapshot) -> float | None:
    """How much of the training is done, 0 to 1; None while nobody knows."""
    if snapshot.status == "succeeded":
        return 1.0
    if snapshot.step is None or not snapshot.total_steps:
        return None
    return min(1.0, snapshot.step / snapshot.total_steps)


def times(snapshot: JobSnapshot, now: float) -> list[str]:
    """What can be said about time, never negative: how long it has run, when it may end, if the clocks disagree."""
    created, finished, estimate = snapshot.created_at, snapshot.finished_at, snapshot.estimated_finish
    said = []
    newest = max([field(event, "created_at") or 0 for event in snapshot.events[-1:]] + [created or 0])
    skewed = newest - now > SKEW_S
    if snapshot.ended and created and finished:
        said.append(f"took {duration(finished - created)}")
        said.append(f"ended {clock(finished, now=now)}")
    elif created:
        said.append(f"created {clock(created, now=now)}")
        if not skewed:
            said.append(f"{duration(now - created)} ago")
    if not snapshot.ended and estimate and not skewed:
        if estimate > now:
            said.append(f"about {duration(estimate - now)} left by the service's estimate")
        elif snapshot.status == "running":
            said.append("past the service's estimated end, which is rough")
    if skewed:
        said.append(f"the service's clock is {duration(newest - now)} ahead of this machine's")
    return said


def queue_place(events: Iterable[Any]) -> str | None:
    """The newest message about the queue, while nothing newer says that the job has started."""
    found = None
    for event in events:
        message = str(field(event, "message") or "")
        low = message.lower()
        if "queue" in low or "enqueued" in low or "waiting for" in low:
            found = message
        elif "started" in low or "completed" in low or low.startswith("step "):
            found = None
    return found


def status_html(snapshot: JobSnapshot, *, resource: str, now: float, notes: Iterable[str] = ()) -> str:
    """Name, state, the sentence that explains it, progress, and time; then whatever is wrong."""
    job = snapshot.job
    title = job.get("suffix") or job.get("user_provided_suffix") or job.get("model") or snapshot.job_id
    head = (
        f'<div class="tb-head">{chip(snapshot.status)}<span class="tb-title">{esc(title)}</span>'
        f'<span class="tb-mono">{esc(snapshot.job_id)}</span>'
        f'<span class="tb-muted tb-push">{esc(resource)}, {esc(job.get("model") or "")}</span></div>'
    )
    lines = [
        head,
        f'<div class="tb-line" role="status" aria-live="polite">{esc(snapshot.status_text)}</div>',
        bar(snapshot),
    ]
    under = [*steps_said(snapshot), *times(snapshot, now), f"read {clock(snapshot.read_at, now=now)}"]
    if snapshot.status in ("pending", "queued", "created") and (place := queue_place(snapshot.events)):
        under.append(place)
    lines.append('<div class="tb-under">' + "".join(f"<span>{esc(text)}</span>" for text in under) + "</div>")
    lines += [notice(text, tone) for text, tone in troubles(snapshot, now)]
    lines += [notice(text) for text in notes]
    return "".join(lines)


def steps_said(snapshot: JobSnapshot) -> list[str]:
    """Progress in words: percent, step of steps, epoch of epochs; tokens once they are known."""
    said = []
    done = progress(snapshot)
    if done is not None:
        said.append(f"{done:.0%}")
    if snapshot.step is not None:
        said.append(
            f"step {count(snapshot.step)}" + (f" of {count(snapshot.total_steps)}" if snapshot.total_steps else "")
        )
    if snapshot.epoch is not None and snapshot.n_epochs:
        said.append(f"epoch {snapshot.epoch:.1f} of {snapshot.n_epochs}")
    if snapshot.trained_tokens:
        said.append(f"{count(snapshot.trained_tokens)} tokens billed")
    return said


def troubles(snapshot: JobSnapshot, now: float) -> list[tuple[str, str]]:
    """(sentence, tone) for each thing that is wrong: a failed job, a picture that is old."""
    found = []
    if snapshot.error:
        found.append((f"The service says: {snapshot.error}", "bad"))
    elif snapshot.status == "failed":
        found.append(("The service gives no reason. The events below may.", "bad"))
    if snapshot.stale_since is not None or snapshot.problem:
        since = snapshot.stale_since or snapshot.read_at
        why = (snapshot.problem or "the service cannot be reached").rstrip(".")
        found.append((
            f"{why[:1].upper()}{why[1:]}. This picture is {duration(now - snapshot.read_at)} old (trouble since "
            f"{clock(since, now=now)}). The job goes on without this cell; trying again.", "wait",
        ))  # fmt: skip
    return found


def bar(snapshot: JobSnapshot) -> str:
    """The progress bar, with a hair line at the end of each epoch; empty while progress is unknown."""
    done = progress(snapshot)
    share = 100 * (done or 0.0)
    kind = {"succeeded": " tb-done", "failed": " tb-stopped", "cancelled": " tb-stopped"}.get(snapshot.status, "")
    epochs = snapshot.n_epochs or 1
    hairs = "".join(f'<b style="left:{100 * i / epochs:.2f}%"></b>' for i in range(1, epochs)) if epochs <= 50 else ""
    now_at = f' aria-valuenow="{share:.0f}"' if done is not None else ""
    return (
        f'<div class="tb-bar{kind}" role="progressbar" aria-label="training progress" aria-valuemin="0" '
        f'aria-valuemax="100"{now_at}><i style="width:{share:.2f}%"></i>{hairs}</div>'
    )


def chart_html(snapshot: JobSnapshot, diagnosis: Diagnosis | None) -> str:
    """The loss chart; a frame of the same size before there is a first value."""
    frame = snapshot.results.frame if snapshot.results is not None else None
    drawn = curves.loss_chart(frame, diagnosis=diagnosis, total_steps=snapshot.total_steps, n_epochs=snapshot.n_epochs)
    empty = "No step was reported." if snapshot.ended else "The curves begin with the first training step."
    return svg.inline(drawn, width=CHART_SIZE[0], height=CHART_SIZE[1], empty=empty)


def side_html(snapshot: JobSnapshot, diagnosis: Diagnosis | None) -> str:
    """The verdict so far with its one sentence, and the newest numbers."""
    return verdict_html(diagnosis, ended=snapshot.ended) + newest_html(snapshot)


def verdict_html(diagnosis: Diagnosis | None, *, ended: bool) -> str:
    """What the curves say up to now, in the words of the analysis."""
    from tunebook.analysis.curves import wording

    heading = "Verdict" if ended else "Verdict so far"
    if diagnosis is None:
        return f"<h4>{heading}</h4>" + note("None yet: it needs validation values from several steps.")
    tone = {"overfitting": "wait", "healthy": "good", "diverged": "bad", "not_converged": "go"}.get(
        diagnosis.verdict, "rest"
    )
    sign = wording.SYMBOLS.get(diagnosis.verdict, "?")
    said = (
        f'<div class="tb-{tone}"><span class="tb-sign" aria-hidden="true">{sign}</span> '
        f"<b>{esc(wording.title(diagnosis.verdict))}</b></div>{note(diagnosis.reason)}"
    )
    if ended and diagnosis.advice:
        said += note(diagnosis.advice[0])
    return f"<h4>{heading}</h4>{said}"


_NEWEST = (
    ("training loss", "train_loss"),
    ("validation loss", "valid_loss"),
    ("full validation loss", "full_valid_loss"),
    ("training accuracy", "train_mean_token_accuracy"),
    ("validation accuracy", "valid_mean_token_accuracy"),
    ("full validation accuracy", "full_valid_mean_token_accuracy"),
    ("training reward", "train_mean_reward"),
    ("full validation reward", "full_valid_mean_reward"),
)


def newest_html(snapshot: JobSnapshot) -> str:
    """The last measured value of each curve with its step, and the lowest (of rewards: the highest)."""
    if snapshot.results is None:
        return ""
    rows = []
    for label, column in _NEWEST:
        steps, values = curves.measured(snapshot.results.frame, column)
        if len(values):
            best = int(values.argmin() if "loss" in column else values.argmax())
            rows.append((esc(label), number(float(values[-1])), number(float(values[best])), count(steps[best])))
    return table("Newest values", ("", "last", "best", "best at step"), rows, numbers=(1, 2, 3)) if rows else ""


def checkpoints_html(snapshot: JobSnapshot, diagnosis: Diagnosis | None = None) -> str:
    """The checkpoints kept, newest last; the one the diagnosis recommends is marked in words."""
    best = field(getattr(diagnosis, "checkpoint", None), "step")
    rows = []
    for checkpoint in snapshot.checkpoints:
        step = int(field(checkpoint, "step_number") or 0)
        metrics = field(checkpoint, "metrics") or {}
        loss = field(metrics, "full_valid_loss")
        loss = field(metrics, "valid_loss") if loss is None else loss
        accuracy = field(metrics, "full_valid_mean_token_accuracy")
        name = f'<span class="tb-mono">{esc(field(checkpoint, "fine_tuned_model_checkpoint") or "–")}</span>'
        mark = "<b>recommended</b>" if step == best else ""
        rows.append((count(step), number(loss), number(accuracy), mark, name))
    if not rows:
        when = "None was kept." if snapshot.ended else "They appear at the end of each epoch."
        return f"<h4>Checkpoints</h4>{note(when + ' The service keeps the newest few.')}"
    head = ("step", "loss", "accuracy", "", "model to deploy")
    return table("Checkpoints, with their validation; the service keeps the newest few", head, rows, numbers=(0, 1, 2))


def events_html(events: tuple[Any, ...], *, now: float) -> str:
    """The newest events first; a long log is cut, and says so."""
    items = []
    for event in reversed(events[-SHOWN_EVENTS:]):
        level = str(field(event, "level") or "info")
        sign = "✕ error: " if level == "error" else "△ warning: " if level.startswith("warn") else ""
        when = clock(field(event, "created_at"), now=now)
        items.append(f"<li><time>{esc(when)}</time><span>{sign}{esc(field(event, 'message') or '')}</span></li>")
    left = len(events) - SHOWN_EVENTS
    if left > 0:
        items.append(f"<li><span class='tb-muted'>… {count(left)} earlier events: job.events()</span></li>")
    if not items:
        items.append("<li><span class='tb-muted'>No events yet.</span></li>")
    return f'<ul class="tb-events" aria-label="events, newest first">{"".join(items)}</ul>'


def plain_text(snapshot: JobSnapshot, diagnosis: Diagnosis | None, resource: str) -> str:
    """The cell in a few lines of text."""
    job: Mapping[str, Any] = snapshot.job
    lines = [f"{snapshot.job_id} at {resource} ({job.get('model') or 'unknown model'})"]
    shown = state(snapshot.status).word
    lines.append(f"{shown}: {snapshot.status_text}")
    if said := steps_said(snapshot):
        lines.append(", ".join(said))
    if snapshot.last_losses:
        lines.append(", ".join(f"{name} {number(value)}" for name, value in snapshot.last_losses.items()))
    if diagnosis is not None:
        from tunebook.analysis.curves import wording

        lines.append(f"{wording.title(diagnosis.verdict)}: {diagnosis.reason}")
    lines += [text for text, _ in troubles(snapshot, snapshot.read_at)]
    return "\n".join(lines)
