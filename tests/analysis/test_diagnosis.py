"""The verdict on one run."""

import numpy as np
import pandas as pd
import pytest

from tunebook.analysis import Run, diagnose, load_results

STEPS = np.arange(1, 41)


def curve(valid, train=None):
    train = 2 * np.exp(-STEPS / 10) + 0.2 if train is None else train
    return pd.DataFrame({"step": STEPS, "train_loss": train, "valid_loss": valid})


FALLING = 2 * np.exp(-STEPS / 8) + 0.5
RISING = FALLING + np.clip(STEPS - 20, 0, None) * 0.015


def test_a_loss_that_turns_and_rises_is_overfitting():
    d = diagnose(curve(RISING))

    assert d.verdict == "overfitting"
    assert d.rise == pytest.approx(RISING[-1] / RISING.min() - 1, abs=0.02)
    assert d.recommended_step in range(18, 26)
    assert d.onset_interval[0] <= d.onset_step <= d.onset_interval[1]


def test_a_rise_within_the_first_epoch_points_at_a_difference_between_the_files():
    d = diagnose(curve(RISING), n_epochs=1)

    assert d.advice[1].startswith("Compare the files with train.check(validation=valid)")
    assert not any("Compare the files" in line for line in diagnose(curve(RISING), n_epochs=4).advice)


def test_a_loss_that_falls_and_stays_is_healthy():
    assert diagnose(curve(FALLING)).verdict == "healthy"


def test_a_loss_still_falling_is_not_converged():
    assert diagnose(curve(3 - STEPS / 20)).verdict == "not_converged"


def test_a_training_loss_that_breaks_down_is_diverged():
    train = np.where(STEPS < 20, 2 - STEPS / 20, 1 + (STEPS - 20) / 10)
    assert diagnose(curve(train + 0.1, train)).verdict == "diverged"


def test_a_run_without_validation_is_inconclusive_and_says_why():
    d = diagnose(curve(np.full(40, np.nan)))

    assert d.verdict == "inconclusive"
    assert d.p_overfitting is None
    assert d.reason.startswith("No validation measurements, so overfitting cannot be seen. Training loss fell")


def test_the_checkpoint_is_chosen_among_those_kept():
    run = Run(
        {"id": "ftjob-1", "status": "succeeded", "hyperparameters": {"n_epochs": 4, "batch_size": 2}},
        load_results(curve(RISING)),
        tuple({"step_number": s, "fine_tuned_model_checkpoint": f"m:ckpt-step-{s}"} for s in (40, 30, 20)),
    )

    d = diagnose(run)

    assert d.checkpoint["name"] == "m:ckpt-step-20"
    assert d.checkpoint["excess_of_last"] == pytest.approx(RISING[39] / RISING[19] - 1, abs=0.03)
    assert d.advice[0] == "Train fewer epochs: n_epochs = 2."


def test_the_card_escapes_foreign_text():
    d = diagnose(load_results(curve(RISING), name="<script>alert(1)</script>"))

    assert "<script>" not in d._repr_html_()


def six_epochs(*kept):
    """A run of six epochs, lowest in the third, with the checkpoints of some steps."""
    checkpoints = tuple({"step_number": s, "fine_tuned_model_checkpoint": f"m:ckpt-step-{s}"} for s in kept)
    steps = np.arange(1, 61)
    valid = 2 * np.exp(-steps / 8) + 0.3 + np.clip(steps - 30, 0, None) * 0.03
    frame = pd.DataFrame({"step": steps, "train_loss": 2 * np.exp(-steps / 10) + 0.1, "valid_loss": valid})
    job = {"id": "ftjob-1", "status": "succeeded", "hyperparameters": {"n_epochs": 6, "batch_size": 2}}
    return diagnose(Run(job, load_results(frame), checkpoints))


def test_where_nothing_good_was_kept_training_again_is_advised():
    d = six_epochs(40, 50, 60)

    assert d.best["step"] in range(27, 33)
    assert d.best["loss"] == pytest.approx(0.35, abs=0.03)
    assert d.checkpoint["step"] == 40
    assert d.checkpoint["above_best"] == pytest.approx(0.8, abs=0.2)
    assert d.train_again == {"n_epochs": 3}
    assert d.choice.startswith("Train again with n_epochs = 3: the best checkpoint kept, of step 40, epoch 4, is")
    assert "Checkpoint to use" not in d._repr_html_()


def test_where_the_best_was_kept_it_is_used():
    d = six_epochs(30, 40, 50)

    assert d.train_again is None
    assert d.checkpoint["above_best"] < 0.05
    assert d.choice == "Use the checkpoint of step 30, epoch 3."
