"""What training on a file would bill: file tokens x epochs x the price the catalogue knows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tunebook.catalogue import load_catalogue
from tunebook.data.tokens import TokenSummary

TARGET_EPOCHS, FEWEST_SEEN, MOST_SEEN, MOST_EPOCHS = 3, 100, 25_000, 25


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
        return self.tokens * self.n_epochs

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "billed_tokens": self.billed_tokens}

    def __str__(self) -> str:
        epochs = f"{self.n_epochs} epoch{'s' * (self.n_epochs != 1)}"
        if self.assumed:
            epochs += " (assumed: n_epochs is auto, the service decides)"
        bill = f"{self.tokens:,} tokens x {epochs} = {self.billed_tokens:,} billed tokens"
        if self.usd is None:
            return f"{bill}; {self.price}"
        spread = ""
        if self.usd_interval and self.usd_interval[0] != self.usd_interval[1]:
            spread = f" (${self.usd_interval[0]:,.2f} to ${self.usd_interval[1]:,.2f})"
        return f"{bill}, about ${self.usd:,.2f}{spread} on {self.model}, {self.training_type}, {self.price}"

    __repr__ = __str__


def assumed_epochs(examples: int) -> int:
    """What `auto` is likely to become: 3, more when the model would see fewer than 100 examples, fewer above 25,000.

    The rule of OpenAI's data preparation cookbook, which gives the 10 epochs that Microsoft's tutorial reports for 10
    examples. The service publishes none.
    """
    if examples * TARGET_EPOCHS < FEWEST_SEEN:
        return min(MOST_EPOCHS, FEWEST_SEEN // max(1, examples))
    if examples * TARGET_EPOCHS > MOST_SEEN:
        return max(1, MOST_SEEN // examples)
    return TARGET_EPOCHS


def estimate_cost(
    summary: TokenSummary, model: str, *, training_type: str = "GlobalStandard", n_epochs: int | str | None = None
) -> Cost:
    """The bill for training `model` on what `summary` counted.

    n_epochs: None and "auto" are resolved by `assumed_epochs` and marked as assumed. The price comes from the
    catalogue, which knows the few figures the documentation prints; set yours in a file named by TUNEBOOK_CATALOGUE.
    """
    epochs = n_epochs if isinstance(n_epochs, int) else assumed_epochs(summary.examples)
    price = load_catalogue().price(model, training_type)
    usd = spread = None
    if price is None:
        said = f"no price known for {model}, {training_type} (set one in a file named by TUNEBOOK_CATALOGUE)"
        source = ""
    else:
        rate = price.usd_per_million_tokens * epochs / 1e6
        usd, spread = summary.total * rate, (summary.interval[0] * rate, summary.interval[1] * rate)
        said = f"at ${price.usd_per_million_tokens:g} a million tokens, as of {price.dated}"
        source = price.source
    return Cost(
        model=model,
        training_type=training_type,
        tokens=summary.total,
        interval=summary.interval,
        n_epochs=epochs,
        assumed=not isinstance(n_epochs, int),
        usd=usd,
        usd_interval=spread,
        price=said,
        source=source,
    )
