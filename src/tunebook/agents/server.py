"""`tunebook mcp`: the tools. Those that look are free; those that spend or delete answer with a plan and a code."""

from __future__ import annotations

import functools
import json
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from tunebook.agents import page
from tunebook.agents.approvals import Approvals
from tunebook.agents.desk import Desk, OutcomeAnswer, PlanAnswer
from tunebook.agents.marking import NOTE, data, marked
from tunebook.cli.answers import (
    CheckAnswer,
    CompareAnswer,
    CostAnswer,
    DiagnosisAnswer,
    ForecastAnswer,
    JobAnswer,
    NextAnswer,
    ProgressAnswer,
    ReportAnswer,
    job_answer,
    progress_answer,
)
from tunebook.cli.output import plain
from tunebook.errors import RequestError, TunebookError

if TYPE_CHECKING:
    from tunebook.experiments import Act
    from tunebook.service import JobRequest, Workspace

FREE = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True)
ASKS = ToolAnnotations(read_only_hint=False, destructive_hint=False)  # they write down a page or a plan, and do nothing
DOES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True)

PathIn = Annotated[str, Field(description="a file or folder inside the folder that the server was started for")]
FileOrJob = Annotated[str, Field(description="a results.csv in the server's folder, or the id of a job (ftjob-…)")]
TrainingFile = Annotated[str, Field(description="a .jsonl file in the server's folder, or the id of an uploaded one")]
Settings = Annotated[
    dict[str, Any],
    Field(description="further settings of the job: n_epochs, batch_size, learning_rate_multiplier, seed, suffix, …"),
]
Vary = Annotated[
    dict[str, list[int | float | str]], Field(description='what differs between the jobs: {"n_epochs": [1, 2, 4]}')
]


class Tools:
    """The tools as methods, each with what it may look at: one folder, one resource."""

    def __init__(self, workspace: Workspace, folder: Path, desk: Desk) -> None:
        self._ws = workspace
        self._folder = folder.resolve()
        self._desk = desk
        self._written: set[Path] = set()

    def check(self, file: PathIn, method: str | None = None, model: str | None = None) -> CheckAnswer:
        """Whether the service would take a training file, and what is wrong with which line."""
        from tunebook.data import read_dataset

        return _answer(read_dataset(self._path(file), method=method).check(model=model).to_json())

    def plan(
        self,
        model: str,
        training_file: TrainingFile,
        validation_file: TrainingFile | None = None,
        settings: Settings | None = None,
        vary: Vary | None = None,
    ) -> CostAnswer:
        """What a job, or with `vary` a sweep, would cost. Nothing is sent or written down."""
        return _answer(self._training(model, training_file, validation_file, settings, vary).to_json())

    def jobs(self, limit: Annotated[int, Field(ge=1, le=100)] = 20) -> list[JobAnswer]:
        """The newest jobs and how they stand."""
        return _answer([job_answer(job) for job in self._ws.jobs.list(limit=limit)])

    def job(self, job: str) -> ProgressAnswer:
        """One job with its losses, checkpoints and diagnosis."""
        from tunebook.service.watching import look

        return _answer(progress_answer(look(self._ws, [job], {}, now=time.time())[job]))

    def diagnose(self, source: FileOrJob) -> DiagnosisAnswer:
        """Whether a run overfits, since when, and which checkpoint to use."""
        from tunebook.analysis import diagnose

        return _answer({"file": source} | diagnose(self._run(source)).to_json())

    def forecast(
        self, source: FileOrJob, total_steps: int | None = None, incumbent: float | None = None
    ) -> ForecastAnswer:
        """Where a running job will end, with intervals, and whether it will beat `incumbent` (a loss)."""
        from tunebook.analysis import forecast

        found = forecast(self._run(source), total_steps=total_steps, incumbent=incumbent)
        return _answer({"file": source} | found.to_json())

    def compare(self, folder: PathIn) -> CompareAnswer:
        """Rank the runs in a folder (a sweep's `runs`), with how sure that is."""
        return _answer(self._comparison(folder).to_json())

    def next_steps(self, folder: PathIn, budget_usd: float | None = None) -> NextAnswer:
        """What to pay for next, from the runs in a folder; nothing is done."""
        from tunebook.analysis import next_steps

        return _answer(next_steps(self._comparison(folder), budget_usd=budget_usd).to_json())

    def report(self, folder: PathIn, output: PathIn = "report.html") -> ReportAnswer:
        """Write a page (.html, .md) about the runs in a folder, for people. Overwrites none but its own."""
        from tunebook.report import write_report

        target = self._path(output)
        if target.suffix not in (".html", ".md"):
            raise RequestError(f"{output}: a report is written as .html or .md.")
        if target.exists() and target not in self._written:
            raise RequestError(f"{output}: this file is there already. Choose another name.")
        written = str(write_report(self._comparison(folder), target))
        self._written.add(target)
        return _answer({"written": [written]})

    def create(
        self,
        model: str,
        training_file: TrainingFile,
        validation_file: TrainingFile | None = None,
        settings: Settings | None = None,
    ) -> PlanAnswer:
        """Plan a job. It starts after a person has approved its code."""
        return self._asked(self._training(model, training_file, validation_file, settings, None))

    def sweep(
        self,
        model: str,
        training_file: TrainingFile,
        vary: Vary,
        validation_file: TrainingFile | None = None,
        settings: Settings | None = None,
    ) -> PlanAnswer:
        """Plan jobs that differ in hyperparameters. They start after a person has approved the code."""
        return self._asked(self._training(model, training_file, validation_file, settings, vary))

    def deploy(
        self,
        model: Annotated[str, Field(description="a job's id (its recommended checkpoint), a model or a checkpoint")],
        name: str,
        sku: str = "standard",
        capacity: int = 1,
    ) -> PlanAnswer:
        """Plan a deployment, which is billed for as long as it exists. It is made after a person has approved."""
        from tunebook.experiments import deploy_act

        return self._asked(deploy_act(self._ws, model, name=name, sku=sku, capacity=capacity, say=_say))

    def evaluate(
        self, dataset: PathIn, models: list[str], score: str = "exact", samples: Annotated[int, Field(ge=1)] = 1
    ) -> PlanAnswer:
        """Plan to put held-out examples to deployments, the baseline first. It is done after a person has approved."""
        from tunebook.experiments import evaluate_act

        path = self._path(dataset)
        return self._asked(evaluate_act(self._ws, path, models, samples=samples, score=score, progress=False))

    def resume(self, job: str) -> PlanAnswer:
        """Plan to let a paused job go on. It does after a person has approved."""
        from tunebook.experiments import resume_act

        return self._asked(resume_act(self._ws.jobs.retrieve(job)))

    def delete(self, names: Annotated[list[str], Field(description="ids or names", min_length=1)]) -> PlanAnswer:
        """Plan to delete files, models or deployments. It is done after a person has approved."""
        from tunebook.experiments import cleanup_plan, delete_act

        return self._asked(delete_act(self._ws, cleanup_plan(self._ws, names)))

    def carry_out(self, code: str, wait_s: Annotated[float, Field(ge=0, le=50)] = 20.0) -> OutcomeAnswer:
        """Do what a person approved under this code, once; called again, say how it stands."""
        return _answer(self._desk.carry_out(code, wait_s))

    def _asked(self, act: Act) -> PlanAnswer:
        return _answer(self._desk.plan(act))

    def _training(self, model: str, train: str, valid: str | None, settings: Any, vary: Any) -> Act:
        from tunebook.experiments import create_act, sweep_act

        request = self._request(model, train, valid, settings or {})
        if vary is None:
            return create_act(self._ws, request, say=_say)
        folder = self._folder / "sweeps" / secrets.token_hex(3)
        return sweep_act(self._ws, request, vary, say=_say, folder=folder)

    def _request(self, model: str, train: str, valid: str | None, settings: dict[str, Any]) -> JobRequest:
        from tunebook.service import JobRequest

        named = {name: told for name, told in (("training_file", train), ("validation_file", valid)) if told}
        if twice := settings.keys() & {"model", *named}:
            raise RequestError(
                f"{', '.join(sorted(twice))}: give it as the tool's own argument, not among the settings."
            )
        request = JobRequest.from_json({**settings, "model": model, **named})
        used = {name: told for name in ("training_file", "validation_file") if (told := getattr(request, name))}
        files: dict[str, Any] = {name: self._file(told) for name, told in used.items()}  # settings name some, too
        return replace(request, **files)

    def _file(self, told: str) -> str:
        return told if told.startswith("file-") and not Path(told).suffix else f"local:{self._path(told)}"

    def _run(self, source: str) -> Any:
        return self._ws.jobs.retrieve(source).run() if source.startswith("ftjob-") else self._path(source)

    def _comparison(self, folder: str) -> Any:
        from tunebook.analysis import compare
        from tunebook.experiments import read_runs

        return compare(read_runs(self._path(folder)))

    def _path(self, told: str) -> Path:
        path = (self._folder / told.removeprefix("local:")).resolve()
        if not path.is_relative_to(self._folder):
            raise RequestError(f"{told}: outside of {self._folder}, the folder this server was started for.")
        return path


