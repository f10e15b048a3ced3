"""The pictures of a comparison: Axes in, Axes out, and drawn for every shape of comparison."""

from io import BytesIO

import pandas as pd
import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure

from tunebook.analysis import Results, Run, compare
from tunebook.analysis.sweeps.more_data import MoreData
from tunebook.plots import costs, responses, sweeps

PLOTS = [
    sweeps.plot_sweep,
    sweeps.plot_ranking,
    costs.plot_pareto,
    sweeps.plot_seeds,
    responses.plot_importance,
    responses.plot_contour,
    responses.plot_parallel,
]


def a_run(job_id, loss, effort=None, *, rate=0.1, status="succeeded", **job):
    frame = pd.DataFrame({"step": range(1, 13), "valid_loss": [loss * (1.6 - 0.05 * k) for k in range(12)]})
    frame["full_valid_loss"] = [None] * 11 + [loss]
    settings = {"n_epochs": 1, "batch_size": 8, "learning_rate_multiplier": rate}
    settings |= {"effort": effort} if effort else {}
    known = {
        "id": job_id,
        "model": "m",
        "status": status,
        "seed": 1,
        "trained_tokens": 1000,
        "hyperparameters": settings,
    }
    return Run(known | job, Results.from_frame(frame.astype(float)))


def axes():
    return Figure().subplots()


@pytest.fixture(scope="module")
def comparison():
    return compare([a_run("a", 0.5), a_run("b", 0.6, rate=0.3), a_run("c", 0.9, rate=1.0), a_run("a2", 0.51)])


@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_returns_the_axes_it_was_given_and_changes_no_style(plot, comparison):
    before, ax = dict(rcParams), axes()

    assert plot(comparison, ax=ax) is ax
    assert dict(rcParams) == before


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("runs", [[], [a_run("only", 0.5)], [a_run("bad", 0.5, status="failed")]], ids=len)
def test_a_plot_of_little_or_nothing_says_so_instead_of_failing(plot, runs):
    figure = Figure()

    plot(compare(runs), ax=figure.subplots())
    figure.savefig(BytesIO())


def test_each_level_of_the_hyperparameter_has_its_own_colour_marker_and_style(comparison):
    legend = sweeps.plot_sweep(comparison, by="learning_rate_multiplier", ax=axes()).get_legend()
    lines = legend.get_lines()

    assert [text.get_text() for text in legend.get_texts()] == ["0.1", "0.3", "1"]
    assert len({line.get_marker() for line in lines}) == 3
    assert len({str(line.get_linestyle()) for line in lines}) == 3
    assert len({tuple(line.get_color()) for line in lines}) == 3


def test_the_ranking_has_one_row_a_job_best_first_and_says_which_have_seeds(comparison):
    ax = sweeps.plot_ranking(comparison, ax=axes())
    labels = [text.get_text() for text in ax.get_yticklabels()]

    assert [label.split("  ")[0] for label in labels] == [
        "★ rate 0.1, seed 1",
        "≈ rate 0.1, seed 1",
        "rate 0.3",
        "rate 1",
    ]


def test_a_response_needs_a_hyperparameter_that_was_varied(comparison):
    ax = responses.plot_response(comparison, "learning_rate_multiplier", ax=axes())

    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.1", "0.3", "1"]
    with pytest.raises(KeyError, match="'n_epochs' was not varied"):
        responses.plot_response(comparison, "n_epochs", ax=axes())


def test_where_there_is_no_importance_the_reason_is_drawn(comparison):
    ax = responses.plot_importance(comparison, ax=axes())

    assert "too few jobs (4 < 12)" in [text.get_text() for text in ax.texts]
    assert "not varied" in [text.get_text() for text in ax.texts]


def test_the_knee_is_named_and_the_front_marked(comparison):
    ax = costs.plot_pareto(comparison, ax=axes())

    assert [text.get_text() for text in ax.texts] == ["knee: rate 0.1"]
    assert "worth its price" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_seeds_of_a_configuration_stand_in_one_column(comparison):
    ax = sweeps.plot_seeds(comparison, ax=axes())

    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.1", "0.3", "1"]


