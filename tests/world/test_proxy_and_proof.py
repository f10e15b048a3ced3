"""Loopback is never sent to a proxy, and nothing is sent to a program that only stands at the service's old port."""

import json
import os
import subprocess
import sys

import psutil
import pytest
from contrary import Contrary, Reply

from tunebook.errors import ServiceError
from tunebook.service import JobRequest, connect

REQUEST = JobRequest(model="gpt-4.1-nano", training_file="file-1")


@pytest.fixture
def proxied(world, monkeypatch):
    """Every proxy variable leads to the contrary server."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, world.url)
        monkeypatch.setenv(name.lower(), world.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return world


def test_no_client_of_the_kit_sends_loopback_to_a_proxy(proxied, service):
    ws = connect(service.endpoint, api_key=service.api_key, environ={})

    assert ws.files.list() is not None
    assert ws.dated_client.files.list().data is not None
    assert isinstance(ws.deployments.list(), list)
    assert ws.management.pages(ws.management.account.id + "/deployments", "2024-10-01") is not None
    list(ws.management.pages(ws.management.account.id + "/deployments", "2024-10-01"))
    assert proxied.calls == []


def test_the_embedded_service_is_started_found_again_and_pointed_to_behind_a_proxy(proxied, tmp_path):
    first = connect("local", state=tmp_path, environ={})

    command = [sys.executable, "-m", "tunebook_local", "--state", str(tmp_path), "--json"]
    second = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)

    assert first.endpoint == second["endpoint"] == connect("local", state=tmp_path, environ={}).endpoint
    assert proxied.calls == []
    os.kill(json.loads((tmp_path / "service.json").read_text())["pid"], 15)


@pytest.mark.parametrize("answer", [{"data": []}, {"proof": "0" * 64}, {"proof": None}, []])
def test_another_program_at_the_services_port_gets_neither_key_nor_file(tmp_path, answer):
    impostor = Contrary()
    impostor.answers("GET", "", Reply(200, answer), always=True)
    record = {"endpoint": impostor.url, "api_key": "the-key", "pid": 1}
    (tmp_path / "service.json").write_text(json.dumps(record))

    ws = connect("local", state=tmp_path, environ={})

    assert ws.endpoint != impostor.url
    assert all("the-key" not in str(call) for call in impostor.calls)
    os.kill(json.loads((tmp_path / "service.json").read_text())["pid"], 15)
    impostor.close()


def test_a_program_that_takes_the_port_later_gets_nothing_either(tmp_path):
    """The service has ended meanwhile, and its port has gone to another program."""
    ws = connect("local", state=tmp_path, environ={})
    served = json.loads((tmp_path / "service.json").read_text())
    process = psutil.Process(served["pid"])
    process.terminate()
    process.wait(20)
    impostor = Contrary(port=int(served["endpoint"].rpartition(":")[2]))
    impostor.answers("GET", "proof", Reply(200, {"proof": "0" * 64}), always=True)

    for ask in (ws.files.list, ws.dated_client.files.list, ws.deployments.list, lambda: ws.jobs.create(REQUEST)):
        with pytest.raises(ServiceError, match=r"Another program answers at .* Nothing was sent"):
            ask()

    assert {call.path.partition("?")[0] for call in impostor.calls} == {"/tunebook/proof"}
    assert served["api_key"] not in str(impostor.calls)
    impostor.close()
