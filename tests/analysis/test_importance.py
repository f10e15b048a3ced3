"""Importance: numbers where there is evidence, reasons where there is none."""

import numpy as np
import pandas as pd
import pytest

from tunebook.analysis.sweeps.importance import importance
from tunebook.analysis.sweeps.ranking import rank_jobs


def sweep(n=20, noise=0.005, seed=0, **columns):
    """Jobs whose log loss depends on the learning rate twice as much as on epochs, and not on batch size."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "n_epochs": rng.choice([1, 2, 3, 4], n),
            "batch_size": rng.choice([4, 8, 16], n),
            "learning_rate_multiplier": rng.choice([0.1, 0.3, 1.0, 3.0], n),
        }
    )
    rate = np.log(frame["learning_rate_multiplier"] / 0.1) / np.log(30)
    y = 0.4 * rate + 0.2 * (frame["n_epochs"] - 1) / 3 + rng.normal(0, noise, n)
    return frame.assign(observed=np.exp(y), **columns)


NAMES = ["n_epochs", "batch_size", "learning_rate_multiplier"]


def importance_in(jobs, names):
    ranking = rank_jobs(jobs.assign(id=range(len(jobs))), names)
    return importance(jobs, names, ranking.surface, ranking.measure)


def test_the_shares_of_an_additive_loss_come_out_and_what_does_nothing_gets_nothing():
    found = importance_in(sweep(32), NAMES).frame["importance"]

    assert found["learning_rate_multiplier"] == pytest.approx(0.8, abs=0.06)
    assert found["n_epochs"] == pytest.approx(0.2, abs=0.06)
    assert found["batch_size"] < 0.05
    assert list(found.index) == ["learning_rate_multiplier", "n_epochs", "batch_size"]


def test_a_lost_corner_counts_over_everything_tried_and_less_near_the_best():
    batches, rates = np.meshgrid([4, 8, 16, 32], [0.1, 0.3, 1.0, 3.0])
    grid = pd.DataFrame({"batch_size": batches.ravel(), "learning_rate_multiplier": rates.ravel()})
    y = 0.25 * np.log2(grid["batch_size"] / 4) + 2.0 * (grid["learning_rate_multiplier"] > 2)

    found = importance_in(grid.assign(observed=np.exp(y)), ["batch_size", "learning_rate_multiplier"])

    rate, batch = found.frame.loc["learning_rate_multiplier"], found.frame.loc["batch_size"]
    assert rate["overall"] > rate["importance"] + 0.02
    assert batch["overall"] < batch["importance"] - 0.02
    assert list(found.questions) == ["Importance near the best", "Importance over everything tried"]


def test_without_lost_jobs_both_questions_have_one_answer():
    found = importance_in(sweep(), NAMES)

    assert found.frame["overall"].tolist() == pytest.approx(found.frame["importance"].tolist(), abs=0.01)
    assert list(found.questions) == ["Importance"]


def test_intervals_contain_their_number():
    frame = importance_in(sweep(), NAMES).frame

    assert (frame["low"] <= frame["importance"]).all()
    assert (frame["importance"] <= frame["high"]).all()


def test_under_twelve_jobs_there_is_an_effect_but_no_importance():
    found = importance_in(sweep(11), NAMES)

    assert found.measured == ()
    assert found.frame["effect"].notna().all()
    assert set(found.frame["note"]) == {"too few jobs (11 < 12)"}
    assert "about 12 jobs are needed; with 11" in found.notes[0]


def test_what_was_not_varied_is_called_that():
    found = importance_in(sweep().assign(batch_size=8), NAMES)

    assert found.frame.loc["batch_size", "note"] == "not varied"
    assert np.isnan(found.frame.loc["batch_size", "importance"])


def test_hyperparameters_that_moved_together_get_no_numbers():
    frame = sweep()
    frame["batch_size"] = 2 ** frame["n_epochs"]

    found = importance_in(frame, NAMES)

    assert found.frame.loc["n_epochs", "note"] == "confounded with batch_size"
    assert found.measured == ("learning_rate_multiplier",)
    assert found.interactions.empty


def test_an_interaction_is_seen_and_additive_effects_have_none():
    frame = sweep(40)
    rate = np.log(frame["learning_rate_multiplier"] / 0.1) / np.log(30) - 0.5
    crossed = frame.assign(observed=np.exp(0.4 * rate * (frame["n_epochs"] - 2.5) / 1.5))

    def share(jobs):
        pairs = importance_in(jobs, NAMES).interactions
        return float(pairs.set_index(["first", "second"])["share"]["n_epochs", "learning_rate_multiplier"])

    assert share(crossed) > 0.5
    assert share(frame) < 0.1


def test_the_effect_names_the_best_value():
    frame = importance_in(sweep(32), NAMES).frame

    assert frame.loc["learning_rate_multiplier", "best"] == 0.1
    assert frame.loc["learning_rate_multiplier", "effect"] == pytest.approx(np.expm1(0.4), abs=0.06)


def test_a_category_that_matters_is_found():
    frame = sweep(24)
    frame["effort"] = ["low", "high"] * 12
    frame["observed"] *= np.where(frame["effort"] == "high", 0.6, 1.0)

    found = importance_in(frame, [*NAMES, "effort"]).frame

    assert found.index[0] == "effort"
    assert found.loc["effort", "best"] == "high"


def test_json_is_plain_and_names_are_escaped():
    found = importance_in(sweep().rename(columns={"batch_size": "<script>"}), ["<script>", "n_epochs"])

    assert found.to_json()["rows"][0]["hyperparameter"] in ("<script>", "n_epochs")
    assert "<script>" not in found._repr_html_()
