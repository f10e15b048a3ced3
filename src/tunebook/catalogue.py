"""Dated facts about the service: models, limits, training types, prices, retirement dates.

They stand in `catalogue.toml` beside this module, each with a source and a date. To change one at once, lay an own
file of the same shape over it with the environment variable `TUNEBOOK_CATALOGUE`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from tunebook.errors import TunebookError


@dataclass(frozen=True)
class Fact:
    """One number with its unit, where it was read, and when."""

    value: float
    unit: str
    source: str
    dated: date


@dataclass(frozen=True)
class Model:
    """A base model that can be fine-tuned. Empty `regions`: no region offers Standard training."""

    id: str
    methods: tuple[str, ...]
    training_types: tuple[str, ...]
    max_tokens_per_example: int
    state: str
    source: str
    dated: date
    aliases: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    modality: str = "text"
    encoding: str | None = None  # None: the model's tokenizer is not an OpenAI one
    default_learning_rate_multiplier: float | None = None
    retires: date | None = None
    format: str = "OpenAI"  # what a deployment request names as the model's format


@dataclass(frozen=True)
class TrainingType:
    """A training tier: its name in requests (`id`), in replies (`wire`), and what it means."""

    id: str
    wire: str
    residency: str
    price_hint: str
    caution: str


@dataclass(frozen=True)
class Price:
    """What training costs, in US dollars per million billed tokens (file tokens x epochs)."""

    model: str
    training_type: str
    usd_per_million_tokens: float
    source: str
    dated: date


@dataclass(frozen=True)
class Hosting:
    """What a deployment costs by the hour, in US dollars, beside the tokens it answers with."""

    sku: str
    usd_per_hour: float
    source: str
    dated: date


@dataclass(frozen=True)
class Catalogue:
    """All dated facts. `as_of` is the newest date in it: show it wherever a fact is shown."""

    models: tuple[Model, ...]
    limits: Mapping[str, Fact]
    training_types: tuple[TrainingType, ...]
    prices: tuple[Price, ...]
    hosting: tuple[Hosting, ...]
    as_of: date = field(default=date.min)

    def model(self, name: str) -> Model | None:
        """The base model behind `name`: an id, an alias, or a model fine-tuned from it (`<base>.ft-…`)."""
        base = name.split(".ft-", 1)[0]
        return next((m for m in self.models if base == m.id or base in m.aliases), None)

    def limit(self, name: str) -> int:
        """A limit as a whole number, e.g. `limit("min_examples")`."""
        return int(self.limits[name].value)

    def training_type(self, name: str) -> TrainingType | None:
        """The tier a spelling means: `globalstandard`, `GlobalStandard` and `developerTier` are all seen."""
        wanted = name.lower().removesuffix("tier")
        return next((t for t in self.training_types if wanted == t.id.lower()), None)

    def price(self, model: str, training_type: str = "Standard") -> Price | None:
        """The training price, None when the documentation prints none and the user has set none."""
        base, tier = self.model(model), self.training_type(training_type)
        if base is None or tier is None:
            return None
        return next((p for p in self.prices if (p.model, p.training_type) == (base.id, tier.id)), None)

    def hosting_price(self, sku: str) -> Hosting | None:
        """The hourly price of a deployment of this SKU, None when unknown."""
        wanted = sku.lower().removesuffix("tier")
        return next((h for h in self.hosting if h.sku == wanted), None)


def load_catalogue(path: str | os.PathLike[str] | None = None) -> Catalogue:
    """The shipped catalogue with the user's file (`path`, else `TUNEBOOK_CATALOGUE`) laid over it.

    Raises TunebookError naming the file and the entry when the user's file does not fit.
    """
    over = path or os.environ.get("TUNEBOOK_CATALOGUE")
    return _load(Path(over) if over else None)


@lru_cache(maxsize=4)
def _load(over: Path | None) -> Catalogue:
    files = [Path(__file__).with_name("catalogue.toml"), *([over] if over else [])]
    tables = [_read(file) for file in files]
    try:
        return _build(tables)
    except (KeyError, TypeError) as error:
        raise TunebookError(
            f"{files[-1]}: an entry of the catalogue does not fit: {error}. "
            f"Compare it with the entries of the shipped file, {files[0]}."
        ) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TunebookError(
            f"{file}: this catalogue cannot be read: {error}. Correct the file or unset TUNEBOOK_CATALOGUE."
        ) from error


def _build(tables: Iterable[Mapping[str, Any]]) -> Catalogue:
    sources: dict[str, str] = {}
    limits: dict[str, Fact] = {}
    models: dict[str, Model] = {}
    tiers: dict[str, TrainingType] = {}
    prices: dict[tuple[str, str], Price] = {}
    hosting: dict[str, Hosting] = {}
    for table in tables:
        sources |= table.get("sources", {})
        for name, entry in table.get("limits", {}).items():
            limits[name] = Fact(**_sourced(entry, sources))
        for entry in table.get("models", ()):
            lists = {k: tuple(v) for k, v in entry.items() if isinstance(v, list)}
            models[entry["id"]] = Model(**(_sourced(entry, sources) | lists))
        for entry in table.get("training_types", ()):
            tiers[entry["id"]] = TrainingType(**entry)
        for entry in table.get("prices", ()):
            prices[entry["model"], entry["training_type"]] = Price(**_sourced(entry, sources))
        for entry in table.get("hosting", ()):
            hosting[entry["sku"]] = Hosting(**_sourced(entry, sources))
    facts: list[Any] = [*limits.values(), *models.values(), *prices.values(), *hosting.values()]
    return Catalogue(
        models=tuple(models.values()),
        limits=limits,
        training_types=tuple(tiers.values()),
        prices=tuple(prices.values()),
        hosting=tuple(hosting.values()),
        as_of=max((fact.dated for fact in facts), default=date.min),
    )


def _sourced(entry: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    return {**entry, "source": sources.get(entry["source"], entry["source"])}
