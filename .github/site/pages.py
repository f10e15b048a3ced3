"""What the site shows: files of the repository as they are, and the reference made from the package's public names."""

from __future__ import annotations

import argparse
import ast
import os
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tunebook import cli, palette

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PACKAGE = ROOT / "src" / "tunebook"
ROOMS = ("data", "analysis", "service", "experiments", "plots", "graders", "report", "widgets")
# Reached as attributes of a workspace (`ws.files`), so no room names them; people call them all the same.
ALSO = {"service": ("files.Files", "jobs.Jobs", "deployments.Deployments")}
COMMAND = "reference/command-line.md"
# Where a file of the repository stands on the site.
SHOWN = {
    "README.md": "index.md",
    "src/tunebook_local/README.md": "embedded-service.md",
    "src/tunebook/agents/AGENTS.md": "agents.md",
    ".github/CONTRIBUTING.md": "contributing.md",
    ".github/CHANGELOG.md": "changelog.md",
    "src/tunebook/catalogue.toml": "src/tunebook/catalogue.toml",
    **{path.relative_to(ROOT).as_posix(): path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/*.ipynb")},
    **{
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/images/*")
    },
}
FROM = {shown: source for source, shown in SHOWN.items()}


def names(stub: Path) -> dict[str, str]:
    """Public name -> module it comes from, in the order of a stub (`from .dataset import Dataset as Dataset`)."""
    imports = [node for node in ast.parse(stub.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def overview() -> str:
    """The first page of the reference: what the package says of itself, and where each of its names is described."""
    package = import_module("tunebook")
    rows = [
        f"| [`tb.{name}`]({room}.md#tunebook.{room}.{name}) | {_first_sentence(getattr(package, name))} |"
        for name, room in names(PACKAGE / "__init__.pyi").items()
        if room
    ]
    rooms = [
        f"| [`tunebook.{room}`]({room}.md) | {_first_sentence(import_module(f'tunebook.{room}'))} |"
        for room in (*ROOMS, "errors")
    ]
    head = "# Reference\n\n`import tunebook as tb` gives the names below; each room has more.\n\n"
    return head + "\n".join(
        [
            "| name | what it is |",
            "|---|---|",
            *rows,
            "",
            "## Rooms",
            "",
            "| room | what is in it |",
            "|---|---|",
            *rooms,
            "",
        ]
    )


def room_page(room: str) -> str:
    """The page of a room: its own docstring, then each public name's."""
    if room == "errors":
        return "# tunebook.errors\n\n::: tunebook.errors\n    options:\n      show_root_heading: false\n"
    public = [f"tunebook.{room}.{name}" for name in names(PACKAGE / room / "__init__.pyi")]
    public += [f"tunebook.{room}.{name}" for name in ALSO.get(room, ())]
    told = import_module(f"tunebook.{room}").__doc__ or ""
    return "\n\n".join([f"# tunebook.{room}", told.strip(), *(f"::: {name}" for name in public), ""])


def command_page() -> str:
    """The help of the command and of each of its verbs, as a terminal of 90 columns shows it."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "90"
    try:
        whole = cli._parser(["create"])  # with the options of `create`, which are read only when asked for
        parts = [f"## {verb.prog}\n\n```text\n{verb.format_help().strip()}\n```" for verb in _verbs(whole)]
        return "\n\n".join(["# Command line", f"```text\n{whole.format_help().strip()}\n```", *parts, ""])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


def _verbs(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:  # argparse has no public way down
        if isinstance(action, argparse._SubParsersAction):
            for name, verb in action.choices.items():
                if name != "serve":  # a program with options of its own: the embedded service's page has them
                    yield verb
                    yield from _verbs(verb)


def colours() -> str:
    """The kit's own colours as the theme's."""
    return (
        f"body {{ --md-primary-fg-color: {palette.TRAIN}; --md-primary-fg-color--dark: {palette.RISING[0]};"
        f" --md-accent-fg-color: {palette.VALID}; --md-typeset-a-color: {palette.TRAIN}; }}\n"
        f"body[data-md-color-scheme='slate'] {{ --md-typeset-a-color: {palette.SERIES[5]};"
        f" --md-accent-fg-color: {palette.BEST}; }}\n"
    )


def relinked(markdown: str, source: str, place: str) -> str:
    """Markdown whose relative links, written from `source`, lead from `place` to the site's pages, else to the code."""

    def moved(found: re.Match[str]) -> str:
        target, hash_, anchor = found[2].partition("#")
        if "://" in found[2] or not target:
            return found[0]
        file = os.path.normpath(Path(source).parent / target).replace(os.sep, "/")
        if file in SHOWN:
            there = os.path.relpath(SHOWN[file], Path(place).parent).replace(os.sep, "/")
        elif (ROOT / file).exists():
            there = f"{PROJECT['urls']['Source']}/blob/main/{file}"
        else:
            return found[0]  # lost, which the strict build tells
        return f"{found[1]}{there}{hash_}{anchor}{found[3]}"

    return re.sub(r"(\]\()([^)\s]+)(\))", moved, markdown)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    notebooks = sorted(place for place in SHOWN.values() if place.endswith(".ipynb"))
    reference = [{f"tunebook.{room}": f"reference/{room}.md"} for room in (*ROOMS, "errors")]
    urls = PROJECT["urls"]
    config.site_url = f"{urls['Homepage']}/"
    config.site_description = PROJECT["description"]
    config.extra["social"] = [{"icon": "fontawesome/brands/github", "link": urls["Source"], "name": "Source"}]
    config.nav = [
        {"Home": "index.md"},
        {"Notebooks": notebooks},
        {"Reference": ["reference/index.md", *reference, {"Command line": COMMAND}]},
        {"Embedded service": "embedded-service.md"},
        {"Agents": "agents.md"},
        {"Project": [{"Contributing": "contributing.md"}, {"Changes": "changelog.md"}]},
    ]
    return config


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, place in SHOWN.items():
        if place == source:
            made = File(
                place, src_dir=str(ROOT), dest_dir=config.site_dir, use_directory_urls=config.use_directory_urls
            )
        else:
            made = File.generated(config, place, content=(ROOT / source).read_text("utf-8"))
        files.append(made)
    pages = {"reference/index.md": overview(), "palette.css": colours()}
    pages[COMMAND] = command_page()
    pages |= {f"reference/{room}.md": room_page(room) for room in (*ROOMS, "errors")}
    for place, content in pages.items():
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    place = page.file.src_uri
    if "/" not in place and place not in (SHOWN[".github/CONTRIBUTING.md"], SHOWN[".github/CHANGELOG.md"]):
        page.meta["hide"] = ["navigation"]  # the only page of its tab
    return relinked(markdown, FROM[place], place) if place in FROM else markdown


def on_page_content(html: str, page: Page, **_: object) -> str:
    """A saved notebook links what running it wrote (a report): that is shown as text, the file not being here."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    page.meta["hide"] = ["toc"]  # a notebook has a title only; its outputs take the room
    beside = Path(str(page.file.abs_src_path)).parent
    return re.sub(
        r'<a [^>]*?href="(?!\w+:|#)([^"#]+)[^"]*"[^>]*>(.*?)</a>',
        lambda link: link[0] if (beside / link[1]).exists() else link[2],
        html,
    )


def _first_sentence(thing: object) -> str:
    text = " ".join((thing.__doc__ or "").strip().partition("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", text)[0].replace("|", "\\|")
