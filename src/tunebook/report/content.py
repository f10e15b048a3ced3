"""What a report says: frozen records, built from a comparison without drawing or writing anything.

    Report
    ├── Answer         what to do, how sure that is, what it cost, what next
    ├── ComparedJob, … the evidence: one record a job, ranked ones first, and the columns to lay them out in
    ├── mattered       what each hyperparameter did
    ├── Evaluation     base against tuned on held-out examples, where there is one
    └── provenance     where every number comes from

All strings are plain text as it came; whoever writes it into a page escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tunebook import show
from tunebook.analysis.sweeps.rows import Column, ComparedJob
from tunebook.experiments.evaluation.record import Evaluation
from tunebook.show import Card, Code, Items, Shown, Span, Text
from tunebook.words import plural


@dataclass(frozen=True)
class Fact:
    """One figure of the answer: what it is, the figure, a note under it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """`headline` is one sentence; `because` a short paragraph; `model` a name to copy, "" for none.

    `helped` answers whether tuning helped, "" where there is no model; `call` is the code that finds out, or "".
    `naming` says what `model` is: the one to deploy, or the best one so far. `steps` are what to do next, in order;
    `caution` is what a reader must not overlook, or "".
    """

    headline: str
    because: str
    facts: tuple[Fact, ...]
    steps: tuple[str, ...]
    model: str = ""
    caution: str = ""
    naming: str = "Model to deploy"
    helped: str = ""
    call: str = ""


@dataclass(frozen=True, repr=False)
class Table(show.Table, Shown):
    """A table that shows itself in a notebook."""

    def __repr__(self) -> str:
        return f"Table({self.caption!r}: {plural(len(self.rows), 'row')})"

    def _card(self) -> Card:
        return Card(self)


@dataclass(frozen=True)
class Report(Shown):
    """Everything a report says; figures are drawn from the comparison beside it.

    In a notebook it shows its answer; `provenance` are tables that show themselves. `columns` are those of the ranking.
    """

    title: str
    subtitle: str
    made: datetime
    answer: Answer
    jobs: tuple[ComparedJob, ...]
    columns: tuple[Column, ...]
    measure: str
    ranking_notes: tuple[str, ...]
    mattered: Table | None
    mattered_notes: tuple[str, ...]
    evaluation: Evaluation | None
    provenance: tuple[Table, ...]

    @property
    def ranked(self) -> tuple[ComparedJob, ...]:
        return tuple(job for job in self.jobs if job.ranked)

    @property
    def left_out(self) -> tuple[ComparedJob, ...]:
        return tuple(job for job in self.jobs if job.left_out)

    @property
    def winner(self) -> ComparedJob | None:
        return next((job for job in self.jobs if job.standing == "best"), None)

    def span(self) -> tuple[float, float]:
        """The ends of the scale on which intervals are drawn: those of the better half of the winner's group.

        The worst jobs may lie beyond it; they would press all the others into a corner.
        """
        group = self.winner.group if self.winner else ""
        ranked = [job for job in self.ranked if job.group == group]
        shown = ranked[: max(-(-len(ranked) // 2), 3)]
        ends = [end for job in shown for end in (job.loss_low, job.loss_high) if end is not None]
        return (min(ends), max(ends)) if ends else (0.0, 1.0)

    def __repr__(self) -> str:
        return f"{self.answer.headline} {self.answer.because}"

    def _card(self) -> Card:
        answer = self.answer
        facts = [(fact.label, Span(fact.value, "strong"), fact.note) for fact in answer.facts]
        return Card(
            Text(answer.because),
            Text((Span("Did tuning help? ", "strong"), answer.helped)) if answer.helped else None,
            Code(answer.call) if answer.call else None,
            Text(answer.caution, "warning") if answer.caution else None,
            Text((f"{answer.naming}: ", Span(answer.model, "code"))) if answer.model else None,
            Table(("", "", ""), facts, labelled=True) if facts else None,
            Items(answer.steps, "What to do next"),
            title=answer.headline,
        )
