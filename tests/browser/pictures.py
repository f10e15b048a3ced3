"""Take the README's pictures anew, light and dark: `python tests/browser/pictures.py`, from the top of the repository.

What is seen is the kit itself in a real JupyterLab, on the example data and the embedded service.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
from conftest import NAMES, Lab, Notebook

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "notebooks" / "images"
SETUP = f"""
import tunebook as tb
ws = tb.connect("local", say=bool)
train, valid = tb.read_dataset({str(ROOT / "data" / "support_tickets.jsonl")!r}).head(240).split(valid=0.25, seed=0)
files = {{"training_file": ws.files.upload(train).id, "validation_file": ws.files.upload(valid).id}}
for epochs, rate in ((2, 0.05), (6, 0.2), (4, 0.1)):
    request = tb.JobRequest(model="gpt-4.1-mini", **files, n_epochs=epochs, learning_rate_multiplier=rate, seed=1,
                            suffix=f"e{{epochs}}")
    ws.jobs.create(request).wait()
"""
CELLS = ("tb.job_form(ws, training=train, validation=valid)", "tb.watch(ws.jobs.list()[0].id, ws)", "tb.board(ws)")


def shoot(place: Page | Locator, name: str, theme: str, **how: object) -> None:
    place.screenshot(path=PICTURES / f"{name}-{theme}.png", **how)


def of_widgets(lab: Lab, page: Page) -> None:
    """The form, the live cell and the board, each as the output of its cell."""
    lab.write("pictures.ipynb", SETUP, *CELLS)
    notebook: Notebook = lab.open(page, "pictures.ipynb")
    notebook.run_all()
    page.wait_for_selector("button:has-text('Create job'):enabled")
    page.wait_for_selector(".tb-live .tb-chip:has-text('Succeeded')")
    page.wait_for_selector(".tb-grid tr:has-text('e2'):has-text('Succeeded')")
    page.get_by_label("suffix").fill("support-v1")
    page.get_by_label("n_epochs").fill("3")
    page.wait_for_selector("pre:has-text('n_epochs=3')")
    for theme in ("light", "dark"):
        notebook.theme(f"JupyterLab {theme.capitalize()}")
        for name, kind in (("form", ".tb-form"), ("live", ".tb-live"), ("board", ".jp-OutputArea-child:has(.tb-grid)")):
            shoot(page.locator(kind).first, name, theme)


def of_the_report(page: Page, folder: Path) -> None:
    """The first screen of the demo's report."""
    subprocess.run([sys.executable, "-m", "tunebook", "demo"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": 960, "height": 900})
        page.goto((folder / "tunebook-demo" / "report.html").as_uri())
        shoot(page, "report", theme)


def main() -> None:
    path = next(filter(None, map(shutil.which, NAMES)))
    home = Path(tempfile.mkdtemp())
    with Lab(home) as lab, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1100, "height": 2600})
        page.set_default_timeout(120_000)
        of_widgets(lab, page)
        of_the_report(page, home)
        chromium.close()


if __name__ == "__main__":
    main()
