"""How good the diagnosis is: `python tests/benchmarks/diagnosis.py [--count 60] [--trained 200] [--guarded 15]`.

Prints one table over simulated families (see `simulator.py`) with the rules people use today beside it, one over runs
that were really trained (see `trained.py`), what a guard costs and saves, and how long a diagnosis takes. Nothing here
was used to choose a setting at the default seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import guarding
import rules
import simulator
import trained

from tunebook.analysis import Results, diagnose, load_results

STRONG = 0.3


@dataclass(frozen=True)
class Outcome:
    """What was true of one run, and what was said of it. `excess`: how much worse than the best kept, by the truth."""

    family: str
    kind: str
    strong: bool
    said: str
    p: float
    onset_error: float
    covered: float
    width: float
    excess: float
    excess_step: float
    last_excess: float
    ms: float
    points: int = 0
    whole: bool = False
    rise_covered: float = np.nan
    lowest_excess: float = np.nan


def judge(case: simulator.Case, **settings) -> Outcome:
    """Diagnose a simulated run as a user would and compare with its truth."""
    results = Results.from_frame(case.frame)
    checkpoints = [{"step_number": s} for s in case.epoch_ends] if case.n_epochs else []
    begin = time.perf_counter()
    d = diagnose(results, n_epochs=case.n_epochs, checkpoints=checkpoints, **settings)
    ms = 1000 * (time.perf_counter() - begin)
    n = len(case.true)
    error = covered = width = np.nan
    if case.kind == "overfitting" and d.verdict == "overfitting":
        low, high = d.onset_interval
        error, covered = abs(d.onset_step - case.onset) / n, float(low <= case.onset <= high)
        width = (high - low) / n
    excess = last = np.nan
    if d.checkpoint is not None:
        kept = case.true[np.array(case.epoch_ends) - 1]
        excess = case.true[d.checkpoint["step"] - 1] / kept.min() - 1
        last = kept[-1] / kept.min() - 1
    step = np.nan if d.recommended_step is None else case.true[d.recommended_step - 1] / case.true.min() - 1
    p = np.nan if d.p_overfitting is None else d.p_overfitting
    strong = case.rise >= STRONG
    whole = "full_valid_loss" in case.frame or "epochs" in case.family
    points = int(case.frame.filter(like="valid").notna().sum().max())
    held = np.nan
    if d.rise_interval is not None and "reward" not in case.family:  # of rewards the rise is on another scale
        low, high = d.rise_interval
        held = float(low - 0.002 <= case.rise <= high + 0.002)
    found = (error, covered, width, excess, step, last, ms, points, whole, held)
    return Outcome(case.family, case.kind, strong, d.verdict, p, *found)


def by_rule(name: str, case: simulator.Case) -> Outcome:
    """What a rule of today says of a simulated run."""
    rule = rules.RULES[name]
    train, valid = series(case.frame)
    said = "overfitting" if rule(train, valid) else "healthy"
    return Outcome(case.family, case.kind, case.rise >= STRONG, said, np.nan, *[np.nan] * 7)


def judge_trained(case: trained.TrainedCase, name: str) -> Outcome:
    """Diagnose a trained run; the truth is the whole validation file at every step, the cost is in test loss."""
    results = Results.from_frame(case.frame)
    checkpoints = [{"step_number": s} for s in case.epoch_ends]
    begin = time.perf_counter()
    d = diagnose(results, n_epochs=case.n_epochs, checkpoints=checkpoints)
    ms = 1000 * (time.perf_counter() - begin)
    n = len(case.valid)
    true = _running_mean(case.valid, max(1, n // 20))
    rise, at = float(true[-1] / true.min() - 1), int(np.argmin(true)) + 1
    kind = "overfitting" if rise >= 0.08 else "unclear" if rise > 0.03 else "healthy"
    if kind == "healthy" and 1 - true[-1] / true[int(0.8 * (n - 1))] > 0.05:
        kind = "not_converged"
    error = covered = width = np.nan
    if kind == d.verdict == "overfitting":
        low, high = d.onset_interval
        error, covered, width = abs(d.onset_step - at) / n, float(low <= at <= high), (high - low) / n
    kept = case.test[np.array(case.epoch_ends) - 1]
    excess = case.test[d.checkpoint["step"] - 1] / kept.min() - 1 if d.checkpoint else np.nan
    smooth = _running_mean(case.test, max(1, n // 20))
    step = np.nan if d.recommended_step is None else smooth[d.recommended_step - 1] / smooth.min() - 1
    p = np.nan if d.p_overfitting is None else d.p_overfitting
    last, lowest = kept[-1] / kept.min() - 1, np.nan
    if "full_valid_loss" in case.frame:
        full = case.frame["full_valid_loss"].dropna().to_numpy()[-len(kept) :]
        lowest = kept[int(np.argmin(full))] / kept.min() - 1
    found = (error, covered, width, excess, step, last, ms)
    return Outcome(name, kind, rise >= STRONG, d.verdict, p, *found, lowest_excess=lowest)


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def series(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation measurements of a frame, less is better, blanks left out."""
    column = next(c for c in ("valid_loss", "valid_mean_token_accuracy", "valid_mean_reward") if c in frame)
    train = next(c for c in ("train_loss", "train_mean_token_accuracy", "train_mean_reward") if c in frame)
    turn = {"valid_loss": lambda v: v, "valid_mean_token_accuracy": lambda v: 1 - v}.get(column, lambda v: 2 - v)
    return turn(frame[train].dropna().to_numpy()), turn(frame[column].dropna().to_numpy())


