"""How quick reports are: `python tests/benchmarks/report.py [--jobs 20] [--steps 2000]`.

Prints the time of comparing and of writing the page, its size, and how long Chromium takes to open it (its own load
event, the browser already running). Limits: 20 jobs x 2,000 steps in under 1 s and 1 MB, opened in under 1 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from conftest import make_run
from tunebook.analysis.sweeps.comparison import compare
from tunebook.report import write_report
from tunebook.report.printing import find_chromium


def opened_in(page: Path) -> float:
    """Seconds from the start of loading to the load event."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(page.as_uri())
        took = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        browser.close()
    return took / 1000


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--jobs", type=int, default=20)
    asked.add_argument("--steps", type=int, default=2000)
    given = asked.parse_args()
    runs = [
        make_run(n, n_epochs=4, steps=given.steps // 4, multiplier=0.05 * (1 + n % 5), low=0.4 + n / 50, rise=n % 3 / 4)
        for n in range(given.jobs)
    ]
    started = time.perf_counter()
    comparison = compare(runs)
    compared, worked = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        page = write_report(comparison, Path(folder, "report.html"))
        written, done = time.perf_counter(), time.process_time()
        print(f"{given.jobs} jobs x {given.steps:,} steps")
        print(f"compare       {compared - started:6.2f} s")
        print(f"write_report  {written - compared:6.2f} s, of it {done - worked:.2f} s of processor time")
        print(f"size          {page.stat().st_size / 1e6:6.2f} MB")
        print(f"opened in     {opened_in(page):6.2f} s")


if __name__ == "__main__":
    main()
