"""What a model card is about: which model of which job, and what an evaluation found of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tunebook.analysis.curves.diagnosis import Diagnosis
from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison, compare
from tunebook.analysis.sweeps.rows import ComparedJob
from tunebook.errors import RequestError
from tunebook.experiments.evaluation.paired import PairedResult
from tunebook.experiments.evaluation.record import Evaluation, ModelScore
from tunebook.report.writing import read_comparison
from tunebook.words import listed


@dataclass(frozen=True)
class CardSubject:
    """What a card is about: `model`, made by `job` of a comparison; `deployment` is the name it answers under, or "".

    `job` says where `model` stands in its training (`step`, `epoch`); `recommended` is what its diagnosis would take.
    `file_names` are of the files by id, where the service told them; `terms` are what the deployment costs and what
    ends it.
    """

    comparison: Comparison
    job: ComparedJob
    model: str
    recommended: str
    deployment: str = ""
    file_names: Mapping[str, str | None] | None = None
    terms: tuple[str, ...] = ()

    @property
    def run(self) -> Run:
        return self.comparison.run(self.job.id)

    @property
    def diagnosis(self) -> Diagnosis | None:
        return self.comparison.diagnoses.get(self.job.id)

    @property
    def several(self) -> bool:
        return len(self.comparison.runs) > 1


def subject_of(source: Any) -> CardSubject:
    """What a card made from `source` is about. Raises RequestError where there is no model to tell of."""
    if hasattr(source, "deployment") and hasattr(source, "workspace"):
        return _deployed(source)
    comparison = read_comparison(source)
    if not comparison.runs:
        raise RequestError("A model card tells of a model that a job made; there are no runs here.")
    winner = next((job for job in comparison.jobs if job.standing == "best"), None)
    if winner is None and len(comparison.runs) > 1:
        raise RequestError(
            f"None of these {len(comparison.runs)} jobs can be called the best: {comparison.sentence} "
            f"Give the run the card is about: comparison.run({comparison.jobs[0].id!r})."
        )
    job = winner or comparison.jobs[0]
    model = job.checkpoint or comparison.run(job.id).fine_tuned_model
    if not model:
        why = job.left_out or job.status or "its status is not told"
        raise RequestError(f"{job.label} ({job.id}) left no model a card could tell of: {why}.")
    return CardSubject(comparison, job, model, recommended=model)


def _deployed(deployment: Any) -> CardSubject:
    """The job behind a deployment, asked of its resource."""
    from tunebook.experiments.stock.ancestry import lineage  # loads the SDK, which no other card needs

    made = next((job for job in lineage(deployment.workspace).jobs if deployment.name in job.deployments), None)
    if made is None:
        raise RequestError(
            f"{deployment.name} serves {deployment.model}, which no job at {deployment.workspace.name} made: it is a "
            "base model, or was tuned at another resource. Give the run of its job instead."
        )
    run = deployment.workspace.jobs.retrieve(made.job).run()
    comparison = compare([run])
    (job,) = comparison.jobs
    here = "" if not deployment.workspace.embedded else "Nothing is billed here. At Azure: "
    return CardSubject(
        comparison=comparison,
        job=_at(job, run, deployment.model),
        model=deployment.model,
        recommended=job.checkpoint or deployment.model,
        deployment=deployment.name,
        file_names={made.training_file: made.training_name, made.validation_file or "": made.validation_name},
        terms=tuple(f"{here}{line}" if at == 0 else line for at, line in enumerate(deployment.terms.lines)),
    )


def _at(job: ComparedJob, run: Run, model: str) -> ComparedJob:
    """The job at the checkpoint that is `model`; of one that is not the recommended one, nothing measured is known."""
    if model == job.checkpoint or job.checkpoint is None:
        return job
    steps = {kept.get("fine_tuned_model_checkpoint"): kept.get("step_number") for kept in run.checkpoints}
    unknown: dict[str, Any] = dict.fromkeys(("epoch", "loss", "loss_low", "loss_high", "accuracy"))
    return replace(job, **unknown, checkpoint=model, step=steps.get(model))


def scored(subject: CardSubject, evaluation: Evaluation | None) -> tuple[ModelScore | None, PairedResult | None]:
    """What the evaluation found of the card's model. Raises RequestError where it asked other models alone."""
    if evaluation is None:
        return None, None
    names = {subject.model, subject.deployment} - {""}
    exact = [score for score in evaluation.models if names & {score.model, score.served}]
    # Services leave a suffix or a checkpoint out of the name in a reply; and what was made elsewhere tells none.
    others = evaluation.models[1:] or evaluation.models
    alike = [score for score in others if not score.served or _alike(score.served, subject.model)]
    if found := next(iter([*exact, *alike]), None):
        return found, evaluation.gains.get(found.model) or evaluation.gains.get("")
    if evaluation.models:
        asked = [f"{score.model} ({score.served})" if score.served else score.model for score in evaluation.models]
        raise RequestError(
            f"evaluation: it asked {listed(asked)}, not {subject.model}. Give the evaluation of this model."
        )
    return None, next(iter(evaluation.gains.values()), None)


def _alike(served: str, model: str) -> bool:
    return ".ft-" in served and (model.startswith(served) or served.startswith(model))
