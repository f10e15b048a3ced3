"""What a job says about itself: its events, in the words and the order recorded from the real service."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tunebook_local.desk.clock import Clock
from tunebook_local.desk.naming import new_id
from tunebook_local.desk.records import EventRow

STAND_IN = (
    "This is tunebook's embedded stand-in, not Azure OpenAI: a small practice model on this machine is trained "
    "on your examples in place of {model}. Every number comes from that training; none says how {model} would do."
)
ENQUEUED = "Job enqueued. Waiting for jobs ahead to complete."
PREPROCESSING = "Preprocessing running for file training file."
PREPROCESSED = "Preprocessing completed for file training file."
PREPROCESSED_VALIDATION = "Preprocessing completed for file validation file."
STARTED = ("Job started.", "Data Import started.", "Finetuning started.", "Job queued, waiting for GPUs.")
TRAINING = "Training started."
SUCCEEDED = ("Job succeeded.", "Model Evaluation Passed.")
STEP_EVENT_EVERY = 10  # steps, beside the first


def message_event(job_id: str, clock: Clock, message: str, *, key: str | None = None, level: str = "info") -> EventRow:
    """An event with words only. `key` is its place in the history, by which it is said once; else the words are."""
    return EventRow(new_id("event"), job_id, int(clock.now()), level, "message", message, key or message)


def step_event(job_id: str, clock: Clock, step: int, row: Mapping[str, float | None]) -> EventRow:
    """What is said every ten steps: the loss or reward in words, everything measured as data."""
    loss = "train_loss" in row
    name, words = ("train_loss", "training loss") if loss else ("train_mean_reward", "training mean reward")
    event = message_event(job_id, clock, f"Step {step}: {words}={as_dotnet(row.get(name))}", key=f"step:{step}")
    data = measured(row) if loss else nested(measured(row))
    return replace(event, type="metrics", data={**data, "step": step})


_SCORES = {"train_mean_reward": "train_reward_mean", "full_valid_mean_reward": "valid_reward_mean"}


def nested(row: Mapping[str, float]) -> dict[str, Any]:
    """The numbers of a reinforcement job as its events nest them, where the result file has a column each.

    The paths are those that Azure's guide names; the graders stand in lists, as in OpenAI's guide.
    """
    scores: dict[str, Any] = {new: row[old] for old, new in _SCORES.items() if old in row}
    data: dict[str, Any] = {}
    graders: dict[str, dict[tuple[str, str], dict[str, Any]]] = {"scores": {}, "errors": {}}
    for column, value in row.items():
        part, _, rest = column.partition("/graders/")
        if rest:
            kind, name, *_, measure = rest.split("/")
            graders[part].setdefault((kind, name), {"name": name, "type": kind})[measure] = value
        elif column not in (*_SCORES, "reasoning_tokens_mean"):
            data[column] = value
    samples = {"train_reasoning_tokens_mean": row["reasoning_tokens_mean"]} if "reasoning_tokens_mean" in row else {}
    return {
        **data,
        "scores": {**scores, "graders": list(graders["scores"].values())},
        "usage": {"graders": [], "samples": samples},
        "errors": {"graders": list(graders["errors"].values())},
    }


def measured(row: Mapping[str, float | None]) -> dict[str, float]:
    """The finite numbers of a row; JSON has no word for the others."""
    return {key: float(value) for key, value in row.items() if value is not None and math.isfinite(value)}


def as_dotnet(value: float | None) -> str:
    """A number as the service prints it: `3.8E-06`, `NaN`."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    return repr(value).upper()
