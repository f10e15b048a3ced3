"""What records and widgets leave in a notebook, opened untrusted, as every fresh clone is, and trusted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest

import tunebook as tb
from tunebook.experiments.evaluation.summary import summarise
from tunebook.experiments.stock.clearing import Cleared, Deletion
from tunebook.experiments.stock.stocktaking import build_inventory
from tunebook.service.watching import JobSnapshot
from tunebook.widgets.live.watching import watch
from tunebook.widgets.trials import Reply, Settings, Turn

from .conftest import ARTEFACTS, Seven

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FOREIGN = r"it costs $5, then $10 \(y\) \[z\] <script>hacked=1</script><img src=x onerror=hacked=1> & $x^2$"
T0 = 1_790_000_000

# Text that is hard to read: (contrast, text) of each text node, blended with its opacity over what lies behind it.
FAINT = r"""least => {
  const rgb = c => { const v = c.match(/[\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = c => { const l = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                       return .2126 * l[0] + .7152 * l[1] + .0722 * l[2] };
  const found = [];
  for (const output of document.querySelectorAll('.jp-OutputArea-output')) {
    const walk = document.createTreeWalker(output, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const node = walk.currentNode, words = node.textContent.trim();
      if (!words || !node.parentElement.offsetParent) continue;
      const behind = [];
      let opacity = 1;
      for (let e = node.parentElement; e; e = e.parentElement) {
        const style = getComputedStyle(e);
        if (output.contains(e)) opacity *= style.opacity;
        behind.unshift(rgb(style.backgroundColor));
      }
      const paper = behind.reduce((below, top) => over(top, below), [255, 255, 255]);
      const ink = rgb(getComputedStyle(node.parentElement).color);
      const [a, b] = [light(paper), light(over([...ink.slice(0, 3), ink[3] * opacity], paper))];
      const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
      if (contrast < least) found.push([contrast.toFixed(2), words.slice(0, 60)]);
    }
  }
  return found;
}"""
IMAGES = "() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(i => [i.alt, i.naturalWidth])"
TYPESET = """() => [...document.querySelectorAll('.jp-OutputArea-output :is(mjx-container, .MathJax, .katex)')]
    .map(e => e.closest('.jp-Cell').querySelector('.jp-Editor').textContent)"""
TEXTS = "() => [...document.querySelectorAll('.jp-OutputArea-output')].map(e => e.textContent)"


def snapshot(status: str, job_id: str) -> JobSnapshot:
    """A job of sixty steps whose every text comes from outside."""
    events = []
    for n in range(1, 61):
        losses = {"train_loss": 2 - n / 60, "valid_loss": 2.1 - n / 80 + (n > 40) * n / 90}
        event = {"id": f"m{n}", "created_at": T0 + n, "level": "info", "message": f"Step {n}: {FOREIGN}"}
        events.append(event | {"type": "metrics", "data": {"step": n, "total_steps": 60, **losses}})
    job = {
        "id": job_id, "model": FOREIGN, "suffix": FOREIGN, "status": status, "created_at": T0 - 60,
        "finished_at": T0 + 90, "error": {"message": FOREIGN} if status == "failed" else None,
        "hyperparameters": {"n_epochs": 3, "batch_size": 4},
    }  # fmt: skip
    kept = ({"step_number": 40, "fine_tuned_model_checkpoint": FOREIGN, "metrics": {"full_valid_loss": 0.42}},)
    results = tb.analysis.Results.from_events(events, name=job_id)
    return JobSnapshot(job=job, read_at=T0 + 100.0, events=tuple(events), results=results, checkpoints=kept)


class Place:
    """As much of a workspace as a picture asks for."""

    name = endpoint = FOREIGN
    kind = "azure"


def pictures(run_folders: Path, folder: Path) -> dict[str, str]:
    """The HTML of records and of widgets' pictures, with texts from outside in every place that takes them."""
    shutil.copytree(run_folders, folder)
    for path in folder.glob("*/job.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"suffix": FOREIGN, "model": FOREIGN}))
    runs = tb.read_runs(folder)
    comparison = tb.compare(runs)
    rows = [
        {"messages": [{"role": "user", "content": f"{FOREIGN} {n}"}, {"role": "assistant", "content": FOREIGN}]}
        for n in range(12)
    ]
    dataset = tb.read_dataset([*rows, {"messages": [{"role": FOREIGN, "content": FOREIGN}]}], name=FOREIGN)
    changed = pd.DataFrame(
        [(1, FOREIGN, FOREIGN, FOREIGN, FOREIGN, 0.0, 1.0)],
        columns=["example", "prompt", "expected", "base", "tuned", "base_score", "tuned_score"],
    )
    evaluation = summarise(
        score="exact", dataset=FOREIGN, models={"base": {"served": FOREIGN}, "tuned": {"served": FOREIGN}},
        scores={"base": np.zeros(40), "tuned": np.ones(40)}, changed={"tuned": (changed, changed)}, path="a.jsonl",
    )  # fmt: skip
    file = {"id": "f-1", "purpose": "fine-tune", "filename": FOREIGN, "bytes": 2_000_000, "created_at": 1}
    live = [{"name": FOREIGN, "model": FOREIGN, "sku": "Standard"}]
    inventory = build_inventory(
        place=FOREIGN, jobs=[], files=[file], deployments=live, now=datetime(2026, 11, 23, tzinfo=UTC)
    )
    gone = Deletion("now", FOREIGN, "file", FOREIGN, FOREIGN, "failed", FOREIGN)
    panel = tb.widgets.CleanupPanel(Place(), log=None, read=lambda _: inventory)
    panel.inventory, panel.cleared = inventory, Cleared((gone,), dry_run=False)
    play = tb.widgets.Playground(Place(), ["base $5", "tuned $10"], system=FOREIGN)
    replies = (Reply("base $5", FOREIGN, "done", 1.0), Reply("tuned $10", "", "failed", error=FOREIGN))
    play.turns.append(Turn(FOREIGN, FOREIGN, Settings(), replies, expected=FOREIGN))
    connected = tb.widgets.ConnectForm(environ={})
    connected.workspaces[FOREIGN] = Place()
    board = tb.widgets.Board((Place(),))
    from tunebook.widgets.tables.board_feed import Entry

    seen = {name: snapshot(name, f"ftjob-{name}-{'a' * 32}") for name in ("succeeded", "failed", "running")}
    board.receive(Place(), {picture.job_id: Entry(picture, problem=FOREIGN) for picture in seen.values()})
    shown = {
        "dataset": dataset,
        "check": dataset.check(),
        "split": dataset.split(valid=0.25, seed=0),
        "results": runs[0].results,
        "run": runs[0],
        "diagnosis": tb.diagnose(runs[-1]),
        "comparison": comparison,
        "evaluation": evaluation,
        "inventory": inventory,
        "plan": inventory.plan(inventory.items),
        "cleared": panel.cleared,
        "comparison table": tb.comparison_table(comparison),
        "cleanup": panel,
        "playground": play,
        "connect form": connected,
        "board": board,
        "job form": tb.widgets.JobForm(Place()),
        **{
            f"watched {name}": watch(
                SimpleNamespace(id=picture.job_id, workspace=Place()), background=False, say=str,
                follow=lambda *_, picture=picture, **__: iter([{picture.job_id: picture}]),
            )
            for name, picture in seen.items()
        },
    }  # fmt: skip
    return {name: html_of(value) for name, value in shown.items() if html_of(value)}


def html_of(value: object) -> str:
    if hasattr(value, "_repr_mimebundle_"):
        return value._repr_mimebundle_()["text/html"]
    return value._repr_html_() if hasattr(value, "_repr_html_") else ""


def write(path: Path, htmls: dict[str, str]) -> None:
    """A notebook of finished cells, one an output, that nobody has signed."""
    notebook = nbformat.v4.new_notebook()
    for number, (name, html) in enumerate(htmls.items(), 1):
        output = nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": name})
        notebook.cells.append(nbformat.v4.new_code_cell(f"# {name}", execution_count=number, outputs=[output]))
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def trust(lab, path: Path) -> None:
    environment = lab.environment | {"PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-m", "jupyter", "trust", str(path)], env=environment, check=True)


def shoot_outputs(page, name: str) -> None:
    """Every output, whole, as a picture of its own among the artefacts."""
    for number, output in enumerate(page.locator(".jp-Cell-outputWrapper").all()):
        output.screenshot(path=ARTEFACTS / f"{name}_{number:02d}.png")


def check_what_is_shown(page, least: float = 4.0) -> None:
    page.wait_for_timeout(1500)  # typesetting, if there is any, comes after the outputs
    assert sorted(set(page.evaluate(TYPESET))) == []
    assert page.evaluate("window.hacked") is None
    assert [alt for alt, width in page.evaluate(IMAGES) if width == 0] == []
    assert page.evaluate(FAINT, least) == []


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
def test_every_picture_reads_well_in_light_and_dark(lab, page, run_folders, tmp_path, trusted) -> None:
    htmls = pictures(run_folders, tmp_path / "runs")
    word = "trusted" if trusted else "untrusted"
    path = lab.folder / f"{word}.ipynb"
    write(path, htmls)
    if trusted:
        trust(lab, path)
    notebook = lab.open(page, path.name)
    page.wait_for_selector(".jp-OutputArea-output >> nth=-1")

    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        notebook.theme(theme)
        shoot_outputs(page, f"{word}_{theme.split()[1].lower()}")
        check_what_is_shown(page)
    texts = dict(zip(htmls, page.evaluate(TEXTS), strict=True))
    lost = {name for name, text in texts.items() if FOREIGN not in " ".join(text.split())}
    assert lost <= {"results", "diagnosis", "job form"}  # which hold none of the foreign texts
    assert len(page.evaluate(IMAGES)) >= 3
    notebook.theme("JupyterLab Light")


def test_notebook_7_typesets_no_dollars_either(browser, page, run_folders, tmp_path) -> None:
    del browser
    pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    with Seven(tmp_path) as seven:
        htmls = pictures(run_folders, tmp_path / "runs")
        write(seven.folder / "untrusted.ipynb", htmls)
        seven.open(page, "untrusted.ipynb")
        page.wait_for_selector(".jp-OutputArea-output >> nth=-1")

        check_what_is_shown(page)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_stored_notebooks_of_a_fresh_clone_read_well(lab, page, path) -> None:
    shutil.copy(path, lab.folder / path.name)
    outputs = [
        str(output.get("data", {}).get("text/html", ""))
        for cell in nbformat.read(path, 4).cells
        for output in cell.get("outputs", ())
    ]
    notebook = lab.open(page, path.name)
    page.wait_for_selector(".jp-OutputArea-output >> nth=-1")

    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        notebook.theme(theme)
        page.locator(".jp-Notebook").first.evaluate("e => e.scrollTo(0, 1e6)")
        # The page and not each output: a long notebook moves while its cells are laid out, and none stands still.
        page.screenshot(path=ARTEFACTS / f"stored_{path.stem}_{theme.split()[1].lower()}.png")
        check_what_is_shown(page)
    notebook.theme("JupyterLab Light")
    texts = " ".join(page.evaluate(TEXTS))
    assert "400400" not in texts
    assert sum(html.count("&#36;") + html.count("$") for html in outputs) <= texts.count("$")
    events = page.locator("li:has-text('training loss='):visible, td:has-text('training loss='):visible")
    assert events.count() <= 10
