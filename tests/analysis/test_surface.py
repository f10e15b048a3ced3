"""The response surface: scikit-learn's Gaussian process where settings are fixed, sober where data are few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from tunebook.analysis.sweeps.scales import Scale, scale_for
from tunebook.analysis.sweeps.surface import LEVEL_SD, ROUNDING_SD, Settings, condition, fit_surface

BOX = (Scale("a", "linear", 0.0, 1.0, (0.0, 1.0)), Scale("b", "linear", 0.0, 1.0, (0.0, 1.0)))


def one_setting(noise=0.05):
    return Settings(np.array([[0.5, 0.8]]), np.array([0.3]), np.array([noise]), np.array([0.0]), np.array([False]))


def test_with_fixed_settings_it_is_scikit_learns_gaussian_process():
    rng = np.random.default_rng(0)
    points, values, new = rng.random((9, 2)), rng.normal(0, 0.3, 9), rng.random((5, 2))
    kernel = ConstantKernel(0.3**2, "fixed") * RBF([0.5, 0.8], "fixed") + ConstantKernel(LEVEL_SD**2, "fixed")
    oracle = GaussianProcessRegressor(kernel, alpha=0.05**2 + ROUNDING_SD**2, optimizer=None)
    oracle.fit(points, values - values.mean())
    expected, sd = oracle.predict(new, return_std=True)

    surface = condition(BOX, points, values, one_setting(), counts=np.ones(9), evaluation_variance=np.zeros(9))
    mean, variance = surface.predict(new)

    np.testing.assert_allclose(mean[0], expected + values.mean(), atol=1e-8)
    np.testing.assert_allclose(variance[0], sd**2, atol=1e-8)


def test_paths_scatter_around_the_mean_as_the_variance_says():
    rng = np.random.default_rng(1)
    points, values, new = rng.random((6, 2)), rng.normal(0, 0.3, 6), np.array([[0.5, 0.5], [0.0, 1.0]])
    many = Settings(*(np.repeat(getattr(one_setting(), f), 4000, axis=0) for f in Settings.__dataclass_fields__))
    surface = condition(BOX, points, values, many, counts=np.ones(6), evaluation_variance=np.zeros(6))

    paths = surface.paths(new, rng, draws=4000)
    mean, variance = surface.predict(new)

    np.testing.assert_allclose(paths.mean(0), mean[0], atol=0.02)
    np.testing.assert_allclose(paths.var(0), variance[0], rtol=0.1)


def test_replicates_tell_the_noise():
    rng = np.random.default_rng(2)
    scatter = rng.normal(0, 0.1, (6, 4))
    points = np.linspace(0, 1, 6)[:, None]
    values = (points[:, 0] - 0.4) ** 2 + scatter.mean(1)
    within = (float(((scatter - scatter.mean(1, keepdims=True)) ** 2).sum()), 18)

    surface = fit_surface(BOX[:1], points, values, counts=np.full(6, 4.0), within=within)

    assert surface.noise_sd == pytest.approx(0.1, rel=0.35)


def test_known_evaluation_noise_is_not_taken_for_signal():
    points, values = np.linspace(0, 1, 5)[:, None], np.array([0.0, 0.5, -0.4, 0.3, -0.2])

    sharp = fit_surface(BOX[:1], points, values)
    vague = fit_surface(BOX[:1], points, values, evaluation_variance=np.full(5, 0.4**2))

    assert np.ptp(vague.theta_mean.mean(0)) < 0.5 * np.ptp(sharp.theta_mean.mean(0))


def test_two_categories_are_all_or_nothing_apart():
    scale = scale_for("kind", ["low", "high", "low"])

    assert (scale.kind, scale.levels, scale.unit(["high", "low"]).tolist()) == ("category", ("high", "low"), [0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("batch_size", [4, 8], "log"),
        ("n_epochs", [1, 2, 3], "linear"),
        ("n_epochs", [1, 16], "log"),
        ("other", [0.0, 100.0], "linear"),
        ("flag", [True, False], "category"),
    ],
)
def test_scales_follow_how_people_sweep(name, values, kind):
    assert scale_for(name, values).kind == kind


@pytest.mark.parametrize("values", [[1e-06, 1.0000000000000002e-06], [0.1 + 0.2, 0.3], [3, 3.0]])
def test_numbers_that_only_rounding_sets_apart_are_one_value(values):
    assert not scale_for("learning_rate_multiplier", values).varied


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=6, unique=True))
def test_values_go_into_the_box_and_come_back(values):
    scale = scale_for("learning_rate_multiplier", values)
    unit = scale.unit(values)

    assert unit.min() == pytest.approx(0, abs=1e-9)
    assert unit.max() == pytest.approx(1 if scale.varied else 0, abs=1e-9)
    np.testing.assert_allclose(scale.own(unit).astype(float), values, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1e-7, 0.5, -3.0, 20.0]), min_size=1, max_size=9), st.integers(0, 3))
def test_any_values_even_all_alike_give_finite_answers(values, seed):
    points = np.random.default_rng(seed).random((len(values), 2))
    surface = fit_surface(BOX, points, np.array(values), seed=seed)
    mean, variance = surface.predict(points)

    assert np.isfinite(surface.draw(50, np.random.default_rng(0))).all()
    assert np.isfinite(mean).all()
    assert (variance >= 0).all()
