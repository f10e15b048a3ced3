"""A contrary server: what the real world answers, played on loopback. It shares no code with the embedded service.

By itself it keeps jobs and files as Azure documents them (keys that are not known are left out, ids of 32 hex digits).
`server.answers(method, path, *replies)` puts other replies before that: each is used once, the last one for ever when
`always`. `server.calls` lists what arrived.
"""

import json
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HTML = b"<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>Welcome</body></html>"


@dataclass
class Reply:
    """What is sent back: JSON, or bytes as they are. `cut`: only so many bytes of it, then the connection ends."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    cut: int | None = None


@dataclass
class Carried:
    """The request is carried out `times`, `after_s` seconds later; `answer` None: the connection ends without one."""

    answer: Reply | None = None
    times: int = 1
    after_s: float = 0.0


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def json(self):
        return json.loads(self.content)


DROPPED = Carried(times=0)  # before it was read: nothing is carried out
LOST = Carried()  # carried out, and the answer is lost


def refusal(status, code, message, **more):
    """Azure's shape of an error."""
    return Reply(status, {"error": {"code": code, "message": message, **more}})


def unwrapped(status, message):
    """The shape of API Management, and of Entra ID at a project: no `error` around it."""
    return Reply(status, {"statusCode": status, "message": message})


def page(status=200, body=HTML):
    """A captive portal, a proxy, a gateway: an HTML page."""
    return Reply(status, body, kind="text/html; charset=utf-8")


def stream(*chunks, done=True):
    """A stream of chat completion chunks."""
    shape = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    lines = [f"data: {json.dumps({**shape, **chunk})}\n\n" for chunk in chunks]
    return Reply(200, ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode(), kind="text/event-stream")


def completion(text, *, finish="stop", **more):
    """A chat completion with one choice."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    shape = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    return Reply(200, {**shape, "choices": [choice], **more})


class Contrary:
    """The server. `jobs` and `files` are what it keeps, newest first; `url` is its address."""

    def __init__(self, port=0):
        self.calls, self.jobs, self.files, self.contents = [], [], [], {}
        self._script, self._lock = [], threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                call = Call(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, content)
                reply = server.play(call)
                self.close_connection = reply is None or reply.cut is not None
                if reply is None:
                    return
                raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"content-type": reply.kind, **reply.headers}.items():
                    self.send_header(name, value)
                if reply.status not in (204, 304):
                    self.send_header("content-length", str(len(raw)))
                self.end_headers()
                if reply.status not in (204, 304):
                    self.wfile.write(raw if reply.cut is None else raw[: reply.cut])

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = answer  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answers(self, method, path, *replies, always=False):
        """What the next requests with this method and this pattern in their path get, one reply each.

        A reply may be a function of the call. always: the last one is given again and again.
        """
        self._script.append([method, re.compile(path), list(replies), always])

    def count(self, method, path):
        return sum(call.method == method and re.search(path, call.path) is not None for call in self.calls)

    def play(self, call):
        with self._lock:
            self.calls.append(call)
            reply = self._next(call)
        if callable(reply):
            reply = reply(call)
        if isinstance(reply, Reply):
            return reply
        planned = reply or Carried()
        if planned.after_s:
            for _ in range(planned.times):
                threading.Timer(planned.after_s, self._carry_out, [call]).start()
            return planned.answer
        done = [self._carry_out(call) for _ in range(planned.times)]
        return planned.answer if planned is reply else done[0]

    def _next(self, call):
        for step in self._script:
            method, path, replies, always = step
            if method == call.method and path.search(call.path) and replies:
                return replies[0] if always and len(replies) == 1 else replies.pop(0)
        return None

    # ---- what is there, as documented

    def _carry_out(self, call):
        path = re.sub(r"^.*?/openai(/v1)?/", "/", call.path).partition("?")[0]
        with self._lock:
            if call.method == "POST" and path == "/fine_tuning/jobs":
                return self._create(call.json)
            if call.method == "POST" and path == "/files":
                return self._store(call)
            if call.method == "POST" and path == "/files/import":
                return self._keep(call.json["filename"], b"")
            if call.method == "POST" and path.startswith("/uploads"):
                return self._upload(call, path)
            kind, _, rest = path.strip("/").removeprefix("fine_tuning/").partition("/")
            kept = {"jobs": self.jobs, "files": self.files}.get(kind)
            if kept is None:
                return refusal(404, "404", "Resource not found")
            if not rest:
                return Reply(200, {"object": "list", "data": list(kept), "has_more": False})
            return self._one(call, kept, *rest.split("/"))

    def _one(self, call, kept, item_id, *action):
        item = next((each for each in kept if each["id"] == item_id), None)
        if item is None:
            return refusal(404, "notFound", f"{item_id} is not there.")
        if call.method == "DELETE":
            kept.remove(item)
            return Reply(200, {"id": item_id, "object": "file", "deleted": True})
        if action == ("content",):
            return Reply(200, self.contents.get(item_id, b""), kind="application/octet-stream")
        if action in (("events",), ("checkpoints",)):
            return Reply(200, {"object": "list", "data": [], "has_more": False})
        if action == ("cancel",):
            item["status"] = "cancelled"
        return Reply(200, dict(item))

    def _create(self, asked):
        job = {
            "id": f"ftjob-{uuid.uuid4().hex}",
            "object": "fine_tuning.job",
            "created_at": int(time.time()),
            "status": "pending",
            "hyperparameters": {"n_epochs": -1, "batch_size": -1, "learning_rate_multiplier": 1.0},
            "seed": 7,
        } | asked
        self.jobs.insert(0, job)
        return Reply(200, dict(job))

    def _store(self, call):
        _, _, rest = call.content.partition(b'filename="')
        name, _, rest = rest.partition(b'"')
        boundary = b"\r\n--" + call.headers["content-type"].rpartition("boundary=")[2].encode()
        return self._keep(name.decode(), rest.partition(b"\r\n\r\n")[2].partition(boundary)[0])

    def _upload(self, call, path):
        """An upload in parts; of what came only the size is kept."""
        upload = {"id": "upload_1", "object": "upload", "created_at": 1, "expires_at": int(time.time()) + 7200}
        if path == "/uploads":
            self._declared = call.json
            return Reply(200, upload | {"status": "pending"} | call.json)
        if path.endswith("/parts"):
            part = {"id": f"part_{uuid.uuid4().hex}", "object": "upload.part", "created_at": 1, "upload_id": "upload_1"}
            return Reply(200, part)
        file = self._keep(self._declared["filename"], b" " * self._declared["bytes"]).body
        return Reply(200, upload | {"status": "completed", "file": file} | self._declared)

    def _keep(self, name, content):
        file = {
            "id": f"file-{uuid.uuid4().hex}",
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": name,
            "purpose": "fine-tune",
            "status": "processed",
        }
        self.files.insert(0, file)
        self.contents[file["id"]] = content
        return Reply(200, dict(file))

    def close(self):
        self._server.shutdown()
        self._server.server_close()
