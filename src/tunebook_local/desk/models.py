"""Which models there are: the catalogue's base models, and what jobs have made of them."""

from __future__ import annotations

from dataclasses import dataclass

from tunebook.catalogue import Model, load_catalogue
from tunebook_local.desk import Desk
from tunebook_local.desk.naming import is_tuned
from tunebook_local.desk.records import CheckpointRow, JobRow, TunedModel
from tunebook_local.desk.refusals import invalid, not_found

OWNER = "tunebook-embedded-stand-in"


@dataclass(frozen=True)
class Source:
    """A model that can be trained further or deployed. `weights` None: the base practice model itself."""

    name: str
    base: Model
    weights: str | None = None
    job: str | None = None


def find_model(desk: Desk, name: str) -> Source | None:
    """The model of this name or checkpoint id, in any state; None when there is none or its weights are gone."""
    tuned = desk.store.get(CheckpointRow, id=name) or desk.store.get(CheckpointRow, name=name)
    if tuned is not None:
        job = desk.store.get(JobRow, id=tuned.job)
        base = _base_model(job.base_model) if job else None
        return Source(tuned.name, base, tuned.weights, tuned.job) if base and tuned.weights else None
    base = None if is_tuned(name) else _base_model(name)
    return Source(base.id, base) if base is not None else None


def _base_model(name: str) -> Model | None:
    """A base model by its id or alias, in any case, as Azure takes it."""
    wanted = name.lower()
    models = load_catalogue().models
    return next((model for model in models if wanted in map(str.lower, (model.id, *model.aliases))), None)


def model_to_train(desk: Desk, name: str, method: str, training_type: str) -> Source:
    """The model a job asks for, refused as the service refuses it."""
    source = find_model(desk, name)
    if source is None:
        names = ", ".join(model.id for model in load_catalogue().models)
        raise invalid(f"The specified base model {name!r} does not exist. Known base models: {names}.", "model")
    base = source.base
    if source.job is not None and "Standard" not in base.training_types:
        raise invalid(f"A model fine-tuned from {base.id} cannot be fine-tuned further.", "model")
    if training_type not in base.training_types:
        raise invalid(
            f"The specified base model {base.id} does not support fine-tuning with {training_type} TrainingType.",
            "trainingType",
        )
    if method not in base.methods:
        if base.methods == ("reinforcement",):
            raise invalid(f"Finetuning with {base.id} requires the reinforcement method of finetuning.", "method")
        raise invalid(
            f"The specified base model {base.id} does not support the {method} method of finetuning, "
            f"only: {', '.join(base.methods)}.",
            "method",
        )
    return source


def visible_models(desk: Desk) -> list[tuple[Source, TunedModel | None]]:
    """Base models, then the models of succeeded jobs, newest first."""
    bases = {model.id: model for model in load_catalogue().models}
    tuned = [
        (Source(model.name, bases[model.base_model], job=model.job), model)
        for model in desk.store.tuned_models()
        if model.base_model in bases
    ]
    return [*((Source(base.id, base), None) for base in bases.values()), *tuned]


def visible_model(desk: Desk, name: str) -> tuple[Source, TunedModel | None]:
    """One of them by its id, alias or checkpoint name."""
    source = find_model(desk, name)
    if source is None:
        raise not_found("model", name)
    job = desk.store.get(JobRow, id=source.job) if source.job else None
    if job is not None and name == job.fine_tuned_model and job.status != "succeeded":
        raise not_found("model", name)
    if job is None:
        return source, None
    return source, TunedModel(job.id, source.name, job.base_model, job.model, job.finished_at)
