"""The notebooks are the documentation: small cells, no machinery, stored with their outputs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted(Path(__file__).parents[1].joinpath("notebooks").glob("*.ipynb"))
REPORT = NOTEBOOKS[7]
LINES = 8
# Machinery that belongs into the package, not into a notebook.
MACHINERY = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try, ast.While, ast.With)

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def tags(cell):
    return set(cell.metadata.get("tags", ()))


def test_there_are_ten():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n:02d}" for n in range(1, 11)]


@every
def test_it_is_a_valid_notebook(path):
    nbformat.validate(nbformat.read(path, as_version=4))


@every
def test_cells_are_short(path):
    long = [cell.source for cell in cells(path) if len(cell.source.splitlines()) > LINES]
    assert long == []


@every
def test_no_cell_defines_a_function_or_catches_an_error(path):
    for cell in cells(path):
        tree = compile(cell.source, path.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert [type(node) for node in ast.walk(tree) if isinstance(node, MACHINERY)] == [], cell.source


@every
def test_the_same_cells_run_on_azure_and_on_the_embedded_service(path):
    """Only the first two cells, the title and the connection, may speak of where they run."""
    later = nbformat.read(path, as_version=4).cells[2:]
    assert [cell.source for cell in later if re.search(r"embedded|stand-in|\blocal\b", cell.source)] == []


@every
def test_it_is_stored_as_it_ran_from_top_to_bottom(path):
    assert [cell.execution_count for cell in cells(path)] == list(range(1, len(cells(path)) + 1))
    assert any(cell.outputs for cell in cells(path))
    failed = [output for cell in cells(path) for output in cell.outputs if output.output_type == "error"]
    assert failed == []


@every
def test_what_is_stored_names_no_machine_and_no_key(path):
    text = path.read_text("utf-8")
    assert re.findall(r"/(?:home|Users|root|tmp|work)/[\w.-]+", text) == []
    assert not re.search(r"api[-_]key['\"]?\s*[:=]\s*['\"][\w-]{16}", text)


def test_nbval_compares_what_is_the_same_each_time():
    """Cells that show the same each time carry no tag: a change of what the kit says is seen."""
    compared = [
        cell for path in NOTEBOOKS for cell in cells(path) if cell.outputs and "nbval-ignore-output" not in tags(cell)
    ]
    assert len(compared) >= 15


def test_the_report_takes_parameters_that_are_plain_values():
    (cell,) = [cell for cell in cells(REPORT) if "parameters" in tags(cell)]
    values = [statement.value for statement in ast.parse(cell.source).body]
    assert all(isinstance(value, ast.Constant) for value in values)
    assert cells(REPORT)[0] == cell


@pytest.fixture(scope="module")
def executed(tmp_path_factory, run_folders):
    """The report notebook as papermill leaves it, on archived runs: no service is asked."""
    papermill = pytest.importorskip("papermill", reason="papermill is not installed")
    folder = tmp_path_factory.mktemp("papermill")
    written = folder / "out.ipynb"
    parameters = {"folder": str(run_folders), "title": "First <round>", "report_path": str(folder / "page.html")}
    papermill.execute_notebook(REPORT, written, parameters, cwd=folder, progress_bar=False)
    return written


def test_papermill_writes_the_report_of_other_runs(executed):
    assert "First &lt;round&gt;" in executed.with_name("page.html").read_text("utf-8")
    injected = [cell for cell in cells(executed) if "injected-parameters" in tags(cell)]
    assert len(injected) == 1


def test_exported_without_code_it_is_a_page_that_answers_first(executed):
    hidden = (
        "--no-input",
        "--TagRemovePreprocessor.enabled=True",
        "--TagRemovePreprocessor.remove_cell_tags=remove-cell",
    )
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", *hidden, str(executed), "--output", "exported.html"],
        check=True,
        capture_output=True,
    )
    page = executed.with_name("exported.html").read_text("utf-8")

    assert "tb.compare" not in page
    assert "papermill" not in page
    parts = [page.index(part) for part in ("Deploy the checkpoint", "What to do next", "Evidence", "Provenance")]
    assert parts == sorted(parts)
    assert "ftjob-calm" in page
