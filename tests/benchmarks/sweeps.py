"""Simulated sweeps with known truth, and the figures that the comparison of runs is held to.

    python tests/benchmarks/sweeps.py                       every table (some minutes)
    python tests/benchmarks/sweeps.py ranking --sweeps 20   quicker; one or some of the names in TABLES

Surfaces, noise and curves are drawn here and in `sweep_families`, from fixed seeds; nothing in `tunebook` knows them.
Optuna, where it is installed, stands in the table of importances; nothing else needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import next_jobs
import numpy as np
import pandas as pd
from scipy.stats import kendalltau, qmc
from sweep_families import FAMILIES, simulate

from tunebook.analysis import Results, Run, compare
from tunebook.analysis.sweeps.importance import Importance, importance
from tunebook.analysis.sweeps.ranking import Measure, configurations, rank_jobs
from tunebook.analysis.sweeps.surface import fit_surface
from tunebook.experiments import read_runs

# Constants of the comparison were chosen on sweeps of smaller seeds.
SEED = 1000

SPACE = {
    "n_epochs": (1, 2, 3, 4, 6, 8),
    "batch_size": (2, 4, 8, 16, 32, 64),
    "learning_rate_multiplier": (0.02, 0.05, 0.1, 0.3, 1.0, 2.0),
    "dummy": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
}
RANGES = {
    "n_epochs": (1.0, 8.0),
    "batch_size": (2.0, 64.0),
    "learning_rate_multiplier": (0.02, 2.0),
    "dummy": (0.0, 1.0),
}
LOGARITHMIC = {"batch_size", "learning_rate_multiplier"}


def unit(name: str, value: float) -> float:
    low, high = RANGES[name]
    if name in LOGARITHMIC:
        return float(np.log(value / low) / np.log(high / low))
    return (value - low) / (high - low)


def smooth_surface(epochs: float, batch: float, rate: float, seed: int) -> float:
    """Log loss over the unit box: a bowl in the learning rate whose optimum moves with batch size and epochs."""
    rng = np.random.default_rng([seed, 11])
    optimum = rng.uniform(0.3, 0.6)
    bowl = rng.uniform(0.8, 1.6) * (rate - optimum - 0.25 * (batch - 0.5) + 0.2 * (epochs - 0.5)) ** 2
    return np.log(0.8) + bowl + rng.uniform(0.1, 0.4) * (epochs - rng.uniform(0.3, 0.7)) ** 2 + 0.05 * batch


def cliff_surface(epochs: float, batch: float, rate: float, seed: int) -> float:
    """Log loss over the unit box: a plateau that ends in a cliff where the learning rate is too high for the batch."""
    rng = np.random.default_rng([seed, 12])
    edge = rng.uniform(0.6, 0.8) + 0.25 * (batch - 0.5)
    cliff = rng.uniform(0.3, 0.6) / (1 + np.exp(-(rate - edge) / 0.03))
    return np.log(0.8) + cliff + rng.uniform(0.1, 0.3) * np.exp(-4 * rate) + 0.4 * (epochs - 0.4) ** 2


SURFACES: Mapping[str, Callable[[float, float, float, int], float]] = {"smooth": smooth_surface, "cliff": cliff_surface}


def truth(surface: str, settings: Mapping[str, float], seed: int) -> float:
    """True log loss of a configuration."""
    at = {name: unit(name, settings[name]) for name in ("n_epochs", "batch_size", "learning_rate_multiplier")}
    return SURFACES[surface](at["n_epochs"], at["batch_size"], at["learning_rate_multiplier"], seed)


def sweep_frame(
    n: int, *, surface: str = "smooth", noise: float = 0.02, seeds: int = 1, seed: int = 0, dummy: bool = True
) -> pd.DataFrame:
    """`n` jobs at random values of the space, as the ranking takes them, with the truth in column `true`."""
    rng = np.random.default_rng([seed, 1])
    names = [name for name in SPACE if dummy or name != "dummy"]
    rows = []
    for _ in range(n // seeds):
        settings = {name: rng.choice(SPACE[name]) for name in names}
        true = truth(surface, settings, seed)
        for repeat in range(seeds):
            observed = np.exp(true + rng.normal(0, noise))
            rows.append(
                {"id": f"job-{len(rows)}", **settings, "seed": repeat, "observed": observed, "true": np.exp(true)}
            )
    return pd.DataFrame(rows)


def simulated_run(
    job_id: str,
    settings: Mapping[str, float],
    *,
    final: float,
    seed: int = 0,
    steps: int = 120,
    cycle: int = 6,
    noise: float = 0.08,
    full: bool = True,
    **job: object,
) -> Run:
    """A run whose smooth validation loss ends at `final`: batches cycle through the file and scatter by `noise`."""
    rng = np.random.default_rng([seed, 3])
    epochs = int(settings.get("n_epochs", 3))
    step = np.arange(1, steps + 1)
    fall = np.exp(-5 * step / steps)
    mean = final * (1 + 1.2 * (fall - np.exp(-5)))
    batches = rng.normal(0, 3 * noise, cycle)
    valid = mean * np.exp(batches[step % cycle] - batches.mean() + rng.normal(0, noise, steps))
    train = mean * np.exp(rng.normal(-0.05, noise, steps))
    ends = np.isin(step, np.round(np.arange(1, epochs + 1) * steps / epochs))
    frame = pd.DataFrame(
        {"step": step, "train_loss": train, "valid_loss": valid, "valid_mean_token_accuracy": np.exp(-mean)}
    )
    frame["full_valid_loss"] = np.where(ends & full, mean, np.nan)
    known = {
        "id": job_id,
        "model": "gpt-4.1-mini-2025-04-14",
        "status": "succeeded",
        "training_file": "file-train",
        "validation_file": "file-valid",
        "seed": seed,
        "trained_tokens": 20_000 * epochs,
        "method": {"type": "supervised", "supervised": {"hyperparameters": dict(settings)}},
    }
    return Run(known | job, Results.from_frame(frame, f"{job_id}.csv"))


def simulated_sweep(
    n: int, *, seed: int = 0, seeds: int = 1, noise: float = 0.02, steps: int = 120, **job: object
) -> list[Run]:
    """`n` runs of a random sweep over three hyperparameters of the smooth surface."""
    frame = sweep_frame(n, noise=noise, seeds=seeds, seed=seed, dummy=False)
    return [
        simulated_run(
            row["id"],
            {
                "n_epochs": int(row["n_epochs"]),
                "batch_size": int(row["batch_size"]),
                "learning_rate_multiplier": float(row["learning_rate_multiplier"]),
            },
            final=row["observed"],
            seed=place,
            steps=steps,
            **job,
        )
        for place, row in enumerate(frame.to_dict("records"))
    ]


# What people do without a comparison: whose lowest value picks run and step.
LOOKS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "lowest": lambda losses: losses,
    "lowest mean of 3": lambda losses: smoothed(losses) if len(losses) > 2 else losses,
    "last": lambda losses: np.where(np.arange(len(losses)) < len(losses) - 1, np.inf, losses),
}


def smoothed(losses: np.ndarray) -> np.ndarray:
    """Means of three neighbours; nothing at the ends, which have only one."""
    inner = np.convolve(losses, np.ones(3) / 3, "valid")
    return np.concatenate([[np.inf], inner, [np.inf]])


def naive_picks(runs: list[Run]) -> dict[str, tuple[int, float]]:
    """By each of `LOOKS` the run and the step that it picks; whole-file losses where the runs have them."""
    picks = {}
    for name, look in LOOKS.items():
        found = []
        for place, run in enumerate(runs):
            column = "full_valid_loss" if run.results.has("full_valid_loss") else "valid_loss"
            told = run.results.frame[["step", column]].dropna().to_numpy(float)
            seen = look(told[:, 1])
            found.append((seen.min(), place, told[int(np.argmin(seen)), 0]))
        picks[name] = min(found)[1:]
    return picks


def ranking_table(sweeps: int) -> None:
    """Regret, the winner's loss against its truth, coverage and calibration of P(best), by family of sweeps."""
    print(f"Ranking, {sweeps} sweeps of 12 runs a row; regret: test loss of run and step picked over the lowest of any")
    print(f"family | compare | {' | '.join(LOOKS)} | winner's loss | 90 % holds: winner, all | broken runs ranked | s")
    chances, hits, biases, holds = [], [], [], []
    for family in FAMILIES:
        rows, started = [], time.perf_counter()
        for number in range(sweeps):
            runs, truths = simulate(family, SEED + number)
            of = dict(zip((run.id for run in runs), truths, strict=True))
            comparison = compare(runs)
            frame = comparison.frame[comparison.frame["rank"].notna()].set_index("id")
            steps = frame["recommended_step"]
            own = np.array([of[job].at(step)[0] for job, step in steps.items()])
            held = (frame["loss_low"] <= own) & (own <= frame["loss_high"])
            lowest = min(truth.test.min() for truth in truths)
            picked = [of[comparison.winner].at(steps[comparison.winner])[1]]
            picked += [truths[place].at(step)[1] for place, step in naive_picks(runs).values()]
            broken = sum(truth.own[-1] > 2.5 * truth.own[0] for job, truth in of.items() if job in frame.index)
            bias = frame["loss"].iloc[0] / own[0] - 1
            rows.append((*(np.array(picked) / lowest - 1), bias, held.iloc[0], held.mean(), broken))
            chances += frame["p_best"].tolist()
            hits += (own == own.min()).tolist()
        took = (time.perf_counter() - started) / sweeps
        *regrets, bias, winner, every, broken = np.mean(rows, axis=0)
        biases.append(bias)
        holds.append(winner)
        told = " | ".join(f"{regret:.2%}" for regret in regrets)
        print(
            f"{family} | {told} | {bias:+.2%} | {winner:.0%}, {every:.0%} | {broken * sweeps:.0f} | {took:.1f}",
            flush=True,
        )
    print(f"all | winner's loss against its truth {np.mean(biases):+.2%}, its 90 % intervals hold {np.mean(holds):.0%}")
    reliability(np.array(chances), np.array(hits))