def summary(outcomes: Iterable[Outcome], name: str) -> dict[str, object]:
    """One line of the table."""
    o = pd.DataFrame(list(outcomes))
    over, flagged = o.kind == "overfitting", o.said == "overfitting"
    decided = o.said != "inconclusive"
    with np.errstate(all="ignore"):
        return {
            "": name,
            "runs": len(o),
            "false alarms healthy": flagged[o.kind == "healthy"].mean(),
            "false alarms all": flagged[~over].mean(),
            "recall strong": flagged[over & o.strong].mean(),
            "recall": flagged[over].mean(),
            "precision": over[flagged].mean(),
            "right when decided": (o.said == o.kind)[decided].mean(),
            "inconclusive": 1 - decided.mean(),
            "onset error": o.onset_error.median(),
            "covered": o.covered.mean(),
            "width": o.width.median(),
            "checkpoint excess": o.excess.mean(),
            "(last)": o.last_excess.mean(),
            "(lowest)": o.lowest_excess.mean(),
            "step excess": o.excess_step.mean(),
            "ms": o.ms.median(),
        }


def table(rows: list[dict[str, object]]) -> str:
    """Lines of Markdown."""
    frame = pd.DataFrame(rows)
    small = {"checkpoint excess", "(last)", "(lowest)", "step excess", "loss by false stops", "best model lost"}

    def show(column: str, value: object) -> str:
        if isinstance(value, str | int | np.integer):
            return str(value)
        if not np.isfinite(value):
            return "-"
        if column == "ms":
            return f"{value:.1f}"
        return f"{100 * value:.2f} %" if column in small else f"{value:.3f}"

    head = "| " + " | ".join(frame.columns) + " |\n|" + "---|" * len(frame.columns)
    body = ["| " + " | ".join(show(c, row[c]) for c in frame.columns) + " |" for row in rows]
    return "\n".join([head, *body])


def simulated(runs: list[simulator.Case], found: list[Outcome]) -> list[dict[str, object]]:
    """Lines for each family, for all together, and for each rule of today over the same runs."""
    rows = [summary([o for o in found if o.family == f], f) for f in simulator.FAMILIES]
    rows.append(summary(found, "**all**"))
    rows.append(summary([o for o in found if not o.whole], "batches only"))
    rows += [summary([by_rule(name, case) for case in runs], f"rule: {name}") for name in rules.RULES]
    return rows


def really_trained(count: int, seed: int) -> list[dict[str, object]]:
    """Lines for trained runs by what their files show, and the rules over the same runs."""
    rows = []
    for shows in ("batch", "both", "full", "epochs"):
        runs = [trained.train(seed + i, shows=shows) for i in range(count)]
        found = [judge_trained(case, shows) for case in runs]
        rows.append(summary([o for o in found if o.kind != "unclear"], f"trained: {shows}"))
        if shows == "epochs":
            for name, rule in rules.RULES.items():
                said = ["overfitting" if rule(*series(c.frame)) else "healthy" for c in runs]
                line = [Outcome(o.family, o.kind, o.strong, s, *[np.nan] * 8) for o, s in zip(found, said, strict=True)]
                rows.append(summary([o for o in line if o.kind != "unclear"], f"rule: {name} (trained: epochs)"))
    return rows


def whole_files(count: int, seed: int) -> list[dict[str, object]]:
    """Lines for trained runs with 4 or more whole-file measurements, all epochs kept; and for the plain rule on these.

    The rule: the last `full_valid_loss` is more than 1.05 times the lowest.
    """
    runs = [run for i in range(count) if (run := trained.train(seed + i, shows="both")).n_epochs >= 4]
    found = [judge_trained(run, "") for run in runs]
    lines = []
    for outcome, run in zip(found, runs, strict=True):
        full = run.frame["full_valid_loss"].dropna()
        said = "overfitting" if full.iloc[-1] > 1.05 * full.min() else "healthy"
        lines.append(Outcome("", outcome.kind, outcome.strong, said, *[np.nan] * 8))
    clear = [place for place, outcome in enumerate(found) if outcome.kind != "unclear"]
    return [
        summary([found[place] for place in clear], "trained: 4 or more of the whole file"),
        summary([lines[place] for place in clear], "rule: last > 1.05 x lowest of the whole file"),
    ]


