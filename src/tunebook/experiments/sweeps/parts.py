"""Nested parts of a training file as a sweep: what `more_data` learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunebook.analysis.sweeps.more_data import FEWEST_SIZES
from tunebook.errors import RequestError
from tunebook.experiments.sweeps.sweep import Sweep
from tunebook.service.request import JobRequest

if TYPE_CHECKING:
    from tunebook.data import Dataset
    from tunebook.service.connection import Workspace

_FEWEST = 10  # examples the service takes


def plan_parts(
    workspace: Workspace,
    base: JobRequest,
    dataset: Dataset,
    *,
    shares: Sequence[float] = (0.25, 0.5, 1.0),
    seeds: int = 2,
    seed: int = 0,
    **how: Any,
) -> Sweep:
    """A sweep over nested parts of a training file, planned with its price and not sent: `run(ws)` sends it.

    base: the request all share, its `training_file` that of the whole `dataset`, and a validation file. shares: of the
    examples; each smaller part is of the next larger one, and equal or near-equal examples stay together. Each part is
    uploaded. seeds: jobs of each part, two at least to know what a seed is worth. how: as for `Sweep` (a budget, a
    folder, stop_losers). Raises RequestError for parts that are too small, or no validation file.

    >>> dataset = tb.read_dataset("train.jsonl")
    >>> files = [ws.files.upload(name).id for name in ("train.jsonl", "valid.jsonl")]
    >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file=files[0], validation_file=files[1], n_epochs=2)
    >>> sweep = tb.plan_parts(ws, request, dataset, shares=(0.5, 0.75, 1), folder="sweeps/parts")
    >>> sweep.plan["tokens"].is_monotonic_increasing
    True
    """
    if not base.validation_file:
        raise RequestError("The request has no validation_file: parts are compared by the loss on one and the same.")
    if len(set(shares)) < FEWEST_SIZES or max(shares) != 1 or min(shares) <= 0:
        raise RequestError(f"shares is {tuple(shares)}: give {FEWEST_SIZES} at least, above 0, the largest 1.")
    smaller, whole = [], dataset
    for share in sorted(set(shares) - {1}, reverse=True):
        left = share * len(dataset) / len(whole)
        whole = whole.split(1 - left, seed=seed)[0]
        if len(whole) < _FEWEST:
            raise RequestError(f"{share:.0%} of {len(dataset)} examples are {len(whole)}; a job takes {_FEWEST}.")
        smaller.append(whole)
    parts = {base.training_file: dataset} | {workspace.files.upload(part).id: part for part in smaller}
    return Sweep(
        base,
        {"training_file": list(parts)[::-1]},
        seeds=seeds,
        file_tokens={file: int(sum(part.count_tokens(model=base.model))) for file, part in parts.items()},
        file_examples={file: len(part) for file, part in parts.items()},
        **how,
    )
