"""What a sweep shows while it runs, in a notebook and in a terminal, and running it in the background."""

from __future__ import annotations

import io
import threading

import pandas as pd
import pytest

from tunebook.analysis import Results, forecast
from tunebook.data import read_dataset
from tunebook.errors import TunebookError
from tunebook.experiments.sweeps.manifest import Entry, Manifest
from tunebook.experiments.sweeps.plan import Trial
from tunebook.experiments.sweeps.progress import SweepBoard, sentence, trial_rows, trials_card
from tunebook.experiments.sweeps.sweep import Sweep
from tunebook.service.request import JobRequest
from tunebook.service.watching import JobSnapshot

REFUSED = ("refused", None, "<script>no</script>")
STATES = [("ended", "a", "succeeded"), ("sent", "b", ""), ("planned", None, ""), REFUSED]
PLAN = pd.DataFrame({"n_epochs": [1, 2, 3, 4], "seed": 0, "tokens": 1000.0, "usd": 2.0})


def manifest(folder, states=STATES) -> Manifest:
    trials = [Trial(i, JobRequest(model="m", training_file="f", n_epochs=i + 1)) for i in range(len(states))]
    return Manifest(folder, tuple(Entry(t, *state) for t, state in zip(trials, states, strict=True)))


def running(steps=5, of=10) -> JobSnapshot:
    told = [{"data": {"total_steps": of}, "id": "e"}]
    frame = pd.DataFrame({"step": range(1, steps + 1), "train_loss": 0.5, "valid_loss": 0.25})
    return JobSnapshot({"id": "b", "status": "running"}, Results.from_frame(frame), (), tuple(told), read_at=0.0)


@pytest.fixture
def rows(tmp_path):
    return trial_rows(manifest(tmp_path), {"b": running()}, PLAN, diagnoses={}, acts={"b": "pause at step 5"})


def test_each_trial_has_its_settings_its_state_and_how_much_of_it_is_done(rows):
    assert [(row.settings, row.status, row.done) for row in rows[:3]] == [
        ("epochs 1", "succeeded", 1.0),
        ("epochs 2", "running", 0.5),
        ("epochs 3", "planned", 0.0),
    ]
    assert (rows[1].loss, rows[1].act) == (0.25, "pause at step 5")


def test_the_sentence_counts_states_and_what_has_been_spent(rows, tmp_path):
    told = sentence(manifest(tmp_path), rows, practice=True)

    assert told == "2 of 4 jobs ended, 1 running, 1 not sent; about $3.00 of $8.00 on Azure"


def test_the_card_escapes_what_the_service_says(rows, tmp_path):
    html = str(trials_card(manifest(tmp_path), rows, ["<script>said</script>"]).html())

    assert "<script>" not in html
    assert "&lt;script&gt;no" in html
    assert "&lt;script&gt;said" in html


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_written_over_itself_once_a_second_at_most(tmp_path):
    now, stream = [0.0], Terminal()
    board = SweepBoard(PLAN, clock=lambda: now[0], stream=stream)
    for _ in range(30):
        board(manifest(tmp_path), {"b": running(int(now[0]) + 1)})
        now[0] += 0.3
    board.close()

    assert stream.getvalue().count("\r") == 8
    assert stream.getvalue().count("\n") == 1


def test_a_file_gets_a_line_when_a_job_changes_its_state(tmp_path):
    now, stream = [0.0], io.StringIO()
    board = SweepBoard(PLAN, clock=lambda: now[0], stream=stream)
    for states in (STATES, STATES, [*STATES[:2], ("sending", None, ""), STATES[3]]):
        board(manifest(tmp_path, states), {"b": running()})
        now[0] += 2

    assert [line.partition(";")[0] for line in stream.getvalue().splitlines()] == [
        "2 of 4 jobs ended, 1 running, 1 not sent",
        "2 of 4 jobs ended, 1 running, 1 sending",
    ]


def test_a_notebook_gets_one_output_that_is_replaced_in_place(tmp_path):
    shown = []

    class Handle:
        def update(self, bundle, **_):
            shown.append(bundle["text/plain"])

    def display(bundle, **_):
        shown.append(bundle["text/plain"])
        return Handle()

    board = SweepBoard(PLAN, clock=lambda: 0.0, display=display)
    board(manifest(tmp_path), {"b": running(5)})
    board(manifest(tmp_path), {"b": running(10)})
    board.say("A job came to be twice.")
    board.close()

    assert len(shown) == 2
    assert "50 %" in shown[0]
    assert "A job came to be twice." in shown[1]


@pytest.fixture
def sweep(ws, tmp_path):
    said = [(f"Is {i} even?", "no" if i % 2 else "yes") for i in range(10)]
    rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in said]
    file = ws.files.upload(read_dataset(rows))
    request = JobRequest(model="gpt-4.1-nano", training_file=file.id, batch_size=4)
    return Sweep(request, {"n_epochs": [1, 2]}, folder=tmp_path / "sweep")


def test_in_the_background_the_call_returns_and_wait_ends_with_the_sweep(ws, sweep):
    sweep.run(ws, background=True, show=lambda *_: None)

    assert sweep.wait().plan["state"].tolist() == ["ended", "ended"]


def test_what_goes_wrong_in_the_background_is_raised_by_wait(ws, sweep):
    def broken(*_):
        raise TunebookError("no paper left")

    sweep.run(ws, background=True, show=broken)

    with pytest.raises(TunebookError, match="no paper left"):
        sweep.wait()
    assert sweep.wait() is sweep  # told once


def test_while_it_runs_in_the_background_it_is_not_run_twice_and_can_be_stopped(ws, sweep):
    seen = threading.Event()

    def hold(*_):
        seen.wait(20)

    sweep.run(ws, background=True, at_once=1, show=lambda *_: None, guard=lambda _: hold())
    with pytest.raises(TunebookError, match="runs in the background"):
        sweep.run(ws)
    seen.set()
    sweep.stop(ws)

    assert set(sweep.plan["state"]) <= {"ended", "stopped"}


def test_a_sweep_that_goes_on_after_a_restart_shows_what_has_ended_from_the_first_moment(ws, sweep):
    sweep.run(ws, show=lambda *_: None)
    again = Sweep.open(sweep.folder)
    board = SweepBoard(again.plan, again.runs(), stream=(stream := io.StringIO()))

    board(again.manifest, {})

    assert stream.getvalue() == "2 of 2 jobs ended\n"
    assert all(row.spark for row in trial_rows(again.manifest, board._runs, again.plan, diagnoses={}, acts={}))


def test_a_running_trial_says_where_it_is_expected_to_end(tmp_path):
    job = running(steps=60, of=100)
    ahead = forecast(job.results, total_steps=100)

    rows = trial_rows(manifest(tmp_path), {"b": job}, PLAN, diagnoses={}, acts={}, ahead={"b": ahead})

    assert rows[1].ends.startswith("0.25")
    assert "expected end (90 %)" in str(trials_card(manifest(tmp_path), rows).html())
