"""What to pay for next: the open steps in the order of what a dollar gains, and what of them fits the budget."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.analysis.sweeps.more_data import MoreData
from tunebook.analysis.sweeps.open_steps import OpenSteps
from tunebook.analysis.sweeps.steps import NO_PRICE, WORTH, NextSteps, Step
from tunebook.catalogue import load_catalogue
from tunebook.errors import RequestError
from tunebook.words import is_number, listed, money, percent, plural


def next_steps(
    comparison: Comparison,
    *,
    budget_usd: float | None = None,
    archive: Iterable[Run | Comparison] = (),
    more: MoreData | None = None,
    slots: int | None = None,
    seed: int = 0,
) -> NextSteps:
    """What to pay for next: every open step with its price, what it is expected to gain, and the ready request.

    A gain is how much lower the loss of the deployed job is expected to be afterwards, from what the jobs so far leave
    open: the luck of a seed, settings nobody has run, a lowest point that was not kept, a curve that still falls, two
    jobs that cannot be told apart. What nothing measured speaks of (more data, another model) stands last, its gain
    not known; `more`, what `more_data` said, tells that of twice the examples. Steps are ordered by gain per dollar, or
    by gain where a price is missing. What to do now is `chosen`: at most `slots` jobs (default: those the service runs
    at once), never dearer together than `budget_usd`; nothing without a price is chosen under a budget. `archive` as
    for `suggest`. Raises RequestError for what is no comparison and for a budget that is no amount.

    >>> found = tb.next_steps(tb.compare(tb.read_runs("runs")), budget_usd=5)
    >>> found.spent_usd <= 5
    True
    """
    if not isinstance(comparison, Comparison):
        raise RequestError(f"{type(comparison).__name__} is no comparison: give tb.compare(runs).")
    if budget_usd is not None and not (is_number(budget_usd) and budget_usd >= 0 and math.isfinite(budget_usd)):
        raise RequestError(f"budget_usd = {budget_usd!r} is no amount: give US dollars of at least 0, or None.")
    if comparison.group is None:
        return NextSteps((), f"{comparison.sentence} Nothing measured says what to pay for next.", budget_usd)
    at = OpenSteps(comparison, comparison.group, seed)
    steps = [*at.again(), *at.repeat(), *at.untried(archive), *at.longer(), *at.evaluation(), at.more_data(more)]
    steps += at.cheaper()
    most = load_catalogue().most("running_jobs") if slots is None else slots
    return _planned(_ordered([*steps, at.deploy()], at), budget_usd, most, at)


def _due(step: Step, at: OpenSteps) -> bool:
    """Whether a step is to be paid for; while jobs are too few to tell a gain, the first settings are."""
    return step.worth or (at.few and step.kind in ("train again", "untried"))


def _ordered(steps: Sequence[Step], at: OpenSteps) -> list[Step]:
    """Worth it by gain per dollar (by gain where a price is missing), then deploying, then the rest."""
    priced = all(step.cost_usd for step in steps if step.worth)

    def rank(step: Step) -> tuple[int, float]:
        gain = step.gain.expected if step.gain else 0.0
        place = 0 if _due(step, at) else 1 if step.kind == "deploy" else 2 if step.gain else 3
        return place, -(gain / step.cost_usd if priced and step.cost_usd else gain)

    return sorted(steps, key=rank)


def _planned(steps: Sequence[Step], budget: float | None, slots: int, at: OpenSteps) -> NextSteps:
    """The steps with what fits marked and what to do now chosen."""
    spent, free, marked = 0.0, slots, []
    for step in steps:
        cost = step.cost_usd
        fits = None if budget is None or (cost is None and step.kind != "deploy") else (cost or 0.0) <= budget
        affordable = budget is None or (cost is not None and spent + cost <= budget)
        chosen = _due(step, at) and affordable and len(step.requests) <= free
        if chosen:
            spent, free = spent + (cost or 0.0), free - len(step.requests)
        marked.append(replace(step, fits=fits, chosen=chosen))
    if not any(step.chosen for step in marked):
        marked = [replace(step, chosen=step.kind == "deploy") for step in marked]
    return NextSteps(tuple(marked), _sentence(marked, budget, spent, at), budget, spent, at.notes)


def _sentence(steps: Sequence[Step], budget: float | None, spent: float, at: OpenSteps) -> str:
    now = [step for step in steps if step.chosen and step.kind != "deploy"]
    if now:
        unpriced = any(step.cost_usd is None for step in now)
        cost = NO_PRICE if unpriced else money(spent) + (f" of {money(budget)}" if budget is not None else "")
        few = f"{plural(len(at.ranking.frame), 'job')} cannot say what a step gains; to begin with"
        what = listed([_lower(step.reason.partition(": ")[0]) for step in now], len(now))
        return f"{few if at.few else 'Now'}: {what} ({cost})."
    worth = [step for step in steps if _due(step, at)]
    if not worth:
        return f"Stop and deploy {at.name}: nothing more is expected to gain {percent(WORTH, 1)}."
    if budget is not None and all(step.cost_usd is None for step in worth):
        return f"Stop and deploy {at.name}, or say a price: none is known, so nothing can be held to {_said(budget)}."
    return f"Stop and deploy {at.name}: {_said(budget)} pays for no step that is worth it."


def _said(budget: float | None) -> str:
    return f"a budget of {money(budget)}" if budget else "a budget of $0"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
