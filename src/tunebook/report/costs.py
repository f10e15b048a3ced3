"""What training cost, at the prices of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunebook.analysis.run import Run
from tunebook.catalogue import Price, load_catalogue
from tunebook.report.numbers import missing


def cost(run: Run, known: Any = None) -> float | None:
    """US dollars: `known` if it is given, else trained tokens times the catalogue's price; None where either lacks."""
    if not missing(known):
        return float(known)
    price = _price(run)
    if price is None or run.trained_tokens is None:
        return None
    return run.trained_tokens * price.usd_per_million_tokens / 1e6


def price_date(runs: Sequence[Run]) -> str:
    """How old the prices are: the oldest among those used."""
    dates = [price.dated for run in runs if (price := _price(run)) is not None]
    return f"prices of {min(dates):%Y-%m-%d}" if dates else "prices as given"


def _price(run: Run) -> Price | None:
    tier = run.job.get("trainingType") or run.job.get("training_type") or "Standard"
    return load_catalogue().price(run.model, str(tier))
