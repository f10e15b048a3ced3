"""A live cell as it is seen: at every width, and after its kernel was restarted."""

from __future__ import annotations

from .test_create_and_watch import SETUP

CREATE = """
files = {"training_file": ws.files.upload(train).id, "validation_file": ws.files.upload(valid).id}
job = ws.jobs.create(tb.JobRequest(model="gpt-4.1-mini", **files, n_epochs=3, suffix="seen"))
cell = tb.watch(job)
"""
CUT_OFF = """() => {
    const cell = document.querySelector('.tb-live'), edge = cell.getBoundingClientRect().right + 1
    return [...cell.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > edge).map(e => e.outerHTML)
}"""


def test_nothing_is_cut_off_at_any_width_and_a_restart_leaves_the_picture(lab, page) -> None:
    lab.write("seen.ipynb", SETUP, CREATE)
    notebook = lab.open(page, "seen.ipynb")
    notebook.run_all()
    page.wait_for_selector(".widget-html .tb-chip:has-text('Succeeded')")
    page.wait_for_selector(".widget-html td:has-text('ckpt-step')")

    cut_off = {}
    for width in range(600, 1260, 20):  # of the window: 100 px less for the cell
        page.set_viewport_size({"width": width, "height": 1300})
        page.wait_for_timeout(100)
        cut_off[width] = page.evaluate(CUT_OFF)
    assert {width: elements for width, elements in cut_off.items() if elements} == {}
    page.set_viewport_size({"width": 800, "height": 1500})
    notebook.shoot("live_cell_narrow")

    notebook.command("kernelmenu:restart")
    page.click("button:has-text('Restart')")
    page.wait_for_selector("text=Saved picture. tb.watch", timeout=30_000)
    assert not page.locator("button:has-text('Refresh')").is_visible()
    notebook.shoot("live_cell_after_restart")
