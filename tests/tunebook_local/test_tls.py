"""https and further host names, for clients that insist on them; still loopback only."""

import json
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest


@pytest.fixture
def secured(start):
    """A service with https and an alias; and the certificate to trust."""
    running = start("--tls", "--host-alias", "Contoso.openai.azure.com", "--key", "k")
    return running, Path(json.loads((running.state / "service.json").read_text())["trust"])


def test_it_serves_https_with_a_certificate_for_this_machine_and_the_alias(secured):
    running, trust = secured
    with httpx.Client(verify=ssl.create_default_context(cafile=str(trust)), trust_env=False) as http:
        for host in ("127.0.0.1", "localhost", "contoso.openai.azure.com"):
            reply = http.get(
                f"{running.endpoint}/openai/v1/files",
                headers={"api-key": "k", "host": host},
                extensions={"sni_hostname": host},
            )
            assert (reply.status_code, reply.json()["data"]) == (200, [])

        foreign = http.get(f"{running.endpoint}/openai/v1/files", headers={"api-key": "k", "host": "evil.example"})

    assert foreign.status_code == 403


def test_its_key_is_for_its_user_alone_and_goes_when_it_ends(secured):
    running, trust = secured
    served = running.state / "certificate.pem"

    assert stat.S_IMODE(served.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" not in trust.read_bytes()

    running.stop()
    assert not served.exists()
    assert not trust.exists()


def test_addresses_in_its_replies_are_https_too(secured):
    running, trust = secured
    line = b'{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}\n'
    with httpx.Client(verify=ssl.create_default_context(cafile=str(trust)), trust_env=False) as http:
        reply = http.post(
            f"{running.endpoint}/openai/files?api-version=2024-10-21",
            headers={"api-key": "k"},
            files={"file": ("t.jsonl", line * 10)},
            data={"purpose": "fine-tune"},
        )

    assert reply.headers["location"].startswith("https://127.0.0.1:")


def test_a_second_start_points_to_it_and_says_whom_to_trust(secured):
    running, trust = secured

    command = [sys.executable, "-m", "tunebook_local", "--state", str(running.state), "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)

    assert told == {"endpoint": running.endpoint, "api_key": "k", "trust": str(trust)}


def test_the_kit_says_that_it_is_for_others(secured):
    from tunebook.errors import ServiceError
    from tunebook.service import connect

    with pytest.raises(ServiceError, match="runs with --tls, for other clients"):
        connect("local", state=secured[0].state, environ={})


@pytest.mark.parametrize("name", ["", "a b", "x/y", "*.example.org", "-x"])
def test_an_alias_that_is_no_name_of_a_host_is_refused(name, capsys):
    from tunebook_local.server import main

    with pytest.raises(SystemExit):
        main([f"--host-alias={name}"])
    assert "is not the name of a host" in capsys.readouterr().err
