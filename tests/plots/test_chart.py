"""What charts of runs say: curves, scales, marks, as records of plain values."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tunebook.analysis import diagnose
from tunebook.plots.chart import Chart, Line, Scale, log_ticks, scale_of, ticks
from tunebook.plots.curves import loss_chart, overlay_chart


def frame_of(**columns) -> pd.DataFrame:
    return pd.DataFrame({"step": np.arange(1, len(next(iter(columns.values()))) + 1), **columns})


def test_the_chart_of_a_young_job_joins_what_was_measured() -> None:
    young = frame_of(train_loss=[2.0, 1.5], full_valid_loss=[float("nan"), 1.75])

    assert loss_chart(young, total_steps=4, n_epochs=2) == Chart(
        lines=(
            Line("training", (1.0, 2.0), (2.0, 1.5), "#0072b2", "--", ".", width=1.2),
            Line("validation, whole file", (2.0,), (1.75,), "#009e73", "-.", "D", width=1.2),
        ),
        y_label="loss (nats per token)",
        x_range=(0.0, 4.0),
        y_range=Scale(1.48, 2.02),
        epochs=(2.0, 4.0),
        alt="Loss (nats per token) over 2 steps. Training: from 2 to 1.5, lowest 1.5 at step 2. "
        "Validation, whole file: from 1.75 to 1.75, lowest 1.75 at step 2.",
    )


def test_nothing_measured_is_a_chart_without_lines() -> None:
    assert loss_chart(None).lines == ()
    assert loss_chart(frame_of(train_loss=[float("nan")])).note == "not measured"


def test_blank_cells_are_not_drawn() -> None:
    chart = loss_chart(frame_of(train_loss=[1.0, 0.9, 0.8], valid_loss=[1.1, float("nan"), 0.9]))

    assert chart.lines[-1].x == (1.0, 3.0)


def test_a_reinforcement_job_shows_its_rewards() -> None:
    assert loss_chart(frame_of(train_mean_reward=[0.1, 0.2])).y_label == "mean reward"


def test_the_diagnosis_gives_curve_band_onset_and_checkpoint() -> None:
    frame = frame_of(train_loss=[12.0 - s for s in range(12)], valid_loss=[12, 9, 7, 5, 4, 3, 3.5, 4, 4.6, 5.2, 6, 7])
    diagnosis = diagnose(frame)

    chart = loss_chart(frame, diagnosis=diagnosis)

    assert chart.onset == diagnosis.onset_interval
    assert chart.marks[0].label == f"recommended: step {diagnosis.checkpoint['step']}"
    assert chart.bands[0].low == tuple(diagnosis.curve["valid_low"])
    assert [line.label for line in chart.lines] == ["", "training", "", "validation, by batch"]
    assert "Overfitting begins between step" in chart.alt


def test_a_diagnosis_older_than_the_measurements_does_not_end_the_curve_early() -> None:
    frame = frame_of(train_loss=[12.0 - s for s in range(12)])

    chart = loss_chart(frame, diagnosis=diagnose(frame[:8]))

    assert chart.lines[-1].x[-1] == 12.0


def test_a_job_at_its_best_while_it_trains_is_not_marked_at_every_step() -> None:
    frame = frame_of(valid_loss=[3.0 - s / 10 for s in range(12)])
    diagnosis = diagnose(frame)

    assert loss_chart(frame, diagnosis=diagnosis, total_steps=40).marks == ()
    assert len(loss_chart(frame, diagnosis=diagnosis).marks) == 1


def test_an_overlay_compares_the_same_curve_of_every_job() -> None:
    long = frame_of(valid_loss=[2.0, 1.0, 0.5], full_valid_loss=[float("nan"), 1.0, 0.6])
    short = frame_of(valid_loss=[3.0, 2.0, 1.0], full_valid_loss=[float("nan")] * 3)

    assert overlay_chart({"long": long, "short": short}).y_label == "validation loss"


def test_a_scale_is_logarithmic_for_what_falls_far_and_from_nought_for_what_comes_near_it() -> None:
    assert scale_of([[8.0, 4.0, 1.0, 0.3]]).log
    assert scale_of([[1.0, 0.5, 0.01]], log=False) == Scale(0.0, 1.0396)
    assert scale_of([[1.2, 1.1, 1.0, 0.9]]) == Scale(0.888, 1.212)


def test_a_lonely_peak_leaves_the_scale_and_is_counted() -> None:
    assert scale_of([[1.0] * 99 + [15.0]]) == Scale(0.0, 1.25, left_out="↑ 1 higher, up to 15")


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-6, 1e6))
def test_ticks_lie_inside_the_range_and_are_few(low, span) -> None:
    marks = ticks(low, low + span)

    assert len(marks) <= 12
    assert all(low - 1e-6 * max(1, abs(low)) <= tick <= (low + span) + 1e-6 * max(1, abs(low) + span) for tick in marks)


def test_log_ticks_are_few_round_numbers() -> None:
    assert log_ticks(0.3, 7.0) == [0.5, 1, 2, 5]
    assert log_ticks(0.5, 3.0) == [0.5, 0.6, 0.8, 1, 2, 3]
    assert len(log_ticks(1e-8, 1e8)) <= 17
