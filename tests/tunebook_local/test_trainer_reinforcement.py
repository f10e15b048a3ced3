"""Reinforcement training: sampled answers, graded, the better ones made likelier."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tunebook.graders import starter
from tunebook_local.model.trainer import Training, format_row, resolve_hyperparameters, result_columns

EXACT, BOTH = (starter(kind, ["label"]) for kind in ("string_check", "multi"))
WORDS = {"great": "positive", "lovely": "positive", "awful": "negative", "broken": "negative"}
ITEMS = [
    {"messages": [{"role": "user", "content": f"The {thing} was {word}."}], "label": label}
    for word, label in WORDS.items()
    for thing in ("meal", "phone", "room")
]


def training(grader=BOTH, *, items=ITEMS, valid=ITEMS[::3], **changes) -> Training:
    requested = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.1, **changes}
    resolved = resolve_hyperparameters(requested, len(items), "reinforcement")
    return Training(items, valid, method="reinforcement", hyperparameters=resolved, seed=5, grader=grader)


def test_the_reward_rises():
    steps = list(training(n_epochs=14).steps())
    rewards = [step.row["full_valid_mean_reward"] for step in steps if step.ends_epoch]
    assert rewards[-1] > rewards[0] + 0.2


def test_the_row_has_the_columns_of_a_reinforcement_job():
    job = training()
    step = next(job.steps())
    assert tuple(step.row) == job.columns == result_columns("reinforcement", True, BOTH)
    assert job.columns[:3] == ("step", "train_mean_reward", "full_valid_mean_reward")
    assert "scores/graders/string_check/exact/train_reward_mean" in job.columns
    assert "errors/graders/text_similarity/close/errors/valid_sample_parse_error_mean" in job.columns
    assert step.row["total_duration"] is None  # the same request gives the same file
    assert "train_loss" not in job.columns


def test_the_parts_of_a_multi_grader_add_up():
    row = next(training().steps()).row
    exact, close = (
        row[f"scores/graders/{grader}/train_reward_mean"] for grader in ("string_check/exact", "text_similarity/close")
    )
    assert row["train_mean_reward"] == pytest.approx(0.5 * exact + 0.5 * close)


def test_a_model_without_reasoning_reports_0_reasoning_tokens():
    assert next(training().steps()).row["reasoning_tokens_mean"] == 0


def test_answers_that_are_no_json_are_counted_as_parse_errors():
    grader = {**EXACT, "input": "{{sample.output_json.label}}"}
    row = next(training(grader).steps()).row
    assert row["errors/graders/string_check/exact/errors/train_sample_parse_error_mean"] > 0


def test_compute_multiplier_scales_the_answers_per_question():
    counts = [training(compute_multiplier=factor).objective.per_question for factor in (0.1, 1.0, 2.0)]
    assert counts == [2, 8, 16]


def test_the_validation_file_is_measured_every_eval_interval_steps_and_at_each_epochs_end():
    steps = list(training(eval_interval=2).steps())
    measured = [step.step for step in steps if step.row["full_valid_mean_reward"] is not None]
    assert measured == [2, 3, 4, 6, 8, 9]


def test_equal_rewards_teach_nothing():
    never = {**EXACT, "reference": "no model says exactly this, ever"}
    job = training(never, n_epochs=1)
    before = deepcopy(job.model)
    list(job.steps())
    assert all((job.model.weights[name] == weights).all() for name, weights in before.weights.items())


def test_resumed_the_remaining_rows_are_the_same(tmp_path):
    undisturbed = [format_row(step.row) for step in training().steps()]
    job = training()
    steps = job.steps()
    done = [format_row(next(steps).row) for _ in range(4)]
    job.save(tmp_path / "state.npz")
    hyperparameters = resolve_hyperparameters(
        {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.1}, len(ITEMS), "reinforcement"
    )
    resumed = Training.resume(
        tmp_path / "state.npz", ITEMS, ITEMS[::3],
        method="reinforcement", hyperparameters=hyperparameters, seed=5, grader=BOTH,
    )  # fmt: skip
    assert done + [format_row(step.row) for step in resumed.steps()] == undisturbed


@pytest.mark.parametrize("grader", [None, starter("python"), starter("score_model")])
def test_what_cannot_be_graded_here_is_refused_before_training(grader):
    with pytest.raises(ValueError, match="grader"):
        training(grader)


def test_a_graders_name_cannot_break_the_header():
    columns = result_columns("reinforcement", True, {**EXACT, "name": 'a,b"\n<script>'})
    assert "scores/graders/string_check/a_b___script_/train_reward_mean" in columns
