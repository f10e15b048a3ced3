"""Nothing is left behind: no thread, no widget, no figure, no growing memory."""

from __future__ import annotations

import gc
import sys
import threading

import pytest
from ipywidgets.widgets.widget import _instances as widget_register

from tunebook.widgets.connecting import ConnectForm
from tunebook.widgets.form.form import JobForm
from tunebook.widgets.live.cell import LiveCell
from tunebook.widgets.tables.job_board import Board

from .conftest import T0, at_once, events_of, picture


@pytest.mark.parametrize(
    "make",
    [
        lambda ws: LiveCell(ws, "ftjob-abc"),
        lambda ws: JobForm(ws, spawn=at_once),
        lambda ws: Board((ws,)),
        lambda _: ConnectForm(environ={}),
    ],
    ids=["live cell", "form", "board", "connect form"],
)
def test_a_closed_widget_leaves_none_in_the_register(workspace, make) -> None:
    before = set(widget_register)
    make(workspace).close()

    assert [widget_register[name] for name in set(widget_register) - before] == []


def test_eight_simulated_hours_of_watching_keep_objects_threads_and_figures_clean(workspace) -> None:
    now = [float(T0)]
    events = events_of(400, 400)

    def follow(*_, **__):
        for tick in range(240):
            now[0] += 120.0
            if tick % 12 == 0:
                last = picture(steps=0, events=events[: 2 + tick // 12 * 20])
            yield {"ftjob-abc": last}
        yield {"ftjob-abc": picture("succeeded", events=events)}

    def watched() -> None:
        cell = LiveCell(workspace, "ftjob-abc", follow=follow, clock=lambda: now[0]).start()
        assert cell.ended.wait(60)
        cell._watcher.join(10)
        cell.close()
        gc.collect()

    watched()  # what is loaded on first use is not a leak
    threads, objects = threading.active_count(), len(gc.get_objects())
    watched()

    assert len(gc.get_objects()) - objects < 240  # one object a look would show
    assert threading.active_count() == threads
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
