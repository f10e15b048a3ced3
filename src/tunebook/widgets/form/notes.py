"""The lines beside the fields of a job form: advice, warnings, and what would be refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from tunebook.catalogue import Catalogue, Model
from tunebook.fields import METHODS, Text, settings
from tunebook.graders import unfilled
from tunebook.money import DEFAULT_TIER
from tunebook.service.request import RequestProblem
from tunebook.widgets.form.values import FILES, FileChoice, FormValues, Note

# Say so when a model retires within this many days.
RETIRES_SOON_DAYS = 365


def note_model(values: FormValues, model: Model | None, facts: Catalogue, today: date, notes: list[Note]) -> None:
    if model is None:
        return
    notes.append(Note(f"{model.modality}; {' or '.join(model.methods)}; {model.state} (catalogue of {facts.as_of})."))
    if model.retires is not None:
        days = (model.retires - today).days
        if days < 0:
            notes.append(Note(f"Retired on {model.retires}: the service may refuse it.", "warning"))
        elif days <= RETIRES_SOON_DAYS:
            notes.append(
                Note(f"Retires on {model.retires}, in {days} days; what is tuned from it goes too.", "warning")
            )
    standard = values["training_type"] in ("", DEFAULT_TIER)
    if values.region and standard and not offered_in(model, values.region):
        where = ", ".join(model.regions) or "no region"
        notes.append(Note(f"Standard training of it is offered in {where}, not in {values.region}.", "warning"))


def offered_in(model: Model, region: str) -> bool:
    """Whether Standard training of the model is offered in a region, written `West US` or `westus`."""
    return region.lower().replace(" ", "") in model.regions


def note_problems(problems: Iterable[RequestProblem], notes: dict[str, list[Note]]) -> None:
    """What the request says of itself; what the files lack, and what cannot even be read, is said already."""
    for problem in problems:
        refused = any(note.tone == "bad" for note in notes.get(problem.field, ()))
        if problem.field not in ("training_file", "validation_file") and not refused:
            notes[problem.field].append(Note(problem.message, "bad" if problem.severity == "error" else "warning"))


def note_items(values: FormValues, grader: Mapping[str, Any] | None, notes: list[Note]) -> None:
    """What the grader names and no item of a file has; of a file that was not read here, the service is asked later."""
    for name in FILES if grader else ():
        items = getattr(values, name).items
        for path in unfilled(grader, items) if items else ():
            had = ", ".join(f"item.{key}" for key in dict.fromkeys(key for item in items for key in item))
            notes.append(
                Note(f"{{{{{path}}}}} is in no example of the {name} file, which has {had or 'no items'}.", "bad")
            )


def note_methods(model: Model | None, facts: Catalogue, notes: list[Note]) -> None:
    """Which models have the methods that this one lacks."""
    for method in METHODS if model else ():
        if model is not None and method not in model.methods:
            others = [other.id for other in facts.models if method in other.methods]
            notes.append(
                Note(f"{method} is offered for {', '.join(others) or 'no model'} (catalogue of {facts.as_of}).")
            )


def moved(field: str, before: str, after: str, model: str, facts: Catalogue) -> Note | None:
    """That a choice the model does not have gave way to another, with what that means; None where it stayed."""
    if before == after:
        return None
    was, now = (facts.training_type(each or DEFAULT_TIER) for each in (before, after))
    if field == "method" or was is None or now is None:
        return Note(
            f"Moved from {before or DEFAULT_TIER} to {after or DEFAULT_TIER}: {model} has no {before}.", "warning"
        )
    if was.id == now.id:
        return None
    told = (
        f"Moved from {was.id} to {now.id}, as {model} is not trained as {was.id} here. {now.residency} {now.price_hint}"
    )
    return Note(told, "warning")


def note_tier(values: FormValues, facts: Catalogue, notes: list[Note]) -> None:
    tier = facts.training_type(values["training_type"] or DEFAULT_TIER)
    if tier is None:
        return
    left = "" if values["training_type"] else f"Left to the service, which means {DEFAULT_TIER}. "
    notes.append(Note(f"{left}{tier.residency} {tier.price_hint} {tier.caution}"))
    if tier.id == "Developer" and values["method"] == "reinforcement":
        notes.append(Note("Reinforcement in the Developer tier is offered for few models.", "warning"))


def note_files(values: FormValues, facts: Catalogue, notes: dict[str, list[Note]]) -> None:
    for name, choice in (("training", values.training), ("validation", values.validation)):
        notes[name] += _reading(choice, values["method"])
    notes["training"] += _training(values.training, facts)
    notes["validation"] += _validation(values.validation, values.training, values["method"])


def _reading(choice: FileChoice, method: str) -> Iterator[Note]:
    """What reading and checking a file has shown."""
    if choice.checking:
        yield Note("Being read and checked …", "bad")
    if choice.method and choice.method != method and not choice.errors:
        yield Note(f"Its examples are made for {choice.method}; the method is {method}.", "bad")
    yield from (Note(text, "bad") for text in choice.errors[:3])
    yield from (Note(text, "warning") for text in choice.warnings[:2])
    hidden = max(0, len(choice.errors) - 3) + max(0, len(choice.warnings) - 2)
    if hidden:
        yield Note(f"… and {hidden} more: tb.read_dataset(…).check()")


def _training(train: FileChoice, facts: Catalogue) -> Iterator[Note]:
    least, advised = facts.limit("min_examples"), facts.limit("recommended_examples")
    if not train.given:
        yield Note("Choose an uploaded file, or a local one: it is checked and uploaded.", "bad")
    elif train.examples is not None and train.examples < least and not train.errors:
        yield Note(f"{train.examples} examples; the service needs at least {least}.", "bad")
    elif train.examples is not None and train.examples < advised:
        yield Note(f"{train.examples} examples; {advised} or more are advised.", "warning")


def _validation(valid: FileChoice, train: FileChoice, method: str) -> Iterator[Note]:
    if not valid.given:
        needed = method in settings()["validation_file"].needed_by
        text = "Reinforcement needs one." if needed else "Without one, overfitting cannot be seen."
        yield Note(text, "bad" if needed else "warning")
    elif valid.file_id and valid.file_id == train.file_id:
        yield Note("This is the training file: it would show no overfitting.", "warning")


def note_advice(values: FormValues, facts: Catalogue, notes: dict[str, list[Note]]) -> None:
    """Advice beside each setting, in the source document's sense, where there is nothing worse to say."""
    for name, setting in settings().items():
        if not setting.advice or notes[name]:
            continue
        used, kind = "", setting.kind
        if isinstance(kind, Text) and kind.longest and values[name]:
            used = f"{len(values[name])} of {facts.limit(kind.longest)} characters. "
        notes[name].append(Note(used + setting.advice_of(facts)))
