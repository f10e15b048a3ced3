"""The command: each verb does its work, and each mistake is one clear message and an exit code that is not 0."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tunebook.cli import main
from tunebook.errors import TunebookError
from tunebook.report.printing import find_chromium

RISING = "step,train_loss,valid_loss\n" + "".join(
    f"{s},{2.0 - s / 40},{1.0 + abs(s - 20) / 20}\n" for s in range(1, 61)
)


def examples(n):
    line = {"messages": [{"role": "user", "content": "Say {}"}, {"role": "assistant", "content": "{} it is."}]}
    return "".join(json.dumps(line).replace("{}", str(i)) + "\n" for i in range(n))


@pytest.fixture
def run(capsys):
    """Run the command; gives its exit code and what it wrote to both streams."""

    def command(*arguments):
        code = main([str(a) for a in arguments])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return command


def test_check_passes_a_good_file_and_counts_it(run, tmp_path):
    (tmp_path / "good.jsonl").write_text(examples(12))

    code, out, _ = run("check", tmp_path / "good.jsonl", "--json")

    report = json.loads(out)
    assert (code, report["examples"], report["errors"]) == (0, 12, 0)


def test_check_exits_with_1_for_what_the_service_would_refuse(run, tmp_path):
    (tmp_path / "few.jsonl").write_text(examples(9))

    code, out, _ = run("check", tmp_path / "few.jsonl")

    assert code == 1
    assert "at least 10" in out


def test_diagnose_tells_each_file_and_goes_on_after_one_it_cannot_read(run, tmp_path):
    (tmp_path / "rising.csv").write_text(RISING)
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7 nothing to see")

    code, out, _ = run("diagnose", tmp_path / "letter.pdf", tmp_path / "rising.csv", "--json")

    bad, good = json.loads(out)
    assert code == 2
    assert "letter.pdf" in bad["error"]
    assert (good["verdict"], good["file"]) == ("overfitting", str(tmp_path / "rising.csv"))


def test_forecast_tells_where_each_file_ends_one_object_a_file(run, tmp_path):
    (tmp_path / "rising.csv").write_text(RISING)
    (tmp_path / "short.csv").write_text("step,valid_loss\n1,2.0\n")
    files = (tmp_path / "rising.csv", tmp_path / "short.csv")

    code, out, _ = run("forecast", *files, "--total-steps", "400", "--incumbent", "0.1", "--json")

    whole, short = json.loads(out)
    assert code == 0
    assert whole["interval90"][0] < whole["expected"] < whole["interval90"][1]
    assert 0 <= whole["p_beats"] <= 1
    assert (short["expected"], short["reason"][:18]) == (None, "Cannot be said yet")


@pytest.fixture
def bare_runs(tmp_path):
    """A folder of two runs as people keep them by hand: what the job was, and its result file."""
    for seed in (1, 2):
        folder = tmp_path / "runs" / f"seed-{seed}"
        folder.mkdir(parents=True)
        job = {
            "id": f"ftjob-{seed}",
            "model": "gpt-4.1-nano",
            "seed": seed,
            "hyperparameters": {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 0.1 * seed},
        }
        (folder / "job.json").write_text(json.dumps(job))
        (folder / "results.csv").write_text(RISING)
    return tmp_path / "runs"


def test_compare_says_in_json_what_a_pipeline_decides_by(run, bare_runs):
    code, out, _ = run("compare", bare_runs, "--json")

    found = json.loads(out)
    assert code == 0
    assert [row["id"] for row in found["rows"]] == ["ftjob-1", "ftjob-2"]
    assert {"winner", "indistinguishable", "importance", "left_out"} <= set(found)


def test_report_writes_the_page_and_prints_it_when_asked(run, bare_runs, tmp_path):
    try:
        find_chromium()
    except TunebookError:
        pytest.skip("no Chromium is installed here")

    code, out, _ = run("report", bare_runs, "-o", tmp_path / "page.html", "--pdf")

    assert (code, out.split()) == (0, [str(tmp_path / "page.html"), str(tmp_path / "page.pdf")])
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "nowhere.jsonl"),
        ("diagnose", "nowhere.csv"),
        ("compare", "nowhere"),
        ("report", "nowhere"),
        ("demo", "--train", "nowhere.jsonl"),
    ],
)
def test_a_missing_file_is_named_without_a_traceback(run, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code, out, err = run(*arguments)

    assert code == 2
    assert "nowhere" in out + err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "empty"), (b"not json\n" * 12, "line 1"), (examples(9).encode(), "10")]
)
def test_demo_refuses_a_file_it_cannot_train_on_before_it_starts_anything(run, tmp_path, monkeypatch, content, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path / "state"))
    (tmp_path / "mine.jsonl").write_bytes(content)

    code, _, err = run("demo", "--train", "mine.jsonl")

    assert code == 2
    assert "mine.jsonl" in err
    assert told in err
    assert not (tmp_path / "state").exists()


def test_demo_says_when_it_cannot_write_its_report(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text(examples(20))
    (tmp_path / "taken").write_text("a file, not a folder")

    code, _, err = run("demo", "--train", "mine.jsonl", "--out", "taken")

    assert code == 2
    assert "taken" in err
    assert "--out" in err


def test_demo_does_the_whole_job_on_ones_own_file(tmp_path):
    (tmp_path / "mine.jsonl").write_text(examples(30))

    done = tunebook(tmp_path, "demo", "--train", "mine.jsonl").wait_and_read()

    assert done.code == 0, done.err
    assert "overfitting" in done.out or "inconclusive" in done.out or "healthy" in done.out
    assert (tmp_path / "tunebook-demo" / "report.html").stat().st_size > 10_000
    assert len(list((tmp_path / "tunebook-demo" / "runs").glob("*/results.csv"))) == 4


def test_interrupting_the_demo_cancels_its_jobs_and_the_next_demo_works(tmp_path):
    (tmp_path / "mine.jsonl").write_text(examples(400))
    demo = tunebook(tmp_path, "demo", "--train", "mine.jsonl", "--all")
    demo.read_until("running")

    demo.process.send_signal(signal.SIGINT)
    stopped = demo.wait_and_read()

    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert not (tmp_path / "tunebook-demo" / "report.html").exists()
    from tunebook.service import connect

    ws = connect("local", state=tmp_path / "state")
    assert {job.status for job in ws.jobs.list()} <= {"cancelled", "succeeded"}
    (tmp_path / "mine.jsonl").write_text(examples(30))
    assert tunebook(tmp_path, "demo", "--train", "mine.jsonl").wait_and_read().code == 0


def test_serve_says_when_its_port_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = tunebook(tmp_path, "serve", "--port", str(port), "--state", str(tmp_path / "other")).wait_and_read()

    assert done.code not in (0, None)
    assert str(port) in done.err
    assert "Traceback" not in done.err


class Command:
    """A running `tunebook` command, its own session's state in the test's folder."""

    def __init__(self, folder, arguments):
        environ = {**os.environ, "TUNEBOOK_STATE": str(folder / "state")}
        environ.pop("AZURE_OPENAI_ENDPOINT", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tunebook", *arguments],
            cwd=folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out = self.err = ""
        self.code = None

    def read_until(self, word):
        deadline = time.monotonic() + 60
        while word not in self.err and time.monotonic() < deadline:
            self.err += self.process.stderr.readline()

    def wait_and_read(self):
        out, err = self.process.communicate(timeout=120)
        self.out, self.err, self.code = self.out + out, self.err + err, self.process.returncode
        return self


def tunebook(folder, *arguments):
    return Command(folder, arguments)


def test_lab_hands_what_it_does_not_know_to_jupyterlab(run, monkeypatch):
    given = []
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", given.extend)

    code, _, _ = run("lab", "--no-browser", "--port", "8899")

    assert code == 0
    assert given[-3:] == ["--no-browser", "--port", "8899"]
    assert given[1].endswith("01_quickstart.ipynb")


def test_an_option_that_no_verb_knows_is_refused(run):
    with pytest.raises(SystemExit):
        run("diagnose", "--loud", "x.csv")


def test_the_catalogue_is_printed_with_its_age(capsys):
    assert main(["catalogue"]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("Catalogue of 2026-10-30, ")
    assert "GlobalStandard    $1.5 a million tokens, as of 2025-08-25; australiaeast" in printed


def test_a_catalogue_file_is_checked_and_each_fault_is_a_line(tmp_path, capsys):
    own = tmp_path / "own.toml"
    price = 'model = "gpt-5"\ntraining_type = "Standard"\nusd_per_hour = -1\nsource = "me"\ndated = 2026-11-01\n'
    own.write_text(f"[[prices]]\n{price}")
    assert main(["catalogue", "--check", str(own)]) == 1
    told = "✗ wrong  prices 1 (gpt-5, Standard): usd_per_hour = -1: expected `float` >= 0.0.\n"
    assert capsys.readouterr().out == told

    own.write_text(own.read_text().replace("= -1", "= 100"))
    assert main(["catalogue", "--check", str(own)]) == 0
    assert "which then is of 2026-11-01." in capsys.readouterr().out
