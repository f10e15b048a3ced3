"""Ids and names from a service are never paths."""

import pytest

import tunebook as tb


@pytest.mark.parametrize(
    "job_id", ["../victim", "/victim", "..", ".", "a/../../victim", "C:\\victim", "x" * 300, "a\x1b[2J"]
)
def test_archiving_a_job_writes_below_the_folder_and_touches_nothing_else(world, there, tmp_path, job_id):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "thesis.txt").write_text("years of work")
    world.jobs.append(
        {"id": job_id, "object": "fine_tuning.job", "created_at": 1, "status": "failed", "model": "m"}
        | {"training_file": "f"}
    )
    job = there.jobs.list()[0]
    job.events = job.checkpoints = list

    (made,) = tb.archive(job, tmp_path / "runs")

    assert made.parent == tmp_path / "runs"
    assert made.name.isprintable()
    assert (tmp_path / "victim" / "thesis.txt").read_text() == "years of work"
    assert tb.read_run(made).id == job_id


def test_two_ids_that_look_alike_as_folders_stay_two():
    from tunebook.experiments.run_folders import folder_name

    assert folder_name("a/b") != folder_name("a:b")
    assert folder_name("ftjob-1") == "ftjob-1"