def reliability(chances: np.ndarray, hits: np.ndarray) -> None:
    print("\nP(best): said | happened | jobs")
    edges = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 1.001)
    for low, high in pairwise(edges):
        inside = (chances >= low) & (chances < high)
        if inside.any():
            print(f"{chances[inside].mean():.3f} | {hits[inside].mean():.3f} | {inside.sum()}")


def luck_table(sweeps: int) -> None:
    """The luck of a seed as it is said, against the truth: 4 configurations with 3 seeds each."""
    print(f"\nLuck of the seed (sd), {sweeps} sweeps of 4 x 3 jobs a row: true | said, mean | errors of measurement")
    names = ["n_epochs", "batch_size", "learning_rate_multiplier"]
    for noise in (0.01, 0.03):
        for error in (0.005, 0.03):
            said = []
            for number in range(sweeps):
                frame = sweep_frame(12, noise=noise, seeds=3, seed=50_000 + number, dummy=False)
                rng = np.random.default_rng([number, 13])
                seen = frame.assign(
                    observed=frame["observed"] * np.exp(rng.normal(0, error, len(frame))), observed_sd=error
                )
                said.append(rank_jobs(seen, names, n_draws=400, seed=number).noise_sd)
            print(f"{noise:.1%} | {np.mean(said):.2%} | {error:.1%}")


