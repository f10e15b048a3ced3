"""Runs are grouped, ranked and left out for a reason that is said."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sweeps import simulated_run

from tunebook.analysis import Results, Run, compare
from tunebook.analysis.sweeps.rows import columns_of


def a_run(job_id, loss=0.5, *, epochs=2, rate=0.1, batch=8, status="succeeded", results=True, **job):
    """A finished job whose whole-file loss falls to `loss` at its last step."""
    frame = pd.DataFrame(
        {
            "step": range(1, 13),
            "train_loss": [1.2 - 0.05 * k for k in range(12)],
            "valid_loss": [loss * (1.6 - 0.05 * k) for k in range(12)],
            "full_valid_loss": [None] * 5 + [loss * 1.1] + [None] * 5 + [loss],
            "full_valid_mean_token_accuracy": [None] * 5 + [0.7] + [None] * 5 + [0.8],
        }
    ).astype(float)
    known = {
        "id": job_id,
        "model": "gpt-4.1-mini-2025-04-14",
        "status": status,
        "training_file": "file-t",
        "validation_file": "file-v",
        "seed": 1,
        "trained_tokens": 1000 * epochs,
        "method": {
            "type": "supervised",
            "supervised": {
                "hyperparameters": {"n_epochs": epochs, "batch_size": batch, "learning_rate_multiplier": rate}
            },
        },
    }
    return Run(known | job, Results.from_frame(frame, f"{job_id}.csv") if results else None)


def test_the_job_with_the_lowest_loss_by_far_wins_and_the_frame_has_it_first():
    comparison = compare([a_run("a", 0.9), a_run("b", 0.5, rate=0.3), a_run("c", 0.8, rate=1.0)])

    assert comparison.winner == "b"
    assert comparison.frame["id"].tolist()[0] == "b"
    assert comparison.frame["observed"].tolist() == [0.5, 0.8, 0.9]
    assert comparison.frame["accuracy"].tolist() == [0.8, 0.8, 0.8]


def test_every_run_that_is_not_ranked_has_its_reason():
    comparison = compare(
        [
            a_run("good", 0.5),
            a_run("better", 0.4, rate=0.3),
            a_run("failed", status="failed", results=False, error={"message": "out of memory"}),
            a_run("stopped", status="cancelled"),
            a_run("going", status="running"),
            a_run("empty", results=False),
            a_run("other", training_file="file-x"),
        ]
    )

    assert comparison.left_out == {
        "failed": "failed: out of memory",
        "stopped": "cancelled",
        "going": "not finished (status running)",
        "empty": "no results",
        "other": "other training file (file-x): not comparable with group A, ranked in group B",
    }
    assert len(comparison.frame) == 7
    assert "5 of 7 jobs are not ranked" in comparison.sentence


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "gpt-4o-mini-2024-07-18"),
        ("training_file", "file-x"),
        ("validation_file", "file-x"),
        ("method", {"type": "dpo"}),
    ],
)
def test_runs_on_other_data_models_or_methods_are_not_ranked_together(key, value):
    comparison = compare([a_run("a"), a_run("b"), a_run("c", 0.1, **{key: value})])

    assert [group.ids for group in comparison.groups] == [("a", "b"), ("c",)]
    assert comparison.winner == "a"


def test_the_same_file_uploaded_twice_counts_as_the_same_when_its_content_is_told():
    runs = [a_run("a"), a_run("b", 0.4, rate=0.3, training_file="file-t2")]

    comparison = compare(runs, files={"file-t": "sha-1", "file-t2": "sha-1"})

    assert len(comparison.groups) == 1


def test_a_run_without_validation_values_is_left_out_not_ranked_by_training_loss():
    blind = a_run("blind")
    frame = blind.results.frame.drop(columns=["valid_loss", "full_valid_loss", "full_valid_mean_token_accuracy"])
    comparison = compare([a_run("a"), Run(blind.job, Results.from_frame(frame))])

    assert comparison.left_out == {
        "blind": "no validation values: without a validation file nothing says how good it is"
    }


def test_nothing_to_compare_is_an_answer_not_an_error():
    comparison = compare([])

    assert comparison.winner is None
    assert comparison.sentence == "There are no runs to compare."
    assert comparison.to_json()["rows"] == []
    assert "no runs" in comparison._repr_html_()


def test_seeds_of_one_configuration_are_ranked_each_by_its_own_loss():
    comparison = compare([a_run("a1", 0.50), a_run("a2", 0.51, seed=2), a_run("b", 0.9, rate=1.0)])

    assert comparison.frame["id"].tolist() == ["a1", "a2", "b"]
    assert comparison.frame["rank"].tolist() == [1, 2, 3]
    assert comparison.frame["loss"].tolist() == pytest.approx([0.50, 0.51, 0.9], rel=0.02)


def test_without_repeated_seeds_the_luck_of_a_seed_is_called_unknown():
    comparison = compare([a_run("a", 0.5), a_run("b", 0.51, rate=0.3)])

    assert "it is unknown" in comparison.notes[-1]


def test_the_cost_is_trained_tokens_times_the_price_of_the_training_type():
    prices = {("gpt-4.1-mini-2025-04-14", "GlobalStandard"): 5.0}
    run = a_run("a", epochs=3, trainingType="GlobalStandard")

    comparison = compare([run, a_run("b")], price=lambda *key: prices.get(key))

    assert comparison.frame.set_index("id")["cost_usd"].fillna(-1).to_dict() == {"a": 0.015, "b": -1}


def test_a_run_given_twice_counts_once_and_is_mentioned():
    comparison = compare([a_run("a"), a_run("a"), a_run("b", rate=0.3)])

    assert len(comparison.frame) == 2
    assert "Given more than once and counted once: a." in comparison.notes


def test_json_has_the_promised_keys_and_no_nan():
    comparison = compare([a_run("a"), a_run("b", 0.4, rate=0.3), a_run("bad", status="failed", results=False)])

    text = json.dumps(comparison.to_json(), allow_nan=False)

    assert {"rows", "winner", "indistinguishable", "importance", "left_out"} <= set(json.loads(text))


def test_what_came_from_outside_is_escaped():
    evil = "<script>alert(1)</script>"
    comparison = compare(
        [a_run("a", suffix=evil), a_run(evil, rate=0.3), a_run("c", status="failed", error={"message": evil})]
    )

    assert "<script>" not in comparison._repr_html_()
    assert "&lt;script&gt;" in comparison._repr_html_()


def test_the_table_has_a_caption_and_header_cells():
    html = compare([a_run("a"), a_run("b", rate=0.3)])._repr_html_()

    assert "<caption" in html
    assert 'scope="col"' in html
    assert 'scope="row"' in html


def test_the_sentence_tells_this_job_from_what_its_settings_would_give_again():
    runs = [a_run("a1", 0.500), a_run("a2", 0.501, seed=2), a_run("a3", 0.499, seed=3), a_run("b", 0.9, rate=1.0)]

    sentence = compare(runs).sentence

    assert "2 of the 3 other jobs cannot be told apart from it" in sentence
    assert "with other seeds its settings would come first with probability > 99 %" in sentence


def test_every_view_shows_one_loss_a_job():
    comparison = compare([a_run("a", 0.5), a_run("b", 0.52, rate=0.3)])

    shown = comparison.jobs[0]

    assert [column.name for column in columns_of(comparison.jobs) if column.name in ("loss", "observed")] == ["loss"]
    assert f"validation loss {shown.loss:#.4g} " in comparison.sentence


def test_a_result_file_of_several_jobs_is_not_ranked_as_one():
    twice = a_run("two")
    rows = twice.results.frame
    stacked = pd.concat([rows, rows.assign(valid_loss=rows["valid_loss"] + 1)])

    comparison = compare([a_run("a"), Run(twice.job, Results.from_frame(stacked))])

    assert comparison.left_out == {"two": "its result file holds 2 jobs: give each as a run of its own"}


def test_hyperparameters_the_service_hardly_told_are_shown_as_such_and_not_modelled():
    comparison = compare([a_run("a", 0.5, rate="auto"), a_run("b", 0.6, rate="auto"), a_run("c", 0.7, rate=1.0)])

    assert comparison.importance.frame.loc["learning_rate_multiplier", "note"] == "value not told by the service"


@pytest.mark.parametrize("value", ["auto", None, -1, [0.1], {"type": "auto"}, "fast", float("nan")])
def test_a_job_whose_configuration_is_not_known_does_not_blur_the_others(value):
    runs = [a_run("a", 0.5, rate=0.1), a_run("b", 0.6, rate=0.3), a_run("c", 0.7, rate=1.0)]

    comparison = compare([*runs, a_run("d", 0.4, rate=value)])

    assert comparison.winner == "a"
    assert comparison.left_out == {
        "d": "learning_rate_multiplier not told: nothing says which configuration it is",
    }


def test_a_damaged_part_leaves_a_run_out_only_when_it_is_needed():
    whole, other = a_run("a", 0.5), a_run("b", 0.6, rate=0.3)
    cut = replace(a_run("c", rate=1.0), results=None, problems={"results.csv": "c/results.csv: cut"})
    quiet = replace(other, problems={"events.jsonl": "b/events.jsonl: cut"})

    comparison = compare([whole, quiet, cut])

    assert comparison.left_out == {"c": "c/results.csv: cut"}
    assert "b/events.jsonl: cut" in comparison.notes


def test_what_a_hand_written_job_holds_in_the_wrong_place_spoils_nothing():
    odd = a_run("odd", rate=0.3, trained_tokens="many", seed="x", error=[], suffix=7, training_type=None)

    comparison = compare([a_run("a", 0.5), odd], price=1.0)

    assert comparison.frame.set_index("id")["cost_usd"].notna().to_dict() == {"a": True, "odd": False}
    assert json.dumps(comparison.to_json(), allow_nan=False)
    assert "odd" in comparison._repr_html_()


def test_prices_come_from_the_catalogue_and_from_the_users_file_over_it(tmp_path, monkeypatch):
    own = tmp_path / "prices.toml"
    own.write_text(
        '[[prices]]\nmodel = "gpt-4.1-mini-2025-04-14"\ntraining_type = "Standard"\n'
        'usd_per_million_tokens = 3.0\nsource = "our contract"\ndated = 2026-11-01\n'
    )
    runs = [a_run("a", epochs=3), a_run("b", epochs=3, model="gpt-4.1", trainingType="GlobalStandard")]

    shipped = compare(runs).frame.set_index("id")["cost_usd"]
    monkeypatch.setenv("TUNEBOOK_CATALOGUE", str(own))
    edited = compare(runs).frame.set_index("id")["cost_usd"]

    assert shipped["b"] == edited["b"] == pytest.approx(0.075)  # 3,000 tokens at 25 dollars a million
    assert edited["a"] == pytest.approx(0.009)
    assert compare(runs).jobs[0].cost_usd == pytest.approx(0.009)
    assert "$0.01" in compare(runs)._card().text()


def test_two_hyperparameters_that_moved_together_get_one_note_and_no_numbers():
    runs = [a_run(f"r{k}", 0.5 + 0.01 * k, epochs=k + 1, batch=2**k) for k in range(6)]

    notes = compare(runs).importance.frame["note"]

    assert "confounded with batch_size" in notes["n_epochs"]
    assert "confounded with n_epochs" in notes["batch_size"]


def test_the_loss_taken_is_that_of_the_checkpoint_that_can_be_deployed():
    checkpoints = (
        {"step_number": 6, "fine_tuned_model_checkpoint": "m:ckpt-6"},
        {"step_number": 12, "fine_tuned_model_checkpoint": "m:ckpt-12"},
    )
    run = a_run("a", 0.5)

    row = compare([Run(run.job, run.results, checkpoints)]).frame.iloc[0]

    assert (row["checkpoint"], row["recommended_step"], row["observed"]) == ("m:ckpt-12", 12, 0.5)


def test_a_whole_file_loss_of_another_epoch_does_not_stand_in_for_the_checkpoint():
    run = a_run("a", 0.5)
    frame = run.results.frame.assign(full_valid_loss=[None] * 11 + [9.0]).astype(float)
    checkpoints = ({"step_number": 6, "fine_tuned_model_checkpoint": "m:ckpt-6"},)

    row = compare([Run(run.job, Results.from_frame(frame), checkpoints)]).frame.iloc[0]

    assert row["checkpoint"] == "m:ckpt-6"
    assert row["observed"] < 1.0
    assert row["observed_sd"] > 0


def test_reinforcement_runs_are_ranked_by_reward_highest_first():
    def rewarded(job_id, reward, rate):
        frame = pd.DataFrame(
            {"step": range(1, 13), "train_mean_reward": [0.1] * 12, "valid_mean_reward": [reward] * 12}
        )
        method = {"type": "reinforcement", "reinforcement": {"hyperparameters": {"learning_rate_multiplier": rate}}}
        return Run(a_run(job_id).job | {"method": method}, Results.from_frame(frame))

    comparison = compare([rewarded("low", 0.2, 0.1), rewarded("high", 0.7, 1.0)])

    assert (comparison.winner, comparison.measure) == ("high", "reward")
    assert "validation reward" in comparison.sentence


def test_a_diverged_run_is_listed_and_not_ranked():
    calm = [simulated_run(f"job-{n}", {"n_epochs": n}, final=0.7, seed=n) for n in (2, 3, 4)]
    step = np.arange(1, 61)
    broken = np.where(step < 20, 1.4 - step / 40, 1 + (step - 20.0) ** 3)
    frame = pd.DataFrame({"step": step, "train_loss": broken, "valid_loss": broken})
    wild = replace(simulated_run("wild", {"n_epochs": 5}, final=0.7), results=Results.from_frame(frame))

    comparison = compare([*calm, wild])

    assert comparison.winner != "wild"
    assert comparison.left_out["wild"].startswith("diverged: Training loss got worse again")


def test_a_lowest_point_that_was_not_kept_is_the_next_job_to_run():
    step = np.arange(1, 61)
    valid = 2 * np.exp(-step / 8) + 0.3 + np.clip(step - 28, 0, None) * 0.03
    frame = pd.DataFrame({"step": step, "train_loss": 2 * np.exp(-step / 10) + 0.1, "valid_loss": valid})
    long = simulated_run("long", {"n_epochs": 6, "learning_rate_multiplier": 0.2}, final=0.7)
    long = replace(long, results=Results.from_frame(frame), checkpoints=({"step_number": 60},))
    calm = simulated_run("calm", {"n_epochs": 2, "learning_rate_multiplier": 0.1}, final=0.6)

    comparison = compare([long, calm])

    assert comparison.winner == "calm"
    assert comparison.lowest_point["job"] == "long"
    assert not comparison.lowest_point["kept"]
    assert comparison.lowest_point["settings"] == {"n_epochs": 3, "learning_rate_multiplier": 0.2}
    assert "The next job to run: n_epochs = 3, learning_rate_multiplier = 0.2." in comparison.notes[-1]
