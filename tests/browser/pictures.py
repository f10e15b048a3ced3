"""Take the README's pictures anew, light and dark: `python tests/browser/pictures.py`, from the top of the repository.

What is seen is the kit itself in a real JupyterLab: the four jobs of `tunebook demo` on the embedded service, and
the report it writes.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
from conftest import NAMES, Lab

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "notebooks" / "images"
THEMES = {"light": "#ffffff", "dark": "#111111"}
SETUP = f"""
import tunebook as tb
ws = tb.connect("local", say=bool)
data = tb.read_dataset({str(ROOT / "data" / "support_tickets.jsonl")!r}).head(600)
train, valid = data.split(valid=0.2, seed=0)
job = next(job for job in ws.jobs.list() if "e6-lr0_2" in str(job.job))
"""
CELLS = ("tb.job_form(ws, training=train, validation=valid)", "tb.watch(job.id, ws)", "tb.board(ws)")


def of_widgets(lab: Lab, page: Page, theme: str) -> dict[str, bytes]:
    """The form, the live cell and the board, each as the output of its cell."""
    notebook = lab.open(page, "pictures.ipynb")
    notebook.theme(f"JupyterLab {theme.capitalize()}")
    notebook.run_all()
    page.wait_for_selector("button:has-text('Create job'):enabled")
    page.wait_for_selector(".tb-live .tb-chip:has-text('Succeeded')")
    page.wait_for_selector(".tb-grid tr:has-text('e6-lr0_2'):has-text('Overfitting')")
    page.get_by_label("suffix").fill("support-v1")
    page.get_by_label("n_epochs").fill("6")
    page.wait_for_selector("pre:has-text('n_epochs=6')")
    kinds = {"form": ".tb-form", "live": ".tb-live", "board": ".jp-OutputArea-output:has(.tb-grid)"}
    return {name: page.locator(kind).first.screenshot() for name, kind in kinds.items()}


def side_by_side(chromium: Browser, form: bytes, live: bytes, theme: str) -> None:
    """The form and the live cell it turns into, in one picture."""
    shown = "".join(
        f'<img src="data:image/png;base64,{base64.b64encode(picture).decode()}" style="flex:{wide};min-width:0;'
        f"height:560px;object-fit:cover;object-position:top left;padding:10px;box-sizing:border-box;"
        'border:1px solid #8886;border-radius:6px">'
        for picture, wide in ((form, 44), (live, 56))
    )
    page = chromium.new_page(viewport={"width": 1520, "height": 600}, device_scale_factor=1)
    row = f'<div style="display:flex;gap:18px;padding:14px">{shown}</div>'
    page.set_content(f'<body style="margin:0;background:{THEMES[theme]}">{row}')
    page.screenshot(path=PICTURES / f"form-and-live-{theme}.png")
    page.close()


def main() -> None:
    path = next(filter(None, map(shutil.which, NAMES)))
    home = Path(tempfile.mkdtemp())
    with Lab(home) as lab, sync_playwright() as playwright:
        demo = [sys.executable, "-m", "tunebook", "demo"]
        subprocess.run(demo, cwd=home, env=lab.environment, check=True, stdout=subprocess.DEVNULL)
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1240, "height": 2600})
        page.set_default_timeout(120_000)
        lab.write("pictures.ipynb", SETUP, *CELLS)
        for theme in THEMES:
            taken = of_widgets(lab, page, theme)
            (PICTURES / f"board-{theme}.png").write_bytes(taken["board"])
            side_by_side(chromium, taken["form"], taken["live"], theme)
        page.set_viewport_size({"width": 960, "height": 560})
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            page.goto((home / "tunebook-demo" / "report.html").as_uri())
            page.screenshot(path=PICTURES / f"report-{theme}.png")
        chromium.close()


if __name__ == "__main__":
    main()
