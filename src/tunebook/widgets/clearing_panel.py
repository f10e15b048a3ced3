"""`cleanup`: what a resource holds, what it costs and what needs what; select, preview, delete in the right order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape as quote
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets

from tunebook.analysis.sweeps.rows import Column, jobs_table
from tunebook.experiments.stock.clearing import LOG, Cleared, Deletion, clear
from tunebook.experiments.stock.inventory import ORDER, Inventory, Item, Plan, cost, gauge_text, size, standing
from tunebook.experiments.stock.stocktaking import take_inventory
from tunebook.palette import TONES
from tunebook.show import Card, Part, Span, Table, Text, escape, facts
from tunebook.widgets.clicks import Clicks, in_thread
from tunebook.widgets.outputs import free_from_cell
from tunebook.widgets.panel import Panel
from tunebook.widgets.pieces import button, note, place, put, rendered
from tunebook.widgets.tables.pick_table import PickTable, in_order

if TYPE_CHECKING:
    from tunebook.service import Workspace

_ALL, _UNUSED, _DELETABLE = "everything", "what seems unused", "what can be deleted now"
_MOST_ROWS = 200


def cleanup(workspace: Workspace, *, log: str | Path | None = LOG) -> CleanupPanel:
    """Clean up by hand: shown when it is the last line of a cell. Nothing is deleted before "Yes, delete" is pressed.

    log: the JSON Lines file that lists what was deleted. In code: `take_inventory(ws).plan([…])`, then
    `clear(ws, plan, dry_run=False)`, both of `tunebook.experiments`.

    >>> panel = tb.cleanup(ws)
    >>> panel.selected
    ()
    """
    return CleanupPanel(workspace, log=Path(log) if log is not None else None)


class CleanupPanel(Panel):
    """The panel. `inventory` is what was read last, `plan` what the selection amounts to, `cleared` what was done."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        log: Path | None = LOG,
        read: Callable[[Workspace], Inventory] = take_inventory,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        super().__init__()
        self.workspace = workspace
        self.inventory: Inventory | None = None
        self.cleared: Cleared | None = None
        self._log, self._read = log, read
        self._make_widgets()
        self._make_layout()
        self._connect(spawn)

    # ---- widgets

    def _make_widgets(self) -> None:
        self._title, self._summary = ipywidgets.HTML(), ipywidgets.HTML()
        self._plan = ipywidgets.HTML()
        self._message, self._question, self._done = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._look = PickTable(placeholder="name, id, kind", shows=(_ALL, _UNUSED, _DELETABLE))
        self.find, self.show_only, self.grid = self._look.find, self._look.show_only, self._look.grid
        self.unused_button = button("Select what seems unused", "Selects only; nothing is deleted")
        self.none_button = button("Select nothing", "")
        self.refresh_button = button("Look again", "Read the resource anew")
        self.delete_button = button("Delete selected …", "Asks first", "danger")
        self.yes_button = button("Yes, delete", "This cannot be undone", "danger")
        self.no_button = button("No", "")

    # ---- layout

    def _make_layout(self) -> None:
        flat = (self._title, self._summary, self._plan, self._message, self._done)
        for part in flat:
            place(part, margin="0", width="auto")
        rows = [
            self._look.filters(self.refresh_button),
            ipywidgets.HBox([self.unused_button, self.none_button, self.delete_button]),
        ]
        self._asking = ipywidgets.HBox([self._question, self.yes_button, self.no_button])
        for row in (*rows, self._asking):
            place(row, flex_flow="row wrap", align_items="center")
        place(self._asking, display="none")
        parts = [self._title, self._summary, rows[0], self.grid, rows[1], self._plan]
        self._frame([*parts, self._asking, self._message, self._done], max_width="980px")
        put(
            self._title,
            f'<div class="tb-head"><span class="tb-title">Clean up</span>'
            f'<span class="tb-muted">{escape(self._where)}</span></div>',
        )

    @property
    def _where(self) -> str:
        return f"{self.workspace.name}, {self.workspace.endpoint}"

    # ---- connections

    def _connect(self, spawn: Callable[[Callable[[], None]], None]) -> None:
        self._clicks = Clicks(self._message, self._busy, spawn)
        guard = self._clicks.guard
        self._look.connect(guard, draw=self._offer, picked=self._selected)
        self.refresh_button.on_click(guard(lambda _: self.load()))
        self.unused_button.on_click(guard(lambda _: self._take(self._unused())))
        self.none_button.on_click(guard(lambda _: self._take(())))
        self.delete_button.on_click(guard(lambda _: self._ask(True)))
        self.no_button.on_click(guard(lambda _: self._ask(False)))
        self.yes_button.on_click(guard(lambda _: self._delete_pressed()))
        self._busy(False)

    def _busy(self, active: bool) -> None:
        known = self.inventory is not None
        for each in (self.refresh_button, self.yes_button, self.no_button):
            each.disabled = active
        for each in (self.unused_button, self.none_button, self.grid):
            each.disabled = active or not known
        self.delete_button.disabled = active or not known or not self.plan.steps
        free_from_cell(self.widget)

    # ---- reading

    @property
    def selected(self) -> tuple[str, ...]:
        """The keys of what is selected."""
        return tuple(self.grid.picked)

    @property
    def plan(self) -> Plan:
        """What deleting the selection takes, and what of it stays."""
        if self.inventory is None:
            return Plan(self.workspace.name, ())
        return self.inventory.plan(self.selected)

    def load(self) -> None:
        """Read what is there, on a thread."""
        self._clicks.do("Looking at what is there …", self._load)

    def _load(self) -> str:
        self.inventory = self._read(self.workspace)
        self._offer()
        self._keep()
        return ""

    # ---- showing and selecting

    def _rows(self) -> list[Item]:
        if self.inventory is None:
            return []
        wanted = self.find.value.strip().lower()
        found = [
            item
            for item in self.inventory.items
            if wanted in f"{item.kind} {item.id} {item.name} {item.detail}".lower()
        ]
        if sorted_by := {column.sort: column for column in _COLUMNS}.get(self.grid.sort):
            found = in_order(found, sorted_by, turn=self.grid.turn)
        if self.show_only.value == _UNUSED:
            unused = {item.key for item in self.inventory.unused}
            found = [item for item in found if item.key in unused]
        elif self.show_only.value == _DELETABLE:
            found = [item for item in found if not item.needed_by and not item.first]
        return found

    def _offer(self) -> None:
        """Offer the rows that are shown; what is selected stays selected while it is shown."""
        if self.inventory is None:
            return
        rows = self._rows()
        put(self._summary, summary_html(self.inventory))
        self._look.draw(rows, _COLUMNS, lambda item: item.key, items_table(rows, len(self.inventory.items)).caption)
        self._selected()

    def _unused(self) -> tuple[str, ...]:
        shown = {row.key for row in self._rows()}
        return tuple(item.key for item in self.inventory.unused if item.key in shown) if self.inventory else ()

    def _take(self, keys: tuple[str, ...]) -> None:
        self.grid.picked = list(keys)

    def _selected(self) -> None:
        self._ask(False)
        put(self._plan, rendered(*plan_parts(self.plan)) if self.selected else "")
        self._busy(self._clicks.active)

    # ---- deleting

    def _ask(self, asking: bool) -> None:
        number = len(self.plan.steps)
        what = "this" if number == 1 else f"these {number} things"
        question = f"Delete {what} at {self.workspace.name} for good? This cannot be undone."
        put(self._question, f"<b>{escape(question)}</b>" if asking else "")
        place(self._asking, display="flex" if asking else "none")

    def _delete_pressed(self) -> None:
        plan = self.plan
        self._ask(False)
        done: list[Deletion] = []

        def told(deletion: Deletion) -> None:
            done.append(deletion)
            put(self._done, rendered(*deletion_lines(done)))

        def work() -> str:
            self.cleared = clear(self.workspace, plan, dry_run=False, log=self._log, told=told)
            self.inventory = self._read(self.workspace)
            self._offer()
            self._keep()
            return self.cleared.sentence

        self._clicks.do(f"Deleting {len(plan.steps)} …", work)

    # ---- display

    def _read_once(self) -> None:
        if self.inventory is None:
            self.inventory = self._read(self.workspace)

    def _begin(self) -> None:
        if self.inventory is None:
            self.load()

    def _static(self) -> tuple[Card, str]:
        sentence = f"Clean-up of {self.workspace.name}. Run the cell again to select and delete."
        parts: list[Part] = [Text(sentence)]
        if self.inventory is not None:
            shown = self.inventory.items[:_MOST_ROWS]
            parts += [*summary(self.inventory), items_table(shown, len(self.inventory.items))]
        if self.cleared is not None:
            parts += deletion_lines(self.cleared.deletions)
        plain = [sentence, *(repr(record) for record in (self.inventory, self.cleared) if record is not None)]
        return Card(*parts, title="Clean up", aside=self._where), "\n".join(plain)

    def __repr__(self) -> str:
        there = self.inventory.sentence if self.inventory else "not read yet"
        return f"<CleanupPanel of {self.workspace.name}: {there}>"


