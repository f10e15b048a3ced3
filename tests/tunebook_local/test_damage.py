"""What people, disks and clocks do to a state folder: one clear line each, and nothing half there is served."""

import os
import stat
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "tunebook_local"]
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
TO_DEPLOY = {
    "sku": {"name": "standard", "capacity": 1},
    "properties": {"model": {"format": "OpenAI", "name": "gpt-4.1-mini", "version": "1"}},
}


def complaint(*options, **environ):
    """What a start that fails says, on its one line."""
    environ = {**os.environ, **environ}
    done = subprocess.run(
        [*COMMAND, *map(str, options)], capture_output=True, text=True, timeout=30, check=False, env=environ
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


@pytest.mark.parametrize("name", ["service.json", "service.lock", "service.db"])
def test_a_folder_where_a_file_belongs_is_one_clear_line(tmp_path, name):
    (tmp_path / name).mkdir()

    assert str(tmp_path) in complaint("--state", tmp_path)


def test_a_database_with_garbage_in_its_middle_is_one_clear_line(start, tmp_path):
    service = start(state=tmp_path)
    for _ in range(30):
        service.upload(count=1)
    service.stop()
    database = tmp_path / "service.db"
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 8192))

    assert "repair or remove it" in complaint("--state", tmp_path)


@pytest.mark.parametrize("left", [None, b"half of it"])
def test_content_that_is_missing_or_cut_short_is_refused_in_the_apis_words(service, left):
    file = service.upload()
    name = max((service.state / "blobs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    name.unlink() if left is None else name.write_bytes(left)
    with service.http() as http:
        content = http.get(f"/openai/v1/files/{file}/content")
        job = http.post("/openai/v1/fine_tuning/jobs", json={"model": "gpt-4.1-mini", "training_file": file})

    for reply in (content, job):
        assert reply.status_code == 400
        assert "is damaged" in reply.json()["error"]["message"]


def test_what_is_written_is_for_its_user_only_whatever_the_folder_was(start, tmp_path):
    state = tmp_path / "state"
    (state / "blobs").mkdir(parents=True)
    for path in (state, state / "blobs"):
        path.chmod(0o755)
    (state / "service.db").touch(0o644)
    service = start(state=state)
    service.upload()

    inside = [path for path in state.rglob("*") if path.name != "service.db-journal"]
    assert inside
    assert {path.name for path in inside if stat.S_IMODE(path.stat().st_mode) & 0o077} == set()


def test_the_key_can_come_from_a_file_or_the_environment(start, tmp_path, monkeypatch):
    (tmp_path / "key").write_text("from-a-file\n")
    monkeypatch.setenv("TUNEBOOK_KEY", "from-the-environment")

    assert start("--key-file", tmp_path / "key", state=tmp_path / "a").api_key == "from-a-file"
    assert start(state=tmp_path / "b").api_key == "from-the-environment"
    assert "is empty" in complaint("--state", tmp_path / "c", "--key-file", os.devnull)
    assert "ASCII" in complaint("--state", tmp_path / "d", TUNEBOOK_KEY="schlüssel")


def test_a_clock_set_back_leaves_a_ready_deployment_ready(start, tmp_path):
    time = tmp_path / "time"
    time.write_text("1800000000")
    service = start("--clock", time, "--pace", 5)
    address = f"{ACCOUNT}/deployments/d"

    def state(now):
        time.write_text(str(now))
        with service.http(params={"api-version": "2024-10-01"}) as http:
            return http.get(address).json()["properties"]["provisioningState"]

    with service.http(params={"api-version": "2024-10-01"}) as http:
        assert http.put(address, json=TO_DEPLOY).status_code == 201
    assert state(1_800_000_006) == "Creating"
    assert state(1_800_000_020) == "Succeeded"
    assert state(1_800_000_000 - 3600) == "Succeeded"


def test_a_number_of_400_digits_is_a_400(service):
    digits = b"9" * 400
    body = b'{"model": "m", "training_file": "f", "hyperparameters": {"learning_rate_multiplier": %s}}' % digits
    chat = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": %s}' % digits
    with service.http() as http:
        for path, content in (("fine_tuning/jobs", body), ("chat/completions", chat)):
            assert http.post(f"/openai/v1/{path}", content=content).status_code == 400
