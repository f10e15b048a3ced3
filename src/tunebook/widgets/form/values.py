"""What a job form holds as typed: files, fields, and the lines shown beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunebook.analysis.run import Run
from tunebook.fields import Choice, File, Json, Number, Pairs, Setting, settings
from tunebook.graders import Item

PRICE = "price"  # the one field that is no setting of a job


def field_of(setting: Setting) -> str:
    """The name of a setting's field: that of a file is `training` or `validation`."""
    return setting.name.removesuffix("_file") if isinstance(setting.kind, File) else setting.name


FIELDS = (*map(field_of, settings().values()), PRICE)
FILES = ("training", "validation")
TYPED = tuple(name for name in FIELDS if name not in FILES)
# Bytes of JSON Lines a token takes, for uploaded files nobody has counted: chat files of English text.
BYTES_PER_TOKEN = 5.0


@dataclass(frozen=True)
class Note:
    """One line beside a field. tone: bad (would be refused), needed (not there yet), warning (worth a second look),
    empty (advice)."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class FileChoice:
    """The file picked for training or validation: nothing, an uploaded one (`file_id`), or a local one (`source`).

    While the file is not read, examples and tokens are None and method, which its data is made for, is empty;
    `items` are a reinforcement file's, one of each kind; `source_code` is how the upload would be written in Python.
    """

    file_id: str = ""
    label: str = ""
    source: Any = None
    source_code: str = ""
    examples: int | None = None
    tokens: int | None = None
    method: str = ""
    size_bytes: int | None = None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    checking: bool = False
    items: tuple[Item, ...] = ()

    @property
    def given(self) -> bool:
        return bool(self.file_id) or self.source is not None

    @property
    def counted(self) -> tuple[int | None, bool]:
        """(tokens, whether they were counted rather than guessed from the size)."""
        if self.tokens is not None:
            return self.tokens, True
        if self.size_bytes:
            return round(self.size_bytes / BYTES_PER_TOKEN), False
        return None, False


NO_FILE = FileChoice()


@dataclass(frozen=True, init=False)
class FormValues:
    """What the fields hold, as typed: `values["n_epochs"]`. Nothing typed means "auto", of a price the catalogue's."""

    texts: Mapping[str, str]
    training: FileChoice
    validation: FileChoice
    region: str

    def __init__(
        self, *, training: FileChoice = NO_FILE, validation: FileChoice = NO_FILE, region: str = "", **texts: str
    ) -> None:
        if unknown := set(texts).difference(TYPED):
            raise TypeError(f"The form has no field {', '.join(sorted(unknown))}; it has {', '.join(sorted(TYPED))}.")
        start = {"model": "gpt-4.1-mini", "method": "supervised"}
        for name, value in (("training", training), ("validation", validation), ("region", region)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "texts", {**dict.fromkeys(TYPED, ""), **start, **texts})

    def __getitem__(self, name: str) -> str:
        return self.texts[name]


def number_or_text(text: str, kind: type) -> Any:
    """ "auto" for nothing or "auto"; a number if it is one; else the text, for the request to refuse by name."""
    text = text.strip()
    if text.lower() in ("", "auto"):
        return "auto"
    try:
        return kind(text)
    except ValueError:
        return text


def read(setting: Setting, text: str) -> Any:
    """The value a field's text means. Raises ValueError for text that is not even of the right kind."""
    kind = setting.kind
    if isinstance(kind, Number):
        number = number_or_text(text, int if kind.whole else float)
        return None if number == "auto" and not kind.auto else number
    if isinstance(kind, Json):
        return _json_of(text, kind) if text.strip() else None
    if isinstance(kind, Pairs):
        return metadata_of(text) or None
    return text or None


def _json_of(text: str, kind: Json) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not {kind.what} in JSON: {error}.") from error
    if not isinstance(value, list if kind.many else dict):
        raise ValueError(
            f"This is not {kind.what} in JSON: {'a list […]' if kind.many else 'an object {…}'} is needed."
        )
    return value


def metadata_of(text: str) -> dict[str, str]:
    """`key = value` lines as a mapping. Raises ValueError naming the line without an equals sign."""
    pairs = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"“{line}” is not of the form key = value.")
        pairs[key.strip()] = value.strip()
    return pairs


def typed(name: str, value: Any) -> str:
    """A value as the text the field of that name shows; what is left to the service (None, "auto", -1) as nothing."""
    kind = settings()[name].kind if name in settings() else None
    if value in (None, "auto", -1) or (isinstance(kind, Choice) and value not in kind.options):
        return ""
    if isinstance(value, Mapping | list | tuple):
        as_lines = isinstance(kind, Pairs)
        return "\n".join(f"{k} = {v}" for k, v in dict(value).items()) if as_lines else json.dumps(value, indent=2)
    return f"{value:g}" if isinstance(value, float) else str(value)


def values_of_job(job: Mapping[str, Any], *, go_on: bool = False) -> FormValues:
    """The values that would create this job again; `go_on`: with its fine-tuned model as the base to continue from."""
    run = Run(job)
    method = job.get("method")
    own = (method.get(run.method) if isinstance(method, Mapping) else None) or {}
    numbers = {**(job.get("hyperparameters") or {}), **own, **(own.get("hyperparameters") or {})}
    body = {**job, "suffix": run.suffix, "method": run.method}
    texts = {
        name: typed(name, (body if setting.place == "body" else numbers).get(setting.wire))
        for name, setting in settings().items()
        if name in TYPED
    }
    if go_on:
        texts |= {"model": run.fine_tuned_model or run.model, "seed": ""}
    files = {part: FileChoice(file_id=str(job.get(f"{part}_file") or "")) for part in FILES}
    return FormValues(**files, **texts)  # type: ignore[arg-type]