def summary_html(inventory: Inventory) -> str:
    """What there is and costs, the gauges of the quotas, and what to know."""
    gauges = "".join(
        f'<span>{escape(name)}</span><meter min="0" max="{most}" value="{used}" aria-label="{quote(name)}"></meter>'
        f"<span>{escape(gauge_text(name, used, most))}</span>"
        for name, (used, most) in inventory.gauges.items()
    )
    notes = "".join(note(sentence, "warning") for sentence in inventory.notes)
    return f'<p><b>{escape(inventory.sentence)}</b></p><div class="tb-gauges">{gauges}</div>{notes}'


def summary(inventory: Inventory) -> list[Part]:
    """The same for the saved picture, with the quotas in words."""
    quotas = facts((name, gauge_text(name, used, most)) for name, (used, most) in inventory.gauges.items())
    return [Text(Span(inventory.sentence, "strong")), quotas, *(Text(note, "warning") for note in inventory.notes)]


def items_table(items: Sequence[Item], total: int) -> Table:
    """One row an item, in the order in which things are deleted."""
    shown = f"{len(items)} of {total} shown" if total > len(items) else f"{len(items)}"
    return jobs_table(items, _COLUMNS, f"What is there: {shown}")


def _sign(item: Item) -> str:
    return "✕" if item.needed_by else TONES["warning"].sign if item.first else "○" if item.unused else "·"


