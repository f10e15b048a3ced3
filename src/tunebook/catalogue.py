"""Dated facts about the service: models, limits, training types, regions, prices, retirement dates.

They stand in `catalogue.toml` beside this module, each with a source and a date. Over it lie an own file of the same
shape, named by `TUNEBOOK_CATALOGUE`, and the prices typed into a form, which are remembered in the state folder.
`tunebook catalogue` prints what is known, `tunebook catalogue --check FILE` reads a newer file.
"""

from __future__ import annotations

import os
import threading
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec.structs import replace
from platformdirs import user_data_path

from tunebook.errors import TunebookError

_SHIPPED = Path(__file__).with_name("catalogue.toml")


Usd: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the file between two headings; keys of other names, and values of other kinds, are refused."""


class Fact(Entry, frozen=True):
    """One number with its unit, where it was read, and when; where two pages differ, `elsewhere` is the other's."""

    value: float
    source: str
    dated: date
    unit: str = ""
    elsewhere: Fact | None = None


class Retires(Entry, frozen=True):
    """When a model stops, not before: training for everyone (with the `base` model), `training` for those who have
    trained it before, and the `deployment` of what was tuned from it. None where no date is published."""

    source: str
    dated: date
    base: date | None = None
    training: date | None = None
    deployment: date | None = None


class Model(Entry, frozen=True):
    """A base model that can be fine-tuned; `deployments` are the SKUs that serve what was tuned from it.

    max_tokens_per_example: the most that is documented for any model where its own limit is not. interactive: trained
    by the sessions API as well. encoding: None where the model's tokenizer is not an OpenAI one.
    """

    id: str
    methods: tuple[str, ...]
    training_types: tuple[str, ...]
    state: str
    source: str
    dated: date
    max_tokens_per_example: int = 65_536
    aliases: tuple[str, ...] = ()
    version: str = ""
    deployments: tuple[str, ...] = ()
    modality: str = "text"
    encoding: str | None = None
    default_learning_rate_multiplier: float | None = None
    interactive: bool = False
    retires: Retires | None = None
    format: str = "OpenAI"  # what a deployment request names as the model's format


class TrainingType(Entry, frozen=True):
    """A training tier: its name here (`id`), in requests (`sent`), in replies (`wire`), and what it means."""

    id: str
    wire: str
    sent: str
    residency: str
    price_hint: str
    caution: str
    source: str
    dated: date


class Regions(Entry, frozen=True):
    """Where an `offer`, a training tier or a SKU, is made for `models`; empty: for those no other row names."""

    offer: str
    regions: tuple[str, ...]
    source: str
    dated: date
    models: tuple[str, ...] = ()
    note: str = ""


class Price(Entry, frozen=True):
    """What training costs, in US dollars, by the million of billed tokens (file tokens x epochs) or by the hour.

    `usd_at_most` is the price of the dearer regions, where it differs. `inferred`: how it follows, where no page
    prints it.
    """

    model: str
    training_type: str
    source: str
    dated: date
    usd_per_million_tokens: Usd | None = None
    usd_per_hour: Usd | None = None
    usd_at_most: Usd | None = None
    inferred: str = ""

    @property
    def usd(self) -> float:
        """For one unit, in the dearer regions: what is counted with, so that a budget holds wherever the job runs."""
        return self.least if self.usd_at_most is None else self.usd_at_most

    @property
    def least(self) -> float:
        """For one unit, in the cheaper regions."""
        return (self.usd_per_hour if self.usd_per_million_tokens is None else self.usd_per_million_tokens) or 0.0

    @property
    def unit(self) -> str:
        """What the price is for: "a million tokens" or "an hour of training"."""
        return "an hour of training" if self.usd_per_million_tokens is None else "a million tokens"


class Hosting(Entry, frozen=True):
    """What a deployment costs by the hour, in US dollars, beside the tokens it answers with; of one model if named."""

    sku: str
    usd_per_hour: Usd
    source: str
    dated: date
    model: str = ""
    usd_at_most: Usd | None = None


