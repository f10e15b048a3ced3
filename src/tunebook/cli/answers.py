"""What `--json` prints: the keys of each verb's answer, and what they mean. `tunebook schema VERB` prints it.

Keys are only ever added. Where a record of the kit says more (`Diagnosis`, `Comparison`), its documentation does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,  # the standard library's, before 3.12, is none for Pydantic
)

from msgspec import Meta
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from tunebook.experiments import Evaluation
    from tunebook.service import JobSnapshot
    from tunebook.service.jobs import Job

Object = dict[str, Any]
Unix = Annotated[int | None, Meta(description="Unix seconds")]
Said = Annotated[str, Meta(description="for people: what was found, in words")]


class JobAnswer(TypedDict):
    """A job as the service tells it."""

    id: str
    status: Annotated[str, Meta(description="the service's own word: pending, running, paused, succeeded, failed, …")]
    model: Annotated[str, Meta(description="the base model")]
    method: str
    suffix: str | None
    seed: int | None
    hyperparameters: Annotated[Object, Meta(description="as resolved; null where the service decides and has not said")]
    training_file: str | None
    validation_file: str | None
    created_at: Unix
    finished_at: Unix
    fine_tuned_model: str | None
    error: Annotated[str | None, Meta(description="why it failed, in the service's words")]


class ProgressAnswer(JobAnswer):
    """A job at this moment, with what its measurements say."""

    step: Annotated[int | None, Meta(description="the last step reported")]
    total_steps: int | None
    progress: Annotated[float | None, Meta(description="0 to 1")]
    losses: Annotated[dict[str, float], Meta(description="the newest train_loss and valid_loss (or _reward)")]
    checkpoints: Annotated[list[Object], Meta(description="step_number, fine_tuned_model_checkpoint, metrics")]
    problem: Annotated[str | None, Meta(description="why the picture is old, where the service cannot be reached")]
    diagnosis: Annotated[Object | None, Meta(description="as `diagnose` says; null before the first measurement")]


class CostAnswer(TypedDict):
    """An act before it is done."""

    kind: Literal["create", "sweep", "deploy", "evaluate", "resume", "delete"]
    told: Said
    usd: Annotated[float | None, Meta(description="US dollars at most; null where no price is known")]
    price: Annotated[str, Meta(description="the same in words")]


class CreateAnswer(TypedDict):
    """A job that was started, and what it will cost; with --plan only that."""

    act: CostAnswer
    request: Annotated[Object, Meta(description="the body that is sent")]
    job: ProgressAnswer | None


class FileAnswer(TypedDict):
    """A file of the service."""

    id: str
    filename: str
    purpose: str
    bytes: int | None
    status: str
    created_at: Unix


class ArchiveAnswer(TypedDict):
    """Where jobs were archived."""

    folders: list[str]


class DeployAnswer(TypedDict):
    """A deployment that answers."""

    act: CostAnswer
    name: str
    model: str
    sku: str
    capacity: Annotated[int, Meta(description="thousands of tokens a minute")]
    state: str


class CleanupAnswer(TypedDict):
    """A plan of deletions (`place`, `steps`, `kept`), and when it was applied what became of each."""

    told: Said
    place: Annotated[str, Meta(description="the resource")]
    steps: Annotated[list[Object], Meta(description="in this order: key, kind, id, name, bytes, usd_per_hour")]
    kept: Annotated[list[Object], Meta(description="key and the reason why it stays")]
    deletions: NotRequired[Annotated[list[Object], Meta(description="kind, id, name, outcome, reason")]]


class SweepAnswer(TypedDict):
    """A sweep: its plan, and where its runs are."""

    folder: str
    runs: Annotated[str, Meta(description="the folder for `compare` and `report`")]
    cost: Said
    usd: float | None
    jobs: Annotated[list[Object], Meta(description="one a job: settings, seed, tokens, usd, state, job_id")]


class CheckAnswer(TypedDict):
    """A training file as the service would see it."""

    name: str
    method: str
    model: str | None
    ok: Annotated[bool, Meta(description="whether the service will take it")]
    examples: int
    tokens: int
    tokens_exact: bool
    tokens_interval: list[int]
    errors: int
    warnings: int
    notes: int
    counts: Annotated[dict[str, int], Meta(description="rule -> how often")]
    cost: Object | None
    unread: list[Object]
    problems: Annotated[list[Object], Meta(description="rule, severity, line, path, value, message, fix")]


class DiagnosisAnswer(TypedDict):
    """What a result file says of a job; see `tunebook.Diagnosis`. A file that cannot be read has `file` and `error`."""

    file: str
    error: NotRequired[str]
    verdict: NotRequired[str]
    p_overfitting: NotRequired[float | None]
    rise: NotRequired[float | None]
    rise_interval: NotRequired[list[float | None] | None]
    effect: NotRequired[float | None]
    onset_step: NotRequired[float | None]
    onset_epoch: NotRequired[float | None]
    onset_interval: NotRequired[list[float | None] | None]
    onset_coverage: NotRequired[float | None]
    recommended_step: NotRequired[int | None]
    best: NotRequired[Object | None]
    checkpoint: NotRequired[Annotated[Object | None, Meta(description="the checkpoint to use: step, epoch, name, …")]]
    train_again: NotRequired[Object | None]
    reason: NotRequired[Said]
    advice: NotRequired[list[str]]
    findings: NotRequired[list[Object]]
    metric: NotRequired[str]
    notes: NotRequired[list[str]]


class ForecastAnswer(TypedDict):
    """Where a running job will end; see `tunebook.Forecast`. Null where it cannot be said yet: `reason` says why."""

    file: str
    error: NotRequired[str]
    expected: NotRequired[float | None]
    interval50: NotRequired[list[float] | None]
    interval90: NotRequired[list[float] | None]
    p_overfits: NotRequired[float | None]
    best_step: NotRequired[int | None]
    p_beats: NotRequired[float | None]
    reason: NotRequired[Said]
    step: NotRequired[int | None]
    total_steps: NotRequired[int | None]
    metric: NotRequired[str]
    incumbent: NotRequired[float | None]
    checkpoints: NotRequired[list[Object]]


class CompareAnswer(TypedDict):
    """Runs ranked; see `tunebook.Comparison`."""

    sentence: Said
    winner: str | None
    indistinguishable: Annotated[list[str], Meta(description="jobs that may be as good as the winner")]
    measure: str
    lowest_point: Object | None
    rows: Annotated[list[Object], Meta(description="one a job: the columns of `Comparison.frame`")]
    importance: Object | None
    left_out: Annotated[dict[str, str], Meta(description="job -> why it is not ranked")]
    groups: list[Object]
    notes: list[str]


class NextAnswer(TypedDict):
    """What to pay for next; see `tunebook.NextSteps`."""

    sentence: Said
    budget_usd: float | None
    spent_usd: float
    steps: Annotated[list[Object], Meta(description="kind, reason, cost_usd, gain, low, high, …, requests, code")]
    notes: list[str]


class EvaluateAnswer(TypedDict):
    """Deployments on the same examples; see `tunebook.experiments.Evaluation`. The first model is the baseline."""

    act: CostAnswer
    sentence: Said
    sentences: list[str]
    score: str
    dataset: str
    n: int
    unit: bool
    scores: Annotated[list[Object], Meta(description="model, mean, low, high (95 %), n, refused, missing, …")]
    held_out: str | None
    held_out_files: Object | None
    notes: list[str]
    answers: Annotated[str | None, Meta(description="the file with all answers")]
    gain: NotRequired[float | None]
    gain_low: NotRequired[float | None]
    gain_high: NotRequired[float | None]
    p: NotRequired[float | None]
    n_better: NotRequired[int]
    n_worse: NotRequired[int]
    gains: NotRequired[dict[str, Object]]
    p_values: NotRequired[dict[str, float]]
    better: NotRequired[list[Object]]
    worse: NotRequired[list[Object]]


class FindingAnswer(TypedDict):
    """One thing the doctor looked at."""

    subject: str
    state: Literal["ok", "note", "wrong"]
    told: str
    advice: str


class ReportAnswer(TypedDict):
    """What was written, as paths; of `split` the training part first."""

    written: list[str]


ANSWERS: Mapping[str, Any] = {
    "check": CheckAnswer,
    "cleanup": CleanupAnswer,
    "compare": CompareAnswer,
    "create": CreateAnswer,
    "deploy": DeployAnswer,
    "diagnose": list[DiagnosisAnswer],
    "doctor": list[FindingAnswer],
    "evaluate": EvaluateAnswer,
    "files delete": CleanupAnswer,
    "files list": list[FileAnswer],
    "files upload": list[FileAnswer],
    "forecast": list[ForecastAnswer],
    "jobs archive": ArchiveAnswer,
    "jobs cancel": list[JobAnswer],
    "jobs list": list[JobAnswer],
    "jobs pause": list[JobAnswer],
    "jobs resume": list[JobAnswer],
    "jobs show": list[ProgressAnswer],
    "jobs watch": list[ProgressAnswer],
    "next": NextAnswer,
    "report": ReportAnswer,
    "split": ReportAnswer,
    "sweep": SweepAnswer,
}


def schema(verb: str) -> dict[str, Any]:
    """The JSON Schema of a verb's answer."""
    from msgspec.json import schema as made

    return made(ANSWERS[verb])


