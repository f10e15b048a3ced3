"""The main job, end to end, on the embedded service: `tunebook demo`.

Read, check, split, upload, start four jobs, follow them, load their results, diagnose, compare, report: each step is
the one call a notebook would make.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tunebook.analysis import Comparison, compare
from tunebook.cli.following import follow_jobs
from tunebook.data import Dataset, read_dataset
from tunebook.errors import DataError, ServiceError
from tunebook.experiments import archive, read_runs
from tunebook.report import write_report
from tunebook.service import JobRequest, Workspace, connect
from tunebook.service.jobs import Job

MODEL = "gpt-4.1-nano-2025-04-14"
N_EPOCHS = (2, 6)
LEARNING_RATE_MULTIPLIERS = (0.05, 0.2)
FIRST_EXAMPLES = 600  # of the user's file, so that four jobs take well under a minute on two cores

Say = Callable[[str], object]


@dataclass(frozen=True)
class DemoOptions:
    """What `tunebook demo` was asked for; `train` None means the example data that come with the package."""

    train: Path
    valid: Path | None = None
    all_examples: bool = False
    out: Path = Path("tunebook-demo")
    state: Path | None = None


def run_demo(options: DemoOptions, say: Say = print) -> Path:
    """Do the main job and return the report's path. Interrupted, it cancels the jobs it started."""
    started = time.monotonic()
    _make_folder(options.out)
    train, valid = _prepare(options, say)
    workspace = connect("local", state=options.state)
    say(f"Embedded service at {workspace.endpoint}: it trains a small practice model here, not {MODEL}.")
    jobs = _start_jobs(workspace, train, valid)
    say(f"Started {len(jobs)} jobs: {len(train)} training and {len(valid)} validation examples each.")
    try:
        _follow_jobs(workspace, jobs, len(train))
        runs_folder = options.out / "runs"
        shutil.rmtree(runs_folder, ignore_errors=True)  # of an earlier demo: its jobs are not these
        archive(jobs, runs_folder)
    except BaseException:
        _cancel(jobs)
        raise
    comparison = compare(read_runs(runs_folder))
    report = write_report(comparison, options.out / "report.html", title=f"Fine-tuning on {options.train.name}")
    for line in summary(comparison, report, time.monotonic() - started):
        say(line)
    return report


def summary(comparison: Comparison, report: Path, seconds: float) -> Iterable[str]:
    """What was found, in five lines, and what to do next."""
    verdicts = comparison.frame["verdict"].value_counts()
    yield ""
    yield f"1. {len(comparison.runs)} jobs trained and compared in {seconds:.0f} s."
    yield "2. Verdicts: " + ", ".join(
        f"{count} {str(verdict).replace('_', ' ')}" for verdict, count in verdicts.items()
    )
    yield f"3. {comparison.sentence}"
    winner = comparison.diagnoses.get(comparison.winner or "")
    if winner is not None:
        yield f"4. {winner.reason}"
        if winner.train_again is not None:
            yield f"5. {winner.choice}"
        elif winner.checkpoint is not None:
            yield f"5. Deploy {winner.checkpoint['name'] or 'the checkpoint'}, of step {winner.checkpoint['step']}."
    yield ""
    yield f"The report: {report}"
    yield "Next: `tunebook lab` does the same in a notebook, by cells and widgets."
    yield "      On Azure: set AZURE_OPENAI_ENDPOINT (and AZURE_OPENAI_API_KEY, or sign in with `az login`)."


def _prepare(options: DemoOptions, say: Say) -> tuple[Dataset, Dataset]:
    """The training and validation examples, checked."""
    given = read_dataset(options.train)
    valid = read_dataset(options.valid) if options.valid else None
    for dataset in (given,) if valid is None else (given, valid):
        report = dataset.check(model=MODEL)
        if report.errors:
            worst = next((problem for problem in report.errors if problem.line), report.errors[0])
            where = f"line {worst.line}" if worst.line else "the file"
            raise DataError(
                f"{dataset.path}, {where}: {worst.message} {worst.fix} "
                f"({len(report.errors)} error(s) in all: `tunebook check {dataset.path}` lists them.)"
            )
        say(f"{dataset.name}: {report.examples} examples, {report.tokens:,} tokens, {len(report.warnings)} warnings.")
    if not options.all_examples and len(given) > FIRST_EXAMPLES:
        say(f"Using the first {FIRST_EXAMPLES} of {len(given)} training examples; --all uses all.")
        given = given.head(FIRST_EXAMPLES)
    if valid is not None:
        return given, valid
    train, valid = given.split(valid=0.2, seed=0)
    say(f"Split into {len(train)} training and {len(valid)} validation examples (seed 0).")
    return train, valid


def _start_jobs(workspace: Workspace, train: Dataset, valid: Dataset) -> list[Job]:
    files = [
        workspace.files.upload(part, name=f"{name}.jsonl").id for part, name in ((train, "train"), (valid, "valid"))
    ]
    jobs: list[Job] = []
    try:
        for n_epochs, rate in product(N_EPOCHS, LEARNING_RATE_MULTIPLIERS):
            request = JobRequest(
                model=MODEL,
                training_file=files[0],
                validation_file=files[1],
                n_epochs=n_epochs,
                learning_rate_multiplier=rate,
                seed=1,
                suffix=f"e{n_epochs}-lr{str(rate).replace('.', '_')}",
            )
            jobs.append(workspace.jobs.create(request))
    except BaseException:
        _cancel(jobs)
        raise
    return jobs


def _follow_jobs(workspace: Workspace, jobs: list[Job], n_train: int) -> None:
    """One progress line a job: bars in a terminal, else a line whenever a status changes."""
    labels = {job.id: str(getattr(job.job, "suffix", None) or job.id) for job in jobs}
    last = follow_jobs(workspace, labels, n_train=n_train)
    failed = [f"{labels[s.job_id]}: {s.error or s.status}" for s in last.values() if s.status != "succeeded"]
    if len(failed) == len(last):
        raise ServiceError("No job succeeded. " + " ".join(failed))


def _cancel(jobs: Iterable[Job]) -> None:
    """Cancel what still runs: nobody will read its results, and it would hold up the next demo."""
    for job in jobs:
        try:
            if not job.refresh().ended:
                job.cancel()
        except Exception:  # noqa: S112 - the error that brought us here is the one to show
            continue


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(
            f"{folder}: this folder for the report cannot be made: {error.strerror}. Choose another with --out."
        ) from error
