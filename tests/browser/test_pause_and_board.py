"""Buttons while another cell runs, the board, the connect form: in a browser."""

from __future__ import annotations

from .test_create_and_watch import SETUP

CREATE = """
files = {"training_file": ws.files.upload(train).id, "validation_file": ws.files.upload(valid).id}
job = ws.jobs.create(tb.JobRequest(model="gpt-4.1-mini", **files, n_epochs=40, suffix="long-one"))
cell = tb.watch(job)
"""
BUSY = """
import time
until = time.time() + 60
while time.time() < until and not job.refresh().ended:
    time.sleep(0.1)
print("the busy cell saw", job.status)
"""


def chip(words: str) -> str:
    return f".widget-html .tb-chip:has-text('{words}')"


def test_a_job_is_paused_resumed_and_cancelled_while_another_cell_runs(lab, page) -> None:
    lab.write("watch.ipynb", SETUP, CREATE, BUSY)
    notebook = lab.open(page, "watch.ipynb")
    notebook.run_all()
    page.wait_for_selector("button:has-text('Pause'):enabled")
    page.wait_for_function("[...document.querySelectorAll('.jp-InputPrompt')].some(e => e.textContent == '[*]:')")

    page.click("button:has-text('Pause')")
    page.wait_for_selector(chip("Paused"))
    notebook.shoot("paused_light")
    page.click("button:has-text('Resume')")
    page.wait_for_selector(chip("Running"))
    page.click("button:has-text('Cancel job')")
    notebook.shoot("asked_light")
    page.click("button:has-text('Yes, cancel the job')")
    page.wait_for_selector(chip("Cancelled"))

    page.wait_for_selector("text=the busy cell saw cancelled")


def test_the_board_filters_and_overlays_what_is_picked(lab, page) -> None:
    make = """
files = {"training_file": ws.files.upload(train).id, "validation_file": ws.files.upload(valid).id}
for n_epochs in (1, 2, 4):
    ws.jobs.create(tb.JobRequest(model="gpt-4.1-mini", **files, n_epochs=n_epochs, suffix=f"sweep-{n_epochs}"))
"""
    lab.write("board.ipynb", SETUP, make, "board = tb.widgets.board(ws)\nboard", "tb.widgets.connect_form()")
    notebook = lab.open(page, "board.ipynb")
    notebook.run_all()
    page.wait_for_selector("tr:has-text('sweep-4'):has-text('Succeeded'):visible", timeout=60_000)
    page.wait_for_selector("tr:has-text('sweep-1'):has-text('Succeeded'):visible")

    page.get_by_label("find").fill("sweep")
    page.wait_for_selector("caption:has-text('3 of'):visible")
    page.get_by_label("all rows").check()
    page.wait_for_selector("caption:has-text('Overlaid curves'):visible")
    page.click("button:has-text('Rank the picked jobs')")
    page.wait_for_selector("text=board.comparison")

    page.click("th button:has-text('progress')")
    page.wait_for_selector("th[aria-sort='descending'] button:has-text('progress')")
    page.click("th button:has-text('progress')")
    page.wait_for_selector("th[aria-sort='ascending'] button:has-text('progress')")
    notebook.shoot("board_light")
    notebook.theme("JupyterLab Dark")
    notebook.shoot("board_dark")
    notebook.theme("JupyterLab Light")
