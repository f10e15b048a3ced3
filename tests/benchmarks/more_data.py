"""How well the loss on twice the examples is foretold from a quarter, half and all of them, next to two baselines.

    python tests/benchmarks/more_data.py [--cases 60] [--practice]

Truth: noiseless loss of simulated laws (half of them no power laws), the mean of four networks really trained on twice
the data, and with `--practice` a job of the embedded service. Baselines: the loss there is now, and a power law with
offset by least squares.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import sweep_families
from scipy.optimize import curve_fit

import tunebook as tb
from tunebook.analysis.curves.forecast import ended
from tunebook.analysis.sweeps.more_data import foretold

SHARES, SEEDS = (0.25, 0.5, 1.0), 2
Law = Callable[[np.ndarray], np.ndarray]


def law(family: str, rng: np.random.Generator, most: int) -> Law:
    """Loss over the number of examples."""
    floor, size = np.exp(rng.uniform(np.log(0.1), np.log(2))), rng.uniform(0.05, 1)
    if family == "power law":
        power = rng.uniform(0.1, 0.9)
        return lambda n: floor * (1 + size * (n / most) ** -power)
    if family == "logarithm":
        slope = rng.uniform(0.01, 0.12)
        return lambda n: floor * (1 - slope * np.log(n / most))
    if family == "exponential":
        scale = most * np.exp(rng.uniform(np.log(0.1), np.log(3)))
        return lambda n: floor * (1 + 3 * size * np.exp(-n / scale))
    if family == "broken power law":
        early, late, bend = rng.uniform(0.05, 0.3), rng.uniform(0.3, 1), most * np.exp(rng.uniform(-1.6, 1.4))
        return lambda n: floor * (0.3 + 0.7 * (n / bend) ** -early * (1 + (n / bend) ** 2) ** ((early - late) / 2))
    if family == "two phases":
        bend, power = most * rng.uniform(0.05, 0.6), rng.uniform(0.1, 0.5)
        return lambda n: floor * (1 + size * np.exp(-n / bend) + size / 2 * (n / most) ** -power)
    return lambda n: floor * np.ones_like(n, dtype=float)  # no use of more


FAMILIES = ("power law", "logarithm", "exponential", "broken power law", "two phases", "flat")


def simulated(count: int, first: int) -> Iterator[tuple[str, pd.DataFrame, float]]:
    """Family, a row a job (examples, level, sd), and the logarithm of the loss on twice the most."""
    for place, family in enumerate(FAMILIES):
        for number in range(first, first + count):
            rng = np.random.default_rng([number, place, 31])
            most = int(np.exp(rng.uniform(np.log(60), np.log(5000))))
            loss, luck = law(family, rng, most), np.exp(rng.uniform(np.log(0.002), np.log(0.02)))
            n = np.repeat([max(8, round(share * most)) for share in SHARES], SEEDS)
            level = np.log(loss(n)) + rng.normal(0, luck, len(n))
            yield family, pd.DataFrame({"examples": n, "level": level, "sd": 0.003}), float(np.log(loss(2.0 * most)))


def trained(count: int, first: int) -> Iterator[tuple[str, pd.DataFrame, float]]:
    """Networks trained on nested parts of a file, their best validation loss; truth from four on twice the file."""
    for number in range(first, first + count):
        rng = np.random.default_rng([number, 57])
        teacher, bend = rng.normal(0, 1, (16, 4)), rng.normal(0, 1, (16, 4))
        flips, most = rng.uniform(0, 0.3), int(rng.integers(100, 500))

        def examples(n: int, rng=rng, teacher=teacher, bend=bend, flips=flips) -> tuple[np.ndarray, np.ndarray]:
            x = rng.normal(0, 1, (n, 16))
            label = (x @ teacher + 2 * np.tanh(x) @ bend + rng.gumbel(0, 0.5, (n, 4))).argmax(1)
            return x, np.where(rng.random(n) < flips, rng.integers(0, 4, n), label)

        (x, label), valid = examples(2 * most), examples(1000)
        settings = {"learning_rate_multiplier": 0.03, "batch_size": 8, "momentum": 0.5, "weight_decay": 1e-3}
        settings |= {"hidden": 32, "init": 0.8, "noise": 0.1, "schedule": "linear"}

        def best(n: int, x=x, label=label, valid=valid, settings=settings, rng=rng) -> float:
            losses = sweep_families._train(settings, (x[:n], label[:n]), valid, valid, epochs=15, rng=rng)
            return float(np.log(losses[:, 1].min()))

        sizes = [round(share * most) for share in SHARES for _ in range(SEEDS)]
        frame = pd.DataFrame({"examples": sizes, "level": [best(n) for n in sizes], "sd": 0.003})
        yield "trained networks", frame, float(np.mean([best(2 * most) for _ in range(4)]))


def practice() -> Iterator[tuple[str, pd.DataFrame, float]]:
    """Jobs of the embedded service on parts of the example file."""
    workspace = tb.connect()
    whole, valid = tb.read_dataset("data/support_tickets.jsonl").split(0.2)
    held = workspace.files.upload(valid).id
    for epochs in (2, 3, 4):
        for half, twice in ((whole.split(0.5, seed=epochs)[0], whole),):
            files = [workspace.files.upload(part).id for part in (half, twice)]
            job = {"model": "gpt-4.1-nano-2025-04-14", "validation_file": held, "n_epochs": epochs, "batch_size": 8}
            base = tb.JobRequest(training_file=files[0], **job)
            parts = tb.plan_parts(workspace, base, half, seeds=SEEDS, folder=tempfile.mkdtemp() + "/parts").run(
                workspace
            )
            truth = tb.Sweep(base, {"training_file": [files[1]]}, seeds=3, folder=tempfile.mkdtemp() + "/twice")
            ends = [ended(run.results) for run in truth.run(workspace).runs()]
            frame = tb.analysis.sweeps.more_data.levels_of(parts.runs(), parts.examples)
            yield "practice model", frame, float(np.mean([end.lowest.mean() for end in ends]))


def look(family: str, jobs: pd.DataFrame, truth: float) -> dict[str, object]:
    began = time.perf_counter()
    measured, frame = foretold(jobs, usd=None, seed=0)
    took = time.perf_counter() - began
    twice = frame[frame["times"] == 2].iloc[0]
    n, last = measured["examples"] / measured["examples"].max(), float(measured["level"].iloc[-1])
    try:
        with warnings.catch_warnings(action="ignore"):
            start = [np.exp(last) * 0.8, np.exp(last) * 0.2, 0.5]
            fit, _ = curve_fit(
                lambda x, a, b, c: a + b * x ** -abs(c), n, np.exp(measured["level"]), start, maxfev=3000
            )
        power = float(np.log(max(fit[0] + fit[1] * 2 ** -abs(fit[2]), 1e-6)))
    except RuntimeError:
        power = last
    return {
        "family": family,
        "more_data": abs(np.log(twice["expected"]) - truth),
        "no change": abs(last - truth),
        "power law": abs(power - truth),
        "holds90": np.log(twice["low90"]) <= truth <= np.log(twice["high90"]),
        "ms": 1e3 * took,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=60)
    options.add_argument("--seed", type=int, default=1000, help="the first; below 1,000 beliefs were chosen by some")
    options.add_argument("--practice", action="store_true")
    asked = options.parse_args()
    cases = [
        *simulated(asked.cases, asked.seed),
        *trained(max(asked.cases // 2, 1), asked.seed),
        *(practice() if asked.practice else ()),
    ]
    looks = pd.DataFrame([look(*case) for case in cases])
    columns = ["more_data", "no change", "power law"]
    rows = looks.groupby("family", sort=False)
    table = rows[columns].median().join(rows[["holds90"]].mean()).join(rows["ms"].median()).assign(n=rows.size())
    table.loc["all"] = [*looks[columns].median(), looks["holds90"].mean(), looks["ms"].median(), len(looks)]
    print("|log error| of the loss on twice the examples, median\n", table.round(4).to_string())


if __name__ == "__main__":
    main()
