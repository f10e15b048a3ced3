"""Validation batches come round in a fixed order: the period is found and taken out without bending the curve."""

import numpy as np
import pandas as pd
import pytest

from tunebook.analysis.curves.cycles import find_period, whole_cycles, without_batches
from tunebook.analysis.curves.signals import series


def cyclic(length, n, noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    batches = rng.normal(0, 0.4, length)
    return np.resize(batches, n) + rng.normal(0, noise, n) + 1.5 * np.exp(-np.arange(n) / (n / 5))


@pytest.mark.parametrize(("length", "n"), [(3, 40), (7, 60), (19, 90), (40, 200), (100, 400), (250, 1000)])
def test_the_period_is_found(length, n):
    assert find_period(cyclic(length, n), np.arange(n)) == length


def test_noise_and_trends_have_no_period():
    n, found = 120, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found.append(find_period(rng.normal(0, 0.3, n) + np.linspace(1, 0, n), np.arange(n)))

    assert sum(period is not None for period in found) == 0


def test_a_smooth_curve_has_no_period():
    assert find_period(np.log(0.3 + np.exp(-np.arange(50) / 8)), np.arange(50)) is None


def test_missing_measurements_do_not_hide_the_period():
    index = np.delete(np.arange(100), [3, 17, 18, 60])

    assert find_period(cyclic(9, 100)[index], index) == 9


def test_a_period_told_is_tested_not_trusted():
    y = cyclic(9, 100)

    assert find_period(y, np.arange(100), candidates=(9,)) == 9
    assert find_period(y, np.arange(100), candidates=(8,)) is None


def test_batches_are_taken_out():
    n = 120
    y, period = without_batches(cyclic(8, n), np.arange(n), logarithmic=True)
    rest = y - 1.5 * np.exp(-np.arange(n) / (n / 5))

    assert period == 8
    assert rest.std() < 0.08  # the batches alone made 0.4


def test_the_mean_of_a_whole_cycle_stays_the_loss_on_the_whole_file():
    """While a run overfits easy batches go on falling and hard ones rise: the mean rises, the mean logarithm falls."""
    n = 200
    t, batch = np.arange(n), np.arange(n) % 4
    level = np.where(batch < 3, 0.5 * np.exp(-t / 60), 2 + t / 40)
    y, period = without_batches(np.log(level), t, logarithmic=True)

    assert period == 4
    assert np.exp(y[-20:]).mean() == pytest.approx(level[-20:].mean(), rel=0.05)
    assert np.exp(y[-20:]).mean() > 1.5 * np.exp(y[:20]).mean()


def test_where_batches_grow_apart_the_means_of_whole_cycles_are_the_curve():
    n, period = 120, 12
    growing = np.resize(np.random.default_rng(0).normal(0, 0.3, period), n) * np.linspace(0, 3, n)
    signal = series(pd.DataFrame({"step": np.arange(n), "valid_loss": 2 + growing}), "valid_loss", "loss")
    y, found = without_batches(signal.y, np.arange(n), logarithmic=True, period=period)

    means, noise = whole_cycles(signal, y, np.arange(n), found)

    assert (len(means), found) == (10, 12)
    assert means.value == pytest.approx(signal.value.reshape(10, 12).mean(axis=1))
    assert noise < 0.05