class TokenPrice(Entry, frozen=True):
    """US dollars for a million tokens read (input) and written (output) by what is deployed as `sku`.

    sku "base": a base model; "grader": a model that grades in reinforcement.
    """

    model: str
    sku: str
    input: Usd
    output: Usd
    source: str
    dated: date
    cached: Usd | None = None
    input_at_most: Usd | None = None
    output_at_most: Usd | None = None


@dataclass(frozen=True)
class CatalogueFinding:
    """One thing about a catalogue file: the entry, `error` (it is not taken) or `warning`, what, and what to do."""

    entry: str
    severity: str
    message: str

    def __str__(self) -> str:
        return f"{self.entry}: {self.message}"


@dataclass(frozen=True)
class Catalogue:
    """All dated facts. `as_of` is the newest date in it: show it wherever a fact is shown."""

    models: tuple[Model, ...]
    limits: Mapping[str, Fact]
    training_types: tuple[TrainingType, ...]
    places: tuple[Regions, ...]
    prices: tuple[Price, ...]
    hosting: tuple[Hosting, ...]
    tokens: tuple[TokenPrice, ...]
    sources: Mapping[str, str]
    as_of: date = field(default=date.min)

    def model(self, name: str) -> Model | None:
        """The base model behind `name`: an id, an alias, or a model fine-tuned from it (`<base>.ft-…`)."""
        base = name.split(".ft-", 1)[0]
        return next((m for m in self.models if base == m.id or base in m.aliases), None)

    def limit(self, name: str) -> int:
        """A limit as a whole number, e.g. `limit("min_examples")`; where two pages differ, the stricter one."""
        return int(self.limits[name].value)

    def most(self, name: str) -> int:
        """The same, but of two pages that differ the laxer one: what is beyond it, no page allows."""
        fact = self.limits[name]
        return int(max(fact.value, fact.elsewhere.value if fact.elsewhere else fact.value))

    def training_type(self, name: str) -> TrainingType | None:
        """The tier a spelling means: `globalstandard`, `global`, `DataZoneStandard` and `developerTier` are seen."""
        wanted = name.lower().removesuffix("tier")
        return next((t for t in self.training_types if t.id.lower() in (wanted, f"{wanted}standard")), None)

    def regions(self, model: str, offer: str) -> Regions | None:
        """Where a training tier or a SKU is offered for a base model, by its id; None when that is not known."""
        known = self.model(model)
        rows = [row for row in self.places if row.offer.lower() == offer.lower() and known is not None]
        own = next((row for row in rows if known is not None and known.id in row.models), None)
        return own or next((row for row in rows if not row.models), None)

    def price(self, model: str, training_type: str = "Standard") -> Price | None:
        """The training price, None when the documentation prints none and the user has set none."""
        base, tier = self.model(model), self.training_type(training_type)
        names = (base.id, *base.aliases) if base else (model,)
        pairs = [(name, tier.id if tier else training_type) for name in names]
        return next((p for p in reversed(self.prices) if (p.model, p.training_type) in pairs), None)

    def hosting_price(self, sku: str, model: str = "") -> Hosting | None:
        """The hourly price of a deployment of this SKU, None when unknown."""
        wanted, base = sku.lower().removesuffix("tier"), self.model(model)
        rows = [row for row in self.hosting if row.sku == wanted and row.model in ("", base.id if base else "")]
        return max(rows, key=lambda row: row.model != "", default=None)

    def token_price(self, model: str, sku: str) -> TokenPrice | None:
        """What the tokens of a deployment cost, None when unknown; sku "base" and "grader" are no deployments' own."""
        wanted, base = sku.lower().removesuffix("tier"), self.model(model)
        names = {model, *((base.id, *base.aliases) if base else ())}
        return next((row for row in self.tokens if row.sku == wanted and row.model in names), None)


def load_catalogue(path: str | os.PathLike[str] | None = None) -> Catalogue:
    """The shipped catalogue with the user's file (`path`, else `TUNEBOOK_CATALOGUE`) and typed prices laid over it.

    Raises TunebookError naming the file and each entry when a file of the user's does not fit.
    """
    over = path or os.environ.get("TUNEBOOK_CATALOGUE")
    typed = typed_prices()
    own = (Path(over),) if over else ()
    with _BUILDING:
        return _load((*own, typed) if typed.is_file() else own, _stamp(typed))


