"""A person runs a sweep in the background, works on in another cell, and finds its picture in the saved notebook."""

from __future__ import annotations

import pytest

from .conftest import serving

SETUP = """
import tunebook as tb
said = [(f"Is {i} even?", "no" if i % 2 else "yes") for i in range(30)]
rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in said]
ws = tb.connect("local", state="sweeping")
train, valid = tb.read_dataset(rows).split(valid=0.3, seed=0)
files = [ws.files.upload(part).id for part in (train, valid)]
request = tb.JobRequest(model="gpt-4.1-nano", training_file=files[0], validation_file=files[1], batch_size=4)
sweep = tb.Sweep(request, {"n_epochs": [2, 6], "learning_rate_multiplier": [0.1, 0.3]}, file_tokens=600)
"""


@pytest.fixture
def slow(lab):
    with serving(lab.folder / "sweeping", lab.environment, pace=0.2):
        yield


@pytest.mark.usefixtures("slow")
def test_a_sweep_in_the_background_shows_its_trials_and_leaves_the_kernel_free(lab, page) -> None:
    path = lab.write("sweep.ipynb", SETUP, "sweep.run(ws, at_once=2, background=True);", "print('free', 6 * 7)")
    notebook = lab.open(page, "sweep.ipynb")
    notebook.run_all()

    page.wait_for_selector("text=free 42")
    assert page.locator("text=0 of 4 jobs ended").is_visible(), "the other cell ran while the jobs were at it"
    page.wait_for_selector("tr:has-text('epochs 6'):has-text('Running')")
    notebook.shoot("sweep_light")
    notebook.theme("JupyterLab Dark")
    notebook.shoot("sweep_dark")
    page.set_viewport_size({"width": 700, "height": 900})
    notebook.shoot("sweep_700")
    page.wait_for_selector("text=4 of 4 jobs ended")
    saved = notebook.save(path)

    assert "4 of 4 jobs ended" in saved
    assert "widget-view" not in saved
