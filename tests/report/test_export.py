"""To other tools: tables, workbooks, figures and trackers. What is not installed is skipped, and says so."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import compare
from tunebook.errors import RequestError, TunebookError
from tunebook.report import figure_names, frames, log_to_mlflow, log_to_wandb, write_excel, write_figures, write_parquet
from tunebook.report.export import need


def test_frames_hold_one_row_a_job_and_one_a_measurement(comparison):
    tables = frames(comparison)

    assert tables["jobs"]["id"].tolist()[0] == "ftjob-01"
    assert tables["jobs"].set_index("id").loc["ftjob-04", "left_out"] == "failed: The training file has 3 examples."
    assert len(tables["measurements"]) == 120 + 120 + 80 + 160
    assert list(tables["measurements"].columns[:3]) == ["job", "step", "train_loss"]


def test_frames_mark_the_recommended_checkpoint(comparison):
    kept = frames(comparison)["checkpoints"]

    assert kept[kept["recommended"]].groupby("job").size().tolist() == [1, 1, 1, 1]


def test_frames_of_nothing_are_empty_tables():
    assert [len(frame) for frame in frames([]).values()] == [0, 0, 0, 0]


def test_values_of_mixed_kinds_become_text(make_run):
    run = make_run(0)
    told = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.1, "beta": "auto-ish"}
    other = Run({**run.job, "id": "b", "method": {"type": "supervised", "supervised": {"hyperparameters": told}}})
    column = frames(compare([run, other]))["jobs"]["beta"]

    assert column.dropna().tolist() == ["auto-ish"]


def test_frames_change_nothing_in_the_comparison(comparison):
    before = comparison.frame.copy()
    frames(comparison)

    assert comparison.frame.equals(before)


def test_parquet_keeps_the_numbers(comparison, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tunebook[parquet]'")
    paths = write_parquet(comparison, tmp_path / "tables")

    assert [path.name for path in paths] == [
        "jobs.parquet",
        "measurements.parquet",
        "checkpoints.parquet",
        "curves.parquet",
    ]
    assert pd.read_parquet(paths[1]).equals(frames(comparison)["measurements"])


def test_excel_holds_text_as_text_and_no_formula_from_outside(make_run, tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed: pip install 'tunebook[excel]'")
    evil = '=HYPERLINK("http://example.invalid","click")'
    path = write_excel([make_run(0, suffix=evil), make_run(1, suffix="bell \x07")], tmp_path / "runs.xlsx")
    book = openpyxl.load_workbook(path)
    cells = [cell for row in book["jobs"].iter_rows() for cell in row]

    assert book.sheetnames == ["jobs", "measurements", "checkpoints", "curves"]
    assert evil in [cell.value for cell in cells]
    assert [cell.value for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"] == []
    assert "bell " in [cell.value for cell in cells]


def test_a_workbook_needs_its_ending(comparison, tmp_path):
    pytest.importorskip("openpyxl", reason="openpyxl is not installed: pip install 'tunebook[excel]'")
    with pytest.raises(RequestError, match=r"written as \.xlsx"):
        write_excel(comparison, tmp_path / "runs.xls")


@pytest.mark.parametrize(("format", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_figures_are_written_by_name(comparison, tmp_path, format, begins):
    paths = write_figures(comparison, tmp_path, format=format, names=["ranking", "loss-try-1"])

    assert [path.name for path in paths] == [f"ranking.{format}", f"loss-try-1.{format}"]
    assert all(path.read_bytes().startswith(begins) for path in paths)


def test_the_same_numbers_give_the_same_figure(comparison, tmp_path):
    one, two = (write_figures(comparison, tmp_path / name, names=["ranking"])[0] for name in "ab")

    assert one.read_bytes() == two.read_bytes()


def test_figure_names_hold_no_path_from_outside(make_run):
    names = figure_names([make_run(0, suffix="../../etc/x"), make_run(1, suffix="<script>")])

    assert "loss-etc-x" in names
    assert not [name for name in names if set(name) & set("/<>\\")]


def test_an_unknown_figure_is_refused_with_those_there_are(comparison, tmp_path):
    with pytest.raises(RequestError, match=r"no figure 'rankings'; there are all-jobs, ranking, loss-"):
        write_figures(comparison, tmp_path, names=["rankings"])
    with pytest.raises(RequestError, match="svg or png"):
        write_figures(comparison, tmp_path, format="gif")


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    with pytest.raises(TunebookError, match=r"pip install 'tunebook\[excel\]'"):
        need("no_such_package_here", "excel", "Writing Excel")


@pytest.fixture
def tracked(make_run):
    """Two finished runs, one of them with a hostile suffix, and one that failed."""
    return compare([make_run(0, low=0.5), make_run(1, suffix="<script>'\""), make_run(2, status="failed")])


def test_mlflow_gets_parameters_metrics_by_step_charts_and_the_verdict(tracked, tmp_path, monkeypatch):
    tracking = pytest.importorskip("mlflow.tracking", reason="MLflow is not installed: pip install 'tunebook[mlflow]'")
    monkeypatch.chdir(tmp_path)  # where MLflow keeps artifacts, when its database is a file
    uri = "sqlite:///mlflow.db"
    logged = log_to_mlflow(tracked, experiment="support", tracking_uri=uri)
    client = tracking.MlflowClient(tracking_uri=uri)
    run = client.get_run(logged["ftjob-01"])
    history = client.get_metric_history(logged["ftjob-01"], "train_loss")
    results = tracked.run("ftjob-01").results.frame

    assert run.info.run_name == "<script>'\""
    assert run.data.params["learning_rate_multiplier"] == "0.1"
    assert run.data.tags["tunebook.verdict"] == tracked.diagnoses["ftjob-01"].verdict
    assert run.data.metrics["tunebook.p_best"] > 0.5
    assert [metric.step for metric in sorted(history, key=lambda m: m.step)] == results["step"].tolist()
    assert sorted(metric.value for metric in history) == pytest.approx(sorted(results["train_loss"]))
    assert run.data.tags["mlflow.note.content"] == in_words(tracked, "ftjob-01")
    assert [(file.path, file.file_size > 5_000) for file in client.list_artifacts(logged["ftjob-01"], "charts")] == [
        (f"charts/{name}.png", True) for name in ("accuracy", "all-jobs", "loss", "ranking")
    ]
    chart = Path(client.download_artifacts(logged["ftjob-01"], "charts/loss.png"))
    assert chart.read_bytes().startswith(b"\x89PNG")
    failed = client.get_run(logged["ftjob-02"])
    assert failed.info.status == "FAILED"
    assert failed.data.tags["mlflow.note.content"] == "Not ranked: failed."


def in_words(comparison, job_id):
    """The verdict as a tracker shows it."""
    diagnosis = comparison.diagnoses[job_id]
    return f"**Healthy.** {diagnosis.reason} Use step 120 (epoch 3)."


def test_a_job_that_was_logged_in_part_is_logged_anew(tracked, tmp_path, monkeypatch):
    tracking = pytest.importorskip("mlflow.tracking", reason="MLflow is not installed: pip install 'tunebook[mlflow]'")
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(tracking.MlflowClient, "log_artifact", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log_to_mlflow(tracked, tracking_uri="sqlite:///mlflow.db")
    logged = log_to_mlflow(tracked, tracking_uri="sqlite:///mlflow.db")
    client = tracking.MlflowClient(tracking_uri="sqlite:///mlflow.db")

    assert client.get_run(logged["ftjob-00"]).info.status == "FINISHED"
    assert len(client.list_artifacts(logged["ftjob-00"], "charts")) == 4


def test_mlflow_is_told_nothing_twice(tracked, tmp_path, monkeypatch):
    pytest.importorskip("mlflow.tracking", reason="MLflow is not installed: pip install 'tunebook[mlflow]'")
    monkeypatch.chdir(tmp_path)
    uri = "sqlite:///mlflow.db"

    assert log_to_mlflow(tracked, tracking_uri=uri) == log_to_mlflow(tracked, tracking_uri=uri)


def test_wandb_gets_config_history_charts_and_summary_offline(tracked, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'tunebook[wandb]'")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    logged = log_to_wandb(tracked, project="support", mode="offline", directory=tmp_path)
    found = read_offline_runs(tmp_path)

    assert set(logged.values()) == set(found) == {"ftjob-00", "ftjob-01", "ftjob-02"}
    notes, config, history, summary = found["ftjob-01"]
    assert config["learning_rate_multiplier"] == 0.1
    assert config["tunebook.suffix"] == "<script>'\""
    assert len(history) == 120
    assert history[0]["train_loss"] == pytest.approx(tracked.run("ftjob-01").results.frame["train_loss"].iloc[0])
    assert summary["tunebook.verdict"] == tracked.diagnoses["ftjob-01"].verdict
    assert notes == in_words(tracked, "ftjob-01")
    assert charts_in(history[-1]) == ["charts/accuracy", "charts/all-jobs", "charts/loss", "charts/ranking"]
    assert {history[-1][f"{chart}._type"] for chart in charts_in(history[-1])} == {"image-file"}
    for chart in charts_in(history[-1]):
        (file,) = tmp_path.glob(f"wandb/offline-run-*-ftjob-01/files/{history[-1][f'{chart}.path']}")
        assert file.read_bytes().startswith(b"\x89PNG")
    assert [charts_in(row) for row in found["ftjob-02"][2]] == [["charts/all-jobs", "charts/ranking"]]


def charts_in(row):
    return sorted(key.removesuffix(".path") for key in row if key.endswith(".path"))


def read_offline_runs(folder: Path):
    """What Weights & Biases would send later: run id -> (notes, config, history rows, summary)."""
    from wandb.proto import wandb_internal_pb2

    runs = {}
    for file in folder.glob("wandb/offline-run-*/*.wandb"):
        notes, config, history, summary = "", {}, [], {}
        for data in records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            notes = record.run.notes or notes
            for item in record.run.config.update:
                config[item.key] = json.loads(item.value_json)
            if record.history.item:
                history.append({name(item): json.loads(item.value_json) for item in record.history.item})
            summary.update({name(item): json.loads(item.value_json) for item in record.summary.update})
        runs[re.search(r"run-([\w-]+)\.wandb$", file.name)[1]] = (notes, config, history, summary)
    return runs


def records(log: bytes):
    """The records of a log in LevelDB's format: 7 bytes, then blocks of 32 KiB with heads of 7 bytes."""
    at, parts = 7, b""
    while at + 7 <= len(log):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        size, kind = int.from_bytes(log[at + 4 : at + 6], "little"), log[at + 6]
        parts += log[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or last part
            yield parts
            parts = b""


def name(item):
    return item.key or ".".join(item.nested_key)
