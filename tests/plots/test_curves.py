"""Charts of one run: Axes in, Axes out."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tunebook.analysis import Run, forecast, load_results
from tunebook.plots.curves import loss_chart, plot_accuracy, plot_loss, plot_results


@pytest.fixture
def results():
    frame = pd.DataFrame({"step": range(1, 13), "train_loss": [12.0 - s for s in range(12)]})
    frame["valid_loss"] = [12, 9, 7, 5, 4, 3, 3.5, 4, 4.6, 5.2, 6, 7]
    frame["valid_mean_token_accuracy"] = [s / 12 for s in range(12)]
    return load_results(frame, name="a.csv")


def test_the_axes_given_are_drawn_on_and_returned(results):
    ax = Figure().subplots()

    assert plot_loss(results, ax=ax) is ax
    assert plot_accuracy(results, ax=ax) is ax


def test_the_title_says_the_verdict(results):
    ax = plot_loss(results, ax=Figure().subplots())

    assert ax.get_title(loc="left") == "Overfitting: a.csv"
    assert ax.get_xlabel() == "step"


def test_the_three_charts_of_the_portal_share_a_figure(results):
    assert len(plot_results(results).axes) == 3


def test_a_run_without_a_loss_shows_what_it_has():
    reward = load_results(pd.DataFrame({"step": range(1, 9), "train_mean_reward": [0.1 * s for s in range(8)]}))

    assert plot_loss(reward, ax=Figure().subplots()).get_ylabel() == "mean reward"


def test_a_wide_span_gets_a_logarithmic_axis_and_a_narrow_one_does_not(results):
    wide = load_results(pd.DataFrame({"step": range(1, 13), "train_loss": [10 * 0.5**s for s in range(12)]}))

    assert plot_loss(wide, ax=Figure().subplots()).get_yscale() == "log"
    assert plot_loss(results, ax=Figure().subplots()).get_yscale() == "linear"


def test_a_single_peak_leaves_the_picture_and_is_counted():
    loss = [2.0 - s / 50 for s in range(80)]
    loss[40] = 15.0
    ax = plot_loss(load_results(pd.DataFrame({"step": range(1, 81), "train_loss": loss})), ax=Figure().subplots())

    assert ax.get_ylim()[1] < 3
    assert "↑ 1 higher, up to 15" in [text.get_text() for text in ax.texts]


def test_the_recommended_checkpoint_and_the_onset_are_in_the_legend(results):
    ax = plot_loss(results, ax=Figure().subplots())
    labels = [text.get_text() for text in ax.get_legend().get_texts()]

    assert labels[:2] == ["training", "validation, by batch"]
    assert "overfitting begins" in labels
    assert any(label.startswith("recommended: step") for label in labels)


def test_nothing_measured_is_said():
    ax = plot_accuracy(load_results(pd.DataFrame({"step": [1, 2], "train_loss": [2.0, 1.0]})), ax=Figure().subplots())

    assert [text.get_text() for text in ax.texts] == ["not measured"]


def test_a_run_is_drawn_with_its_epochs(results):
    run = Run({"id": "ftjob-1", "status": "succeeded", "hyperparameters": {"n_epochs": 3}}, results)
    ax = plot_loss(run, ax=Figure().subplots())

    assert [text.get_text() for text in ax.texts] == ["epoch 1", "2", "3"]


def test_a_forecast_is_a_fan_up_to_the_planned_end():
    frame = pd.DataFrame({"step": range(1, 41), "valid_loss": [1 + 2 * 0.9**step for step in range(40)]})
    ahead = forecast(frame, total_steps=80)

    chart = loss_chart(frame, total_steps=80, forecast=ahead)

    assert [line.label for line in chart.lines if line.label][-1] == "expected"
    assert chart.x_range[1] == 80
    assert chart.bands[-2].high[-1] > chart.bands[-1].high[-1]  # the 90 % interval around the one of 50 %
    assert "is expected to be" in chart.alt
    assert plot_loss(frame, forecast=ahead, ax=Figure().subplots()).get_xlim()[1] >= 80
