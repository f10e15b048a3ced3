"""What a filled-in form means: `resolve(values, catalogue)` turns what was typed into a request, notes and choices.

All decisions of the job form are here, in functions of their arguments. The widget reads values and shows the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tunebook.catalogue import Catalogue, Model
from tunebook.service.request import JobRequest
from tunebook.widgets.markup import amount, count

METHODS = ("supervised", "dpo", "reinforcement")
# Stand in for file ids that exist only after the upload.
TRAINING_ID, VALIDATION_ID = "<training file id>", "<validation file id>"
# Epochs the service was seen to choose for "auto" (cost management page: 2; recorded jobs: 3); 4 leaves room.
AUTO_EPOCHS = (2, 4)
# Bytes of JSON Lines a token takes, for uploaded files nobody has counted: chat files of English text.
BYTES_PER_TOKEN = 5.0
# Say so when a model retires within this many days.
RETIRES_SOON_DAYS = 365


@dataclass(frozen=True)
class Note:
    """One line beside a field. tone: bad (would be refused), wait (worth a second look), empty (advice)."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class FileChoice:
    """The file picked for training or validation: nothing, an uploaded one (`file_id`), or a local one (`source`).

    examples and tokens are None while not counted; `source_code` is how the upload would be written in Python.
    """

    file_id: str = ""
    label: str = ""
    source: Any = None
    source_code: str = ""
    examples: int | None = None
    tokens: int | None = None
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
        return self.request is not None and not any(n.tone == "bad" for notes in self.notes.values() for n in notes)


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
    request = _request(values, notes)
    if request is not None:
        for problem in request.problems(catalogue):
            if problem.field not in ("training_file", "validation_file"):  # said in the form's own words below
                notes[problem.field].append(Note(problem.message, "bad" if problem.severity == "error" else "wait"))
    _note_model(values, model, catalogue, today, notes["model"])
    _note_tier(values, catalogue, notes["training_type"])
    _note_files(values, catalogue, notes)
    _note_numbers(values, catalogue, notes)
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


def number_or_text(text: str, kind: type) -> Any:
    """ "auto" for nothing or "auto"; a number if it is one; else the text, for the request to refuse by name."""
    text = text.strip()
    if text.lower() in ("", "auto"):
        return "auto"
    try:
        return kind(text)
    except ValueError:
        return text


def metadata_of(text: str) -> dict[str, str]:
    """`key = value` lines as a mapping. Raises ValueError naming the line without an equals sign."""
    pairs = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"“{line}” is not of the form key = value.")
        pairs[key.strip()] = value.strip()
    return pairs


def _request(values: FormValues, notes: dict[str, list[Note]]) -> JobRequest | None:
    """The request as typed; None, with a note at the field, when some text is not even of the right kind."""
    fine = True
    seed, grader, metadata = None, None, None
    if values.seed.strip():
        try:
            seed = int(values.seed)
        except ValueError:
            notes["seed"].append(Note(f"“{values.seed}” is not a whole number.", "bad"))
            fine = False
    if values.method == "reinforcement" and values.grader.strip():
        try:
            grader = json.loads(values.grader)
            if not isinstance(grader, dict):
                raise ValueError("a JSON object {…} is needed")
        except ValueError as error:
            notes["grader"].append(Note(f"This is not a grader in JSON: {error}.", "bad"))
            fine = False
    try:
        metadata = metadata_of(values.metadata) or None
    except ValueError as error:
        notes["metadata"].append(Note(str(error), "bad"))
        fine = False
    extra = _reinforcement(values, grader, notes) if values.method == "reinforcement" else {}
    if not fine:
        return None
    return JobRequest(
        model=values.model.strip(),
        training_file=values.training.file_id or (TRAINING_ID if values.training.given else ""),
        validation_file=values.validation.file_id or (VALIDATION_ID if values.validation.given else None),
        n_epochs=number_or_text(values.n_epochs, int),
        batch_size=number_or_text(values.batch_size, int),
        learning_rate_multiplier=number_or_text(values.learning_rate_multiplier, float),
        beta=number_or_text(values.beta, float) if values.method == "dpo" else "auto",
        seed=seed,
        suffix=values.suffix or None,
        method=values.method,  # type: ignore[arg-type]
        training_type=values.training_type or None,
        metadata=metadata,
        grader=grader,
        extra=extra,
    )


def _reinforcement(values: FormValues, grader: Any, notes: dict[str, list[Note]]) -> dict[str, Any]:
    """The settings only reinforcement has, in the place the API wants them; empty when all are left to the service."""
    own: dict[str, Any] = {}
    for name, kind in (("compute_multiplier", float), ("eval_interval", int), ("eval_samples", int)):
        value = number_or_text(getattr(values, name), kind)
        if isinstance(value, str) and value != "auto":
            notes[name].append(Note(f"“{value}” is not a number.", "bad"))
        elif value != "auto" and value <= 0:
            notes[name].append(Note(f"{value:g} is not above 0.", "bad"))
        elif value != "auto":
            own[name] = value
    if values.reasoning_effort:
        own["reasoning_effort"] = values.reasoning_effort
    if not own:
        return {}
    for name, kind in (("n_epochs", int), ("batch_size", int), ("learning_rate_multiplier", float)):
        if (value := number_or_text(getattr(values, name), kind)) != "auto":
            own[name] = value
    settings = {"hyperparameters": own} | ({"grader": grader} if grader is not None else {})
    return {"method": {"type": "reinforcement", "reinforcement": settings}}


