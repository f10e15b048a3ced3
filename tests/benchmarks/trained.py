"""Runs that were really trained: small networks fine-tuned on a few noisy examples, with a test set beside them.

Not a formula: mini-batch gradient descent on a pretrained two-layer network, examples in epochs, `valid_loss` measured
on one small batch of the validation file after another in a fixed order, `full_valid_loss` at the end of each epoch.
The truth is what no result file has: the whole validation file at every step, and 2,000 test examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

_INPUTS, _HIDDEN, _CLASSES = 20, 32, 5


@dataclass(frozen=True, eq=False)
class TrainedCase:
    """A trained run: `frame` as a result file has it; `valid` and `test` the true losses at each step."""

    frame: pd.DataFrame
    valid: np.ndarray
    test: np.ndarray
    n_epochs: int
    epoch_ends: tuple[int, ...]


def train(seed: int, *, shows: str = "batch") -> TrainedCase:
    """Train one network. `shows` is what the file has: "batch", "full", "both", or "epochs" (one row an epoch)."""
    rng = np.random.default_rng([seed, 77])
    n_train = int(np.exp(rng.uniform(np.log(20), np.log(2000))))
    n_valid = int(np.exp(rng.uniform(np.log(20), np.log(300))))
    batch = int(rng.choice([1, 2, 4, 8, 16]))
    n_epochs = int(rng.integers(2, 9)) if shows != "epochs" else int(rng.integers(10, 81))
    steps = max(1, n_train // batch) * n_epochs
    while steps > 1500:
        batch *= 2
        steps = max(1, n_train // batch) * n_epochs
    per_epoch = steps // n_epochs
    rate = float(np.exp(rng.uniform(np.log(0.02), np.log(1.0)))) * (0.3 if batch < 4 else 1)
    flips = rng.uniform(0, 0.4)

    teacher = rng.normal(0, 1, (_INPUTS, _CLASSES))
    bend = rng.normal(0, 1, (_INPUTS, _CLASSES))

    def examples(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(0, 1, (n, _INPUTS))
        label = (x @ teacher + 2 * np.tanh(x) @ bend + rng.gumbel(0, 1, (n, _CLASSES))).argmax(1)
        wrong = rng.random(n) < flips
        return x, np.where(wrong, rng.integers(0, _CLASSES, n), label)

    w1, b1 = rng.normal(0, 1 / np.sqrt(_INPUTS), (_INPUTS, _HIDDEN)), np.zeros(_HIDDEN)
    w2, b2 = rng.normal(0, 0.3 / np.sqrt(_HIDDEN), (_HIDDEN, _CLASSES)), np.zeros(_CLASSES)

    def losses(x: np.ndarray, label: np.ndarray) -> np.ndarray:
        z = np.tanh(x @ w1 + b1) @ w2 + b2
        z = z - z.max(1, keepdims=True)
        return np.log(np.exp(z).sum(1)) - z[np.arange(len(x)), label]

    (tx, ty), (vx, vy), (sx, sy) = examples(n_train), examples(n_valid), examples(2000)
    small = max(1, min(batch, 8, n_valid))
    rows, valid, test = [], [], []
    for step in range(steps):
        if step % per_epoch == 0:
            order = rng.permutation(n_train)
        pick = order[(step % per_epoch) * batch : (step % per_epoch) * batch + batch]
        x, label = tx[pick], ty[pick]
        hidden = np.tanh(x @ w1 + b1)
        z = hidden @ w2 + b2
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        row = {"step": step + 1, "train_loss": float(-np.log(p[np.arange(len(x)), label] + 1e-12).mean())}
        p[np.arange(len(x)), label] -= 1
        p /= len(x)
        back = (p @ w2.T) * (1 - hidden**2)
        w2 -= rate * hidden.T @ p
        b2 -= rate * p.sum(0)
        w1 -= rate * x.T @ back
        b1 -= rate * back.sum(0)
        on_valid = losses(vx, vy)
        valid.append(float(on_valid.mean()))
        if step % 10 == 9 or step == steps - 1 or steps <= 200:
            test.append((step, float(losses(sx, sy).mean())))
        at = (step * small) % n_valid
        row["valid_loss"] = float(np.resize(np.roll(on_valid, -at), small).mean())
        ends = (step + 1) % per_epoch == 0
        row["full_valid_loss"] = valid[-1] if ends else np.nan
        if ends and shows == "epochs":
            row["train_loss"] = float(losses(tx, ty).mean())
        rows.append(row)
    frame = pd.DataFrame(rows)
    truth, tested = np.array(valid), np.interp(np.arange(steps), *np.array(test).T)
    ends = np.arange(1, n_epochs + 1) * per_epoch
    if shows == "epochs":
        at = ends - 1
        frame = frame.iloc[at].assign(step=np.arange(1, n_epochs + 1), valid_loss=truth[at])[
            ["step", "train_loss", "valid_loss"]
        ]
        return TrainedCase(frame.reset_index(drop=True), truth[at], tested[at], n_epochs, tuple(range(1, n_epochs + 1)))
    hidden_columns = {"batch": ["full_valid_loss"], "full": ["valid_loss"], "both": []}[shows]
    return TrainedCase(frame.drop(columns=hidden_columns), truth, tested, n_epochs, tuple(int(e) for e in ends[-3:]))
