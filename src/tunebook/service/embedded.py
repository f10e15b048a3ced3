"""Finding, or starting, the embedded service: a process of its own, reached over HTTP alone.

Notebooks on one machine share one instance. It is found through `service.json` in its state folder, asked whether it
lives, and started when it does not; it ends by itself after an hour without a request or a running job.
"""

from __future__ import annotations

import hmac
import http.client
import json
import secrets
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tunebook.catalogue import state_folder
from tunebook.errors import ServiceError

_START_TIMEOUT_S = 30.0
_ANSWER_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Instance:
    """A running embedded service. The key is kept out of the repr."""

    endpoint: str
    api_key: str = field(repr=False)


def running_instance(state: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Instance:
    """The instance of this state folder, started if none lives. Raises ServiceError when it does not start."""
    folder = state or state_folder(environ)
    instance = _recorded(folder)
    if instance is not None and proves_itself(instance):
        return instance
    return _start(folder)


def _recorded(folder: Path) -> Instance | None:
    try:
        record = json.loads((folder / "service.json").read_text("utf-8"))
        return Instance(str(record["endpoint"]), str(record["api_key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never started, or stopped half-way through writing: starting anew mends both


def proves_itself(instance: Instance) -> bool | None:
    """Whether the service that wrote the record is there: it proves that it has the key, which is not sent to it.

    After a crash any other program may have its port. None: nothing answers there, or not in time.
    """
    parts, nonce = urlsplit(instance.endpoint), secrets.token_hex(16)
    if parts.scheme != "http" or parts.hostname != "127.0.0.1":
        return False
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    wanted = hmac.new(instance.api_key.encode(), f"{nonce}\n{parts.port}".encode(), "sha256").hexdigest()
    try:
        with direct.open(f"{instance.endpoint}/tunebook/proof?{nonce}", timeout=_ANSWER_TIMEOUT_S) as reply:
            return hmac.compare_digest(wanted, str(json.loads(reply.read(1000))["proof"]))
    except urllib.error.HTTPError:
        return False
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, http.client.HTTPException):
        return False


def _start(folder: Path) -> Instance:
    command = [sys.executable, "-m", "tunebook_local", "--state", str(folder), "--json"]
    with tempfile.TemporaryFile("w+") as complaints:  # a pipe nobody reads would block the service one day
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,  # Ctrl-C in the notebook stops the cell, not the service
            text=True,
        )
        line = _announced(process, _START_TIMEOUT_S)
        try:
            record = json.loads(line)
            instance = Instance(record["endpoint"], record["api_key"])
            if instance.endpoint.startswith("http://"):
                return instance
            raise ServiceError(
                f"The embedded service of {folder} runs with --tls, for other clients. Stop it, or choose another "
                "folder with TUNEBOOK_STATE."
            )
        except (ValueError, KeyError, TypeError):
            process.kill()
            process.wait()
            complaints.seek(0)
            complaint = complaints.read().strip() or line.strip() or "it said nothing."
        raise ServiceError(
            f"The embedded service did not start in {folder}: {complaint.splitlines()[-1]} "
            "Choose another folder with TUNEBOOK_STATE, or try `tunebook serve` to see it start."
        )


def _announced(process: subprocess.Popen[str], timeout_s: float) -> str:
    """The first line the process prints, "" when it ends or says nothing within the time."""
    stopper = threading.Timer(timeout_s, process.kill)
    stopper.start()
    try:
        return process.stdout.readline() if process.stdout else ""
    finally:
        stopper.cancel()
