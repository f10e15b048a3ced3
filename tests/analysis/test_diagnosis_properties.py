"""What must hold for any table at all."""

import json
import re

import adversarial
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebook.analysis import Results, diagnose
from tunebook.palette import VERDICTS
from tunebook.words import probability

COLUMNS = (
    "train_loss",
    "valid_loss",
    "full_valid_loss",
    "train_mean_token_accuracy",
    "valid_mean_token_accuracy",
    "valid_mean_reward",
    "something_else",
)
cells = st.one_of(
    st.none(),
    st.floats(0, 5),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -1.0, 1e-300, 1e300, 1.7e308]),
)


@st.composite
def frames(draw):
    n = draw(st.integers(0, 30))
    chosen = draw(st.lists(st.sampled_from(COLUMNS), unique=True))
    steps = draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))
    return pd.DataFrame(
        {"step": pd.Series(steps, dtype=float)}
        | {c: pd.Series(draw(st.lists(cells, min_size=n, max_size=n)), dtype=float) for c in chosen}
    )


@st.composite
def curves(draw):
    """A run with noise, falling and perhaps rising."""
    n = draw(st.integers(8, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    t = np.arange(n) / n
    valid = 0.5 + np.exp(-t / 0.1) + draw(st.floats(0, 0.5)) * np.clip(t - 0.5, 0, None)
    valid = valid * np.exp(rng.normal(0, draw(st.sampled_from([0.0, 0.05, 0.3])), n))
    train = np.exp(-t / 0.3) * np.exp(rng.normal(0, 0.1, n))
    return pd.DataFrame({"step": np.arange(1, n + 1), "train_loss": train, "valid_loss": valid})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames())
def test_any_table_has_a_verdict_and_a_reason(frame):
    for results in Results.from_frame(frame).parts:
        d = diagnose(results, draws=50)

        assert d.verdict in VERDICTS
        assert d.reason
        assert d.p_overfitting is None or 0 <= d.p_overfitting <= 1
        assert d.verdict != "overfitting" or d.p_overfitting >= 0.85
        assert "nan" not in d.reason
        json.dumps(d.to_json(), allow_nan=False)


def test_hostile_series_do_not_raise():
    assert not adversarial.raising(range(150))


def test_a_fall_to_a_floor_that_is_constant_but_for_its_last_digit_is_judged():
    values = [1.183, 0.833, 0.745, 0.712, 0.702, 0.695, 0.6937, 0.6933, 0.6932] + [0.69315, 0.69314, 0.69316] * 14
    frame = pd.DataFrame({"step": range(1, 52), "train_loss": values, "valid_loss": values})

    assert diagnose(frame).verdict == "healthy"


@settings(max_examples=40, deadline=None)
@given(curves(), st.sampled_from([0.001, 0.5, 3.0, 4096.0]))
def test_scaling_all_losses_changes_nothing(frame, factor):
    scaled = frame.assign(train_loss=frame["train_loss"] * factor, valid_loss=frame["valid_loss"] * factor)

    before, after = diagnose(frame), diagnose(scaled)

    assert (before.verdict, before.recommended_step) == (after.verdict, after.recommended_step)
    assert before.p_overfitting == pytest.approx(after.p_overfitting, abs=0.01)
    assert before.rise == pytest.approx(after.rise, abs=1e-6)


@st.composite
def histories(draw):
    """A run of any length and spacing that falls, drops, rises late or not, alone or with measurements of the file."""
    n, every = draw(st.integers(2, 60)), draw(st.sampled_from([1, 10, 1000]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    t = np.arange(1, n + 1) / n
    true = 0.5 + draw(st.sampled_from([0.0, 0.05, 1.0])) * np.exp(-t / draw(st.sampled_from([0.05, 0.5, 5.0])))
    true = true * np.where(t > 0.6, draw(st.sampled_from([1.0, 0.8])), 1)
    true = true + draw(st.floats(0, 0.6)) * np.clip(t - draw(st.sampled_from([0.3, 0.7])), 0, None)
    valid = true * np.exp(rng.normal(0, draw(st.sampled_from([0.0, 0.02, 0.3])), n))
    train = true if draw(st.booleans()) else np.exp(-t / 0.3) * np.exp(rng.normal(0, 0.1, n))
    frame = pd.DataFrame({"step": np.arange(1, n + 1) * every, "train_loss": train, "valid_loss": valid})
    if draw(st.booleans()):
        frame["full_valid_loss"] = np.where(np.arange(n) % max(1, n // 5) == 0, true, np.nan)
    return frame.drop(columns="valid_loss") if "full_valid_loss" in frame and draw(st.booleans()) else frame


@settings(max_examples=150, deadline=None)
@given(histories())
def test_no_sentence_contradicts_the_numbers_beside_it(frame):
    d = diagnose(frame)
    steps = [int(step.replace(",", "")) for step in re.findall(r"step ([\d,]*\d)", d.reason)]

    assert all(frame["step"].min() <= step <= frame["step"].max() for step in steps)
    assert (d.train_again is None) == (not d.choice.startswith("Train again"))
    if d.rise_interval is None:
        return
    low, high = d.rise_interval
    assert low <= d.rise <= high
    assert "too noisy to tell" not in d.reason or low <= 0.05 <= high
    assert "too noisy to exclude" not in d.reason or high > 0.05
    assert d.verdict != "healthy" or high <= 0.15
    assert d.verdict != "overfitting" or d.onset_interval[0] <= d.onset_step <= d.onset_interval[1]
    assert frame["step"].min() <= d.best["step"] <= frame["step"].max()
    fit = d.curve["valid_smooth"].to_numpy()
    assert "stayed there" not in d.reason or fit[-1] > 0.95 * np.interp(0.8, np.linspace(0, 1, len(fit)), fit)
    said = re.search(r"probability of overfitting (.* %)", d.reason)
    assert said is None or said[1] == probability(d.p_overfitting)


@settings(max_examples=25, deadline=None)
@given(curves(), st.integers(0, 1000))
def test_columns_not_used_change_nothing(frame, seed):
    noise = np.random.default_rng(seed).permutation(len(frame))
    other = frame.assign(usage=noise, timestamp=[str(i) for i in noise])

    assert (
        diagnose(frame).to_json()
        == diagnose(other[["timestamp", "valid_loss", "usage", "train_loss", "step"]]).to_json()
    )


@settings(max_examples=25, deadline=None)
@given(curves())
def test_asking_again_changes_nothing_nor_is_the_table_changed(frame):
    before = frame.copy()
    first, second = diagnose(frame), diagnose(frame)

    assert first.to_json() == second.to_json()
    pd.testing.assert_frame_equal(frame, before)
