"""Charts of one run: Axes in, Axes out."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tunebook.analysis import load_results
from tunebook.plots.curves import plot_accuracy, plot_loss, plot_results


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

    assert ax.get_title(loc="left") == "a.csv: Overfitting"
    assert ax.get_xlabel() == "step"


def test_the_three_charts_of_the_portal_share_a_figure(results):
    assert len(plot_results(results).axes) == 3
