"""JupyterLab on a temporary folder with the embedded service, driven by a real, headless Chromium.

Skipped, with the reason, where no Chromium is found: on the path, or installed by `playwright install chromium`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pytest

ARTEFACTS = Path(__file__).parent / "artefacts"
TOKEN = "browser-tests"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A headless Chromium, one for all tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, NAMES)), None) or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip(f"no Chromium: none of {', '.join(NAMES)} on the path, none installed by playwright")
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory) -> Iterator[Lab]:
    """A JupyterLab server of its own: own folders, own settings, own embedded service."""
    del browser  # asked for first: without one nothing else is started
    home = tmp_path_factory.mktemp("lab")
    ARTEFACTS.mkdir(exist_ok=True)
    with Lab(home) as running:
        yield running


@contextmanager
def serving(folder: Path, environment: Mapping[str, str], pace: float) -> Iterator[Path]:
    """An embedded service on `folder` that takes `pace` seconds a step: a page sees each state, however busy it is."""
    command = [sys.executable, "-m", "tunebook_local", "--state", str(folder), "--pace", str(pace), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout.readline()
        yield folder
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


class Lab:
    """A running JupyterLab: `folder` is what it shows, `open` gives a notebook in a browser page."""

    module, page_of = "jupyterlab", "doc/tree"
    options = ("--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly")

    def __init__(self, home: Path) -> None:
        self.home, self.folder, self.state = home, home / "notebooks", home / "service"
        self.folder.mkdir()
        self._set("apputils-extension", "notification", {"fetchNews": "false", "checkForUpdates": False})
        self._set("notebook-extension", "tracker", {"windowingMode": "none"})  # what is out of sight is there as well
        self.environment = os.environ | {
            "TUNEBOOK_STATE": str(self.state),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "IPYTHONDIR": str(home / "ipython"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.environment.pop("AZURE_OPENAI_ENDPOINT", None)

    def _set(self, extension: str, plugin: str, settings: Mapping[str, object]) -> None:
        folder = self.home / "settings" / "@jupyterlab" / extension
        folder.mkdir(parents=True)
        (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(settings))

    def __enter__(self) -> Lab:
        command = [sys.executable, "-m", self.module, "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
        command += [f"--ServerApp.root_dir={self.folder}", f"--IdentityProvider.token={TOKEN}", *self.options]
        self.log = self.home / "lab.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=self.folder)
        self.address = self._address(time.monotonic() + 60)
        return self

    def _address(self, until: float) -> str:
        while time.monotonic() < until:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/(?:lab|tree)", self.log.read_text("utf-8", "replace"))
            if found:
                return f"http://127.0.0.1:{found.group(1)}"
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{self.module} did not start:\n{self.log.read_text('utf-8', 'replace')}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)  # a kernel that restarts takes its time
        for record in (self.state / "service.json", *self.folder.glob("*/service.json")):
            if record.exists():  # an embedded service that a notebook started lives in a session of its own
                os.kill(json.loads(record.read_text())["pid"], 15)

    def write(self, name: str, *cells: str) -> Path:
        """A notebook of code cells in the folder."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.folder / name
        nbformat.write(notebook, path)
        return path

    def open(self, page, name: str) -> Notebook:
        """The notebook in this page, ready to run."""
        page.goto(f"{self.address}/{self.page_of}/{name}?token={TOKEN}&reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        return Notebook(page, self)

    def shut_down_kernels(self, page) -> None:
        """End every kernel, as a restart of the machine would."""
        base, query = f"{self.address}/api/sessions", f"?token={TOKEN}"
        for session in page.context.request.get(base + query).json():
            page.context.request.delete(f"{base}/{session['id']}{query}")


class Seven(Lab):
    """A running Notebook 7: one notebook a page, the same commands."""

    module, page_of = "notebook", "notebooks"
    options = ("--JupyterNotebookApp.expose_app_in_browser=True",)


class Voila(Lab):
    """One notebook as a page of its own: its code is run, and not shown."""

    def __init__(self, home: Path, *, theme: str) -> None:
        super().__init__(home)
        self.theme = theme

    def serve(self, path: Path) -> str:
        """Start Voilà for this notebook; the address of its page."""
        command = [sys.executable, "-m", "voila", str(path), "--no-browser", "--Voila.ip=127.0.0.1"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command += [f"--port={port}", f"--theme={self.theme}"]
        self.log = self.home / "voila.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return f"http://127.0.0.1:{port}/"
            time.sleep(0.1)
        raise RuntimeError(f"Voilà did not start:\n{self.log.read_text('utf-8', 'replace')}")

    def __enter__(self) -> Voila:
        return self


class Notebook:
    """A notebook open in a page."""

    def __init__(self, page, lab: Lab) -> None:
        self.page, self.lab = page, lab

    def command(self, name: str, **arguments: object) -> None:
        """Run a command of JupyterLab."""
        self.page.evaluate("([name, args]) => { window.jupyterapp.commands.execute(name, args) }", [name, arguments])

    def run_all(self) -> None:
        self.page.wait_for_function(
            "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )
        self.command("notebook:run-all-cells")

    def wait_until_run(self, cells: int, timeout: float = 60_000) -> None:
        """Until the first `cells` cells have a number for their execution."""
        self.page.wait_for_function(
            "n => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].slice(0, n)"
            ".every(e => /\\d/.test(e.textContent))",
            arg=cells,
            timeout=timeout,
        )

    def save(self, path: Path) -> str:
        """Save and return the text of the file, once it is newer than it was."""
        before = path.stat().st_mtime_ns
        self.command("docmanager:save")
        until = time.monotonic() + 20
        while (path.stat().st_mtime_ns == before or not path.stat().st_size) and time.monotonic() < until:
            self.page.wait_for_timeout(50)  # a file that is empty is being written
        return path.read_text("utf-8")

    def theme(self, name: str) -> None:
        """`JupyterLab Light` or `JupyterLab Dark`."""
        self.command("apputils:change-theme", theme=name)
        light = "true" if "Light" in name else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")
        self.page.wait_for_timeout(600)  # the new style sheet is fetched after the attribute is set

    def shoot(self, name: str) -> None:
        """A screenshot among the artefacts."""
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")


@pytest.fixture
def page(browser, request) -> Iterator:
    """A fresh page, tall enough for a whole live cell."""
    context = browser.new_context(viewport={"width": 1200, "height": 1300})
    opened = context.new_page()
    opened.set_default_timeout(60_000)  # a busy machine; a quiet one needs two seconds
    yield opened
    opened.screenshot(path=ARTEFACTS / f"last_page_of_{request.node.name[:100]}.png")  # what a failed test saw
    context.close()
