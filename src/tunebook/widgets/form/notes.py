"""The lines beside the fields of a job form: advice, warnings, and what would be refused."""

from __future__ import annotations

from datetime import date

from tunebook.catalogue import Catalogue, Model
from tunebook.widgets.form.values import FileChoice, FormValues, Note

# Say so when a model retires within this many days.
RETIRES_SOON_DAYS = 365


def note_model(values: FormValues, model: Model | None, facts: Catalogue, today: date, notes: list[Note]) -> None:
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
    standard = values.training_type in ("", "Standard")
    if values.region and standard and not offered_in(model, values.region):
        where = ", ".join(model.regions) or "no region"
        notes.append(Note(f"Standard training of it is offered in {where}, not in {values.region}.", "wait"))


def offered_in(model: Model, region: str) -> bool:
    """Whether Standard training of the model is offered in a region, written `West US` or `westus`."""
    return region.lower().replace(" ", "") in model.regions


def note_tier(values: FormValues, facts: Catalogue, notes: list[Note]) -> None:
    tier = facts.training_type(values.training_type or "Standard")
    if tier is None:
        return
    left = "" if values.training_type else "Left to the service, which means Standard. "
    notes.append(Note(f"{left}{tier.residency} {tier.price_hint} {tier.caution}"))


def note_files(values: FormValues, facts: Catalogue, notes: dict[str, list[Note]]) -> None:
    least, advised = facts.limit("min_examples"), facts.limit("recommended_examples")
    for name in ("training", "validation"):
        choice: FileChoice = getattr(values, name)
        said = notes[name]
        if choice.checking:
            said.append(Note("Being read and checked …", "bad"))
        if choice.method and choice.method != values.method and not choice.errors:
            said.append(Note(f"Its examples are made for {choice.method}; the method is {values.method}.", "bad"))
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


def note_numbers(values: FormValues, facts: Catalogue, notes: dict[str, list[Note]]) -> None:
    """Advice beside each hyperparameter, in the source document's sense, where there is nothing worse to say."""
    low, high = (facts.limits[f"learning_rate_multiplier_{end}"].value for end in ("low", "high"))
    advice = {
        "n_epochs": "Passes over the file. More fit closer, and overfit sooner.",
        "batch_size": "Examples a step. Larger suits larger files: fewer, calmer updates.",
        "learning_rate_multiplier": f"Try {low:g} to {high:g}; smaller can avoid overfitting.",
        "beta": "How close to stay to the base model: above 0, at most 2; 0.1 is usual.",
        "l2_multiplier": "Pull of the weights towards zero; larger holds the model back more.",
        "compute_multiplier": "Compute spent on exploring answers: at most 10. More costs more.",
        "eval_interval": "Training steps between two evaluations on the validation file.",
        "eval_samples": "Answers sampled to each question of an evaluation.",
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