def test_two_configurations_make_no_surface():
    runs = [a_run(f"j{k}", 0.5 + 0.1 * k, k + 1, rate=rate) for k, rate in enumerate([0.1, 1.0])]

    ax = responses.plot_contour(compare(runs), ax=axes())

    assert [text.get_text() for text in ax.texts] == ["2 configurations tried: a surface needs 4"]


def test_categories_are_drawn_as_points():
    runs = [a_run(f"j{k}", 0.5 + 0.05 * k, extra) for k, extra in enumerate(["low", "high", "low"])]
    figure = Figure()

    responses.plot_response(compare(runs), "effort", ax=figure.subplots())
    figure.savefig(BytesIO())


def test_dollars_in_names_are_text_not_mathematics():
    figure = Figure()

    sweeps.plot_ranking(compare([a_run("a", 0.5, suffix="$x_$"), a_run("b", 0.6, suffix="$")]), ax=figure.subplots())
    figure.savefig(BytesIO())


def test_what_a_ranking_says(comparison):
    ranking = sweeps.ranking_chart(comparison)
    best = ranking.configurations[0]

    assert (ranking.title, ranking.measure, ranking.level) == (
        "4 jobs; ≈ not told apart from ★, % P(best)",
        "validation loss (nats per token)",
        0.9,
    )
    assert best.label.startswith("★ rate 0.1, seed 1  ")
    assert best.low < best.value < best.high
    assert [row.standing for row in ranking.configurations] == ["best", "alike", "", ""]


def test_what_a_front_says(comparison):
    front = costs.pareto_chart(comparison, cost="trained_tokens")

    assert (front.settings, front.cost, front.log) == ("rate 0.1", "trained tokens", False)
    assert [(point.cost, point.standing) for point in front.points] == [
        (1000.0, "front"),
        (1000.0, "undecided"),
        (1000.0, "dominated"),
        (1000.0, "dominated"),
    ]


def test_what_parallel_axes_say(comparison):
    chart = responses.parallel_chart(comparison)

    assert [upright.name for upright in chart.uprights] == ["learning rate multiplier", "validation loss"]
    assert chart.uprights[0].levels[0] == (0.0, "0.1")
    assert [way.standing for way in chart.ways] == ["best", "alike", "", ""]
    assert chart.ways[0].colour == "#d55e00"
    assert [round(way.heights[-1], 2) for way in chart.ways] == [0.0, 0.02, 0.31, 1.0]


def test_what_all_curves_on_one_chart_say(comparison):
    chart = sweeps.sweep_chart(comparison)

    assert (chart.x_label, chart.key, chart.title) == (
        "epoch",
        "learning rate multiplier",
        "4 jobs, smoothed; ★ is the best guess",
    )
    assert [line.label for line in chart.legend] == ["0.1", "0.3", "1"]
    assert [mark.label for mark in chart.marks] == ["", "", "", "★ a"]
    assert [line.width for line in chart.lines] == [1.0, 1.0, 1.5, 2.8]
    assert chart.alt.endswith("a, a2 and b end best. Recommended is a.")


def test_the_curve_over_examples_holds_what_was_measured_and_a_fan():
    measured = pd.DataFrame({"examples": [100, 200, 400], "loss": [2.0, 1.7, 1.5], "jobs": 1})
    levels = {name: [2.0, 1.5, 1.3] for name in ("expected", "low50", "high50", "low90", "high90")}
    more = MoreData("yes", "<script>", pd.DataFrame(), measured, pd.DataFrame({"examples": [100, 400, 1600]} | levels))

    ax = sweeps.plot_more_data(more, ax=Figure().subplots())

    assert (ax.get_xlabel(), ax.get_ylabel()) == ("training examples", "loss")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["expected", "measured"]
