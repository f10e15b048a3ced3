"""Plots in a notebook: on its own ground, in light and in dark."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from PIL import Image

import tunebook as tb

PLOT = """
import pandas as pd
import tunebook as tb
frame = pd.DataFrame({"step": range(1, 31), "train_loss": 1.0, "valid_loss": [1 + 2 * 0.5**k for k in range(30)]})
tb.plots.plot_loss(frame);
"""


@pytest.mark.parametrize(
    ("theme", "ground"), [("JupyterLab Light", (255, 255, 255)), ("JupyterLab Dark", (17, 17, 17))]
)
def test_a_plot_stands_on_the_ground_of_the_notebook(lab, page, theme, ground) -> None:
    lab.write("plots.ipynb", PLOT)
    notebook = lab.open(page, "plots.ipynb")
    notebook.theme(theme)
    notebook.run_all()

    drawn = page.locator(".jp-RenderedImage img")
    drawn.wait_for()
    seen = Image.open(io.BytesIO(drawn.screenshot())).convert("RGB")

    assert seen.getpixel((2, 2)) == ground
    notebook.shoot(f"plot_{theme[11:].lower()}")


def test_a_report_on_a_phone_shows_loss_verdict_and_step_of_every_job_without_scrolling_sideways(page, tmp_path):
    steps = range(1, 31)
    runs = [
        tb.Run(
            {"id": f"ftjob-{rate}", "suffix": f"lr{rate}", "model": "gpt-4.1", "hyperparameters": {"n_epochs": rate}},
            tb.load_results(pd.DataFrame({"step": steps, "valid_loss": [rate + 2 * 0.5**k for k in steps]})),
        )
        for rate in (1, 2)
    ]
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(tb.write_report(tb.compare(runs), tmp_path / "report.html").absolute().as_uri())

    for label in ("Loss", "Verdict", "Step to use"):
        cells = page.locator(f".ranking td[data-label='{label}']")
        boxes = [cell.bounding_box() for cell in cells.all()]
        assert [box["x"] >= 0 and box["x"] + box["width"] <= 400 for box in boxes] == [True, True]
    assert page.evaluate("document.documentElement.scrollWidth") == 400
