"""Make the README's picture: run the demo on the embedded service and photograph its report.

    python notebooks/images/make_images.py

Needs the `dev` extra and Chromium; the figures in the picture come from the jobs it has just trained.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tunebook.demo import DemoOptions, run_demo

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "data"


def main() -> None:
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        raise SystemExit("Chromium is not found: install it from your distribution's packages.")
    with tempfile.TemporaryDirectory() as folder:
        options = DemoOptions(DATA / "support_tickets.jsonl", out=Path(folder) / "demo", state=Path(folder) / "state")
        report = run_demo(options)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1080, "height": 1280}, device_scale_factor=1.5)
            page.goto(report.resolve().as_uri())
            page.screenshot(path=HERE / "report.png")
            browser.close()
    print(HERE / "report.png")


if __name__ == "__main__":
    main()
