"""Curves as SVG: what is kept when points are thinned, scales, marks."""

from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.widgets.live import chart


def frame_of(**columns) -> pd.DataFrame:
    return pd.DataFrame({"step": np.arange(1, len(next(iter(columns.values()))) + 1), **columns})


@given(n=st.integers(1, 3000), most=st.integers(2, 300))
def test_thinning_keeps_the_last_point_the_order_and_the_limit(n, most) -> None:
    x = np.arange(n, dtype=float)

    thin_x, thin_y = chart.thin(x, x * 2, most)

    assert len(thin_x) == min(n, most)
    assert (thin_x[-1], thin_y[-1]) == (n - 1, 2 * (n - 1))
    assert (np.diff(thin_x) > 0).all()


def test_thinning_averages_and_loses_no_spike() -> None:
    y = np.zeros(1000)
    y[500] = 100.0

    _, thinned = chart.thin(np.arange(1000.0), y, 100)

    assert thinned.max() == pytest.approx(10.0, rel=0.2)


def test_a_curve_that_falls_far_is_drawn_on_a_log_scale() -> None:
    falling = chart.loss_chart(frame_of(train_loss=[8.0, 4.0, 1.0, 0.3]))
    flat = chart.loss_chart(frame_of(train_loss=[1.2, 1.1, 1.0, 0.9]))

    assert (falling.log, flat.log) == (True, False)
    assert "loss (log scale)" in chart.svg(falling)


def test_blank_cells_are_not_drawn() -> None:
    drawn = chart.loss_chart(frame_of(train_loss=[1.0, 0.9, 0.8], valid_loss=[1.1, float("nan"), 0.9]))

    validation = next(line for line in drawn.lines if line.label.startswith("validation"))
    assert validation.x.tolist() == [1.0, 3.0]


def test_a_reinforcement_job_shows_its_rewards() -> None:
    drawn = chart.loss_chart(frame_of(train_mean_reward=[0.1, 0.2]))

    assert drawn.y_label == "mean reward"


def test_nothing_measured_is_an_empty_frame_of_the_same_size() -> None:
    assert chart.loss_chart(frame_of(train_loss=[float("nan")])) is None
    assert 'viewBox="0 0 600 250"' in chart.svg(None, empty="<none>")
    assert "&lt;none&gt;" in chart.svg(None, empty="<none>")


def test_the_onset_of_overfitting_is_marked() -> None:
    diagnosis = SimpleNamespace(curve=None, onset_step=2, recommended_step=2)

    drawn = chart.loss_chart(frame_of(train_loss=[1.0, 0.9, 0.8]), diagnosis=diagnosis)

    assert drawn.marks == {"overfits from here": 2.0}
    assert "overfits from here" in chart.svg(drawn)


def test_charts_and_sparklines_are_well_formed_and_say_their_numbers() -> None:
    drawn = chart.loss_chart(frame_of(train_loss=[1.0, 0.5], valid_loss=[1.2, 0.7]), total_steps=10, n_epochs=2)
    spark = chart.sparkline(np.array([1.0, 0.5]), np.array([1.2, 0.7]))

    for svg in (chart.svg(drawn), chart.svg(chart.overlay_chart({"a<b": frame_of(valid_loss=[2.0, 1.0])})), spark):
        ElementTree.fromstring(svg)  # noqa: S314 - made above
    assert "training loss from 1 to 0.5 at step 2" in chart.svg(drawn)
    assert "training loss 1 to 0.5, validation loss 1.2 to 0.7" in spark


def test_an_overlay_compares_the_same_curve_of_every_job() -> None:
    long = frame_of(valid_loss=[2.0, 1.0, 0.5], full_valid_loss=[float("nan"), 1.0, 0.6])
    short = frame_of(valid_loss=[3.0, 2.0, 1.0], full_valid_loss=[float("nan")] * 3)

    assert chart.overlay_chart({"long": long, "short": short}).y_label == "validation loss"


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-6, 1e6))
def test_ticks_lie_inside_the_range_and_are_few(low, span) -> None:
    found = chart.ticks(low, low + span)

    assert len(found) <= 12
    assert all(low - 1e-6 * max(1, abs(low)) <= tick <= (low + span) + 1e-6 * max(1, abs(low) + span) for tick in found)


def test_log_ticks_are_ones_twos_and_fives_and_never_crowded() -> None:
    assert chart.log_ticks(-0.5, 0.8) == [0.5, 1, 2, 5]
    assert len(chart.log_ticks(-8, 8)) <= 17
