"""Would more examples help? The loss over the number of training examples, from runs on parts of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tunebook.analysis.curves.ahead import EXAMPLES, draw_ahead
from tunebook.analysis.curves.forecast import ended, forecast
from tunebook.analysis.run import Run
from tunebook.errors import RequestError
from tunebook.money import paid, per_million, tier_of
from tunebook.show import Card, Shown, Table, Text
from tunebook.words import aligned, between, count, is_number, listed, money, number, percent, plural

CANNOT = "It cannot be told whether more examples help"
TIMES = (1.5, 2.0, 4.0)
# What a seed is worth before looking: a standard deviation, and the degrees of freedom it counts for.
_LUCK, _BELIEF = 0.006, 2.0
_DRAWS = 2000
FEWEST_SIZES = 3
# Of twice the data: less than this gain is nothing, and beyond this it is a fortune.
_NOTHING, _FORTUNE = 0.01, 0.05


@dataclass(frozen=True, eq=False)
class MoreData(Shown):
    """What more training examples are expected to bring.

    `answer` is yes, hardly, or "cannot be told". `frame` has a row for each multiple of the largest part: `times`,
    `examples`, `expected` (loss), `low50`, `high50`, `low90`, `high90`, `gain` (fraction of the loss there is now) and
    `gain_low`, `gain_high` (90 % interval), `p_lower` (the probability that the loss falls at all), `gain_per_100`
    examples, `usd` (what a job on them costs more, None where no price is known) and `gain_per_usd`. `measured` has a
    row a part: `examples`, `loss`, `sd` (of its logarithm), `jobs`. `curve` are the same levels over all numbers of
    examples. `sentence` says it.

    >>> more = tb.more_data(tb.read_runs("runs"), examples={"file-train": 100})
    >>> more.answer, more.sentence
    ('cannot be told', '...')
    """

    answer: str
    sentence: str
    frame: pd.DataFrame
    measured: pd.DataFrame = field(repr=False)
    curve: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    def __repr__(self) -> str:
        return f"MoreData({self.sentence})"

    def to_json(self) -> dict[str, Any]:
        tables = {"frame": self.frame, "measured": self.measured}
        return {"answer": self.answer, "sentence": self.sentence} | {
            name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()
        }

    def _card(self) -> Card:
        rows = []
        for row in self.frame.to_dict("records"):
            expected, low, high = aligned(row["expected"], row["low90"], row["high90"])
            gain = between(percent(row["gain_low"]), percent(row["gain_high"]))
            cost = money(row["usd"])
            rows.append((f"{row['times']:g} ×", count(row["examples"]), expected, between(low, high), gain, cost))
        head = ("Data", "Examples", "Expected loss", "90 % interval", "Lower by", "Training costs more")
        seen = [(count(r["examples"]), number(r["loss"], 4), str(r["jobs"])) for r in self.measured.to_dict("records")]
        return Card(
            Text(self.sentence),
            Table(head, rows, "More examples", numeric=range(1, 6)) if rows else None,
            Table(("Examples", "Loss", "Jobs"), seen, "Measured", numeric=range(3)) if seen else None,
            badge="More data",
        )


def more_data(source: Any, *, examples: Mapping[str, int] | None = None, seed: int = 0) -> MoreData:
    """The loss that more training examples would give, from jobs on nested parts of a file (see `plan_parts`).

    source: a sweep of parts, a comparison, or runs: of one model, one validation file and the same settings, with parts
    of three sizes at least. examples: training file id -> number of examples; a sweep of parts knows it. Runs that have
    not succeeded, or of files whose size is not told, are left out, and counted in the sentence. The curve is a power
    law with an offset, an exponential or both in turn, weighed by what was measured; its intervals hold the luck of
    seeds (jobs on the same part) and the noise of validation. Raises RequestError for a size that is no number.

    >>> tb.more_data(tb.read_runs("runs"), examples={"file-train": 100})
    MoreData(It cannot be told whether more examples help: ...)
    """
    runs = getattr(source, "runs", source)
    runs = [run for run in (runs() if callable(runs) else runs) if isinstance(run, Run)]
    sizes = dict(examples or getattr(source, "examples", None) or {})
    if wrong := [name for name, size in sizes.items() if not is_number(size) or size != int(size) or size < 1]:
        raise RequestError(f"examples[{wrong[0]!r}] is {sizes[wrong[0]]!r}: a whole number from 1 is asked for.")
    used = [run for run in runs if run.status == "succeeded" and run.results is not None and run.training_file in sizes]
    levels = levels_of(used, sizes)
    out = f" {plural(len(runs) - len(used), 'job')} left out: not succeeded, or of a file whose size is not told."
    out = out if len(used) < len(runs) else ""
    if why := _why_not(used, levels):
        return MoreData("cannot be told", f"{CANNOT}: {why}{out}", pd.DataFrame(), pd.DataFrame())
    most = int(levels["examples"].max())
    measured, curve = foretold(levels, usd=_usd(used, sizes, most), seed=seed)
    answer, sentence = _said(curve, _another_epoch([run for run in used if sizes[str(run.training_file)] == most]))
    told = measured.assign(loss=np.exp(measured["level"]))[["examples", "loss", "sd", "jobs"]]
    return MoreData(answer, sentence + out, curve[curve["times"].isin(TIMES)].reset_index(drop=True), told, curve)


def levels_of(runs: Iterable[Run], sizes: Mapping[str, int]) -> pd.DataFrame:
    """A row a job: `examples`, the `level` (logarithm) of the best it came to and its `sd`."""
    rows = []
    for run in runs:
        end = None if run.results is None else ended(run.results)
        if end is not None and end.lowest is not None:
            rows.append((sizes[str(run.training_file)], float(np.mean(end.lowest)), float(np.std(end.lowest))))
    return pd.DataFrame(rows, columns=["examples", "level", "sd"])


def foretold(levels: pd.DataFrame, *, usd: float | None, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was measured of each size, and the curve over all sizes, with the columns of `MoreData.frame`.

    levels: as `levels_of` gives them. usd: what a job on the largest size costs.
    """
    measured = _measured(levels)
    most = int(measured["examples"].iloc[-1])
    at = np.unique([1.0, *TIMES, *np.geomspace(float(measured["examples"].iloc[0]) / most, TIMES[-1], 24)])
    curves = draw_ahead(
        measured["examples"].to_numpy(float) / (TIMES[-1] * most),
        measured["level"].to_numpy(),
        measured["sd"].to_numpy(),
        at / TIMES[-1],
        p_rise=0.02,
        beliefs=EXAMPLES,
        draws=_DRAWS,
        rng=np.random.default_rng(seed),
    )
    return measured, _frame(curves, at, most, usd)


