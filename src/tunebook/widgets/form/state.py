"""What a filled-in form means: `resolve(values, catalogue)` turns what was typed into a request, notes and choices.

All decisions of the job form are here, in functions of their arguments. The widget reads values and shows the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from math import inf
from typing import Any

from tunebook.catalogue import Catalogue, Model
from tunebook.fields import METHODS, settings
from tunebook.money import DEFAULT_TIER, Cost, bill, grading
from tunebook.service.request import JobRequest
from tunebook.widgets.form.notes import (
    RETIRES_SOON_DAYS,
    note_advice,
    note_files,
    note_items,
    note_methods,
    note_model,
    note_problems,
    note_tier,
    offered_in,
)
from tunebook.widgets.form.values import FIELDS, PRICE, TYPED, FormValues, Note, number_or_text, read
from tunebook.words import money

# Stand in for file ids that exist only after the upload.
TRAINING_ID, VALIDATION_ID = "<training file id>", "<validation file id>"


@dataclass(frozen=True)
class Estimate:
    """What the job would bill, None while the training file is not known; `words` says it all."""

    cost: Cost | None
    words: str


@dataclass(frozen=True)
class FormState:
    """What follows from the values. `request` is None while something typed cannot be sent at all."""

    request: JobRequest | None
    notes: Mapping[str, tuple[Note, ...]]
    methods: tuple[str, ...]
    training_types: tuple[str, ...]
    estimate: Estimate
    python: str
    curl: str
    body: str
    ask: str | None

    @property
    def ready(self) -> bool:
        """Whether "Create" may be pressed: nothing would be refused and nothing is still being checked."""
        return self.request is not None and not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """The fields that keep "Create" from being pressed: what would be refused, and what is not there yet."""
        return tuple(name for name, notes in self.notes.items() if {"bad", "needed"} & {note.tone for note in notes})

    @property
    def refused(self) -> tuple[str, ...]:
        """Those of them that hold what would be refused."""
        return tuple(name for name, notes in self.notes.items() if "bad" in {note.tone for note in notes})


def resolve(
    values: FormValues,
    catalogue: Catalogue,
    *,
    today: date,
    endpoint: str = "",
    free: bool = False,
    ask_above_usd: float = 25.0,
) -> FormState:
    """The state of a form. free: the service is the embedded one, which bills nothing.

    ask_above_usd: an estimate that may be higher than this is asked about once before anything is created.
    """
    notes: dict[str, list[Note]] = {name: [] for name in FIELDS}
    model = catalogue.model(values["model"])
    typed = _request(values, notes)
    request = None if any(notes.values()) else typed
    note_problems(typed.problems(catalogue), notes)
    note_model(values, model, catalogue, today, notes["model"])
    note_tier(values, catalogue, notes["training_type"])
    note_files(values, catalogue, notes)
    note_items(values, typed.grader, notes["grader"])
    note_methods(model, catalogue, notes["method"])
    note_advice(values, catalogue, notes)
    estimate = _estimate(values, typed.grader, catalogue, notes[PRICE], free=free)
    usd = estimate.cost.usd_interval[1] if estimate.cost and estimate.cost.usd_interval else None
    return FormState(
        request=request,
        notes={name: tuple(lines) for name, lines in notes.items()},
        methods=model.methods if model else METHODS,
        training_types=_training_types(model, values.region, catalogue),
        estimate=estimate,
        python=_python(request, values) if request else "",
        curl=request.to_curl(endpoint) if request else "",
        body=json.dumps(request.to_json(), indent=2, ensure_ascii=False) if request else "",
        ask=f"This job is estimated at {money(usd)}. Create it?" if usd is not None and usd > ask_above_usd else None,
    )


def empty(catalogue: Catalogue, today: date) -> FormValues:
    """What an empty form holds: the first model that is generally available, made for text, and lasts another year;
    and, where the service's own tier is not its, the first that is."""

    def lasts(model: Model) -> bool:
        ends = model.retires
        dates = (ends.base, ends.training, ends.deployment) if ends is not None else ()
        return all((day - today).days > RETIRES_SOON_DAYS for day in dates if day is not None)

    offered = [m for m in catalogue.models if "supervised" in m.methods and m.state == "generally available"]
    model = next((m for m in offered if m.modality.startswith("text") and lasts(m)), catalogue.models[0])
    tier = "" if DEFAULT_TIER in model.training_types else model.training_types[0]
    return FormValues(model=model.id, training_type=tier)


def _training_types(model: Model | None, region: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The tiers the model is trained in, without Standard where the region does not offer it."""
    if model is None:
        return tuple(tier.id for tier in catalogue.training_types)
    if region:
        return tuple(t for t in model.training_types if offered_in(catalogue, model, t, region)) or model.training_types
    return model.training_types


def _request(values: FormValues, notes: dict[str, list[Note]]) -> JobRequest:
    """The request as typed. Text that is not even of the right kind is left out, with a note at its field."""
    given: dict[str, Any] = {}
    for name, setting in settings().items():
        if name not in TYPED or not setting.belongs(values["method"]):
            continue
        try:
            given[name] = read(setting, values[name])
        except ValueError as error:
            notes[name].append(Note(str(error), "bad"))
    return JobRequest(
        **given | {"model": values["model"].strip()},
        training_file=values.training.file_id or (TRAINING_ID if values.training.given else ""),
        validation_file=values.validation.file_id or (VALIDATION_ID if values.validation.given else None),
    )


def _estimate(
    values: FormValues, grader: Mapping[str, Any] | None, facts: Catalogue, notes: list[Note], *, free: bool
) -> Estimate:
    typed = number_or_text(values[PRICE], float)
    own = price_typed(typed)
    if own is None and typed != "auto":
        notes.append(Note(f"“{values[PRICE].strip()}” is not a number of dollars.", "bad"))
    tokens, exact = values.training.counted
    if values["method"] == "reinforcement":
        tokens, exact = tokens or 0, True  # they are not what is billed
    if tokens is None:
        return Estimate(None, "Tokens and cost appear once the training file is known.")
    epochs = number_or_text(values["n_epochs"], int)
    cost = bill(
        values["model"],
        tokens,
        examples=values.training.examples,
        n_epochs=epochs if isinstance(epochs, int) else None,
        training_type=values["training_type"] or None,
        method=values["method"],
        usd_per_unit=own,
        catalogue=facts,
    )
    guessed = "" if exact else " The tokens are guessed from the file's size."
    if not cost.known:
        notes.append(Note(f"None is published for this pair. Look it up at {facts.sources['pricing']}; it is kept."))
    graded = "".join(f" {line}" for line in grading(grader, facts)) if cost.hourly else ""
    if free:
        said = f"The embedded service bills nothing. The same job on Azure: {cost}.{graded}{guessed}"
        return Estimate(replace(cost, usd=0.0, usd_interval=None), said)
    return Estimate(cost, f"{cost}.{graded}{guessed}")


def price_typed(typed: float | str) -> float | None:
    """The price a field's text means, None where it is none: nothing, no number, or one below zero."""
    return typed if isinstance(typed, float) and 0 <= typed < inf else None


def _python(request: JobRequest, values: FormValues) -> str:
    """The cell that does what the form does, uploads included."""
    code, lines = request.to_python(), []
    for name, mark, choice in (
        ("training", TRAINING_ID, values.training),
        ("validation", VALIDATION_ID, values.validation),
    ):
        if choice.given and not choice.file_id:
            lines.append(f"{name} = ws.files.upload({choice.source_code})")
            code = code.replace(repr(mark), f"{name}.id")
    return "\n".join([*lines, code])
