"""Ranking: luck is shrunk away, probabilities add up, and what is not known is not claimed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebook.analysis.sweeps.ranking import Measure, noise_sentence, rank_jobs


def jobs(losses, rates=None, ids=None):
    rates = rates or [0.1 * (k + 1) for k in range(len(losses))]
    ids = ids or [f"j{k}" for k in range(len(losses))]
    return pd.DataFrame({"id": ids, "learning_rate_multiplier": rates, "observed": losses})


def test_a_job_that_was_measured_badly_leans_on_the_other_seed_of_its_settings():
    frame = jobs([0.40, 0.60, 0.52, 0.53], [0.1, 0.1, 1.0, 1.0]).assign(observed_sd=[0.3, 0.01, 0.01, 0.01])

    assert rank_jobs(frame, ["learning_rate_multiplier"]).frame.loc["j0", "loss"] > 0.5


def test_a_job_that_was_measured_well_speaks_for_itself():
    frame = jobs([0.40, 0.60, 0.52, 0.53], [0.1, 0.1, 1.0, 1.0]).assign(observed_sd=0.002)

    assert rank_jobs(frame, ["learning_rate_multiplier"]).frame.loc["j0", "loss"] == pytest.approx(0.40, rel=0.005)


def test_no_loss_leaves_what_its_own_measurements_allow():
    frame = jobs([0.40, 0.60, 0.90, 1.30]).assign(observed_sd=0.01)

    ranked = rank_jobs(frame, ["learning_rate_multiplier"]).frame

    assert (np.log(ranked["loss"] / ranked["observed"]).abs() <= 0.03).all()


def test_clear_replicated_differences_leave_only_seeds_of_the_winner_indistinguishable():
    ranking = rank_jobs(
        jobs([0.400, 0.402, 0.401, 0.800, 0.803, 0.801], [0.1] * 3 + [1.0] * 3), ["learning_rate_multiplier"]
    )

    assert ranking.winner == "j0"
    assert set(ranking.indistinguishable) == {"j1", "j2"}
    assert ranking.frame.loc["j3", "rank_low"] == 4
    assert ranking.noise_source == "replicates"
    assert ranking.again > 0.99


def test_a_lucky_seed_wins_although_its_settings_would_not_again():
    frame = jobs([0.40, 0.60, 0.62, 0.50, 0.51, 0.49], [0.1] * 3 + [1.0] * 3).assign(observed_sd=0.002)

    ranking = rank_jobs(frame, ["learning_rate_multiplier"])

    assert (ranking.winner, ranking.frame.loc["j0", "p_best"]) == ("j0", 1.0)
    assert ranking.again < 0.5


def test_what_cannot_be_judged_counts_luck_and_the_error_of_measurement():
    frame = jobs([0.50, 0.51, 0.60, 0.61], [0.1, 0.1, 1.0, 1.0])

    sure = rank_jobs(frame.assign(observed_sd=0.0), ["learning_rate_multiplier"])
    unsure = rank_jobs(frame.assign(observed_sd=0.05), ["learning_rate_multiplier"])

    assert sure.resolution == pytest.approx(np.expm1(2 * sure.noise_sd))
    assert unsure.resolution > np.expm1(2 * 0.05)
    assert "its loss is measured to within 5.0 %" in noise_sentence(unsure)


@pytest.mark.parametrize("seed", range(3))
def test_the_luck_of_a_seed_is_found_beside_an_error_of_measurement(seed):
    rng = np.random.default_rng(seed)
    luck, error = rng.normal(0, 0.03, 12), rng.normal(0, 0.005, 12)
    losses = (0.5 * np.exp(luck + error)).tolist()
    frame = jobs(losses, np.repeat([0.1, 0.3, 1.0, 3.0], 3).tolist()).assign(observed_sd=0.005)

    assert 0.018 < rank_jobs(frame, ["learning_rate_multiplier"], n_draws=400).noise_sd < 0.05


def test_close_single_jobs_cannot_be_told_apart():
    ranking = rank_jobs(jobs([0.500, 0.503, 0.506]), ["learning_rate_multiplier"])

    assert ranking.indistinguishable == ("j1", "j2")
    assert ranking.noise_source == "assumed"


def test_probabilities_of_being_best_add_up_to_one_over_jobs():
    frame = rank_jobs(jobs([0.5, 0.51, 0.52, 0.7], [0.1, 0.1, 0.3, 1.0]), ["learning_rate_multiplier"]).frame

    assert frame["p_best"].sum() == pytest.approx(1.0)


def test_known_noise_moves_what_can_be_judged():
    close = jobs([0.50, 0.52])

    loud = rank_jobs(close, ["learning_rate_multiplier"], noise_sd=0.05)
    quiet = rank_jobs(close, ["learning_rate_multiplier"], noise_sd=0.001)

    assert loud.again < 0.75 < 0.9 < quiet.again
    assert loud.resolution > 3 * quiet.resolution


def test_a_wide_evaluation_error_keeps_a_low_value_from_winning_surely():
    frame = jobs([0.50, 0.55]).assign(observed_sd=[0.3, 0.0])

    assert rank_jobs(frame, ["learning_rate_multiplier"], noise_sd=0.005).frame["p_best"].max() < 0.8


def test_rewards_are_better_when_higher():
    ranking = rank_jobs(jobs([0.2, 0.9, 0.5]), ["learning_rate_multiplier"], measure="reward")

    assert ranking.winner == "j1"
    assert ranking.frame.loc["j1", "loss_low"] < ranking.frame.loc["j1", "loss"] < ranking.frame.loc["j1", "loss_high"]


def test_one_diverged_job_does_not_disturb_the_others():
    ranking = rank_jobs(jobs([0.50, 0.52, 0.55, 400.0]), ["learning_rate_multiplier"])

    assert ranking.winner == "j0"
    assert ranking.frame.loc["j0", "loss_high"] < 0.7


def test_one_job_is_ranked_with_an_interval():
    frame = rank_jobs(jobs([0.5]), ["learning_rate_multiplier"]).frame

    assert frame.loc["j0", "rank"] == 1
    assert frame.loc["j0", "loss_low"] < 0.5 < frame.loc["j0", "loss_high"]


@pytest.mark.parametrize("bad", [[0.5, float("nan")], [0.5, -1.0], []])
def test_values_that_cannot_be_ranked_are_refused_with_the_values(bad):
    with pytest.raises(ValueError, match="rank_jobs needs"):
        rank_jobs(jobs(bad), ["learning_rate_multiplier"])


def test_the_same_jobs_give_the_same_ranking():
    frame = jobs([0.5, 0.6, 0.55])

    first = rank_jobs(frame, ["learning_rate_multiplier"]).frame
    second = rank_jobs(frame, ["learning_rate_multiplier"]).frame

    pd.testing.assert_frame_equal(first, second)


@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=8))
def test_modelled_values_come_back_as_they_were(losses):
    measure = Measure.of("loss", np.array(losses))

    np.testing.assert_allclose(measure.own(measure.model(np.array(losses))), losses, rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.1, 3.0), min_size=2, max_size=6))
def test_intervals_contain_their_estimate_and_ranks_their_interval(losses):
    frame = rank_jobs(jobs(losses), ["learning_rate_multiplier"], n_draws=400).frame

    assert (frame["loss_low"] <= frame["loss"]).all()
    assert (frame["loss"] <= frame["loss_high"]).all()
    assert (frame["rank_low"] <= frame["rank_high"]).all()
    assert frame["p_best"].between(0, 1).all()
