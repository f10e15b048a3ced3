"""Training curves with known truth, for measuring how well a diagnosis does.

A curve is a floor, a decay (power law, exponential, or two phases) and, when the run overfits, a rise from its onset
(straight, accelerating, saturating, or one jump an epoch). What is seen of it depends on the family: every step or
once an epoch, 8 to 5,000 points, smooth or with white, correlated, uneven or heavy-tailed noise, or with the batches of
the validation file in a fixed order. The truth is computed from the noiseless curve and is never told to the diagnosis:

* overfitting: it ends at least 5 % above its lowest point (strong: 30 %) while training loss goes on falling;
* not converged: it falls by more than 6 % in the last fifth; healthy: it ends within 3 % of its lowest, and falls by
  less than 4 % in the last fifth (curves between these lines are not drawn: they have no right answer);
* diverged: training and validation loss both go back up by more than half of what was gained.

Everything is drawn from a seed: the same seed gives the same curve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

KINDS = ("healthy", "overfitting", "not_converged", "diverged")
_SHARES = (0.42, 0.36, 0.15, 0.07)


@dataclass(frozen=True, eq=False)
class Case:
    """One simulated run: `frame` as a result file has it, and the truth.

    `true` is the noiseless validation level (less is better) at each step of `frame`, `rise` its rise from the lowest
    point to the end, `onset` the step of its lowest point (None unless overfitting), `epoch_ends` the kept checkpoints.
    """

    family: str
    kind: str
    frame: pd.DataFrame
    true: np.ndarray
    rise: float
    onset: float | None
    n_epochs: int | None
    epoch_ends: tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """How curves of one family are sampled: number of steps (low, high), noise, and what the file shows."""

    steps: tuple[int, int]
    noise: Callable[[np.random.Generator, int], np.ndarray]
    every: tuple[int, int] = (1, 1)
    shows: str = "batch"  # batch, epochs, full, accuracy, reward
    stairs: bool = True
    drops: bool = False  # the learning rate drops once or twice, and the curve with it
    epochs: tuple[int, int] = (2, 6)


def _white(low: float, high: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda rng, n: rng.normal(0, _log_uniform(rng, low, high), n)


def _uneven(rng: np.random.Generator, n: int) -> np.ndarray:
    low, high = np.sort(rng.uniform(0.02, 0.35, 2))
    ends = (low, high) if rng.random() < 0.5 else (high, low)
    return rng.normal(0, 1, n) * np.linspace(*ends, n)


def _correlated(rng: np.random.Generator, n: int) -> np.ndarray:
    rho, sd = rng.uniform(0.3, 0.8), _log_uniform(rng, 0.02, 0.12)
    e = rng.normal(0, sd * np.sqrt(1 - rho**2), n + 50)
    out = np.zeros(n + 50)
    for i in range(1, n + 50):
        out[i] = rho * out[i - 1] + e[i]
    return out[50:]


def _heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    noise = rng.standard_t(2.5, n) * _log_uniform(rng, 0.02, 0.12)
    spikes = rng.random(n) < 0.02
    return noise + spikes * rng.uniform(0.5, 2.0, n)


def _batches(rng: np.random.Generator, n: int) -> np.ndarray:
    count = int(rng.integers(3, max(4, min(40, n // 3)) + 1))
    effect = rng.normal(0, rng.uniform(0.1, 0.5), count)
    return np.resize(effect, n) + rng.normal(0, _log_uniform(rng, 0.02, 0.1), n)


def _epoch_noise(rng: np.random.Generator, n: int) -> np.ndarray:
    sd, rho = _log_uniform(rng, 0.005, 0.05), rng.choice([0.0, 0.4])
    e = rng.normal(0, sd, n + 1)
    return np.sqrt(1 - rho**2) * e[1:] + rho * e[:-1]


FAMILIES = {
    "white noise": Family((30, 400), _white(0.03, 0.35)),
    "fixed batches": Family((30, 400), _batches),
    "correlated noise": Family((40, 400), _correlated),
    "uneven noise": Family((40, 400), _uneven),
    "heavy tails": Family((30, 400), _heavy),
    "sparse (8-20 points)": Family((60, 400), _white(0.01, 0.15), every=(-20, -8)),
    "long (1,000-5,000)": Family((1000, 5000), _white(0.1, 0.5), every=(1, 10)),
    "epochs, smooth": Family((10, 100), _white(1e-5, 0.004), shows="epochs", stairs=False),
    "epochs, noisy": Family((10, 100), _epoch_noise, shows="epochs", stairs=False),
    "batch and full file": Family((60, 400), _white(0.08, 0.35), every=(1, 5), shows="full"),
    "token accuracy only": Family((40, 400), _white(0.02, 0.2), shows="accuracy"),
    "reward": Family((40, 400), _white(0.02, 0.2), shows="reward"),
    "rate drops": Family((60, 400), _white(0.02, 0.2), drops=True),
    "epochs, rate drops": Family((15, 100), _white(0.003, 0.03), shows="epochs", stairs=False, drops=True),
    "few of the full file": Family((60, 1500), _white(0.3, 1.2), shows="full", epochs=(4, 12)),
}

# Of one length each, for the coverage of intervals: batches only, and with two to six measurements of the whole file.
LENGTHS = {f"{n} points": Family((n, n), _white(0.01, 0.15)) for n in (8, 15, 30, 100)} | {
    f"{n} points, whole file": Family((n, n), _white(0.05, 0.5), shows="full") for n in (8, 15, 30, 100)
}


def simulate(family: str, seed: int) -> Case:
    """One run of a family. Seeds of different families are independent."""
    every = FAMILIES | LENGTHS
    rng = np.random.default_rng([seed, list(every).index(family)])
    kind = str(rng.choice(KINDS, p=_SHARES))
    spec = every[family]
    n = int(np.exp(rng.uniform(*np.log(spec.steps))))
    n_epochs = n if spec.shows == "epochs" else int(rng.integers(spec.epochs[0], spec.epochs[1] + 1))
    while True:
        t = np.arange(1, n + 1) / n
        true = _truth(rng, kind, t, n_epochs if spec.stairs else None, drops=spec.drops)
        if true is not None:
            break
    train = _train(rng, kind, t, true, n_epochs if spec.stairs else None)
    if spec.shows == "epochs":
        train = train * np.exp(spec.noise(rng, n) * 0.5)
    else:
        train = train * np.exp(rng.normal(0, _log_uniform(rng, 0.05, 0.4), n))
        train[rng.random(n) < 0.02 * (train < 0.2)] = 0.0
    rise = float(true[-1] / true.min() - 1)
    ends = np.round(np.arange(1, n_epochs + 1) * n / n_epochs).astype(int)
    return Case(
        family=family,
        kind=kind,
        frame=_shown(rng, spec, t, true, train, ends),
        true=true,
        rise=rise,
        onset=float(np.argmin(true) + 1) if kind == "overfitting" else None,
        n_epochs=None if spec.shows == "epochs" else n_epochs,
        epoch_ends=tuple(int(end) for end in ends[-3:]) if spec.shows != "epochs" else tuple(range(1, n + 1)),
    )


def flat(seed: int) -> pd.DataFrame:
    """A run that learned nothing: both curves stay where they began, with noise of .03 % to 5 % (training to 15 %)."""
    rng = np.random.default_rng([seed, 99])
    n, level, noise = int(_log_uniform(rng, 8, 150)), rng.uniform(0.2, 3), _log_uniform(rng, 3e-4, 0.05)
    valid, train = level * np.exp(rng.normal(0, noise, n)), level * np.exp(rng.normal(0, noise * rng.choice([1, 3]), n))
    return pd.DataFrame({"step": np.arange(1, n + 1), "train_loss": train, "valid_loss": valid})


def cases(count: int, *, first_seed: int = 0, families: tuple[str, ...] = tuple(FAMILIES)) -> Iterator[Case]:
    """`count` runs of each family."""
    for family in families:
        for seed in range(first_seed, first_seed + count):
            yield simulate(family, seed)


def _truth(
    rng: np.random.Generator, kind: str, t: np.ndarray, n_epochs: int | None, *, drops: bool
) -> np.ndarray | None:
    """A noiseless validation curve of the kind, or None when this draw is not one."""
    floor = _log_uniform(rng, 0.05, 3)
    true = floor * (1 + rng.uniform(0.2, 4) * _decay(rng, t, slow=kind == "not_converged"))
    if drops:
        for at in rng.uniform(0.3, 0.8, rng.integers(1, 3)):
            true = true * np.where(t > at, np.exp(-rng.uniform(0.08, 0.35)), 1)
    if kind == "diverged":
        onset = rng.uniform(0.3, 0.8)
        gained = true[0] - true[min(int(onset * len(t)), len(t) - 1)]
        true = true + gained * rng.uniform(0.8, 2) * np.clip((t - onset) / (1 - onset), 0, None) ** rng.choice(
            [0.5, 1, 2]
        )
        return true if true[-1] / true.min() > 1.4 else None
    if kind == "overfitting":
        wanted = float(
            rng.choice([rng.uniform(0.05, 0.2), rng.uniform(0.2, 0.3), rng.uniform(0.3, 1.5)], p=(0.3, 0.2, 0.5))
        )
        shape = _rise(rng, t, n_epochs)
        low, high = 0.0, 50.0
        for _ in range(50):
            middle = (low + high) / 2
            curve = true + floor * middle * shape
            low, high = (middle, high) if curve[-1] / curve.min() - 1 < wanted else (low, middle)
        true = true + floor * high * shape
        at = int(np.argmin(true)) + 1
        return true if abs(true[-1] / true.min() - 1 - wanted) < 0.02 and 2 <= at <= 0.9 * len(t) else None
    if kind == "healthy" and rng.random() < 0.1:  # a hump that comes and goes: late it is lower again
        true = true * (1 + rng.uniform(0.05, 0.3) * np.exp(-(((t - rng.uniform(0.15, 0.45)) / 0.08) ** 2)))
    fall = 1 - true[-1] / true[int(0.8 * (len(t) - 1))]
    up = true[-1] / true.min() - 1
    right = fall > 0.06 if kind == "not_converged" else fall < 0.04
    return true if right and up < 0.03 else None


def _decay(rng: np.random.Generator, t: np.ndarray, *, slow: bool) -> np.ndarray:
    """A fall from 1 towards 0 over `t` in (0, 1]."""
    if rng.random() < 0.5:
        t0 = _log_uniform(rng, 0.02, 0.3) if slow else _log_uniform(rng, 0.003, 0.05)
        return (1 + t / t0) ** -rng.uniform(0.6, 2)
    tau = _log_uniform(rng, 0.15, 1) if slow else _log_uniform(rng, 0.02, 0.2)
    first = np.exp(-t / tau)
    if rng.random() < 0.4:  # two phases: quick, then slow
        share = rng.uniform(0.4, 0.9)
        first = share * np.exp(-t / (tau / 5)) + (1 - share) * first
    return first


def _rise(rng: np.random.Generator, t: np.ndarray, n_epochs: int | None) -> np.ndarray:
    """Nothing up to the onset, 1 at the end."""
    onset = rng.uniform(0.1, 0.75)
    u = np.clip((t - onset) / (1 - onset), 0, None)
    form = rng.choice(
        ["straight", "accelerating", "saturating", "stairs"] if n_epochs else ["straight", "accelerating", "saturating"]
    )
    if form == "accelerating":
        return u**2
    if form == "saturating":
        k = rng.uniform(1.5, 5)
        return (1 - np.exp(-k * u)) / (1 - np.exp(-k))
    if form == "stairs":  # an epoch begins with a jump, as memorised examples come round again
        epoch = np.ceil(t * n_epochs - 1e-9)
        smooth = 1 / (1 + np.exp(-((t * n_epochs - (epoch - 1)) - 0.08) * 40))
        steps = np.clip(epoch - 1 - np.floor(onset * n_epochs) - 1 + smooth, 0, None)
        return steps / max(steps[-1], 1e-9)
    return u


def _train(rng: np.random.Generator, kind: str, t: np.ndarray, true: np.ndarray, n_epochs: int | None) -> np.ndarray:
    if kind == "diverged":
        return true * rng.uniform(0.85, 1.05)
    gap = rng.uniform(0.3, 0.95) if kind == "overfitting" else rng.uniform(0.0, 0.5)
    running = np.minimum.accumulate(true)
    progress = t if not n_epochs else 0.3 * t + 0.7 * np.floor(t * n_epochs - 1e-9) / max(n_epochs - 1, 1)
    return running * (1 - gap * np.clip(progress, 0, 1) ** rng.uniform(0.5, 1.5)) * rng.uniform(0.9, 1.05)


def _shown(
    rng: np.random.Generator, spec: Family, t: np.ndarray, true: np.ndarray, train: np.ndarray, ends: np.ndarray
) -> pd.DataFrame:
    """The result file: measurements where the family has them."""
    n = len(t)
    frame = pd.DataFrame({"step": np.arange(1, n + 1), "train_loss": train})
    low, high = spec.every
    every = max(1, n // -int(rng.integers(low, high + 1))) if low < 0 else int(rng.integers(low, high + 1))
    at = np.arange(0, n, every)
    seen = np.full(n, np.nan)
    seen[at] = true[at] * np.exp(spec.noise(rng, len(at)))
    if spec.shows in ("batch", "epochs", "full"):
        frame["valid_loss"] = seen
    if spec.shows == "full":
        full = np.full(n, np.nan)
        full[ends - 1] = true[ends - 1] * np.exp(rng.normal(0, _log_uniform(rng, 0.002, 0.02), len(ends)))
        frame["full_valid_loss"] = full
    if spec.shows == "accuracy":
        top = 0.7 / max(true.max(), np.nanmax(seen))
        frame["train_mean_token_accuracy"] = np.clip(1 - train * top, 0, 1)
        frame["valid_mean_token_accuracy"] = 1 - seen * top
        frame = frame.drop(columns="train_loss")
    if spec.shows == "reward":
        # A reward of at most `top`, less as the curve is above its best.
        top = rng.uniform(0.4, 0.95)
        frame["train_mean_reward"] = top * true.min() / train.clip(true.min() / 2)
        frame["valid_mean_reward"] = top * true.min() / true + (seen / true - 1) * top * 0.5
        frame = frame.drop(columns="train_loss")
    return frame


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
