"""A row of a comparison, once: `ComparedJob` is what is known of a job, `COLUMNS` how each part of it is shown.

Notebook card, widget, report page and Markdown lay their tables out from these. A new column is two entries: where the
fact is measured (`comparison._facts`, a field of the same name here), and one `Column`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd

from tunebook import words
from tunebook.analysis.curves.diagnosis import Diagnosis
from tunebook.analysis.curves.wording import verdict_span
from tunebook.show import Inline, Share, Span, Table

Standing = Literal["best", "as good", ""]
# "as good": the data cannot tell it from the best.
STANDING_SIGNS: Mapping[str, str] = {"best": "★ ", "as good": "≈ ", "": ""}


@dataclass(frozen=True)
class ComparedJob:
    """One job of a comparison in plain values; None (or "") is what is not known, or not measured.

    The columns of `Comparison.frame` under their names (see there), but for the hyperparameters, which are `settings`
    (name -> value). Beside them: `label`, what to call it (its suffix where no other job has the same, else its id);
    `standing`; `reason`, the sentence of its diagnosis; `step` and `epoch` of the checkpoint to use; `left_out`, why
    it is not ranked with the winner's group; and of the whole comparison its `measure` and the `level` of intervals.
    A job without a rank has None in every column of the ranking (`loss` to `behind`).
    """

    id: str
    label: str
    settings: Mapping[str, Any]
    suffix: str | None = None
    model: str = ""
    seed: int | None = None
    status: str = ""
    verdict: str | None = None
    reason: str = ""
    recommended_step: float | None = None
    step: float | None = None
    epoch: float | None = None
    checkpoint: str | None = None
    observed: float | None = None
    observed_sd: float | None = None
    accuracy: float | None = None
    trained_tokens: float | None = None
    cost_usd: float | None = None
    group: str | None = None
    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None
    p_best: float | None = None
    behind: float | None = None
    train_again: int | None = None
    standing: Standing = ""
    left_out: str = ""
    measure: Literal["loss", "reward"] = "loss"
    level: float = field(default=0.9, repr=False)

    @property
    def ranked(self) -> bool:
        return self.rank is not None

    @property
    def place(self) -> str:
        """Its rank, with the range of ranks that the data leave open: `2 (1–3)`."""
        if self.rank is None:
            return ""
        return f"{self.rank}" if self.rank_low == self.rank_high else f"{self.rank} ({self.rank_low}–{self.rank_high})"

    @property
    def interval(self) -> str:
        """The interval of the loss or reward, with the decimals of the value itself."""
        _, low, high = words.aligned(self.loss, self.loss_low, self.loss_high)
        return words.between(low, high)

    @property
    def distance(self) -> str:
        """How far behind the best of its group: a loss in percent of the best's, a reward as the difference."""
        if not self.behind or self.standing == "best":
            return ""
        return f"+{words.percent(self.behind, 1)}" if self.measure == "loss" else f"−{words.number(self.behind)}"

    @property
    def checkpoint_words(self) -> str:
        """Where in the training the checkpoint to use lies: step 412 (epoch 2)."""
        if self.step is None:
            return ""
        epoch = "" if self.epoch is None else f" (epoch {words.number(self.epoch)})"
        return f"step {words.count(self.step)}{epoch}"


R = TypeVar("R")


@dataclass(frozen=True)
class Column(Generic[R]):
    """One column of a table of records, in every view.

    name: of the record's field. heading: over it; in a comparison's, `{measure}` becomes Loss or Reward and `{level}`
    the coverage of the intervals. cell: how a record's value is said. value: what rows are sorted by, by default the
    field called `name`; None or "" where there is nothing to show. sort: what sorting by it is called, "" where nobody
    would; highest_first: what is wanted first.
    """

    name: str
    heading: str
    cell: Callable[[R], Inline]
    numeric: bool = True
    sort: str = ""
    highest_first: bool = False
    value: Callable[[R], Any] | None = None

    def value_of(self, row: R) -> Any:
        return getattr(row, self.name) if self.value is None else self.value(row)


def jobs_table(rows: Sequence[R], columns: Sequence[Column[R]], caption: str = "", *, labelled: bool = False) -> Table:
    """`rows` as a table of `columns`; with `labelled`, the first names the row."""
    return Table(
        [column.heading for column in columns],
        [[column.cell(row) for column in columns] for row in rows],
        caption,
        numeric=[at for at, column in enumerate(columns) if column.numeric],
        labelled=labelled,
    )


def job_cell(job: ComparedJob) -> tuple[str | Span, ...]:
    """What the job is called: its suffix, where it has one, and its id."""
    return (*((Span(job.suffix, "strong"), " ") if job.suffix else ()), Span(job.id, "code cut", hint=job.id))


def _rank_cell(job: ComparedJob) -> Inline:
    return Span(f"{STANDING_SIGNS[job.standing]}{job.place}", "short")


def _rank_value(job: ComparedJob) -> tuple[int, str, int] | None:
    """Ranks count within a group; groups are lettered A to Z, AA and so on."""
    return None if job.rank is None or job.group is None else (len(job.group), job.group, job.rank)


def _chance_cell(job: ComparedJob) -> Inline:
    return Share(words.probability(job.p_best), share=job.p_best or 0.0)


def _step_cell(job: ComparedJob) -> Inline:
    """The step of the checkpoint to use; or that none kept is good enough, with the epochs to train again with."""
    return words.count(job.step) if job.train_again is None else Span(f"none: n_epochs = {job.train_again}", "short")


