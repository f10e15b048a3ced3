"""What costs money or cannot be undone, as an act: told with its price before it is done, and done after a yes.

Whoever may not decide alone (a pipeline, an agent, a slip of the hand) makes the act, shows it, and carries it out once
a person or a budget has allowed it. Making an act sends nothing that is billed, and changes nothing.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import openai
import pandas as pd

from tunebook.catalogue import load_catalogue
from tunebook.data import Dataset, read_dataset
from tunebook.errors import DataError, RequestError, TunebookError
from tunebook.experiments.evaluation.evaluate import evaluate
from tunebook.experiments.evaluation.held_out import served_model
from tunebook.experiments.stock.clearing import clear
from tunebook.experiments.stock.inventory import Plan
from tunebook.experiments.sweeps.sweep import Sweep
from tunebook.fields import left_out
from tunebook.money import Cost
from tunebook.service.deployments import deployable_name
from tunebook.service.request import JobRequest
from tunebook.service.request_files import local_path
from tunebook.service.terms import deployment_terms
from tunebook.service.when_done import Choice, chosen_checkpoint
from tunebook.show import Card, Shown, Span, Text
from tunebook.words import money, plural

if TYPE_CHECKING:
    from tunebook.service.connection import Workspace
    from tunebook.service.jobs import Job

Kind = Literal["create", "sweep", "deploy", "evaluate", "resume", "delete"]
_PRICED = frozenset({"model", "trainingfile", "validationfile", "nepochs", "epochs", "trainingtype"})
_HOURS = 24  # of a deployment, which is billed for as long as it exists, count against a budget


@dataclass(frozen=True)
class Act(Shown):
    """Something that is to be done: what, and what it costs.

    usd: US dollars, of the dearer regions, as far as the catalogue tells; None where nobody knows. price: the same in
    words, and what it takes for granted (epochs that the service decides, answers as long as their examples).
    carry_out: does it, and returns what came of it. of: what it is about, such as the planned `Sweep`.

    >>> act = tb.experiments.create_act(ws, tb.JobRequest(model="gpt-4.1-nano", training_file="local:train.jsonl"))
    >>> act.kind, act.refusal(budget_usd=5)
    ('create', '')
    """

    kind: Kind
    told: str
    usd: float | None
    price: str
    carry_out: Callable[[], Any] = field(repr=False, compare=False)
    of: Any = field(default=None, repr=False, compare=False)

    def refusal(self, budget_usd: float) -> str:
        """Why this budget does not allow it; empty when it does."""
        if self.usd is None or not (math.isfinite(self.usd) and self.usd >= 0):
            return f"The budget of {money(budget_usd)} cannot be kept: {self.price}"
        if self.usd > budget_usd:
            return f"It costs up to {money(self.usd)}, the budget is {money(budget_usd)}."
        return ""

    def to_json(self) -> dict[str, Any]:
        """Plain values: kind, told, usd, price."""
        return {"kind": self.kind, "told": self.told, "usd": self.usd, "price": self.price}

    def __repr__(self) -> str:
        return f"{self.told}\n{self.price}"

    def _card(self) -> Card:
        return Card(Text(Span(self.told, "strong")), Text(self.price))


def create_act(workspace: Workspace, request: JobRequest, *, say: Callable[[str], object] = print) -> Act:
    """Start a job; files that the request names on this machine are checked now, and uploaded when it is done.

    Carried out, it gives the `Job`. Raises RequestError for what the service would refuse.

    >>> act = tb.experiments.create_act(ws, tb.JobRequest(model="gpt-4.1-nano", training_file="local:train.jsonl"))
    >>> act.carry_out().status
    'pending'
    """
    refused = [str(problem) for problem in request.problems() if problem.severity == "error"]
    if refused:
        raise RequestError("This job would be refused. " + " ".join(refused))
    train, valid = _checked(request)
    cost = _cost(workspace, request, train)

    def carry_out() -> Any:
        return workspace.jobs.create(_sent(workspace, request, train, valid, say), say=say)

    told = (
        f"Train {request.model} ({request.method}) on {_trained(request, train)} at {workspace.name}{_with(request)}."
    )
    return Act("create", told, *_of_training(workspace, cost), carry_out)


def sweep_act(
    workspace: Workspace,
    request: JobRequest,
    space: Mapping[str, Any],
    *,
    say: Callable[[str], object] = print,
    **how: Any,
) -> Act:
    """Train the jobs of a sweep and wait for their ends; `how` as for `Sweep`. Carried out, it gives the `Sweep`.

    >>> base = tb.JobRequest(model="gpt-4.1-nano", training_file="local:train.jsonl")
    >>> tb.experiments.sweep_act(ws, base, {"n_epochs": [1, 2]}).told
    'Train 2 jobs of gpt-4.1-nano on train.jsonl, with n_epochs 1, 2, at ...'
    """
    if "training_file" in space:
        raise RequestError(
            "training_file: a sweep over files has no one price; `tb.plan_parts` prices parts of a file."
        )
    train, valid = _checked(request)
    if "file_tokens" not in how:
        with _trained_on(workspace, request, train) as data:
            if data is not None:
                how = {"file_tokens": sum(data.count_tokens(model=request.model)), "file_examples": len(data)} | how
    planned = Sweep(request, space, **how)

    def carry_out() -> Any:
        return Sweep(_sent(workspace, request, train, valid, say), space, **how).run(workspace, say=say)

    varied = "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in space.items())
    jobs = plural(len(planned.plan), "job")
    on = _trained(request, train)
    told = f"Train {jobs} of {request.model} on {on}, with {varied}, at {workspace.name}{_with(request)}."
    return _of_sweep(workspace, planned, told, carry_out)


def go_on_act(workspace: Workspace, sweep: Sweep, *, say: Callable[[str], object] = print) -> Act:
    """Take up a sweep that was begun: what has not been sent is still to be paid for.

    >>> base = tb.JobRequest(model="gpt-4.1-nano", training_file="file-1")
    >>> sweep = tb.Sweep(base, {"n_epochs": [1, 2]}, file_tokens=1000, folder="sweeps/on")
    >>> tb.experiments.go_on_act(ws, sweep).told
    'Go on with the sweep in sweeps/on: 2 of 2 jobs are still to be sent.'
    """
    plan = sweep.plan
    jobs = plural(len(plan), "job")
    told = f"Go on with the sweep in {sweep.folder}: {len(_unsent(plan))} of {jobs} are still to be sent."
    return _of_sweep(workspace, sweep, told, lambda: sweep.resume(workspace, say=say))


def deploy_act(
    workspace: Workspace,
    model: str | Job,
    *,
    name: str,
    sku: str = "standard",
    capacity: int = 1,
    checkpoint: Choice = "diagnosis",
    say: Callable[[str], object] = print,
) -> Act:
    """Deploy a model, a checkpoint, or of a job (or its id) the checkpoint that its diagnosis recommends.

    A day of it counts as its price. Carried out, it gives the `Deployment`. Raises RequestError for what would be
    refused.

    >>> tb.experiments.deploy_act(ws, job, name="support-v2").told
    'Deploy gpt-4.1-nano-2025-04-14.ft-... as support-v2 (standard, capacity 1) at ...'
    """
    if isinstance(model, str) and model.startswith("ftjob-"):
        model = workspace.jobs.retrieve(model)
    wanted = model if isinstance(model, str) else chosen_checkpoint(model, checkpoint)
    wanted = deployable_name(wanted)
    preflight = workspace.deployments.check(wanted, name=name, sku=sku, capacity=capacity)
    preflight.raise_refused(f"Deploying {wanted!r} as {name!r}")
    terms = deployment_terms(sku=sku, model=wanted, now=datetime.now(UTC))
    usd = None if terms.usd_per_hour is None else _HOURS * terms.usd_per_hour
    return Act(
        "deploy",
        f"Deploy {wanted} as {name} ({sku}, capacity {capacity}) at {workspace.name}.",
        *_at(workspace, usd, f"{' '.join(terms.lines)} A day of it counts against a budget."),
        lambda: workspace.deployments.create(wanted, name=name, sku=sku, capacity=capacity, say=say),
    )


def evaluate_act(
    workspace: Workspace,
    dataset: Dataset | str | Path,
    models: Sequence[str],
    *,
    samples: int = 1,
    **how: Any,
) -> Act:
    """Put examples to deployments; `how` as for `tb.evaluate`. Carried out, it gives the `Evaluation`.

    The price takes every answer to be as long as its whole example. Asks each deployment one question, to learn what
    it serves. Answers that are in the file of an earlier evaluation are not asked, nor paid for, again.

    >>> tb.experiments.evaluate_act(ws, "valid.jsonl", [base, tuned]).told
    'Put the 10 examples of valid.jsonl to colours-base and colours-tuned: 20 answers.'
    """
    if samples < 1:
        raise RequestError(f"samples={samples}: at least 1.")
    data = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
    skus = {each.name: each.sku for each in workspace.deployments.list()}
    served = [(served_model(workspace, name), skus.get(name, "standard")) for name in models]
    prices = [_of_answers(data, model, sku) for model, sku in served]
    usd = None if None in prices else samples * sum(filter(None, prices))
    answers = len(data) * len(models) * samples
    told = (
        f"Put the {plural(len(data), 'example')} of {data.name} to {' and '.join(models)}: {plural(answers, 'answer')}."
    )
    price_told = (
        "no price of these models' tokens is known." if usd is None else f"About {money(usd)} of tokens at most."
    )
    return Act(
        "evaluate",
        told,
        *_at(workspace, usd, price_told),
        lambda: evaluate(workspace, data, list(models), samples=samples, **how),
    )


def _of_answers(data: Dataset, model: str, sku: str) -> float | None:
    """US dollars of one answer to each example, as long as the example; None where the model's price is not known."""
    facts = load_catalogue()
    price = facts.token_price(model, sku) or facts.token_price(model, "base")
    if price is None:
        return None
    rates = (price.input_at_most or price.input) + (price.output_at_most or price.output)
    return sum(data.count_tokens(model=model)) * rates / 1e6


