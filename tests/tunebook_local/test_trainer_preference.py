"""Preference training: the exact DPO loss, the frozen reference, the columns."""

from __future__ import annotations

import math
from copy import deepcopy

import numpy as np
import pytest

from tunebook_local.model import preference
from tunebook_local.model.trainer import Training, format_row

HYPERPARAMETERS = {"n_epochs": 4, "batch_size": 2, "learning_rate_multiplier": 0.1, "beta": 0.1}


def pair(question: str, preferred: str, other: str) -> dict:
    return {
        "input": {"messages": [{"role": "user", "content": question}]},
        "preferred_output": [{"role": "assistant", "content": preferred}],
        "non_preferred_output": [{"role": "assistant", "content": other}],
    }


PAIRS = [pair(f"Where is my {thing}?", f"I am sorry. Your {thing} is on its way.", "Wait.") for thing in
         ("book", "phone", "order", "camera", "ticket")]  # fmt: skip


def training(pairs=PAIRS, valid=PAIRS[:2], **changes) -> Training:
    return Training(pairs, valid, method="dpo", hyperparameters={**HYPERPARAMETERS, **changes}, seed=3)


def test_untrained_the_loss_is_log_2_and_no_answer_is_preferred():
    first = next(training().steps())
    assert first.row["train_loss"] == pytest.approx(math.log(2))
    assert first.row["train_error_rate"] == 0.5


def test_token_accuracy_stays_blank():
    assert all(step.row["train_mean_token_accuracy"] is None for step in training().steps())


def test_the_loss_falls_and_all_pairs_end_ranked_rightly():
    *_, last = training(n_epochs=20, learning_rate_multiplier=3).steps()
    assert last.row["full_valid_loss"] < 0.3
    assert last.row["full_valid_error_rate"] == 0


def test_left_to_the_service_it_moves_as_slowly_as_a_real_job():
    losses = [step.row["train_loss"] for step in training(n_epochs=12, batch_size=2).steps()]

    assert len(losses) == 36  # as many steps as the recorded job, whose last ten are 0.53 to 0.73
    assert 0.4 < sum(losses[-10:]) / 10 < 0.69


def test_the_loss_is_that_of_the_paper():
    job = training(beta=0.3)
    before = deepcopy(job.model)
    next(job.steps())
    pairs = preference.Pairs(PAIRS[:2], job.model.tokenizer)
    chosen = np.arange(2)
    policy, reference = (pairs.log_p(pairs.passes(model, chosen), 2) for model in (job.model, before))
    gained = policy - reference
    expected = np.mean(-np.log(1 / (1 + np.exp(-0.3 * (gained[:, 0] - gained[:, 1])))))
    assert job.objective.validate("full_valid", chosen, [])["full_valid_loss"] == pytest.approx(expected)


def test_the_gradient_is_that_of_the_loss():
    model = training().model
    model.weights = {name: array.astype(np.float64) for name, array in model.weights.items()}
    objective = preference.Preference(model, PAIRS, [], beta=0.5)
    objective._fix_reference()
    objective.train.reference[:, 0] -= 1.0  # as if the model had learnt something already

    def loss() -> float:
        passes = objective.train.passes(model, np.arange(2))
        return objective._row("train", objective._margins(objective.train, np.arange(2), passes))["train_loss"]

    class Kept:
        def update(self, _weights, gradients, _rate):
            self.gradients = gradients

    kept = Kept()
    objective.train_on(np.arange(2), kept, 0.0, [])
    exact = kept.gradients.dense["output_bias"]
    place = int(np.abs(exact).argmax())
    bias = model.weights["output_bias"]
    bias[place] += 1e-4
    up = loss()
    bias[place] -= 2e-4
    assert (up - loss()) / 2e-4 == pytest.approx(exact[place], rel=1e-3)


def test_passes_too_large_to_hold_give_the_same_rows(monkeypatch):
    held = [format_row(step.row) for step in training().steps()]
    monkeypatch.setattr(preference, "_HELD_STEPS", 0)
    assert [format_row(step.row) for step in training().steps()] == held


def test_the_reference_survives_a_restart(tmp_path):
    undisturbed = [format_row(step.row) for step in training().steps()]
    job = training()
    steps = job.steps()
    done = [format_row(next(steps).row) for _ in range(5)]
    job.save(tmp_path / "state.npz")
    resumed = Training.resume(
        tmp_path / "state.npz", PAIRS, PAIRS[:2], method="dpo", hyperparameters=HYPERPARAMETERS, seed=3
    )
    assert done + [format_row(step.row) for step in resumed.steps()] == undisturbed


def test_only_the_completions_are_learnt_not_the_input_that_holds_an_answer():
    example = pair("And now?", "Better.", "Worse.")
    example["input"]["messages"] = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi."},
        *example["input"]["messages"],
    ]
    job = training(pairs=[example, *PAIRS])
    (answer,) = preference.completion(example, "preferred_output", job.model.tokenizer)
    assert job.model.tokenizer.decode(answer.tokens) == "Better."


def test_a_beta_of_0_learns_nothing():
    steps = list(training(beta=0.0).steps())
    assert steps[-1].row["full_valid_loss"] == pytest.approx(math.log(2))
