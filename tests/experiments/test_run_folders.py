"""Runs as folders: whole ones are read, bare ones too, damaged ones named."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebook.analysis import compare
from tunebook.data import read_dataset
from tunebook.errors import ResultsError
from tunebook.experiments import archive, read_run, read_runs
from tunebook.service import JobRequest

EXAMPLE = {"messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Three."}]}
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


@pytest.mark.parametrize("text", ["{", "[]", "", "nul\\x00l"])
def test_a_damaged_part_is_named(tmp_path, text):
    run = make_run(tmp_path, "ftjob-1")
    (run / "job.json").write_text(text)

    with pytest.raises(ResultsError, match=r"ftjob-1/job\.json"):
        read_run(run)


@pytest.mark.parametrize("part", ["job.json", "results.csv", "checkpoints.json", "events.jsonl"])
def test_a_damaged_part_keeps_no_other_run_from_being_read(tmp_path, part):
    make_run(tmp_path, "ftjob-1")
    (make_run(tmp_path, "ftjob-2") / part).write_bytes(b'{"cut": "of')

    whole, damaged = read_runs(tmp_path)

    assert (whole.id, dict(whole.problems)) == ("ftjob-1", {})
    assert (damaged.id, list(damaged.problems)) == ("ftjob-2", [part])
    assert f"ftjob-2/{part}" in damaged.problems[part] or part == "results.csv"


def test_a_folder_with_events_alone_is_a_run_that_lacks_the_rest(tmp_path):
    make_run(tmp_path, "ftjob-1")
    (tmp_path / "ftjob-2").mkdir()
    (tmp_path / "ftjob-2" / "events.jsonl").write_text('{"id": "e1"}\n')

    assert "job.json and results.csv are missing" in read_runs(tmp_path)[1].problems["results.csv"]


def test_the_folder_of_a_sweep_stands_for_its_runs(tmp_path):
    (tmp_path / "runs").mkdir()
    make_run(tmp_path / "runs", "ftjob-1")

    assert [run.id for run in read_runs(tmp_path)] == ["ftjob-1"]


def test_what_is_no_run_is_passed_over(tmp_path):
    make_run(tmp_path, "ftjob-1")
    (tmp_path / "notes").mkdir()
    (tmp_path / "report.html").write_text("<html>")

    assert [run.id for run in read_runs(tmp_path)] == ["ftjob-1"]


def test_a_folder_without_runs_says_what_one_holds(tmp_path):
    with pytest.raises(ResultsError, match=r"job\.json and results\.csv"):
        read_runs(tmp_path)


@pytest.mark.parametrize(("ended", "read"), [(True, 0), (False, 1)])
def test_a_job_that_has_ended_is_not_read_again_before_it_is_archived(ws, tmp_path, ended, read):
    job = ws.jobs.create(
        JobRequest(model="gpt-4.1-nano", training_file=ws.files.upload(read_dataset([EXAMPLE] * 10)).id, n_epochs=1)
    )
    while ended and not job.ended:
        job.refresh()
    asked = []
    ws.client._client.event_hooks["request"].append(lambda request: asked.append(request.url.path))

    archive(job, tmp_path)

    assert sum(path.endswith(job.id) for path in asked) == read
    assert json.loads((tmp_path / job.id / "job.json").read_text())["id"] == job.id


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["id", "model", "status", "seed", "hyperparameters", "method", "trained_tokens", "suffix", "error", "training_file"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    job=st.dictionaries(fields, json_values, max_size=6).map(json.dumps) | st.text(max_size=20),
    part=st.sampled_from(["results.csv", "checkpoints.json", "events.jsonl"]),
    content=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()),
)
def test_whatever_stands_in_one_folder_the_others_are_compared(tmp_path, job, part, content):
    make_run(tmp_path, "a", hyperparameters={"n_epochs": 1}) if not (tmp_path / "a").exists() else None
    odd = tmp_path / "odd"
    shutil.rmtree(odd, ignore_errors=True)
    odd.mkdir()
    (odd / "results.csv").write_text(CSV)
    (odd / "job.json").write_text(job, errors="replace")
    (odd / part).write_bytes(content)

    comparison = compare(read_runs(tmp_path))

    assert "a" in set(comparison.frame["id"])
    assert len(comparison.frame) + len([note for note in comparison.notes if "counted once" in note]) == 2
    assert json.dumps(comparison.to_json(), allow_nan=False)
    assert comparison._repr_html_()
