"""`job_form`: a fine-tuning job filled in by hand, checked while typing, created once, then watched in its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from tunebook.catalogue import Catalogue, load_catalogue
from tunebook.money import DEFAULT_TIER, TYPED, remember_price
from tunebook.show import Card, Code, Fold, Text, escape
from tunebook.widgets.clicks import Clicks, in_thread
from tunebook.widgets.form.deploy_field import DeployField
from tunebook.widgets.form.fields import DESCRIBED, METHOD_ROWS, PRICE_UNIT, PRICE_UNITS, grouped, make_fields, row
from tunebook.widgets.form.file_picker import FilePicker, local_files
from tunebook.widgets.form.grader_field import GraderField
from tunebook.widgets.form.model_field import ModelField
from tunebook.widgets.form.notes import moved
from tunebook.widgets.form.start import StartFrom
from tunebook.widgets.form.state import FormState, empty, price_typed, resolve
from tunebook.widgets.form.values import PRICE, FormValues, Note, number_or_text, typed, values_of_job
from tunebook.widgets.live.cell import LiveCell
from tunebook.widgets.live.watcher import Follow, replace_watchers
from tunebook.widgets.outputs import cell_and_count, free_from_cell
from tunebook.widgets.panel import Panel
from tunebook.widgets.pieces import button, code, described, note, place, put, rendered, wrap

if TYPE_CHECKING:
    from tunebook.service import Job, JobRequest, Workspace

_RECENT_JOBS = 20


def job_form(
    workspace: Workspace,
    *,
    training: Any = None,
    validation: Any = None,
    again: Job | None = None,
    continue_from: Job | None = None,
    region: str = "",
    ask_above_usd: float = 25.0,
    **values: Any,
) -> JobForm:
    """A form for a new job at `workspace`. Shown when it is the last line of a cell, or with `display`.

    training, validation: a Dataset, a path, or the id of an uploaded file. `values` fills further fields by name
    (model, method, n_epochs, batch_size, learning_rate_multiplier, seed, suffix, training_type, …). again: start from
    the settings of this job; continue_from: the same with its fine-tuned model as the base. region: where the resource
    is, to warn of models it does not offer. An estimate above `ask_above_usd` is asked about before anything is sent.

    Nothing is sent before "Create" is pressed. Afterwards the form is the job's live cell, and `form.job` the job.
    Raises TypeError for a field the form does not have.

    >>> form = tb.job_form(ws, training="train.jsonl", validation="valid.jsonl", model="gpt-4.1-nano", n_epochs=3)
    >>> form.request
    JobRequest(
        model='gpt-4.1-nano',
        training_file='<training file id>',
        validation_file='<validation file id>',
        n_epochs=3,
    )
    """
    start = FormValues() if "model" in values else empty(load_catalogue(), date.today())
    source = again or continue_from
    if source is not None:
        start = values_of_job(source.job.to_dict(mode="json"), go_on=continue_from is not None)
    texts = {name: typed(name, value) for name, value in values.items()}
    start = FormValues(training=start.training, validation=start.validation, region=region, **{**start.texts, **texts})
    files = {"training": training or start.training.file_id, "validation": validation or start.validation.file_id}
    return JobForm(workspace, start, files, ask_above_usd=ask_above_usd)


class JobForm(Panel):
    """The form. `state` follows from its fields; `request` is what Create would send, `job` what it made."""

    _picture_alone_unattended = False

    def __init__(
        self,
        workspace: Workspace,
        values: FormValues | None = None,
        files: dict[str, Any] | None = None,
        *,
        ask_above_usd: float = 25.0,
        catalogue: Catalogue | None = None,
        today: Callable[[], date] = date.today,
        follow: Follow | None = None,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        super().__init__()
        self.workspace = workspace
        self.catalogue = catalogue or load_catalogue()
        self.job: Job | None = None
        self.live: LiveCell | None = None
        self._ask_above, self._today, self._follow, self._spawn = ask_above_usd, today, follow, spawn
        self._open_question: str | None = None
        self._agreed: str | None = None  # the question that was answered with yes
        self._settling = True  # no reaction to fields while they are being filled in code
        self._cell: tuple[str | None, int | None] = (None, None)
        self._make_widgets(values or empty(self.catalogue, self._today()))
        self._make_layout()
        self._connect()
        for name, given in (files or {}).items():
            self._pickers[name].set(given or None)
        self._settling = False
        if not self.fields[PRICE].value:
            self._show_price()
        self.update()

    # ---- widgets

    def _make_widgets(self, values: FormValues) -> None:
        self.fields = make_fields()
        self._region, self._moved = values.region, dict[str, Note | None]()
        self._fill(values)
        self._message = ipywidgets.HTML()
        self._clicks = Clicks(self._message, self._busy, self._spawn)
        self._pickers = {
            name: FilePicker(
                name,
                required=name == "training",
                changed=self.update,
                model=lambda: self.fields["model"].value,
                guard=self._clicks.guard,
                spawn=self._spawn,
            )
            for name in ("training", "validation")
        }
        self._title = ipywidgets.HTML()
        self._notes = {name: ipywidgets.HTML() for name in (*self.fields, *self._pickers)}
        nothing = empty(self.catalogue, self._today())
        self.start_from = StartFrom(self._start, nothing, self._clicks.guard)
        self._model = ModelField(self.fields["model"], self.catalogue, self._clicks.guard)
        self._grader = GraderField(self.fields["grader"], self._item_names, self._clicks.guard)
        self.deploying = DeployField(self._clicks.guard, self.update)
        self._estimate, self._question, self._waits = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self.create_button = button("Create job", "Send the request below to the service", "primary")
        place(self.create_button, width="170px", margin="6px 0 2px 0")
        self.yes_button = button("Yes, create it", "", "primary")
        self.no_button = button("No", "")
        self._code = {name: ipywidgets.HTML() for name in ("Python", "curl", "JSON")}

    # ---- layout

    def _make_layout(self) -> None:
        for widget in (*self.fields.values(), self.start_from.widget, self._model.known, self._grader.starters):
            described(widget, DESCRIBED)
            place(widget, width="100%", margin="1px 0")
        for html in (self._title, self._estimate, self._message, self._question, self._waits, *self._code.values()):
            place(html, margin="0", width="auto")
        place(self._estimate, margin="8px 0 0", width="auto")
        controls = self.fields | {"model": self._model.widget, "grader": self._grader.widget}
        self._rows = {name: row(control, self._notes[name]) for name, control in controls.items()}
        for name, picker in self._pickers.items():
            self._rows[name] = row(picker.widget, self._notes[name])
        sections = [row(self.start_from.widget, ipywidgets.HTML()), *grouped(self._rows), self.deploying.widget]
        tabs = ipywidgets.Tab(list(self._code.values()), titles=[f"Request as {name}" for name in self._code])
        place(tabs, margin="8px 0 0 0", max_width="960px")
        self._creating = ipywidgets.HBox([self.create_button, self._waits])
        self._asking = ipywidgets.HBox([self._question, self.yes_button, self.no_button])
        for line in (self._creating, self._asking):
            place(line, align_items="center", flex_flow="row wrap", grid_gap="0 12px", min_height="40px")
        self._asking.layout.display = "none"
        self._form = ipywidgets.VBox([*sections, self._estimate, self._creating, self._asking, tabs])
        self._after = ipywidgets.VBox([])
        place(self._after, margin="0", width="auto")
        self._frame([self._title, self._form, self._message, self._after], max_width="960px")
        self.widget.add_class("tb-form")
        where = f"{self.workspace.name}, {self.workspace.endpoint}"
        self._title.value = wrap(
            f'<div class="tb-head"><span class="tb-title">New fine-tuning job</span>'
            f'<span class="tb-muted">at {escape(where)}</span></div>'
        )

    # ---- connections

    def _connect(self) -> None:
        for name, widget in self.fields.items():
            react = self._reactions.get(name, self._changed)
            widget.observe(self._clicks.guard(react), "value")
        self.create_button.on_click(self._clicks.guard(lambda _: self._create_pressed()))
        self.yes_button.on_click(self._clicks.guard(lambda _: self._confirmed()))
        self.no_button.on_click(self._clicks.guard(lambda _: self._ask(None)))

    def _changed(self, change: Any = None) -> None:
        if change is not None and not self._settling:  # a choice of one's own: nothing to be told about it any more
            self._moved |= {name: None for name in self._moved if self.fields[name] is change["owner"]}
        self.update()

    def _item_names(self) -> list[str]:
        """The keys of the training file's items, as far as it was read."""
        return list(dict.fromkeys(key for item in self._pickers["training"].choice.items for key in item))

    @property
    def _reactions(self) -> dict[str, Callable[[Any], None]]:
        """What a changed field does beside showing what follows from it."""
        priced = dict.fromkeys(("method", "training_type"), self._show_price)
        return {"model": self._repair_pairs, PRICE: self._keep_price, **priced}

    def _keep_price(self, change: Any) -> None:
        """A price that was typed is that of this model and tier from now on; an emptied field forgets it."""
        if self._settling:
            return
        values = self.values
        typed = number_or_text(values[PRICE], float)
        if typed == "auto" or price_typed(typed) is not None:
            tier, hourly = values["training_type"] or DEFAULT_TIER, values["method"] == "reinforcement"
            remember_price(values["model"], tier, price_typed(typed), hourly=hourly, today=self._today())
            self.catalogue = load_catalogue()
        self._changed(change)

    def _show_price(self, change: Any = None) -> None:
        """Show the price that was typed for this model, tier and method, if one was."""
        if self._settling:
            return
        values = self.values
        price = self.catalogue.price(values["model"], values["training_type"] or DEFAULT_TIER)
        hourly = values["method"] == "reinforcement"
        own = price is not None and price.source == TYPED and (price.usd_per_hour is not None) == hourly
        self._settling = True
        try:
            self.fields[PRICE].value = f"{price.usd:g}" if own and price is not None else ""
        finally:
            self._settling = False
        self._changed(change)

    def _repair_pairs(self, _: Any) -> None:
        if not self._settling:
            self._offer_pairs(
                self.fields["model"].value, self.fields["method"].value, self.fields["training_type"].value
            )
            for picker in self._pickers.values():
                picker.check_again()
            self._show_price()

    def _offer_pairs(self, model: str, method: str, training_type: str) -> None:
        """Only methods and tiers this model has; a choice it does not have falls back to the first it has."""
        state = resolve(FormValues(model=model, region=self._region), self.catalogue, today=self._today())
        tier = self.catalogue.training_type(training_type) if training_type else None
        tiers = [(tier_id, tier_id) for tier_id in state.training_types]
        if DEFAULT_TIER in state.training_types:
            tiers.insert(0, (f"left to the service ({DEFAULT_TIER})", ""))
        settling, self._settling = self._settling, True
        try:
            self.fields["method"].options = state.methods
            self.fields["method"].value = method if method in state.methods else state.methods[0]
            self.fields["training_type"].options = tiers
            kept = tier.id if tier is not None and tier.id in state.training_types else tiers[0][1]
            self.fields["training_type"].value = kept
            for name, before in (("method", method), ("training_type", training_type)):
                self._moved[name] = moved(name, before, self.fields[name].value, model, self.catalogue)
        finally:
            self._settling = settling

    # ---- reading

    @property
    def values(self) -> FormValues:
        """What the fields hold now."""
        typed = {name: widget.value for name, widget in self.fields.items()}
        return FormValues(
            **typed,
            region=self._region,
            training=self._pickers["training"].choice,
            validation=self._pickers["validation"].choice,
        )

    @property
    def state(self) -> FormState:
        """What follows from the fields now."""
        return resolve(
            self.values,
            self.catalogue,
            today=self._today(),
            endpoint=self.workspace.endpoint,
            free=getattr(self.workspace, "embedded", False),
            ask_above_usd=self._ask_above,
        )

    @property
    def request(self) -> JobRequest | None:
        """What Create would send; files not uploaded yet stand as `<training file id>`."""
        return self.state.request

    # ---- showing

    def update(self) -> None:
        """Show what follows from the fields: notes, estimate, request, and whether Create may be pressed."""
        with self._lock:  # files are checked on threads of their own: what is shown last has to be what is so last
            if not self._settling and self.job is None:
                self._show(self.state)

    def _show(self, state: FormState) -> None:
        self._show_notes(state)
        self._show_code(state)
        self.deploying.show(self.fields["model"].value, free=getattr(self.workspace, "embedded", False))
        put(self._estimate, note(state.estimate.words))
        put(self._waits, self._waiting_for(state) if state.missing else "")
        if self._open_question and state.ask != self._open_question:
            self._ask(None)  # it was about another estimate
        if not self._clicks.active:
            self.create_button.disabled = not state.ready

    def _show_notes(self, state: FormState) -> None:
        for name, widget in self._notes.items():
            told = self._moved.get(name)
            lines = [note(n.text, n.tone) for n in ((told,) if told else ()) + state.notes[name]]
            if name in self._pickers and (label := self._pickers[name].choice.label):
                lines.insert(0, note(label))
            put(widget, "".join(lines))
        method = self.fields["method"].value
        for name, methods in METHOD_ROWS.items():
            self._rows[name].layout.display = "" if method in methods else "none"
        self.fields[PRICE].description = PRICE_UNITS.get(method, PRICE_UNIT)

    def _show_code(self, state: FormState) -> None:
        none = note("The request stands here once the fields marked ✕\ufe0e can be read.")
        for name, source in (
            ("Python", state.python and state.python + self.deploying.code),
            ("curl", state.curl),
            ("JSON", state.body),
        ):
            put(self._code[name], code(source) if source else none)

    def _waiting_for(self, state: FormState) -> str:
        labels = {name: widget.description for name, widget in self.fields.items()} | {"model": "base model"}
        names = [labels.get(name, f"{name} file") for name in state.missing]
        return note(f"Still to be filled in or mended: {', '.join(names)}.", "warning" if state.refused else "")

    def _busy(self, active: bool) -> None:
        created = self.job is not None
        self.create_button.disabled = active or created or not self.state.ready
        self.yes_button.disabled = self.no_button.disabled = active
        free_from_cell(self.widget)

    # ---- what the service has

    def load(self) -> None:
        """Read the lists of files and recent jobs on a thread; the form works without them."""
        self._spawn(self._clicks.guard(self._load))

    def _load(self) -> None:
        for picker in self._pickers.values():
            picker.offer_paths(local_files(Path.cwd()))
        try:
            files = self.workspace.files.list(purpose="fine-tune")
            for picker in self._pickers.values():
                picker.offer(files)
        except Exception:
            for picker in self._pickers.values():
                picker.unreadable()
            raise
        self.start_from.offer(self.workspace.jobs.list(limit=_RECENT_JOBS))

    def _start(self, values: FormValues) -> None:
        """Fill everything in anew."""
        self._settling = True
        try:
            self._fill(values)
            for name, picker in self._pickers.items():
                picker.set(getattr(values, name).file_id or None)
        finally:
            self._settling = False
        self.update()

    def _fill(self, values: FormValues) -> None:
        self.fields["model"].value = values["model"]
        self._offer_pairs(values["model"], values["method"], values["training_type"])
        for name, widget in self.fields.items():
            if name not in ("model", "method", "training_type"):
                widget.value = values[name]

    # ---- creating

    def _create_pressed(self) -> None:
        state = self.state
        if state.ask and state.ask != self._agreed:
            self._ask(state.ask)
        else:
            self._confirmed()

    def _ask(self, question: str | None) -> None:
        """Put the question in the place of "Create"; None takes it back."""
        self._open_question = question
        self._question.value = wrap(f"<b>{escape(question)}</b>") if question else ""
        self._asking.layout.display = "flex" if question else "none"
        self._creating.layout.display = "none" if question else "flex"

    def _confirmed(self) -> None:
        self._agreed = self.state.ask
        self._ask(None)
        if self.job is None and self.state.ready:
            self._clicks.do("Uploading what is local and creating the job …", self._create)

    def _create(self) -> str:
        if self.job is not None:  # pressed twice while the first was under way
            return ""
        for picker in self._pickers.values():
            picker.upload(self.workspace)
        request, examples = self.request, self._pickers["training"].choice.examples
        assert request is not None  # noqa: S101 - `ready` was asked before
        self.job = self.workspace.jobs.create(request, **self.deploying.arguments)
        self._become_live(request, examples)
        return ""  # the live cell says the rest

    def _become_live(self, request: JobRequest, examples: int | None) -> None:
        """The form turns into the live cell of its job; what was asked stays readable above it."""
        assert self.job is not None  # noqa: S101
        asked = Fold(f"Request sent to {self.workspace.name}", [Code(request.to_python() + self.deploying.code)])
        self.live = LiveCell(
            self.workspace,
            self.job.id,
            notes=self.job.differences,
            n_train=examples,
            follow=self._follow,
            spawn=self._spawn,
            keep=lambda card, plain: self._keep_picture(Card(asked, card), plain),
        )
        self._title.value = wrap(rendered(asked))
        self._after.children = (self.live.widget,)
        self._form.layout.display = "none"
        self.live.start(cell=self._cell[0], count=self._cell[1])

    def close(self) -> None:
        """Free the widgets and stop watching. A job that was created goes on; the saved picture stays."""
        if self.live is not None:
            self.live.close()
        super().close()

    # ---- display

    def show(self) -> None:
        """Display the form in the notebook cell that runs now, and begin to read the lists it offers."""
        self._cell = cell_and_count()
        if self.live is None:
            replace_watchers(*self._cell, ())  # of the job that an earlier run of this cell has made
        super().show()

    def _begin(self) -> None:
        if self.job is None:
            self.load()

    def _static(self) -> tuple[Card, str]:
        """A form cannot be filled in without a kernel: its picture is the request it stood for."""
        if self.live is not None:
            return self.live._static()
        code = self.state.python
        sentence = f"Job form at {self.workspace.name}. Run the cell again to fill it in; until then it stood for:"
        return Card(Text(sentence), Code(code)), f"{sentence}\n{code}"

    def __repr__(self) -> str:
        made = f"made {self.job.id}" if self.job else "not sent"
        return f"<JobForm at {self.workspace.name}: {made}>"
