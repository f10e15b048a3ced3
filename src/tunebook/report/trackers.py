"""Runs and comparisons to experiment trackers: MLflow and Weights & Biases. Both are optional packages."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from tunebook.analysis.curves.wording import title
from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison, run_ids
from tunebook.analysis.sweeps.rows import ComparedJob
from tunebook.report.export import Drawers, need, run_drawers, save_figure, sweep_drawers
from tunebook.report.provenance import fingerprint
from tunebook.report.writing import read_comparison
from tunebook.show import Span, Text
from tunebook.words import missing

Charts = Callable[[str], dict[str, Path]]

# Fields of a job that a tracker is told as parameters and facts of the run, or that name it.
_TOLD_APART = {"id", "label", "suffix", "model", "seed", "status", "settings", "measure", "level"}
# MLflow takes at most 1,000 metrics in a call, and these lengths of a parameter and a tag.
_BATCH = 1000
_PARAM_LENGTH, _TAG_LENGTH = 500, 5000


def log_to_mlflow(source: Any, *, experiment: str = "tunebook", tracking_uri: str | None = None) -> dict[str, str]:
    """Log each job as an MLflow run of `experiment`; returns job id -> MLflow run id.

    Hyperparameters become parameters, every measurement a metric at its step, the comparison's judgement metrics
    (`loss`, `p_best`, …) and tags (`verdict`, `checkpoint`), the verdict in words the run's description, and its charts
    (loss, accuracy, and of several jobs `all-jobs` and `ranking`) artifacts under `charts`. `tracking_uri` as in MLflow
    (default: where MLflow is set to write). A job that was logged with the same measurements before is found and not
    logged again.

    Needs MLflow: `pip install 'tunebook[mlflow]'`. Changes none of MLflow's global settings.

    >>> logged = tb.report.log_to_mlflow("runs", experiment="support", tracking_uri="sqlite:///mlflow.db")
    >>> list(logged)
    ['ftjob-calm', 'ftjob-hasty', 'ftjob-long', 'ftjob-short']
    """
    tracking = need("mlflow.tracking", "mlflow", "Logging to MLflow")
    comparison = read_comparison(source)
    client = tracking.MlflowClient(tracking_uri=tracking_uri)
    known = client.get_experiment_by_name(experiment)
    place = known.experiment_id if known is not None else client.create_experiment(experiment)
    with _charts_of(comparison) as charts_of:
        return {job.id: _mlflow_run(client, place, job, run, charts_of) for job, run in _pairs(comparison)}


def _mlflow_run(client: Any, place: str, job: ComparedJob, run: Run, charts_of: Charts) -> str:
    entities = need("mlflow.entities", "mlflow", "Logging to MLflow")
    mark = re.sub(r"\W", "", fingerprint(run) or run.status)
    # The id comes from outside: it is compared here, not written into MLflow's search language.
    for before in client.search_runs([place], f"tags.`tunebook.measurements` = '{mark}'"):
        if before.data.tags.get("tunebook.job") == job.id:
            return str(before.info.run_id)
    started, ended = _milliseconds(run.job.get("created_at")), _milliseconds(run.job.get("finished_at"))
    tags = {**_facts(run, job.id), **_words(job), "mlflow.note.content": _in_words(job)}
    made = client.create_run(place, start_time=started, run_name=job.label).info.run_id
    when = ended or started or 0
    metrics = [
        entities.Metric(_key(column), value, when, step)
        for step, values in _measured(run)
        for column, value in values.items()
    ]
    metrics += [entities.Metric(f"tunebook.{column}", value, when, 0) for column, value in _judged(job).items()]
    params = [entities.Param(_key(key), str(value)[:_PARAM_LENGTH]) for key, value in _settings(run).items()]
    marks = [entities.RunTag(key, str(value)[:_TAG_LENGTH]) for key, value in tags.items()]
    client.log_batch(made, params=params, tags=marks)
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(made, metrics=metrics[start : start + _BATCH])
    for chart in charts_of(job.id).values():
        client.log_artifact(made, str(chart), "charts")
    client.set_tag(made, "tunebook.measurements", mark)  # last: what broke off before is logged anew
    status = {"failed": "FAILED", "cancelled": "KILLED"}.get(run.status, "FINISHED" if run.ended else "RUNNING")
    if status != "RUNNING":
        client.set_terminated(made, status, ended)
    return str(made)


def log_to_wandb(
    source: Any,
    *,
    project: str = "tunebook",
    entity: str | None = None,
    group: str | None = None,
    mode: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> dict[str, str]:
    """Log each job as a Weights & Biases run of `project`; returns job id -> run id.

    Hyperparameters become the run's config, measurements its history by step, the comparison's judgement its
    summary, the verdict in words its notes, and its charts (loss, accuracy, and of several jobs `all-jobs` and
    `ranking`) images under `charts/`. `mode` is "online" or "offline" (files in `directory`, for `wandb sync` later;
    default: as W&B is set). The run's id is made from the job's, so that a job logged again replaces itself.

    Needs wandb: `pip install 'tunebook[wandb]'`.

    >>> logged = tb.report.log_to_wandb("runs", project="support", mode="offline", directory="tracked")
    >>> list(logged)
    ['ftjob-calm', 'ftjob-hasty', 'ftjob-long', 'ftjob-short']
    """
    wandb = need("wandb", "wandb", "Logging to Weights & Biases")
    comparison = read_comparison(source)
    with _charts_of(comparison) as charts_of:
        made = {}
        for job, run in _pairs(comparison):
            made[job.id] = re.sub(r"[^A-Za-z0-9_-]+", "-", job.id)[-64:]
            logged = wandb.init(
                project=project,
                entity=entity,
                group=group,
                id=made[job.id],
                name=job.label,
                notes=_in_words(job),
                config={**_settings(run), **_facts(run, job.id)},
                mode=mode,
                dir=str(Path(directory)) if directory is not None else None,
                job_type="fine-tuning",
                reinit="create_new",  # leaves alone a run that is open in this session
                settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_machine_info=True),
            )
            step = 0
            for step, values in _measured(run):
                logged.log(values, step=step)
            if charts := {f"charts/{name}": wandb.Image(str(path)) for name, path in charts_of(job.id).items()}:
                logged.log(charts, step=step)
            logged.summary.update({**_judged(job), **_words(job)})
            logged.finish(exit_code=1 if run.status == "failed" else 0)
    return made


def _pairs(comparison: Comparison) -> Iterator[tuple[ComparedJob, Run]]:
    """Each run with what the comparison says of it."""
    jobs = {job.id: job for job in comparison.jobs}
    for job_id, run in zip(run_ids(comparison.runs), comparison.runs, strict=True):
        yield jobs[job_id], run


@contextmanager
def _charts_of(comparison: Comparison) -> Iterator[Charts]:
    """What draws the charts of a job by its id: PNG files by name, which are there as long as the context is."""
    with TemporaryDirectory() as folder:

        def drawn(drawers: Drawers) -> dict[str, Path]:
            place = Path(mkdtemp(dir=folder))
            for name, draw in drawers.items():
                save_figure(draw, place / f"{name}.png")
            return {name: place / f"{name}.png" for name in drawers}

        together = cache(lambda: drawn(sweep_drawers(comparison)))  # the same for every job
        yield lambda job_id: {**drawn(run_drawers(comparison, job_id)), **together()}


def _in_words(job: ComparedJob) -> str:
    """The verdict on a job as Markdown: its title, the evidence, the checkpoint to use, and why it is not ranked."""
    verdict = (Span(f"{title(job.verdict)}.", "strong"), f" {job.reason}") if job.verdict else ()
    kept = f" Use {job.checkpoint_words}." if job.checkpoint_words and job.train_again is None else ""
    left_out = f" Not ranked: {job.left_out.rstrip('.')}." if job.left_out else ""
    return Text((*verdict, kept, left_out)).markdown().strip()


def _settings(run: Run) -> dict[str, Any]:
    """What was trained with: resolved hyperparameters, seed, base model, method."""
    given = {**run.hyperparameters, "seed": run.seed, "model": run.model, "method": run.method}
    return {key: value for key, value in given.items() if not missing(value) and value != ""}


def _facts(run: Run, job_id: str) -> dict[str, Any]:
    facts = {
        "tunebook.job": job_id,
        "tunebook.status": run.status,
        "tunebook.suffix": run.suffix,
        "tunebook.training_file": run.training_file,
        "tunebook.validation_file": run.validation_file,
        "tunebook.fine_tuned_model": run.fine_tuned_model,
    }
    return {key: value for key, value in facts.items() if value}


def _judged(job: ComparedJob) -> dict[str, float]:
    """What the comparison measured of a job: every number of its record."""
    values = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in _TOLD_APART}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _words(job: ComparedJob) -> dict[str, str]:
    """What the comparison says of a job: every word of its record."""
    values = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in _TOLD_APART}
    return {f"tunebook.{name}": value for name, value in values.items() if isinstance(value, str) and value}


def _measured(run: Run) -> Iterator[tuple[int, dict[str, float]]]:
    """(step, the finite measurements of that step) in order."""
    if run.results is None:
        return
    frame = run.results.frame.select_dtypes("number").drop(columns="timestamp", errors="ignore")
    for row in frame.to_dict("records"):
        values = {str(key): float(value) for key, value in row.items() if key != "step" and math.isfinite(value)}
        if values:
            yield int(row["step"]), values


def _milliseconds(unix: Any) -> int | None:
    return int(unix * 1000) if isinstance(unix, int | float) and unix > 0 else None


def _key(name: str) -> str:
    """A name MLflow takes: letters, digits, `_-. /`, not a path that climbs."""
    return re.sub(r"[^\w\-. /]", "_", name).strip("/. ")[:250] or "unnamed"
