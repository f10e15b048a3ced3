"""The embedded service's three floors: http asks desk, desk asks model, and none looks up."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
SERVICE = SOURCE / "tunebook_local"

MAY_IMPORT = {"http": {"http", "desk"}, "desk": {"desk", "model"}, "model": {"model"}}
GRADERS = {"tunebook.graders", "tunebook.graders.rules", "tunebook.graders.templates"}
OTHER_PROGRAM = {"tunebook.errors", "tunebook.catalogue", "tunebook.data.rules.gate", *GRADERS}


def imported(file):
    """The modules a file imports, inside functions and for type checkers too."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names if is_ours(f"{node.module}.{alias.name}"))


def is_ours(module):
    return (SOURCE / module.replace(".", "/")).with_suffix(".py").exists()


def module_of(file):
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_of(file): set(imported(file)) for file in SERVICE.rglob("*.py")}


@pytest.mark.parametrize("floor", MAY_IMPORT)
def test_a_floor_imports_itself_and_the_one_below(floor):
    modules = [module for module in FILES if module.startswith(f"tunebook_local.{floor}")]
    below = {name.split(".")[1] for module in modules for name in FILES[module] if name.startswith("tunebook_local.")}

    assert modules
    assert below <= MAY_IMPORT[floor]


@pytest.mark.parametrize(
    ("floor", "strangers"),
    [("http", {"sqlite3"}), ("desk", {"starlette", "uvicorn"}), ("model", {"starlette", "uvicorn", "sqlite3"})],
)
def test_http_is_spoken_on_top_and_the_database_kept_in_the_middle(floor, strangers):
    named = {
        name.split(".")[0]
        for module, names in FILES.items()
        if module.startswith(f"tunebook_local.{floor}")
        for name in names
    }

    assert named & strangers == set()


def test_no_file_imports_itself_by_way_of_others():
    TopologicalSorter({module: names & FILES.keys() for module, names in FILES.items()}).prepare()


def test_of_the_kit_it_takes_the_errors_the_catalogue_and_the_rules_of_files_and_graders():
    taken = {name for names in FILES.values() for name in names if name.split(".")[0] == "tunebook"}

    assert taken == OTHER_PROGRAM


def test_only_the_command_and_the_starter_of_the_service_name_it():
    naming = {
        module_of(file)
        for file in (SOURCE / "tunebook").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if (isinstance(node, ast.Constant) and node.value == "tunebook_local")
        or (isinstance(node, ast.ImportFrom) and str(node.module).startswith("tunebook_local"))
    }

    assert naming == {"tunebook.cli", "tunebook.service.embedded"}
