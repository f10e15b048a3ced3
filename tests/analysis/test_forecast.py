"""What a running job will become: from its first part, without surprise where nothing can be said."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tunebook as tb
from tunebook.analysis.curves.forecast import behind


def curve(steps=100, *, floor=1.0, fall=1.0, rise=0.0, noise=0.01, seed=0):
    """A validation curve that falls exponentially to `floor`, and from half-way on rises by `rise`."""
    t = np.arange(1, steps + 1) / steps
    level = floor * (1 + fall * np.exp(-6 * t) + rise * np.clip(t - 0.5, 0, None) * 2)
    valid = level * np.exp(np.random.default_rng(seed).normal(0, noise, steps))
    return pd.DataFrame({"step": range(1, steps + 1), "train_loss": level, "valid_loss": valid})


def run(frame, job="ftjob-other"):
    return tb.Run({"id": job, "status": "succeeded"}, tb.load_results(frame))


def test_a_falling_curve_is_followed_to_where_it_falls():
    ahead = tb.forecast(curve().head(50), total_steps=100)
    assert ahead.interval90[0] < 1.0 < ahead.interval90[1]
    assert ahead.expected == pytest.approx(1.0, abs=0.05)


def test_the_intervals_lie_in_each_other_around_what_is_expected():
    ahead = tb.forecast(curve().head(40), total_steps=100)
    (low90, high90), (low50, high50) = ahead.interval90, ahead.interval50
    assert low90 < low50 < ahead.expected < high50 < high90


def test_more_of_the_run_says_more():
    widths = [np.ptp(tb.forecast(curve().head(n), total_steps=100).interval90) for n in (30, 60, 90)]
    assert widths[0] > widths[1] > widths[2]


def test_a_rise_goes_on():
    ahead = tb.forecast(curve(rise=0.5).head(80), total_steps=100)
    assert ahead.p_overfits > 0.9
    assert 30 < ahead.best_step < 70


def test_an_incumbent_far_below_is_hardly_beaten_and_one_far_above_surely():
    said = [tb.forecast(curve().head(60), total_steps=100, incumbent=x).p_beats for x in (0.5, 2.0)]
    assert said[0] < 0.05 < 0.95 < said[1]


def test_a_run_is_an_incumbent_by_the_best_it_had():
    ahead = tb.forecast(curve().head(60), total_steps=100, incumbent=run(curve(rise=2.0, noise=0.001)))
    assert ahead.incumbent == pytest.approx(1.05, abs=0.03)


def test_the_run_beside_lends_its_shape():
    """A cut of the learning rate at three quarters cannot be foreseen, unless the run beside has had it."""

    def cut(seed):
        frame = curve(seed=seed)
        return frame.assign(valid_loss=frame["valid_loss"] * np.where(frame["step"] > 75, 0.7, 1))

    alone = tb.forecast(cut(1).head(60), total_steps=100)
    beside = tb.forecast(cut(1).head(60), total_steps=100, beside=[run(cut(2))])
    assert abs(beside.expected - 0.7) < abs(alone.expected - 0.7)


def test_the_checkpoints_that_will_be_kept_are_foretold():
    ahead = tb.forecast(curve().head(50), total_steps=100, n_epochs=4)
    assert [checkpoint["step"] for checkpoint in ahead.checkpoints] == [50, 75, 100]


def test_a_job_with_events_says_itself_how_long_it_is():
    job = tb.Run({"id": "ftjob-1", "status": "running"}, tb.load_results(curve().head(50)), events=(_begun(100),))
    assert tb.forecast(job).total_steps == 100


def _begun(steps):
    return {"type": "metrics", "data": {"step": 1, "total_steps": steps}}


def test_token_accuracy_is_foretold_where_there_is_no_loss():
    steps = np.arange(1, 51)
    frame = pd.DataFrame({"step": steps, "valid_mean_token_accuracy": 0.8 - 0.4 * np.exp(-steps / 20)})
    ahead = tb.forecast(frame, total_steps=100, incumbent=0.2)
    assert ahead.interval90[0] < ahead.expected < ahead.interval90[1] < 1
    assert ahead.p_beats > 0.95


@pytest.mark.parametrize(
    ("frame", "total", "why"),
    [
        (curve().head(2), 100, "Cannot be said yet: there are 2 measurements of validation loss, and 5 are needed."),
        (curve().head(50), None, "Cannot be said yet: it is not known how many steps the job will have"),
        (curve().head(50), 40, "Cannot be said yet: step 50 is beyond the planned end, step 40."),
        (curve().head(10), 1000, "Cannot be said yet: step 10 of 1,000 is less than 4 % of the way."),
        (curve()[["step", "train_loss"]], 200, "Cannot be said yet: there are 0 measurements of validation loss"),
    ],
)
def test_what_cannot_be_said_yet_is_said_so(frame, total, why):
    ahead = tb.forecast(frame, total_steps=total, incumbent=1.0)
    assert ahead.reason.startswith(why)
    assert (ahead.expected, ahead.interval90, ahead.p_beats) == (None, None, None)


@pytest.mark.parametrize(("total", "incumbent"), [(0, None), ("many", None), (100, float("nan"))])
def test_what_is_no_number_is_refused(total, incumbent):
    with pytest.raises(tb.RequestError, match="asked for"):
        tb.forecast(curve().head(50), total_steps=total, incumbent=incumbent)


def test_a_better_run_is_ahead_of_a_worse_one():
    good, bad = (tb.forecast(curve(floor=floor).head(60), total_steps=100) for floor in (1.0, 1.5))
    assert (behind(bad, good) < 0).mean() < 0.05
    assert behind(good) is None  # it has no incumbent


def test_the_same_input_gives_the_same_answer():
    first, second = (tb.forecast(curve().head(50), total_steps=100, incumbent=1.0).to_json() for _ in range(2))
    assert first == second


@given(st.lists(st.floats(1e-6, 1e6), min_size=5, max_size=60))
def test_any_measurements_give_ordered_finite_intervals(values):
    frame = pd.DataFrame({"step": range(1, len(values) + 1), "valid_loss": values})
    ahead = tb.forecast(frame, total_steps=2 * len(values))
    (low90, high90), (low50, high50) = ahead.interval90, ahead.interval50
    assert np.isfinite([low90, high90]).all()
    assert low90 <= low50 <= ahead.expected <= high50 <= high90


def test_a_name_from_outside_is_no_markup():
    results = tb.Results.from_frame(curve().head(50), "<script>x</script>")
    assert "<script>" not in tb.forecast(results, total_steps=100)._repr_html_()


def test_no_loss_is_below_zero():
    steps = np.arange(1, 31)
    frame = pd.DataFrame({"step": steps, "valid_loss": np.where(steps > 20, 0.0, np.exp(-steps / 3))})
    assert tb.forecast(frame, total_steps=300).interval90[0] >= 0
