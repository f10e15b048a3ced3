"""A reinforcement job as Azure tells of it, by nested events and a newer model's result file, in every view."""

import re

import pytest
from contrary import Reply

import tunebook as tb
from tunebook.experiments.run_folders import archive, read_runs
from tunebook.service.watching import look
from tunebook.widgets.live.cell import LiveCell
from tunebook.widgets.tables.job_board import Board
from tunebook.words import short_id

JOB = "ftjob-" + "ab" * 16
STEPS = range(1, 61)
EVIL = "<script>alert(1)</script>"


def reward(step):
    return 0.2 + 0.5 * step / 60 + 0.01 * (step % 3)


def judged(step):
    """What a grader beside the reward gives: less and less."""
    return 0.7 - 0.4 * step / 60 + 0.01 * (step % 2)


def event(step):
    graders = [{"name": EVIL, "type": "score_model", "train_reward_mean": judged(step)}]
    scores = {"train_reward_mean": reward(step), "graders": graders}
    if step % 5 == 0:
        scores["valid_reward_mean"] = 0.2 + 0.01 * (step % 2)
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{step}",
        "type": "metrics",
        "level": "info",
        "created_at": 1_790_000_000 + step,
        "message": f"Step {step}: training mean reward={reward(step)}",
        "data": {
            "step": step,
            "scores": scores,
            "usage": {"graders": [], "samples": {"train_reasoning_tokens_mean": 800.0 + step}},
            "errors": {"graders": [{"name": EVIL, "type": "score_model", "train_sample_parse_error_mean": 0.0}]},
        },
    }


def csv():
    """The result file of a newer model: an entropy that is lost, cells that are blank."""
    rows = [
        f"{s},{reward(s)},{0.2 + 0.01 * (s % 2) if s % 5 == 0 else ''},{-0.1 * s},{0.3},{-0.01 - 2 * 0.8**s}"
        for s in STEPS
    ]
    head = "step,train_mean_reward,full_valid_mean_reward,pg_loss_sum,total_loss_sum,entropy_loss_sum"
    return ("\ufeff" + "\n".join([head, *rows]) + "\n").encode()


@pytest.fixture
def job(world):
    """A running job with sixty steps told; `job["ends"]()` ends it."""
    events = [event(step) for step in STEPS]
    record = {
        "id": JOB,
        "object": "fine_tuning.job",
        "created_at": 1_790_000_000,
        "status": "running",
        "model": "qwen3.6-35b-a3b",
        "training_file": "file-1",
        "validation_file": "file-2",
        "hyperparameters": {"n_epochs": 3, "batch_size": 4},
        "method": {"type": "reinforcement", "reinforcement": {"hyperparameters": {"n_epochs": 3, "batch_size": 4}}},
    }
    world.jobs.append(record)
    world.answers(
        "GET",
        rf"{JOB}/events",
        lambda call: Reply(
            200, {"object": "list", "data": [] if "after" in call.path else events[::-1], "has_more": False}
        ),
        always=True,
    )
    world.files.append({"id": "file-r", "object": "file", "bytes": 1, "created_at": 1, "filename": "results.csv",
                        "purpose": "fine-tune-results", "status": "processed"})  # fmt: skip
    world.contents["file-r"] = csv()
    return record


def ends(job):
    job |= {"status": "succeeded", "result_files": ["file-r"], "finished_at": 1_790_000_900}


def warned(text):
    return "Reward hacking: Since step" in text and "the training reward rose" in text


@pytest.mark.usefixtures("job")
def test_the_diagnosis_of_what_the_events_say(there):
    snapshot = look(there, [JOB], {}, now=0.0)[JOB]

    diagnosis = tb.diagnose(snapshot)

    assert snapshot.step == 60
    assert [finding.kind for finding in diagnosis.findings] == ["reward_hacking"]
    assert diagnosis.findings[0].columns == (
        "train_mean_reward",
        "full_valid_mean_reward",
        f"scores/graders/score_model/{EVIL}/train_reward_mean",
    )
    assert EVIL not in diagnosis._repr_html_()


@pytest.mark.usefixtures("job")
def test_the_guard_acts_on_it(there):
    guard = tb.Guard("notify", patience=1)

    guard(look(there, [JOB], {}, now=0.0)[JOB])

    assert warned(guard.alarms[0].message)


def test_the_live_cell_says_it_while_the_job_runs_and_the_lost_entropy_after_its_end(there, job):
    cell = LiveCell(there, JOB, spawn=lambda work: work())
    cell.show_snapshot(look(there, [JOB], {}, now=0.0)[JOB])
    card, plain = cell._static()

    assert warned(card.text())
    assert warned(plain)
    assert EVIL not in card.html()

    ends(job)
    cell.start()
    assert cell.ended.wait(20)
    card, plain = cell._static()
    cell.close()

    assert "Entropy collapse: The policy's entropy fell by" in card.text()
    assert re.search(r"entropy +-0\.01", card.text())


def test_the_board_marks_it(there, job):
    ends(job)
    board = Board((there,), spawn=lambda work: work())
    board.read_once()

    (row,) = board.rows
    board.close()

    assert row.warned == "Reward hacking, Entropy collapse"
    assert (row.loss, row.spark is None) == (0.2, False)


def test_the_report_warns_of_it(there, job, tmp_path):
    ends(job)
    archive(there.jobs.retrieve(JOB), tmp_path / "runs")

    tb.write_report(tb.compare(read_runs(tmp_path / "runs")), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")

    assert f"Do not deploy {short_id(JOB)} yet: reward hacking is seen." in page
    assert "Reward hacking: Since step" in page
    assert EVIL not in page
