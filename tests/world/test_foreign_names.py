"""Ids and names from a service are never paths."""

import re

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


@pytest.mark.parametrize("name", ["../../victim.jsonl", "/etc/passwd", "..", "x" * 500, "a\x1b[2J"])
def test_names_of_data_sets_and_figures_are_no_paths_either(name):
    from tunebook.experiments.evaluation.evaluate import _slug
    from tunebook.report.names import distinct, slug

    for made in (_slug(name), slug(name), *distinct([slug(name)] * 2, "{}-{}")):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,110}", made)
