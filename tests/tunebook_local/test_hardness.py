"""What a service on a shared machine must withstand: strangers, wrong hosts, huge bodies, cut lines, full disks."""

import json
import os
import resource
import socket
import subprocess
import sys
import time

import httpx
import psutil
import pytest

MB = 2**20


def raw(service, text, *, key=True):
    """Send bytes as they are; all that comes back until the other side closes."""
    host, port = service.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(text.replace("KEY", service.api_key if key else "x").encode())
        reply = b""
        while chunk := line.recv(65536):
            reply += chunk
        return reply.decode("latin-1")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"api-key": "wrong"},
        {"api-key": ""},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic KEY"},
        {"authorization": "KEY"},
        {"authorization": "Bearer"},
    ],
)
@pytest.mark.parametrize("path", ["/openai/v1/files", "/openai/v1/nothing", "/tunebook", "/subscriptions/s"])
def test_nobody_is_let_in_without_the_key(service, headers, path):
    sent = {name: value.replace("KEY", service.api_key) for name, value in headers.items()}
    with service.http(headers=sent) as http:
        reply = http.get(path)

    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "401"
    assert service.api_key not in reply.text


@pytest.mark.parametrize(
    "headers", [{"api-key": "KEY"}, {"Authorization": "Bearer KEY"}, {"authorization": "bearer KEY"}]
)
def test_the_key_is_taken_in_each_of_its_places(service, headers):
    sent = {name: value.replace("KEY", service.api_key) for name, value in headers.items()}
    with service.http(headers=sent) as http:
        assert http.get("/openai/v1/models").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]"])
def test_a_foreign_host_is_refused_even_with_the_key(service, host):
    reply = raw(service, f"GET /openai/v1/models HTTP/1.1\r\nHost: {host}\r\napi-key: KEY\r\nConnection: close\r\n\r\n")

    assert reply.startswith("HTTP/1.1 403")


def test_repeated_slashes_collapse(service):
    reply = raw(
        service, "GET //openai//v1///models HTTP/1.1\r\nHost: 127.0.0.1\r\napi-key: KEY\r\nConnection: close\r\n\r\n"
    )

    assert reply.startswith("HTTP/1.1 200")


@pytest.mark.parametrize(
    "path", ["files/../service.json", "files/%2e%2e%2fservice.json/content", "files/..%5cx/content"]
)
def test_names_in_addresses_are_never_paths(service, path):
    request = f"GET /openai/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\napi-key: KEY\r\nConnection: close\r\n\r\n"

    assert raw(service, request).startswith("HTTP/1.1 404")


def test_a_body_that_announces_too_much_is_refused_before_it_is_sent(service):
    head = (
        "POST /openai/v1/{} HTTP/1.1\r\nHost: 127.0.0.1\r\napi-key: KEY\r\nConnection: close\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n"
    )
    upload = raw(service, head.format("files", 600 * MB))
    job = raw(service, head.format("fine_tuning/jobs", 5 * MB))

    assert upload.startswith("HTTP/1.1 413")
    assert "The maximum allowed size is 512 MB" in upload
    assert job.startswith("HTTP/1.1 413")


def test_a_body_that_does_not_announce_itself_is_cut_off_at_the_limit(start):
    service = start("--limit", f"upload_bytes={MB}")

    def body():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        for _ in range(64):
            yield b"x" * 65536

    with service.http() as http:
        headers = {"content-type": "multipart/form-data; boundary=b", "api-key": service.api_key}
        reply = http.post("/openai/v1/files", content=body(), headers=headers)

    assert reply.status_code == 413
    assert list((service.state / "incoming").iterdir()) == []


def test_a_connection_cut_in_the_middle_leaves_nothing_behind(service, until):
    before = sorted((service.state / "blobs").iterdir())
    files = len(service.sdk.files.list().data)
    host, port = service.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(
            f"POST /openai/v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\napi-key: {service.api_key}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000000\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'.encode()
            + b"x" * 3 * MB
        )
        until(lambda: list((service.state / "incoming").iterdir()))

    until(lambda: not list((service.state / "incoming").iterdir()))
    assert sorted((service.state / "blobs").iterdir()) == before
    assert len(service.sdk.files.list().data) == files


