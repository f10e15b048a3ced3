"""What a filled-in form means: `resolve(values, catalogue)` turns what was typed into a request, notes and choices.

All decisions of the job form are here, in functions of their arguments. The widget reads values and shows the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from tunebook.catalogue import Catalogue
from tunebook.money import Cost, bill
from tunebook.service.request import HYPERPARAMETERS, JobRequest
from tunebook.widgets.form.notes import note_files, note_model, note_numbers, note_tier, offered_in
from tunebook.widgets.form.values import FormValues, Note, metadata_of, number_or_text
from tunebook.words import money

METHODS = ("supervised", "dpo", "reinforcement")
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
        """The fields that keep "Create" from being pressed."""
        return tuple(name for name, said in self.notes.items() if any(note.tone == "bad" for note in said))


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
    notes: dict[str, list[Note]] = {name: [] for name in FormValues.__dataclass_fields__}
    model = catalogue.model(values.model)
    methods = model.methods if model else METHODS
    types = model.training_types if model else tuple(t.id for t in catalogue.training_types)
    if model and values.region and not offered_in(model, values.region):
        types = tuple(tier for tier in types if tier != "Standard") or types
    typed = _request(values, notes)
    unreadable = any(note.tone == "bad" for said in notes.values() for note in said)
    for problem in typed.problems(catalogue):
        said_already = any(note.tone == "bad" for note in notes.get(problem.field, ()))
        # What the files lack is said in the form's own words below.
        if problem.field not in ("training_file", "validation_file") and not said_already:
            notes[problem.field].append(Note(problem.message, "bad" if problem.severity == "error" else "wait"))
    request = None if unreadable else typed
    note_model(values, model, catalogue, today, notes["model"])
    note_tier(values, catalogue, notes["training_type"])
    note_files(values, catalogue, notes)
    note_numbers(values, catalogue, notes)
    estimate = _estimate(values, catalogue, notes["price"], free=free)
    usd = estimate.cost.usd if estimate.cost else None
    ask = None
    if usd is not None and usd > ask_above_usd:
        ask = f"This job is estimated at {money(usd)}. Create it?"
    return FormState(
        request=request,
        notes={name: tuple(said) for name, said in notes.items()},
        methods=methods,
        training_types=types,
        estimate=estimate,
        python=_python(request, values) if request else "",
        curl=request.to_curl(endpoint) if request else "",
        body=json.dumps(request.to_json(), indent=2, ensure_ascii=False) if request else "",
        ask=ask,
    )


def _request(values: FormValues, notes: dict[str, list[Note]]) -> JobRequest:
    """The request as typed. Text that is not even of the right kind is left out, with a note at its field."""
    seed, grader, metadata = None, None, None
    if values.seed.strip():
        try:
            seed = int(values.seed)
        except ValueError:
            notes["seed"].append(Note(f"“{values.seed}” is not a whole number.", "bad"))
    if values.method == "reinforcement" and values.grader.strip():
        try:
            grader = json.loads(values.grader)
            if not isinstance(grader, dict):
                raise ValueError("a JSON object {…} is needed")
        except ValueError as error:
            notes["grader"].append(Note(f"This is not a grader in JSON: {error}.", "bad"))
    try:
        metadata = metadata_of(values.metadata) or None
    except ValueError as error:
        notes["metadata"].append(Note(str(error), "bad"))
    takes = HYPERPARAMETERS[values.method]
    numbers = {name: number_or_text(getattr(values, name), int if takes[name].whole else float) for name in takes}
    return JobRequest(
        model=values.model.strip(),
        training_file=values.training.file_id or (TRAINING_ID if values.training.given else ""),
        validation_file=values.validation.file_id or (VALIDATION_ID if values.validation.given else None),
        seed=seed,
        suffix=values.suffix or None,
        method=values.method,  # type: ignore[arg-type]
        training_type=values.training_type or None,
        metadata=metadata,
        grader=grader,
        reasoning_effort=(values.reasoning_effort or None) if values.method == "reinforcement" else None,
        **numbers,
    )


def _estimate(values: FormValues, facts: Catalogue, notes: list[Note], *, free: bool) -> Estimate:
    tokens, exact = values.training.counted
    if tokens is None:
        return Estimate(None, "Tokens and cost appear once the training file is known.")
    typed = number_or_text(values.price, float)
    if isinstance(typed, str) and typed != "auto":
        notes.append(Note(f"“{typed}” is not a number of dollars.", "bad"))
    epochs = number_or_text(values.n_epochs, int)
    cost = bill(
        values.model,
        tokens,
        examples=values.training.examples,
        n_epochs=epochs if isinstance(epochs, int) else None,
        training_type=values.training_type or None,
        method=values.method,
        usd_per_million=typed if isinstance(typed, float) and typed >= 0 else None,
        catalogue=facts,
    )
    guessed = "" if exact else " The tokens are guessed from the file's size."
    if free:
        return Estimate(replace(cost, usd=0.0), f"{cost.tokens_sentence}. The embedded service bills nothing.{guessed}")
    if cost.usd is None and values.method != "reinforcement":
        notes.append(Note("No price is known for this pair: type one to see the cost."))
    return Estimate(cost, f"{cost}.{guessed}")


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
