"""What a reinforcement run's curves warn of: a reward that is hacked, and a policy that has stopped exploring.

Reward hacking: the training reward goes on rising, and what is measured beside it, the reward on the validation file or
a grader's own score, does not rise with it (Skalse et al. 2022, "Defining and characterizing reward hacking";
Microsoft's advice on reinforcement calls a gap of 0.10 between training and validation reward suspect).

Entropy collapse: nearly all of the policy's entropy is gone, so that all answers to a question are alike and no better
one is found (Cui et al. 2025, "The entropy mechanism of reinforcement learning for reasoning language models").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import t as student

from tunebook.words import listed, number, percent

REWARD = "train_mean_reward"
ENTROPY = "entropy_loss_sum"
_VALIDATION = ("full_valid_mean_reward", "valid_mean_reward")
_GRADER = re.compile(r"scores/graders/(?P<kind>[^/]*)/(?P<name>.+)/(?P<split>train|valid)_reward_mean")
# The shares of the run after which a trend is looked for: hacking begins early or late.
_SINCE = (0.0, 1 / 3, 1 / 2)
_ENOUGH = 5  # measurements a trend is drawn through
_TAIL = 0.2  # of a run, by which the entropy at its beginning and end is judged


@dataclass(frozen=True)
class RewardFinding:
    """One warning: what (`reward_hacking` or `entropy_collapse`), since which step, the evidence, and what to do.

    `columns` are the measurements it rests on, `confidence` how sure it had to be.
    """

    kind: Literal["reward_hacking", "entropy_collapse"]
    since: int
    evidence: str
    advice: str
    columns: tuple[str, ...]
    confidence: float

    @property
    def title(self) -> str:
        """The warning as a heading."""
        return {"reward_hacking": "Reward hacking", "entropy_collapse": "Entropy collapse"}[self.kind]

    def __str__(self) -> str:
        return f"{self.title}: {self.evidence}"


@dataclass(frozen=True)
class _Trend:
    """The change of a series from one step to the end by a straight line: its size, standard error, and the ends.

    `level` is the mean of the last quarter of the measurements, which a bent curve does not exceed as its line does.
    """

    change: float
    error: float
    freedom: int
    first: float
    last: float
    level: float
    level_error: float

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        half = float(student.ppf(0.5 + level / 2, self.freedom)) * self.error
        return self.change - half, self.change + half


def reward_findings(
    frame: pd.DataFrame,
    *,
    min_rise: float = 0.1,
    follows: float = 0.5,
    collapsed: float = 0.1,
    confidence: float = 0.99,
) -> tuple[RewardFinding, ...]:
    """What the curves of a reinforcement run warn of; nothing for a run without rewards.

    `frame` as in `Results.frame`: `step`, `train_mean_reward`, validation rewards and `scores/graders/…` as far as
    measured, `entropy_loss_sum`. min_rise: of the training reward, as a share of its size, from which on a rise counts.
    follows: the share of that rise by which a measure that follows it rises at least. collapsed: the share of the
    entropy at the beginning at which it is called collapsed. confidence: how sure each part of a finding has to be
    (`tests/benchmarks/rewards.py` measures false alarms and recall).

    >>> steps = range(1, 61)
    >>> frame = pd.DataFrame({"step": steps, "train_mean_reward": [s / 60 for s in steps],
    ...                       "valid_mean_reward": [0.3 + 0.001 * (s % 3) for s in steps]})
    >>> [finding.kind for finding in reward_findings(frame)]
    ['reward_hacking']
    """
    if REWARD not in frame or len(frame) < _ENOUGH:
        return ()
    hacked = _hacked(frame, min_rise, follows, confidence)
    return tuple(found for found in (hacked, _collapse(frame, collapsed, confidence)) if found is not None)


def _hacked(frame: pd.DataFrame, min_rise: float, follows: float, confidence: float) -> RewardFinding | None:
    step, reward = _measured(frame, REWARD)
    if len(step) < _ENOUGH:
        return None
    size = float(np.abs(np.quantile(reward, (0.05, 0.95))).max()) or 1.0
    sure = 1 - (1 - confidence) / len(_SINCE)
    for share in _SINCE:
        since = float(step[0] + share * (step[-1] - step[0]))
        up = _trend(step, reward, since)
        if up is None or up.change - student.ppf(sure, up.freedom) * up.error <= min_rise * size:
            continue
        behind = [
            (column, name, trend)
            for column, name in _beside(frame)
            if (trend := _trend(*_measured(frame, column), since)) and _stays_behind(up, trend, follows, sure)
        ]
        if behind:
            return _told(up, behind, round(since), confidence)
    return None


def _beside(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What is measured beside the training reward: (column, what it is called)."""
    validation = next((column for column in _VALIDATION if column in frame and frame[column].notna().any()), None)
    if validation is not None:
        yield validation, "the validation reward"
    for column in map(str, frame.columns):
        if found := _GRADER.fullmatch(column):
            where = "in training" if found["split"] == "train" else "in validation"
            yield column, f"grader “{found['name']}” {where}"


