"""The docstrings are the API reference: every public name has an example, and every example is run here.

An example finds `tb`, a workspace `ws`, a finished `job` and the names `base` and `tuned` of two deployments, and
stands in a folder with `train.jsonl`, `valid.jsonl`, `results.csv` (it overfits) and archived `runs/`.
"""

import doctest
import inspect
import json
import shutil
from importlib import import_module

import pytest
from matplotlib import pyplot

import tunebook as tb

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
ROOMS = {name for name in tb.__all__ if inspect.ismodule(getattr(tb, name))}
# Rooms whose every name is for people to call; of the others, the ones in `tunebook.__all__` are.
REFERENCE = ("plots", "report", "experiments", "service")
# What is called on the records: the part of a class that stands in notebooks.
METHODS = {
    "data.Dataset": ("check", "split", "count_tokens", "write", "head", "fix", "cost", "overlap"),
    "experiments.Sweep": ("run", "open"),
    "analysis.Comparison": ("run", "to_json"),
    "analysis.Diagnosis": ("to_json",),
    "service.JobRequest": ("problems", "to_json", "to_python", "to_curl"),
    "service.Job": ("wait", "results", "run", "events", "checkpoints", "continue_with"),
}
# Examples that need an optional extra run where it is installed.
EXTRAS = {
    "report.log_to_mlflow": "mlflow",
    "report.log_to_wandb": "wandb",
    "report.write_excel": "openpyxl",
    "report.write_parquet": "pyarrow",
}
SERVICE_PARTS = {
    "files": ("upload", "list", "content"),
    "jobs": ("create", "retrieve", "list"),
    "deployments": ("create", "check", "list", "delete"),
}


def reference():
    """(name, object) of everything the reference consists of."""
    found = {name: getattr(tb, name) for name in tb.__all__ if name not in ROOMS}
    for room in REFERENCE:
        for name in getattr(tb, room).__all__:
            if name not in tb.__all__:
                found[f"{room}.{name}"] = getattr(getattr(tb, room), name)
    for path, methods in METHODS.items():
        room, owner = path.split(".")
        found.update({f"{owner}.{name}": getattr(getattr(getattr(tb, room), owner), name) for name in methods})
    for part, methods in SERVICE_PARTS.items():
        owner = getattr(import_module(f"tunebook.service.{part}"), part.capitalize())
        found.update({f"ws.{part}.{name}": getattr(owner, name) for name in methods})
    return found


def example(name, found, globs):
    """The example in the docstring itself, not those of a class's methods."""
    text = inspect.getdoc(found) or ""
    return doctest.DocTestParser().get_doctest(text, dict(globs), name, inspect.getsourcefile(found), 0)


@pytest.fixture(scope="module")
def desk(tmp_path_factory, run_folders):
    """The folder the examples stand in."""
    folder = tmp_path_factory.mktemp("desk")
    for name, count in (("train.jsonl", 40), ("valid.jsonl", 10)):
        lines = []
        for n in range(count):
            asked = f"Order {n}{name[0]}: where is my parcel number {n * 37 % 101}?"
            said = ["Lost", "On its way", "At the post office"][n % 3]
            turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
            lines.append(json.dumps({"messages": turns}))
        (folder / name).write_text("\n".join(lines) + "\n")
    shutil.copytree(run_folders, folder / "runs")
    shutil.copy(run_folders / "ftjob-long" / "results.csv", folder)
    return folder


@pytest.fixture
def globs(desk, service, tuned, pair, monkeypatch):
    """What an example finds."""
    monkeypatch.chdir(desk)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", service.endpoint)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", service.api_key)
    ws = tb.connect(service.endpoint, api_key=service.api_key)
    ws.poll_interval_s = (0.02, 0.2)
    yield {"tb": tb, "ws": ws, "job": ws.jobs.retrieve(tuned[0]), "base": pair[0], "tuned": pair[1]}
    pyplot.close("all")  # of the examples that draw


@pytest.mark.parametrize("name", sorted(reference()))
def test_every_public_name_has_an_example_that_runs(name, globs, capsys):
    found = example(name, reference()[name], globs)
    assert found.examples, f"{name} has no example in its docstring"
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    runner.run(found)
    assert not runner.failures, capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(reference()))
def test_every_public_name_has_a_sentence_first(name):
    first = (inspect.getdoc(reference()[name]) or "").split("\n")[0]
    assert first.endswith((".", ":", "?")), first