_BUILDING = threading.Lock()  # two threads that convert to one type for the first time end the process


@lru_cache(maxsize=4)
def _load(own: tuple[Path, ...], stamp: int) -> Catalogue:
    del stamp  # of the typed prices, which change while the kernel runs
    tables = [_read(_SHIPPED)]
    for file in own:
        table = _read(file)
        wrong = [str(finding) for finding in _findings(table, tables[0]) if finding.severity == "error"]
        if wrong:
            head = f"{file}: this catalogue does not fit. Correct these, as {_SHIPPED} writes them, or remove them:"
            raise TunebookError("\n  ".join([head, *wrong]))
        tables.append(table)
    return _build(tables)


def check_catalogue(path: str | os.PathLike[str]) -> tuple[CatalogueFinding, ...]:
    """Everything in a catalogue file that does not fit (`error`) or is older than what it would replace (`warning`).

    Raises TunebookError when it cannot be read as TOML.
    """
    shipped = _read(_SHIPPED)
    table = shipped if Path(path).resolve() == _SHIPPED else _read(Path(path))
    return tuple(_findings(table, shipped))


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where the kit keeps what outlives a session: `TUNEBOOK_STATE`, else the user's data folder."""
    chosen = (os.environ if environ is None else environ).get("TUNEBOOK_STATE")
    return Path(chosen) if chosen else user_data_path("tunebook", appauthor=False) / "service"


def typed_prices() -> Path:
    """The file of the prices that were typed into a form (`money.remember_price`)."""
    return state_folder() / "prices.toml"


