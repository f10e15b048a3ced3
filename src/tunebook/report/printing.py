"""Print a page to PDF with a Chromium that is on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tunebook.errors import TunebookError

# Commands and places of browsers that print from the command line, the plainest first.
_COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
    "headless_shell",
)
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
# A page of 40 curves prints in about two seconds; a browser that has not answered after this never will.
_PATIENCE_S = 90.0


def find_chromium(given: Any = None) -> str:
    """The command of a browser that can print: `given`, `TUNEBOOK_CHROMIUM`, or what is installed.

    Raises TunebookError, saying what to do, when there is none.
    """
    asked = given or os.environ.get("TUNEBOOK_CHROMIUM")
    if asked:
        command = shutil.which(str(asked))
        if command:
            return command
        raise TunebookError(
            f"{asked}: no browser is there that could print the PDF. Give the path of Chromium, Chrome or Edge, "
            "or write the report as .html and print it from a browser."
        )
    for name in (*_COMMANDS, *_PLACES):
        if command := shutil.which(name):
            return command
    raise TunebookError(
        "No Chromium, Chrome or Edge was found to print the PDF. Install one, set TUNEBOOK_CHROMIUM to its path, "
        "or write the report as .html and print it from a browser."
    )


def print_page(page: bytes, chromium: Any = None, *, patience_s: float = _PATIENCE_S) -> bytes:
    """The page as a PDF on A4, as its own print style asks. The browser gets an empty profile and no network."""
    browser = find_chromium(chromium)
    with tempfile.TemporaryDirectory(prefix="tunebook-print-") as folder:
        source, target = Path(folder, "report.html"), Path(folder, "report.pdf")
        source.write_bytes(page)
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={Path(folder, 'profile')}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={target}",
            source.as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium refuses its sandbox to root, as in a container
        try:
            done = subprocess.run(command, capture_output=True, timeout=patience_s, check=False)  # noqa: S603 - a browser of the user's
            messages = done.stderr.decode(errors="replace").strip().splitlines()
        except subprocess.TimeoutExpired:
            messages = [f"no answer within {patience_s:g} s"]
        except OSError as error:
            messages = [str(error)]
        if not target.is_file():
            raise TunebookError(
                f"{browser} did not print the PDF: {messages[-1] if messages else 'no message'}. "
                "Write the report as .html and print it from a browser, or set TUNEBOOK_CHROMIUM to another one."
            )
        return target.read_bytes()
