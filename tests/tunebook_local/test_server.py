"""Starting and stopping the service: one clear line each, no traceback, nothing half-written."""

import json
import signal
import socket
import stat
import subprocess
import sys
import time

import openai
import pytest

COMMAND = [sys.executable, "-m", "tunebook_local"]


def serve(*options, **more):
    return subprocess.run(
        [*COMMAND, *map(str, options)], capture_output=True, text=True, timeout=30, check=False, **more
    )


def test_its_record_is_for_its_user_only_and_goes_when_it_stops(start):
    service = start("--key", "sesame")
    record = service.state / "service.json"
    told = json.loads(record.read_text())

    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    pid = service.process.pid
    assert told == {"endpoint": service.endpoint, "api_key": "sesame", "pid": pid, "run_graders": False}
    service.stop()
    assert not record.exists()
    assert service.process.returncode == 0


def test_a_second_start_points_to_the_first(start):
    service = start()
    said = serve("--state", service.state, "--json")
    aloud = serve("--state", service.state)

    assert (said.returncode, aloud.returncode) == (0, 0)
    assert json.loads(said.stdout) == {"endpoint": service.endpoint, "api_key": service.api_key}
    assert service.endpoint in aloud.stdout
    assert service.api_key not in aloud.stdout


def test_after_a_kill_the_folder_can_be_served_again_though_its_record_is_stale(start, tmp_path):
    first = start(state=tmp_path)
    first.kill()
    second = start(state=tmp_path)

    assert second.endpoint != first.endpoint or second.api_key != first.api_key
    assert json.loads((tmp_path / "service.json").read_text())["pid"] == second.process.pid


def test_two_starts_at_once_are_one_service(tmp_path):
    both = [
        subprocess.Popen([*COMMAND, "--state", tmp_path, "--json"], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    lines = {process.stdout.readline() for process in both}
    for process in both:
        process.terminate()
        process.communicate(timeout=20)

    assert len(lines) == 1
    assert json.loads(lines.pop())["endpoint"].startswith("http://127.0.0.1:")


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve("--state", tmp_path, "--port", port)

    assert done.returncode == 2
    assert done.stderr.startswith(f"tunebook serve: port {port} on 127.0.0.1 cannot be used: Address already in use.")
    assert len(done.stderr.splitlines()) == 1


def test_a_state_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    done = serve("--state", tmp_path / "file" / "state")

    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_store_that_is_none_is_one_clear_line(tmp_path):
    (tmp_path / "service.db").write_text("this is no database, whatever its name says; " * 50)
    done = serve("--state", tmp_path)

    assert done.returncode == 2
    assert "file is not a database" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "70000"], "from 0 to 65535"),
        (["--running", "0"], "at least 1"),
        (["--pace", "fast"], "is not a number of seconds"),
        (["--limit", "patience=3"], "'patience' is not a limit"),
        (["--faults", "rate=2"], "must be from 0 to 1"),
        (["--faults", "kinds=gremlins"], "'gremlins' is not one of"),
    ],
)
def test_an_option_that_does_not_fit_is_told_with_its_value(options, said):
    done = serve(*options)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_stops_it_quietly(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "--state", tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (0, "")
    assert "Traceback" not in out


def test_it_stops_by_itself_when_nobody_asks_anything(tmp_path):
    process = subprocess.Popen([*COMMAND, "--state", tmp_path, "--json", "--idle", "0.5"], stdout=subprocess.PIPE)
    process.stdout.readline()
    began = time.monotonic()

    assert process.wait(20) == 0
    assert time.monotonic() - began >= 0.4
    process.stdout.close()


def test_it_does_not_stop_while_a_job_runs(start):
    client = openai.OpenAI(api_key="none")  # what is slow about a client is done before the service waits
    service = start("--idle", "0.8", "--pace", "0.25")
    service.sdk = client.with_options(base_url=f"{service.endpoint}/openai/v1/", api_key=service.api_key)
    file = service.upload()
    job = service.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-mini", training_file=file, hyperparameters={"n_epochs": 1, "batch_size": 3}
    )
    weights = service.state / "jobs" / job.id
    while not list(weights.glob("weights-*")):  # asks the disk, not the service
        assert service.process.poll() is None
        time.sleep(0.05)
    assert service.process.wait(20) == 0


def test_the_server_and_its_workers_load_nothing_heavy():
    script = (
        "import sys, tunebook_local.server, tunebook_local.desk.worker, tunebook_local.model.trainer;"
        "import tunebook.data.rules.gate;"
        "print([name for name in ('pandas', 'sklearn', 'matplotlib', 'openai', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_it_listens_on_loopback_only(start):
    service = start()
    port = int(service.endpoint.rsplit(":", 1)[1])
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)} - {"127.0.0.1"}
    for address in addresses:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, port)) != 0
    assert service.endpoint == f"http://127.0.0.1:{port}"