def _why_not(used: Iterable[Run], levels: pd.DataFrame) -> str:
    for name, of in (("models", "model"), ("validation files", "validation_file")):
        found = sorted({str(getattr(run, of)) for run in used})
        if len(found) > 1:
            return f"the jobs have different {name}, {listed(found)}; compare those of one."
    settings = [{k: v for k, v in run.hyperparameters.items() if v is not None} for run in used]
    names = sorted({name for each in settings for name in each})
    if differ := [name for name in names if len({str(each.get(name)) for each in settings}) > 1]:
        return f"the jobs differ in {listed(differ)} as well; what that does cannot be told from what data do."
    sizes = levels["examples"].nunique()
    if sizes < FEWEST_SIZES:
        have = f"{plural(len(levels), 'job')} on {plural(sizes, 'number')} of examples"
        return f"there are {have}, and {FEWEST_SIZES} numbers are needed (`tb.plan_parts` plans them)."
    return ""


def _measured(levels: pd.DataFrame) -> pd.DataFrame:
    """A row a size: mean `level` (logarithm) and its `sd`, with what jobs of the same size differ by."""
    groups = levels.groupby("examples")
    means, jobs = groups["level"].mean(), groups.size()
    within = float(((levels["level"] - groups["level"].transform("mean")) ** 2).sum())
    luck = (_BELIEF * _LUCK**2 + within) / (_BELIEF + len(levels) - len(means))
    noise = groups["sd"].apply(lambda sd: float((sd**2).mean()))
    sd = np.sqrt(np.maximum(luck, noise) / jobs)
    return pd.DataFrame({"level": means, "sd": sd, "jobs": jobs}).reset_index()


