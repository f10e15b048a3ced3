"""The next jobs: new, allowed, and where the loss is likely to be lower."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform
from sweeps import simulated_run

from tunebook.analysis import Results, Run, compare
from tunebook.analysis.sweeps.space import values_of
from tunebook.analysis.sweeps.suggestions import suggest, suggest_from
from tunebook.errors import RequestError

RATES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]


def tried(losses):
    return pd.DataFrame({"learning_rate_multiplier": list(losses), "observed": list(losses.values())})


def test_the_gap_around_the_lowest_loss_is_filled_first():
    suggestions = suggest_from(
        tried({0.01: 0.9, 0.1: 0.52, 0.5: 0.53, 2.0: 0.9}), {"learning_rate_multiplier": RATES}, 1
    )

    assert suggestions[0] == {"learning_rate_multiplier": 0.2}


def test_what_was_run_is_not_suggested_again_and_an_exhausted_space_says_so():
    space = {"learning_rate_multiplier": [0.1, 1.0]}

    assert list(suggest_from(tried({0.1: 0.5}), space, 5)) == [{"learning_rate_multiplier": 1.0}]
    assert suggest_from(tried({0.1: 0.5, 1.0: 0.6}), space, 5).notes == ("Every setting of the space has been run.",)


def test_several_at_once_are_different_settings():
    suggestions = suggest_from(tried({0.01: 0.9, 2.0: 0.9}), {"learning_rate_multiplier": RATES}, 4)

    assert len({row["learning_rate_multiplier"] for row in suggestions}) == 4


def test_with_nothing_run_the_first_jobs_are_spread_from_the_middle():
    suggestions = suggest_from(pd.DataFrame(columns=["observed"]), {"n_epochs": [1, 2, 3, 4, 5]}, 3)

    assert [row["n_epochs"] for row in suggestions] == [3, 1, 5]


def test_distributions_are_drawn_from_and_stay_plain_numbers():
    suggestions = suggest_from(tried({0.1: 0.5}), {"learning_rate_multiplier": loguniform(0.02, 2)}, 2)

    assert all(type(row["learning_rate_multiplier"]) is float for row in suggestions)
    assert all(0.02 <= row["learning_rate_multiplier"] <= 2 for row in suggestions)


def test_what_the_space_does_not_name_stays_at_the_winners_value():
    settings = [
        {"n_epochs": e, "batch_size": b, "learning_rate_multiplier": 0.1} for e, b in ((1, 8), (2, 16), (3, 16))
    ]
    finals = [0.9, 0.5, 0.6]
    runs = [simulated_run(f"j{k}", s, final=f, steps=24) for k, (s, f) in enumerate(zip(settings, finals, strict=True))]

    suggestions = suggest(compare(runs), {"n_epochs": [2, 4]}, 2)

    assert list(suggestions) == [{"n_epochs": 4, "batch_size": 16}]


@pytest.mark.parametrize("space", [{}, {"n_epochs": []}, {"n_epochs": "3"}])
def test_a_space_without_values_is_refused(space):
    with pytest.raises(RequestError, match="give"):
        suggest_from(tried({0.1: 0.5}), space, 1)


def test_the_table_escapes_values():
    html = suggest_from(pd.DataFrame(columns=["observed"]), {"kind": ["<script>", "b"]}, 2)._repr_html_()

    assert "<script>" not in html


def test_nothing_is_suggested_in_the_corner_where_runs_diverged():
    """The surface falls towards the corner that diverged: without the broken runs it would be the first choice."""
    held = tried({0.01: 0.9, 0.02: 0.8, 0.05: 0.7, 0.1: 0.6, 0.2: 0.5})
    lost = pd.DataFrame({"learning_rate_multiplier": [1.0]})
    space = {"learning_rate_multiplier": [0.3, 0.9, 1.1, 2.0]}

    assert suggest_from(held, space, 4).settings[0]["learning_rate_multiplier"] > 0.3
    assert [row["learning_rate_multiplier"] for row in suggest_from(held, space, 4, lost=lost)] == [0.3]


def test_diverged_runs_of_a_comparison_keep_suggestions_away():
    def a_run(rate, final):
        settings = {"n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": rate}
        return simulated_run(f"rate {rate}", settings, final=final, steps=60)

    broken = a_run(2.0, 0.5)
    step = broken.results.frame["step"].to_numpy(float)
    wild = 1.4 + np.where(step < 20, -step / 40, (step - 20) ** 3)
    frame = pd.DataFrame({"step": step, "train_loss": wild, "valid_loss": wild})
    runs = [
        *(a_run(rate, final) for rate, final in ((0.05, 0.9), (0.1, 0.8), (0.2, 0.6))),
        Run(broken.job, Results.from_frame(frame)),
    ]

    suggestions = suggest(compare(runs), {"learning_rate_multiplier": [0.3, 1.5, 1.9, 2.5]}, 4)

    assert [row["learning_rate_multiplier"] for row in suggestions] == [0.3]


def test_where_every_run_diverged_only_what_lies_far_away_is_suggested():
    lost = pd.DataFrame({"learning_rate_multiplier": [2.0, 1.0]})

    suggestions = suggest_from(pd.DataFrame(columns=["observed"]), {"learning_rate_multiplier": RATES}, 9, lost=lost)

    assert max(row["learning_rate_multiplier"] for row in suggestions) == 0.1


def a_sweep(name, losses, epochs=3, file="file-train"):
    """A comparison of runs that differ in their learning rate."""
    return [
        simulated_run(
            f"{name} {rate}",
            {"n_epochs": epochs, "batch_size": 8, "learning_rate_multiplier": rate},
            final=loss,
            steps=24,
            training_file=file,
        )
        for rate, loss in losses.items()
    ]


def test_without_a_space_what_was_varied_is_searched_within_what_is_advised():
    comparison = compare(a_sweep("j", {0.05: 0.6, 0.1: 0.5, 0.2: 0.6}))

    suggestions = suggest(comparison, n=4)

    assert {tuple(row) for row in suggestions} == {("learning_rate_multiplier",)}
    assert all(0.02 <= row["learning_rate_multiplier"] <= 0.2 for row in suggestions)


def test_without_a_space_and_a_ranked_job_epochs_and_rate_are_searched():
    assert suggest(compare([]), n=1)[0] == {"n_epochs": 3, "learning_rate_multiplier": 0.063}


def test_values_go_a_step_past_the_edge_the_winner_stands_at_but_not_past_what_the_service_takes():
    assert values_of("n_epochs", [4, 2])[-1] == 8
    assert values_of("n_epochs", [50, 2])[-1] == 50
    assert values_of("n_epochs", [1, 2])[0] == 1
    assert values_of("kind", ["b", "a"]) == ["a", "b"]


def test_an_earlier_sweep_says_where_the_best_was():
    """Two jobs at the ends say nothing of the middle; two earlier sweeps had their best at 0.02."""
    here = compare(a_sweep("now", {0.01: 0.55, 2.0: 0.9}, file="file-other"))
    losses = {0.01: 0.6, 0.02: 0.4, 0.05: 0.6, 0.2: 0.8, 0.5: 0.85, 2.0: 0.95}
    archive = [*a_sweep("a", losses), compare(a_sweep("b", losses, epochs=2))]
    space = {"learning_rate_multiplier": [0.02, 0.05, 0.1, 0.2, 0.5]}

    assert suggest(here, space, 1)[0] != {"learning_rate_multiplier": 0.02}
    found = suggest(here, space, 1, archive=archive)
    assert found[0] == {"learning_rate_multiplier": 0.02}
    assert found.notes == ("2 earlier sweeps of the archive taken into account.",)


def test_foreign_runs_of_an_archive_are_left_out_and_named():
    here = compare(a_sweep("now", {0.01: 0.55, 2.0: 0.9}))

    found = suggest(here, n=1, archive=[*a_sweep("a", {0.1: 0.5}), *a_sweep("now", {0.01: 0.55, 2.0: 0.9})])

    assert found.notes == (
        "1 group of the archive left out: another method or measure, fewer than 4 jobs, or none of these settings "
        "varied.",
    )


def test_an_archive_of_anything_else_is_refused():
    with pytest.raises(RequestError, match="give runs"):
        suggest(compare([]), archive=["runs"])