_COLUMNS: tuple[Column[Item], ...] = (
    Column("kind", "kind", lambda item: item.kind, numeric=False, sort="kind"),
    Column("name", "name", lambda item: Span(item.name, "words", hint=item.id), numeric=False, sort="name"),
    Column("detail", "what", lambda item: Span(item.detail, "words"), numeric=False),
    Column("bytes", "size", size, sort="size", highest_first=True),
    Column("usd_per_hour", "an hour", cost, sort="an hour", highest_first=True),
    Column("standing", "how it stands", lambda item: f"{_sign(item)} {standing(item)}", False, "how", value=standing),
)


def plan_parts(plan: Plan) -> list[Part]:
    """The preview: the steps in order, and what stays with the reason."""
    rows = [(str(n), step.kind, step.name, Span(step.id, "code")) for n, step in enumerate(plan.steps, 1)]
    steps = [Table(["", "kind", "name", "id"], rows, "To be deleted, in this order")] if rows else []
    stays = [Text(f"{kept.item.kind} {kept.item.name} stays: {kept.reason}", "warning") for kept in plan.refused]
    return [Text(plan.sentence), *steps, *stays]


def deletion_lines(deletions: Sequence[Deletion]) -> list[Text]:
    """What became of each step so far."""
    rank: dict[str, int] = {kind: place for place, kind in enumerate(ORDER)}
    tones = {"deleted": "good", "failed": "bad"}
    return [
        Text(str(deletion)[2:], tones.get(deletion.outcome, "warning"))
        for deletion in sorted(deletions, key=lambda deletion: rank.get(deletion.kind, len(rank)))
    ]
