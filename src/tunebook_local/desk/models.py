"""Which models there are: the catalogue's base models, and what jobs have made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tunebook.catalogue import Model, load_catalogue
from tunebook_local.desk.records import Checkpoint, Deployment, Job
from tunebook_local.desk.refusals import invalid, not_found, wrong_state
from tunebook_local.desk.store import Store

OWNER = "tunebook-embedded-stand-in"


@dataclass(frozen=True)
class Source:
    """A model that can be trained further or deployed. `weights` None: the base practice model itself."""

    name: str
    base: Model
    weights: str | None = None
    job: str | None = None


def find_model(store: Store, name: str) -> Source | None:
    """The model of this name or checkpoint id, in any state; None when there is none or its weights are gone."""
    tuned = store.get(Checkpoint, id=name) or store.get(Checkpoint, name=name)
    if tuned is not None:
        base = load_catalogue().model(tuned.name)
        return Source(tuned.name, base, tuned.weights, tuned.job) if base and tuned.weights else None
    base = load_catalogue().model(name)
    return Source(base.id, base) if base is not None and ".ft-" not in name else None


def model_to_train(store: Store, name: str, method: str, training_type: str) -> Source:
    """The model a job asks for, refused as the service refuses it."""
    source = find_model(store, name)
    if source is None:
        known = ", ".join(model.id for model in load_catalogue().models)
        raise invalid(f"The specified base model {name!r} does not exist. Known base models: {known}.", "model")
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


def visible_models(store: Store) -> list[tuple[Source, Job | None]]:
    """Base models, then the models of succeeded jobs, newest first."""
    bases: list[tuple[Source, Job | None]] = [(Source(m.id, m), None) for m in load_catalogue().models]
    tuned = []
    for job in store.all(Job, newest_first=True, status="succeeded"):
        source = find_model(store, job.fine_tuned_model)
        if source is not None:
            tuned.append((source, job))
    return [*bases, *tuned]


def visible_model(store: Store, name: str) -> tuple[Source, Job | None]:
    """One of them by its id, alias or checkpoint name."""
    source = find_model(store, name)
    if source is None:
        raise not_found("model", name)
    job = store.get(Job, id=source.job) if source.job else None
    if job is not None and name == job.fine_tuned_model and job.status != "succeeded":
        raise not_found("model", name)
    return source, job


def delete_model(store: Store, name: str, deployed: Callable[[str, str], Deployment | None]) -> None:
    """Give up a fine-tuned model with its checkpoints, as OpenAI's own service can; the job stays."""
    job = store.get(Job, fine_tuned_model=name, status="succeeded")
    if job is None or find_model(store, name) is None:
        raise not_found("model", name)
    refuse_in_use(store, job, deployed)
    weights = [point.weights for point in store.all(Checkpoint, job=job.id) if point.weights]
    store.change(Checkpoint, {"job": job.id}, weights=None)
    for each in weights:
        (store.jobs / each).unlink(missing_ok=True)


def refuse_in_use(store: Store, job: Job, deployed: Callable[[str, str], Deployment | None]) -> None:
    """A model cannot be deleted while it, or a checkpoint of its job, is deployed or being trained further."""
    deployment = deployed(job.id, job.fine_tuned_model)
    if deployment is not None:
        raise wrong_state(
            f"The model {deployment.model!r} cannot be deleted: it has the deployment {deployment.name!r}. "
            "Delete the deployment first."
        )
    weights = tuple(point.weights for point in store.all(Checkpoint, job=job.id) if point.weights)
    heirs = store.all(Job, start_weights=weights, finished_at=None)
    if heirs:
        raise wrong_state(
            f"The model {job.fine_tuned_model!r} cannot be deleted: the job {heirs[0].id!r} is training it further."
        )
