"""What a filled-in form means: `resolve(values, catalogue)` turns what was typed into a request, notes and choices.

All decisions of the job form are here, in functions of their arguments. The widget reads values and shows the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tunebook.catalogue import Catalogue
from tunebook.service.request import HYPERPARAMETERS, JobRequest
from tunebook.widgets.form.notes import note_files, note_model, note_numbers, note_tier, offered_in
from tunebook.widgets.form.values import FormValues, Note, metadata_of, number_or_text
from tunebook.widgets.markup import amount, count

METHODS = ("supervised", "dpo", "reinforcement")
# Stand in for file ids that exist only after the upload.
TRAINING_ID, VALIDATION_ID = "<training file id>", "<validation file id>"
# Epochs the service was seen to choose for "auto" (cost management page: 2; recorded jobs: 3); 4 leaves room.
AUTO_EPOCHS = (2, 4)


@dataclass(frozen=True)
class Estimate:
    """Tokens to be billed and dollars, each a (low, high) pair; `usd` None without a price. `words` says it all."""

    tokens: tuple[int, int] | None
    usd: tuple[float, float] | None
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
    ask = None
    if estimate.usd is not None and estimate.usd[1] > ask_above_usd:
        ask = f"This job is estimated at up to {amount(estimate.usd[1])}. Create it?"
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
    epochs = number_or_text(values.n_epochs, int)
    if tokens is None:
        return Estimate(None, None, "Tokens and cost appear once the training file is known.")
    low, high = AUTO_EPOCHS if not isinstance(epochs, int) else (epochs, epochs)
    billed = (tokens * low, tokens * high)
    about = "" if exact else "about "
    span = count(billed[0]) if low == high else f"{count(billed[0])} to {count(billed[1])}"
    each = f"{low} epochs" if low == high else f"{low} to {high} epochs (auto)"
    words = f"{about}{count(tokens)} tokens × {each} = {span} billed tokens"
    if not exact:
        words += " (guessed from the file's size)"
    if free:
        return Estimate(billed, (0.0, 0.0), f"{words}. The embedded service bills nothing.")
    if values.method == "reinforcement":
        return Estimate(billed, None, f"{words}. Reinforcement is billed by the hour of training, not by tokens.")
    found = facts.price(values.model, values.training_type or "Standard")
    typed = number_or_text(values.price, float)
    if isinstance(typed, str) and typed != "auto":
        notes.append(Note(f"“{typed}” is not a number of dollars.", "bad"))
    if isinstance(typed, float) and typed >= 0:
        price, origin = typed, "your price"
    elif found is not None:
        price, origin = found.usd_per_million_tokens, f"catalogue of {found.dated}"
    else:
        notes.append(Note("No price is known for this pair: type one to see the cost."))
        return Estimate(billed, None, f"{words}; no price is known.")
    usd = (billed[0] * price / 1e6, billed[1] * price / 1e6)
    cost = amount(usd[0]) if usd[0] == usd[1] else f"{amount(usd[0])} to {amount(usd[1])}"
    return Estimate(billed, usd, f"{words}, {cost} at ${price:g} a million ({origin}).")


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
