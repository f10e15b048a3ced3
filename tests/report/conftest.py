"""Runs with known curves, made by a formula, so that tests of the report say what they start from."""

import numpy as np
import pandas as pd
import pytest

from tunebook.analysis.results import Results
from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import compare

MODEL = "gpt-4.1-2025-04-14"  # has a training price in the catalogue for GlobalStandard


def make_run(number=0, *, n_epochs=3, multiplier=0.1, low=0.4, rise=0.0, status="succeeded", steps=40, **job):
    """A job whose validation loss falls to `low` and rises by the fraction `rise` towards the end."""
    total = n_epochs * steps
    step = np.arange(1, total + 1)
    share = step / total
    noise = np.random.default_rng(number)
    valid = low * (1 + 1.2 * np.exp(-share * 12) + rise * np.maximum(share - 0.4, 0) / 0.6)
    frame = pd.DataFrame(
        {
            "step": step,
            "train_loss": (0.3 + 0.9 * np.exp(-share * 8)) * np.exp(noise.normal(0, 0.1, total)),
            "train_mean_token_accuracy": 0.8,
            "valid_loss": valid * np.exp(noise.normal(0, 0.03, total)),
            "valid_mean_token_accuracy": 0.7,
            "full_valid_loss": np.where(step % steps == 0, valid, np.nan),
            "full_valid_mean_token_accuracy": np.where(step % steps == 0, 0.75, np.nan),
        }
    )
    job_id, suffix = job.pop("id", f"ftjob-{number:02d}"), job.pop("suffix", f"try-{number}")
    model = job.pop("model", MODEL)
    name = f"{model}.ft-{number}-{suffix}"
    done = status == "succeeded"
    settings = {"n_epochs": n_epochs, "batch_size": 4, "learning_rate_multiplier": multiplier}
    body = {
        "id": job_id,
        "model": model,
        "suffix": suffix,
        "status": status,
        "seed": 7,
        "trainingType": "globalStandard",
        "training_file": "file-train",
        "validation_file": "file-valid",
        "created_at": 1_790_000_000,
        "finished_at": 1_790_000_600,
        "trained_tokens": 500_000 if done else None,
        "fine_tuned_model": name if done else None,
        "method": {"type": "supervised", "supervised": {"hyperparameters": settings}},
        **job,
    }
    kept = [epoch * steps for epoch in range(1, n_epochs + 1)][-3:]
    checkpoints = tuple(
        {"step_number": at, "fine_tuned_model_checkpoint": name if at == total else f"{name}:ckpt-step-{at}"}
        for at in kept
    )
    events = ({"level": "info", "message": "Job started.", "created_at": 1_790_000_001},)
    return Run(body, Results(frame) if done else None, checkpoints if done else (), events)


@pytest.fixture(scope="session")
def runs():
    """Four finished jobs, the second clearly best, the last overfitting; one that failed."""
    return (
        make_run(0, multiplier=0.05, low=0.62),
        make_run(1, multiplier=0.1, low=0.40),
        make_run(2, n_epochs=2, multiplier=0.2, low=0.55),
        make_run(3, n_epochs=4, multiplier=0.4, low=0.60, rise=0.5),
        make_run(4, status="failed", error={"message": "The training file has 3 examples."}),
    )


@pytest.fixture(scope="session")
def comparison(runs):
    return compare(runs)


@pytest.fixture(name="make_run", scope="session")
def _make_run():
    return make_run
