"""A notebook run unattended and saved with its widget state: static pictures in it, the key nowhere."""

from __future__ import annotations

import copy
import html
import re

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = (
    "import os, tunebook as tb\n"
    "ws = tb.connect(os.environ['TB_ENDPOINT'], api_key=os.environ['TB_KEY'])",
    "tb.watch({job!r}, ws)",
    "tb.job_form(ws, training={file!r}, suffix='again')",
    "tb.widgets.board(ws)",
    "form = tb.widgets.connect_form()\n"
    "form.endpoint.value, form.sign_in.value, form.variable.value = os.environ['TB_ENDPOINT'], "
    "'a key in an environment variable', 'TB_KEY'\n"
    "workspace = form.connect()\n"
    "form",
    "cell = tb.watch({job!r}, ws, background=True)\n"
    "assert cell.ended.wait(20)",
)  # fmt: skip


@pytest.fixture(scope="module")
def saved(service, tuned):
    """The executed notebook, with widget state, as it would be written to disk."""
    import os

    job, file, _ = tuned
    sources = [cell.replace("{job!r}", repr(job)).replace("{file!r}", repr(file)) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    environment = os.environ | {"TB_ENDPOINT": service.endpoint, "TB_KEY": service.api_key}
    NotebookClient(notebook, timeout=60, kernel_name="python3", store_widget_state=True).execute(env=environment)
    return notebook


def shown(notebook, cell: int, kind: str) -> str:
    """Everything of one kind that a cell put out."""
    return "".join(str(output.get("data", {}).get(kind, "")) for output in notebook.cells[cell].outputs)


def test_the_key_is_nowhere_in_the_file_though_the_widget_state_is(saved, service) -> None:
    text = nbformat.writes(saved)

    assert "application/vnd.jupyter.widget-state+json" in text
    assert service.endpoint in text
    assert service.api_key not in text


def test_watch_blocked_and_left_one_picture_without_the_lines_it_had_printed(saved) -> None:
    assert [output.output_type for output in saved.cells[1].outputs] == ["display_data"]
    assert shown(saved, 1, "text/html").count("Succeeded") == 1
    assert "<img" in shown(saved, 1, "text/html")


@pytest.mark.parametrize(("cell", "words"), [(2, "suffix=&#39;again&#39;"), (3, "Succeeded"), (4, "Connected")])
def test_each_widget_leaves_a_static_picture(saved, cell, words) -> None:
    assert words in shown(saved, cell, "text/html")
    assert shown(saved, cell, "text/plain").strip()


def test_a_live_cell_updates_its_picture_from_its_thread(saved) -> None:
    assert "Succeeded" in shown(saved, 5, "text/html")
    assert "application/vnd.jupyter.widget-view+json" in str(saved.cells[5].outputs)


def test_an_export_to_html_shows_the_pictures_without_scripts_of_ours(saved) -> None:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter(template_name="basic").from_notebook_node(saved)

    assert page.count("Succeeded") >= 3
    # The widget state is JSON that no browser runs; a file name may stand in it as it is, its end tag escaped.
    running = re.sub(r'<script type="application/vnd.jupyter.widget-state\+json">.*?</script>', "", page, flags=re.S)
    assert "<script>alert" not in running


@pytest.mark.parametrize("template", ["lab", "classic"])
def test_without_widget_state_the_pictures_are_all_that_is_shown(saved, template) -> None:
    """VS Code and GitHub keep no widget state, and who cleans a notebook takes it out."""
    from nbconvert import HTMLExporter

    bare = nbformat.from_dict(copy.deepcopy(saved))
    bare.metadata.pop("widgets", None)

    page, _ = HTMLExporter(template_name=template).from_notebook_node(bare)

    assert page.count("Succeeded") >= 3
    assert "suffix='again'" in html.unescape(page)
    assert "application/vnd.jupyter.widget-view+json" not in page
