"""Runs as folders: whole ones are read, bare ones too, damaged ones named."""

import json

import pytest

from tunebook.errors import ResultsError
from tunebook.experiments import read_run, read_runs

CSV = "step,train_loss,valid_loss\n1,2.0,2.1\n2,1.5,1.7\n"


def make_run(folder, name, **job):
    run = folder / name
    run.mkdir()
    (run / "results.csv").write_text(CSV)
    (run / "job.json").write_text(json.dumps({"id": name, "model": "gpt-4.1-mini"} | job))
    return run


def test_a_results_file_and_a_job_are_enough_for_a_run(tmp_path):
    run = read_run(make_run(tmp_path, "ftjob-1", hyperparameters={"n_epochs": 2}))

    assert (run.id, run.hyperparameters["n_epochs"], len(run.results)) == ("ftjob-1", 2, 2)


def test_a_results_file_alone_takes_its_folders_name(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "results.csv").write_text(CSV)

    assert read_run(tmp_path / "mine").id == "mine"


def test_runs_come_in_the_order_of_their_names_without_half_made_ones(tmp_path):
    for name in ("ftjob-2", "ftjob-1", ".ftjob-3.partial"):
        make_run(tmp_path, name)

    assert [run.id for run in read_runs(tmp_path)] == ["ftjob-1", "ftjob-2"]


def test_a_job_that_left_no_results_is_still_a_run(tmp_path):
    (make_run(tmp_path, "ftjob-1", status="failed") / "results.csv").unlink()

    assert read_runs(tmp_path)[0].results is None


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_part_is_named(tmp_path, text):
    (make_run(tmp_path, "ftjob-1") / "job.json").write_text(text)

    with pytest.raises(ResultsError, match=r"ftjob-1/job\.json"):
        read_runs(tmp_path)


def test_a_folder_without_runs_says_what_one_holds(tmp_path):
    with pytest.raises(ResultsError, match=r"job\.json and results\.csv"):
        read_runs(tmp_path)
