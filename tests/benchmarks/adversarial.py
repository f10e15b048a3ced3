"""Series that no training writes on purpose: `python tests/benchmarks/adversarial.py 100000` diagnoses that many.

Falls to a floor that is constant but for its last digit, numbers of any magnitude, infinities, walks, jumps and steps
that repeat, of 0 to 300 points. None of them may raise.
"""

from __future__ import annotations

import argparse
import traceback
import warnings

import numpy as np
import pandas as pd

from tunebook.analysis import diagnose

_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 20, 50, 120, 300)


@np.errstate(all="ignore")
def series(seed: int) -> pd.DataFrame:
    """One table of a hostile run; the same seed gives the same table."""
    rng = np.random.default_rng([seed, 13])
    n = int(rng.choice(_LENGTHS))
    i, noise = np.arange(n), 10 ** rng.uniform(-9, 0)
    shapes = (
        lambda: rng.uniform(0.1, 2) + rng.uniform(0.1, 3) * np.exp(-i / 10 ** rng.uniform(-1, 1.5)),
        lambda: 10 ** rng.uniform(-320, 308, n),
        lambda: np.full(n, 10 ** rng.uniform(-300, 300)),
        lambda: rng.choice([0, 1e-5, 1.0, 1e300, 1.7e308, np.inf, -np.inf, np.nan, -1], n),
        lambda: np.exp(rng.normal(0, 3, n).cumsum()),
        lambda: np.where(i % 2, 1.0, 1 + noise),
        lambda: np.where(i > n * rng.random(), 1.0, 10 ** rng.uniform(-8, 8)),
        lambda: rng.normal(0, 10 ** rng.uniform(-5, 5), n),
    )
    values = shapes[rng.integers(len(shapes))]() * np.exp(rng.normal(0, noise, n) * (rng.random() < 0.7))
    values = np.round(values, 5) if rng.random() < 0.3 else values
    train = values if rng.random() < 0.5 else values[::-1] * rng.uniform(0.1, 1)
    steps = (i + 1, np.sort(rng.integers(0, max(1, n * 3), n)), np.cumsum(10 ** rng.uniform(-3, 6, n)))
    names = (("train_loss", "valid_loss"), ("train_mean_reward", "valid_mean_reward"), ("loss", "val_accuracy"))
    names = names[rng.choice(3, p=(0.8, 0.1, 0.1))]
    frame = pd.DataFrame({"step": steps[rng.choice(3, p=(0.7, 0.2, 0.1))], names[0]: train, names[1]: values})
    if rng.random() < 0.3:
        frame["full_valid_loss"] = np.where(rng.random(n) < 0.3, values * rng.uniform(0.5, 2), np.nan)
    return frame


def raising(seeds: range) -> dict[int, str]:
    """Seed -> traceback of every series that raised, or that numpy warned of."""
    failed = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in seeds:
            try:
                diagnose(series(seed), draws=50)
            except Exception:
                failed[seed] = traceback.format_exc()
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    failed = raising(range(asked.first, asked.first + asked.count))
    print(*failed.values(), sep="\n")
    print(f"{len(failed)} of {asked.count} series raised: {list(failed)[:20]}")


if __name__ == "__main__":
    main()
