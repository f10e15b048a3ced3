"""Files of the kit that were edited or damaged: types are looked at where a file is read, and each is told in words."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import mutate
import pytest

import tunebook as tb
from tunebook.errors import ResultsError


@pytest.mark.filterwarnings("ignore")
def test_no_edit_of_a_manifest_raises_what_is_not_the_kits_own(tmp_path):
    assert list(mutate.sweeps(tmp_path / "sweep", 300)) == []


@pytest.mark.filterwarnings("ignore")
def test_no_edit_of_a_run_folder_raises_or_costs_the_other_run(tmp_path):
    assert list(mutate.runs(tmp_path, 40)) == []


def test_of_a_job_with_one_wrong_field_the_others_are_kept_and_the_field_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "job.json").write_text(json.dumps(mutate.JOB | {"seed": "seven"}))
    (tmp_path / "a" / "results.csv").write_text(mutate.TABLE)

    (run,) = tb.read_runs(tmp_path)

    assert (run.seed, run.model, run.hyperparameters["n_epochs"]) == (None, "gpt-4.1-mini", 3)
    assert "`$.seed`" in run.problems["job.json"]
    assert "$.seed" in tb.compare([run]).left_out["ftjob-b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("step,train_loss," + "x" * 140_000 + "\n1,2\n", "line 1: field larger than field limit"),
        ("step,train_loss\n1," + "9" * 2_000_000 + "\n", "line 2: it is longer than 1 MB"),
        ("step,train_loss\n" + "1,2\n" * 3 + "4,x" + "y" * 140_000 + "\n", "line 5: train_loss is 'xyyy"),
        ('{"train_loss": ' + "[" * 3000 + "\n", "not a result file"),
    ],
)
def test_a_result_file_with_an_endless_field_is_named_by_its_line(content, words):
    with pytest.raises(ResultsError, match=words):
        tb.load_results(content)


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes have other names elsewhere")
def test_a_device_a_pipe_and_a_folder_are_called_what_they_are_and_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place, kind in ((Path("/dev/zero"), "a device"), (tmp_path / "pipe", "a pipe"), (tmp_path, "a folder")):
        with pytest.raises(ResultsError, match=f"is {kind}.*not a file"):
            tb.load_results(place)


ODD_NAMES = ["\x1b[2J", "a\x00b", "\u202egnp", "x" * 200, "<script>", "=1+1"]


@pytest.mark.parametrize("odd", ODD_NAMES)
def test_odd_names_of_columns_and_long_ids_are_exported(tmp_path, odd):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "job.json").write_text(json.dumps(mutate.JOB | {"id": f"{odd}{name}" + "y" * 200}))
        header = f'step,train_loss,valid_loss,"{odd.replace(chr(0), "")}"\n'
        rows = "".join(f"{k},{2 / k},{2 / k + 0.1},{k}\n" for k in range(1, 31))
        (tmp_path / name / "results.csv").write_text(header + rows)
    compared = tb.compare(tb.read_runs(tmp_path))

    figures = tb.report.write_figures(compared, tmp_path / "figures")
    page = tb.write_report(compared, tmp_path / "report.md")

    assert {figure.parent for figure in figures} == {tmp_path / "figures"}
    assert len(set(figures)) == len(tb.report.figure_names(compared))
    assert len({path.name for path in (tmp_path / "report_files").iterdir()}) >= 2
    assert page.is_file()
    if find_spec("pyarrow"):
        assert len(tb.report.write_parquet(compared, tmp_path)) == 4
    if find_spec("openpyxl"):
        assert tb.report.write_excel(compared, tmp_path / "t.xlsx").is_file()
