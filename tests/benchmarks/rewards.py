"""False alarms and recall of the warnings about reinforcement runs, on simulated runs of known truth.

    PYTHONPATH=src:tests/benchmarks python -m rewards

A run is simulated as what is known of real ones: a training reward measured at every step on a small batch, a
validation reward every few steps, a grader beside them, an entropy that falls. In sound runs validation follows the
training reward by half or more; noise is independent, shared by neighbours, or uneven.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from tunebook.analysis.curves.reward import reward_findings

SOUND = ("follows", "half", "flat", "saturated", "falls together", "wide grader")
HACKED = ("validation stalls", "validation falls", "grader falls", "grader stalls")


def simulate(kind: str, rng: np.random.Generator) -> pd.DataFrame:
    """One run of a kind, as a frame of its measurements."""
    steps, every = int(rng.integers(40, 300)), int(rng.integers(3, 12))
    step = np.arange(1, steps + 1)
    x = step / steps
    low, gain, speed = rng.uniform(0.05, 0.4), rng.uniform(0.15, 0.5), rng.uniform(1, 5)
    rise = gain * (1 - np.exp(-speed * x)) / (1 - np.exp(-speed))
    size = rng.choice([1.0, 1.0, 10.0])  # some rewards are marks from 0 to 10
    onset = rng.uniform(0.0, 0.45)
    if kind in HACKED:  # the reward goes on rising after it, by a tenth at least
        rise = np.maximum(rise, np.interp(onset, x, rise) + np.clip(x - onset, 0, None) * rng.uniform(0.2, 0.6))
    held = np.interp(onset, x, rise)
    late = np.clip(x - onset, 0, None) / (1 - onset)
    own = rng.uniform(0.5, 1.0)
    train, valid, grader = low + rise, low - 0.03 + own * rise, low + rng.uniform(0.5, 1) * rise
    if kind == "half":
        valid = low - 0.03 + 0.5 * rise
    if kind == "flat":
        train = valid = grader = np.full(steps, low)
    if kind == "saturated":
        valid = np.full(steps, low + gain + rng.uniform(0.0, 0.2))  # nowhere to rise to
    if kind == "falls together":
        train, valid, grader = low + gain - rise, low + gain - rise, low + gain - rise
    if kind == "wide grader":
        grader = np.full(steps, 1.0)  # of the format, say: kept all along
    if kind == "validation stalls":
        valid = low - 0.03 + np.minimum(rise, held) * own
    if kind == "validation falls":
        valid = low - 0.03 + np.minimum(rise, held) * own - late * rng.uniform(0.05, 0.25)
    if kind == "grader falls":
        grader = low + np.minimum(rise, held) - late * rng.uniform(0.1, 0.3)
    if kind == "grader stalls":
        grader = low - 0.05 + np.minimum(rise, held)
    frame = pd.DataFrame({"step": step, "train_mean_reward": size * (train + _noise(steps, 0.06, rng))})
    frame["full_valid_mean_reward"] = np.where(step % every == 0, size * (valid + _noise(steps, 0.03, rng)), np.nan)
    own_score = grader + _noise(steps, 0.06, rng) * (kind != "wide grader")
    frame["scores/graders/score_model/judge/train_reward_mean"] = size * own_score
    return frame


def _noise(n: int, sd: float, rng: np.random.Generator) -> np.ndarray:
    raw = rng.standard_t(5, n) * sd * rng.uniform(0.5, 1.5)
    shared = rng.choice([0.0, 0.0, 0.4])
    for i in range(1, n):
        raw[i] = shared * raw[i - 1] + np.sqrt(1 - shared**2) * raw[i]
    return raw * np.linspace(1, rng.uniform(0.5, 1.5), n)


def entropy(left: float, rng: np.random.Generator) -> pd.DataFrame:
    """A run whose entropy ends at a share of what it began with."""
    steps = int(rng.integers(30, 300))
    step = np.arange(1, steps + 1)
    start, speed = rng.uniform(5, 500), rng.uniform(3, 10)
    level = start * (left + (1 - left) * np.exp(-speed * step / steps))
    sign = rng.choice([-1.0, 1.0])
    value = sign * level * np.exp(rng.normal(0, rng.uniform(0.05, 0.3), steps))
    return pd.DataFrame({"step": step, "train_mean_reward": 0.5 + 0.0 * step, "entropy_loss_sum": value})


def alarm_rate(frames: list[pd.DataFrame], kind: str, *, looks: int = 1) -> float:
    """The share of runs of which a finding of that kind is made, at the end or at any of `looks` on the way."""
    ends = [[round(len(f) * (k + 1) / looks) for k in range(looks)] for f in frames]
    hit = [
        any(kind in [found.kind for found in reward_findings(frame.head(n))] for n in at)
        for frame, at in zip(frames, ends, strict=True)
    ]
    return float(np.mean(hit))


def main(runs: int = 400) -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    print(f"{runs} runs of each kind; a finding at the end | at any of 10 looks on the way")
    for kind in (*SOUND, *HACKED):
        frames = [simulate(kind, rng) for _ in range(runs)]
        once, ever = (alarm_rate(frames, "reward_hacking", looks=looks) for looks in (1, 10))
        label = "hacked" if kind in HACKED else "sound"
        print(f"{label:<7} {kind:<18} reward hacking  {once:6.1%} | {ever:6.1%}")
    for left in (0.5, 0.3, 0.2, 0.15, 0.05, 0.02):
        frames = [entropy(left, rng) for _ in range(runs)]
        once, ever = (alarm_rate(frames, "entropy_collapse", looks=looks) for looks in (1, 10))
        print(f"{'sound' if left >= 0.15 else 'lost':<7} {left:<18.0%} entropy collapse {once:5.1%} | {ever:6.1%}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
