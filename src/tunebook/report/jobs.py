"""The jobs of a comparison as records for a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.report.content import Job, Mattered
from tunebook.words import aligned, count, missing, money, number, percent, setting


def job_records(comparison: Comparison) -> tuple[Job, ...]:
    """One record a job, ranked ones first, as in `comparison.frame`."""
    names = labels(comparison)
    return tuple(_job(comparison, row, names) for row in comparison.frame.to_dict("records"))


def labels(comparison: Comparison) -> dict[str, str]:
    """Job id -> what to call it: its suffix when no other job has the same, else its id."""
    frame = comparison.frame
    if frame.empty:
        return {}
    times = Counter(str(suffix) for suffix in frame["suffix"] if not missing(suffix))
    return {
        str(job_id): str(suffix) if not missing(suffix) and times[str(suffix)] == 1 else str(job_id)
        for job_id, suffix in zip(frame["id"], frame["suffix"], strict=True)
    }


def varied(comparison: Comparison) -> tuple[str, ...]:
    """The hyperparameters that differ between jobs; the usual three when none does."""
    frame = comparison.frame
    found = tuple(
        name for name in comparison.hyperparameters if len(frame) and frame[name].astype(str).nunique(dropna=False) > 1
    )
    return found or comparison.hyperparameters[:3]


def _job(comparison: Comparison, row: Mapping[Any, Any], names: Mapping[str, str]) -> Job:
    job_id = str(row["id"])
    diagnosis = comparison.diagnoses.get(job_id)
    common: dict[str, Any] = {
        "id": job_id,
        "label": names[job_id],
        "suffix": "" if missing(row["suffix"]) else str(row["suffix"]),
        "verdict": "" if missing(row["verdict"]) else str(row["verdict"]),
        "reason": diagnosis.reason if diagnosis else "",
        "settings": {name: setting(row[name]) for name in comparison.hyperparameters},
        "seed": "" if missing(row["seed"]) else str(row["seed"]),
        "tokens": count(row["trained_tokens"]),
        "cost": money(row.get("cost_usd")),
        "left_out": comparison.left_out.get(job_id, ""),
    }
    if missing(row.get("rank")):
        return Job(**common)
    value, low, high = aligned(row["loss"], row["loss_low"], row["loss_high"])
    rank, rank_low, rank_high = row["rank"], row["rank_low"], row["rank_high"]
    return Job(
        **common,
        winner=job_id == comparison.winner,
        alike=job_id in comparison.indistinguishable,
        group=str(row["group"]),
        place=str(rank),
        place_range="" if rank_low == rank_high else f"{rank_low}–{rank_high}",
        value=float(row["loss"]),
        low=float(row["loss_low"]),
        high=float(row["loss_high"]),
        value_text=value,
        interval_text=f"{low} to {high}",
        behind="" if job_id == comparison.winner or missing(row["behind"]) else f"+{percent(row['behind'], 1)}",
        p_best=None if missing(row["p_best"]) else float(row["p_best"]),
        accuracy=percent(row["accuracy"], 1),
        checkpoint=_where(row, diagnosis),
        step=count(_step(row, diagnosis)),
        checkpoint_name="" if missing(row["checkpoint"]) else str(row["checkpoint"]),
    )


def _where(row: Mapping[Any, Any], diagnosis: Any) -> str:
    """Where in the training the recommended checkpoint lies: step 412 (epoch 2)."""
    step = _step(row, diagnosis)
    if missing(step):
        return ""
    epoch = diagnosis.checkpoint.get("epoch") if diagnosis and diagnosis.checkpoint else None
    return f"step {count(step)}" + ("" if missing(epoch) else f" (epoch {number(epoch)})")


def _step(row: Mapping[Any, Any], diagnosis: Any) -> Any:
    """The step of the checkpoint to use; the best step where no checkpoint is known."""
    kept = diagnosis.checkpoint if diagnosis else None
    return kept["step"] if kept else row["recommended_step"]


def mattered(comparison: Comparison) -> tuple[Mattered, ...]:
    """What each hyperparameter did, most important first; none when nothing was compared."""
    found = comparison.importance
    if found is None:
        return ()
    rows = []
    for name, row in found.frame.iterrows():
        known = not missing(row["importance"])
        rows.append(
            Mattered(
                name=str(name),
                importance=float(row["importance"]) if known else None,
                interval=f"{row['importance']:.2f} ({row['low']:.2f} to {row['high']:.2f})" if known else "",
                effect=percent(row["effect"], 1),
                best="" if missing(row["best"]) else setting(row["best"]),
                note=str(row["note"] or ""),
            )
        )
    return tuple(rows)
