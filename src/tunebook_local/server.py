"""Starting and stopping: `python -m tunebook_local` serves one state folder in the foreground.

One instance a folder, held by a lock that ends with the process. A second start finds the first and says so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hmac
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from tunebook.catalogue import state_folder
from tunebook.errors import TunebookError
from tunebook_local.desk import Desk
from tunebook_local.desk.clock import Clock
from tunebook_local.desk.limits import Limits
from tunebook_local.desk.log import complain, quieten
from tunebook_local.desk.store import Store
from tunebook_local.desk.supervisor import Supervisor
from tunebook_local.http.app import create_app
from tunebook_local.http.connections import Connection, within_descriptors
from tunebook_local.http.faults import DroppableConnection, FaultPlan, Faults, read_plan
from tunebook_local.http.gate import PROOF, App, Gate, proof
from tunebook_local.http.serving import Service
from tunebook_local.model.python_graders import POSSIBLE

IDLE_S = 3600.0
_IDLE_CHECK_S = 1.0
_BACKLOG = 100  # connections the system holds for us; asyncio takes as many at once
_OTHER_STARTS_S = 10.0  # how long a start that lost the race waits for the winner to answer
_RECORD, _LOCK = "service.json", "service.lock"
_KEY = "TUNEBOOK_KEY"


def main(argv: Sequence[str] | None = None, *, create_app: Callable[[Service], App] = create_app) -> int:
    """Serve until stopped; the exit code: 0 stopped or another instance serves this folder, 2 cannot start."""
    options = _parser().parse_args(argv)
    mask = os.umask(0o077)  # whatever it writes is for its user alone
    try:
        return _serve(options, create_app)
    except TunebookError as error:
        print(f"tunebook serve: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    finally:
        os.umask(mask)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tunebook serve",
        description="The embedded service: Azure OpenAI's fine-tuning API on this machine. It really trains a small "
        "practice model on your examples. Loopback only.",
    )
    add = parser.add_argument
    add("--port", type=_whole(0, 65535), default=0, help="the port on 127.0.0.1 (default: a free one)")
    add("--state", type=Path, help="the folder for everything it keeps (default: TUNEBOOK_STATE, or the user's data)")
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--key", help=f"the key requests must carry (default: what {_KEY} says, or a random one)")
    key.add_argument("--key-file", type=Path, metavar="FILE", help="read it from a file: `ps` shows arguments")
    add("--json", action="store_true", help="print one line of JSON with endpoint and api_key once it answers")
    add("--dialect", choices=("azure", "openai"), default="azure", help="whose replies to give (default: azure)")
    add("--running", type=_whole(1), metavar="N", help="jobs that train at once (default: the service's quotas)")
    add("--pace", type=_seconds, default=0.0, metavar="S", help="least seconds a step takes, to watch a job live")
    idle = "stop after this long without request or job; 0: never"
    add("--idle", type=_seconds, default=IDLE_S, metavar="S", help=idle)
    limits = "another value for a quota or limit"
    add("--limit", type=_limit, action="append", default=[], metavar="NAME=N", help=limits)
    add("--import-from", action="append", default=[], metavar="HOST", help="let files be imported from this host too")
    alias = "answer requests whose Host header has this name too"
    add("--host-alias", type=_host, action="append", default=[], metavar="NAME", help=alias)
    add("--tls", action="store_true", help="serve https, with a certificate made at this start; says whom to trust")
    run = "run the code of python graders, in a process of its own with limits: your code, on your machine"
    add("--run-graders", action="store_true", help=run)
    add("--faults", type=_faults, metavar="PLAN", help="misfortune on purpose: rate=0.1,kinds=429,500,disconnect,slow")
    add("--clock", type=Path, metavar="FILE", help="take the time (unix seconds) from a file, for tests")
    return parser


def _whole(low: int, high: int | None = None) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdigit() or int(text) < low or (high is not None and int(text) > high):
            wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {wanted}")
        return int(text)

    return number


def _host(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a host")
    return text.lower()


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < 1e9:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")


def _faults(text: str) -> FaultPlan:
    try:
        return read_plan(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _limit(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if not value.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER")
    try:
        Limits()[name]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{name!r} is not a limit the service knows") from None
    return name, int(value)


def _serve(options: argparse.Namespace, create_app: Callable[[Service], App]) -> int:
    folder = _state_folder(options.state)
    with _hold(folder) as held:
        if not held:
            return _point_to_other(folder, as_json=options.json)
        with _listen(options.port) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            record = {"endpoint": f"http://{address}", "api_key": _key(options), "pid": os.getpid()}
            written = [folder / _RECORD]
            try:
                if options.tls:
                    from tunebook_local.certificate import make_certificate

                    written += make_certificate(folder, options.host_alias)
                    record |= {"endpoint": f"https://{address}", "trust": str(written[1]), "served": str(written[2])}
                _run(options, _open_desk(options, folder), create_app, listener, record)
            finally:
                for path in written:
                    path.unlink(missing_ok=True)
    return 0


def _key(options: argparse.Namespace) -> str:
    """The key of this instance; the environment forgets it, so that no worker inherits it."""
    key = os.environ.pop(_KEY, "")
    if options.key_file is not None:
        try:
            key = options.key_file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise TunebookError(f"the key file {options.key_file} cannot be read: {error}.") from error
        if not key:
            raise TunebookError(f"the key file {options.key_file} is empty: write the key into it.")
    key = options.key or key or secrets.token_urlsafe(32)
    if not (key.isascii() and key.isprintable() and key.strip() == key):
        raise TunebookError("the key must be of ASCII characters without a line break: it is sent as a header.")
    return key


def _state_folder(chosen: Path | None) -> Path:
    folder = chosen or state_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # other people's examples are in there
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise TunebookError(
            f"the state folder {folder} cannot be written: {error.strerror or error}. Choose another with --state."
        ) from error
    for name in (_RECORD, _LOCK):
        if (folder / name).is_dir():
            raise TunebookError(f"{folder / name} is a folder, but a file of the service goes there. Remove it.")
    return folder.resolve()


@contextlib.contextmanager
def _hold(folder: Path) -> Iterator[bool]:
    """Whether this process now holds the folder. The lock, SQLite's, ends with the process however that ends."""
    lock = sqlite3.connect(folder / _LOCK, timeout=0.0, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise TunebookError(f"the state folder {folder} cannot be used: {error}.") from error
            yield False
            return
        yield True
    finally:
        lock.close()


def _point_to_other(folder: Path, *, as_json: bool) -> int:
    deadline = time.monotonic() + _OTHER_STARTS_S
    while time.monotonic() < deadline:
        record = _answering(folder)
        if record is not None:
            if as_json:
                _print_json(record)
            else:
                print(f"An instance already serves {folder} at {record['endpoint']} (process {record['pid']}).")
            return 0
        time.sleep(0.05)
    raise TunebookError(f"another process holds the state folder {folder} but does not answer. Choose another --state.")


def _answering(folder: Path) -> dict[str, Any] | None:
    """The record of the instance that serves this folder, if one answers there and proves that it is it."""
    try:
        record = json.loads((folder / _RECORD).read_text("utf-8"))
        nonce = secrets.token_hex(16)
        trusted = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=record.get("trust")))
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusted)  # never through a proxy
        with direct.open(f"{record['endpoint']}{PROOF}?{nonce}", timeout=2) as reply:
            port = int(record["endpoint"].rpartition(":")[2])
            given = json.loads(reply.read(1000))["proof"]
            return record if hmac.compare_digest(given, proof(record["api_key"].encode(), nonce, port)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _listen(port: int) -> socket.socket:
    # Named TCP, or asyncio leaves Nagle's algorithm on for its connections, and each reply takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere it would let two processes share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise TunebookError(
            f"port {port} on 127.0.0.1 cannot be used: {error.strerror}. Choose another with --port, or leave it out."
        ) from error
    return listener


