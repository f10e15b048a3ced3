"""The same widgets in Notebook 7 and in Voilà: nothing in them is JupyterLab's own.

Skipped, with the reason, where the front end is not installed: `pip install notebook voila`.
"""

from __future__ import annotations

import pytest

from .conftest import ARTEFACTS, Seven, Voila, serving
from .test_create_and_watch import SLOW_SETUP
from .test_pause_and_board import chip

FORM = "form = tb.job_form(ws, training=train, validation=valid, n_epochs=40, suffix='long-one')\nform"
SHORT = """
files = {"training_file": ws.files.upload(train).id, "validation_file": ws.files.upload(valid).id}
tb.watch(ws.jobs.create(tb.JobRequest(model="gpt-4.1-mini", **files, n_epochs=1, batch_size=6, suffix="short-one")))
"""
CELLS = (SLOW_SETUP, FORM, SHORT, "tb.board(ws)", "tb.widgets.connect_form()")


def create_pause_resume_cancel(page) -> None:
    """The form becomes the live cell of a job too long to end by itself, which is steered; the board shows both."""
    page.click("button:has-text('Create job'):enabled")
    long = page.locator(".tb-live:has(.tb-title:has-text('long-one'))")
    long.locator("text=/step \\d+ of/").wait_for()  # before the first step the service refuses to pause
    long.locator("button:has-text('Pause'):enabled").click()
    long.locator(chip("Paused")).wait_for()
    long.locator("button:has-text('Resume'):enabled").click()
    long.locator(chip("Running")).wait_for()
    long.locator("button:has-text('Cancel job'):enabled").click()
    long.locator("button:has-text('Yes, cancel the job')").click()
    long.locator(chip("Cancelled")).wait_for()
    page.locator(".tb-live:has(.tb-title:has-text('short-one'))").locator(chip("Succeeded")).wait_for()  # by itself
    page.wait_for_selector("tr:has-text('short-one'):has-text('Succeeded'):visible")
    page.wait_for_selector("tr:has-text('long-one'):has-text('Cancelled'):visible")
    page.get_by_label("connect to").select_option("the embedded service on this machine")
    page.wait_for_selector("button:has-text('Connect'):enabled")


def test_notebook_7_shows_each_widget_live_and_keeps_its_picture(browser, page, tmp_path) -> None:
    del browser
    pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    with Seven(tmp_path) as seven, serving(seven.folder / "slow", seven.environment, pace=0.25):
        path = seven.write("all.ipynb", *CELLS)
        notebook = seven.open(page, "all.ipynb")
        notebook.run_all()
        page.wait_for_selector("button:has-text('Create job'):enabled")
        notebook.theme("JupyterLab Dark")
        notebook.shoot("notebook_7_form_dark")
        create_pause_resume_cancel(page)
        notebook.shoot("notebook_7_board_dark")
        saved = notebook.save(path)
        assert "Cancelled" in saved
        assert "Succeeded" in saved

        seven.shut_down_kernels(page)
        page.goto("about:blank")
        notebook = seven.open(page, "all.ipynb")
        page.wait_for_selector("span:has-text('■'):has-text('Cancelled'):visible")
        assert not page.locator("text=model not found").is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_voila_runs_the_widgets_as_a_page_of_their_own(browser, page, tmp_path, theme) -> None:
    del browser
    pytest.importorskip("voila", reason="Voilà is not installed")
    with Voila(tmp_path, theme=theme) as voila, serving(voila.folder / "slow", voila.environment, pace=0.25):
        page.goto(voila.serve(voila.write("page.ipynb", *CELLS)))
        page.wait_for_selector("button:has-text('Create job'):enabled")
        assert page.locator("text=import tunebook").count() == 0
        page.screenshot(path=ARTEFACTS / f"voila_form_{theme}.png")
        create_pause_resume_cancel(page)
        page.screenshot(path=ARTEFACTS / f"voila_board_{theme}.png")
