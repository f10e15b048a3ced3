"""Whether more examples would help, from jobs on parts of a file."""

import numpy as np
import pandas as pd
import pytest

import tunebook as tb

SIZES = {"file-quarter": 250, "file-half": 500, "file-all": 1000}


def job(number, file, loss, **more):
    """A job that came to `loss`, calmly, in 40 steps of two epochs."""
    steps = np.arange(1, 41)
    frame = pd.DataFrame({"step": steps, "valid_loss": loss * (1 + np.exp(-steps / 4))})
    said = {"id": f"ftjob-{number}", "status": "succeeded", "model": "gpt-4.1-nano-2025-04-14", "training_file": file}
    said |= {"validation_file": "file-valid", "trained_tokens": 100_000, "method": _TWO_EPOCHS}
    return tb.Run(said | more, tb.load_results(frame))


_TWO_EPOCHS = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}


def jobs(loss):
    """Two jobs on each part, one a little above and one a little below `loss` of its size."""
    both = [(file, loss(size) * luck) for file, size in SIZES.items() for luck in (0.998, 1.002)]
    return [job(number, file, level) for number, (file, level) in enumerate(both)]


def test_a_power_law_goes_on():
    more = tb.more_data(jobs(lambda n: 1 + (n / 1000) ** -0.5), examples=SIZES)
    twice = more.frame.set_index("times").loc[2]
    assert more.answer == "yes"
    assert twice["low90"] < 1 + 2**-0.5 < twice["high90"]
    assert twice["expected"] == pytest.approx(1 + 2**-0.5, rel=0.015)


def test_where_nothing_was_gained_nothing_is_promised():
    more = tb.more_data(jobs(lambda _: 1.0), examples=SIZES)
    assert more.answer == "hardly"
    assert more.sentence.startswith("Twice the data is expected to lower the loss by ")


def test_the_gain_has_a_price_where_one_is_known():
    twice = tb.more_data(jobs(lambda n: 1 + (n / 1000) ** -0.5), examples=SIZES).frame.set_index("times").loc[2]
    assert twice["usd"] > 0
    assert twice["gain_per_usd"] == pytest.approx(twice["gain"] / twice["usd"])
    assert twice["gain_per_100"] == pytest.approx(twice["gain"] / 10)


def test_without_a_price_none_is_made_up():
    unknown = [tb.Run(run.job | {"model": "house-model"}, run.results) for run in jobs(lambda n: 1 + 100 / n)]
    frame = tb.more_data(unknown, examples=SIZES).frame
    assert frame["usd"].isna().all()


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ([], "there are 0 jobs on 0 numbers of examples, and 3 numbers are needed"),
        (jobs(float)[:3], "there are 3 jobs on 2 numbers of examples"),
        ([*jobs(float), job(9, "file-all", 1.0, model="gpt-4o-mini")], "the jobs have different models"),
        ([*jobs(float), job(9, "file-all", 1.0, method={})], "the jobs differ in n_epochs as well"),
        ([*jobs(float)[:3], job(9, "file-all", 1.0, status="failed")], "1 job left out: not succeeded"),
        ([*jobs(float), job(9, "file-all", 1.0, validation_file="file-2")], "different validation files"),
    ],
)
def test_what_cannot_be_told_is_said_so(runs, why):
    more = tb.more_data(runs, examples=SIZES)
    assert more.answer == "cannot be told"
    assert why in more.sentence
    assert more.frame.empty


def test_parts_that_scatter_more_than_they_differ_tell_nothing():
    rng = np.random.default_rng(2)
    wild = [job(n, file, float(np.exp(rng.normal(0, 0.2)))) for n, file in enumerate([*SIZES] * 2)]
    assert tb.more_data(wild, examples=SIZES).answer == "cannot be told"


@pytest.mark.parametrize("size", [0, 1.5, True, "many"])
def test_a_size_that_is_no_number_is_refused(size):
    with pytest.raises(tb.RequestError, match="a whole number from 1"):
        tb.more_data([], examples={"file-all": size})


def test_a_name_from_outside_is_no_markup():
    strange = [tb.Run(run.job | {"validation_file": f"<script>{n}"}, run.results) for n, run in enumerate(jobs(float))]
    assert "<script>" not in tb.more_data(strange, examples=SIZES)._repr_html_()
