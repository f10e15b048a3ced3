"""What a job says about itself: its events, in the words and the order recorded from the real service."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

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
    """What is said every ten steps: the loss in words, everything measured as data."""
    name, words = ("train_loss", "training loss") if "train_loss" in row else ("train_mean_reward", "training reward")
    event = message_event(job_id, clock, f"Step {step}: {words}={as_dotnet(row.get(name))}", key=f"step:{step}")
    return replace(event, type="metrics", data={**measured(row), "step": step})


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
