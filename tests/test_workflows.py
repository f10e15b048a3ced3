"""What runs and opens elsewhere (workflows, issue forms, dev container, Binder) is well formed and names real files."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
FORMS = sorted(path for path in ROOT.glob(".github/ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PATHS = re.compile(r"(?<![\w./-])(?:\.github|\.ci|tests|notebooks|data|src)/[\w./-]*\w")

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="the source distribution has no dot folders")


def workflow(path):
    read = yaml.safe_load(path.read_text("utf-8"))
    return {("on" if key is True else key): value for key, value in read.items()}  # YAML 1.1 reads `on` as true


def commands(path):
    return [step["run"] for job in workflow(path)["jobs"].values() for step in job["steps"] if "run" in step]


def pythons(name):
    return workflow(ROOT / f".github/workflows/{name}.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_says_when_it_runs_where_and_what_it_may(path):
    read = workflow(path)
    assert read["on"]
    assert "permissions" in read
    for job in read["jobs"].values():
        assert {"runs-on", "timeout-minutes", "steps"} <= job.keys()
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert all("@" in step["uses"] for step in job["steps"] if "uses" in step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_exists(path):
    named = PATHS.findall("\n".join(commands(path)))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_an_extra_that_a_workflow_installs_is_one_of_the_package(path):
    asked = ",".join(re.findall(r"\[([\w,]+)\]", "\n".join(c for c in commands(path) if "pip install" in c)))
    assert set(filter(None, asked.split(","))) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_text_of_strangers_is_pasted_into_a_command(path):
    """`${{ … }}` in a command is text before the shell reads it: a branch's name would be run."""
    assert [command for command in commands(path) if "${{ github." in command or "${{ inputs." in command] == []


def test_the_tests_run_on_every_python_that_the_package_names():
    named = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    assert pythons("tests") == named == ["3.11", "3.12", "3.13", "3.14"]


def test_the_tests_run_as_the_readme_says():
    said = (ROOT / "README.md").read_text("utf-8")
    assert "pip install -e '.[dev]' && .venv/bin/pytest" in said
    assert [command.split(" #")[0] for command in commands(ROOT / ".github/workflows/tests.yml")][:2] == [
        "pip install -e .[dev]",
        "pytest",
    ]


def test_publishing_needs_no_password_and_no_more_than_its_own_right():
    read = workflow(ROOT / ".github/workflows/publish.yml")
    assert read["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (ROOT / ".github/workflows/publish.yml").read_text("utf-8")


def test_the_wheel_is_tried_in_an_empty_environment_before_it_is_published():
    for name in ("tests", "publish"):
        assert "python .github/check_wheel.py dist" in "\n".join(commands(ROOT / f".github/workflows/{name}.yml"))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_asks_for_what_doctor_says(path):
    form = yaml.safe_load(path.read_text("utf-8"))
    assert form["name"]
    assert form["description"]
    fields = {field["id"]: field for field in form["body"]}
    assert len(fields) == len(form["body"])
    assert all(field["attributes"]["label"] for field in fields.values())
    assert "tunebook doctor --json" in fields["doctor"]["attributes"]["label"]


def test_the_dev_container_and_binder_open_the_first_notebook():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))
    opened = [container["postAttachCommand"].removeprefix("code ")]
    opened += re.findall(r"^first=(\S+)$", (ROOT / ".binder/start").read_text("utf-8"), flags=re.M)
    assert opened == ["notebooks/01_quickstart.ipynb"] * 2
    assert (ROOT / opened[0]).exists()


def test_the_version_is_written_in_one_place():
    version = re.compile(rf"(?<![\d.]){re.escape(PROJECT['version'])}(?![\d.])")
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("src/**/*.toml"), *ROOT.glob(".github/workflows/*.yml")]
    assert [path.name for path in sources if version.search(path.read_text("utf-8"))] == []
    newest = re.search(r"^## (\S+?),? ", (ROOT / ".github/CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    assert newest[1] == PROJECT["version"]
