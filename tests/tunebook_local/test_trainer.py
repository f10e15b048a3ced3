"""A training from its request to its rows: what the hyperparameters do, what a result file holds."""

from __future__ import annotations

import json
import math
import resource
from pathlib import Path

import numpy as np
import pytest

from tunebook_local.model.sampling import generate
from tunebook_local.model.trainer import Training, format_row, resolve_hyperparameters, result_columns

COLOURS = {"sky": "blue", "grass": "green", "sun": "yellow", "snow": "white", "coal": "black", "blood": "red"}
MODERATE = {"n_epochs": 2, "batch_size": 2, "learning_rate_multiplier": 0.1}


def chat(question: str, answer: str, **more) -> dict:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer, **more},
        ]
    }


TRAIN = [chat(f"What colour is {thing}?", f'{{"colour": "{c}"}}') for thing, c in COLOURS.items()]
VALID = [chat(f"Tell me: {thing}?", f'{{"colour": "{c}"}}') for thing, c in list(COLOURS.items())[:3]]


def training(train=TRAIN, valid=VALID, *, seed=7, **changes) -> Training:
    return Training(train, valid, hyperparameters={**MODERATE, **changes}, seed=seed)


def rows(job: Training) -> list[str]:
    return [format_row(step.row) for step in job.steps()]


def test_the_loss_falls():
    steps = list(training(n_epochs=10).steps())
    assert steps[-1].row["train_loss"] < 0.3 * steps[0].row["train_loss"]


def test_the_base_model_starts_well_below_chance():
    polite = [chat("Where is it?", "I am sorry to hear that. We will send you a new one today.")]
    first = next(training(train=polite, batch_size=1).steps())
    assert first.row["train_loss"] < 0.7 * math.log(2048)


def test_an_answer_learnt_is_said(tmp_path):
    job = training(n_epochs=25)
    list(job.steps())
    job.save_weights(tmp_path / "weights.npz")
    question = [{"role": "user", "content": "What colour is grass?"}]
    said = "".join(generate(tmp_path / "weights.npz", question, temperature=0, max_tokens=40))
    assert said == '{"colour": "green"}'


def test_many_epochs_on_few_examples_overfit():
    lines = (Path(__file__).parents[2] / "data" / "tone.jsonl").read_text("utf-8").splitlines()
    examples = [json.loads(line) for line in lines]
    job = training(train=examples[:40], valid=examples[40:], n_epochs=8, batch_size=1)
    untrained = job.objective.validate("full_valid", np.arange(20), [])["full_valid_loss"]
    losses = [step.row["full_valid_loss"] for step in job.steps() if step.ends_epoch]
    assert min(losses) < 0.95 * untrained
    assert losses[-1] > 1.1 * min(losses)


def test_a_larger_learning_rate_multiplier_learns_more_in_the_same_time():
    ends = []
    for multiplier in (0.02, 0.06, 0.2):
        *_, last = training(learning_rate_multiplier=multiplier, n_epochs=5).steps()
        ends.append(last.row["full_valid_loss"])
    assert ends == sorted(ends, reverse=True)


def test_training_goes_on_from_given_weights(tmp_path):
    first = training(n_epochs=10)
    *_, last = first.steps()
    first.save_weights(tmp_path / "weights.npz")
    second = Training(TRAIN, VALID, hyperparameters=MODERATE, seed=7, weights=tmp_path / "weights.npz")
    assert next(second.steps()).row["train_loss"] < 2 * last.row["train_loss"] + 0.1


def test_batch_size_is_examples_per_step_and_the_last_batch_takes_the_rest():
    job = training(batch_size=4, n_epochs=3)
    assert (job.steps_per_epoch, job.total_steps) == (2, 6)
    assert [(step.epoch, step.ends_epoch) for step in job.steps()][:3] == [(1, False), (1, True), (2, False)]


def test_full_validation_stands_at_each_epochs_end_only():
    steps = list(training().steps())
    assert [step.row["full_valid_loss"] is not None for step in steps] == [False, False, True] * 2


def test_validation_batches_cycle_through_the_file_in_its_order():
    job = training(learning_rate_multiplier=0.0, batch_size=1, n_epochs=1)
    losses = [step.row["valid_loss"] for step in job.steps()]
    assert losses[:3] == losses[3:]
    assert len(set(losses)) == 3


