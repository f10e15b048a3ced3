"""Choosing a training or validation file: an uploaded one, or a local one, which is read and checked on a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets

from tunebook import words
from tunebook.graders import Item
from tunebook.graders.templates import item_of
from tunebook.widgets.clicks import in_thread, sentence_of
from tunebook.widgets.form.fields import DESCRIBED
from tunebook.widgets.form.values import FileChoice
from tunebook.widgets.pieces import Offering, described, place

_NONE, _LOCAL = "", "local"
_MOST_OFFERED = 200  # newest first; "find" narrows the rest down
_FIND_FROM = 20


class FilePicker:
    """Widgets for one file; `choice` says what is picked. `changed` is called, on any thread, whenever it changes.

    required: whether "none" is offered. model: called for the model's name, whose tokenizer counts. guard: wraps every
    callback, to show what it raises.
    """

    def __init__(
        self,
        name: str,
        *,
        required: bool,
        changed: Callable[[], None],
        model: Callable[[], str],
        guard: Callable[[Callable[..., Any]], Callable[..., None]],
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        self.name, self._required, self._changed, self._model, self._spawn = name, required, changed, model, spawn
        self.choice = FileChoice()
        self._files: list[Any] = []
        self._loading, self._offering = True, Offering()
        self._given: Any = None  # a Dataset, or a path, handed over in code
        # widgets
        self.uploaded = ipywidgets.Dropdown(description=f"{name} file")
        self.find = ipywidgets.Text(
            description=f"find {name} file", placeholder="part of a name or id", continuous_update=False
        )
        self.path = ipywidgets.Combobox(
            description=f"path of {name} file", placeholder="data/train.jsonl", continuous_update=False
        )
        self.progress = ipywidgets.IntProgress(description="uploading", min=0, max=100)
        # layout
        for part in (self.uploaded, self.find, self.path, self.progress):
            described(part, DESCRIBED)
            place(part, width="100%", margin="1px 0")
        for part in (self.find, self.path, self.progress):
            part.layout.display = "none"
        self.widget = ipywidgets.VBox([self.uploaded, self.find, self.path, self.progress])
        self._offer()
        # connections
        self._guard = guard
        self.uploaded.observe(guard(lambda _: self._picked()), "value")
        self.find.observe(guard(lambda _: self._offer()), "value")
        self.path.observe(guard(lambda _: self._typed()), "value")

    # ---- what can be picked

    def offer(self, files: Iterable[Any]) -> None:
        """The files the service has, newest first."""
        self._files, self._loading = list(files), False
        self.find.layout.display = "" if len(self._files) > _FIND_FROM else "none"
        self._offer()
        if self.choice.file_id:
            self._describe(self.choice.file_id)

    def unreadable(self) -> None:
        """The list of files could not be read; a local file can still be chosen, or an id given in code."""
        self._loading = False
        self._offer()

    def _options(self) -> list[tuple[str, str]]:
        """What can be picked, narrowed by what stands in `find`."""
        wanted = self.find.value.strip().lower()
        files = [f for f in self._files if wanted in f"{f.filename} {f.id}".lower()]
        first = "loading the list …" if self._loading else "none" if not self._required else "choose …"
        options = [(first, _NONE), ("a local file …", _LOCAL)]
        options += [
            (f"{f.filename} ({words.size(f.bytes)}, {words.clock(f.created_at, now=0)}) {f.id}", f.id) for f in files
        ]
        left = len(options) - _MOST_OFFERED
        options = options[:_MOST_OFFERED]
        if left > 0:
            options.append((f"… {left} more: narrow with find", _NONE))
        return options

    def _offer(self) -> None:
        options, here = self._options(), self.choice.file_id
        if here and here not in [value for _, value in options]:
            options.insert(1, (self.choice.label or here, here))
        value = here or (_LOCAL if self.uploaded.value == _LOCAL else _NONE)
        with self._offering.new_options():
            self.uploaded.options = options
            self.uploaded.value = value

    def offer_paths(self, paths: Iterable[str]) -> None:
        self.path.options = tuple(paths)

    # ---- what is picked

    def set(self, given: Any) -> None:
        """Pick in code: a file id, a path, a Dataset, or None."""
        if given is None:
            self._given = None
            self.uploaded.value, self.path.value = _NONE, ""
            self._become(FileChoice())
            return
        if isinstance(given, str) and given.startswith("file-"):
            self._become(FileChoice(file_id=given, label=given))
            self._offer()
            self._describe(given)
            return
        self.uploaded.value = _LOCAL
        if isinstance(given, str | Path):
            self.path.value = str(given)
        else:
            self._given = given
            self.path.value = str(getattr(given, "name", "dataset in memory"))

    def _picked(self) -> None:
        if self._offering:
            return
        value = self.uploaded.value or _NONE
        self.path.layout.display = "" if value == _LOCAL else "none"
        if value == _LOCAL:
            self._become(FileChoice())
            if self.path.value:
                self._typed()
        elif value != self.choice.file_id or self.choice.source is not None:
            self._become(FileChoice(file_id=value, label=value))
            self._describe(value)

    def _describe(self, file_id: str) -> None:
        file = next((f for f in self._files if f.id == file_id), None)
        if file is not None:
            label = f"{file.filename}, {words.size(file.bytes)}, {file.status}"
            wrong = (f"The service could not process this file: {file.status}.",) if file.status == "error" else ()
            self._become(replace(self.choice, label=label, size_bytes=file.bytes, errors=wrong))

    def _typed(self) -> None:
        text = self.path.value.strip()
        source: Any = text or None
        code = repr(text)
        if self._given is not None and text == str(getattr(self._given, "name", "dataset in memory")):
            source, code = self._given, self.name[:5]  # `train` or `valid`, as a notebook calls them
        if source is None:
            self._become(FileChoice())
            return
        self._begin_check(FileChoice(source=source, source_code=code, label=text, checking=True))

    def check_again(self) -> None:
        """Check a local file anew: another model has other rules and another tokenizer."""
        if self.choice.source is not None:
            unread = FileChoice(source=self.choice.source, source_code=self.choice.source_code)
            self._begin_check(replace(unread, label=self.path.value.strip(), checking=True))

    def _begin_check(self, picked: FileChoice) -> None:
        self._become(picked)
        self._spawn(self._guard(lambda: self._check(picked)))

    def _check(self, picked: FileChoice) -> None:
        try:
            checked = check(picked, self._model())
        except Exception as error:
            checked = replace(picked, checking=False, errors=(sentence_of(error),))
        if self.choice is picked:  # nothing else was chosen meanwhile
            self._become(checked)

    def _become(self, choice: FileChoice) -> None:
        self.choice = choice
        self._changed()

    # ---- upload

    def upload(self, workspace: Any) -> str | None:
        """The id of the chosen file, uploading it first when it is local; None when none is chosen. Blocks."""
        if self.choice.file_id or self.choice.source is None:
            return self.choice.file_id or None
        self.progress.value, self.progress.layout.display = 0, ""
        try:
            file = workspace.files.upload(self.choice.source, progress=self._advance)
        finally:
            self.progress.layout.display = "none"
        self._files.insert(0, file)
        self.choice = replace(self.choice, file_id=file.id, source=None)
        self._offer()
        self._changed()
        return file.id

    def _advance(self, sent: int, total: int) -> None:
        percent = round(100 * sent / total) if total else 100
        if percent != self.progress.value:
            self.progress.value = percent


def check(picked: FileChoice, model: str) -> FileChoice:
    """The local file, read, checked against the rules of `model`, and counted."""
    from tunebook.data import read_dataset

    dataset = read_dataset(picked.source) if isinstance(picked.source, str | Path) else picked.source
    report = dataset.check(model=model)
    label = f"{dataset.name}: {words.count(report.examples)} examples, {words.count(report.tokens)} tokens"
    return replace(
        picked,
        label=label,
        examples=report.examples,
        tokens=report.tokens,
        method=dataset.method,
        items=_items(dataset) if dataset.method == "reinforcement" else (),
        errors=tuple(_problem(p) for p in report.errors),
        warnings=tuple(_problem(p) for p in report.warnings),
        checking=False,
    )


def _items(dataset: Any) -> tuple[Item, ...]:
    """Items of a dataset, one for each set of keys they come with: enough to say what no item has."""
    return tuple({frozenset(item): item for item in map(item_of, dataset)}.values())


def _problem(problem: Any) -> str:
    line = getattr(problem, "line", None)
    where = f"Line {line}: " if line else ""
    fix = getattr(problem, "fix", "") or ""
    return f"{where}{problem.message} {fix}".strip()


def local_files(folder: Path, most: int = 100) -> list[str]:
    """Files here, and one folder down, that look like training data."""
    paths: list[Path] = []
    for pattern in ("*.jsonl", "*/*.jsonl", "*.csv", "*/*.csv"):
        paths += sorted(p for p in folder.glob(pattern) if not any(part.startswith(".") for part in p.parts))
        if len(paths) >= most:
            break
    return [str(p.relative_to(folder)) for p in paths[:most]]