WHO: tuple[Column[ComparedJob], ...] = (
    Column("group", "Group", lambda job: job.group or "", numeric=False),
    Column("rank", "Rank", _rank_cell, numeric=False, sort="rank", value=_rank_value),
    Column("id", "Job", job_cell, numeric=False, sort="job"),
    Column("verdict", "Verdict", lambda job: verdict_span(job.verdict), numeric=False, sort="verdict"),
)
# The hyperparameters that differ stand between these and the columns above.
COLUMNS: tuple[Column[ComparedJob], ...] = (
    Column("seed", "Seed", lambda job: words.setting(job.seed), sort="seed"),
    Column("loss", "{measure}", lambda job: words.aligned(job.loss)[0], sort="{measure}"),
    Column("loss_low", "{level} interval", lambda job: job.interval),
    Column("behind", "Behind best", lambda job: job.distance),
    Column("p_best", "P(best)", _chance_cell, sort="chance to be best", highest_first=True),
    Column("step", "Step to use", _step_cell),
    Column(
        "accuracy", "Token accuracy", lambda job: words.percent(job.accuracy, 1), sort="accuracy", highest_first=True
    ),
    Column("trained_tokens", "Tokens", lambda job: words.count(job.trained_tokens), sort="tokens", highest_first=True),
    Column("cost_usd", "Cost", lambda job: words.money(job.cost_usd), sort="cost", highest_first=True),
)


def compared_jobs(
    frame: pd.DataFrame,
    hyperparameters: Sequence[str],
    *,
    diagnoses: Mapping[str, Diagnosis],
    left_out: Mapping[str, str],
    winner: str | None,
    indistinguishable: Sequence[str],
    measure: Literal["loss", "reward"],
    level: float,
) -> tuple[ComparedJob, ...]:
    """One record a row of a comparison's `frame`, in its order."""
    labels = job_labels(frame)
    known = {column.name for column in fields(ComparedJob)}
    jobs = []
    for row in frame.to_dict("records"):
        row = {str(name): _plain(value) for name, value in row.items()}
        job_id = str(row["id"])
        diagnosis = diagnoses.get(job_id)
        kept = diagnosis.checkpoint if diagnosis else None
        values = {name: value for name, value in row.items() if name in known}
        values |= {
            "id": job_id,
            "label": labels[job_id],
            "settings": {name: row[name] for name in hyperparameters},
            "reason": diagnosis.told if diagnosis else "",
            "step": kept["step"] if kept else row.get("recommended_step"),
            "epoch": _plain(kept.get("epoch")) if kept else None,
            "train_again": diagnosis.train_again["n_epochs"] if diagnosis and diagnosis.train_again else None,
            "standing": "best" if job_id == winner else "as good" if job_id in indistinguishable else "",
            "left_out": left_out.get(job_id, ""),
            "measure": measure,
            "level": level,
        }
        jobs.append(ComparedJob(**values))
    return tuple(jobs)


def job_labels(frame: pd.DataFrame) -> dict[str, str]:
    """Job id -> what to call it: its suffix when no other job has the same, else its id, cut where that is enough."""
    if frame.empty:
        return {}
    ids = frame["id"].astype(str)
    short = Counter(map(words.short_id, ids))
    times = Counter(str(suffix) for suffix in frame["suffix"] if not words.missing(suffix))
    named = {
        job_id: str(suffix)
        for job_id, suffix in zip(ids, frame["suffix"], strict=True)
        if not words.missing(suffix) and times[str(suffix)] == 1
    }
    told = {job_id: words.short_id(job_id) if short[words.short_id(job_id)] == 1 else job_id for job_id in ids}
    return told | named


def varied_settings(jobs: Sequence[ComparedJob]) -> tuple[str, ...]:
    """The hyperparameters that differ between those of `jobs` that are ranked (between all, where none is); not to be
    told is a difference."""
    compared = [job for job in jobs if job.ranked] or jobs
    names = jobs[0].settings if jobs else ()
    return tuple(name for name in names if len({words.setting(job.settings[name]) for job in compared}) > 1)


def columns_of(jobs: Sequence[ComparedJob]) -> tuple[Column[ComparedJob], ...]:
    """The columns that `jobs` have something to show in, with the hyperparameters that differ between them."""
    if not jobs:
        return ()
    settings = [_setting_column(name, jobs) for name in varied_settings(jobs)]
    return (
        *(_of(c, jobs) for c in WHO if _shown(c, jobs)),
        *settings,
        *(_of(c, jobs) for c in COLUMNS if _shown(c, jobs)),
    )


def _shown(column: Column[ComparedJob], jobs: Sequence[ComparedJob]) -> bool:
    """Whether any job has a value there; a group or a seed is shown where more than one occurs."""
    values = {value for job in jobs if not words.missing(value := column.value_of(job))}
    return len(values) > (1 if column.name in ("group", "seed") else 0)


def _of(column: Column[ComparedJob], jobs: Sequence[ComparedJob]) -> Column[ComparedJob]:
    """The column for what these jobs are compared by: of a reward the highest is wanted first."""
    measure, level = jobs[0].measure, words.percent(jobs[0].level)
    return replace(
        column,
        heading=column.heading.format(measure=measure.capitalize(), level=level),
        sort=column.sort.format(measure=measure),
        highest_first=column.highest_first or (measure == "reward" and column.name == "loss"),
    )


def _setting_column(name: str, jobs: Sequence[ComparedJob]) -> Column[ComparedJob]:
    told = [value for job in jobs if (value := job.settings[name]) is not None]
    return Column(
        name,
        name,
        lambda job: words.setting(job.settings[name]),
        numeric=all(isinstance(value, int | float) and not isinstance(value, bool) for value in told),
        sort=name,
        value=lambda job: job.settings[name],
    )


def _plain(value: Any) -> Any:
    """A cell of the frame as a value of Python's own; None where it is empty."""
    if words.missing(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
