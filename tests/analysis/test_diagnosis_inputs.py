"""Whatever the file holds, the verdict is right or inconclusive with the reason."""

import numpy as np
import pandas as pd
import pytest

from tunebook.analysis import Results, diagnose, load_results

STEPS = np.arange(1, 61)
FALLING = 2 * np.exp(-STEPS / 8) + 0.5
RISING = FALLING + np.clip(STEPS - 25, 0, None) * 0.01
TRAIN = 2 * np.exp(-STEPS / 15) + 0.1


def frame(**columns):
    return pd.DataFrame({"step": STEPS, **columns})


def test_an_empty_file_that_has_a_header():
    d = diagnose(load_results(b"step,train_loss,valid_loss\n"))

    assert d.verdict == "inconclusive"
    assert d.reason.startswith("No validation measurements")


def test_one_row():
    d = diagnose(load_results(b"step,train_loss,valid_loss\n1,2.0,2.1\n"))

    assert d.verdict == "inconclusive"
    assert d.reason.startswith("Only 1 validation measurement: too few to judge")


def test_all_blank():
    assert diagnose(frame(train_loss=np.nan, valid_loss=np.nan)).verdict == "inconclusive"


def test_all_the_same():
    assert diagnose(frame(train_loss=1.0, valid_loss=1.0)).verdict == "not_learning"


def test_curves_that_stay_where_they_began_learned_nothing():
    valid = [0.6934, 0.6941, 0.6935, 0.6941, 0.6939, 0.6934, 0.6935, 0.6935, 0.694, 0.6935, 0.6941, 0.6937, 0.6936]
    train = [0.694, 0.6949, 0.693, 0.6938, 0.6941, 0.694, 0.6941, 0.6934, 0.6936, 0.6938, 0.6942, 0.6945, 0.6944]
    d = diagnose(pd.DataFrame({"step": range(1, 14), "train_loss": train, "valid_loss": valid}))

    assert d.verdict == "not_learning"
    assert d.reason.startswith("Neither validation loss (0.6936 → 0.6937) nor training loss (0.694")
    assert d.advice[0] == "Raise the learning rate: multiply learning_rate_multiplier by 4."


def test_a_training_loss_that_falls_is_learning_whatever_validation_does():
    assert diagnose(frame(train_loss=TRAIN, valid_loss=0.7)).verdict == "healthy"


def test_a_jump_from_the_first_value_in_both_curves_is_not_overfitting():
    valid = np.append(0.7, 0.9 + 2.1 * np.exp(-STEPS[:50] / 15))
    d = diagnose(pd.DataFrame({"step": range(1, 52), "train_loss": valid, "valid_loss": valid}))

    assert d.verdict in ("inconclusive", "diverged")


def test_a_loss_that_halves_in_its_last_epoch_is_not_healthy():
    d = diagnose(frame(train_loss=TRAIN, valid_loss=2 * np.exp(-STEPS / 90)), n_epochs=2)

    assert d.verdict == "not_converged"
    assert d.reason == "Validation loss was still getting better at the end: by 13 % in the last fifth of the run."


def test_negative_losses_are_not_believed():
    d = diagnose(frame(train_loss=TRAIN, valid_loss=RISING - 1.5))

    assert d.verdict == "inconclusive"
    assert "lie below 0, which cannot be" in d.reason


def test_a_training_loss_that_becomes_infinite_is_diverged():
    d = diagnose(frame(train_loss=np.where(STEPS > 50, np.inf, TRAIN), valid_loss=FALLING))

    assert d.verdict == "diverged"
    assert "at step 51" in d.reason


def test_one_infinite_value_on_the_way_is_passed_over():
    d = diagnose(frame(train_loss=np.where(STEPS == 30, np.inf, TRAIN), valid_loss=RISING))

    assert d.verdict == "overfitting"


def test_two_jobs_in_one_file_get_no_common_verdict():
    twice = pd.concat([frame(train_loss=TRAIN, valid_loss=FALLING), frame(train_loss=TRAIN, valid_loss=RISING)])
    results = Results.from_frame(twice)

    assert diagnose(results).reason.startswith("The file holds 2 jobs")
    assert [diagnose(part).verdict for part in results.parts] == ["healthy", "overfitting"]


def test_rows_out_of_order_change_nothing():
    table = frame(train_loss=TRAIN, valid_loss=RISING)
    shuffled = table.sample(frac=1, random_state=0)

    assert diagnose(shuffled).to_json() | {"notes": []} == diagnose(table).to_json() | {"notes": []}


def test_token_accuracy_alone_is_judged():
    # Errors fall from 50 % to 20 % and rise to 27 %.
    error = 0.2 + 0.3 * np.exp(-STEPS / 8) + np.clip(STEPS - 25, 0, None) * 0.002
    d = diagnose(frame(train_mean_token_accuracy=1 - TRAIN / 5, valid_mean_token_accuracy=1 - error))

    assert d.verdict == "overfitting"
    assert d.metric == "valid_mean_token_accuracy"
    assert "validation token error rate rose" in d.reason.lower()


def test_of_rewards_more_is_better():
    reward = 0.8 - 0.6 * np.exp(-STEPS / 8) - np.clip(STEPS - 25, 0, None) * 0.005
    falling = diagnose(frame(train_mean_reward=1 - TRAIN / 3, valid_mean_reward=reward))
    rising = diagnose(frame(train_mean_reward=1 - TRAIN / 3, valid_mean_reward=0.8 - 0.6 * np.exp(-STEPS / 8)))

    assert falling.verdict == "overfitting"
    assert "Validation reward fell" in falling.reason
    assert rising.verdict == "healthy"


def test_the_whole_validation_file_alone_is_judged():
    full = np.where(STEPS % 20 == 0, [0.42, 0.45, 0.52][0], np.nan)
    full[39], full[59] = 0.45, 0.52
    d = diagnose(frame(train_loss=TRAIN, full_valid_loss=full))

    assert d.verdict == "overfitting"
    assert d.recommended_step == 20
    assert d.rise == pytest.approx(0.52 / 0.42 - 1, abs=0.02)


def test_a_rise_of_training_and_validation_together_is_not_overfitting():
    train = TRAIN + np.clip(STEPS - 25, 0, None) * 0.02
    d = diagnose(frame(train_loss=train, valid_loss=RISING))

    assert d.verdict == "inconclusive"
    assert "both got worse" in d.reason


def test_the_first_half_of_a_run_is_judged_like_a_run():
    table = frame(train_loss=TRAIN, valid_loss=RISING)

    assert diagnose(table[:10]).verdict == "not_converged"
    assert diagnose(table[:50]).verdict == "overfitting"


def test_a_table_with_only_step_and_two_losses_is_enough():
    text = frame(train_loss=TRAIN, valid_loss=RISING).to_csv(index=False)

    assert diagnose(load_results(text)).verdict == "overfitting"


@pytest.mark.parametrize("n", [6, 7, 8, 9, 10, 12])
def test_short_smooth_histories_are_judged(n):
    epoch = np.arange(1, n + 1)
    valid = 1 / epoch + 0.09 * epoch  # lowest at epoch 3 or 4
    d = diagnose(pd.DataFrame({"step": epoch, "train_loss": 1 / epoch, "valid_loss": valid}))

    assert d.recommended_step in (3, 4)
    if n >= 8:
        assert d.verdict == "overfitting"
