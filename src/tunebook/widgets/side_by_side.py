"""`playground`: one prompt, the answers of several deployments side by side as they are written."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
from openai import OpenAIError

from tunebook import words
from tunebook.errors import RequestError, TunebookError
from tunebook.service.completions import complete
from tunebook.show import Card, Text, escape
from tunebook.widgets import trials
from tunebook.widgets.clicks import Clicks, in_thread, sentence_of
from tunebook.widgets.outputs import free_from_cell
from tunebook.widgets.panel import Panel
from tunebook.widgets.pieces import button, code, described, note, place, put, rendered
from tunebook.widgets.trials import Reply, Settings, Turn

if TYPE_CHECKING:
    from tunebook.data import Dataset
    from tunebook.service import Deployment, Workspace

_DRAW_EVERY_S = 0.1  # an answer need not be redrawn faster than it is read
_SYSTEM_ROWS = 200  # training examples looked at to find the system message
_MOST_MODELS = 4


def playground(
    workspace: Workspace,
    models: str | Deployment | Sequence[str | Deployment] | None = None,
    *,
    system: str | None = None,
    temperature: float | None = 0.0,
    seed: int | None = 0,
    max_tokens: int | None = 400,
    log: str | Path | None = None,
) -> Playground:
    """Try deployments side by side: shown when it is the last line of a cell.

    models: deployments, the base first; None takes those of the resource. system: the system message; None fills in
    the one that the tuned model was trained with. log: a JSON Lines file to which each turn is appended.
    `p.ask("…")` does in code what the button does; `p.cases()` are the turns whose right answer was said, as a Dataset.

    >>> p = tb.playground(ws, [base, tuned], max_tokens=20)
    >>> turn = p.ask("Say red")
    >>> [reply.model for reply in turn.replies] == [base, tuned]
    True
    """
    names = _names(workspace, models)
    return Playground(
        workspace,
        names,
        system=system,
        settings=Settings(temperature, seed, max_tokens),
        log=Path(log) if log else None,
    )


def _names(workspace: Workspace, models: Any) -> list[str]:
    if models is None:
        models = workspace.deployments.list()[:_MOST_MODELS]
    several = [models] if isinstance(models, str) or not isinstance(models, Iterable) else list(models)
    names = [each if isinstance(each, str) else each.name for each in several]
    if not names or len(set(names)) < len(names):
        raise RequestError(
            f"models={names}: give one or more deployments, each once. "
            "ws.deployments.create(…) makes one, ws.deployments.list() shows which there are."
        )
    return names


class Playground(Panel):
    """The playground. `turns` is the log of the session; `ask` and `expect` do in code what the buttons do."""

    def __init__(
        self,
        workspace: Workspace,
        models: Sequence[str],
        *,
        system: str | None = None,
        settings: Settings = Settings(),  # noqa: B008 - frozen
        log: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        super().__init__()
        self.workspace, self.models = workspace, tuple(models)
        self.turns: list[Turn] = []
        self._log, self._clock, self._spawn = log, clock, spawn
        self._given_system = system
        self._answers, self._stop = threading.Lock(), threading.Event()
        self._drawn: dict[str, float] = {}
        self._make_widgets(system or "", settings)
        self._make_layout()
        self._connect()
        self._show_code()

    # ---- widgets

    def _make_widgets(self, system: str, settings: Settings) -> None:
        self._title = ipywidgets.HTML()
        self.system = ipywidgets.Textarea(description="system message", value=system, rows=2)
        self._system_note = ipywidgets.HTML()
        self.prompt = ipywidgets.Textarea(description="prompt", placeholder="What shall they answer?", rows=4)
        self.temperature = ipywidgets.FloatText(description="temperature", value=settings.temperature or 0.0, step=0.1)
        self.seed = ipywidgets.Text(description="seed", value="" if settings.seed is None else str(settings.seed))
        self.max_tokens = ipywidgets.IntText(description="max_tokens", value=settings.max_tokens or 0)
        self._no_temperature = settings.temperature is None
        self.ask_button = button("Ask", "Send the prompt to every deployment", "primary")
        self.stop_button = button("Stop", "Keep what has been answered until now")
        self._replies = {model: ipywidgets.HTML() for model in self.models}
        self.expect_buttons = {
            model: button("This is right", f"Take the answer of {model} as the expected one") for model in self.models
        }
        self.expected = ipywidgets.Textarea(description="expected", placeholder="The right answer, if neither", rows=2)
        self.keep_button = button("Keep as case", "Make the last prompt an evaluation case with the expected answer")
        self._message, self._log_table, self._code = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()

    # ---- layout

    def _make_layout(self) -> None:
        for field in (self.system, self.prompt, self.expected):
            described(field, "110px")
            place(field, width="100%", margin="1px 0")
        for field, width in ((self.temperature, "200px"), (self.seed, "200px"), (self.max_tokens, "200px")):
            described(field, "110px" if field is self.temperature else "80px")
            place(field, width=width, margin="1px 8px 1px 0")
        for part in (self._title, self._system_note, self._message, self._log_table, self._code):
            place(part, margin="0", width="auto")
        wrapping = {"flex_flow": "row wrap", "align_items": "flex-start"}
        settings = ipywidgets.HBox([self.temperature, self.seed, self.max_tokens])
        place(settings, **wrapping)
        for each in (*self.expect_buttons.values(), self.keep_button):
            place(each, align_self="flex-start")
        place(self.keep_button, margin="2px 0 4px 118px")
        asking = ipywidgets.HBox([self.ask_button, self.stop_button])
        place(asking, margin="4px 0")
        columns = []
        for model in self.models:
            column = ipywidgets.VBox([self._replies[model], self.expect_buttons[model]])
            place(column, flex="1 1 300px", min_width="0", margin="0 12px 0 0")
            place(self._replies[model], margin="0", width="auto")
            columns.append(column)
        self._columns = ipywidgets.HBox(columns)
        place(self._columns, flex_flow="row wrap", align_items="stretch")
        keeping = ipywidgets.VBox([self.expected, self.keep_button])
        copied = ipywidgets.Accordion([self._code], titles=["As code"])
        place(copied, margin="6px 0")
        parts = [self._title, self.system, self._system_note, self.prompt, settings, asking, self._message]
        self._frame([*parts, self._columns, keeping, self._log_table, copied], max_width="980px")
        names = ", ".join(f"<b>{escape(model)}</b>" for model in self.models)
        put(
            self._title,
            f'<div class="tb-head"><span class="tb-title">Playground</span>'
            f'<span class="tb-muted">{names} at {escape(self.workspace.name)}</span></div>',
        )

    # ---- connections

    def _connect(self) -> None:
        self._clicks = Clicks(self._message, self._busy, self._spawn)
        self.ask_button.on_click(self._clicks.guard(lambda _: self._ask_pressed()))
        self.stop_button.on_click(self._clicks.guard(lambda _: self.stop()))
        self.keep_button.on_click(self._clicks.guard(lambda _: self._keep_pressed(self.expected.value)))
        for model, expect in self.expect_buttons.items():
            expect.on_click(self._clicks.guard(lambda _, m=model: self._keep_pressed(self.turns[-1].answer(m))))
        for field in (self.system, self.prompt, self.temperature, self.seed, self.max_tokens):
            field.observe(self._clicks.guard(lambda _: self._show_code()), "value")
        self._busy(False)

    def _busy(self, active: bool) -> None:
        self.ask_button.disabled, self.stop_button.disabled = active, not active
        nothing = active or not self.turns
        for each in (*self.expect_buttons.values(), self.keep_button):
            each.disabled = nothing
        free_from_cell(self.widget)

    # ---- reading

    @property
    def settings(self) -> Settings:
        """What the fields say now. Raises RequestError for a seed that is no whole number."""
        seed = self.seed.value.strip()
        if seed and not seed.lstrip("-").isdigit():
            raise RequestError(f"seed {seed!r} is not a whole number; leave it empty for another one each time.")
        return Settings(
            temperature=None if self._no_temperature else self.temperature.value,
            seed=int(seed) if seed else None,
            max_tokens=self.max_tokens.value if self.max_tokens.value > 0 else None,
        )

    def cases(self) -> Dataset:
        """The turns whose right answer was said, as a Dataset for `evaluate`. Raises RequestError without one."""
        from tunebook.data import read_dataset

        made = trials.cases_of(self.turns)
        if not made:
            raise RequestError('No turn has an expected answer yet: press "This is right", or call expect("…").')
        return read_dataset(made, name="playground")

    # ---- asking

    def ask(self, prompt: str | None = None, *, system: str | None = None) -> Turn:
        """Put a prompt (by default what stands in the field) to every deployment and wait for the answers."""
        if prompt is not None:
            self.prompt.value = prompt
        if system is not None:
            self.system.value = system
        elif not self.turns and self._given_system is None and not self.system.value:
            self.fill_in_system()
        return self._ask(in_parallel)

    def _ask_pressed(self) -> None:
        if not self.prompt.value.strip():
            self._clicks.say("A prompt is needed: what shall they answer?", "bad")
            return
        _ = self.settings  # a wrong seed is said before anything is sent

        def work() -> str:
            turn = self._ask(in_parallel)
            failed = [reply.model for reply in turn.replies if reply.state == "failed"]
            return f"{', '.join(failed)} gave no answer; see there." if failed else ""

        self._clicks.do("Asking …", work)

    def _ask(self, run: Callable[[list[Callable[[], None]]], None]) -> Turn:
        settings, prompt, system = self.settings, self.prompt.value, self.system.value
        self._stop.clear()
        replies = {model: Reply(model) for model in self.models}
        self.expected.value = ""

        def tell(reply: Reply) -> None:
            with self._answers:
                replies[reply.model] = reply
                now = self._clock()
                if reply.state == "answering" and now - self._drawn.get(reply.model, -1) < _DRAW_EVERY_S:
                    return
                self._drawn[reply.model] = now
                put(self._replies[reply.model], trials.reply_html(reply))

        messages = trials.messages_of(prompt, system)
        run([self._asker(model, messages, settings, tell) for model in self.models])
        turn = Turn(prompt, system, settings, tuple(replies.values()))
        self.turns.append(turn)
        self._write(turn)
        self._show_log()
        return turn

    def _asker(self, model: str, messages: Any, settings: Settings, tell: Callable[[Reply], None]) -> Any:
        def ask() -> None:
            reply, began = Reply(model), self._clock()
            tell(reply)
            try:
                stream = complete(self.workspace, model=model, messages=messages, stream=True, **settings.parameters())
                with stream:
                    for chunk in stream:
                        if self._stop.is_set():
                            reply = replace(reply, state="stopped")
                            break
                        for choice in chunk.choices[:1]:
                            reply = reply.extended(choice, self._clock() - began)
                        tell(reply)
                state = "stopped" if reply.state == "stopped" else "done"
            except Exception as error:  # a stream cut short or garbled raises what is below the SDK
                reply, state = replace(reply, error=sentence_of(error)), "failed"
            tell(replace(reply, state=state, seconds=self._clock() - began))

        return ask

    def stop(self) -> None:
        """Stop the answers that are being written; what has come stays."""
        self._stop.set()

    # ---- keeping

    def expect(self, answer: str, turn: int = -1) -> Turn:
        """Say what the right answer to a turn is; the turn is an evaluation case from then on."""
        if not self.turns:
            raise RequestError("Nothing has been asked yet: ask first, then say what the right answer is.")
        if not answer.strip():
            raise RequestError("The expected answer is empty. Type it, or take one of the answers given.")
        self.turns[turn] = replace(self.turns[turn], expected=answer)
        self._write(self.turns[turn])
        self._show_log()
        return self.turns[turn]

    def _keep_pressed(self, answer: str) -> None:
        self.expect(answer)
        self.expected.value = answer
        made = len(trials.cases_of(self.turns))
        self._clicks.say(f"Kept: {words.plural(made, 'evaluation case')} so far, given by .cases()", "good")

    def _write(self, turn: Turn) -> None:
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(turn.to_json(), ensure_ascii=False) + "\n")

    # ---- the system message

    def fill_in_system(self) -> None:
        """Fill in the system message most training examples of the tuned model had, when none is there yet."""
        try:
            trained = training_system(self.workspace, self.models)
        except (OpenAIError, TunebookError) as error:
            put(
                self._system_note,
                note(f"What the model was trained with cannot be read: {sentence_of(error)}", "warning"),
            )
            return
        if trained is None:
            return
        text, share, where = trained
        if not self.system.value:
            self.system.value = text
        many = "Every example" if share == 1 else f"{words.percent(share)} of the examples looked at"
        has = "with this system message" if text else "without a system message"
        put(self._system_note, note(f"{many} of {where}, the training file, is {has}: ask as the model was trained."))

    # ---- showing

    def _show_code(self) -> None:
        try:
            text = trials.code(self.models, self.prompt.value, self.system.value, self.settings)
        except RequestError as error:
            text = f"# {error}"
        put(self._code, code(text))

    def _show_log(self) -> None:
        put(self._log_table, rendered(trials.log_table(self.turns)))
        self._busy(self._clicks.active)
        self._keep()

    # ---- display

    def _begin(self) -> None:
        if self._given_system is None and not self.system.value:
            self._spawn(self._clicks.guard(self.fill_in_system))

    def close(self) -> None:
        """Stop answers and free the widgets; the saved picture stays."""
        self.stop()
        super().close()

    def _static(self) -> tuple[Card, str]:
        sentence = f"Playground of {', '.join(self.models)} at {self.workspace.name}. Run the cell again to ask."
        last = trials.turn_card(self.turns[-1]) if self.turns else None
        plain = [sentence]
        for turn in self.turns:
            plain += [f"> {turn.prompt}", *(f"{reply.model}: {reply.text or reply.error}" for reply in turn.replies)]
        return Card(Text(sentence), last, trials.log_table(self.turns), title="Playground"), "\n".join(plain)

    def __repr__(self) -> str:
        return f"<Playground of {', '.join(self.models)} at {self.workspace.name}: {len(self.turns)} prompts tried>"


def in_parallel(tasks: list[Callable[[], None]]) -> None:
    """Run all at once, each on a thread of its own, and wait for them."""
    threads = [threading.Thread(target=task, name="tunebook-playground", daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def training_system(workspace: Workspace, models: Iterable[str]) -> tuple[str, float, str] | None:
    """(system message, share of examples with it, training file) of the first tuned model; None when there is none."""
    from tunebook.experiments.evaluation.held_out import served_model, training_cases
    from tunebook.service.jobs import job_of

    for name in models:
        job_id = job_of(served_model(workspace, name))
        if job_id is None:
            continue
        job = workspace.jobs.retrieve(job_id)
        seen = Counter(case.system for case in training_cases(workspace, job.job.training_file, _SYSTEM_ROWS))
        if seen:
            text, count = seen.most_common(1)[0]
            return text, count / seen.total(), job.job.training_file
    return None
