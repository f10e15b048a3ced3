"""The verbs that open something: the demo, JupyterLab, the service, the server for agents, and what agents read."""

from __future__ import annotations

import json
import os
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from time import time
from typing import Any

from tunebook.cli.asking import amount, says_yes
from tunebook.cli.output import connected, say
from tunebook.errors import RequestError

Verb = Callable[..., ArgumentParser]
_REPOSITORY = Path(__file__).parents[3]


def add(verb: Verb, verbs: Any) -> None:
    demo = verb("demo", _demo, "Do the whole job on this machine, without an account, and write a report.", tells=False)
    demo.add_argument("--train", type=Path, metavar="FILE", help="your training file (default: example data)")
    demo.add_argument("--valid", type=Path, metavar="FILE", help="your validation file (default: a fifth is split off)")
    demo.add_argument("--all", action="store_true", help="use all examples, not only the first 600")
    demo.add_argument("--out", type=Path, default=Path("tunebook-demo"), metavar="DIR", help="where the report goes")

    help_ = "Open JupyterLab at the quickstart notebook; options not listed here are JupyterLab's."
    opened = verb("lab", lab, help_, tells=False)
    opened.add_argument("--folder", type=Path, help="where to copy the notebooks when installed without the repository")

    verbs.add_parser("serve", help="Run the embedded service in the foreground (`tunebook serve --help`).")

    verb(
        "agents", _agents, "Print what an agent has to know: what to call for which question, what never.", tells=False
    )

    mcp = verb("mcp", _mcp, "Serve an agent over the Model Context Protocol (standard input and output).", tells=False)
    mcp.add_argument(
        "--folder", type=Path, default=Path(), help="the only folder it may read and write (default: here)"
    )
    mcp.add_argument(
        "--budget-usd", type=amount, default=0.0, metavar="USD", help="what may be approved in all (default: nothing)"
    )

    approve = verb(
        "approve", _approve, "Approve what an agent has planned, at a terminal; alone, list what waits.", tells=False
    )
    approve.add_argument("code", nargs="?", metavar="CODE")
    approve.add_argument("--no", action="store_true", help="decline it")

    schema = verb("schema", _schema, "Print the JSON Schema of what a verb's --json prints.", tells=False)
    schema.add_argument("of", nargs="*", metavar="VERB", help="e.g. jobs list; alone, all that have one")


def _demo(options: Namespace) -> int:
    from tunebook.demo import DemoOptions, run_demo

    train = options.train or _examples() / "data" / "support_tickets.jsonl"
    run_demo(DemoOptions(train=train, valid=options.valid, all_examples=options.all, out=options.out))
    return 0


def lab(options: Namespace) -> int:
    home = _examples()
    if home != _REPOSITORY:  # installed as a package: work on a copy the user owns
        folder = options.folder or Path.cwd() / "tunebook-notebooks"
        for part in ("notebooks", "data"):
            if not (folder / part).exists():
                shutil.copytree(home / part, folder / part)
        print(f"The notebooks and their data are in {folder}.")
        home = folder
    notebook = home / "notebooks" / "01_quickstart.ipynb"
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]  # in this process: Lab ends when it ends

    passed_on = [argument for argument in options.arguments if argument != "--"]
    LabApp.launch_instance([f"--notebook-dir={home}", str(notebook), *passed_on])
    return 0


def _agents(_: Namespace) -> int:
    from tunebook.agents import page

    print(page())
    return 0


def _mcp(options: Namespace) -> int:
    from tunebook.report.export import need

    need("mcp", "mcp", "`tunebook mcp`")
    from tunebook.agents.server import serve

    if not options.folder.is_dir():
        raise RequestError(f"--folder {options.folder}: there is no such folder.")
    os.chdir(options.folder)
    serve(connected(), folder=Path.cwd(), state=_state(), budget_usd=options.budget_usd)
    return 0


def _state() -> Path:
    from tunebook.catalogue import state_folder

    return state_folder(os.environ)


def _approve(options: Namespace) -> int:
    from tunebook.agents.approvals import Approvals, Decision

    approvals = Approvals(_state() / "approvals", time)
    if options.code is None:
        print("\n".join(map(str, approvals.waiting())) or "Nothing waits for approval.")
        return 0
    asked = approvals.find(options.code)
    say(asked)
    nobody = "A person approves, at a terminal. Nothing was approved."
    yes = not options.no and says_yes("Approve?", nobody=nobody)
    decision: Decision = "approved" if yes else "declined"
    approvals.decide(asked.code, decision)
    print(f"{decision.capitalize()}.")
    return 0 if yes or options.no else 1


def _schema(options: Namespace) -> int:
    from tunebook.cli.answers import ANSWERS, schema

    name = " ".join(options.of)
    if not name:
        print("\n".join(ANSWERS))
        return 0
    if name not in ANSWERS:
        raise RequestError(f"{name}: no such answer; there are {', '.join(ANSWERS)}.")
    print(json.dumps(schema(name), indent=2))
    return 0


def _examples() -> Path:
    """Where the notebooks and example data are: the repository, or the copy inside the installed package."""
    if (_REPOSITORY / "data" / "support_tickets.jsonl").is_file():
        return _REPOSITORY
    return Path(str(files("tunebook"))) / "examples"