def _stamp(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


# ---- reading


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TunebookError(
            f"{file}: this catalogue cannot be read: {error}. Correct the file, or unset TUNEBOOK_CATALOGUE."
        ) from error


# The tables of a catalogue: the record of an entry, and the keys that name it: one of the same name replaces it.
_TABLES: dict[str, tuple[type, tuple[str, ...]]] = {
    "models": (Model, ("id",)),
    "training_types": (TrainingType, ("id",)),
    "regions": (Regions, ("offer", "models")),
    "prices": (Price, ("model", "training_type")),
    "hosting": (Hosting, ("sku", "model")),
    "tokens": (TokenPrice, ("model", "sku")),
}


def _build(tables: Iterable[Mapping[str, Any]]) -> Catalogue:
    sources: dict[str, str] = {}
    found: dict[str, dict[Any, Any]] = {name: {} for name in (*_TABLES, "limits")}
    for table in tables:
        sources |= table.get("sources", {})
        for name, entry in table.get("limits", {}).items():
            found["limits"][name] = _record(Fact, entry, sources)
        for name, (kind, key) in _TABLES.items():
            for entry in table.get(name, ()):
                found[name][str([entry.get(part) or "" for part in key])] = _record(kind, entry, sources)
    facts = [fact for entries in found.values() for fact in entries.values()]
    return Catalogue(
        models=tuple(found["models"].values()),
        limits=found["limits"],
        training_types=tuple(found["training_types"].values()),
        places=tuple(found["regions"].values()),
        prices=tuple(found["prices"].values()),
        hosting=tuple(found["hosting"].values()),
        tokens=tuple(found["tokens"].values()),
        sources=sources,
        as_of=max((fact.dated for fact in facts), default=date.min),
    )


def _record(kind: type, entry: Any, sources: Mapping[str, str]) -> Any:
    record: Any = msgspec.convert(entry, kind)
    for name in ("retires", "elsewhere"):  # these have a source of their own
        if (inner := getattr(record, name, None)) is not None:
            record = replace(record, **{name: replace(inner, source=sources.get(inner.source, inner.source))})
    return replace(record, source=sources.get(record.source, record.source))


# ---- what does not fit


def _findings(table: Mapping[str, Any], shipped: Mapping[str, Any]) -> Iterator[CatalogueFinding]:
    for name in table.keys() - {*_TABLES, "limits", "sources"}:
        known = ", ".join((*_TABLES, "limits", "sources"))
        yield CatalogueFinding(name, "error", f"there is no such table. The tables are {known}.")
    if not isinstance(table.get("sources", {}), dict):
        yield CatalogueFinding("sources", "error", 'is no table of names and addresses, as howto = "https://…".')
    for where, kind, key, entry in _entries(table):
        if told := _misfit(kind, entry):
            yield CatalogueFinding(where, "error", told)
        else:
            yield from _doubts(where, kind, key, entry, table, shipped)


def _entries(table: Mapping[str, Any]) -> Iterator[tuple[str, type, tuple[str, ...], Any]]:
    """(what to call it, its record, the keys that name it, the entry) of every entry."""
    limits = table.get("limits", {})
    for name, entry in limits.items() if isinstance(limits, dict) else [("", limits)]:
        yield f"limits.{name}", Fact, (), entry
    for name, (kind, key) in _TABLES.items():
        rows = table.get(name, ())
        for number, entry in enumerate(rows if isinstance(rows, list) else [rows] if rows else (), 1):
            told = [str(entry[part]) for part in key if part in entry] if isinstance(entry, dict) else []
            yield f"{name} {number} ({', '.join(told) or 'unnamed'})", kind, key, entry


def _misfit(kind: type, entry: Any) -> str:
    """Why an entry cannot be taken; "" when it fits."""
    if isinstance(entry, dict) and isinstance(entry.get("retires"), date):
        return (
            f"retires = {entry['retires']} is the old form. Training and deployments end apart: write "
            "retires = { training = …, deployment = …, source = …, dated = … }."
        )
    try:
        msgspec.convert(entry, kind)
    except msgspec.ValidationError as error:
        told, _, path = str(error).partition(" - at `$")
        value = entry
        for part in filter(None, path.rstrip("`").split(".")):
            value = value.get(part) if isinstance(value, dict) else value
        where = f"{path.rstrip('`').lstrip('.')} = {value!r}: " if path else ""
        return f"{where}{told[:1].lower()}{told[1:]}."
    if kind is Price and ("usd_per_million_tokens" in entry) == ("usd_per_hour" in entry):
        return "a price is either usd_per_million_tokens or, of reinforcement, usd_per_hour: give one of them."
    return ""


def _doubts(
    where: str,
    kind: type,
    key: tuple[str, ...],
    entry: Mapping[str, Any],
    table: Mapping[str, Any],
    shipped: Mapping[str, Any],
) -> Iterator[CatalogueFinding]:
    """What is taken, but may be a slip: an entry older than the one it replaces, names that nothing else has."""
    rows = [row for name, (record, _) in _TABLES.items() if record is kind for row in shipped.get(name, ())]
    same = [row for row in rows if all(row.get(part) == entry.get(part) for part in key)]
    if kind is Fact:
        same = [row for name, row in shipped["limits"].items() if where == f"limits.{name}"]
    if same and entry["dated"] < same[0]["dated"]:
        told = f"dated {entry['dated']}, it is older than the shipped entry of {same[0]['dated']}, which it replaces."
        yield CatalogueFinding(where, "warning", f"{told} Remove it, or look its source up again.")
    names, tiers = (
        {name for each in (shipped, table) for row in _fitting(each, part) for name in _names(row)}
        for part in ("models", "training_types")
    )
    if kind is Price and entry["model"] not in names:
        yield CatalogueFinding(where, "warning", f"{entry['model']!r} is not the id of a model in the catalogue.")
    named = [entry["training_type"]] if kind is Price else entry.get("training_types", ())
    for tier in [tier for tier in named if tier not in tiers]:
        known = ", ".join(sorted(map(str, tiers)))
        yield CatalogueFinding(where, "warning", f"training type {tier!r} is none of {known}.")


def _fitting(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The entries of a table that can be taken."""
    rows = table.get(name, ())
    return [row for row in rows if not _misfit(_TABLES[name][0], row)] if isinstance(rows, list) else []


def _names(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["id"], *row.get("aliases", ()))
