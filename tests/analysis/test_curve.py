"""Curves through noise: what is certain stays certain, what is noise stays doubtful."""

import numpy as np
import pandas as pd
import pytest

from tunebook.analysis.curves.curve import draw_curve, draw_few
from tunebook.analysis.curves.drops import drops
from tunebook.analysis.curves.signals import series
from tunebook.analysis.curves.smoothing import resample, smooth
from tunebook.analysis.curves.valley import fit_valley

N = 40
T = np.arange(1.0, N + 1)


def signal(value, column="valid_loss", kind="loss"):
    return series(pd.DataFrame({"step": np.arange(1, len(value) + 1), column: value}), column, kind)


def drawn(value, full=None):
    one = signal(value)
    return draw_curve(one, one.calm, full, np.random.default_rng(0), draws=200)


def test_a_straight_line_is_smoothed_to_itself():
    fit = smooth(T, 3 - T / 20, np.ones(N)).fit

    # In square-root time a straight line is a slight bend.
    assert np.abs(fit - (3 - T / 20)).max() < 0.01


def test_noise_drawn_is_as_large_as_the_residuals():
    residual = np.random.default_rng(1).normal(0, 0.3, 200)

    drawn_noise = resample(residual, 190.0, 0.0, 400, np.random.default_rng(0))

    assert drawn_noise.std() == pytest.approx(0.3, rel=0.1)


def test_a_valley_knows_where_it_turns():
    y = np.where(T < 15, 1 - T / 20, 1 - 15 / 20 + (T - 15) / 50)
    valley = fit_valley(T, y + np.random.default_rng(0).normal(0, 0.01, N), np.ones(N), np.zeros(N, dtype=bool))

    assert T[valley.turns[np.argmax(valley.chance)]] == pytest.approx(15, abs=2)


def test_a_second_group_may_lie_at_another_level():
    y = 1 - T / 50
    second = np.arange(N) % 5 == 0
    valley = fit_valley(T, y + 0.3 * second, np.ones(N), second)

    assert valley.offset[0] == pytest.approx(0.3, abs=1e-6)
    assert np.abs(valley.fits[0] - y).max() < 1e-6


def test_a_small_rise_without_noise_is_certain():
    value = np.where(T < 20, 2 - T / 20, 1 + (T - 20) * 0.003)

    curve = drawn(value)

    assert (curve.lasting > np.log(1.05)).mean() > 0.95
    assert np.expm1(np.median(curve.rises)) == pytest.approx(0.06, abs=0.01)


def test_a_larger_rise_in_strong_noise_is_not():
    rng = np.random.default_rng(3)
    value = np.where(T < 20, 2 - T / 20, 1 + (T - 20) * 0.008) * np.exp(rng.normal(0, 0.4, N))

    assert 0.02 < (drawn(value).lasting > 0.05).mean() < 0.95


def test_one_spike_is_no_rise():
    value = 1 + np.exp(-T / 5) + np.random.default_rng(0).normal(0, 0.01, N)
    value[-1] = 3

    assert np.expm1(np.median(drawn(value).rises)) < 0.15


def test_measurements_of_the_whole_file_steady_the_curve():
    rng = np.random.default_rng(5)
    true = np.where(T < 20, 2 - T / 20, 1 + (T - 20) * 0.01)
    value = true * np.exp(rng.normal(0, 0.4, N))
    full = np.where(T % 10 == 0, true, np.nan)

    alone, together = drawn(value), drawn(value, signal(full, "full_valid_loss"))

    assert (alone.lasting > 0.05).mean() < 0.5  # in truth it rises by 20 %
    assert (together.lasting > 0.05).mean() > 0.95


def test_two_measurements_of_the_whole_file_are_a_curve():
    curve = draw_few(signal(np.array([0.42, 0.47])), 0.0, np.random.default_rng(0), draws=400)

    assert np.expm1(np.median(curve.rises)) == pytest.approx(0.47 / 0.42 - 1, abs=0.01)
    assert (curve.rises > np.log(1.05)).mean() > 0.9


def test_a_curve_falls_in_steps_and_the_rise_after_them_is_whole():
    rng = np.random.default_rng(0)
    value = np.where(T <= 20, 1.8, np.where(T <= 30, 1.4, 1.28 + (T - 31) * 0.21 / 9)) * np.exp(rng.normal(0, 0.01, N))

    curve = drawn(value)

    assert curve.best == 31
    assert np.expm1(np.median(curve.rises)) == pytest.approx(1.49 / 1.28 - 1, abs=0.03)


def test_a_smooth_fall_and_noise_have_no_steps():
    smooth_fall = np.log(0.5 + 2 * np.exp(-T / 5))
    noise = np.random.default_rng(0).normal(0, 0.1, N)

    assert not drops(T, smooth_fall).any()
    assert not drops(T, noise).any()