def _open_desk(options: argparse.Namespace, folder: Path) -> Desk:
    if options.run_graders and not POSSIBLE:
        raise TunebookError("--run-graders needs the limits of a POSIX system, which this one has not.")
    overrides = dict(options.limit)
    if options.running is not None:
        overrides |= {"running_jobs": options.running, "running_jobs_developer": options.running}
    with _usable(folder):
        store = Store(folder)
        store.check()
    clock = Clock(options.pace, options.clock)
    return Desk(store, clock, Limits(overrides), tuple(options.import_from), options.dialect, options.run_graders)


@contextlib.contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """What goes wrong with the folder here is one line, with what to do."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise TunebookError(
            f"the state folder {folder} cannot be used: {error}. Choose another with --state, or repair or remove it."
        ) from error


def _run(
    options: argparse.Namespace,
    desk: Desk,
    create_app: Callable[[Service], App],
    listener: socket.socket,
    record: dict[str, Any],
) -> None:
    supervisor = Supervisor(desk)
    app = create_app(Service(desk, supervisor))
    if options.faults is not None:
        app = Faults(app, options.faults, desk.dialect)
    gate = Gate(app, record["api_key"], desk.dialect, desk.limits, options.host_alias)
    quieten("asyncio", "uvicorn.error")
    line = Connection if options.faults is None else DroppableConnection
    limits = within_descriptors(desk.limits)
    config = uvicorn.Config(
        gate,
        http=cast(Any, partial(line, limits=limits)),
        backlog=min(_BACKLOG, limits["connections"]),
        ssl_certfile=record.get("served"),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config, on_ready=lambda: _announce(desk.store.folder, record, as_json=options.json))
    with _usable(desk.store.folder):
        supervisor.start()
    try:
        signal.signal(signal.SIGTERM, _stop_quietly)
        asyncio.run(_until_idle(server, listener, gate, supervisor, options.idle))
    finally:
        supervisor.stop()
        desk.store.close()


async def _until_idle(
    server: uvicorn.Server, listener: socket.socket, gate: Gate, supervisor: Supervisor, idle_s: float
) -> None:
    async def watch() -> None:
        while idle_s:
            await asyncio.sleep(min(_IDLE_CHECK_S, idle_s))
            if supervisor.busy:
                gate.last_request = time.monotonic()
            elif time.monotonic() - gate.last_request > idle_s:
                server.should_exit = True

    def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "exception" in context:
            complain(context["exception"])
        else:
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(told)
    watching = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()


def _stop_quietly(*_: object) -> None:
    raise KeyboardInterrupt  # uvicorn has shut down by now and hands the signal on


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Any) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def _announce(folder: Path, record: dict[str, Any], *, as_json: bool) -> None:
    """Write service.json, readable by this user only, and say where the service is."""
    partial = folder / f"{_RECORD}.{os.getpid()}"
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(record, file)
    partial.replace(folder / _RECORD)
    if as_json:
        _print_json(record)
        return
    print(f"tunebook's embedded service (a stand-in for practice) serves {record['endpoint']}")
    trust = f"  trust  {record['trust']} (for example SSL_CERT_FILE, REQUESTS_CA_BUNDLE)\n" if "trust" in record else ""
    print(f"{trust}  state  {folder}\n  key    in {folder / _RECORD}\n  stop   Ctrl-C", flush=True)


def _print_json(record: dict[str, Any]) -> None:
    print(json.dumps({name: record[name] for name in ("endpoint", "api_key", "trust") if name in record}), flush=True)
