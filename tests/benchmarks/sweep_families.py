"""Sweeps with known truth, as `compare` takes them: runs with whole curves, and beside them what no result file has.

Six families differ in what the hyperparameters do, in what the file shows and in how it scatters; the last one is
small networks that are really trained, eight hyperparameters drawn at random. Nothing in `tunebook` knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tunebook.analysis import Results, Run


@dataclass(frozen=True, eq=False)
class Truth:
    """Of one run at each of its steps: the validation loss without noise (`own`), and the test loss."""

    steps: np.ndarray
    own: np.ndarray
    test: np.ndarray

    def at(self, step: float) -> tuple[float, float]:
        place = int(np.abs(self.steps - step).argmin())
        return float(self.own[place]), float(self.test[place])


Sweep = tuple[list[Run], list[Truth]]


def _run(job: int, settings: Mapping[str, object], frame: pd.DataFrame, seed: int, **more: object) -> Run:
    known = {
        "id": f"job-{job}",
        "model": "gpt-4.1-mini-2025-04-14",
        "status": "succeeded",
        "training_file": "file-train",
        "validation_file": "file-valid",
        "seed": seed,
        "trained_tokens": 20_000,
        "method": {"type": "supervised", "supervised": {"hyperparameters": dict(settings)}},
    }
    return Run(known | more, Results.from_frame(frame, f"job-{job}.csv"))


def _correlated(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    e = rng.normal(0, 1, n + 1)
    return np.sqrt(1 - share**2) * e[1:] + share * e[:-1]


def _shape(rng: np.random.Generator, t: np.ndarray, rise: float, speed: float) -> np.ndarray:
    """Log of a curve whose lowest point is 0: a fall, then a rise by `rise` (0: none) from its turn on."""
    turn = rng.uniform(0.3, 0.8) if rise > 0.01 else 1.0
    fall = np.exp(-speed * t) if rng.random() < 0.6 else (1 + 12 * speed * t) ** -0.8
    fall = rng.uniform(0.3, 1.2) * (fall - np.interp(turn, t, fall))
    if rng.random() < 0.25:  # the learning rate drops
        fall = fall + rng.uniform(0.03, 0.1) * (t < min(rng.uniform(0.4, 0.7), turn))
    up = rise * (np.clip(t - turn, 0, None) / max(1 - turn, 0.05)) ** rng.uniform(0.8, 1.6)
    level = np.where(t <= turn, np.maximum(fall, 0), up)
    return level - level.min()


# What a configuration does: settings and log loss of its lowest point.
_Surface = Callable[[np.random.Generator, int], tuple[list[dict[str, object]], np.ndarray]]


def _few(rng: np.random.Generator, n: int) -> tuple[list[dict[str, object]], np.ndarray]:
    """Three hyperparameters, all of which may matter; a bowl in the learning rate that moves with the batch size."""
    epochs, batch = rng.choice((1, 2, 3, 4, 6, 8), n), rng.choice((2, 4, 8, 16, 32), n)
    rate = rng.choice((0.02, 0.05, 0.1, 0.3, 1.0, 2.0), n)
    e, b, r = (epochs - 1) / 7, np.log2(batch) / 5, np.log(rate / 0.02) / np.log(100)
    bowl = rng.uniform(0.1, 1.2) * (r - rng.uniform(0.3, 0.6) - 0.2 * (b - 0.5)) ** 2
    level = bowl + rng.uniform(0, 0.3) * (e - rng.uniform(0.3, 0.7)) ** 2 + rng.uniform(0, 0.06) * b
    names = ("n_epochs", "batch_size", "learning_rate_multiplier")
    values = [epochs.tolist(), batch.tolist(), rate.tolist()]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)], level


def _many(rng: np.random.Generator, n: int) -> tuple[list[dict[str, object]], np.ndarray]:
    """Eight hyperparameters drawn at random; two or three of them move the loss, with a rest that no surface has."""
    unit = rng.random((n, 8))
    at = unit[:, rng.choice(8, 3, replace=False)]
    size = rng.uniform(0.02, 0.4)
    level = size * ((at[:, 0] - rng.random()) ** 2 * 3 + at[:, 1] * rng.uniform(0, 1) + (at[:, 2] > 0.8))
    level = level + np.abs(rng.normal(0, rng.uniform(0, 0.3) * size, n))
    return [{"learning_rate_multiplier": float(10 ** (2 * row[0] - 2)), **_named(row)} for row in unit], level


def _named(row: np.ndarray) -> dict[str, object]:
    return {f"knob_{place}": float(value) for place, value in enumerate(row[1:], 1)}


def _nothing(rng: np.random.Generator, n: int) -> tuple[list[dict[str, object]], np.ndarray]:
    settings, _ = _many(rng, n) if rng.random() < 0.5 else _few(rng, n)
    return settings, np.zeros(n)


def _simulated(surface: _Surface, rng: np.random.Generator, *, jobs: int, seeds: int, tuned: bool, lost: int) -> Sweep:
    """Curves around the surface: fine-tuning files (`tuned`: batches, whole file an epoch) or one row an epoch."""
    settings, level = surface(rng, jobs // seeds)
    luck, base = rng.uniform(0.005, 0.04), rng.uniform(-1.5, 0.5)
    # Of what moves a checkpoint up and down a part is the model's and shows on test as well, a part the file's.
    jitter = float(np.exp(rng.uniform(np.log(0.003), np.log(0.06))))
    batches, whole = rng.uniform(0.06, 0.3), rng.uniform(0.003, 0.02)
    mostly_overfit = rng.random() < 0.5
    runs, truths = [], []
    for job in range(jobs // seeds * seeds):
        place = job // seeds
        n = int(rng.integers(40, 240)) if tuned else int(rng.integers(10, 110))
        t = np.arange(1, n + 1) / n
        rise = rng.uniform(0.03, 0.5) * (rng.random() < (0.7 if mostly_overfit else 0.2))
        curve = base + level[place] + rng.normal(0, luck) + _shape(rng, t, rise, rng.uniform(2, 9))
        model = jitter * 0.6 * _correlated(rng, n, 0.4) * (0.3 if tuned else 1)
        own = curve + model
        test = own + rng.normal(0, 0.003)
        epochs = int(settings[place].get("n_epochs", 3))
        frame = pd.DataFrame({"step": np.arange(1, n + 1)})
        train = np.exp(base + level[place] + 1.0 * np.exp(-3 * t) - 0.4 * t * (rise > 0.01) - 0.1)
        frame["train_loss"] = train * np.exp(rng.normal(0, 0.08, n))
        if tuned:
            cycle = int(rng.integers(3, 13))
            effect = rng.normal(0, 2 * batches, cycle)
            size = batches * rng.normal(0, 1, n) + (effect - effect.mean())[np.arange(n) % cycle]
            frame["valid_loss"] = np.exp(own) * np.exp(size) / np.exp(size).mean()
            ends = np.round(np.arange(1, epochs + 1) * n / epochs).astype(int)
            if rng.random() < 0.5:
                seen = own + rng.normal(0, whole, n)
                frame["full_valid_loss"] = np.where(np.isin(frame["step"], ends), np.exp(seen), np.nan)
        else:
            frame["valid_loss"] = np.exp(own + jitter * 0.8 * rng.normal(0, 1, n))
        if job < lost:
            begun = int(n * rng.uniform(0.0, 0.5)) if rng.random() < 0.7 else 0
            up = rng.uniform(1, 12) * np.clip((np.arange(n) - begun) / max(n - begun, 1) * 4, 0, 1)
            own, test = own + up, test + up
            for column in ("train_loss", "valid_loss", "full_valid_loss"):
                if column in frame:
                    frame[column] *= np.exp(up)
        runs.append(_run(job, settings[place] | ({} if not tuned else {"n_epochs": epochs}), frame, job))
        smooth = curve if job >= lost else own
        truths.append(Truth(np.arange(1, n + 1), np.exp(own if tuned else smooth), np.exp(test)))
    return runs, truths


def _trained(rng: np.random.Generator, jobs: int = 12) -> Sweep:
    """Networks really trained with eight hyperparameters at random; the file shows the validation loss an epoch."""
    inputs, classes = 16, 4
    teacher, bend = rng.normal(0, 1, (inputs, classes)), rng.normal(0, 1, (inputs, classes))
    flips, n_train, n_valid = rng.uniform(0, 0.3), int(rng.integers(60, 400)), int(rng.integers(100, 500))

    def examples(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(0, 1, (n, inputs))
        label = (x @ teacher + 2 * np.tanh(x) @ bend + rng.gumbel(0, 0.5, (n, classes))).argmax(1)
        return x, np.where(rng.random(n) < flips, rng.integers(0, classes, n), label)

    files = examples(n_train), examples(n_valid), examples(2500)
    rate_range = rng.choice([0.5, 1.0, 2.0])
    runs, truths = [], []
    for job in range(jobs):
        settings = {
            "learning_rate_multiplier": float(10 ** (-1.6 + rate_range * (rng.random() - 0.5))),
            "batch_size": int(rng.choice([4, 8, 16, 32])),
            "momentum": float(rng.choice([0.0, 0.5, 0.9])),
            "weight_decay": float(10 ** rng.uniform(-5, -1.5)),
            "hidden": int(rng.choice([8, 16, 32, 64])),
            "init": float(rng.uniform(0.3, 1.5)),
            "noise": float(rng.uniform(0, 0.4)),
            "schedule": str(rng.choice(["constant", "linear", "step"])),
        }
        losses = _train(settings, *files, epochs=int(rng.integers(12, 50)), rng=rng)
        epoch = np.arange(1, len(losses) + 1)
        frame = pd.DataFrame({"step": epoch, "train_loss": losses[:, 0], "valid_loss": losses[:, 1]})
        runs.append(_run(job, settings, frame, job))
        truths.append(Truth(epoch, losses[:, 1], losses[:, 2]))
    return runs, truths


def _train(settings: Mapping[str, object], train, valid, test, *, epochs: int, rng: np.random.Generator) -> np.ndarray:
    """Losses of a training, validation and test file after each epoch (epochs x 3)."""
    (x, label), hidden, batch = train, int(settings["hidden"]), int(settings["batch_size"])
    classes = int(max(label.max(), valid[1].max(), test[1].max())) + 1
    weights = [
        rng.normal(0, settings["init"] / np.sqrt(x.shape[1]), (x.shape[1], hidden)),
        np.zeros(hidden),
        rng.normal(0, settings["init"] / np.sqrt(hidden), (hidden, classes)),
        np.zeros(classes),
    ]
    speed = [np.zeros_like(w) for w in weights]

    def loss(rows: tuple[np.ndarray, np.ndarray]) -> float:
        z = np.tanh(rows[0] @ weights[0] + weights[1]) @ weights[2] + weights[3]
        z = z - z.max(1, keepdims=True)
        return float((np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), rows[1]]).mean())

    told = []
    for epoch in range(epochs):
        done = epoch / epochs
        slow = {"constant": 1.0, "linear": 1 - done, "step": 0.1 if done > 0.6 else 1.0}[str(settings["schedule"])]
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch):
            pick = order[start : start + batch]
            rows = x[pick] + settings["noise"] * rng.normal(0, 1, (len(pick), x.shape[1]))
            middle = np.tanh(rows @ weights[0] + weights[1])
            z = middle @ weights[2] + weights[3]
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(pick)), label[pick]] -= 1
            p /= len(pick)
            back = (p @ weights[2].T) * (1 - middle**2)
            slopes = (rows.T @ back, back.sum(0), middle.T @ p, p.sum(0))
            for weight, moved, slope in zip(weights, speed, slopes, strict=True):
                moved *= settings["momentum"]
                moved += slope + settings["weight_decay"] * weight
                weight -= settings["learning_rate_multiplier"] * slow * moved
        told.append((loss(train), loss(valid), loss(test)))
    return np.array(told)


FAMILIES: Mapping[str, Callable[[np.random.Generator], Sweep]] = {
    "few": lambda rng: _simulated(_few, rng, jobs=12, seeds=1, tuned=True, lost=0),
    "few, 3 seeds": lambda rng: _simulated(_few, rng, jobs=12, seeds=3, tuned=True, lost=0),
    "many": lambda rng: _simulated(_many, rng, jobs=12, seeds=1, tuned=False, lost=0),
    "many, 2 seeds": lambda rng: _simulated(_many, rng, jobs=12, seeds=2, tuned=False, lost=0),
    "nothing matters": lambda rng: _simulated(_nothing, rng, jobs=12, seeds=1, tuned=bool(rng.random() < 0.5), lost=0),
    "diverged": lambda rng: _simulated(_many, rng, jobs=12, seeds=1, tuned=False, lost=int(rng.integers(1, 5))),
    "diverged, tuned": lambda rng: _simulated(_few, rng, jobs=12, seeds=1, tuned=True, lost=int(rng.integers(1, 5))),
    "trained": _trained,
}


def simulate(family: str, seed: int) -> Sweep:
    """One sweep of a family: its runs, and the truth of each. Seeds of different families are independent."""
    return FAMILIES[family](np.random.default_rng([seed, list(FAMILIES).index(family), 5]))