def calibration(found: list[Outcome]) -> str:
    """What p_overfitting says and how often it is true, with whole-file measurements and with batches only."""
    lines = []
    for whole in (True, False):
        o = pd.DataFrame([o for o in found if o.whole == whole and np.isfinite(o.p)])
        bins = pd.cut(o.p, (-1, 0.01, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99, 1))
        by = o.assign(true=o.kind == "overfitting").groupby(bins, observed=True)
        error = float(((by.p.mean() - by.true.mean()).abs() * by.size()).sum() / len(o))
        told = zip(by.p.mean(), by.true.mean(), by.size(), strict=True)
        cells = [f"{said:.2f} {true:.2f} ({n})" for said, true, n in told]
        kind = "with the whole file" if whole else "batches only"
        lines.append(f"p_overfitting, {kind}: expected calibration error {error:.3f}; said, true (runs): ")
        lines[-1] += ", ".join(cells)
    return "\n".join(lines)


def coverage(found: list[Outcome], count: int, seed: int) -> str:
    """How often the onset interval and the rise interval hold (label of both: 90 %), by the number of measurements."""
    o = pd.DataFrame(found)
    onset = o.dropna(subset="covered").groupby(pd.cut(o.points, (0, 59, 120, np.inf)), observed=True).covered
    told = zip(onset.mean().index, onset.mean(), onset.size(), strict=True)
    cells = [f"{length}: {share:.3f} of {n}" for length, share, n in told]
    lines = ["onset interval by measurements, " + ", ".join(cells)]
    for family in simulator.LENGTHS:
        of = pd.DataFrame([judge(simulator.simulate(family, seed + i)) for i in range(count)]).dropna(
            subset="rise_covered"
        )
        lines.append(f"rise interval, {family}: {of.rise_covered.mean():.3f} of {len(of)}")
    return "\n".join(lines)


def learning(found: list[Outcome], count: int, seed: int) -> str:
    """How many of runs that learned nothing are found, and of how many others it is said."""
    still = np.mean([diagnose(simulator.flat(seed + i)).verdict == "not_learning" for i in range(count)])
    wrong = np.mean([o.said == "not_learning" for o in found])
    return f"learned nothing: {still:.3f} of {count} found, wrongly said of {wrong:.4f} of {len(found)}"


def guards(count: int, seed: int) -> list[dict[str, object]]:
    """Lines for the guard as it comes and with less or more patience."""
    runs = list(simulator.cases(count, first_seed=seed))
    return [guarding.measure(runs, **settings) for settings in ({}, {"patience": 1}, {"patience": 5})]


def speed(repeats: int = 3) -> str:
    """Time of a diagnosis over files of all lengths, one of 5,000 steps among them, on this machine now."""
    frames = [case.frame for case in simulator.cases(10, first_seed=1)]
    times = []
    for frame in frames * repeats:
        results = Results.from_frame(frame)
        begin = time.perf_counter()
        diagnose(results)
        times.append(1000 * (time.perf_counter() - begin))
    return f"diagnose: median {np.median(times):.1f} ms, 95th percentile {np.quantile(times, 0.95):.1f} ms"


def loading(rows: int = 5000, repeats: int = 30) -> str:
    """Time of reading a result file, as a multiple of pandas.read_csv alone."""
    rng = np.random.default_rng(0)
    columns = ("train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy")
    table = pd.DataFrame({"step": np.arange(1, rows + 1)} | {c: rng.random(rows) for c in columns})
    table.loc[table.index % 10 != 0, ["valid_loss", "valid_mean_token_accuracy"]] = np.nan
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.csv"
        table.to_csv(path, index=False)
        ours, theirs = [], []
        for _ in range(repeats):
            for read, times in ((pd.read_csv, theirs), (load_results, ours)):
                begin = time.perf_counter()
                read(path)
                times.append(time.perf_counter() - begin)
    return f"load_results: {np.median(ours) / np.median(theirs):.2f} x pandas.read_csv ({rows:,} rows)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60, help="runs of each family")
    parser.add_argument("--seed", type=int, default=100_000)
    parser.add_argument("--trained", type=int, default=200, help="runs that are really trained")
    parser.add_argument("--guarded", type=int, default=15, help="runs of each family shown to a guard")
    asked = parser.parse_args()
    if asked.count:
        runs = list(simulator.cases(asked.count, first_seed=asked.seed))
        found = [judge(case) for case in runs]
        print(table(simulated(runs, found)))
        print("\n" + calibration(found))
        print("\n" + coverage(found, asked.count, asked.seed))
        print("\n" + learning(found, asked.count, asked.seed))
    if asked.trained:
        print("\n" + table(really_trained(asked.trained, asked.seed)))
        print("\n" + table(whole_files(asked.trained, asked.seed)))
    if asked.guarded:
        print("\n" + guarding.flips(simulator.cases(asked.guarded, first_seed=asked.seed)))
        print("\n" + table(guards(asked.guarded, asked.seed)))
    print(f"\n{speed()}\n{loading()}")


if __name__ == "__main__":
    main()
