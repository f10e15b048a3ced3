"""The site is built from README, notebooks and docstrings, and every link inside it leads to something."""

import os
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from importlib import import_module, util
from pathlib import Path
from urllib.parse import unquote

import pytest

import tunebook as tb

ROOT = Path(__file__).parents[1]
SITE = ROOT / ".github" / "site"
BASE = "/tunebook/"  # where the site stands on its host; only the page for what is not found says so
ROOMS = ("data", "analysis", "service", "experiments", "plots", "graders", "report", "widgets")
NEEDED = ("mkdocs", "material", "mkdocstrings", "mkdocs_jupyter")
LOST = [name for name in NEEDED if util.find_spec(name) is None]

pytestmark = [
    pytest.mark.skipif(not SITE.exists(), reason="the source distribution has no dot folders"),
    pytest.mark.skipif(bool(LOST), reason=f"pip install -e '.[docs]': {', '.join(LOST)} is not installed"),
]


class Reader(HTMLParser):
    """The places of a page, where it leads, and what a browser fetches to show it."""

    def __init__(self, text):
        super().__init__()
        self.places, self.links, self.fetched, self.pictures = set(), set(), set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon"):
            self.fetched.add(given["href"])
        if tag in ("img", "script", "iframe", "source") and given.get("src"):
            self.fetched.add(given["src"])
        self.fetched |= {part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()}
        if tag == "img":
            self.pictures.append(given)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Builds the site with the one command, apart from the folder it is built in."""
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(SITE / "mkdocs.yml"), "-d", str(built)]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, cwd=built)
    assert done.returncode == 0, done.stderr[-3000:]
    yield built
    shutil.rmtree(built)


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): Reader(path.read_text("utf-8")) for path in site.rglob("*.html")}


def inside(target):
    return not target.startswith(("http:", "https:", "mailto:", "data:", "//"))


def lost(site, pages, page, target):
    """Why a target of a page leads nowhere; "" where it leads somewhere."""
    path, _, anchor = unquote(target).partition("#")
    path = path.partition("?")[0]
    start = Path(page).parent
    file = os.path.normpath(Path(path.removeprefix(BASE)) if path.startswith(BASE) else start / path) if path else page
    file = Path(file).as_posix()
    if (site / file).is_dir():
        file = Path(file, "index.html").as_posix()
    if not (site / file).is_file():
        return f"{page}: {target}: no such file"
    if anchor and file in pages and anchor not in pages[file].places:
        return f"{page}: {target}: no such place"
    return ""


def test_every_link_picture_and_style_inside_the_site_is_there(site, pages):
    found = [
        lost(site, pages, page, target)
        for page, read in pages.items()
        for target in sorted(read.links | read.fetched)
        if inside(target)
    ]
    assert len(found) > 1000
    assert [problem for problem in found if problem] == []


def test_the_follower_of_links_finds_what_is_lost(tmp_path):
    (tmp_path / "a.html").write_text('<h1 id="top">A</h1>')
    pages = {"a.html": Reader('<h1 id="top">A</h1>')}
    asked = ("a.html", "#top", "a.html#top", "b.html", "#bottom", "/tunebook/a.html#top", "x.png")
    told = [lost(tmp_path, pages, "a.html", target) for target in asked]
    assert told == [
        *("", "", ""),
        *("a.html: b.html: no such file", "a.html: #bottom: no such place", "", "a.html: x.png: no such file"),
    ]


def test_a_page_is_shown_without_a_request_to_elsewhere(pages):
    fetched = {target for read in pages.values() for target in read.fetched if not target.startswith("data:")}
    assert {target for target in fetched if not inside(target)} == set()


def test_home_is_the_readme_and_the_notebooks_are_shown_as_saved(site, pages):
    home = (site / "index.html").read_text("utf-8")
    assert "check the data, start the jobs, watch them live" in " ".join(home.split())
    assert "notebooks/images/board-dark.png" in pages["index.html"].fetched
    shown = {Path(page).stem for page in pages if page.startswith("notebooks/")}
    assert shown == {path.stem for path in ROOT.glob("notebooks/*.ipynb")}
    assert "400 supervised examples" in (site / "notebooks/01_quickstart.html").read_text("utf-8")  # an output


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_has_its_place_in_the_reference(pages, room):
    named = {f"tunebook.{room}.{name}" for name in import_module(f"tunebook.{room}").__all__}
    assert named - pages[f"reference/{room}.html"].places == set()


def test_every_name_of_the_package_leads_to_its_place(pages):
    led = {link.rpartition(".")[2] for link in pages["reference/index.html"].links if "#tunebook." in link}
    assert set(tb.__all__) - {*ROOMS, "errors"} - led == set()


def test_every_verb_of_the_command_has_its_help_on_the_site(pages, site):
    places = pages["reference/command-line.html"].places
    assert {"tunebook-check", "tunebook-jobs", "tunebook-jobs-list", "tunebook-doctor"} <= places
    assert "--learning-rate-multiplier" in (site / "reference/command-line.html").read_text("utf-8")


def test_the_homes_that_the_package_names_on_the_site_are_pages(site):
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    home = urls["Homepage"]
    named = [url.removeprefix(home).strip("/") for url in urls.values() if url.startswith(home)]
    assert [path for path in named if not ((site / path).is_file() or (site / path / "index.html").is_file())] == []
    assert f'<link rel="canonical" href="{home}/reference/data.html">' in (site / "reference/data.html").read_text(
        "utf-8"
    )


def test_what_the_reference_shows_of_a_function_is_its_signature_its_words_and_its_example(site):
    text = (site / "reference/data.html").read_text("utf-8")
    assert "A Dataset from a JSON Lines file, a list of examples or a DataFrame." in text
    assert "&lt;Dataset train.jsonl: 40 supervised examples&gt;" in text


def made_of(name):
    """A file of the site's own code, as a module."""
    spec = util.spec_from_file_location(f"site_{name}", SITE / f"{name}.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def as_markdown():
    return made_of("docstrings").as_markdown


def test_a_link_to_a_file_that_the_site_shows_leads_there_and_to_another_file_to_the_code():
    text = "[a](../README.md#measured) [b](check_wheel.py) [c](nowhere.md) [d](https://a.example) [e](#here)"
    code = "https://github.com/tunebook/tunebook/blob/main/.github/check_wheel.py"
    assert made_of("pages").relinked(text, ".github/CONTRIBUTING.md", "project/page.md") == (
        f"[a](../index.md#measured) [b]({code}) [c](nowhere.md) [d](https://a.example) [e](#here)"
    )


def test_an_example_becomes_code_and_ends_where_the_words_go_on(as_markdown):
    text = "Adds.\n\n>>> add(1, 2)\n3\n\nMore words.\n\n    tunebook check FILE\n"
    assert as_markdown(text) == ("Adds.\n\n```pycon\n>>> add(1, 2)\n3\n```\n\nMore words.\n\n    tunebook check FILE")


def test_what_is_said_of_parameters_becomes_a_list(as_markdown):
    text = "Reads.\n\nmethod: how; a, b: where\nthey are.\nRaises DataError: never."
    assert as_markdown(text, frozenset({"method", "a", "b"})) == (
        "Reads.\n\n- `method`: how\n- `a, b`: where they are.\n\nRaises DataError: never."
    )


def test_words_before_a_colon_that_are_no_parameter_stay_words(as_markdown):
    assert as_markdown("Note: this. method: that.", frozenset({"other"})) == "Note: this. method: that."
