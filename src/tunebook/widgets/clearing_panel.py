"""`cleanup`: what a resource holds, what it costs and what needs what; select, preview, delete in the right order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from tunebook.experiments.stock.clearing import LOG, Cleared, Deletion, clear
from tunebook.experiments.stock.inventory import ORDER, Inventory, Item, Plan, cost, gauge_text, size, standing
from tunebook.experiments.stock.stocktaking import take_inventory
from tunebook.widgets.clicks import Clicks, in_thread
from tunebook.widgets.markup import esc, note, table
from tunebook.widgets.outputs import Shown, all_widgets, free_from_cell, mode, show_picture, static_picture, widget_view
from tunebook.widgets.pieces import button, described, place, put
from tunebook.widgets.style import style_tag

if TYPE_CHECKING:
    from tunebook.service import Workspace

_ALL, _UNUSED, _DELETABLE = "everything", "what seems unused", "what can be deleted now"
_MOST_ROWS = 200
_CSS = """<style>
.tb table.tb-table td.tb-stored{white-space:normal;overflow-wrap:anywhere;vertical-align:top;min-width:70px}
.tb table.tb-table td.tb-stored:first-child{white-space:nowrap}
.tb table.tb-table td.tb-num{vertical-align:top}
.tb .tb-gauges{display:grid;grid-template-columns:max-content 120px max-content;gap:0 12px;color:var(--tb-muted)}
.tb .tb-gauges meter{width:120px;align-self:center}
</style>"""


def cleanup(workspace: Workspace, *, log: str | Path | None = LOG) -> CleanupPanel:
    """Clean up by hand: shown when it is the last line of a cell. Nothing is deleted before "Yes, delete" is pressed.

    log: the JSON Lines file that lists what was deleted. In code: `take_inventory(ws).plan([…])`, then
    `clear(ws, plan, dry_run=False)`, both of `tunebook.experiments`.

    >>> panel = tb.cleanup(ws)
    >>> panel.selected
    ()
    """
    return CleanupPanel(workspace, log=Path(log) if log is not None else None)


class CleanupPanel:
    """The panel. `inventory` is what was read last, `plan` what the selection amounts to, `cleared` what was done."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        log: Path | None = LOG,
        read: Callable[[Workspace], Inventory] = take_inventory,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        self.workspace = workspace
        self.inventory: Inventory | None = None
        self.cleared: Cleared | None = None
        self._log, self._read = log, read
        self._settling = False
        self._make_widgets()
        self._make_layout()
        self._connect(spawn)

    # ---- widgets

    def _make_widgets(self) -> None:
        self._style, self._title = ipywidgets.HTML(), ipywidgets.HTML()
        self._summary, self._table, self._plan = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._message, self._question, self._done = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self.show_only = ipywidgets.Dropdown(description="show", options=[_ALL, _UNUSED, _DELETABLE])
        self.find = ipywidgets.Text(description="find", placeholder="name, id, kind")
        self.select = ipywidgets.SelectMultiple(description="select", rows=10)
        self.unused_button = button("Select what seems unused", "Selects only; nothing is deleted")
        self.none_button = button("Select nothing", "")
        self.refresh_button = button("Look again", "Read the resource anew")
        self.delete_button = button("Delete selected …", "Asks first", "danger")
        self.yes_button = button("Yes, delete", "This cannot be undone", "danger")
        self.no_button = button("No", "")

    # ---- layout

    def _make_layout(self) -> None:
        place(self._style, display="none")
        for control, width in ((self.show_only, "300px"), (self.find, "280px")):
            described(control, "50px")
            place(control, width=width, margin="2px 12px 2px 0")
        described(self.select, "50px")
        place(self.select, width="100%", max_width="940px")
        flat = (self._title, self._summary, self._table, self._plan, self._message, self._done)
        for part in flat:
            place(part, margin="0", width="auto")
        frame = ipywidgets.VBox([self._table])
        place(frame, max_height="380px", overflow="auto", margin="4px 0")
        rows = [
            ipywidgets.HBox([self.show_only, self.find, self.refresh_button]),
            ipywidgets.HBox([self.unused_button, self.none_button, self.delete_button]),
        ]
        self._asking = ipywidgets.HBox([self._question, self.yes_button, self.no_button])
        for row in (*rows, self._asking):
            place(row, flex_flow="row wrap", align_items="center")
        place(self._asking, display="none")
        parts = [self._style, self._title, self._summary, rows[0], frame, self.select, rows[1], self._plan]
        self.widget = ipywidgets.VBox([*parts, self._asking, self._message, self._done])
        place(self.widget, max_width="980px", overflow="hidden")
        self._shown = Shown(self.widget)
        self._style.value = style_tag() + _CSS + self._shown.hiding_style
        put(
            self._title,
            f'<div class="tb-head"><span class="tb-title">Clean up</span>'
            f'<span class="tb-muted">{esc(self.workspace.name)}, {esc(self.workspace.endpoint)}</span></div>',
        )

    # ---- connections

    def _connect(self, spawn: Callable[[Callable[[], None]], None]) -> None:
        self._clicks = Clicks(self._message, self._busy, spawn)
        guard = self._clicks.guard
        for control in (self.show_only, self.find):
            control.observe(guard(lambda _: self._offer()), "value")
        self.select.observe(guard(lambda _: self._selected()), "value")
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
        for each in (self.unused_button, self.none_button, self.select):
            each.disabled = active or not known
        self.delete_button.disabled = active or not known or not self.plan.steps
        free_from_cell(self.widget)

    # ---- reading

    @property
    def selected(self) -> tuple[str, ...]:
        """The keys of what is selected."""
        return tuple(self.select.value)

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
        self._shown.keep(*self._static())
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
        put(self._table, items_html(rows[:_MOST_ROWS], len(self.inventory.items)))
        kept = tuple(key for key in self.select.value if key in {row.key for row in rows})
        self._settling = True
        try:
            self.select.options = [(_label(row), row.key) for row in rows]
            self.select.value = kept
        finally:
            self._settling = False
        self._selected()

    def _unused(self) -> tuple[str, ...]:
        shown = {row.key for row in self._rows()}
        return tuple(item.key for item in self.inventory.unused if item.key in shown) if self.inventory else ()

    def _take(self, keys: tuple[str, ...]) -> None:
        self.select.value = keys

    def _selected(self) -> None:
        if self._settling:
            return
        self._ask(False)
        put(self._plan, plan_html(self.plan) if self.selected else "")
        self._busy(self._clicks.active)

    # ---- deleting

    def _ask(self, asking: bool) -> None:
        number = len(self.plan.steps)
        what = "this" if number == 1 else f"these {number} things"
        question = f"Delete {what} at {self.workspace.name} for good? This cannot be undone."
        put(self._question, f"<b>{esc(question)}</b>" if asking else "")
        place(self._asking, display="flex" if asking else "none")

    def _delete_pressed(self) -> None:
        plan = self.plan
        self._ask(False)
        done: list[Deletion] = []

        def told(deletion: Deletion) -> None:
            done.append(deletion)
            put(self._done, deletions_html(done))

        def work() -> str:
            self.cleared = clear(self.workspace, plan, dry_run=False, log=self._log, told=told)
            self.inventory = self._read(self.workspace)
            self._offer()
            self._shown.keep(*self._static())
            return self.cleared.sentence

        self._clicks.do(f"Deleting {len(plan.steps)} …", work)

    # ---- display

    def show(self) -> None:
        """Display the panel in the notebook cell that runs now; unattended, read once and left as a picture."""
        if mode() != "notebook":
            if self.inventory is None:
                self.inventory = self._read(self.workspace)
            show_picture(*self._static())
            return
        self._shown.show(*self._static())
        if self.inventory is None:
            self.load()

    def close(self) -> None:
        """Free the widgets; the saved picture stays."""
        for widget in all_widgets(self.widget):
            widget.close()

    def _static(self) -> tuple[str, str]:
        words = f"Clean-up of {self.workspace.name}. Run the cell again to select and delete."
        if self.inventory is None:
            return note(words), words
        html = _CSS + note(words) + summary_html(self.inventory) + items_html(self.inventory.items[:_MOST_ROWS])
        done = deletions_html(self.cleared.deletions) if self.cleared else ""
        plain = [words, repr(self.inventory), *([repr(self.cleared)] if self.cleared else [])]
        return html + done, "\n".join(plain)

    def _ipython_display_(self) -> None:
        self.show()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return static_picture(*self._static()) | widget_view(self.widget)

    def __repr__(self) -> str:
        there = self.inventory.sentence if self.inventory else "not read yet"
        return f"<CleanupPanel of {self.workspace.name}: {there}>"


