"""What a job form holds as typed: files, fields, and the lines shown beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tunebook.service.request import EFFORTS

# Bytes of JSON Lines a token takes, for uploaded files nobody has counted: chat files of English text.
BYTES_PER_TOKEN = 5.0


@dataclass(frozen=True)
class Note:
    """One line beside a field. tone: bad (would be refused), wait (worth a second look), empty (advice)."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class FileChoice:
    """The file picked for training or validation: nothing, an uploaded one (`file_id`), or a local one (`source`).

    While the file is not read, examples and tokens are None and method, which its data is made for, is empty;
    `source_code` is how the upload would be written in Python.
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


@dataclass(frozen=True)
class FormValues:
    """What the form's fields hold, as typed. An empty hyperparameter is "auto", an empty price the catalogue's."""

    model: str = "gpt-4.1-mini"
    method: str = "supervised"
    training_type: str = ""
    training: FileChoice = field(default_factory=FileChoice)
    validation: FileChoice = field(default_factory=FileChoice)
    n_epochs: str = ""
    batch_size: str = ""
    learning_rate_multiplier: str = ""
    beta: str = ""
    l2_multiplier: str = ""
    grader: str = ""
    reasoning_effort: str = ""
    compute_multiplier: str = ""
    eval_interval: str = ""
    eval_samples: str = ""
    seed: str = ""
    suffix: str = ""
    metadata: str = ""
    region: str = ""
    price: str = ""


def number_or_text(text: str, kind: type) -> Any:
    """ "auto" for nothing or "auto"; a number if it is one; else the text, for the request to refuse by name."""
    text = text.strip()
    if text.lower() in ("", "auto"):
        return "auto"
    try:
        return kind(text)
    except ValueError:
        return text


def typed(value: Any) -> str:
    """A value given in code as the text its field shows."""
    if value is None or value == "auto":
        return ""
    if isinstance(value, dict):
        pairs = all(isinstance(v, str) for v in value.values()) and "type" not in value  # a grader has a type
        return "\n".join(f"{k} = {v}" for k, v in value.items()) if pairs else json.dumps(value, indent=2)
    return f"{value:g}" if isinstance(value, float) else str(value)


def metadata_of(text: str) -> dict[str, str]:
    """`key = value` lines as a mapping. Raises ValueError naming the line without an equals sign."""
    pairs = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"“{line}” is not of the form key = value.")
        pairs[key.strip()] = value.strip()
    return pairs


def values_of_job(job: Mapping[str, Any], *, go_on: bool = False) -> FormValues:
    """The values that would create this job again; `go_on`: with its fine-tuned model as the base to continue from."""
    method = job.get("method") if isinstance(job.get("method"), Mapping) else {}
    kind = str((method or {}).get("type") or "supervised")
    settings = (method or {}).get(kind) or {}
    numbers = {**(job.get("hyperparameters") or {}), **(settings.get("hyperparameters") or {})}

    def typed(name: str) -> str:
        value = numbers.get(name)
        return "" if value in (None, "auto", -1) else f"{value:g}" if isinstance(value, float) else str(value)

    grader = settings.get("grader")
    known = FormValues(
        model=str((job.get("fine_tuned_model") if go_on else None) or job.get("model") or ""),
        method=kind,
        training_type=str(job.get("trainingType") or ""),
        training=FileChoice(file_id=str(job.get("training_file") or "")),
        validation=FileChoice(file_id=str(job.get("validation_file") or "")),
        n_epochs=typed("n_epochs"),
        batch_size=typed("batch_size"),
        learning_rate_multiplier=typed("learning_rate_multiplier"),
        beta=typed("beta"),
        l2_multiplier=typed("l2_multiplier"),
        reasoning_effort=effort if (effort := typed("reasoning_effort")) in EFFORTS else "",
        compute_multiplier=typed("compute_multiplier"),
        eval_interval=typed("eval_interval"),
        eval_samples=typed("eval_samples"),
        grader=json.dumps(grader, indent=2) if grader else "",
        suffix=str(job.get("suffix") or job.get("user_provided_suffix") or ""),
        seed="" if job.get("seed") is None else str(job["seed"]),
        metadata="\n".join(f"{k} = {v}" for k, v in (job.get("metadata") or {}).items()),
    )
    return replace(known, seed="") if go_on else known
