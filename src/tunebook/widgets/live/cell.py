"""The live cell of one job: its parts as widgets, its buttons, and the thread that feeds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets

from tunebook.show import Card, Text
from tunebook.widgets.clicks import Clicks, in_thread, sentence_of
from tunebook.widgets.live import view as live_view
from tunebook.widgets.live.watcher import Follow, Watcher, replace_watchers
from tunebook.widgets.outputs import cell_and_count, free_from_cell
from tunebook.widgets.panel import Panel
from tunebook.widgets.pieces import button, note, place, put, rendered, wrap
from tunebook.widgets.states import may

if TYPE_CHECKING:
    from tunebook.analysis import Diagnosis, Forecast
    from tunebook.analysis.curves.standing import Standing
    from tunebook.service import JobSnapshot, Workspace

_KEEP_EVERY_S = 30.0  # how old the saved picture may be while nothing but the curves moves
_DIAGNOSIS_SHARE = 20  # a diagnosis may take at most one part in this many of the watching thread's time


class LiveCell(Panel):
    """One job, live: state, progress, curves, verdict so far, checkpoints, events, and buttons to steer it.

    Made by `watch` and by the form. `snapshot` is the last picture; `close()` ends the watching, never the job. All
    calls to the service are made on threads; `show_snapshot` is the only writer of what is seen.
    """

    _picture_alone_unattended = False

    def __init__(
        self,
        workspace: Workspace,
        job_id: str,
        *,
        notes: Iterable[str] = (),
        n_train: int | None = None,
        incumbent: Any = None,
        follow: Follow | None = None,
        clock: Callable[[], float] = time.time,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
        keep: Callable[[Card, str], None] | None = None,
    ) -> None:
        super().__init__()
        self.workspace, self.job_id = workspace, job_id
        self.snapshot: JobSnapshot | None = None
        self.diagnosis: Diagnosis | None = None
        self.forecast: Forecast | None = None  # None once the job has ended
        self.ended = threading.Event()  # set when watching is over: the job ended, or the cell was closed
        self.problem: BaseException | None = None  # what ended the watching
        self._notes, self._follow, self._clock = tuple(notes), follow, clock
        self._incumbent = incumbent
        self._watcher: Watcher | None = None
        self._standing: Standing | None = None
        self._judge_again_at = 0.0
        self._kept: tuple[Any, ...] = ()
        self._kept_at = 0.0
        self._seen: tuple[JobSnapshot, Diagnosis | None, live_view.Parts] | None = None
        self._n_train, self._keep_in_form = n_train, keep
        self._shown_in: int | None = None
        self._until: str | None = None  # the state a click's message is of, which goes when the job moves on
        self._make_widgets()
        self._make_layout()
        self._connect(spawn)

    # ---- widgets

    def _make_widgets(self) -> None:
        self._status = ipywidgets.HTML(wrap(rendered(Text(f"Reading {self.job_id} …"))))
        size = live_view.CHART_SIZE
        self._chart = ipywidgets.HTML(wrap(f'<div style="height:{size[1]}px"></div>'))
        self._side = ipywidgets.HTML()
        self._checkpoints = ipywidgets.HTML()
        self._events = ipywidgets.HTML(wrap(rendered(live_view.events_table((), now=0))))
        self._events_heading = ipywidgets.HTML(wrap("<h4>Events, newest first</h4>"))
        self._message = ipywidgets.HTML()
        self.pause_button = button("Pause", "Save a checkpoint and pause; nothing is billed while paused")
        self.resume_button = button("Resume", "Go on with the training from where it was paused")
        self.cancel_button = button("Cancel job …", "Stop the training for good; asks first")
        self.deploy_button = button("Deploy checkpoint …", "Make a checkpoint answer requests; asks for a name")
        self.refresh_button = button("Refresh", "Look at the service now")
        self.confirm_button = button("Yes, cancel the job", "What was trained until now is billed", style="danger")
        self.keep_button = button("No, keep training", "")
        self.checkpoint_choice = ipywidgets.Dropdown(description="checkpoint", layout=ipywidgets.Layout(width="420px"))
        self.deployment_name = ipywidgets.Text(
            description="name",
            placeholder="deployment name",
            layout=ipywidgets.Layout(width="280px"),
            continuous_update=False,
        )
        self.deploy_now_button = button(
            "Deploy", "A deployment is billed by the hour until it is deleted", style="primary"
        )
        self.deploy_close_button = button("Close", "")

    # ---- layout

    def _make_layout(self) -> None:
        columns = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", margin="8px 0 0", grid_gap="0 20px")
        place(self._chart, flex="1 1 420px", min_width="280px", max_width="640px", margin="0")
        place(self._side, flex="1 1 320px", min_width="min(320px, 100%)", min_height="300px", margin="0")
        for part in (self._status, self._checkpoints, self._events_heading, self._message):
            place(part, margin="0", width="auto")
        place(self._checkpoints, min_height="128px")  # three rows: what comes later moves nothing
        # The list scrolls inside its widget: new content leaves the place someone reads where it is.
        place(
            self._events,
            margin="0",
            width="auto",
            height="112px",
            overflow="auto",
            border_top="1px solid rgba(128,128,128,.3)",
        )
        row = ipywidgets.Layout(flex_flow="row wrap", align_items="center", margin="4px 0 0 0")
        steering = [self.pause_button, self.resume_button, self.cancel_button, self.deploy_button, self.refresh_button]
        question = ipywidgets.HTML(wrap("Cancel this job for good? What was trained until now is billed."))
        self._asking = ipywidgets.HBox([question, self.confirm_button, self.keep_button])
        self._deploying = ipywidgets.HBox(
            [self.checkpoint_choice, self.deployment_name, self.deploy_now_button, self.deploy_close_button]
        )
        for hidden in (self._asking, self._deploying):
            place(hidden, display="none", flex_flow="row wrap", align_items="center", grid_gap="0 8px")
        self._curves = ipywidgets.HBox([self._chart, self._side], layout=columns)
        buttons = ipywidgets.HBox(steering, layout=row)
        parts = [self._status, self._curves, self._checkpoints, self._events_heading, self._events]
        self._frame([*parts, buttons, self._asking, self._deploying, self._message], max_width="960px")
        self.widget.add_class("tb-live")
        self._side.add_class("tb-live-side")
        self._set_buttons()

    # ---- connections

    def _connect(self, spawn: Callable[[Callable[[], None]], None]) -> None:
        self._clicks = Clicks(self._message, self._busy, spawn)
        on = {
            self.pause_button: lambda _: self._steer("Pausing …", "pause"),
            self.resume_button: lambda _: self._steer("Resuming …", "resume"),
            self.cancel_button: lambda _: self._open(self._asking),
            self.keep_button: lambda _: self._open(None),
            self.confirm_button: lambda _: self._steer("Cancelling …", "cancel"),
            self.deploy_button: lambda _: self._offer_deployment(),
            self.deploy_close_button: lambda _: self._open(None),
            self.deploy_now_button: lambda _: self._deploy(),
            self.refresh_button: lambda _: self.refresh(),
        }
        for pressed, callback in on.items():
            pressed.on_click(self._clicks.guard(callback))

    def _open(self, row: Any) -> None:
        for each in (self._asking, self._deploying):
            each.layout.display = "flex" if each is row else "none"

    def _busy(self, active: bool) -> None:
        self._set_buttons(active)
        free_from_cell(self.widget)

    def _set_buttons(self, active: bool = False) -> None:
        status = self.snapshot.status if self.snapshot else None
        known = self.snapshot is not None
        for steering, action in (
            (self.pause_button, "pause"),
            (self.resume_button, "resume"),
            (self.cancel_button, "cancel"),
        ):
            steering.disabled = active or not known or not may(action, status)
        if self.snapshot is not None and self.snapshot.step is None:
            self.pause_button.disabled = True  # the service pauses what has trained a step
        self.confirm_button.disabled = self.cancel_button.disabled
        none = self.snapshot is None or not self.snapshot.checkpoints or not hasattr(self.workspace, "deployments")
        self.deploy_button.disabled = self.deploy_now_button.disabled = active or none

    def _steer(self, words: str, action: str) -> None:
        self._open(None)

        def work() -> str:
            self._until = self.snapshot.status if self.snapshot else None  # a refusal, too, is of this state
            job = getattr(self.workspace.jobs.retrieve(self.job_id), action)()
            self._until = job.status
            self._look_again()
            return f"The service took the request to {action} the job; it says “{job.status}”."

        self._clicks.do(words, work)

    def _offer_deployment(self) -> None:
        job = self.snapshot.job if self.snapshot else {}
        self.deployment_name.value = self.deployment_name.value or str(job.get("suffix") or "")
        self._open(self._deploying)

    def _deploy(self) -> None:
        name, model = self.deployment_name.value.strip(), self.checkpoint_choice.value
        if not name:
            self._clicks.say("A deployment needs a name: letters, digits, - and _.", "bad")
            return

        def work() -> str:
            self.workspace.deployments.create(model, name=name, say=self._clicks.say)
            return f"Deployed {model} as {name}. It is billed by the hour until it is deleted."

        self._clicks.do(f"Deploying {model} as {name}; this can take minutes …", work)

    # ---- what is seen

    def show_snapshot(self, snapshot: JobSnapshot) -> None:
        """Show this picture of the job. Safe from any thread; touches this cell's own widgets and display only."""
        with self._lock:
            if self._closed:
                return
            self.snapshot, self.problem = snapshot, None
            self._judge(snapshot)
            seen = self._parts(snapshot)
            for widget, html in (
                (self._status, seen.status),
                (self._chart, seen.chart),
                (self._side, seen.side),
                (self._checkpoints, seen.checkpoints),
                (self._events, seen.events),
            ):
                put(widget, html)
            self._show_parts(curves=bool(seen.chart), checkpoints=bool(seen.checkpoints), events=True)
            self._offer_checkpoints(snapshot)
            if self._until is not None and snapshot.status != self._until:
                self._until = None  # the job has moved on: what a click brought about is seen in its state
                self._clicks.clear()
            if not self._clicks.active:
                self._set_buttons()
            free_from_cell(self.widget)
            self._keep_now_and_then(snapshot)
            if snapshot.ended:
                self.ended.set()

    def _show_parts(self, *, curves: bool, checkpoints: bool, events: bool) -> None:
        shown = {self._curves: curves, self._checkpoints: checkpoints}
        for widget, visible in {**shown, self._events_heading: events, self._events: events}.items():
            widget.layout.display = "" if visible else "none"

    def _parts(self, snapshot: JobSnapshot) -> live_view.Parts:
        seen = live_view.parts(snapshot, before=self._seen, **self._judged, **self._told)
        self._seen = (snapshot, self.diagnosis, seen)
        return seen

    @property
    def _told(self) -> dict[str, Any]:
        """What view and picture are told beside the snapshot and its diagnosis."""
        return {"resource": self.workspace.name, "now": self._clock(), "notes": self._notes}

    @property
    def _judged(self) -> dict[str, Any]:
        return {"diagnosis": self.diagnosis, "forecast": self.forecast}

    def _judge(self, snapshot: JobSnapshot) -> None:
        """Look at the curves again, as often as its own cost allows; `standing` says what then is shown."""
        began = time.perf_counter()
        if snapshot.results is None or (began < self._judge_again_at and not snapshot.ended):
            return
        from tunebook.analysis import diagnose, forecast
        from tunebook.analysis.curves.standing import Standing, look

        before = self._standing or Standing()
        self._standing = look(before, snapshot.results, partial(diagnose, snapshot), ended=snapshot.ended)
        if self._standing is not before:
            self.diagnosis = self._standing.diagnosis
            self.forecast = None if snapshot.ended else forecast(snapshot, incumbent=self._incumbent)
            self._judge_again_at = began + _DIAGNOSIS_SHARE * (time.perf_counter() - began)

    def _offer_checkpoints(self, snapshot: JobSnapshot) -> None:
        offered = tuple(
            (f"step {live_view.field(c, 'step_number')}: {name}", name)
            for c in snapshot.checkpoints
            if (name := live_view.field(c, "fine_tuned_model_checkpoint"))
        )
        if offered != tuple(self.checkpoint_choice.options):
            best = live_view.field(getattr(self.diagnosis, "checkpoint", None), "name")
            self.checkpoint_choice.options = offered
            names = [name for _, name in offered]
            if names:
                self.checkpoint_choice.value = best if best in names else names[-1]

    def _keep_now_and_then(self, snapshot: JobSnapshot) -> None:
        what = (snapshot.status, len(snapshot.checkpoints), snapshot.problem, snapshot.ended)
        now = self._clock()
        if what != self._kept or now - self._kept_at >= _KEEP_EVERY_S:
            self._kept, self._kept_at = what, now
            self._keep()

    def show_problem(self, error: BaseException) -> None:
        """Say why watching stopped; the last picture stays, and Refresh starts again."""
        with self._lock:
            if self._closed:
                return
            self.problem = error
            self._clicks.fail(error)
            if self.snapshot is None:
                self._status.value = wrap(rendered(Text(f"{self.job_id} could not be read. Refresh tries again.")))
                self._show_parts(curves=False, checkpoints=False, events=False)
            else:
                self._message.value += wrap(note("Watching has stopped; the job has not. Refresh tries again."))
            self._keep()
            self.ended.set()

    # ---- watching

    def start(self, *, cell: str | None = None, count: int | None = None) -> LiveCell:
        """Begin watching on a thread of its own, in place of what an earlier run of the cell started."""
        replace_watchers(cell, count, (self.job_id,))
        self._watcher = Watcher(
            self.workspace,
            (self.job_id,),
            receive=self._receive,
            failed=self.show_problem,
            on_stop=self.close,
            cell=cell,
            count=count,
            follow=self._follow,
            n_train=self._n_train,
        )
        self.ended.clear()
        self._watcher.start()
        return self

    def _receive(self, pictures: Mapping[str, JobSnapshot]) -> None:
        if self.job_id in pictures:
            self.show_snapshot(pictures[self.job_id])

    def _look_again(self) -> None:
        if self._watcher is not None and self._watcher.is_alive():
            self._watcher.refresh()
        elif self._watcher is not None and not self._closed:
            self.start(cell=self._watcher.cell, count=self._watcher.count)

    def refresh(self, wait_s: float = 2.0) -> None:
        """Look at the service now, and send everything shown again: some front ends drop background updates."""
        self._clicks.clear()
        if self._watcher is not None:
            self._look_again()
            self._watcher.ticked.clear()
            self._watcher.ticked.wait(wait_s)
        for part in (self._status, self._chart, self._side, self._checkpoints, self._events):
            part.send_state("value")

    def close(self) -> None:
        """Stop watching and free the widgets. The job goes on; the saved picture stays."""
        with self._lock:
            if self._closed:
                return
            if self.snapshot is not None:
                self._keep()
            self._closed = True
        if self._watcher is not None:
            self._watcher.stop()
        self.ended.set()
        super().close()

    # ---- display

    def show(self) -> None:
        """Display the cell in the notebook cell that runs now."""
        self._shown_in = cell_and_count()[1]
        super().show()

    def _static(self) -> tuple[Card, str]:
        problem = Text(sentence_of(self.problem), "bad") if self.problem is not None else None
        if self.snapshot is None:
            state = "could not be read." if problem else f"at {self.workspace.name}: no picture yet."
            return Card(problem, Text(f"{self.job_id} {state}")), f"{self.job_id} {state}"
        again = f"tb.watch('{self.job_id}')"
        card = live_view.card(self.snapshot, again=again, **self._judged, **self._told)
        plain = live_view.plain_text(self.snapshot, self.diagnosis, self.workspace.name, self.forecast)
        return (Card(problem, card) if problem else card), plain

    def _keep(self) -> None:
        """Inside a form, the form's picture is the one to keep."""
        if self._keep_in_form is not None:
            self._keep_in_form(*self._static())
        else:
            super()._keep()

    def _ipython_display_(self) -> None:
        """Shown once per execution: `watch` has shown it when the cell's last line is the call itself."""
        if self._shown_in is None or self._shown_in != cell_and_count()[1]:
            self.show()

    def __repr__(self) -> str:
        status = self.snapshot.line() if self.snapshot else "not read yet"
        return f"<LiveCell of {self.job_id} at {self.workspace.name}: {status}>"
