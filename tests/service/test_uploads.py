"""Large files: in parts against the embedded service, taken up again after an interruption; and imported from a URL."""

import http.server
import io
import json
import threading

import openai
import pytest

from tunebook.data import read_dataset
from tunebook.errors import DataError
from tunebook.service.uploads import Sender, content_key, import_file, shown_url, upload_in_parts

LINE = json.dumps({"messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Three."}]})
CONTENT = f"{LINE}\n".encode() * 40
PART = 1000


def send(ws, folder, content=CONTENT, **options):
    options = {"key": "k", "part_bytes": PART, "folder": folder, **options}
    return upload_in_parts(Sender(ws, say=str), io.BytesIO(content), name="large.jsonl", total=len(content), **options)


def parts_sent(mishap):
    return sum(method == "POST" and path.split("?")[0].endswith("/parts") for method, path in mishap.seen)


def test_a_file_arrives_whole_from_its_parts_and_says_how_far_it_is(ws, tmp_path):
    told = []

    file = send(ws, tmp_path, progress=lambda *done: told.append(done))

    assert ws.files.content(file.id) == CONTENT
    assert told[0] == (PART, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_upload_sends_only_the_rest(mishap, tmp_path):
    parts = -(-len(CONTENT) // PART)

    def stop(sent, _):
        if sent == 3 * PART:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(mishap.ws, tmp_path, progress=stop)
    assert parts_sent(mishap) == 3

    file = send(mishap.ws, tmp_path)

    assert parts_sent(mishap) == parts
    assert mishap.ws.files.content(file.id) == CONTENT


def test_a_service_that_is_down_at_the_end_has_everything_kept(mishap, tmp_path):
    mishap("POST", "/complete", 503, {"error": {"message": "down"}}, times=3)

    with pytest.raises(openai.InternalServerError):
        send(mishap.ws, tmp_path)
    before = parts_sent(mishap)

    assert mishap.ws.files.content(send(mishap.ws, tmp_path).id) == CONTENT
    assert parts_sent(mishap) == before


def test_a_part_that_changed_meanwhile_is_sent_anew(mishap, tmp_path):
    def stop(sent, _):
        if sent == 4 * PART:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(mishap.ws, tmp_path, progress=stop)
    changed = CONTENT.replace(b"Three.", b"Seven.")

    assert mishap.ws.files.content(send(mishap.ws, tmp_path, changed).id) == changed


def test_an_upload_that_is_gone_at_the_service_begins_anew(mishap, tmp_path):
    def stop(sent, _):
        if sent == 2 * PART:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(mishap.ws, tmp_path, progress=stop)
    (journal,) = tmp_path.iterdir()
    mishap.ws.dated_client.uploads.cancel(json.loads(journal.read_text())["upload_id"])

    assert mishap.ws.files.content(send(mishap.ws, tmp_path).id) == CONTENT


def test_an_expired_upload_is_not_taken_up_again(mishap, tmp_path):
    def stop(sent, _):
        if sent == 2 * PART:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(mishap.ws, tmp_path, progress=stop, clock=lambda: 0.0)

    send(mishap.ws, tmp_path, clock=lambda: 9e9)

    assert parts_sent(mishap) == 2 + -(-len(CONTENT) // PART)


def test_a_damaged_journal_is_begun_anew(ws, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(ws, tmp_path, progress=stop)
    next(tmp_path.iterdir()).write_text('{"upload_id": "upl')

    assert ws.files.content(send(ws, tmp_path).id) == CONTENT


def test_content_that_did_not_arrive_whole_is_said(mishap, tmp_path):
    mishap("POST", "/complete", 400, {"error": {"code": "invalidPayload", "message": "The content has another md5."}})

    with pytest.raises(DataError, match=r"large\.jsonl: what arrived is not what was sent"):
        send(mishap.ws, tmp_path)


def test_where_there_are_no_uploads_in_parts_nothing_is_sent(mishap, tmp_path):
    mishap("POST", "/uploads", 404, {"error": {"code": "404", "message": "Resource not found"}})

    assert send(mishap.ws, tmp_path) is None


def test_the_files_room_takes_parts_above_the_advised_size(mishap, tmp_path, monkeypatch):
    overlay = tmp_path / "facts.toml"
    overlay.write_text(
        '[limits]\nchunked_upload_advised_bytes = { value = 3000, unit = "bytes", source = "x", dated = 2026-01-01 }\n'
    )
    monkeypatch.setenv("TUNEBOOK_CATALOGUE", str(overlay))
    large = tmp_path / "large.jsonl"
    large.write_bytes(CONTENT)

    file = mishap.ws.files.upload(large)

    assert file.status == "processed"
    assert parts_sent(mishap) == 1
    mishap("POST", "/uploads", 404, {"error": {"message": "Resource not found"}})
    assert mishap.ws.files.upload(read_dataset(large)).status == "processed"
    assert parts_sent(mishap) == 1


def test_a_path_is_known_again_by_its_size_and_time_and_a_body_by_its_content(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one")
    key = content_key(io.BytesIO(b"one"), path)
    path.write_bytes(b"two!")

    assert content_key(io.BytesIO(b"two!"), path) != key
    assert content_key(io.BytesIO(b"one"), None) == content_key(io.BytesIO(b"one"), None)
    assert content_key(io.BytesIO(b"two"), None) != content_key(io.BytesIO(b"one"), None)


@pytest.fixture
def blob():
    """Something that holds one file and wants a token, as Blob Storage does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            there = self.path == "/box/large.jsonl?sig=secret-token"
            self.send_response(200 if there else 403)
            self.end_headers()
            self.wfile.write(CONTENT if there else b"no")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/box/large.jsonl"
    server.shutdown()
    server.server_close()


def test_the_service_fetches_a_file_itself(ws, blob):
    file = ws.files.import_url(f"{blob}?sig=secret-token")

    assert (file.status, file.filename) == ("processed", "large.jsonl")
    assert ws.files.content(file.id) == CONTENT


def test_a_url_that_gives_no_file_is_refused_without_showing_its_token(ws, blob):
    with pytest.raises(DataError) as raised:
        ws.files.import_url(f"{blob}?sig=wrong-token")

    assert "wrong-token" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("large.jsonl", "an https address is needed"),
        ("http://example.org/large.jsonl?sig=secret", "an https address is needed"),
        ("file:///etc/passwd", "an https address is needed"),
        ("https://box.example.org/?sig=secret", "names no file"),
    ],
)
def test_what_is_no_address_of_a_file_is_said_without_its_token(ws, url, words):
    with pytest.raises(DataError, match=words) as raised:
        import_file(Sender(ws), url)
    assert "secret" not in str(raised.value)


def test_an_address_is_shown_without_its_secrets():
    assert shown_url("https://me:pw@box.example.org/a.jsonl?sv=1&sig=x#y") == "https://box.example.org/a.jsonl?…"
