"""What came of trying a grader: the rewards of every answer, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebook.data.check_report import folds, grouped
from tunebook.data.rules.problem import Problem
from tunebook.experiments.grading.judging import agreement, means, share, with_best_constant
from tunebook.experiments.grading.probes import ADVERSARIAL, BASE, CONSTANT, EMPTY, KINDS, RIGHT
from tunebook.show import Bars, Card, Inline, Share, Shown, Span, Table, Text
from tunebook.words import number, percent, plural

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("kind", "example", "answer", "reward", "problem")
_BINS = 10
_EXCERPT = 70


@dataclass(frozen=True, eq=False)
class GraderTrial(Shown):
    """A grader, tried: `frame` has one row an answer; `findings` are what stands against it, in the shape of `check`.

    frame: kind (right, wrong, empty, constant, …, base), example (its line, from 1), answer, reward, problem ("" where
    it was graded) and, where two graders were tried, against: the other one's reward. graded_by: who graded.

    >>> exact = {"type": "string_check", "name": "exact", "operation": "like"}
    >>> exact |= {"input": "{{sample.output_text}}", "reference": "{{item.label}}"}
    >>> items = [{"messages": [{"role": "user", "content": "?"}], "label": label} for label in ("yes", "no", "maybe")]
    >>> [finding.rule for finding in tb.try_grader(exact, items).findings]
    ['hackable']
    """

    name: str
    dataset: str
    grader: Mapping[str, Any]
    frame: pd.DataFrame
    findings: tuple[Problem, ...]
    graded_by: str

    @property
    def ok(self) -> bool:
        """Whether nothing was found that makes training with this grader pointless."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def floor(self) -> float | None:
        """The mean reward of empty answers."""
        return means(self.frame).get(EMPTY)

    @property
    def ceiling(self) -> float | None:
        """The mean reward of right answers."""
        return means(self.frame).get(RIGHT)

    @property
    def hackability(self) -> float | None:
        """The most of a right answer's reward that an answer gets which knows nothing of the question."""
        if self.ceiling is None:
            return None
        by_kind, floor = means(self.frame), self.floor or 0.0
        got = [share(by_kind[k], floor, self.ceiling) for k in (CONSTANT, *ADVERSARIAL) if k in by_kind]
        return max((each for each in got if each is not None), default=None)

    @property
    def agreement(self) -> float | None:
        """Kendall's tau-b of the two graders over all answers; None where one was tried."""
        return agreement(self.frame)

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.frame.empty:
            return "Nothing was graded."
        if not self.ok:
            return "Training with this grader would teach the wrong thing."
        doubts = sum(finding.severity == "warning" for finding in self.findings)
        return f"Usable, with {plural(doubts, 'warning')}." if doubts else "Nothing stands against this grader."

    @property
    def table(self) -> pd.DataFrame:
        """One row a kind (of constant answers the best one): answers, mean, lowest, highest and distinct rewards."""
        by_kind = with_best_constant(self.frame).groupby("kind", sort=False)["reward"]
        table = by_kind.agg(["size", "mean", "min", "max", "nunique"])
        table.columns = ["answers", "mean", "lowest", "highest", "distinct"]
        return table.reindex(index=[kind for kind in KINDS if kind in table.index])

    def __repr__(self) -> str:
        lines = [f"{self.name} on {self.dataset}: {self.sentence}"]
        for kind, row in self.table.iterrows():
            lines.append(
                f"  {kind}: {number(row['mean'])} on average, {number(row['lowest'])} to {number(row['highest'])}, "
                f"{plural(int(row['answers']), 'answer')}"
            )
        return "\n".join([*lines, *(f"  {finding}" for finding in self.findings)])

    def _card(self) -> Card:
        facts = [f"Graded {self.graded_by}."]
        if (most := self.hackability) is not None:
            facts.append(
                f"An answer that knows nothing of the question gets up to {percent(max(most, 0))} of the reward."
            )
        if self.agreement is not None:
            facts.append(f"The second grader agrees with Kendall's tau {number(self.agreement, 2)}.")
        warned = any(finding.severity == "warning" for finding in self.findings)
        return Card(
            Text(" ".join(facts)),
            None if self.frame.empty else self._rewards(),
            None if self.frame.empty else self._histogram(),
            *folds(grouped(self.findings, {})),
            title=f"{self.name} on {self.dataset}",
            badge=self.sentence,
            tone="bad" if not self.ok else "warning" if warned else "good",
        )

    def _rewards(self) -> Table:
        frame, rows = with_best_constant(self.frame), list[list[Inline]]()
        highest = float(frame["reward"].max()) or 1.0
        for kind, row in self.table.iterrows():
            first = frame[frame["kind"] == kind].iloc[0]
            reward = Share(number(row["mean"], 3), share=float(row["mean"]) / highest)
            span = f"{number(row['lowest'], 3)} to {number(row['highest'], 3)}"
            counts = [f"{int(row['answers'])}", f"{int(row['distinct'])}"]
            rows.append([str(kind), *counts, reward, span, Span(_short(str(first["answer"])), "words muted")])
        heads = ("answers", "number", "distinct rewards", "mean reward", "range", "for instance")
        return Table(heads, rows, "Rewards by kind of answer", numeric=(1, 2, 3, 4), labelled=True)

    def _histogram(self) -> Bars:
        """The base model's rewards, which training starts from; without a base model those of all answers."""
        based = self.frame[self.frame["kind"] == BASE]
        rewards = (based if len(based) else self.frame)["reward"]
        low, high = min(0.0, float(rewards.min())), max(1.0, float(rewards.max()))
        width = (high - low) / _BINS
        places = ((rewards - low) / width).astype(int).clip(upper=_BINS - 1).value_counts()
        bars = [
            (
                f"{number(low + i * width, 2)} to {number(low + (i + 1) * width, 2)}: {places.get(i, 0)}",
                places.get(i, 0),
            )
            for i in range(_BINS)
        ]
        of = "the base model's answers" if len(based) else "all answers"
        return Bars(bars, f"Rewards of {of}", (number(low, 2), f"reward of {of}", number(high, 2)))


def _short(answer: str) -> str:
    one_line = " ".join(answer.split())
    return one_line if len(one_line) <= _EXCERPT else f"{one_line[:_EXCERPT]} …"
