"""Files fetched from servers that misbehave: each ends with its reason, and holds up nobody."""

import json
import socket
import sqlite3
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest

DATED = {"api-version": "2024-10-21"}
LINE = b'{"messages": []}\n'
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def rogue():
    """A server that sends the bytes of `says` to each who comes and hangs up, or leaves the line open (None)."""
    listener = socket.create_server(("127.0.0.1", 0))
    lines = []
    server = SimpleNamespace(url=f"http://127.0.0.1:{listener.getsockname()[1]}", says=None, asked=0)

    def serve():
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            server.asked += 1
            lines.append(line)
            if server.says is not None:
                with suppress(OSError):
                    line.recv(65536)
                    line.sendall(server.says)
                line.close()

    threading.Thread(target=serve, daemon=True).start()
    yield server
    listener.close()
    for line in lines:
        line.close()


def begin(service, url):
    body = {"purpose": "fine-tune", "filename": "far.jsonl", "content_url": url}
    with service.http(params=DATED) as http:
        reply = http.post("/openai/files/import", json=body)
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


def ended(service, until, file):
    def look():
        with service.http(params=DATED) as http:
            body = http.get(f"/openai/files/{file}").json()
        return body["status"] != "pending" and body

    return until(look)


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (b"garbage\r\n\r\n", "garbage"),
        (b"", "closed connection without response"),
        (HEAD + b"x: " + b"y" * 70_000 + b"\r\n\r\n", "header line"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n20\r\n{", "IncompleteRead"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{", "IncompleteRead"),
        (HEAD + b"content-length: 1000\r\n\r\n" + LINE, "announced 1000 bytes but sent 17"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:99999/\r\n\r\n", "Port out of range"),
    ],
)
def test_whatever_a_server_answers_the_file_ends_with_the_reason(service, until, rogue, says, reason):
    rogue.says = says
    file = ended(service, until, begin(service, f"{rogue.url}/f"))

    assert file["status"] == "error"
    assert reason in file["status_details"]
    assert rogue.asked == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a b", "http://127.0.0.1:9/a\tb", "http://127.0.0.1:9/\x7f"])
def test_a_url_with_a_space_in_it_is_refused_at_once(service, url):
    with service.http(params=DATED) as http:
        body = {"purpose": "fine-tune", "filename": "f", "content_url": url}
        reply = http.post("/openai/files/import", json=body)

    assert reply.status_code == 400
    assert "%20" in reply.json()["error"]["message"]


def test_servers_that_say_nothing_hold_up_no_upload_and_are_given_up_in_time(start, until, rogue):
    service = start("--limit", "import_seconds=2")
    stuck = [begin(service, f"{rogue.url}/{n}") for n in range(20)]

    service.upload()  # waits until it is processed, and would wait for ever behind them
    file = ended(service, until, stuck[0])

    assert file["status_details"] == "The content_url could not be fetched within 2 seconds."


def test_a_key_in_the_url_is_neither_stored_nor_told(start, until, tmp_path, rogue):
    service = start(state=tmp_path)
    stuck = begin(service, f"{rogue.url}/f.jsonl?sig=SECRET")
    until(lambda: rogue.asked)
    rogue.says = b"HTTP/1.1 403 sig=SECRET\r\n\r\n"
    refused = ended(service, until, begin(service, f"{rogue.url}/f.jsonl?sig=SECRET"))
    service.kill()
    again = start(state=tmp_path)

    assert refused["status_details"] == "The content_url could not be fetched: HTTP Error 403: …."
    assert "import it once more" in ended(again, until, stuck)["status_details"]
    for path in tmp_path.rglob("service.db*"):
        assert b"SECRET" not in path.read_bytes()
    with sqlite3.connect(tmp_path / "service.db") as db:
        assert "SECRET" not in json.dumps(db.execute("SELECT * FROM files").fetchall())
