"""What a sweep will send, and what it will cost, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from sklearn.model_selection import ParameterGrid, ParameterSampler

from tunebook.analysis.run import USUAL
from tunebook.catalogue import Catalogue, load_catalogue
from tunebook.errors import RequestError
from tunebook.fields import settings as job_settings
from tunebook.money import bill
from tunebook.service.request import JobRequest

# Hyperparameters first, then what else of a request can differ between the jobs of a sweep.
SWEPT = tuple(s.name for s in sorted(job_settings().values(), key=lambda s: s.place == "body") if s.swept)

# Of a training file, or of each of several by its id.
Size = int | Mapping[str, int] | None


@dataclass(frozen=True)
class Trial:
    """One job of a sweep: its number, from 0, and the request whose suffix names it at the service."""

    index: int
    request: JobRequest

    @property
    def identity(self) -> str:
        return self.request.suffix or ""


def grid(space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of a space `{name: [values]}`. Raises RequestError for an empty or unknown one."""
    _check_space(space)
    space = {name: values.tolist() if hasattr(values, "tolist") else values for name, values in space.items()}
    for name, values in space.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise RequestError(
                f"{name}: a grid needs a list of at least one value, not {values!r}. "
                "For a distribution from scipy.stats give draws=N."
            )
    return list(ParameterGrid({name: list(values) for name, values in space.items()}))


def draw(space: Mapping[str, Any], n: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """`n` random settings from lists of values and scipy.stats distributions; the same seed draws the same."""
    _check_space(space)
    if n < 1:
        raise RequestError(f"draws={n}: at least one setting has to be drawn.")
    drawn = ParameterSampler({k: v if hasattr(v, "rvs") else list(v) for k, v in space.items()}, n, random_state=seed)
    return [{name: _plain(value) for name, value in settings.items()} for settings in drawn]


def trials(base: JobRequest, settings: Sequence[Mapping[str, Any]], *, identity: str, seeds: int = 1) -> list[Trial]:
    """One trial for each setting and seed. Each carries an identity in its suffix, which the service echoes.

    Raises RequestError, naming the trial and the field, when the service would refuse one.
    """
    if not settings or seeds < 1:
        raise RequestError("The sweep is empty: give at least one setting and seeds=1 or more.")
    for setting in settings:
        _check_names(setting)
    first_seed = base.seed if base.seed is not None else 0
    longest = load_catalogue().limit("suffix_characters")
    planned = []
    for index, (setting, replicate) in enumerate((s, r) for s in settings for r in range(seeds)):
        own = f"{identity}-{index:03d}"
        told = f"{(base.suffix or '')[: longest - len(own) - 1]}-{own}".lstrip("-")
        planned.append(Trial(index, replace(base, **setting, seed=first_seed + replicate, suffix=told)))
    refused = [
        f"trial {trial.index}, {problem}"
        for trial in planned
        for problem in trial.request.problems()
        if problem.severity == "error"
    ]
    if refused:
        raise RequestError("The sweep holds jobs the service would refuse. " + " ".join(refused[:5]))
    return planned


def _of_file(size: Size, file: str) -> int | None:
    return size.get(file) if isinstance(size, Mapping) else size


def plan_frame(
    planned: Sequence[Trial],
    *,
    file_tokens: Size = None,
    file_examples: Size = None,
    catalogue: Catalogue | None = None,
) -> pd.DataFrame:
    """One row a trial: what it varies, `tokens` (billed: file tokens x epochs) and `usd`, both missing when not known.

    file_tokens: tokens of the training file for one epoch, as `sum(dataset.count_tokens(model=…))` counts them. Where
    n_epochs is left to the service, it is assumed as `money.epochs_of` says, from `file_examples` where they are given.
    Where trials differ in the training file, both are mappings: its id -> number.
    """
    facts = catalogue or load_catalogue()
    others = [
        name
        for name in SWEPT
        if name not in USUAL and name != "model" and len({getattr(trial.request, name) for trial in planned}) > 1
    ]
    rows = []
    for trial in planned:
        request = trial.request
        cost = None
        tokens = _of_file(file_tokens, request.training_file)
        if tokens is not None:
            cost = bill(
                request.model,
                tokens,
                examples=_of_file(file_examples, request.training_file),
                n_epochs=request.n_epochs,
                training_type=request.training_type,
                method=request.method,
                catalogue=facts,
            )
        rows.append(
            {
                "trial": trial.index,
                "suffix": request.suffix,
                "model": request.model,
                **{name: getattr(request, name) for name in (*USUAL, *others)},
                "seed": request.seed,
                "tokens": cost and cost.billed_tokens,
                "usd": cost and cost.usd,
            }
        )
    frame = pd.DataFrame(rows).set_index("trial")
    return frame.astype({"tokens": "Int64", "usd": "float64"})


def check_budget(plan: pd.DataFrame, *, budget_tokens: float | None, budget_usd: float | None) -> None:
    """Raise RequestError when a plan costs more than its budget, or when that cannot be told."""
    for column, budget, how in (
        ("tokens", budget_tokens, "give file_tokens=sum(dataset.count_tokens())"),
        ("usd", budget_usd, "give file_tokens, and the model's price in a catalogue file (TUNEBOOK_CATALOGUE)"),
    ):
        if budget is None:
            continue
        if plan[column].isna().any():
            raise RequestError(f"The budget of {budget:,.6g} {column} cannot be kept: the cost is not known; {how}.")
        total = plan[column].sum()
        if total > budget:
            raise RequestError(
                f"The plan of {len(plan)} jobs costs {total:,.6g} {column}, the budget is {budget:,.6g}. "
                "Plan fewer jobs or epochs, or raise the budget."
            )


def _check_space(space: Mapping[str, Any]) -> None:
    if not space:
        raise RequestError(f"The space is empty: name what to vary, of {', '.join(SWEPT)}.")
    _check_names(space)


def _check_names(names: Iterable[str]) -> None:
    unknown = [name for name in names if name not in SWEPT]
    if unknown:
        raise RequestError(f"{', '.join(unknown)}: not something a sweep can vary; it can vary {', '.join(SWEPT)}.")


def _plain(value: Any) -> Any:
    """A Python number for a numpy one: requests are sent as JSON."""
    return value.item() if hasattr(value, "item") else value
