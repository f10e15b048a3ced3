"""The clean-up panel on an inventory typed in here, and deleting at the embedded service."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tunebook.experiments.stock.clearing import Deletion
from tunebook.experiments.stock.stocktaking import build_inventory
from tunebook.service import JobRequest, connect
from tunebook.widgets.clearing_panel import CleanupPanel, deletion_lines, items_table, plan_parts, summary, summary_html

from .conftest import at_once, texts

BASE = "gpt-4.1-nano-2025-04-14"
DONE, GOING = f"ftjob-{'a' * 32}", f"ftjob-{'b' * 32}"
EVIL = "<script>alert(1)</script>"
STRAY = "file:f-stray"


def inventory(name: str = "train.jsonl"):
    made = {"id": DONE, "model": BASE, "status": "succeeded", "fine_tuned_model": f"{BASE}.ft-{'a' * 32}"}
    jobs = [
        made | {"training_file": "f-train"},
        {"id": GOING, "model": BASE, "status": "running", "training_file": "f-next"},
    ]
    files = [
        {"id": each, "purpose": "fine-tune", "filename": name, "bytes": 2_000_000, "created_at": 1}
        for each in ("f-train", "f-next", "f-stray")
    ]
    live = [{"name": "live", "model": f"{BASE}.ft-{'a' * 32}", "sku": "Standard"}]
    return build_inventory(
        place="contoso", jobs=jobs, files=files, deployments=live, now=datetime(2026, 11, 23, tzinfo=UTC)
    )


@pytest.fixture
def panel(workspace):
    made = CleanupPanel(workspace, log=None, read=lambda _: inventory(), spawn=at_once)
    made.load()
    return made


def test_it_shows_what_is_there_what_it_costs_and_what_needs_what(panel) -> None:
    shown = texts(panel.widget)

    assert "They cost $1.70 an hour" in shown
    assert f"needed by the running {GOING}" in shown
    assert "after its deployment live" in shown
    assert "unused: no job uses it" in shown
    assert "<meter" in shown


def test_before_it_has_read_nothing_can_be_pressed(workspace) -> None:
    fresh = CleanupPanel(workspace, log=None, read=lambda _: inventory(), spawn=at_once)

    assert fresh.delete_button.disabled
    assert fresh.grid.disabled
    assert fresh.plan.steps == ()


def test_a_selection_is_previewed_in_the_order_of_deletion(panel) -> None:
    panel.grid.picked = [STRAY, f"model:{DONE}", "deployment:live"]

    preview = texts(panel._plan)

    assert [step.key for step in panel.plan.steps] == ["deployment:live", f"model:{DONE}", STRAY]
    assert preview.index("live") < preview.index(DONE) < preview.index("f-stray")
    assert not panel.delete_button.disabled


def test_what_a_running_job_needs_stays_and_the_preview_says_why(panel) -> None:
    panel.grid.picked = ["file:f-next"]

    assert panel.plan.steps == ()
    assert panel.delete_button.disabled
    assert f"the running job {GOING} needs it" in texts(panel._plan)


def test_what_seems_unused_is_selected_by_one_click(panel) -> None:
    panel.unused_button.click()
    assert panel.selected == (STRAY,)

    panel.none_button.click()
    assert panel.selected == ()


def test_the_list_can_be_filtered_and_keeps_what_is_selected(panel) -> None:
    panel.grid.picked = [STRAY]

    panel.show_only.value = "what can be deleted now"
    assert {row["key"] for row in panel.grid.rows} == {"deployment:live", "file:f-train", STRAY}
    panel.find.value = "stray"
    assert panel.selected == (STRAY,)
    panel.find.value = "nothing like it"
    assert panel.selected == ()


def test_deleting_asks_first_and_no_deletes_nothing(panel, monkeypatch) -> None:
    monkeypatch.setattr("tunebook.widgets.clearing_panel.clear", lambda *_, **__: pytest.fail("deleted"))
    panel.grid.picked = [STRAY]

    panel.delete_button.click()
    assert panel._asking.layout.display == "flex"
    assert "This cannot be undone" in texts(panel._asking)
    panel.no_button.click()

    assert panel._asking.layout.display == "none"


def test_another_selection_takes_the_question_back(panel) -> None:
    panel.grid.picked = [STRAY]
    panel.delete_button.click()

    panel.grid.picked = [STRAY, "deployment:live"]

    assert panel._asking.layout.display == "none"


def test_a_resource_that_cannot_be_read_says_so(workspace) -> None:
    def read(_):
        raise ConnectionError("no network")

    panel = CleanupPanel(workspace, log=None, read=read, spawn=at_once)
    panel.load()

    assert "no network" in texts(panel.widget)
    assert not panel.refresh_button.disabled


def test_yes_deletes_at_the_service_and_shows_what_is_left(start, tmp_path) -> None:
    running = start("--idle", 600)
    ws = connect(running.endpoint, api_key=running.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.1)
    train, stray = running.upload(), running.upload(name="stray.jsonl")
    slow = ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=train, n_epochs=50, batch_size=1))
    panel = CleanupPanel(ws, log=tmp_path / "log.jsonl", spawn=at_once)
    panel.load()
    panel.grid.picked = [row["key"] for row in panel.grid.rows]

    panel.delete_button.click()
    panel.yes_button.click()

    assert [each.id for each in panel.cleared.deletions if each.outcome == "deleted"] == [stray]
    assert {file.id for file in ws.files.list("fine-tune")} == {train}
    assert "1 deleted" in texts(panel.widget)
    assert stray in (tmp_path / "log.jsonl").read_text()
    slow.cancel()


def test_a_saved_picture_stands_alone(panel) -> None:
    bundle = panel._repr_mimebundle_()

    assert "Run the cell again" in bundle["text/html"]
    assert "contoso holds 1 deployment" in bundle["text/plain"]


def test_names_from_outside_are_escaped() -> None:
    found = inventory(EVIL)
    gone = Deletion("now", EVIL, "file", EVIL, EVIL, "failed", EVIL)

    parts = [
        items_table(found.items, 1),
        *plan_parts(found.plan(found.items)),
        *summary(found),
        *deletion_lines([gone]),
    ]
    html = summary_html(found) + "".join(part.html() for part in parts)

    assert "<script>" not in html
    assert "&lt;script&gt;" in html
