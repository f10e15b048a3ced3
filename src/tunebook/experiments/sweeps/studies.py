"""For people who have an Optuna study: it stores what was run, and its sampler says what to run next.

Optuna is not needed for anything else here; without a study, `tunebook.analysis.suggest` does this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunebook.errors import RequestError

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

    from tunebook.analysis import Comparison


def ask_study(study: optuna.Study, space: Mapping[str, Any], n: int = 1) -> list[dict[str, Any]]:
    """The next `n` settings by the study's own sampler, for `Sweep(request, settings)`.

    `space` is as a sweep's: lists of values, or scipy.stats distributions (`loguniform`, `uniform`, `randint`). The
    trials stay running in the study until `tell_study` gives them their values.

    >>> import optuna
    >>> study = optuna.create_study(study_name="reviews")
    >>> settings = tb.experiments.ask_study(study, {"n_epochs": [2, 4], "learning_rate_multiplier": [0.1, 0.2]}, n=3)
    >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file="file-1")
    >>> len(tb.Sweep(request, settings).plan)
    3
    """
    if not space:
        raise RequestError("The space is empty: give {name: [values]}, for instance {'n_epochs': [1, 2, 3]}.")
    kinds = {name: _distribution(name, values) for name, values in space.items()}
    return [dict(study.ask(kinds).params) for _ in range(n)]


def tell_study(study: optuna.Study, comparison: Comparison, space: Mapping[str, Any]) -> int:
    """Write the ranked jobs of the comparison's main group into the study; how many were new to it.

    A job finishes the running trial that asked for its settings, if there is one, else it is added as a trial of its
    own. Jobs told before, and jobs outside `space`, are passed over. Raises RequestError when the study optimises in
    the other direction.

    >>> import optuna
    >>> study = optuna.create_study()
    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> told = tb.experiments.tell_study(study, comparison, {"n_epochs": [1, 2, 3, 4, 6, 8, 12]})
    >>> told == len(study.trials)
    True
    """
    from optuna.study import StudyDirection
    from optuna.trial import TrialState, create_trial

    wanted = StudyDirection.MINIMIZE if comparison.measure == "loss" else StudyDirection.MAXIMIZE
    if study.direction != wanted:
        raise RequestError(
            f"The study's direction is {study.direction.name.lower()}, and a {comparison.measure} asks for "
            f"{wanted.name.lower()}: make the study with direction={wanted.name.lower()!r}."
        )
    kinds = {name: _distribution(name, values) for name, values in space.items()}
    trials = study.get_trials(deepcopy=False)
    known = {(_key(trial.params), trial.value) for trial in trials if trial.state == TrialState.COMPLETE}
    running = {_key(trial.params): trial.number for trial in trials if trial.state == TrialState.RUNNING}
    ranked = comparison.group.ids if comparison.group else ()
    told = 0
    for row in comparison.frame[comparison.frame["id"].isin(ranked)].to_dict("records"):
        settings = {name: _plain(row.get(name)) for name in kinds}
        value = float(row["observed"])
        if (_key(settings), value) in known or not all(_holds(kinds[name], v) for name, v in settings.items()):
            continue
        asked = running.pop(_key(settings), None)
        if asked is not None:
            study.tell(asked, value)
        else:
            study.add_trial(create_trial(params=settings, distributions=kinds, value=value))
        told += 1
    return told


def _distribution(name: str, values: Any) -> BaseDistribution:
    """Optuna's word for the values a hyperparameter may take."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not hasattr(values, "rvs"):
        if isinstance(values, str) or not len(list(values)):
            raise RequestError(f"space[{name!r}] = {values!r}: give a list of at least one value, or a distribution.")
        return CategoricalDistribution([_plain(value) for value in values])
    low, high = (float(end) for end in values.support())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RequestError(f"space[{name!r}] has no bounds: Optuna needs a lowest and a highest value.")
    if hasattr(values, "pmf"):
        return IntDistribution(int(low), int(high))
    return FloatDistribution(low, high, log=getattr(values, "dist", None).__class__.__name__ == "reciprocal_gen")


def _holds(kind: BaseDistribution, value: Any) -> bool:
    """Whether a job's value is one the study may hold."""
    from optuna.distributions import FloatDistribution, IntDistribution

    if isinstance(kind, FloatDistribution | IntDistribution):
        return isinstance(value, int | float) and kind.low <= value <= kind.high
    return value in getattr(kind, "choices", ())


def _key(settings: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    return frozenset(settings.items())


def _plain(value: Any) -> Any:
    """A Python number for a numpy one; a whole number where a table made it a float."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