def test_512_mb_go_to_the_disk_with_less_than_250_mb_of_memory(start, until):
    service = start()
    process = psutil.Process(service.process.pid)
    line = b'{"messages": [{"role": "user", "content": "' + b"x" * (MB - 60) + b'"}]}\n'
    most = process.memory_info().rss
    size = 0

    def body():
        nonlocal most, size
        yield b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="big.jsonl"\r\n\r\n'
        while size + len(line) <= 512 * MB:
            yield line
            size += len(line)
            most = max(most, process.memory_info().rss)
        yield b"\r\n--b--\r\n"

    with service.http() as http:
        headers = {"content-type": "multipart/form-data; boundary=b", "api-key": service.api_key}
        reply = http.post("/openai/v1/files", content=body(), headers=headers)
    assert reply.status_code == 200
    assert reply.json()["bytes"] == size > 511 * MB

    def scanned():
        nonlocal most
        most = max(most, process.memory_info().rss)
        return service.sdk.files.retrieve(reply.json()["id"]).status == "processed"

    until(scanned)
    assert most < 250 * MB
    service.sdk.files.delete(reply.json()["id"])


def test_a_full_disk_is_an_error_reply_and_the_store_stays_whole(tmp_path):
    """A limit on the size of files (here 3 MB) meets writes as a full disk does."""
    limit = 3 * MB
    command = [sys.executable, "-m", "tunebook_local", "--state", tmp_path, "--key", "k", "--json"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    try:
        endpoint = json.loads(process.stdout.readline())["endpoint"]
        with httpx.Client(base_url=endpoint, headers={"api-key": "k"}, trust_env=False) as http:

            def send(size):
                form = {"data": {"purpose": "assistants"}, "files": {"file": ("f", os.urandom(size))}}
                return http.post("/openai/v1/files", **form)

            small = send(1000)
            big = send(2 * limit)
            assert (small.status_code, big.status_code) == (200, 507)
            assert "disk" in big.json()["error"]["message"]
            assert big.headers["x-should-retry"] == "false"
            assert list((tmp_path / "incoming").iterdir()) == []
            assert [file["id"] for file in http.get("/openai/v1/files").json()["data"]] == [small.json()["id"]]
            assert send(1000).status_code == 200
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def half_open(service, count):
    """So many connections on which nothing is ever said."""
    host, port = service.endpoint.removeprefix("http://").split(":")
    return [socket.create_connection((host, int(port)), timeout=5) for _ in range(count)]


def test_hundreds_of_silent_connections_never_stop_others(start):
    service = start("--limit", "connections=20")
    silent = half_open(service, 300)
    with service.http() as http:
        assert http.get("/openai/v1/models").status_code == 200
    kinds = [each.status for each in psutil.Process(service.process.pid).net_connections("tcp")]

    assert kinds.count("ESTABLISHED") <= 21
    for line in silent:
        line.close()


@pytest.mark.parametrize("words", ["", "GET / HTTP/1.1\r\nhost: x", "POST /openai/v1/files HTTP/1.1\r\nx: y\r\n"])
def test_a_header_has_its_time_however_it_drips(start, words):
    service = start("--limit", "header_seconds=1")
    (line,) = half_open(service, 1)
    line.settimeout(0.2)
    line.sendall(words.encode())
    closed = False
    began = time.monotonic()
    while not closed and time.monotonic() - began < 10:
        try:
            line.sendall(b"x")
            closed = line.recv(1) == b""
        except TimeoutError:
            continue
        except OSError:
            closed = True

    assert closed
    assert time.monotonic() - began < 5


def test_an_upload_that_falls_silent_is_given_up(start, until):
    service = start("--limit", "body_silence_seconds=1")
    (line,) = half_open(service, 1)
    line.sendall(
        f"POST /openai/v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\napi-key: {service.api_key}\r\nContent-Length: 5000\r\n"
        'Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; '
        'filename="f"\r\n\r\n'.encode()
    )
    until(lambda: list((service.state / "incoming").iterdir()))
    until(lambda: not list((service.state / "incoming").iterdir()))
    assert line.recv(1) == b""


def test_few_file_descriptors_leave_the_log_small(tmp_path):
    command = [sys.executable, "-m", "tunebook_local", "--state", tmp_path, "--key", "k", "--json"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        )
        try:
            endpoint = json.loads(process.stdout.readline())["endpoint"]
            host, port = endpoint.removeprefix("http://").split(":")
            silent = [socket.create_connection((host, int(port)), timeout=5) for _ in range(150)]
            with httpx.Client(base_url=endpoint, headers={"api-key": "k"}, trust_env=False, timeout=20) as http:
                assert http.get("/openai/v1/models").status_code == 200
            for line in silent:
                line.close()
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close()

    assert (tmp_path / "log").stat().st_size < 20_000