def test_the_mean_over_one_cycle_is_the_full_validation_loss():
    equal = [chat(q, "the same") for q in ("a", "b", "c")]
    job = training(valid=equal, learning_rate_multiplier=0.0, batch_size=1, n_epochs=1)
    steps = list(job.steps())
    cycle = [step.row["valid_loss"] for step in steps[:3]]
    assert np.mean(cycle) == pytest.approx(steps[-1].row["full_valid_loss"], rel=1e-5)


def test_messages_of_weight_0_change_nothing():
    muted = [chat("What is it?", "never say this", weight=0), *TRAIN]
    job = training(train=muted, batch_size=1, n_epochs=1, valid=None)
    blank = [step for step in job.steps() if step.row["train_loss"] is None]
    assert len(blank) == 1


def test_without_a_validation_file_the_columns_are_absent():
    step = next(training(valid=None).steps())
    assert list(step.row) == [
        "step", "train_loss", "train_mean_token_accuracy", "train_error_rate", "timestamp",
    ]  # fmt: skip


def test_the_header_is_todays():
    assert ",".join(result_columns("supervised", has_validation=True)) == (
        "step,train_loss,train_mean_token_accuracy,train_error_rate,valid_loss,valid_mean_token_accuracy,"
        "valid_error_rate,full_valid_loss,full_valid_mean_token_accuracy,full_valid_error_rate,timestamp"
    )


def test_a_row_leaves_blank_what_was_not_measured():
    assert format_row({"step": 3, "train_loss": 0.5, "valid_loss": None, "timestamp": None}) == "3,0.5,,"


def test_the_same_request_gives_the_same_rows_and_another_seed_others():
    assert rows(training()) == rows(training())
    assert rows(training()) != rows(training(seed=8))


@pytest.mark.parametrize("stop", range(6))
def test_resumed_at_any_step_the_remaining_rows_are_the_same(tmp_path, stop):
    undisturbed = rows(training())
    job = training()
    steps = job.steps()
    done = [format_row(next(steps).row) for _ in range(stop)]
    steps.close()
    job.save(tmp_path / "state.npz")
    resumed = Training.resume(tmp_path / "state.npz", TRAIN, VALID, hyperparameters=MODERATE, seed=7)
    assert done + rows(resumed) == undisturbed


def test_a_saved_state_is_also_a_model_to_generate_with(tmp_path):
    job = training(n_epochs=1)
    list(job.steps())
    job.save(tmp_path / "state.npz")
    job.save_weights(tmp_path / "weights.npz")
    question = [{"role": "user", "content": "What colour is snow?"}]
    said = [
        "".join(generate(tmp_path / name, question, temperature=0, max_tokens=20))
        for name in ("state.npz", "weights.npz")
    ]
    assert said[0] == said[1]


def test_a_save_that_fails_leaves_the_one_before(tmp_path, monkeypatch):
    job = training()
    job.save(tmp_path / "state.npz")
    before = (tmp_path / "state.npz").read_bytes()
    next(job.steps())

    def full_disk(file, **_arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        job.save(tmp_path / "state.npz")
    assert (tmp_path / "state.npz").read_bytes() == before


def test_a_diverging_run_reports_its_numbers_to_the_end():
    steps = list(training(learning_rate_multiplier=1e6).steps())
    assert len(steps) == 6
    assert not steps[-1].row["train_loss"] < 10


def test_auto_becomes_numbers():
    assert resolve_hyperparameters({"n_epochs": "auto", "batch_size": -1}, 600, "supervised") == {
        "n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "n_epochs", "batch_size"), [(10, 4, 1), (99, 4, 1), (300, 3, 2), (1000, 2, 8), (100_000, 1, 32)]
)
def test_auto_follows_the_number_of_rows(rows, n_epochs, batch_size):
    resolved = resolve_hyperparameters({}, rows, "supervised")
    assert (resolved["n_epochs"], resolved["batch_size"]) == (n_epochs, batch_size)


def test_what_was_asked_for_stays():
    asked = {"n_epochs": 7, "batch_size": 3, "learning_rate_multiplier": 2.0}
    assert resolve_hyperparameters(asked, 600, "supervised") == asked


def test_on_a_full_disk_no_half_written_file_is_left(tmp_path):
    """A limit on the size of files meets writes as a full disk does."""
    job = training()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError):
            job.save(tmp_path / "state.npz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(tmp_path.iterdir()) == []
