"""Trouble at the real embedded service, over HTTP: each kind is seen in the cell, none ends in silence."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from tunebook.service import JobRequest
from tunebook.widgets.form.form import JobForm
from tunebook.widgets.form.values import FormValues
from tunebook.widgets.live.cell import LiveCell
from tunebook.widgets.tables.job_board import Board

from .conftest import at_once, picture, texts

AWAY = {"error": {"code": "serviceUnavailable", "message": "away for a while"}}
REVOKED = {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}
GONE = {"error": {"code": "notFound", "message": "no such job <b>here</b>"}}


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    """The SDK waits half a second and more before it asks again; the answers below come at once."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.002)


def test_a_finished_job_is_rebuilt_from_its_id_alone(ws, tuned) -> None:
    cell = LiveCell(ws, tuned[0]).start()

    assert cell.ended.wait(20)
    seen = texts(cell.widget)
    assert "Succeeded" in seen
    assert "colours" in seen
    assert len(cell.checkpoint_choice.options) == 2
    cell.close()


def test_a_service_that_is_away_keeps_the_last_picture_says_so_and_recovers(mishap, tuned, until) -> None:
    seen = []
    pictures = iter([picture("running", job_id=tuned[0])])

    def follow(workspace, job_ids, *, sleep, clock, **_):
        from tunebook.service.watching import look

        last = {tuned[0]: next(pictures)}
        yield last
        for _ in range(50):
            last = look(workspace, job_ids, last, now=clock())
            yield last
            if last[tuned[0]].ended:
                return
            sleep(0.01)

    mishap("GET", tuned[0], 503, AWAY, times=6)
    cell = LiveCell(mishap.ws, tuned[0], follow=follow)
    show = cell.show_snapshot
    cell.show_snapshot = lambda snapshot: (show(snapshot), seen.append(cell._status.value))
    cell.start()

    until(lambda: any("The service answers 503. This picture is" in html for html in seen))
    assert cell.ended.wait(20)
    assert "Succeeded" in cell._status.value
    assert "503" not in cell._status.value
    cell.close()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, REVOKED, "The service refused the credentials (401)"),
        (404, GONE, "The service does not find it (404, notFound): no such job &lt;b&gt;here&lt;/b&gt;"),
    ],
)
def test_a_revoked_key_or_a_deleted_job_ends_the_watching_with_its_reason(mishap, tuned, status, body, words) -> None:
    mishap("GET", tuned[0], status, body)
    cell = LiveCell(mishap.ws, tuned[0]).start()

    assert cell.ended.wait(20)
    assert words in texts(cell.widget)
    assert "Refresh tries again" in texts(cell.widget)

    cell.refresh(wait_s=10)
    assert cell.ended.wait(20)
    assert "Succeeded" in texts(cell.widget)
    cell.close()


def test_a_refused_pause_is_explained_in_the_cell(ws, tuned) -> None:
    cell = LiveCell(ws, tuned[0], spawn=at_once)
    cell.show_snapshot(picture("running", job_id=tuned[0]))

    cell.pause_button.click()

    assert "cannot be paused" in texts(cell.widget)


def test_closing_the_cell_while_a_request_is_under_way_leaves_nothing_behind(tuned) -> None:
    under_way, let_go = threading.Event(), threading.Event()

    def follow(*_, **__):
        under_way.set()
        let_go.wait(10)
        yield {tuned[0]: picture(job_id=tuned[0])}

    cell = LiveCell(SimpleNamespace(name="contoso"), tuned[0], follow=follow).start()
    assert under_way.wait(10)

    cell.close()
    let_go.set()
    cell._watcher.join(10)

    assert not cell._watcher.is_alive()
    assert cell.snapshot is None


def test_the_form_creates_at_the_service_what_its_python_code_says(ws, tuned, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    _, train, valid = tuned
    values = FormValues(model="gpt-4.1-nano", n_epochs="1", batch_size="6", suffix="from-a-form", seed="3")
    form = JobForm(ws, values, {"training": train, "validation": valid}, spawn=at_once)

    form.create_button.click()

    assert form.live.ended.wait(30)
    assert form.job.differences == ()
    made = ws.jobs.retrieve(form.job.id).job
    assert (made.seed, made.method.supervised.hyperparameters.n_epochs) == (3, 1)
    form.live.close()


def test_a_local_file_is_checked_counted_uploaded_and_used(ws, monkeypatch, tmp_path) -> None:
    line = '{"messages": [{"role": "user", "content": "Say %d"}, {"role": "assistant", "content": "%d then"}]}'
    (tmp_path / "mine.jsonl").write_text("\n".join(line % (i, i) for i in range(12)))
    monkeypatch.chdir(tmp_path)
    form = JobForm(ws, FormValues(n_epochs="1"), {"training": "mine.jsonl"}, spawn=at_once)
    assert "12 examples" in texts(form.widget)

    sent = []
    picker = form._pickers["training"]
    picker.progress.observe(lambda change: sent.append(change["new"]), "value")
    form.create_button.click()

    assert form.job is not None, texts(form.widget)
    assert sent[-1] == 100
    assert form.job.job.training_file == picker.choice.file_id
    form.live.close()


def test_a_bad_local_file_is_named_line_by_line_and_cannot_be_sent(ws, monkeypatch, tmp_path) -> None:
    (tmp_path / "bad.jsonl").write_text("<script>not json</script>\n" * 12)
    monkeypatch.chdir(tmp_path)
    form = JobForm(ws, FormValues(), {"training": "bad.jsonl"}, spawn=at_once)

    seen = texts(form.widget)
    assert "Line 1" in seen
    assert "<script>" not in seen
    assert form.create_button.disabled


def test_the_board_reads_the_service_and_marks_a_job_whose_results_are_gone(mishap, tuned) -> None:
    result = mishap.ws.jobs.retrieve(tuned[0]).job.result_files[0]
    mishap("GET", f"{result}/content", 404, GONE, times=3)
    board = Board((mishap.ws,), limit=1000, spawn=at_once).read_once()

    row = next(row for row in board.rows if row.job_id == tuned[0])
    assert "Results: The service does not find it (404, notFound)" in row.problem
    assert "no such job &lt;b&gt;here&lt;/b&gt;" in texts(board.widget)
    board.close()


def test_the_board_says_why_it_cannot_read_the_list(mishap) -> None:
    mishap("GET", "/fine_tuning/jobs", 401, REVOKED)
    board = Board((mishap.ws,)).start()

    board._watchers[0].join(20)

    assert "The service refused the credentials (401)" in texts(board.widget)
    board.close()


def test_a_running_job_gets_its_total_steps_and_checkpoints_while_it_trains(ws, tuned, until) -> None:
    _, train, valid = tuned
    request = JobRequest(model="gpt-4.1-nano", training_file=train, validation_file=valid, n_epochs=50, batch_size=1)
    job = ws.jobs.create(request)
    cell = LiveCell(ws, job.id).start()

    until(lambda: cell.snapshot and not cell.snapshot.ended and cell.snapshot.checkpoints)
    assert cell.snapshot.total_steps == 600

    job.cancel()
    assert cell.ended.wait(20)
    cell.close()
    cell._watcher.join(10)
    assert not cell._watcher.is_alive()
