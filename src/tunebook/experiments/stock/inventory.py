"""What a resource holds, what it costs, what needs what; and what can be deleted, in the only order that works.

A deployment needs its model, a running job needs its files and the model it starts from. So: deployments first, then
models, then files; and nothing that a running job needs. `stocktaking` reads what is there, `clearing` deletes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunebook import words
from tunebook.errors import RequestError
from tunebook.show import Card, Shown, Span, Table, Text
from tunebook.words import count, money, percent, plural

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["deployment", "model", "file", "result file"]

ORDER: tuple[Kind, ...] = ("deployment", "model", "file", "result file")
_HOURS_A_MONTH = 730
_MOST_ROWS = 100


@dataclass(frozen=True)
class Item:
    """One thing that could be deleted.

    id: of a deployment its name, of a model the id of its job (which is deleted with it). usd_per_hour: what it costs
    by existing, None when not known. needed_by: running jobs that need it: it is not deleted. first: deployments that
    have to be deleted before it. unused: why it seems not to be used, None when it is, or when that is not known.
    """

    kind: Kind
    id: str
    name: str
    detail: str = ""
    bytes: int | None = None
    usd_per_hour: float | None = 0.0
    created_at: float | None = None
    needed_by: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    unused: str | None = None

    @property
    def key(self) -> str:
        """What it is selected by: kind and id."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True)
class Refused:
    """Something selected that will not be deleted, and why."""

    item: Item
    reason: str


@dataclass(frozen=True)
class Plan(Shown):
    """What will be deleted, in order, and what will not be. Nothing has been deleted."""

    place: str
    steps: tuple[Item, ...]
    refused: tuple[Refused, ...] = ()

    @property
    def sentence(self) -> str:
        if not self.steps:
            return f"Nothing at {self.place} would be deleted."
        numbers = {kind: sum(step.kind == kind for step in self.steps) for kind in ORDER}
        kinds = ", ".join(plural(n, kind) for kind, n in numbers.items() if n)
        hourly = sum(step.usd_per_hour or 0 for step in self.steps)
        freed = sum(step.bytes or 0 for step in self.steps)
        saves = f" That saves {money(hourly)} an hour ({money(hourly * _HOURS_A_MONTH)} a month)." if hourly else ""
        space = f" It frees {words.size(freed)}." if freed else ""
        return f"At {self.place} would be deleted, in this order: {kinds}.{saves}{space} This cannot be undone."

    def __repr__(self) -> str:
        lines = [self.sentence]
        lines += [f"  {n}. {step.kind} {step.name} ({step.id})" for n, step in enumerate(self.steps, 1)]
        lines += [f"  kept: {each.item.kind} {each.item.name}: {each.reason}" for each in self.refused]
        return "\n".join(lines)

    def _card(self) -> Card:
        steps = [
            (count(n), step.kind, Span(step.name, "strong"), Span(step.id, "code"))
            for n, step in enumerate(self.steps, 1)
        ]
        kept = [Text(f"{each.item.kind} {each.item.name} stays: {each.reason}", "bad") for each in self.refused]
        table = Table(("step", "kind", "name", "id"), steps, "To be deleted", numeric=(0,))
        return Card(Text(Span(self.sentence, "strong")), table if steps else None, *kept)