def true_importance(surface: str, seed: int, points: int = 1024) -> np.ndarray:
    """Sobol total indices of the true surface (Jansen's estimator), in the order of SPACE."""
    base = qmc.Sobol(8, seed=0).random(points)
    first, second = base[:, :4], base[:, 4:]

    def losses(at: np.ndarray) -> np.ndarray:
        return np.array([SURFACES[surface](*row[:3], seed) for row in at])

    values = losses(first)
    totals = []
    for axis in range(4):
        mixed = first.copy()
        mixed[:, axis] = second[:, axis]
        totals.append(((values - losses(mixed)) ** 2).mean() / (2 * values.var()))
    return np.array(totals)


def measure_importance(jobs: pd.DataFrame, names: list[str], *, seed: int = 0, **options) -> Importance:
    """`importance` straight from a frame of jobs, without their ranking."""
    y = np.log(jobs["observed"].to_numpy(float))
    scales, points, member = configurations(jobs, names)
    counts = np.bincount(member).astype(float)
    means = np.bincount(member, y) / counts
    within = (float(((y - means[member]) ** 2).sum()), len(y) - len(counts))
    surface = fit_surface(scales, points, means, counts=counts, within=within, seed=seed)
    return importance(jobs, names, surface, Measure.of("loss", jobs["observed"].to_numpy(float)), seed=seed, **options)


