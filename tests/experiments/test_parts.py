"""Nested parts of a training file, planned as a sweep with its price."""

import pytest

import tunebook as tb
from tunebook.service import JobRequest, connect

ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"Add {n} and {n * n}."},
            {"role": "assistant", "content": f"{n + n * n}"},
        ]
    }
    for n in range(48)
]


@pytest.fixture(scope="module")
def ws(start_once):
    """A service of their own: the parts of files fill it."""
    running = start_once()
    ws = connect(running.endpoint, api_key=running.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.2)
    return ws


@pytest.fixture
def request_(ws):
    return JobRequest(
        model="gpt-4.1-nano",
        training_file=ws.files.upload(tb.read_dataset(ROWS)).id,
        validation_file=ws.files.upload(tb.read_dataset(ROWS[:10])).id,
        n_epochs=1,
    )


def test_each_part_is_of_the_next_larger_one_and_costs_less(ws, request_, tmp_path):
    sweep = tb.plan_parts(ws, request_, tb.read_dataset(ROWS), folder=tmp_path / "sweep")

    assert sorted(sweep.examples.values()) == [12, 24, 48]
    parts = [ws.files.content(file).splitlines() for file in sorted(sweep.examples, key=sweep.examples.get)]
    assert set(parts[0]) < set(parts[1]) < set(parts[2])
    assert sweep.plan.groupby("training_file")["tokens"].first().nunique() == 3
    assert len(sweep.plan) == 6


def test_what_the_jobs_come_to_says_whether_more_would_help(ws, request_, tmp_path):
    sweep = tb.plan_parts(ws, request_, tb.read_dataset(ROWS), seeds=1, folder=tmp_path / "sweep").run(ws)

    more = tb.more_data(tb.Sweep.open(sweep.folder))

    assert more.measured["examples"].tolist() == [12, 24, 48]
    assert more.frame["examples"].tolist() == [72, 96, 192]


@pytest.mark.parametrize(
    ("changes", "shares", "why"),
    [
        ({"validation_file": None}, (0.25, 0.5, 1), "no validation_file"),
        ({}, (0.25, 0.5, 0.75), "the largest 1"),
        ({}, (0.5, 1), "give 3 at least"),
        ({}, (0.1, 0.5, 1), "a job takes 10"),
    ],
)
def test_parts_that_tell_nothing_are_refused(ws, request_, changes, shares, why):
    from dataclasses import replace

    with pytest.raises(tb.RequestError, match=why):
        tb.plan_parts(ws, replace(request_, **changes), tb.read_dataset(ROWS), shares=shares)