def _label(item: Item) -> str:
    """An item in the list to select from: several files may have the same name."""
    which = "" if item.id == item.name else f" ({item.id[:14]}…)"
    return f"{item.kind} · {item.name}{which} · {standing(item)}"


def summary_html(inventory: Inventory) -> str:
    """What there is and costs, the gauges of the quotas, and what to know."""
    gauges = "".join(
        f'<span>{esc(name)}</span><meter min="0" max="{most}" value="{used}" aria-label="{esc(name)}"></meter>'
        f"<span>{gauge_text(name, used, most)}</span>"
        for name, (used, most) in inventory.gauges.items()
    )
    notes = "".join(note(each, "wait") for each in inventory.notes)
    return f'<p><b>{esc(inventory.sentence)}</b></p><div class="tb-gauges">{gauges}</div>{notes}'


def items_html(items: tuple[Item, ...] | list[Item], total: int | None = None) -> str:
    """One row an item, in the order in which things are deleted."""
    rows = [
        (item.kind, esc(item.name), esc(item.detail), size(item), cost(item), f"{_sign(item)} {esc(standing(item))}")
        for item in items
    ]
    shown = f"{len(items)} of {total} shown" if total is not None and total > len(items) else f"{len(items)}"
    head = ["kind", "name", "what", "size", "an hour", "how it stands"]
    made = table(f"What is there: {shown}", head, rows, numbers=(3, 4))
    return made.replace("<td>", '<td class="tb-stored">')


def _sign(item: Item) -> str:
    return "✕" if item.needed_by else "△" if item.first else "○" if item.unused else "·"


def plan_html(plan: Plan) -> str:
    """The preview: the steps in order, and what stays with the reason."""
    steps = [(str(n), step.kind, esc(step.name), esc(step.id)) for n, step in enumerate(plan.steps, 1)]
    kept = "".join(note(f"{each.item.kind} {each.item.name} stays: {each.reason}", "wait") for each in plan.refused)
    shown = table("To be deleted, in this order", ["", "kind", "name", "id"], steps) if steps else ""
    return f"<p>{esc(plan.sentence)}</p>{shown}{kept}"


def deletions_html(deletions: list[Deletion] | tuple[Deletion, ...]) -> str:
    """What became of each step so far."""
    rank = {kind: place for place, kind in enumerate(ORDER)}
    lines = sorted(deletions, key=lambda each: rank.get(each.kind, len(rank)))
    tones = {"deleted": "good", "failed": "bad"}
    return "".join(note(str(each)[2:], tones.get(each.outcome, "wait")) for each in lines)
