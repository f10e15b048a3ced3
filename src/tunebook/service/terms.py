"""What a deployment costs and when it ends: the catalogue's dated facts, applied to one deployment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from tunebook.catalogue import Catalogue, Hosting, TokenPrice, load_catalogue
from tunebook.words import money

# How requests spell the SKUs of fine-tuned models, by what people write; other names are passed on as they are.
_SKUS = {
    "standard": "Standard",
    "globalstandard": "GlobalStandard",
    "datazonestandard": "DataZoneStandard",
    "developer": "DeveloperTier",
    "provisionedmanaged": "ProvisionedManaged",
    "globalprovisionedmanaged": "GlobalProvisionedManaged",
}


def sku_name(name: str) -> str:
    """The SKU as a request spells it: `developer`, `Developer` and `developertier` all mean `DeveloperTier`."""
    return _SKUS.get(name.lower().removesuffix("tier"), name)


@dataclass(frozen=True)
class Retirement:
    """When a model stops answering. `days` is negative once it has; `what` is a model, or what was tuned from it."""

    model: str
    retires: date
    days: int
    as_of: date
    what: str = ""

    def __str__(self) -> str:
        when = f"in {self.days} days" if self.days > 0 else "today" if self.days == 0 else f"{-self.days} days ago"
        tense = "retires" if self.days >= 0 else "retired"
        return f"{self.what}{self.model} {tense} on {self.retires}, {when} (as known on {self.as_of})."


def retirement(model: str, *, today: date, catalogue: Catalogue | None = None) -> Retirement | None:
    """When `model` stops answering, a tuned one later than its base model; None where no date is known."""
    base = (catalogue or load_catalogue()).model(model)
    known = base.retires if base is not None else None
    if base is None or known is None:
        return None
    end = known.deployment if is_tuned(model) else known.base
    if end is None:
        return None
    what = "What is tuned from " if is_tuned(model) else ""
    return Retirement(base.id, end, (end - today).days, known.dated, what)


def is_tuned(model: str) -> bool:
    """Whether a name is that of a fine-tuned model or a checkpoint."""
    return ".ft-" in model or model.startswith("ftchkpt-")


@dataclass(frozen=True)
class Terms:
    """What a deployment costs by the hour and by its tokens (None: no price is known), and what ends it.

    `tuned`: it serves a fine-tuned model; a base model is charged by its tokens alone, and is not removed when idle.
    `removed_at`: when a developer deployment is removed, known once it has been created; `life_hours`: how long such
    a one lives; `idle_days`: days without a call after which the others are removed.
    """

    sku: str
    tuned: bool
    hosting: Hosting | None
    tokens: TokenPrice | None
    idle_days: int | None
    life_hours: int | None
    removed_at: datetime | None
    retirement: Retirement | None

    @property
    def lines(self) -> tuple[str, ...]:
        """The same in sentences, the price first."""
        return (*self._price(), *self._removal(), *([str(self.retirement)] if self.retirement else []))

    def _price(self) -> tuple[str, ...]:
        if not self.tuned:
            return (f"A base model: only the tokens are billed{self._tokens}.",)
        if self.usd_per_hour is None:
            return (f"What a {self.sku} deployment costs by the hour is not in the catalogue: see the pricing page.",)
        priced = f" (as of {self.hosting.dated})" if self.hosting else ""
        if not self.usd_per_hour:
            return (f"No hourly charge; only the tokens are billed{self._tokens}{priced}.",)
        return (
            f"{money(self.usd_per_hour)} an hour ({money(24 * self.usd_per_hour)} a day) for as long as it exists, "
            f"called or not, and the tokens on top{self._tokens}{priced}.",
        )

    @property
    def usd_per_hour(self) -> float | None:
        """US dollars an hour, of the dearer regions; None: unknown."""
        if not self.tuned:
            return 0.0
        if self.hosting is None:
            return None
        return self.hosting.usd_per_hour if self.hosting.usd_at_most is None else self.hosting.usd_at_most

    @property
    def _tokens(self) -> str:
        if self.tokens is None:
            return ""
        return f", at ${self.tokens.input:g} a million read and ${self.tokens.output:g} a million written"

    def _removal(self) -> tuple[str, ...]:
        if self.life_hours is not None:
            when = f", at {self.removed_at:%Y-%m-%d %H:%M} UTC" if self.removed_at else ""
            return (f"Removed {self.life_hours} hours after its creation{when}; the model stays.",)
        if self.idle_days is not None:
            return (f"Removed after {self.idle_days} days without a call; the model stays.",)
        return ()


def deployment_terms(
    *,
    sku: str,
    model: str,
    now: datetime,
    created_at: datetime | None = None,
    catalogue: Catalogue | None = None,
) -> Terms:
    """The terms of a deployment of `model` as `sku`. `created_at`: when it was, None before it is or when not told."""
    facts = catalogue or load_catalogue()
    name = sku_name(sku)
    tuned = is_tuned(model)
    developer = name == _SKUS["developer"]
    life = facts.limit("developer_deployment_hours") if developer else None
    return Terms(
        sku=name,
        tuned=tuned,
        hosting=facts.hosting_price(sku, model),
        tokens=facts.token_price(model, sku if tuned else "base"),
        idle_days=None if developer or not tuned else facts.limit("idle_deployment_days"),
        life_hours=life,
        removed_at=created_at + timedelta(hours=life) if life is not None and created_at is not None else None,
        retirement=retirement(model, today=now.astimezone(UTC).date(), catalogue=facts),
    )