def resume_act(job: Job) -> Act:
    """Let a paused job go on. What is left of it costs at most what the whole job does. Gives the `Job`.

    >>> tb.experiments.resume_act(job)
    Traceback (most recent call last):
    tunebook.errors.RequestError: ftjob-... is succeeded and cannot be resumed. Only a paused job can be.
    """
    if job.status != "paused":
        raise RequestError(f"{job.id} is {job.status} and cannot be resumed. Only a paused job can be.")
    run = job.run()
    request = JobRequest(
        model=str(job.job.model),
        training_file=str(job.job.training_file),
        n_epochs=run.hyperparameters.get("n_epochs") or "auto",
        method=run.method,  # type: ignore[arg-type]
        training_type=run.job.get("trainingType") or run.job.get("training_type"),
    )
    workspace: Any = job.workspace
    usd, price = _of_training(workspace, _cost(workspace, request, None))
    return Act("resume", f"Resume {job.id}, which is {job.status}.", usd, f"The whole job: {price}", job.resume)


def delete_act(workspace: Workspace, plan: Plan) -> Act:
    """Delete what a plan lists; `cleanup_plan` makes one. Costs nothing. Gives what was `Cleared`.

    >>> stray = ws.files.upload("train.jsonl", name="stray.jsonl")
    >>> act = tb.experiments.delete_act(ws, tb.experiments.cleanup_plan(ws, [stray.id]))
    >>> act.carry_out()
    1 deleted, 0 kept, 0 failed. Listed in ...
      ✓ deleted: file stray.jsonl
    """
    return Act("delete", repr(plan), 0.0, "Deleting costs nothing.", lambda: clear(workspace, plan, dry_run=False))


