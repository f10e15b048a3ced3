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
from tunebook.words import plural

# Say so when a model retires within this many days.
RETIRES_SOON_DAYS = 365


def note_model(values: FormValues, model: Model | None, facts: Catalogue, today: date, notes: list[Note]) -> None:
    if model is None:
        return
    notes.append(Note(f"{model.modality}; {' or '.join(model.methods)}; {model.state} (catalogue of {facts.as_of})."))
    notes += _retiring(model, today)
    tier = facts.training_type(values["training_type"] or DEFAULT_TIER)
    offered = facts.regions(model.id, tier.id) if tier is not None else None
    if values.region and offered is not None and not offered_in(facts, model, offered.offer, values.region):
        where = ", ".join(offered.regions)
        notes.append(Note(f"{offered.offer} training of it is offered in {where}, not in {values.region}.", "warning"))


def _retiring(model: Model, today: date) -> Iterator[Note]:
    """Since when, or from when on, it cannot be trained; and when what is tuned from it stops answering."""
    ends = model.retires
    if ends is None:
        return
    known = f"(as known on {ends.dated})"
    stops = ends.training or ends.base
    if stops is not None and stops <= today:
        yield Note(f"Training of it ended on {stops} {known}: the service may refuse it.", "warning")
    elif ends.base is not None and ends.base <= today and stops is not None:
        told = f"Since {ends.base} only those who trained it before may train it, until {stops} at least {known}."
        yield Note(told, "warning")
    elif stops is not None and (stops - today).days <= RETIRES_SOON_DAYS:
        yield Note(f"Training of it ends on {ends.base or stops}, for newcomers at least {known}.", "warning")
    if ends.deployment is not None and (days := (ends.deployment - today).days) <= RETIRES_SOON_DAYS:
        yield Note(f"What is tuned from it is served until {ends.deployment}, {days} days from now.", "warning")


def offered_in(facts: Catalogue, model: Model, tier: str, region: str) -> bool:
    """Whether training of the model as a tier is offered in a region (`West US` or `westus`), as far as known."""
    offered = facts.regions(model.id, tier)
    return offered is None or region.lower().replace(" ", "") in offered.regions


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
        yield Note("Being read and checked …", "needed")
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
        yield Note("Choose an uploaded file, or a local one: it is checked and uploaded.", "needed")
    elif train.examples is not None and train.examples < least and not train.errors:
        yield Note(f"{plural(train.examples, 'example')}; the service needs at least {least}.", "bad")
    elif train.examples is not None and train.examples < advised:
        yield Note(f"{train.examples} examples; {advised} or more are advised.", "warning")


def _validation(valid: FileChoice, train: FileChoice, method: str) -> Iterator[Note]:
    if not valid.given:
        needed = method in settings()["validation_file"].needed_by
        text = "Reinforcement needs one." if needed else "Without one, overfitting cannot be seen."
        yield Note(text, "needed" if needed else "warning")
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