def job_answer(job: Job | JobSnapshot) -> JobAnswer:
    from tunebook.analysis import Run
    from tunebook.service.jobs import as_json

    run = job if isinstance(job, Run) else Run(job=as_json(job.job))
    told = run.job
    return JobAnswer(
        id=run.id,
        status=run.status,
        model=run.model,
        method=run.method,
        suffix=run.suffix,
        seed=run.seed,
        hyperparameters=dict(run.hyperparameters),
        training_file=run.training_file,
        validation_file=run.validation_file,
        created_at=told.get("created_at"),
        finished_at=told.get("finished_at"),
        fine_tuned_model=run.fine_tuned_model,
        error=(told.get("error") or {}).get("message") or None,
    )


def evaluation_answer(found: Evaluation) -> Object:
    """What an evaluation found, without the scores of the single examples: its file has them."""
    return {key: value for key, value in found.to_json().items() if key != "examples"}


def progress_answer(snapshot: JobSnapshot) -> ProgressAnswer:
    from tunebook.analysis import diagnose

    measured = snapshot.results is not None and len(snapshot.results)
    return ProgressAnswer(
        **job_answer(snapshot),
        step=snapshot.step,
        total_steps=snapshot.total_steps,
        progress=snapshot.progress,
        losses={name.replace(" ", "_"): value for name, value in snapshot.last_losses.items()},
        checkpoints=[dict(each) for each in snapshot.checkpoints],
        problem=snapshot.problem,
        diagnosis=diagnose(snapshot).to_json() if measured else None,
    )
