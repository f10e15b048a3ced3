"""What a job costs: one rule for the epochs `auto` stands for, one tier where none is named, one bill.

Every price that the kit shows comes from here, before a job (`bill`) and after it (`paid`). Prices are the catalogue's
dated facts, which a user's own file (`TUNEBOOK_CATALOGUE`) and what is typed into a form (`remember_price`) add to.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from tunebook import words
from tunebook.catalogue import Catalogue, Model, Price, TokenPrice, load_catalogue, typed_prices
from tunebook.errors import TunebookError

# What the API takes when a request names no training type.
DEFAULT_TIER = "Standard"
_NO_PRICE = "no price known"
_TARGET_EPOCHS, _FEWEST_SEEN, _MOST_SEEN, _MOST_EPOCHS = 3, 100, 25_000, 25


@dataclass(frozen=True)
class Cost:
    """tokens: of one pass, `interval` (low, high) when estimated. n_epochs: asked for or, when `assumed`, a guess.
    hourly: reinforcement, which is billed by the hour; `hours` are those of the bill, None before it is known.
    usd: None when no price, or no hours, are known, else at the price of the dearer regions; `price` says what it is
    and of when, and `source` where from."""

    model: str
    training_type: str
    tokens: int
    interval: tuple[int, int]
    n_epochs: int
    assumed: bool
    usd: float | None
    usd_interval: tuple[float, float] | None
    price: str
    source: str = ""
    hourly: bool = False
    hours: float | None = None

    @property
    def known(self) -> bool:
        """Whether there is a price."""
        return not self.price.startswith(_NO_PRICE)

    @property
    def billed_tokens(self) -> int:
        """Tokens of all passes, which is what the service bills."""
        return self.tokens * self.n_epochs

    def to_json(self) -> dict[str, Any]:
        """Plain values for pipelines."""
        return {**asdict(self), "billed_tokens": self.billed_tokens}

    @property
    def tokens_sentence(self) -> str:
        """What is billed, without a price."""
        if self.hourly:
            return f"{self.hours:,.2f} hours of training" if self.hours is not None else "by the hour of training"
        epochs = words.plural(self.n_epochs, "epoch")
        if self.assumed:
            epochs += " (assumed: n_epochs is auto, the service decides)"
        about = "" if self.interval[0] == self.interval[1] else "about "
        return f"{about}{self.tokens:,} tokens × {epochs} = {self.billed_tokens:,} billed tokens"

    def __str__(self) -> str:
        if self.usd is None:
            return f"{self.tokens_sentence}; {self.price}"
        low, high = map(words.money, self.usd_interval or (self.usd, self.usd))
        spread = "" if low == high else f" ({words.between(low, high)})"
        usd = words.money(self.usd) + spread
        return f"{self.tokens_sentence}, about {usd} on {self.model}, {self.training_type}, {self.price}"

    __repr__ = __str__


def epochs_of(n_epochs: int | str | None, examples: int | None = None) -> int:
    """How many epochs a job trains: what it asks for, or what `auto` (None, "auto", -1) is likely to become.

    That is 3, more when the model would see fewer than 100 examples, fewer above 25,000: the rule of OpenAI's data
    preparation cookbook, which gives the 10 epochs that Microsoft's tutorial reports for 10 examples. The service
    publishes none. Where the number of `examples` is not known, 3.
    """
    if isinstance(n_epochs, int) and n_epochs > 0:
        return n_epochs
    if examples is None:
        return _TARGET_EPOCHS
    if examples * _TARGET_EPOCHS < _FEWEST_SEEN:
        return min(_MOST_EPOCHS, _FEWEST_SEEN // max(1, examples))
    if examples * _TARGET_EPOCHS > _MOST_SEEN:
        return max(1, _MOST_SEEN // examples)
    return _TARGET_EPOCHS


def tier_of(job: Mapping[str, Any]) -> str:
    """The training type of a job as the service tells it, or the one the API takes where none was named."""
    return str(job.get("trainingType") or job.get("training_type") or DEFAULT_TIER)


def per_million(model: str, training_type: str | None = None, catalogue: Catalogue | None = None) -> float | None:
    """US dollars per million billed tokens, at most; None where no price is known, or it is one by the hour."""
    price = (catalogue or load_catalogue()).price(model, training_type or DEFAULT_TIER)
    return None if price is None or price.usd_per_million_tokens is None else price.usd


def paid(tokens: float | None, usd_per_million: float | None) -> float | None:
    """US dollars of tokens that were billed; None where tokens or price are not known."""
    if words.missing(tokens) or words.missing(usd_per_million):
        return None
    return float(tokens) * float(usd_per_million) / 1e6  # type: ignore[arg-type]


def prices_of(trained: Iterable[tuple[str, str]]) -> str:
    """How old the prices of (model, training type) pairs are: the oldest of those in the catalogue."""
    dates = [price.dated for model, tier in trained if (price := load_catalogue().price(model, tier))]
    return f"prices of {min(dates):%Y-%m-%d}" if dates else "prices as given"


def bill(
    model: str,
    tokens: int,
    *,
    interval: tuple[int, int] | None = None,
    examples: int | None = None,
    n_epochs: int | str | None = None,
    training_type: str | None = None,
    method: str = "supervised",
    hours: float | None = None,
    usd_per_unit: float | None = None,
    catalogue: Catalogue | None = None,
) -> Cost:
    """The bill for training `model` on a file of `tokens`, before it is trained.

    interval: (low, high) where `tokens` is an estimate. examples: of the file, for what `auto` epochs become.
    training_type: None is what the API takes then. hours: of training, which reinforcement is billed by. usd_per_unit:
    your own price, a million tokens or an hour, instead of the catalogue's.
    """
    facts = catalogue or load_catalogue()
    given, hourly = facts.training_type(training_type or DEFAULT_TIER), method == "reinforcement"
    tier = given.id if given else str(training_type)
    epochs = epochs_of(n_epochs, examples)
    known = _price(facts, model, tier, usd_per_unit, hourly=hourly)
    low, high = interval or (tokens, tokens)
    units = [hours] * 3 if hourly else [n * epochs / 1e6 for n in (low, tokens, high)]
    usd = [
        None if known is None or unit is None else unit * rate
        for unit, rate in zip(units, (known.least, known.usd, known.usd) if known else (0.0,) * 3, strict=True)
    ]
    return Cost(
        model=model,
        training_type=tier,
        tokens=tokens,
        interval=(low, high),
        n_epochs=epochs,
        assumed=not (isinstance(n_epochs, int) and n_epochs > 0),
        usd=usd[1],
        usd_interval=None if usd[0] is None or usd[2] is None else (usd[0], usd[2]),
        price=_told(known) if known else _unknown(facts, model, tier, None if hourly else tokens * epochs),
        source=known.source if known else "",
        hourly=hourly,
        hours=hours if hourly else None,
    )


def _price(facts: Catalogue, model: str, tier: str, own: float | None, *, hourly: bool) -> Price | None:
    """The price of that unit: one's own, else the catalogue's; None where there is none by it."""
    if own is not None:
        by_hour, by_token = (own, None) if hourly else (None, own)
        return Price(model, tier, "your price", date.max, usd_per_hour=by_hour, usd_per_million_tokens=by_token)
    known = facts.price(model, tier)
    return known if known is not None and (known.usd_per_hour is not None) == hourly else None


def _told(price: Price) -> str:
    """A price in words: `at $27.5 to $30.25 a million tokens by region, as of 2025-08-25`."""
    rate = words.between(*(f"${usd:,.5g}" for usd in (price.least, price.usd)))
    by_region = " by region" if price.least != price.usd else ""
    if price.dated == date.max:
        return f"at {rate} {price.unit}, your price"
    how = "typed in on" if price.source == TYPED else f"{price.inferred}, as of" if price.inferred else "as of"
    return f"at {rate} {price.unit}{by_region}, {how} {price.dated}"


def _unknown(facts: Catalogue, model: str, tier: str, billed: int | None) -> str:
    """That there is no price, what the same job costs as a tier that has one, and where to look it up."""
    others = [
        f"about {words.money(paid(billed, price.usd))} as {price.training_type}; "
        for price in facts.prices
        if billed is not None
        and (base := facts.model(model))
        and price.model == base.id
        and price.usd_per_million_tokens
    ]
    return (
        f"{_NO_PRICE} for {model}, {tier} ({''.join(others)}look it up at {facts.sources['pricing']} and type it once "
        "into the job form, or into a file named by TUNEBOOK_CATALOGUE)"
    )


def grading(grader: Any, facts: Catalogue) -> list[str]:
    """What the models that a grader asks cost on top of the training, a sentence each."""
    if not isinstance(grader, Mapping):
        return []
    lines = [line for part in dict(grader.get("graders") or {}).values() for line in grading(part, facts)]
    model = grader.get("model")
    if isinstance(model, str):
        price = facts.token_price(model, "grader")
        told = f"{facts.sources['pricing']} has what its tokens cost" if price is None else _of_tokens(price)
        lines.append(f"{model} grades, which is billed on top: {told}.")
    return lines


def _of_tokens(price: TokenPrice) -> str:
    return f"${price.input:g} a million tokens read and ${price.output:g} written, as of {price.dated}"


def facts_in_words(facts: Catalogue, *, today: date) -> Iterator[str]:
    """The catalogue as lines of text: its age, the tiers, and each model with its methods, prices and ends."""
    yield f"Catalogue of {facts.as_of}, {words.plural((today - facts.as_of).days, 'day')} old. Prices in US dollars."
    yield "\nTraining types"
    for tier in facts.training_types:
        yield f"  {tier.id:<17} {tier.residency} {tier.price_hint} {tier.caution} ({tier.dated}, {tier.source})"
    for model in facts.models:
        yield from _model_in_words(model, facts)
    yield "\nLimits"
    for name, fact in facts.limits.items():
        other = fact.elsewhere
        differs = f"; {other.value:,.12g} by {other.source}, {other.dated}" if other else ""
        yield f"  {name:<32} {fact.value:,.12g} {fact.unit} ({fact.dated}{differs})"
    yield f"\nA price that is missing here: {facts.sources['pricing']}"


def _model_in_words(model: Model, facts: Catalogue) -> Iterator[str]:
    yield f"\n{model.id}  ({model.state}; {model.modality}; as of {model.dated})"
    yield f"  methods           {', '.join(model.methods)}{', interactive' if model.interactive else ''}"
    for tier in model.training_types:
        price, places = facts.price(model.id, tier), facts.regions(model.id, tier)
        where = "regions not published" if places is None else words.listed(places.regions, 4)
        yield f"  {tier:<17} {_told(price).removeprefix('at ') if price else 'no price published'}; {where}"
    for sku in model.deployments:
        hosting, tokens = facts.hosting_price(sku, model.id), facts.token_price(model.id, sku)
        hour = f"${hosting.usd_per_hour:g} an hour, as of {hosting.dated}" if hosting else "no hourly price published"
        yield f"  deployed as {sku}: {hour}{f'; {_of_tokens(tokens)}' if tokens else ''}"
    if ends := model.retires:
        dates = (
            ("training for newcomers", ends.base),
            ("training for those who trained it before", ends.training),
            ("deployments of what is tuned from it", ends.deployment),
        )
        told = "; ".join(f"{what} {end}" for what, end in dates if end)
        yield f"  ends, not before: {told} (as of {ends.dated})"


TYPED = "typed into a job form"


def remember_price(model: str, training_type: str, usd: float | None, *, hourly: bool, today: date) -> None:
    """Keep a price the user has typed, by the hour or by the million of tokens, and count with it from now on.

    It goes into the state folder; None forgets it. Raises TunebookError when that folder cannot be written.
    """
    file, facts = typed_prices(), load_catalogue()
    base, tier = facts.model(model), facts.training_type(training_type)
    pair = [base.id if base else model, tier.id if tier else training_type]
    kept = tomllib.loads(file.read_text("utf-8"))["prices"] if file.is_file() else []
    rows = [row for row in kept if [row["model"], row["training_type"]] != pair]
    if usd is not None:
        unit = "usd_per_hour" if hourly else "usd_per_million_tokens"
        rows.append({"model": pair[0], "training_type": pair[1], unit: float(usd), "source": TYPED, "dated": today})
    elif len(rows) == len(kept):
        return
    texts = ["".join(f"{key} = {_toml(value)}\n" for key, value in row.items()) for row in rows]
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text("".join(f"[[prices]]\n{text}\n" for text in texts) or "prices = []\n", "utf-8")
        part.replace(file)
    except OSError as error:
        raise TunebookError(
            f"{file}: the price cannot be kept: {error.strerror or error}. Choose another folder with TUNEBOOK_STATE."
        ) from error


def _toml(value: Any) -> str:
    """A value as TOML writes it: its texts are those of JSON, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F") if isinstance(value, str) else str(value)