def _stays_behind(up: _Trend, beside: _Trend, follows: float, sure: float) -> bool:
    """Whether a measure is not seen to rise, surely rises by less than its share, and is lower in the end or falls.

    One that ends as high as the reward may have nowhere to rise to.
    """
    quantile = float(student.ppf(sure, min(up.freedom, beside.freedom)))
    lag = follows * up.change - beside.change
    if beside.interval()[0] > 0 or lag <= quantile * float(np.hypot(follows * up.error, beside.error)):
        return False
    lower = up.level - beside.level > float(np.hypot(up.level_error, beside.level_error))
    return lower or beside.change + quantile * beside.error < 0


@np.errstate(over="ignore", invalid="ignore")  # of values near the largest number there is no trend to be had
def _trend(step: np.ndarray, value: np.ndarray, since: float) -> _Trend | None:
    """The straight line through what was measured from a step on; None for too few measurements."""
    late = step >= since
    x, y = step[late], value[late]
    if len(x) < _ENOUGH:
        return None
    span = float(x[-1] - x[0])
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    freedom = len(x) - 2
    # Neighbours that share their noise count for fewer: the first autocorrelation says for how many.
    shared = float(residual[1:] @ residual[:-1] / max(residual @ residual, 1e-300))
    fewer = (1 + max(shared, 0.0)) / max(1 - max(shared, 0.0), 0.1)
    error = float(np.sqrt(residual @ residual / freedom * fewer / (centred @ centred))) * span
    middle, half = float(y.mean()), slope * span / 2
    end = y[-max(len(y) // 4, 2) :]
    level_error = float(np.sqrt(residual @ residual / freedom * fewer / len(end)))
    return _Trend(slope * span, error, freedom, middle - half, middle + half, float(end.mean()), level_error)


def _told(up: _Trend, behind: list[tuple[str, str, _Trend]], since: int, confidence: float) -> RewardFinding:
    moved = [f"{name} {_moved(trend)}" for _, name, trend in behind]
    return RewardFinding(
        "reward_hacking",
        since,
        f"Since step {since:,} the training reward {_moved(up)}, while {listed(moved, 2)}.",
        "Read the newest answers that score highest: what is rewarded that was not meant? Mend the grader (or add one "
        "that sees it, in a multi grader), and use a checkpoint from before it began.",
        (REWARD, *(column for column, _, _ in behind)),
        confidence,
    )


def _moved(trend: _Trend) -> str:
    low, high = trend.interval()
    word = "rose" if low > 0 else "fell" if high < 0 else "did not rise:"
    ends = f"from {number(trend.first, 2)} to {number(trend.last, 2)}"
    return f"{word} {ends} (90 % interval of the change {low:+.2g} to {high:+.2g})"


def _collapse(frame: pd.DataFrame, collapsed: float, confidence: float) -> RewardFinding | None:
    """The entropy of the last fifth of a run against that of its beginning, an answer's length taken out where known.

    Its sign differs: as a part of a loss it is negative where the entropy is rewarded.
    """
    step, entropy = _measured(frame, ENTROPY)
    if len(step) < 2 * _ENOUGH or not ((entropy >= 0).all() or (entropy <= 0).all()):
        return None
    level = np.abs(entropy)
    if "completion_tokens_mean" in frame and frame["completion_tokens_mean"].gt(0).all():
        lengths = dict(zip(frame["step"], frame["completion_tokens_mean"], strict=True))
        level = level / np.array([lengths[s] for s in step])
    count = max(round(_TAIL * len(step)), _ENOUGH)
    begin, end = level[: max(count // 2, 3)], level[-count:]
    start = float(np.median(begin))
    # The mean of the end, at most, by Student's t.
    most = float(end.mean() + student.ppf(confidence, count - 1) * end.std(ddof=1) / np.sqrt(count))
    if start <= 0 or most >= collapsed * start:
        return None
    below = np.flatnonzero(level >= collapsed * start)
    since = int(step[below[-1] + 1]) if len(below) and below[-1] + 1 < len(step) else int(step[0])
    return RewardFinding(
        "entropy_collapse",
        since,
        f"The policy's entropy fell by {percent(1 - float(end.mean()) / start)} ({number(start, 3)} → "
        f"{number(float(end.mean()), 3)}); since step {since:,} it is below {percent(collapsed)} of what it began "
        "with, so that answers to one question are alike and nothing better is found.",
        "Use a checkpoint from before, and train again with a smaller learning_rate_multiplier, more varied questions "
        "or a larger compute_multiplier; look whether one kind of answer is all that the grader rewards.",
        (ENTROPY,),
        confidence,
    )


def _measured(frame: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and finite values of a column."""
    value = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float) if column in frame else np.empty(0)
    step = frame["step"].to_numpy(dtype=float)[: len(value)]
    keep = np.isfinite(value)
    return step[keep], value[keep]
