"""`tunebook doctor`: is everything here that the kit needs, and does the service answer? What to do where not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tunebook.catalogue import Catalogue, load_catalogue
from tunebook.service.refusals import reason

_PACKAGES = ("openai", "pandas", "scikit-learn", "matplotlib", "jupyterlab")
_CATALOGUE_DAYS = 180  # models and limits have changed every few months


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` is "ok", "note" or "wrong"; `advice` says what to do."""

    subject: str
    state: str
    told: str
    advice: str = ""

    def __str__(self) -> str:
        mark = {"ok": "✓ ok   ", "note": "· note ", "wrong": "✗ wrong"}[self.state]
        line = f"{mark}  {self.subject:<12}  {self.told}"
        return f"{line}\n{'':23}→ {self.advice}" if self.advice else line


def examine(connect: Callable[[], Any], today: date) -> Iterator[Finding]:
    """Everything looked at, one after the other; `connect` opens the workspace to ask."""
    yield Finding("python", "ok", sys.version.split()[0])
    for name in ("tunebook", *_PACKAGES):
        yield _package(name)
    yield _kernel()
    yield _widgets()
    catalogue = load_catalogue()
    yield _age(catalogue, today)
    yield from _service(connect, catalogue)


def _package(name: str, advice: str = "") -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, "wrong", "not installed", advice or f"pip install {name}")


def _kernel() -> Finding:
    """The kernel that JupyterLab offers first has to run the Python in which tunebook is installed."""
    found = _package("ipykernel", "pip install ipykernel: without a kernel no cell runs")
    if found.state != "ok":
        return found
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:  # JupyterLab's finding says what is missing
        return found
    try:
        interpreter = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Finding(
            "kernel", "wrong", "no kernel 'python3' is there", f"{sys.executable} -m ipykernel install --sys-prefix"
        )
    if Path(interpreter).name != interpreter and not _same(interpreter, sys.executable):
        told = f"notebooks run {interpreter}, and tunebook is in {sys.executable}"
        advice = f"{sys.executable} -m ipykernel install --user --name tunebook, and choose that kernel"
        return Finding("kernel", "note", told, advice)
    return Finding("kernel", "ok", f"ipykernel {version('ipykernel')}, in this environment")


def _same(one: str, other: str) -> bool:
    """Whether two interpreters are of one environment: links in different environments lead to one Python."""
    return os.path.normcase(Path(one).parent) == os.path.normcase(Path(other).parent)


def _widgets() -> Finding:
    """ipywidgets needs its front end beside it, in the environment that runs JupyterLab."""
    missing = [name for name in ("ipywidgets", "jupyterlab-widgets", "anywidget") if _package(name).state != "ok"]
    if missing:
        advice = f"pip install {' '.join(missing)} in the environment that runs JupyterLab, and reload the page"
        return Finding("widgets", "wrong", f"{' and '.join(missing)} not installed", advice)
    return Finding("widgets", "ok", f"ipywidgets {version('ipywidgets')} with its front end")


def _age(catalogue: Catalogue, today: date) -> Finding:
    days = (today - catalogue.as_of).days
    told = f"models, limits and prices as of {catalogue.as_of}"
    if days > _CATALOGUE_DAYS:
        return Finding("catalogue", "note", f"{told}, {days} days old", "lay newer facts over it: TUNEBOOK_CATALOGUE=…")
    return Finding("catalogue", "ok", told)


def _service(connect: Callable[[], Any], catalogue: Catalogue) -> Iterator[Finding]:
    try:
        workspace = connect()
        jobs = workspace.jobs.list(limit=100)
        files = workspace.files.list()
    except Exception as error:  # whatever it is: the doctor says it and goes on
        yield Finding("service", "wrong", *reason(error))
    else:
        yield Finding("service", "ok", f"{workspace.name} answers: {workspace.kind} at {workspace.endpoint}")
        yield _quota("jobs", len(jobs), catalogue.limit("jobs_per_resource"))
        tuning = [file for file in files if file.purpose == "fine-tune"]
        yield _quota("files", len(tuning), catalogue.limit("files_per_resource"))


def _quota(what: str, used: int, limit: int) -> Finding:
    told = f"{used} of {limit}"
    if used >= 0.9 * limit:
        return Finding(what, "note", f"{told}: nearly full", "delete what is not needed: tunebook.widgets.cleanup(ws)")
    return Finding(what, "ok", told)
