"""Simulated sweeps with known truth, and the figures that the comparison of runs is held to.

    python tests/benchmarks/sweeps.py            every table (some minutes)
    python tests/benchmarks/sweeps.py ranking    one of: ranking, importance, suggest, speed

Surfaces, noise and curves are drawn here, from fixed seeds; nothing in `tunebook` knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from tunebook.analysis import Results, Run

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
