"""Charts as SVG: well formed, cut to the picture, legible on a page and alone."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.plots import svg
from tunebook.plots.chart import Band, Chart, Line, Mark, Scale

CHART = Chart(
    lines=(
        Line("", (1.0, 2.0, 3.0), (2.0, 1.0, 1.5), "#0072b2", "", ".", faint=True),
        Line("costs $5", (1.0, 2.0, 3.0), (2.0, 1.0, 1.5), "#0072b2", "--"),
        Line("whole <file>", (3.0,), (1.2,), "#009e73", "-.", "D"),
    ),
    y_label="loss",
    x_range=(0.0, 3.0),
    y_range=Scale(0.8, 2.2),
    bands=(Band((1.0, 3.0), (0.9, 1.0), (2.1, 1.9), "#d55e00"),),
    onset=(2.0, 2.5),
    marks=(Mark(2.0, 1.0, "recommended: step 2", across=True),),
    epochs=(1.5, 3.0),
    alt="Loss from 2 to 1.5.",
)


@given(n=st.integers(1, 3000), most=st.integers(2, 300))
def test_thinning_keeps_the_last_point_the_order_and_the_limit(n, most) -> None:
    x = np.arange(n, dtype=float)

    thin_x, thin_y = svg.thin(x, x * 2, most)

    assert len(thin_x) == min(n, most)
    assert (thin_x[-1], thin_y[-1]) == (n - 1, 2 * (n - 1))
    assert (np.diff(thin_x) > 0).all()


def test_thinning_averages_and_loses_no_spike() -> None:
    y = np.zeros(1000)
    y[500] = 100.0

    _, thinned = svg.thin(np.arange(1000.0), y, 100)

    assert thinned.max() == pytest.approx(10.0, rel=0.2)


@pytest.mark.parametrize(
    "drawn", [svg.inline(CHART), svg.inline(CHART, legend=False), svg.file(CHART).split("\n", 1)[1]]
)
def test_a_drawing_is_well_formed_and_says_what_it_shows(drawn) -> None:
    element = ElementTree.fromstring(drawn)  # noqa: S314 - made above

    assert element.get("aria-label") == "Loss from 2 to 1.5."


def test_names_are_escaped_and_a_dollar_sign_is_not_typeset() -> None:
    drawn = svg.inline(CHART)

    assert "whole &lt;file&gt;" in drawn
    assert "costs <tspan>$</tspan>5" in drawn


def test_onset_and_checkpoint_are_named_unless_the_page_has_a_key() -> None:
    assert "overfitting begins" in svg.inline(CHART)
    assert "recommended: step 2" in svg.inline(CHART)
    assert "recommended: step 2" not in svg.inline(CHART, legend=False)


def test_a_picture_stands_alone_without_the_colours_of_a_page() -> None:
    picture = svg.picture(CHART)

    assert "currentColor" not in picture.image
    assert "var(" not in picture.image
    assert 'xmlns="http://www.w3.org/2000/svg"' in picture.image
    assert picture.words == "Loss from 2 to 1.5."


def test_nothing_measured_is_an_empty_frame_of_the_same_size() -> None:
    drawn = svg.inline(Chart((), "loss"), empty="<none>")

    assert 'viewBox="0 0 600 250"' in drawn
    assert "&lt;none&gt;" in drawn


def test_a_curve_is_cut_where_it_leaves_the_picture() -> None:
    up_and_down = Line("", (0.0, 1.0, 2.0), (0.0, 4.0, 0.0), "#0072b2")

    drawn = svg.inline(Chart((up_and_down,), "loss", x_range=(0.0, 2.0), y_range=Scale(0.0, 2.0)))

    assert drawn.count("<polyline") == 2


def test_the_legend_takes_a_second_row_rather_than_leave_a_name_out() -> None:
    lines = tuple(Line(f"a job with a long name, number {n}", (0.0, 1.0), (0.0, 1.0), "#0072b2") for n in range(4))

    drawn = svg.inline(Chart(lines, "loss"))

    assert all(line.label in drawn for line in lines)


def test_a_logarithmic_scale_is_named() -> None:
    falling = Line("training", (1.0, 2.0), (8.0, 0.1), "#0072b2")

    drawn = svg.inline(Chart((falling,), "loss", x_range=(0.0, 2.0), y_range=Scale(0.1, 8.0, log=True)))

    assert "loss, log scale" in drawn


def test_a_sparkline_says_its_numbers() -> None:
    spark = svg.sparkline(np.array([1.0, 0.5]), np.array([1.2, 0.7]))

    assert "training loss 1 to 0.5, validation loss 1.2 to 0.7" in spark.words
    ElementTree.fromstring(spark.image)  # noqa: S314 - made above
    assert svg.sparkline(np.array([1.0]), np.array([])) is None


def test_epochs_are_numbered_where_the_page_has_a_legend_of_its_own() -> None:
    on_a_page = svg.inline(CHART, legend=False)

    assert ">epoch 1</text>" in on_a_page
    assert ">2</text>" in on_a_page


def test_epochs_too_close_to_be_numbered_are_dotted_lines_alone() -> None:
    close = replace(CHART, epochs=tuple(float(step) for step in range(1, 41)), x_range=(0.0, 40.0))

    assert ">epoch 1<" not in svg.inline(close, legend=False)
