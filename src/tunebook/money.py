"""What a job costs: one rule for the epochs `auto` stands for, one tier where none is named, one bill.

Every price that the kit shows comes from here, before a job (`bill`) and after it (`paid`). Prices are the catalogue's
dated facts, which a user's own file (`TUNEBOOK_CATALOGUE`) adds to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tunebook import words
from tunebook.catalogue import Catalogue, Price, load_catalogue

# What the API takes when a request names no training type.
DEFAULT_TIER = "Standard"
_TARGET_EPOCHS, _FEWEST_SEEN, _MOST_SEEN, _MOST_EPOCHS = 3, 100, 25_000, 25


@dataclass(frozen=True)
class Cost:
    """tokens: of one pass, `interval` (low, high) when estimated. n_epochs: asked for or, when `assumed`, a guess.
    usd: None when no price is known; `price` then says so, else what it is and of when, and `source` where from."""

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
    """US dollars per million billed tokens, None where the catalogue has no price."""
    price = (catalogue or load_catalogue()).price(model, training_type or DEFAULT_TIER)
    return None if price is None else price.usd_per_million_tokens


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
    usd_per_million: float | None = None,
    catalogue: Catalogue | None = None,
) -> Cost:
    """The bill for training `model` on a file of `tokens`, before it is trained.

    interval: (low, high) where `tokens` is an estimate. examples: of the file, for what `auto` epochs become.
    training_type: None is what the API takes then. usd_per_million: your own price instead of the catalogue's.
    """
    facts = catalogue or load_catalogue()
    base, given = facts.model(model), facts.training_type(training_type or DEFAULT_TIER)
    tier = given.id if given else str(training_type)
    epochs = epochs_of(n_epochs, examples)
    known = facts.price(model, tier)
    rate, source = None, ""
    if method == "reinforcement":
        told = "reinforcement is billed by the hour of training, not by tokens"
    elif usd_per_million is not None:
        rate, told = usd_per_million, f"at ${usd_per_million:g} a million tokens, your price"
    elif known is not None:
        rate, source = known.usd_per_million_tokens, known.source
        told = f"at ${rate:g} a million tokens, as of {known.dated}"
    else:
        told = f"no price known for {model}, {tier}"
        others = [price for price in facts.prices if base is not None and price.model == base.id]
        told += f" ({_elsewhere(others, tokens * epochs)}set one in a file named by TUNEBOOK_CATALOGUE)"
    low, high = interval or (tokens, tokens)
    return Cost(
        model=model,
        training_type=tier,
        tokens=tokens,
        interval=(low, high),
        n_epochs=epochs,
        assumed=not (isinstance(n_epochs, int) and n_epochs > 0),
        usd=paid(tokens * epochs, rate),
        usd_interval=None if rate is None else (low * epochs * rate / 1e6, high * epochs * rate / 1e6),
        price=told,
        source=source,
    )


def _elsewhere(prices: list[Price], billed: int) -> str:
    """What the same job costs as a tier that has a price: `about $0.01 as GlobalStandard; `."""
    usd = [(words.money(paid(billed, price.usd_per_million_tokens)), price.training_type) for price in prices]
    return "".join(f"about {amount} as {tier}; " for amount, tier in usd)