def _trained(request: JobRequest, train: Dataset | None) -> str:
    """What the training file is called: its name here, else its id at the service."""
    return request.training_file if train is None else train.name


def _with(request: JobRequest) -> str:
    """The settings that a request gives, so that whoever says yes sees all of them."""
    shown = {
        f.name: value
        for f in fields(request)
        if f.name not in ("model", "training_file", "method") and not left_out(value := getattr(request, f.name))
    }
    return "".join(
        f", {name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()
    )


def _keys(value: Any) -> Iterator[str]:
    """Every key of an object, of those inside of it too."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            yield str(key)
            yield from _keys(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from _keys(inside)


def _checked(request: JobRequest) -> tuple[Dataset | None, Dataset | None]:
    """The files that a request names on this machine, checked as the service would check them.

    What makes the price stands in the fields: the price is made of these, and `extra` is sent beside them.
    """
    for name in ("model", "training_file", "validation_file"):
        if not str(getattr(request, name)).isprintable():
            raise RequestError(f"{name}: {getattr(request, name)!r} holds what no name has.")
    if hidden := sorted(key for key in _keys(request.extra) if re.sub(r"[\W_]", "", key).lower() in _PRICED):
        raise RequestError(f"{', '.join(hidden)}: the price depends on it. Give it as the setting, not in `extra`.")
    paths = [local_path(name) for name in (request.training_file, request.validation_file)]
    parts = [None if path is None else read_dataset(path, method=request.method) for path in paths]
    for part in parts:
        if part is not None and (found := part.check(model=request.model)).errors:
            raise DataError(f"{part.name}: {found.sentence} `tunebook check {part.name}` says what.")
    return parts[0], parts[1]


def _sent(
    workspace: Workspace,
    request: JobRequest,
    train: Dataset | None,
    valid: Dataset | None,
    say: Callable[[str], object],
) -> JobRequest:
    """The request with the ids of its files, which are uploaded now."""
    parts = {"training_file": train, "validation_file": valid}
    ids: dict[str, Any] = {name: workspace.files.upload(p, say=say).id for name, p in parts.items() if p is not None}
    return replace(request, **ids)


@contextmanager
def _trained_on(workspace: Workspace, request: JobRequest, train: Dataset | None) -> Iterator[Dataset | None]:
    """The training examples, from the service where they are not here; None where they cannot be read any more."""
    with tempfile.TemporaryDirectory() as folder:
        if train is None:
            copy = Path(folder) / "train.jsonl"
            with suppress(TunebookError, openai.NotFoundError):
                copy.write_bytes(workspace.files.content(request.training_file))
                train = read_dataset(copy, method=request.method)
        yield train


def _cost(workspace: Workspace, request: JobRequest, train: Dataset | None) -> Cost | None:
    """The bill of a job; None where its training file cannot be read."""
    with _trained_on(workspace, request, train) as data, suppress(DataError):
        tier = request.training_type
        return None if data is None else data.cost(request.model, training_type=tier, n_epochs=request.n_epochs)
    return None


def _of_training(workspace: Workspace, cost: Cost | None) -> tuple[float | None, str]:
    if cost is None:
        return _at(workspace, None, "no price: its training file cannot be read.")
    most = cost.usd if cost.usd_interval is None else cost.usd_interval[1]
    return _at(workspace, most, f"{cost}.")


def _unsent(plan: pd.DataFrame) -> pd.DataFrame:
    """The jobs of a plan that were not sent, or perhaps not."""
    return plan[plan["state"].isin(("planned", "sending", "stopped"))]


def _of_sweep(workspace: Workspace, sweep: Sweep, told: str, carry_out: Callable[[], Any]) -> Act:
    waiting = _unsent(sweep.plan)["usd"]
    usd = None if waiting.isna().any() else float(waiting.sum())
    return Act("sweep", told, *_at(workspace, usd, f"{sweep.cost}."), carry_out, sweep)


def _at(workspace: Workspace, usd: float | None, price: str) -> tuple[float | None, str]:
    """A price at a resource: the embedded service bills nothing, so that there an unknown one is none."""
    if workspace.embedded:
        return usd or 0.0, f"{workspace.before_a_price}{price}"
    return usd, price[:1].upper() + price[1:]
