"""The verbs that cost money or delete: sweep, deploy, evaluate, cleanup. Each shows its price and asks."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.cli.asking import add_spending, allow, amount
from tunebook.cli.output import answer, connected, plain, say
from tunebook.errors import RequestError, TunebookError

if TYPE_CHECKING:
    from tunebook.experiments import Sweep
    from tunebook.experiments.stock.inventory import Plan
    from tunebook.service import Workspace

Verb = Callable[..., ArgumentParser]


def add(verb: Verb) -> None:
    sweep = verb("sweep", _sweep, "Train jobs that differ in hyperparameters, and archive them for comparing.")
    sweep.add_argument("--train", metavar="FILE", help="training file, or the id of an uploaded one")
    sweep.add_argument("--valid", metavar="FILE", help="validation file, likewise")
    sweep.add_argument("--model", default="gpt-4.1-nano")
    sweep.add_argument("--vary", action="append", default=[], metavar="NAME=V,V", help="e.g. n_epochs=2,4")
    sweep.add_argument("--seeds", type=int, default=1, help="replicates of each setting")
    sweep.add_argument("--folder", type=Path, help="where its manifest and runs go; name it again to go on")
    sweep.add_argument("--budget-tokens", type=amount, help="refuse a plan that bills more tokens than this")
    sweep.add_argument("--plan", action="store_true", help="print the plan and its cost, and send nothing")
    sweep.add_argument("--stop", action="store_true", help="cancel the jobs of the sweep in --folder")
    add_spending(sweep)

    deploy = verb("deploy", _deploy, "Deploy a job's recommended checkpoint, or a model, and wait until it answers.")
    deploy.add_argument("model", metavar="JOB|MODEL")
    deploy.add_argument("--name", required=True, help="what the deployment is called")
    deploy.add_argument("--sku", default="standard", help="standard, globalstandard, developer, … (default: standard)")
    deploy.add_argument("--capacity", type=int, default=1, metavar="N", help="thousands of tokens a minute")
    deploy.add_argument("--checkpoint", default="diagnosis", choices=("diagnosis", "last"), help="of a job")
    add_spending(deploy)

    evaluate = verb("evaluate", _evaluate, "Put the same held-out examples to deployments and compare their answers.")
    evaluate.add_argument("dataset", type=Path, metavar="FILE")
    evaluate.add_argument("--models", nargs="+", required=True, metavar="NAME", help="deployments, the baseline first")
    evaluate.add_argument("--score", default="exact", choices=("exact", "json_fields", "token_f1"))
    evaluate.add_argument("--samples", type=int, default=1, help="answers an example")
    evaluate.add_argument("--seen", action="store_true", help="take examples that a model was trained on, too")
    evaluate.add_argument(
        "--fail-on", choices=("worse", "no-gain"), help="exit code 1 when a model is worse, or shows no gain"
    )
    add_spending(evaluate)

    cleanup = verb("cleanup", _cleanup, "Plan what to delete at the service, and carry the plan out.")
    one = cleanup.add_mutually_exclusive_group(required=True)
    one.add_argument("--plan", nargs="?", const="", metavar="PLAN", help="say what would go; write it to this file")
    one.add_argument("--apply", type=Path, metavar="PLAN", help="delete what stands in this file")
    cleanup.add_argument("--only", nargs="+", metavar="NAME", help="ids or names (default: all that seems unused)")
    cleanup.add_argument("--yes", action="store_true", help="do not ask")


def _sweep(options: Namespace) -> int:
    from tunebook.experiments import Sweep, go_on_act

    known = options.folder is not None and (options.folder / "sweep.json").is_file()
    if (options.stop or options.train is None) and not known:
        raise TunebookError("Name a training file with --train, or with --folder a sweep that was begun.")
    if known and options.vary:
        say(f"{options.folder} holds a sweep already, and goes on as it was planned: --vary is not looked at.")
    workspace = connected()
    if options.stop:
        sweep = Sweep.open(options.folder)
        sweep.stop(workspace)
        _answer_sweep(options, sweep, f"Stopped. Go on with --folder {sweep.folder}.")
        return 0
    act = go_on_act(workspace, Sweep.open(options.folder), say=say) if known else _new_sweep(options, workspace)
    if options.plan:
        _answer_sweep(options, act.of, f"{act.of.plan.to_string()}\n{act.of.cost}")
        return 0
    allow(act, options)
    say("Ctrl-C stops watching and no job; --folder goes on.")
    sweep = act.carry_out()
    _answer_sweep(options, sweep, sweep.folder / "runs")
    return 0


def _answer_sweep(options: Namespace, sweep: Sweep, told: object) -> None:
    plan = sweep.plan
    record = {
        "folder": sweep.folder,
        "runs": sweep.folder / "runs",
        "cost": sweep.cost,
        "usd": None if plan["usd"].isna().any() else plan["usd"].sum(),
        "jobs": json.loads(plan.reset_index().to_json(orient="records")),
    }
    answer(options, record, told)


def _new_sweep(options: Namespace, workspace: Workspace) -> Any:
    from tunebook.experiments import sweep_act
    from tunebook.service import JobRequest

    space = {}
    for told in options.vary:
        name, _, values = told.partition("=")
        if name in space:
            raise RequestError(f"--vary {name} is given twice. Give all its values at once: --vary {name}=V,V")
        space[name] = [_number(value) for value in values.split(",") if value]
    request = JobRequest(model=options.model, training_file=options.train, validation_file=options.valid)
    return sweep_act(
        workspace,
        request,
        space,
        say=say,
        seeds=options.seeds,
        budget_tokens=options.budget_tokens,
        folder=options.folder,
    )


def _number(text: str) -> Any:
    """The value a hyperparameter was given on the command line: a whole number, a number, or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _deploy(options: Namespace) -> int:
    from tunebook.experiments import deploy_act

    how = {name: getattr(options, name) for name in ("name", "sku", "capacity", "checkpoint")}
    act = deploy_act(connected(), options.model, say=say, **how)
    allow(act, options)
    made = act.carry_out()
    record = {name: getattr(made, name) for name in ("name", "model", "sku", "capacity", "state")}
    answer(options, {"act": act.to_json(), **record}, f"{made.name}: {made.state}, serves {made.model}")
    return 0


