"""The README is kept: what it links, names and shows is there."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import tunebook as tb
from tunebook import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PROSE = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
COMMANDS = "\n".join(re.findall(r"`[^`\n]+`|^    .+$", PROSE, flags=re.MULTILINE))
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
PICTURES = re.findall(r'(?:src|srcset)="([^"]+)"', README)
LINKS = [*re.findall(r"\]\(([^)\s]+)\)", README), *PICTURES]


def anchors(text):
    """The anchors GitHub gives the headings of a page."""
    for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("link", sorted({link for link in LINKS if "://" not in link}))
def test_a_link_leads_to_something(link):
    file, _, anchor = link.partition("#")
    target = ROOT / file if file else ROOT / "README.md"
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.read_text("utf-8"))


def test_links_out_are_encrypted():
    assert [link for link in LINKS if link.startswith("http://")] == []


def test_every_picture_says_what_it_shows():
    told = re.findall(r'<img alt="([^"]+)"', README)
    assert [len(text) > 20 for text in told] == [True, True, True]


def test_every_picture_is_there_in_light_and_in_dark():
    assert sorted(PICTURES) == sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("notebooks/images/*.png"))
    assert {path.replace("-dark", "-light") for path in PICTURES} == {path for path in PICTURES if "-light" in path}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`[^`]*?((?:tests|notebooks|data|src)/[\w./-]*\w)", README))))
def test_a_file_it_names_exists(path):
    assert (ROOT / path).exists()


def test_every_notebook_of_the_table_exists_and_is_in_the_table():
    rows = [
        row.split("|")[3] for row in README.splitlines() if re.match(r"\|.*`.*\|.*\|.*\|", row) and row.count("|") == 5
    ]
    cells = [cell.strip() for cell in rows if re.fullmatch(r" *\d\d(, \d\d)* *", cell)]
    named = set(", ".join(cells).split(", "))
    there = {path.name[:2] for path in ROOT.glob("notebooks/*.ipynb")}
    assert named == there


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"\btunebook ([a-z]+)\b", COMMANDS))))
def test_a_verb_it_names_is_one_of_the_command(verb, capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert re.search(rf"^\s+{verb}\s", capsys.readouterr().out, flags=re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\btb\.([A-Za-z_][\w.]*\w)", README))))
def test_a_name_of_the_package_exists(path):
    found = tb
    for name in path.split("."):
        found = getattr(found, name)


ROOMED = re.findall(r"`(\w+)\([^`]*\)` of `(tunebook\.\w+(?:\.\w+)*)`", README)


@pytest.mark.parametrize(("name", "room"), sorted(set(ROOMED)))
def test_a_name_it_gives_with_its_room_exists(name, room):
    assert hasattr(import_module(room), name)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_the_code_runs_as_it_stands(block, ws, tmp_path, monkeypatch):
    """As typed, from the top of the repository, on fewer examples and with its files in a temporary folder."""
    assert len([line for line in block.splitlines() if line.strip() and not line.startswith("import")]) <= 10
    data = tmp_path / "data"
    data.mkdir()
    lines = (ROOT / "data/support_tickets.jsonl").read_text("utf-8").splitlines()[:30]
    (data / "support_tickets.jsonl").write_text("\n".join(lines), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tb, "connect", lambda: ws)
    exec(compile(ast.parse(block), "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 - our own README
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_commands_of_its_first_block_are_those_of_the_package():
    """The two commands a newcomer types name extras and scripts that exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    first = re.search(r"^    .+(?:\n    .+)*", README, flags=re.MULTILINE)[0]
    assert set(re.findall(r"\.\[(\w+)\]", first)) <= set(project["optional-dependencies"])
    assert "bin/tunebook demo" in first
    assert "tunebook" in project["scripts"]
    assert subprocess.run([sys.executable, "-m", "tunebook", "--help"], capture_output=True).returncode == 0


def test_the_page_of_mistakes_names_tests_that_are_there():
    page, missing, source = (ROOT / "tests/analysis/README.md").read_text("utf-8"), [], ""
    for file, name in re.findall(r"`((?:\.\./plots/)?test_\w+\.py)?(?:::(\w+))?`", page):
        source = (ROOT / "tests/analysis" / file).read_text("utf-8") if file else source
        if name and f"def {name}(" not in source:
            missing.append(name)

    assert missing == []
