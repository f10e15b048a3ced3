"""An Optuna study takes what was run and says what to run next."""

import pandas as pd
import pytest
from scipy.stats import loguniform, norm, randint, uniform

from tunebook.analysis import Results, Run, compare
from tunebook.errors import RequestError
from tunebook.experiments.sweeps.studies import ask_study, tell_study

optuna = pytest.importorskip("optuna", reason="Optuna is not installed: pip install optuna")
optuna.logging.set_verbosity(optuna.logging.ERROR)
SPACE = {"n_epochs": [1, 2, 4], "learning_rate_multiplier": loguniform(0.01, 1.0)}


def a_run(job_id, loss, epochs, rate, status="succeeded"):
    frame = pd.DataFrame({"step": [1, 2], "train_loss": [1.0, 0.9], "full_valid_loss": [loss * 1.1, loss]})
    settings = {"n_epochs": epochs, "learning_rate_multiplier": rate, "batch_size": 4}
    return Run({"id": job_id, "model": "m", "status": status, "hyperparameters": settings}, Results.from_frame(frame))


def a_study(**how):
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1), **how)


def test_a_study_is_told_each_ranked_job_once():
    study = a_study()
    comparison = compare([a_run("a", 0.5, 1, 0.1), a_run("b", 0.4, 2, 0.2), a_run("c", 0.9, 2, 0.2, status="failed")])

    assert [tell_study(study, comparison, SPACE), tell_study(study, comparison, SPACE)] == [2, 0]
    assert study.best_params == {"n_epochs": 2, "learning_rate_multiplier": 0.2}
    assert study.best_value == 0.4


def test_what_the_study_asked_for_is_finished_by_the_job_that_ran_it():
    study = a_study()
    first, second = ask_study(study, SPACE, n=2)
    runs = [
        a_run("a", 0.5, first["n_epochs"], first["learning_rate_multiplier"]),
        a_run("b", 0.6, second["n_epochs"], second["learning_rate_multiplier"]),
    ]

    tell_study(study, compare(runs), SPACE)

    assert [trial.value for trial in study.trials] == [0.5, 0.6]
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}


def test_jobs_outside_the_space_are_passed_over():
    comparison = compare([a_run("a", 0.5, 3, 0.1), a_run("b", 0.4, 2, 5.0), a_run("c", 0.6, 2, 0.5)])

    assert tell_study(study := a_study(), comparison, SPACE) == 1
    assert study.best_value == 0.6


def test_a_study_of_the_other_direction_is_refused():
    with pytest.raises(RequestError, match="direction='minimize'"):
        tell_study(a_study(direction="maximize"), compare([a_run("a", 0.5, 1, 0.1)]), SPACE)


@pytest.mark.parametrize("space", [{}, {"n_epochs": []}, {"n_epochs": "12"}, {"n_epochs": norm()}])
def test_a_space_a_study_cannot_hold_is_refused(space):
    with pytest.raises(RequestError):
        ask_study(a_study(), space)


def test_distributions_keep_their_kind():
    study = a_study()
    ask_study(study, SPACE | {"batch_size": randint(1, 9), "beta": uniform(0.1, 0.4)})

    kinds = study.trials[0].distributions
    assert kinds["learning_rate_multiplier"] == optuna.distributions.FloatDistribution(0.01, 1.0, log=True)
    assert kinds["batch_size"] == optuna.distributions.IntDistribution(1, 8)
    assert kinds["beta"] == optuna.distributions.FloatDistribution(0.1, 0.5)
