"""A step to pay for next, and the list of them: plain records, and how a notebook shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tunebook.analysis.sweeps.worth import Gain
from tunebook.show import Card, Code, Fold, Shown, Span, Table, Text
from tunebook.words import between, money, number, percent, probability

# An expected gain below this share of the loss is not worth a job: stop and deploy stands before it.
WORTH = 0.002
NO_PRICE = "price not known"


@dataclass(frozen=True)
class Step:
    """One thing to do now.

    `kind`: repeat, untried, train again, longer, more data, cheaper model, evaluate or deploy; `reason` one sentence.
    `cost_usd` is None where no price is known, `gain` None where nothing measured so far says what it brings.
    `requests` are bodies of POST /fine_tuning/jobs, one a job; `code` is a line to run where it is no job. `fits`: the
    budget allows it alone (None: no budget, or no price); `chosen`: it belongs to what to do now, which fits together.
    """

    kind: str
    reason: str
    cost_usd: float | None = None
    gain: Gain | None = field(default=None)
    requests: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    code: str = field(default="", repr=False)
    fits: bool | None = None
    chosen: bool = False

    @property
    def worth(self) -> bool:
        """Whether the expected gain is worth a job at all."""
        return self.gain is not None and self.gain.share >= WORTH


@dataclass(frozen=True)
class NextSteps(Shown):
    """What to do next, best first: `steps`, and in one `sentence` what to do now. Iterate to get the steps.

    `budget_usd` is what may be spent (None: nobody said), `spent_usd` the price of the chosen steps together.

    >>> found = tb.next_steps(tb.compare(tb.read_runs("runs")))
    >>> found.sentence == found.to_json()["sentence"], len(found.frame) == len(found)
    (True, True)
    """

    steps: tuple[Step, ...]
    sentence: str
    budget_usd: float | None = None
    spent_usd: float = 0.0
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, place: int) -> Step:
        return self.steps[place]

    @property
    def chosen(self) -> tuple[Step, ...]:
        """What to do now; its prices together are within the budget."""
        return tuple(step for step in self.steps if step.chosen)

    @property
    def requests(self) -> tuple[Mapping[str, Any], ...]:
        """The bodies of the jobs to start now, of all chosen steps."""
        return tuple(request for step in self.chosen for request in step.requests)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a step: kind, reason, cost_usd, gain, low, high (measure's unit), share, changes, fits, chosen."""
        rows = []
        for step in self.steps:
            gain = step.gain
            told = (gain.expected, gain.low, gain.high, gain.share, gain.changes) if gain else (np.nan,) * 5
            named = dict(zip(("gain", "low", "high", "share", "changes"), told, strict=True))
            rows.append(
                {"kind": step.kind, "reason": step.reason, "cost_usd": step.cost_usd}
                | named
                | {"fits": step.fits, "chosen": step.chosen}
            )
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: sentence, budget_usd, spent_usd, steps (with requests and code), notes."""
        frame = self.frame.astype(object)
        rows = frame.where(frame.notna(), None).to_dict("records")
        return {
            "sentence": self.sentence,
            "budget_usd": self.budget_usd,
            "spent_usd": self.spent_usd,
            "steps": [
                {**row, "requests": [dict(each) for each in step.requests], "code": step.code}
                for row, step in zip(rows, self.steps, strict=True)
            ],
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"NextSteps({self.sentence})"

    def _card(self) -> Card:
        rows = [
            (
                Span(f"{'★ ' if step.chosen else ''}{step.reason}", "strong" if step.chosen else "words"),
                cost_of(step),
                *(_gain_cells(step.gain) if step.kind != "deploy" else ("", "", "")),
            )
            for step in self.steps
        ]
        head = ("Step", "Cost", "Expected gain", "90 % interval", "Changes the choice")
        table = Table(head, rows, "★ to do now", numeric=range(1, 5)) if rows else None
        ready = [json.dumps(dict(each), indent=1, ensure_ascii=False) for each in self.requests]
        ready += [step.code for step in self.steps if step.code]
        return Card(
            Text(Span(self.sentence, "strong")),
            table,
            Fold("Ready to send", [Code("\n\n".join(ready))]) if ready else None,
            *(Text(note) for note in self.notes),
        )


def cost_of(step: Step) -> str:
    """A step's price in words."""
    if step.kind == "deploy":
        return ""
    told = NO_PRICE if step.cost_usd is None else money(step.cost_usd)
    return f"{told}, over the budget" if step.fits is False else told


def _gain_cells(gain: Gain | None) -> tuple[str, str, str]:
    if gain is None:
        return "not known", "", ""
    expected, low, high = (number(value, 2) for value in (gain.expected, gain.low, gain.high))
    return f"{expected} ({percent(gain.share, 1)})", between(low, high), probability(gain.changes)


def said(step: Step) -> str:
    """A step with its price and its gain, in a sentence or two."""
    price = f" {cost_of(step)[:1].upper()}{cost_of(step)[1:]}" if step.kind != "deploy" else ""
    if step.gain is None:
        return f"{step.reason}{price}{'.' if price else ''}"
    expected, interval, changes = _gain_cells(step.gain)
    return f"{step.reason}{price}; expected gain {expected}, 90 % interval {interval}; changes the choice: {changes}."
