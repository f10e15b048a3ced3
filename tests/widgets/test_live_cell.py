"""The live cell: what it shows, what its buttons do, what it survives."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tunebook.widgets.live.cell import LiveCell

from .conftest import T0, at_once, picture, script, texts


def cell_of(workspace, *ticks, **options) -> LiveCell:
    return LiveCell(workspace, "ftjob-abc", follow=script(*ticks), clock=lambda: T0 + 101.0, spawn=at_once, **options)


def watch_to_the_end(cell: LiveCell) -> LiveCell:
    cell.start()
    assert cell.ended.wait(10)
    cell._watcher.join(10)
    return cell


def test_the_cell_ends_by_itself_and_leaves_no_thread(workspace) -> None:
    cell = watch_to_the_end(cell_of(workspace, picture(steps=3), picture("succeeded", steps=30)))

    assert cell.snapshot.status == "succeeded"
    assert "Succeeded" in texts(cell.widget)
    assert not [t for t in threading.enumerate() if t.name.startswith("tunebook-watch")]


def test_no_picture_comes_in_while_the_cell_is_being_displayed_and_gets_lost(workspace, monkeypatch) -> None:
    cell = cell_of(workspace)
    free = []

    def display(*_, **__):
        with ThreadPoolExecutor(1) as other:
            free.append(other.submit(cell._lock.acquire, blocking=False).result())

    monkeypatch.setattr("IPython.display.display", display)
    cell.show()

    assert free == [False, False]  # the picture, then the widget


@pytest.mark.parametrize(
    ("status", "enabled"),
    [
        ("pending", {"cancel"}),
        ("running", {"pause", "cancel"}),
        ("paused", {"resume", "cancel"}),
        ("succeeded", set()),
        ("frobnicating", {"cancel"}),
    ],
)
def test_a_button_can_be_pressed_only_where_it_makes_sense(workspace, status, enabled) -> None:
    cell = cell_of(workspace)
    cell.show_snapshot(picture(status))

    buttons = {"pause": cell.pause_button, "resume": cell.resume_button, "cancel": cell.cancel_button}
    assert {name for name, button in buttons.items() if not button.disabled} == enabled


def test_cancel_asks_before_it_does_anything(workspace) -> None:
    cell = cell_of(workspace)
    cell.show_snapshot(picture())

    cell.cancel_button.click()
    assert workspace.calls == []
    assert cell._asking.layout.display == "flex"

    cell.confirm_button.click()
    assert workspace.calls == [("cancel", "ftjob-abc")]


def test_an_error_of_a_click_is_shown_in_the_cell(workspace) -> None:
    cell = cell_of(workspace)
    cell.show_snapshot(picture())
    workspace.error = ValueError("no <script> today")

    cell.pause_button.click()

    assert "ValueError: no &lt;script&gt; today" in texts(cell.widget)
    assert not cell.pause_button.disabled


def test_a_double_click_asks_the_service_once(workspace) -> None:
    waiting = []
    cell = LiveCell(workspace, "ftjob-abc", follow=script(), clock=lambda: T0, spawn=waiting.append)
    cell.show_snapshot(picture())

    cell.pause_button.click()
    cell.pause_button.click()
    for work in waiting:
        work()

    assert workspace.calls == [("pause", "ftjob-abc")]


def test_the_word_of_a_click_goes_when_the_job_has_moved_on(workspace) -> None:
    cell = cell_of(workspace)
    cell.show_snapshot(picture())
    cell.pause_button.click()
    assert "it says “pausing”" in texts(cell.widget)

    cell.show_snapshot(picture("pausing"))
    assert "it says “pausing”" in texts(cell.widget)
    cell.show_snapshot(picture("paused"))
    assert "it says “pausing”" not in texts(cell.widget)


def test_deploying_offers_the_suffix_as_the_name_and_deploys_the_chosen_checkpoint(workspace) -> None:
    kept = tuple({"step_number": step, "fine_tuned_model_checkpoint": f"m:{step}"} for step in (10, 20))
    cell = cell_of(workspace)
    cell.show_snapshot(picture("paused", checkpoints=kept, job={"suffix": "support-v1"}))

    cell.deploy_button.click()
    cell.checkpoint_choice.value = "m:20"
    cell.deploy_now_button.click()

    assert workspace.calls == [("deploy", "m:20", "support-v1")]


def test_a_job_that_ended_before_its_first_step_keeps_no_room_for_curves(workspace) -> None:
    cell = cell_of(workspace)
    cell.show_snapshot(picture("pending", steps=0))
    assert cell._curves.layout.display != "none"

    cell.show_snapshot(picture("failed", steps=0, job={"error": {"message": "line 3 is empty"}}))

    assert cell._curves.layout.display == cell._checkpoints.layout.display == "none"
    assert "line 3 is empty" in texts(cell.widget)


def test_an_error_while_watching_is_shown_and_the_last_picture_stays(workspace) -> None:
    cell = watch_to_the_end(cell_of(workspace, picture(steps=3), RuntimeError("lost")))

    assert "RuntimeError: lost" in texts(cell.widget)
    assert "step 3 of 30" in texts(cell.widget)


def test_refresh_looks_again_after_the_watching_has_failed(workspace) -> None:
    ticks = iter([RuntimeError("lost"), picture("succeeded", steps=30)])

    def follow(*_, **__):
        tick = next(ticks)
        if isinstance(tick, Exception):
            raise tick
        yield {tick.job_id: tick}

    cell = LiveCell(workspace, "ftjob-abc", follow=follow, clock=lambda: T0 + 101.0, spawn=at_once)
    watch_to_the_end(cell)
    assert "ftjob-abc could not be read" in texts(cell.widget)

    cell.refresh_button.click()
    assert cell.ended.wait(10)

    assert "Succeeded" in texts(cell.widget)


def test_closing_while_a_request_is_under_way_is_quiet(workspace) -> None:
    cell = cell_of(workspace)
    cell.show_snapshot(picture())

    cell.close()
    cell.show_snapshot(picture("succeeded"))
    cell.show_problem(RuntimeError("too late"))

    assert cell.snapshot.status == "running"


def test_running_the_cell_again_replaces_the_old_watcher(workspace) -> None:
    going = threading.Event()

    def endless(*_, sleep, **__):
        while True:
            yield {"ftjob-abc": picture()}
            going.set()
            sleep(60)

    first = LiveCell(workspace, "ftjob-abc", follow=endless).start(cell="c1", count=1)
    assert going.wait(10)
    second = LiveCell(workspace, "ftjob-abc", follow=endless).start(cell="c1", count=2)
    first._watcher.join(10)

    assert not first._watcher.is_alive()
    assert second._watcher.is_alive()
    second.close()
    second._watcher.join(10)
    assert not second._watcher.is_alive()
