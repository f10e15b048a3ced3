"""Misfortune on purpose: seeded, and of each kind what it says."""

from collections import deque

import httpx
import openai
import pytest

from tunebook_local.http.faults import FaultPlan, read_plan


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("rate=0.5,kinds=429,500,seed=3", FaultPlan(0.5, ("429", "500"), 3)),
        ("kinds=slow", FaultPlan(0.1, ("slow",), 0)),
        ("rate=1,kinds=disconnect,seed=7", FaultPlan(1.0, ("disconnect",), 7)),
    ],
)
def test_a_plan_is_read_from_the_command_line(text, plan):
    assert read_plan(text) == plan


@pytest.mark.parametrize("text", ["rate=2", "kinds=x", "mood=bad", "429", "rate=often"])
def test_a_plan_that_does_not_fit_says_so(text):
    with pytest.raises(ValueError):
        read_plan(text)


@pytest.fixture
def unlucky(start):
    def begin(kinds, **more):
        return start("--faults", f"rate=1,kinds={kinds}", **more)

    return begin


@pytest.mark.parametrize("status", [429, 500, 503])
def test_refusals_come_with_when_to_come_back(unlucky, status):
    with unlucky(str(status)).http() as http:
        reply = http.get("/openai/v1/models")

    assert reply.status_code == status
    assert ("retry-after" in reply.headers) == (status != 500)
    assert reply.json()["error"]["code"]


@pytest.mark.parametrize(("kind", "files"), [("disconnect-before", 0), ("disconnect-after", 1)])
def test_a_connection_is_dropped_before_or_after_the_work_was_done(unlucky, start, kind, files):
    service = unlucky(kind)
    with service.http() as http, pytest.raises(httpx.TransportError):
        http.post("/openai/v1/files", data={"purpose": "assistants"}, files={"file": ("f", b"x")})
    service.stop()

    assert len(start(state=service.state).sdk.files.list().data) == files


def test_a_download_breaks_off_half_way(start, tmp_path):
    content = bytes(100_000)
    calm = start(state=tmp_path / "s")
    file = calm.sdk.files.create(file=("f", content), purpose="assistants").id
    calm.stop()
    unlucky = start("--faults", "rate=1,kinds=truncate", state=tmp_path / "s")
    got = []
    with unlucky.http() as http, http.stream("GET", f"/openai/v1/files/{file}/content") as reply:
        assert reply.headers["content-length"] == "100000"
        pieces = reply.iter_bytes()
        with pytest.raises(httpx.TransportError):
            deque(map(got.append, pieces))

    assert sum(map(len, got)) == 50_000


def test_a_slow_reply_arrives_whole(unlucky):
    with unlucky("slow").http() as http:
        reply = http.get("/openai/v1/models")

    assert reply.json()["object"] == "list"
    assert reply.elapsed.total_seconds() > 0.5


def test_the_same_seed_meets_the_same_faults(start, tmp_path):
    def statuses(name):
        service = start("--faults", "rate=0.5,kinds=429,500,seed=4", state=tmp_path / name)
        with service.http() as http:
            return [http.get("/openai/v1/models").status_code for _ in range(20)]

    first, second = statuses("a"), statuses("b")
    assert first == second
    assert {200, 429, 500} == set(first)


def test_the_sdk_gets_through_a_bad_day(start):
    service = start("--faults", "rate=0.3,kinds=429,500,503,disconnect-before,seed=2")
    client = service.client(max_retries=8)

    for _ in range(10):
        assert client.models.retrieve("gpt-4.1-mini").id == "gpt-4.1-mini-2025-04-14"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")