def _evaluate(options: Namespace) -> int:
    from tunebook.cli.answers import evaluation_answer
    from tunebook.experiments import evaluate_act

    act = evaluate_act(
        connected(),
        options.dataset,
        options.models,
        samples=options.samples,
        score=options.score,
        held_out=not options.seen,
    )
    allow(act, options)
    found = act.carry_out()
    answer(options, {"act": act.to_json(), **evaluation_answer(found)}, found)
    gains = [plain(result.to_json()) for result in found.gains.values()]
    if options.fail_on == "worse":
        return 1 if any(each["high"] is not None and each["high"] < 0 for each in gains) else 0
    if options.fail_on == "no-gain":
        return 0 if gains and all((each["low"] or 0) > 0 for each in gains) else 1
    return 0


def _cleanup(options: Namespace) -> int:
    from tunebook.experiments import cleanup_plan

    workspace = connected()
    if options.apply is not None:
        return cleared(options, workspace, _planned(options.apply, workspace))
    plan = cleanup_plan(workspace, options.only)
    record = _plan_record(plan)
    if options.plan:
        try:
            Path(options.plan).write_text(json.dumps(plain(record), indent=2) + "\n", "utf-8")
        except OSError as error:
            raise TunebookError(f"{options.plan}: cannot be written ({error.strerror}).") from None
    written = f"\nCarry it out: tunebook cleanup --apply {options.plan}" if options.plan else ""
    answer(options, record, f"{plan!r}{written}")
    return 0


def _planned(path: Path, workspace: Workspace) -> Plan:
    """The plan in a file, as far as its steps are still there."""
    try:
        told = json.loads(path.read_text("utf-8"))
        place, keys = told["place"], [step["key"] for step in told["steps"]]
        if not all(isinstance(key, str) for key in keys):
            raise ValueError(path)
    except (OSError, ValueError, KeyError, TypeError):
        raise RequestError(f"{path}: this is no plan. Make one: tunebook cleanup --plan {path}") from None
    if place != workspace.name:
        raise RequestError(f"{path}: this plan is for {place}, and this is {workspace.name}. Nothing was deleted.")
    from tunebook.experiments import take_inventory

    inventory = take_inventory(workspace)
    there = {item.key for item in inventory.items}
    for key in keys:
        if key not in there:
            say(f"{key} is gone already.")
    return inventory.plan(key for key in keys if key in there)


def cleared(options: Namespace, workspace: Workspace, plan: Plan) -> int:
    """Carry a plan out after a yes; 1 when something stays."""
    from dataclasses import asdict

    from tunebook.experiments import delete_act

    if not plan.steps:
        answer(options, {**_plan_record(plan), "deletions": []}, plan)
        return 1 if plan.refused else 0
    act = delete_act(workspace, plan)
    allow(act, options)
    done = act.carry_out()
    answer(options, {**_plan_record(plan), "deletions": [asdict(each) for each in done.deletions]}, done)
    return 1 if any(each.outcome in ("kept", "failed") for each in done.deletions) else 0


def _plan_record(plan: Plan) -> dict[str, Any]:
    names = ("key", "kind", "id", "name", "bytes", "usd_per_hour")
    return {
        "told": plan.sentence,
        "place": plan.place,
        "steps": [{name: getattr(item, name) for name in names} for item in plan.steps],
        "kept": [{"key": each.item.key, "reason": each.reason} for each in plan.refused],
    }
