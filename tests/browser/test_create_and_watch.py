"""A person fills in the form, creates a job, watches it to the end, and saves the notebook."""

from __future__ import annotations

import json

import pytest

from .conftest import ARTEFACTS, serving

SETUP = """
import json, pathlib
lines = []
for i in range(40):
    question, answer = f"What is {i} plus {i + 1}?", f"That is {i + i + 1}, dear friend number {i % 5}."
    lines.append({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
pathlib.Path("sums.jsonl").write_text("\\n".join(map(json.dumps, lines)))
import tunebook as tb
ws = tb.connect("local")
train, valid = tb.read_dataset("sums.jsonl").split(valid=0.25, seed=0)
"""


SLOW_SETUP = SETUP.replace('connect("local")', 'connect("local", state="slow")')


@pytest.fixture
def slow(lab):
    """A service slow enough that a page sees each state: at full speed a job may have left the queue before."""
    with serving(lab.folder / "slow", lab.environment, pace=0.25):
        yield SLOW_SETUP


NAMELESS = """() => [...document.querySelectorAll('.jp-OutputArea :is(input, select, textarea, button)')]
    .filter(e => e.offsetParent && !(e.labels?.length || e.textContent.trim() || e.title || e.ariaLabel))
    .map(e => e.outerHTML)"""

SCROLLING = """() => [...document.querySelectorAll('.tb-form *')]
    .filter(e => e.offsetParent && /auto|scroll/.test(getComputedStyle(e).overflow) && e.tagName != 'TEXTAREA'
        && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)).map(e => e.className)"""


def test_a_job_is_filled_in_created_watched_to_the_end_and_kept_in_the_saved_notebook(lab, page, slow) -> None:
    path = lab.write("form.ipynb", slow, "form = tb.job_form(ws, training=train, validation=valid)\nform")
    notebook = lab.open(page, "form.ipynb")
    notebook.run_all()
    page.wait_for_selector("button:has-text('Create job'):enabled")

    page.get_by_label("suffix").fill("no good.")
    page.wait_for_selector("button:has-text('Create job'):disabled")
    page.get_by_label("suffix").fill("sums-v1")
    page.get_by_label("n_epochs").fill("3")
    page.wait_for_selector("pre:has-text('n_epochs=3')")
    page.wait_for_selector("button:has-text('Create job'):enabled")
    assert page.evaluate(NAMELESS) == [], "fields without a label that a screen reader can say"
    page.get_by_label("n_epochs").focus()
    page.keyboard.press("Tab")
    page.keyboard.type("2")  # into the next field in the order of reading
    page.wait_for_selector("pre:has-text('batch_size=2')")
    page.get_by_label("batch_size").fill("")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click(".tb-code button:has-text('Copy'):visible")
    page.wait_for_selector("button:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()").startswith("training = ws.files.upload(train)\n")
    assert page.evaluate(SCROLLING) == [], "scrollbars within the cell"
    notebook.shoot("form_light")
    notebook.theme("JupyterLab Dark")
    notebook.shoot("form_dark")
    notebook.theme("JupyterLab Light")

    page.click("button:has-text('Create job')")
    page.wait_for_selector(".widget-html .tb-chip:has-text('Waiting')")
    refresh = page.locator("button:has-text('Refresh')")
    before = refresh.bounding_box()
    page.wait_for_selector(".widget-html .tb-chip:has-text('Succeeded')", timeout=60_000)
    page.wait_for_selector(".widget-html td:has-text('recommended')")
    after = refresh.bounding_box()
    assert abs(after["y"] - before["y"]) < 40, "the buttons moved while the job was watched"
    notebook.shoot("finished_light")
    notebook.theme("JupyterLab Dark")
    notebook.shoot("finished_dark")
    notebook.theme("JupyterLab Light")

    saved = notebook.save(path)
    key = json.loads((lab.folder / "slow" / "service.json").read_text())["api_key"]
    assert "Succeeded" in saved
    assert key not in saved

    lab.shut_down_kernels(page)
    page.goto("about:blank")
    notebook = lab.open(page, "form.ipynb")
    page.wait_for_selector("span:text-is('✓ Succeeded'):visible")
    page.wait_for_timeout(3000)
    notebook.shoot("reopened_without_kernel")
    assert not page.locator("text=model not found").is_visible()
    assert (ARTEFACTS / "finished_dark.png").stat().st_size > 10_000