def by_surface(frame: pd.DataFrame, seed: int) -> np.ndarray:
    found = measure_importance(frame, list(SPACE), fewest_jobs=0, seed=seed)
    return found.frame.loc[list(SPACE), "importance"].to_numpy()


def by_permutation(frame: pd.DataFrame, seed: int) -> np.ndarray:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    inputs, target = _inputs(frame), np.log(frame["observed"])
    forest = RandomForestRegressor(100, random_state=seed).fit(inputs, target)
    found = permutation_importance(forest, inputs, target, n_repeats=10, random_state=seed)["importances_mean"]
    return np.maximum(found, 0) / max(np.maximum(found, 0).sum(), 1e-9)


def by_fanova(frame: pd.DataFrame, seed: int) -> np.ndarray:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {name: optuna.distributions.FloatDistribution(*RANGES[name], log=name in LOGARITHMIC) for name in SPACE}
    study = optuna.create_study()
    for row in frame.to_dict("records"):
        settings = {name: float(row[name]) for name in SPACE}
        study.add_trial(optuna.trial.create_trial(params=settings, distributions=kinds, value=np.log(row["observed"])))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return np.array([found.get(name, 0.0) for name in SPACE])


def _inputs(frame: pd.DataFrame) -> np.ndarray:
    return np.column_stack([[unit(name, value) for value in frame[name]] for name in SPACE])


def importance_table(sweeps: int) -> None:
    """Kendall tau to the true total indices, the dummy's share and the time, by method."""
    methods = {"Gaussian process, Sobol": by_surface, "forest, permutation": by_permutation}
    try:
        import optuna  # noqa: F401

        methods["Optuna, fANOVA"] = by_fanova
    except ImportError:
        print("(Optuna is not installed: its row is missing)")
    print(f"\nImportance, {sweeps} sweeps a row, noise 1-3 %: Kendall tau to the truth / share of a dummy")
    print("surface | jobs | method | tau | dummy | most important found | ms")
    for surface in SURFACES:
        truths = [true_importance(surface, 30_000 + number) for number in range(sweeps)]
        for jobs in (8, 16, 32, 48):
            for name, method in methods.items():
                rows, started = [], time.perf_counter()
                for number, true in enumerate(truths):
                    noise = (0.01, 0.02, 0.03)[number % 3]
                    found = method(sweep_frame(jobs, surface=surface, noise=noise, seed=30_000 + number), number)
                    rows.append((kendalltau(found, true).statistic, found[-1], found.argmax() == true.argmax()))
                tau, dummy, top = np.nanmean(rows, axis=0)
                took = (time.perf_counter() - started) / sweeps * 1000
                print(f"{surface} | {jobs} | {name} | {tau:.2f} | {dummy:.3f} | {top:.0%} | {took:.0f}")


def suggest_table(sweeps: int) -> None:
    """Jobs until one within 0.5 % of the best of a 6 x 6 grid was run, by who chooses them."""
    print(
        f"\nSuggest, {sweeps} sweeps a family on a 6 x 6 grid, noise 2 %: jobs until one is within 0.5 % of the best,"
    )
    print("median (quartiles); the same until the best cell itself\nfamily | " + " | ".join(next_jobs.CHOOSERS))
    every: dict[str, list[tuple[int, int]]] = {name: [] for name in next_jobs.CHOOSERS}
    for family in next_jobs.FAMILIES:
        used = {
            name: [next_jobs.jobs_needed(family, name, 40_000 + number) for number in range(sweeps)] for name in every
        }
        for name, counts in used.items():
            every[name] += counts
        print(f"{family} | {_quartiles(used)}", flush=True)
    print(f"all | {_quartiles(every)}")