def _note_model(values: FormValues, model: Model | None, facts: Catalogue, today: date, notes: list[Note]) -> None:
    if model is None:
        return
    said = f"{model.modality}; {' or '.join(model.methods)}; {model.state} (catalogue of {facts.as_of})."
    notes.append(Note(said))
    if model.retires is not None:
        days = (model.retires - today).days
        if days < 0:
            notes.append(Note(f"Retired on {model.retires}: the service may refuse it.", "wait"))
        elif days <= RETIRES_SOON_DAYS:
            notes.append(Note(f"Retires on {model.retires}, in {days} days; what is tuned from it goes too.", "wait"))
    region = values.region.lower().replace(" ", "")
    standard = values.training_type in ("", "Standard")
    if region and standard and region not in model.regions:
        where = ", ".join(model.regions) or "no region"
        notes.append(Note(f"Standard training of it is offered in {where}, not in {values.region}.", "wait"))


def _note_tier(values: FormValues, facts: Catalogue, notes: list[Note]) -> None:
    tier = facts.training_type(values.training_type or "Standard")
    if tier is None:
        return
    left = "" if values.training_type else "Left to the service, which means Standard. "
    notes.append(Note(f"{left}{tier.residency} {tier.price_hint} {tier.caution}"))


def _note_files(values: FormValues, facts: Catalogue, notes: dict[str, list[Note]]) -> None:
    least, advised = facts.limit("min_examples"), facts.limit("recommended_examples")
    for name in ("training", "validation"):
        choice: FileChoice = getattr(values, name)
        said = notes[name]
        if choice.checking:
            said.append(Note("Being read and checked …", "bad"))
        said += [Note(text, "bad") for text in choice.errors[:3]]
        said += [Note(text, "wait") for text in choice.warnings[:2]]
        hidden = max(0, len(choice.errors) - 3) + max(0, len(choice.warnings) - 2)
        if hidden:
            said.append(Note(f"… and {hidden} more: tb.read_dataset(…).check()"))
    train, valid = values.training, values.validation
    if not train.given:
        notes["training"].append(Note("Choose an uploaded file, or a local one: it is checked and uploaded.", "bad"))
    elif train.examples is not None and train.examples < least and not train.errors:
        notes["training"].append(Note(f"{train.examples} examples; the service needs at least {least}.", "bad"))
    elif train.examples is not None and train.examples < advised:
        notes["training"].append(Note(f"{train.examples} examples; {advised} or more are advised.", "wait"))
    if not valid.given:
        needed = values.method == "reinforcement"
        text = "Reinforcement needs one." if needed else "Without one, overfitting cannot be seen."
        notes["validation"].append(Note(text, "bad" if needed else "wait"))
    elif valid.file_id and valid.file_id == train.file_id:
        notes["validation"].append(Note("This is the training file: it would show no overfitting.", "wait"))


def _note_numbers(values: FormValues, facts: Catalogue, notes: dict[str, list[Note]]) -> None:
    """Advice beside each hyperparameter, in the source document's sense, where there is nothing worse to say."""
    low, high = (facts.limits[f"learning_rate_multiplier_{end}"].value for end in ("low", "high"))
    advice = {
        "n_epochs": "Passes over the file. More fit closer, and overfit sooner.",
        "batch_size": "Examples a step. Larger suits larger files: fewer, calmer updates.",
        "learning_rate_multiplier": f"Try {low:g} to {high:g}; smaller can avoid overfitting.",
        "beta": "How close to stay to the base model; 0.1 is usual.",
        "seed": "The same seed and settings should give the same model.",
        "reasoning_effort": "How long the model may think while it is trained.",
        "grader": "JSON of one grader; multi combines several. {{item.…}} and {{sample.output_text}} are filled in.",
        "metadata": f"key = value, one a line; up to {facts.limit('metadata_pairs')}.",
    }
    for name, text in advice.items():
        if not notes[name]:
            notes[name].append(Note(text))
    longest = facts.limit("suffix_characters")
    if not any(note.tone == "bad" for note in notes["suffix"]):
        used = f"{len(values.suffix)} of {longest} characters. " if values.suffix else ""
        notes["suffix"].append(Note(f"{used}Ends the model's name; letters, digits, - and _."))
    if values.training_type == "Developer" and values.method == "reinforcement":
        notes["training_type"].append(Note("Reinforcement in the Developer tier is offered for few models.", "wait"))


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
        grader=json.dumps(grader, indent=2) if grader else "",
        suffix=str(job.get("suffix") or job.get("user_provided_suffix") or ""),
        seed="" if job.get("seed") is None else str(job["seed"]),
        metadata="\n".join(f"{k} = {v}" for k, v in (job.get("metadata") or {}).items()),
    )
    return replace(known, seed="") if go_on else known