def serve(workspace: Workspace, *, folder: Path, state: Path, budget_usd: float) -> None:
    """Serve one agent over standard input and output, until it hangs up. Its calls stand in `state`/agents.jsonl."""
    tools = Tools(workspace, folder, Desk(Approvals(state / "approvals", time.time), budget_usd))
    server = MCPServer("tunebook", version=version("tunebook"), instructions=f"{NOTE}\n\n{page()}", log_level="WARNING")
    log = state / "agents.jsonl"
    for kind, names in (
        (FREE, ("check", "plan", "jobs", "job", "diagnose", "forecast", "compare", "next_steps")),
        (ASKS, ("report", "create", "sweep", "deploy", "evaluate", "resume", "delete")),
        (DOES, ("carry_out",)),
    ):
        for name in names:
            server.add_tool(_logged(getattr(tools, name), log), name=name, annotations=kind)
    server.run("stdio")


def _logged(tool: Callable[..., Any], log: Path) -> Callable[..., Any]:
    """The tool, with a line in the log for each call, and its errors as a tool's."""

    @functools.wraps(tool)
    def call(**arguments: Any) -> Any:
        outcome = "interrupted"
        try:
            found = tool(**arguments)
            outcome = "answered"
            return found
        except Exception as error:
            ours = isinstance(error, TunebookError)
            told = str(error) if ours else f"{type(error).__name__}: {error}"
            outcome = f"{'refused' if ours else 'failed'}: {told}"
            raise ToolError(data(told)) from error
        finally:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            _append(log, {"at": at, "tool": tool.__name__, "arguments": arguments, "outcome": outcome})

    return call


def _append(log: Path, record: dict[str, Any]) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(plain(record), ensure_ascii=False, default=str) + "\n")


def _say(line: object) -> None:
    """Standard output belongs to the protocol."""
    logging.getLogger("tunebook.agents").info("%s", line)


def _answer(record: Any) -> Any:
    return marked(plain(record))