def next_table(sweeps: int) -> None:
    """What following `next_steps` brings for the same money, next to what people do."""
    print(
        f"\nNext, {sweeps} projects of ${next_jobs.BUDGET:g}, three jobs run; true loss of what is deployed, over the"
    )
    print("the mean of the best settings: before, after | spent | gain per dollar, % of loss")
    for buyer in next_jobs.BUYERS:
        families = [*next_jobs.FAMILIES]
        rows = [next_jobs.outcome(families[number % 3], buyer, 50_000 + number) for number in range(sweeps)]
        begun, ended, spent = np.mean(rows, axis=0)
        print(f"{buyer} | {begun:.2%}, {ended:.2%} | ${spent:.2f} | {100 * (begun - ended) / spent:.2f}", flush=True)


def gains_table(sweeps: int) -> None:
    """Whether expected gains come true: the step is paid for, and what is deployed before and after is judged."""
    print(f"\nGains, {sweeps} projects a row after six jobs; fractions of the loss")
    print("step | gain expected, true | 90 % interval holds | choice changes: said, did")
    families = [*next_jobs.FAMILIES]
    for kind in ("untried", "repeat"):
        rows = [next_jobs.gain_held(families[number % 3], kind, 60_000 + number) for number in range(sweeps)]
        expected, true, held, said, did = np.mean(rows, axis=0)
        print(f"{kind} | {expected:.2%}, {true:.2%} | {held:.0%} | {said:.0%}, {did:.0%}", flush=True)


def _quartiles(used: Mapping[str, list[tuple[int, int]]]) -> str:
    told = []
    for counts in used.values():
        (low, _), (middle, exact), (high, _) = np.quantile(counts, (0.25, 0.5, 0.75), axis=0)
        told.append(f"{middle:g} ({low:g}-{high:g}); {exact:g}")
    return " | ".join(told)


def archive_of(folder: Path, jobs: int, steps: int = 500) -> None:
    """Run folders as `tb.archive` writes them, an event for each step among them."""
    for run in simulated_sweep(jobs, steps=steps):
        path = folder / run.id
        path.mkdir(parents=True)
        (path / "job.json").write_text(json.dumps(run.job))
        (path / "checkpoints.json").write_text("[]")
        events = (
            {
                "id": f"ev-{step}",
                "created_at": step,
                "message": f"Step {step}",
                "type": "metrics",
                "data": {"step": step},
            }
            for step in range(1, steps + 1)
        )
        (path / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
        run.results.frame.to_csv(path / "results.csv", index=False)


def speed_table(_: int) -> None:
    """Seconds to read and compare archived runs of 500 steps, and to draw the tables anew; wall and processor time."""
    from tunebook.widgets.tables.comparing import comparison_table

    print("\nSpeed, archived runs of 500 steps; processor seconds are of this process and its workers")
    print("jobs | read, s | compare, s | together, s | processor, s | table, s | sorted anew, s")
    for jobs in (50, 1000):
        with TemporaryDirectory() as name:
            archive_of(Path(name), jobs)
            begun, at = time.perf_counter(), os.times()
            runs = read_runs(name)
            read = time.perf_counter() - begun
            comparison = compare(runs)
            whole = time.perf_counter() - begun
        processor = sum(os.times()[:4]) - sum(at[:4])
        started = time.perf_counter()
        comparison._repr_html_()
        drawn = time.perf_counter() - started
        table = comparison_table(comparison)
        started = time.perf_counter()
        table.grid.sort = "own value"
        again = time.perf_counter() - started
        table.close()
        print(
            f"{jobs} | {read:.2f} | {whole - read:.2f} | {whole:.2f} | {processor:.1f} | {drawn:.3f} | {again:.3f}",
            flush=True,
        )


TABLES = {
    "ranking": ranking_table,
    "luck": luck_table,
    "importance": importance_table,
    "suggest": suggest_table,
    "next": next_table,
    "gains": gains_table,
    "speed": speed_table,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="which tables; all when none is named")
    parser.add_argument("--sweeps", type=int, default=100, help="simulated sweeps a row")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="optuna")
    for name in options.tables or TABLES:
        TABLES[name](options.sweeps)


if __name__ == "__main__":
    main()
