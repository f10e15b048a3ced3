"""What a report says: frozen records, built from a comparison without drawing or writing anything.

    Report
    ├── Answer        what to do, how sure that is, what it cost, what next
    ├── Job, …        the evidence: one record a job, ranked ones first
    ├── Mattered      what each hyperparameter did
    ├── Evaluation    base against tuned on held-out examples, where there is one
    └── Provenance    where every number comes from

All strings are plain text as it came; whoever writes it into a page escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tunebook.report.evaluation import Evaluation


@dataclass(frozen=True)
class Fact:
    """One figure of the answer: what it is, the figure, a note under it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """`headline` is one sentence; `because` a short paragraph; `model` a name to copy, "" for none.

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


@dataclass(frozen=True)
class Job:
    """One job as the evidence shows it. Empty strings stand for what is not known.

    `value`, `low`, `high` are the expected validation loss (or reward) and its interval as numbers, None when the job
    is not ranked; `settings` are its hyperparameters by name.
    """

    id: str
    label: str
    suffix: str
    verdict: str
    reason: str
    settings: Mapping[str, str]
    seed: str
    winner: bool = False
    alike: bool = False
    group: str = ""
    place: str = ""
    place_range: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    value_text: str = ""
    interval_text: str = ""
    behind: str = ""
    p_best: float | None = None
    accuracy: str = ""
    checkpoint: str = ""
    step: str = ""
    checkpoint_name: str = ""
    tokens: str = ""
    cost: str = ""
    left_out: str = ""

    @property
    def ranked(self) -> bool:
        return self.value is not None

    @property
    def standing(self) -> str:
        """best, as good (cannot be told from the best), or nothing."""
        return "best" if self.winner else "as good" if self.alike else ""


@dataclass(frozen=True)
class Mattered:
    """What one hyperparameter did: `importance` 0 to 1 or None, with the interval and effect as text."""

    name: str
    importance: float | None
    interval: str
    effect: str
    best: str
    note: str


@dataclass(frozen=True)
class Table:
    """A plain table: `caption`, `head` (one a column), `rows` of texts; the first column heads its row.

    `code` names the columns (by place) that hold names to copy, `numbers` those that hold numbers.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    code: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"Table({self.caption!r}: {len(self.rows)} rows)"

    def _repr_html_(self) -> str:
        from tunebook.report.page import table_html

        return table_html(self)


@dataclass(frozen=True)
class Report:
    """Everything a report says; figures are drawn from the comparison beside it.

    In a notebook it shows its answer; `provenance` are tables that show themselves.
    """

    title: str
    subtitle: str
    made: datetime
    answer: Answer
    jobs: tuple[Job, ...]
    varied: tuple[str, ...]
    measure: str
    ranking_notes: tuple[str, ...]
    mattered: tuple[Mattered, ...]
    mattered_notes: tuple[str, ...]
    evaluation: Evaluation | None
    provenance: tuple[Table, ...]
    stand_in: str = ""

    @property
    def ranked(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.ranked)

    @property
    def left_out(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.left_out)

    @property
    def winner(self) -> Job | None:
        return next((job for job in self.jobs if job.winner), None)

    @property
    def several_groups(self) -> bool:
        """Whether jobs were ranked in more than one group, because not all may be compared."""
        return len({job.group for job in self.ranked}) > 1

    def __repr__(self) -> str:
        return f"{self.answer.headline} {self.answer.because}"

    def _repr_html_(self) -> str:
        from tunebook.report.page import answer_html

        return answer_html(self)

    def span(self) -> tuple[float, float]:
        """The ends of the scale on which intervals are drawn: those of the better half of the winner's group.

        The worst jobs may lie beyond it; they would press all the others into a corner.
        """
        group = self.winner.group if self.winner else ""
        ranked = [job for job in self.ranked if job.group == group]
        shown = ranked[: max(-(-len(ranked) // 2), 3)]
        ends = [end for job in shown for end in (job.low, job.high) if end is not None]
        return (min(ends), max(ends)) if ends else (0.0, 1.0)
