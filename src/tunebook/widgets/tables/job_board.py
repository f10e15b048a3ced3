"""`board`: many jobs in one table that keeps itself up to date, filters, sorts, and compares what is picked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets

from tunebook.catalogue import load_catalogue
from tunebook.service.states import STATES
from tunebook.show import Card, Span, Table, Text
from tunebook.widgets.clicks import Clicks, in_thread, sentence_of
from tunebook.widgets.live.watcher import Watcher, replace_watchers
from tunebook.widgets.outputs import cell_and_count, free_from_cell
from tunebook.widgets.panel import Panel
from tunebook.widgets.pieces import button, note, place, put, rendered, wrap
from tunebook.widgets.tables import board_view
from tunebook.widgets.tables.board_feed import Entry, feed
from tunebook.widgets.tables.pick_table import PickTable, overlay_html
from tunebook.words import plural

if TYPE_CHECKING:
    from tunebook.analysis.curves.standing import Standing
    from tunebook.service import Workspace

_DRAW_EVERY_S = 1.0  # a table of a hundred rows need not be redrawn faster than it is read
_MOST_COMPARED = 12


class _EnoughError(Exception):
    """Raised in the pause between two ticks to end a reading that is not to go on."""


def board(*workspaces: Workspace, limit: int = 100) -> Board:
    """The newest `limit` jobs of each resource, live: shown when it is the last line of a cell.

    Filters and sorts; picking rows overlays their curves and compares them. Where cells run unattended it is read once
    and left as a picture.

    >>> board = tb.board(ws, limit=5)
    >>> board.picked
    ()
    """
    if not workspaces:
        from tunebook.service import connect

        workspaces = (connect(),)
    return Board(workspaces, limit=limit)


class Board(Panel):
    """The board. `rows` are what is shown, in order; `picked` the job ids chosen for comparison; `close()` ends it."""

    def __init__(
        self,
        workspaces: tuple[Workspace, ...],
        *,
        limit: int = 100,
        clock: Callable[[], float] = time.time,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        super().__init__()
        self.workspaces, self.limit = workspaces, limit
        self.catalogue = load_catalogue()
        self.comparison: Any = None
        self._entries: dict[str, tuple[Workspace, Entry]] = {}
        self._rows: dict[str, tuple[Entry, board_view.Row]] = {}
        self._standing: dict[str, Standing] = {}
        self._clock = clock
        self._drawn_at = 0.0
        self._unread = ""  # why there is no list of jobs at all
        self._watchers: list[Watcher] = []
        self._make_widgets()
        self._make_layout()
        self._connect(spawn)

    # ---- widgets

    def _make_widgets(self) -> None:
        self._title = ipywidgets.HTML(wrap(rendered(Card(title="Jobs", aside=self._where))))
        self._chart, self._words, self._message = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        shows = (board_view.ALL, board_view.GOING, *STATES)
        self._look = PickTable(placeholder="name, id, model, verdict", shows=shows, sort=next(iter(board_view.SORTS)))
        self.find, self.show_only, self.grid = self._look.find, self._look.show_only, self._look.grid
        self._instead = ipywidgets.HTML()  # of a table without rows
        put(self._instead, note("Reading the list of jobs …"))
        self.refresh_button = button("Refresh", "Look at the service now")
        tip = "Compare with uncertainty: which is best, and is that sure?"
        self.compare_button = button("Rank the picked jobs", tip)

    # ---- layout

    def _make_layout(self) -> None:
        for part in (self._title, self._instead, self._chart, self._words, self._message):
            place(part, margin="0", width="auto")
        line = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        hint = ipywidgets.HTML(wrap(note("Tick two or more to lay their curves over each other.")))
        place(hint, margin="0", width="auto")
        self._picking = ipywidgets.HBox([self.compare_button, hint], layout=line)
        place(self._picking, display="none")  # until there are jobs to compare
        filters = self._look.filters(self.refresh_button)
        parts = [self._title, filters, self._instead, self.grid, self._picking]
        self._frame([*parts, self._chart, self._words, self._message])

    # ---- connections

    def _connect(self, spawn: Callable[[Callable[[], None]], None]) -> None:
        self._clicks = Clicks(self._message, self._busy, spawn)
        self._look.connect(self._clicks.guard, draw=self.draw, picked=self._overlay)
        self.refresh_button.on_click(self._clicks.guard(lambda _: self.refresh()))
        self.compare_button.on_click(self._clicks.guard(lambda _: self._clicks.do("Comparing …", self._compare)))
        self._busy(False)

    def _busy(self, active: bool) -> None:
        self.compare_button.disabled = active or len(self.grid.picked) < 2

    # ---- what is known

    def receive(self, workspace: Workspace, entries: Mapping[str, Entry]) -> None:
        """Take what the feed read. Safe from any thread; touches this board's own widgets and display only."""
        with self._lock:
            if self._closed:
                return
            mine = f"{workspace.name} "
            keys = {f"{mine}{job_id}" for job_id in entries}
            gone = [k for k, (w, _) in self._entries.items() if w is workspace and k not in keys]
            for key in gone:
                del self._entries[key]
                self._rows.pop(key, None)
                self._standing.pop(key, None)
            for job_id, entry in entries.items():
                self._entries[f"{mine}{job_id}"] = (workspace, entry)
                self._make_row(f"{mine}{job_id}")
            going = any(not e.snapshot.ended for _, e in self._entries.values())
            if self._clock() - self._drawn_at >= _DRAW_EVERY_S or not going:
                self.draw()

    def _make_row(self, key: str) -> None:
        """The row of one job, made anew only when its entry is another one."""
        workspace, entry = self._entries[key]
        if key in self._rows and self._rows[key][0] is entry:
            return
        snapshot = entry.snapshot
        if snapshot.results is not None and len(snapshot.results):
            from tunebook.analysis import diagnose
            from tunebook.analysis.curves.standing import Standing, look

            before = self._standing.get(key) or Standing()
            ended = snapshot.ended
            self._standing[key] = look(before, snapshot.results, partial(diagnose, snapshot), ended=ended)
        row = board_view.row_of(
            entry.snapshot,
            resource=workspace.name,
            catalogue=self.catalogue,
            diagnosis=self._standing[key].diagnosis if key in self._standing else None,
            problem=entry.problem,
            free=getattr(workspace, "embedded", False),
        )
        self._rows[key] = (entry, row)

    @property
    def rows(self) -> list[board_view.Row]:
        """What is shown now, in order."""
        with self._lock:
            every = [row for _, row in self._rows.values()]
        return board_view.arrange(every, **self._look.asked)

    @property
    def picked(self) -> tuple[str, ...]:
        """The ids of the jobs chosen for comparison."""
        return tuple(key.rpartition(" ")[2] for key in self.grid.picked)

    # ---- what is seen

    def draw(self) -> None:
        """Show the rows as they are filtered and sorted now."""
        with self._lock:
            if self._closed:
                return
            self._drawn_at = self._clock()
            rows = self.rows
            shown = self._tabled(rows)
            several = len(self.workspaces) > 1
            columns = board_view.columns(self._clock(), several=several)
            caption = shown.caption if isinstance(shown, Table) else ""
            put(self._instead, "" if caption else rendered(shown))
            self._look.draw(rows, columns, board_view.key_of, caption)
            self._picking.layout.display = "" if len(self._rows) > 1 else "none"
            free_from_cell(self.widget)
            self._keep()

    @property
    def _where(self) -> str:
        return f"at {', '.join(workspace.name for workspace in self.workspaces)}"

    def _tabled(self, rows: list[board_view.Row]) -> Table | Text:
        if self._unread and not self._rows:
            return Text(f"The list of jobs could not be read. {self._unread}", "bad")
        several = len(self.workspaces) > 1
        return board_view.table(rows, total=len(self._rows), now=self._clock(), several=several)

    def _overlay(self) -> None:
        self._busy(self._clicks.active)
        with self._lock:
            chosen = [key for key in self.grid.picked if key in self._entries][:_MOST_COMPARED]
            frames = {}
            for key in chosen:
                _, entry = self._entries[key]
                row = self._rows[key][1]
                if entry.snapshot.results is not None:
                    frames[f"{row.name or row.job_id[:14]} {row.settings}".strip()] = entry.snapshot.results.frame
        drawn = overlay_html(frames, empty="No curves yet for what is picked.") if chosen else ""
        self._chart.value = wrap(drawn)
        self._words.value = ""

    def _compare(self) -> str | None:
        from tunebook.analysis import compare

        with self._lock:
            chosen = [self._entries[key][1].snapshot for key in self.grid.picked if key in self._entries]
        self.comparison = compare(chosen)
        left = [Text(f"{job_id}: {why}", "warning") for job_id, why in self.comparison.left_out.items()]
        put(
            self._words,
            rendered(Text(self.comparison.sentence), *left, Text(Span("In code: board.comparison", "muted"))),
        )
        return None

    # ---- watching

    def start(self) -> Board:
        """Begin to read, one thread a resource, in place of what an earlier run of the cell started."""
        cell, count = cell_and_count()
        replace_watchers(cell, count, ("board",))
        for workspace in self.workspaces:
            watcher = Watcher(
                workspace,
                ("board",),
                receive=partial(self.receive, workspace),
                failed=self._failed,
                on_stop=self.close,
                cell=cell,
                count=count,
                follow=self._follow,
            )
            self._watchers.append(watcher)
            watcher.start()
        return self

    def _follow(self, workspace: Workspace, _: tuple[str, ...], *, sleep: Any, clock: Any, **__: Any) -> Any:
        return feed(workspace, self.limit, sleep=sleep, clock=clock)

    def _failed(self, error: BaseException) -> None:
        if not self._closed:
            self._unread = sentence_of(error)
            self._clicks.fail(error)
            self.draw()

    def refresh(self, wait_s: float = 2.0) -> None:
        """Look at the services now, and send the table again: some front ends drop background updates."""
        self._clicks.clear()
        dead = [w for w in self._watchers if not w.is_alive()]
        for watcher in self._watchers:
            watcher.refresh()
            watcher.ticked.clear()
        if dead:
            self._watchers.clear()
            self.start()
        if self._watchers:
            self._watchers[0].ticked.wait(wait_s)
        self.draw()
        self.grid.send_state()

    def close(self) -> None:
        """Stop reading and free the widgets. The jobs go on; the saved picture stays."""
        with self._lock:
            if self._closed:
                return
            self.draw()
            self._closed = True
        for watcher in self._watchers:
            watcher.stop()
        super().close()

    # ---- display

    def _read_once(self) -> None:
        self.read_once()

    def _begin(self) -> None:
        if not self._watchers:
            self.start()

    def read_once(self) -> Board:
        """Read every job completely, now, on this thread."""

        for workspace in self.workspaces:

            def done(_: float, workspace: Workspace = workspace) -> None:
                entries = [e for w, e in self._entries.values() if w is workspace]
                if all(e.complete or not e.snapshot.ended for e in entries):
                    raise _EnoughError

            with suppress(_EnoughError):
                for entries in feed(workspace, self.limit, sleep=done):
                    self.receive(workspace, entries)
        self.draw()
        return self

    def _static(self) -> tuple[Card, str]:
        table = self._tabled(self.rows)
        again = Text(Span("Saved picture. tb.board(ws) shows the jobs live again.", "muted"))
        return Card(table, again, title="Jobs", aside=self._where), table.text()

    def __repr__(self) -> str:
        return f"<Board of {plural(len(self._rows), 'job')} at {', '.join(w.name for w in self.workspaces)}>"