def _frame(curves: np.ndarray, at: np.ndarray, most: int, usd: float | None) -> pd.DataFrame:
    gains = 1 - np.exp(curves - curves[:, [int(np.argmin(np.abs(at - 1)))]])
    levels = np.exp(np.quantile(curves, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0))
    low, gain, high = np.quantile(gains, (0.05, 0.5, 0.95), axis=0)
    more = (at - 1) * most
    with np.errstate(divide="ignore", invalid="ignore"):
        costs = np.where(at > 1, (at - 1) * (np.nan if usd is None else usd), np.nan)
        return pd.DataFrame(
            {
                "times": at,
                "examples": np.round(at * most).astype(int),
                "expected": levels[2],
                "low50": levels[1],
                "high50": levels[3],
                "low90": levels[0],
                "high90": levels[4],
                "gain": gain,
                "gain_low": low,
                "gain_high": high,
                "p_lower": (gains > 0).mean(axis=0),
                "gain_per_100": np.where(more > 0, 100 * gain / more, np.nan),
                "usd": costs,
                "gain_per_usd": gain / costs,
            }
        )


def _usd(used: Iterable[Run], sizes: Mapping[str, int], most: int) -> float | None:
    """US dollars of a job on the largest part, the mean of those there were."""
    costs = [
        paid(run.trained_tokens, per_million(run.model, tier_of(run.job)))
        for run in used
        if sizes[str(run.training_file)] == most
    ]
    known = [cost for cost in costs if cost is not None]
    return float(np.mean(known)) if known else None


def _another_epoch(runs: Iterable[Run]) -> tuple[float, float] | None:
    """The gain of one more epoch on all the data, at most and at least as 90 % of it says; None when not known."""
    found = []
    for run in runs:
        epochs = run.hyperparameters["n_epochs"]
        if isinstance(epochs, int) and epochs > 0 and run.results is not None:
            last = int(run.results.frame["step"].iloc[-1])
            ahead = forecast(run.results, total_steps=round(last * (epochs + 1) / epochs))
            if ahead.expected is not None and ahead.interval90 is not None:
                now = float(ahead.curve.loc[ahead.curve["step"] <= last, "expected"].min())
                found.append([1 - end / now for end in (ahead.interval90[1], ahead.interval90[0])])
    if not found:
        return None
    low, high = np.mean(found, axis=0)
    return float(low), float(high)


def _said(frame: pd.DataFrame, epoch: tuple[float, float] | None) -> tuple[str, str]:
    twice = frame[frame["times"] == 2].iloc[0]
    low, high = float(twice["gain_low"]), float(twice["gain_high"])
    if low < _NOTHING and high > _FORTUNE:
        return "cannot be told", (
            f"{CANNOT}: twice the data may change the loss by nothing, or lower it by {percent(high)}. "
            "More seeds, or parts of more sizes, would tell."
        )
    other = "" if epoch is None else f"; another epoch by {_span(*epoch)}"
    answer = "yes" if low >= _NOTHING else "hardly"
    return answer, f"Twice the data is expected to lower the loss by {_span(low, high)}{other}."


def _span(low: float, high: float) -> str:
    if high < _NOTHING:
        return "less than 1 %"
    return f"{percent(high)} at most" if low < 0 else between(percent(low), percent(high))
