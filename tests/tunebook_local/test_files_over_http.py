"""Files, imports and uploads in parts, over HTTP."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest

DATED = {"api-version": "2024-10-21"}
LINE = b'{"messages": []}\n'


@pytest.fixture(scope="module")
def http(service):
    with service.http() as client:
        yield client


@pytest.fixture
def site():
    """A web server on this machine; `pages` maps paths to (status, headers, body)."""
    pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = pages[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.pages, server.url = pages, f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def settled(http, until, file_id):
    def look():
        file = http.get(f"/openai/files/{file_id}", params=DATED).json()
        return file["status"] != "pending" and file

    return until(look)


def test_a_dated_upload_answers_201_with_its_location(http):
    reply = http.post("/openai/files", params=DATED, data={"purpose": "fine-tune"}, files={"file": ("a.jsonl", LINE)})

    assert reply.status_code == 201
    assert http.get(reply.headers["location"]).json()["filename"] == "a.jsonl"
    assert reply.headers["apim-request-id"]


def test_what_was_uploaded_comes_back_byte_for_byte(service):
    content = b"\xef\xbb\xbf" + bytes(range(256)) * 100 + b"\r\n--boundary\r\n"
    file = service.sdk.files.create(file=("blob", content), purpose="assistants")

    assert service.sdk.files.content(file.id).read() == content
    assert service.sdk.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        service.sdk.files.retrieve(file.id)


def test_files_are_listed_newest_first_by_purpose_and_in_pages(service):
    made = [service.sdk.files.create(file=(f"{n}", b"x"), purpose="evals").id for n in range(3)]
    page = service.sdk.files.list(purpose="evals", limit=2)

    assert [file.id for file in page.data] == [made[2], made[1]]
    assert [file.id for file in page] == made[::-1]


@pytest.mark.parametrize(
    ("data", "files", "said"),
    [
        ({}, {"file": ("a", LINE)}, "purpose must be one of"),
        ({"purpose": "theft"}, {"file": ("a", LINE)}, "got 'theft'"),
        ({"purpose": "fine-tune"}, {"other": ("a", LINE)}, "no file in the field 'file'"),
        ({"purpose": "fine-tune", "expires_after[anchor]": "birth"}, {"file": ("a", LINE)}, "expires_after needs"),
    ],
)
def test_an_upload_that_does_not_fit_is_refused_and_leaves_nothing(service, http, data, files, said):
    before = sorted((service.state / "blobs").iterdir())
    reply = http.post("/openai/v1/files", data=data, files=files)

    assert reply.status_code == 400
    assert said in reply.json()["error"]["message"]
    assert sorted((service.state / "blobs").iterdir()) == before
    assert list((service.state / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nno header\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf'),
        ("multipart/form-data; boundary=" + "b" * 300, b"x"),
        ("", b""),
    ],
)
def test_a_body_that_is_no_form_is_a_400(http, kind, body):
    reply = http.post("/openai/v1/files", content=body, headers={"content-type": kind, **http.headers})

    assert reply.status_code == 400


def test_a_file_is_imported_from_a_url(http, site, until):
    site.pages["/data"] = (200, {}, LINE * 3)
    body = {"purpose": "fine-tune", "filename": "far.jsonl", "content_url": f"{site.url}/data"}
    reply = http.post("/openai/files/import", params=DATED, json=body)

    assert reply.status_code == 201
    assert reply.json()["status"] == "pending"
    file = settled(http, until, reply.json()["id"])
    assert (file["status"], file["bytes"]) == ("processed", len(LINE) * 3)
    assert http.get(f"/openai/files/{file['id']}/content", params=DATED).content == LINE * 3


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ((404, {}, b""), "404"),
        ((302, {"Location": "http://example.com/"}, b""), "fetches only from this machine"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "not allowed"),
        ((200, {}, b"{oops"), "not valid JSON"),
    ],
)
def test_an_import_that_fails_is_a_file_in_error(http, site, until, page, said):
    site.pages["/data"] = page
    body = {"purpose": "fine-tune", "filename": "far.jsonl", "content_url": f"{site.url}/data"}
    file = settled(http, until, http.post("/openai/files/import", params=DATED, json=body).json()["id"])

    assert file["status"] == "error"
    assert said in file["status_details"]


def test_an_import_from_elsewhere_is_refused_at_once(http):
    body = {"purpose": "fine-tune", "filename": "x", "content_url": "http://169.254.169.254/latest"}
    reply = http.post("/openai/files/import", params=DATED, json=body)

    assert (reply.status_code, reply.json()["error"]["target"]) == (400, "content_url")


def test_an_upload_in_parts_becomes_a_file(service):
    client = service.dated_client()
    parts = [LINE * 2, LINE, LINE * 5]
    whole = b"".join(parts)
    upload = client.uploads.create(
        bytes=len(whole), filename="big.jsonl", mime_type="application/jsonl", purpose="fine-tune"
    )
    sent = [client.uploads.parts.create(upload.id, data=part) for part in parts]
    done = client.uploads.complete(
        upload.id,
        part_ids=[sent[0].id, sent[1].model_extra["azure_block_id"], sent[2].id],  # either name will do
        md5=hashlib.md5(whole, usedforsecurity=False).hexdigest(),
    )

    assert done.status == "completed"
    assert client.files.content(done.file.id).read() == whole
    assert upload.expires_at == upload.created_at + 7200


def test_parts_that_are_not_what_was_declared_are_refused(service):
    client = service.dated_client()
    upload = client.uploads.create(bytes=10, filename="f", mime_type="application/jsonl", purpose="fine-tune")
    part = client.uploads.parts.create(upload.id, data=b"123")

    with pytest.raises(openai.BadRequestError, match="3 bytes, but 10 were declared"):
        client.uploads.complete(upload.id, part_ids=[part.id])
    with pytest.raises(openai.BadRequestError, match="has no part 'uplprt-0'"):
        client.uploads.complete(upload.id, part_ids=["uplprt-0"])
    assert client.uploads.cancel(upload.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        client.uploads.parts.create(upload.id, data=b"1234567")


def test_uploads_in_parts_and_imports_are_for_dated_addresses_only(service, http):
    with pytest.raises(openai.NotFoundError):
        service.sdk.uploads.create(bytes=1, filename="f", mime_type="text/plain", purpose="fine-tune")
    assert http.post("/openai/v1/files/import", json={}).status_code == 404


def test_an_upload_or_file_whose_time_is_over_is_gone(start, tmp_path, until):
    clock = tmp_path / "now"
    clock.write_text("1000000")
    service = start("--clock", clock)
    client = service.dated_client()
    upload = client.uploads.create(bytes=1, filename="f", mime_type="text/plain", purpose="assistants")
    expiry = {"anchor": "created_at", "seconds": 1_209_600}
    file = client.files.create(file=("f", b"x"), purpose="assistants", expires_after=expiry)
    assert (file.created_at, file.expires_at) == (1_000_000, 2_209_600)

    later = tmp_path / "later"
    later.write_text("2209600")
    later.replace(clock)
    with pytest.raises(openai.BadRequestError, match="is expired"):
        client.uploads.cancel(upload.id)
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    until(lambda: not list((service.state / "blobs").iterdir()))


def test_quotas_of_files_are_held(start):
    service = start("--limit", "files_per_resource=2", "--limit", "files_total_bytes=100")
    client = service.client(max_retries=0)
    client.files.create(file=("a", b"x" * 60), purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="100 bytes in all") as refused:
        client.files.create(file=("b", b"x" * 60), purpose="assistants")
    assert refused.value.code == "quotaExceeded"
    client.files.create(file=("b", b"x"), purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="holds 2 files, the most"):
        client.files.create(file=("c", b"x"), purpose="assistants")
