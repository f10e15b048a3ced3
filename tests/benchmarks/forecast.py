"""How well the end of a run is foretold from its first part, next to three simple forecasts, on the same runs.

    python tests/benchmarks/forecast.py [--cases 20] [--seed 40000]

Truth is the noiseless validation level at the last step: of simulated runs (`simulator.py`) and of really trained
networks (`trained.py`). Errors are |logarithm of forecast over truth|. The baselines: the last smoothed value (mean of
the last tenth), a power law with offset by least squares, and the end of the curve the diagnosis draws.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import simulator
import sweep_families
import trained
from scipy.optimize import curve_fit

from tunebook.analysis.curves.diagnosis import diagnose
from tunebook.analysis.curves.forecast import Forecast, _signals, forecast
from tunebook.analysis.results import Results
from tunebook.analysis.run import Run
from tunebook.experiments.sweeps.guard import LOSER_PATIENCE, Guard

SHARES = (0.25, 0.5, 0.75)
_NOT_LOSS = ("token accuracy only", "reward")


@dataclass(frozen=True, eq=False)
class Case:
    family: str
    frame: pd.DataFrame
    true: np.ndarray
    n_epochs: int | None


def simulated(count: int, seed: int) -> Iterator[Case]:
    for case in simulator.cases(count, first_seed=seed):
        if case.kind != "diverged" and case.family not in _NOT_LOSS:
            yield Case(case.family, case.frame, case.true, case.n_epochs)


def really_trained(count: int, seed: int) -> Iterator[Case]:
    for shows in ("batch", "both", "full", "epochs"):
        for number in range(seed, seed + count):
            case = trained.train(number, shows=shows)
            yield Case(f"trained, {shows}", case.frame, case.valid, case.n_epochs)


def baselines(results: Results, total: int) -> dict[str, float]:
    """Logarithms of three simple forecasts."""
    _, _, signal, _ = _signals(results.frame)
    t, y = signal.step / total, signal.y
    last = float(y[-max(1, len(y) // 10) :].mean())
    diagnosis = diagnose(results, draws=50)
    valley = diagnosis.curve["valid_smooth"].dropna()
    try:
        start = [float(np.exp(y[-1])), float(np.exp(y[0]) - np.exp(y[-1])) + 1e-3, 0.5]
        with warnings.catch_warnings(action="ignore"):
            law, _ = curve_fit(lambda x, a, b, c: a + b * x ** -abs(c), t / t[0], np.exp(y), start, maxfev=2000)
        power = float(np.log(max(law[0] + law[1] * (1 / t[0]) ** -abs(law[2]), 1e-6)))
    except (RuntimeError, ValueError):
        power = last
    return {"last": last, "power law": power, "valley": float(np.log(valley.iloc[-1])) if len(valley) else last}


def look(case: Case, share: float) -> dict[str, object] | None:
    total = int(case.frame["step"].iloc[-1])
    seen = Results.from_frame(case.frame[case.frame["step"] <= share * total])
    if len(_signals(seen.frame)[2]) < 5:
        return None
    truth = float(case.true[-1])
    guesses = baselines(seen, total)
    # An incumbent near where the run is now; drawn around the truth it would give the truth away.
    rival = float(np.exp(guesses["last"] + np.random.default_rng(total).normal(-0.1, 0.2)))
    began = time.perf_counter()
    found: Forecast = forecast(seen, total_steps=total, incumbent=rival, n_epochs=case.n_epochs)
    took = time.perf_counter() - began
    if found.expected is None or found.interval90 is None or found.interval50 is None:
        return None
    errors = {name: abs(guess - np.log(truth)) for name, guess in guesses.items()}
    return errors | {
        "family": case.family,
        "share": share,
        "forecast": abs(np.log(max(found.expected, 1e-9) / truth)),
        "holds90": found.interval90[0] <= truth <= found.interval90[1],
        "holds50": found.interval50[0] <= truth <= found.interval50[1],
        "p_beats": found.p_beats,
        "beat": truth < rival,
        "p_overfits": found.p_overfits,
        "overfits": truth > 1.05 * case.true.min(),
        "ms": 1e3 * took,
    }


def table(looks: pd.DataFrame) -> pd.DataFrame:
    names = ["forecast", "last", "power law", "valley"]
    rows = looks.groupby(["source", "share"])
    out = rows[names].median().add_suffix(", median").join(rows[names].quantile(0.9).add_suffix(", 90th"))
    return out.join(rows[["holds50", "holds90"]].mean()).join(rows["ms"].median()).assign(n=rows.size())


def reliability(looks: pd.DataFrame, said: str, came: str) -> pd.DataFrame:
    groups = pd.cut(looks[said].astype(float), [0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1], include_lowest=True)
    return looks.groupby(groups, observed=True).agg(
        n=(came, "size"), said=(said, "mean"), came=(came, "mean"), source=("source", "first")
    )[["n", "said", "came"]]


# ---- losers stopped while they run

_LOOKS, _AT_ONCE = 20, 3
_SIZES = (12, 24)


def sweeps(count: int, seed: int) -> Iterator[tuple[str, int, sweep_families.Sweep]]:
    """Simulated and really trained sweeps of 12 and of 24 jobs, `count` of each kind and size."""
    for jobs in _SIZES:
        for number in range(seed, seed + count):
            rng = np.random.default_rng([number, jobs])
            few = sweep_families._simulated(sweep_families._few, rng, jobs=jobs, seeds=1, tuned=True, lost=0)
            yield "simulated, few", jobs, few
            many = sweep_families._simulated(sweep_families._many, rng, jobs=jobs, seeds=1, tuned=False, lost=0)
            yield "simulated, many", jobs, many
            lost = int(rng.integers(1, 5))
            diverged = sweep_families._simulated(sweep_families._many, rng, jobs=jobs, seeds=1, tuned=False, lost=lost)
            yield "simulated, diverged", jobs, diverged
            yield "trained", jobs, sweep_families._trained(rng, jobs=jobs)


def stopped_by_guard(runs: list[Run]) -> list[int]:
    """Steps each job comes to, three at a time, under the guard that `Sweep(stop_losers=0.05)` sets up."""
    guard = Guard("pause", incumbent="best", share=0.05, patience=LOSER_PATIENCE)
    total = [int(run.results.frame["step"].iloc[-1]) for run in runs]
    done, looks, waiting, running = [0] * len(runs), [0] * len(runs), list(range(len(runs))), []
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            running.append(waiting.pop(0))
        for job in list(running):
            looks[job] += 1
            done[job] = max(1, round(total[job] * looks[job] / _LOOKS))
            if looks[job] == _LOOKS:
                guard.see(runs[job])
                running.remove(job)
            elif guard.losing(f"job-{job}", _part(runs[job], done[job]), total[job]):
                running.remove(job)
    return done


def successive_halving(runs: list[Run]) -> list[int]:
    """All run to a quarter, the better half of them by the last smoothed value to half, half of those to the end."""
    total = [int(run.results.frame["step"].iloc[-1]) for run in runs]
    done, left = [0] * len(runs), list(range(len(runs)))
    for share in (0.25, 0.5, 1.0):
        for job in left:
            done[job] = max(1, round(share * total[job]))
        last = {job: _last(_part(runs[job], done[job])) for job in left}
        left = sorted(left, key=last.__getitem__)[: max(1, len(left) // 2)]
    return done


def _part(run: Run, step: int) -> Results:
    return Results.from_frame(run.results.frame[run.results.frame["step"] <= step])


def _last(results: Results) -> float:
    y = _signals(results.frame)[2].y
    return float(y[-max(1, len(y) // 10) :].mean()) if len(y) else np.inf


def losers(count: int, seed: int) -> pd.DataFrame:
    rows = []
    for family, jobs, (runs, truths) in sweeps(count, seed):
        everything = [int(truth.steps[-1]) for truth in truths]
        for policy, decide in (("stop_losers", stopped_by_guard), ("successive halving", successive_halving)):
            done = decide(runs)
            best = [float(truth.own.min()) for truth in truths]
            had = [float(t.own[t.steps <= max(d, t.steps[0])].min()) for t, d in zip(truths, done, strict=True)]
            winner = int(np.argmin(best))
            rows.append(
                {
                    "policy": policy,
                    "jobs": jobs,
                    "family": family,
                    "steps saved": 1 - sum(done) / sum(everything),
                    "regret": min(had) / min(best) - 1,
                    "best stopped before its best": had[winner] > best[winner] * 1.0001,
                    "sweeps": 1,
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=20)
    options.add_argument("--seed", type=int, default=40_000)
    options.add_argument("--families", action="store_true")
    options.add_argument("--sweeps", type=int, default=0, help="measure the stopping of losers on so many of each kind")
    asked = options.parse_args()
    if asked.sweeps:
        found = losers(asked.sweeps, asked.seed)
        with pd.option_context("display.width", 200, "display.precision", 3):
            for by in (["policy", "jobs"], ["policy", "family"]):
                told = found.groupby(by)
                means = told[["steps saved", "regret", "best stopped before its best"]].mean()
                print(means.join(told["sweeps"].sum()).to_string())
        return
    looks = [
        row | {"source": source}
        for source, cases in (("simulated", simulated), ("trained", really_trained))
        for case in cases(asked.cases, asked.seed)
        for share in SHARES
        if (row := look(case, share)) is not None
    ]
    frame = pd.DataFrame(looks)
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.precision", 3):
        print("|log error| of the loss at the end, and how often the intervals hold\n", table(frame).to_string())
        if asked.families:
            half = frame[frame["share"] == 0.5]
            print(half.groupby("family")[["forecast", "last", "holds50", "holds90"]].agg("mean").to_string())
        print("\nProbability of beating an incumbent\n", reliability(frame, "p_beats", "beat").to_string())
        print("\nProbability of ending overfitted\n", reliability(frame, "p_overfits", "overfits").to_string())


if __name__ == "__main__":
    main()