@dataclass(frozen=True)
class Inventory(Shown):
    """Everything at a resource that fine-tuning left there.

    read_at: Unix seconds. practice: the embedded service, which bills nothing: costs are those at Azure.

    >>> inventory = tb.experiments.take_inventory(ws)
    >>> inventory.frame[["kind", "name", "usd_per_hour", "needed_by"]].columns.tolist()
    ['kind', 'name', 'usd_per_hour', 'needed_by']
    """

    place: str
    items: tuple[Item, ...]
    gauges: Mapping[str, tuple[float, float]]
    read_at: float
    notes: tuple[str, ...] = ()
    practice: bool = False

    @property
    def usd_per_hour(self) -> float:
        """What it costs by existing, as far as that is known."""
        return sum(item.usd_per_hour or 0 for item in self.items)

    @property
    def unused(self) -> tuple[Item, ...]:
        """What seems not to be used and is needed by no running job."""
        return tuple(item for item in self.items if item.unused and not item.needed_by)

    @property
    def frame(self) -> pd.DataFrame:
        """One row an item: kind, id, name, detail, bytes, usd_per_hour, created_at, needed_by, first, unused, key."""
        return frame_of(self.items, [*Item.__dataclass_fields__, "key"])

    def find(self, name: str | Item) -> Item:
        """The item of this key, id or name. Raises RequestError when there is none, or more than one."""
        if isinstance(name, Item):
            return name
        items = [item for item in self.items if name in (item.key, item.id)]
        items = items or [item for item in self.items if item.name == name]
        if len(items) == 1:
            return items[0]
        if not items:
            raise RequestError(f"{name!r} is not at {self.place}: no deployment, model or file has this name or id.")
        keys = ", ".join(item.key for item in items)
        raise RequestError(f"{name!r} names {len(items)} things at {self.place}: {keys}. Give one of these.")

    def plan(self, selected: Iterable[str | Item]) -> Plan:
        """What deleting these takes, and what of them stays. Nothing is added that was not selected."""
        chosen = {item.key: item for item in map(self.find, selected)}
        steps, refused = [], []
        gone: set[str] = set()
        for kind in ORDER:
            for item in (each for each in self.items if each.kind == kind and each.key in chosen):
                reason = _reason_to_stay(item, gone)
                if reason:
                    refused.append(Refused(item, reason))
                else:
                    steps.append(item)
                    gone.add(item.key)
        return Plan(self.place, tuple(steps), tuple(refused))

    @property
    def sentence(self) -> str:
        numbers = {kind: sum(item.kind == kind for item in self.items) for kind in ORDER}
        without = sum(item.kind == "model" and bool(item.unused) for item in self.items)  # a job that made none
        numbers["model"] -= without
        kinds = ", ".join(plural(n, kind) for kind, n in numbers.items())
        kinds += f", {plural(without, 'job')} without a model" if without else ""
        hourly = self.usd_per_hour
        seem = "seems" if len(self.unused) == 1 else "seem"
        they = "At Azure they would cost" if self.practice else "They cost"
        costs = f" {they} {money(hourly)} an hour, {money(hourly * _HOURS_A_MONTH)} a month." if hourly else ""
        return f"{self.place} holds {kinds}.{costs} {len(self.unused)} {seem} unused."

    def __repr__(self) -> str:
        lines = [self.sentence]
        lines += [f"  {name}: {gauge_text(name, used, most)}" for name, (used, most) in self.gauges.items()]
        lines += [f"  {item.kind} {item.name}: {standing(item)}" for item in self.items[:_MOST_ROWS]]
        if len(self.items) > _MOST_ROWS:
            lines.append(f"  … {len(self.items) - _MOST_ROWS} more")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _card(self) -> Card:
        rows = [
            (item.kind, Span(item.name, "strong"), item.detail, size(item), cost(item), standing(item))
            for item in self.items[:_MOST_ROWS]
        ]
        more = f", the first {_MOST_ROWS} of {len(self.items)}" if len(self.items) > _MOST_ROWS else ""
        head = ("kind", "name", "what", "size", "an hour", "how it stands")
        quotas = [(name, gauge_text(name, *of), percent(of[0] / of[1])) for name, of in self.gauges.items()]
        return Card(
            Text(Span(self.sentence, "strong")),
            Table(("quota", "used", ""), quotas, numeric=(2,), labelled=True) if self.gauges else None,
            Table(head, rows, f"What is there{more}", numeric=(3, 4)) if rows else None,
            *(Text(note, "warning") for note in self.notes),
        )


def frame_of(records: Iterable[object], columns: list[str]) -> pd.DataFrame:
    """One row a record, with these of its attributes; `created_at` as UTC."""
    import pandas as pd

    frame = pd.DataFrame([{name: getattr(each, name) for name in columns} for each in records], columns=columns)
    frame["created_at"] = pd.to_datetime(frame["created_at"].astype("Float64"), unit="s", utc=True)
    return frame


_OTHERWISE: Mapping[Kind, str] = {
    "deployment": "whether it is called is not known",
    "model": "not deployed; it costs nothing",
    "file": "a job that has ended used it",
    "result file": "its job is kept",
}


def standing(item: Item) -> str:
    """Whether it can be deleted, in words."""
    if item.needed_by:
        return f"needed by the running {', '.join(item.needed_by)}"
    if "?" in item.first:
        return "stays: whether it is deployed cannot be read"
    if item.first:
        return f"after its deployment{'s' if len(item.first) > 1 else ''} {', '.join(item.first)}"
    return f"unused: {item.unused}" if item.unused else _OTHERWISE[item.kind]


def size(item: Item) -> str:
    """The bytes of a file; nothing for what has none."""
    return words.size(item.bytes)


def gauge_text(name: str, used: float, most: float) -> str:
    """How far a quota is used."""
    if name.startswith("bytes"):
        return f"{words.size(used)} of {words.size(most)}"
    return f"{count(used)} of {count(most)}"


def cost(item: Item) -> str:
    """What an hour costs: only deployments cost by existing."""
    if item.kind != "deployment":
        return ""
    if item.usd_per_hour is None:
        return "not known"
    return money(item.usd_per_hour) if item.usd_per_hour else "tokens only"


def _reason_to_stay(item: Item, gone: set[str]) -> str | None:
    """Why an item stays, given what will be gone before it."""
    if item.needed_by:
        return f"the running job {', '.join(item.needed_by)} needs it. Wait until it has ended, or cancel it."
    waiting = [name for name in item.first if f"deployment:{name}" not in gone]
    if "?" in item.first:
        return "whether it is deployed cannot be read. Sign in to Azure (`az login`) and look again."
    if waiting:
        return f"it is deployed as {', '.join(waiting)}. Select the deployment too."
    return None
