"""What comes from outside moves no cursor in a terminal; Ctrl-C ends quietly."""

import json
import os
import signal
import subprocess
import sys

import pytest
from contrary import refusal

import tunebook.cli
from tunebook.errors import TunebookError

ODD = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.exe\x7f"
CSV = "step,train_loss,valid_loss\n" + "".join(f"{k},{1 / k},{1 / k + 0.1}\n" for k in range(1, 31))


def harmless(text):
    """Whether a terminal shows all of it and obeys none of it."""
    return all(sign.isprintable() or sign == "\n" for sign in text)


@pytest.mark.skipif(os.name != "posix", reason="file names cannot hold these characters elsewhere")
def test_a_file_name_is_shown_harmlessly(tmp_path, capsys):
    name = tmp_path / ODD.replace("/", "")
    name.write_text(CSV)
    (tmp_path / f"{ODD}.jsonl").write_text("{")

    codes = [tunebook.cli.main(["diagnose", str(name)]), tunebook.cli.main(["check", f"{tmp_path}/{ODD}.jsonl"])]

    out, err = capsys.readouterr()
    assert codes == [0, 1]
    assert r"\u001b]0;title\u0007\u001b[2J\u009b31m\u202egnp.exe" in out
    assert harmless(out + err)


def test_ids_suffixes_and_reasons_of_runs_are_shown_harmlessly_and_json_stays_json(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        job = {"id": f"{name}{ODD}", "suffix": ODD, "model": ODD, "status": "failed", "error": {"message": ODD}}
        (tmp_path / name / "job.json").write_text(json.dumps(job))
        (tmp_path / name / "results.csv").write_text(CSV)

    for more in ([], ["--json"]):
        assert tunebook.cli.main(["compare", str(tmp_path), *more]) == 0
        out, err = capsys.readouterr()
        assert harmless(out + err)
    assert {job["id"] for job in json.loads(out)["rows"]} == {f"a{ODD}", f"b{ODD}"}


def test_a_services_message_is_shown_harmlessly(world, monkeypatch, capsys):
    world.answers("GET", "", refusal(403, "x", ODD), always=True)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", world.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")

    assert tunebook.cli.main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert r"\u001b[2J" in out
    assert harmless(out + err)


def test_an_error_and_half_a_character_are_shown_harmlessly(monkeypatch, capsys):
    def run(_):
        raise TunebookError(f"{ODD}\udc80\rall is well")

    monkeypatch.setattr(tunebook.cli.judging, "_doctor", run)

    assert tunebook.cli.main(["doctor"]) == 2
    err = capsys.readouterr().err
    assert err.endswith("\\udc80\\u000dall is well\n")
    assert harmless(err)


def test_a_progress_bar_still_goes_to_the_start_of_its_line(capsys):
    tunebook.cli.Harmless(sys.stderr).write("\r 50%|#####     | 1/2\x1b")

    assert capsys.readouterr().err == "\r 50%|#####     | 1/2\\u001b"


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C comes another way elsewhere")
def test_ctrl_c_during_diagnose_ends_without_a_traceback_of_any_process(tmp_path, until):
    """A terminal sends it to the command and to its workers alike."""
    import psutil

    files = [tmp_path / f"{number}.csv" for number in range(400)]
    for file in files:
        file.write_text(CSV)
    body = "import os, sys; os.sched_getaffinity = lambda _: {0, 1}; from tunebook.cli import main; sys.exit(main())"
    program = tmp_path / "program.py"
    program.write_text(f"if __name__ == '__main__':\n    {body}\n")
    started = subprocess.Popen(
        [sys.executable, program, "diagnose", *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = until(lambda: [p for p in psutil.Process(started.pid).children() if "spawn_main" in str(p.cmdline())])

    os.killpg(started.pid, signal.SIGINT)
    _, err = started.communicate(timeout=60)

    assert (started.returncode, err.splitlines()[-1]) == (130, "tunebook: Interrupted.")
    assert "Traceback" not in err
    assert not psutil.wait_procs(workers, timeout=30)[1]
