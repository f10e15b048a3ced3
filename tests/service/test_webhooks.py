"""A webhook is told in the channel's own words, again while it is busy, and its address shows nowhere."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

import tunebook as tb
from tunebook.errors import RequestError
from tunebook.service.webhooks import telling

SECRET = "T0-B0-secret"


class Channel:
    """A server on loopback that answers what it is told to, then 200; `got` is what it was sent."""

    def __init__(self):
        self.answers, self.got = [], []
        channel = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                channel.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(channel.answers.pop(0) if channel.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"


@pytest.fixture
def channel():
    made = Channel()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("json", {"text": "<!channel> & @everyone", "job": ""}),
        ("slack", {"text": "&lt;!channel&gt; &amp; @everyone"}),
        ("discord", {"content": "<!channel> & @everyone", "allowed_mentions": {"parse": []}}),
    ],
)
def test_each_channel_is_told_in_its_own_words_and_nobody_is_called_by_them(channel, kind, body):
    assert tb.Webhook(channel.url, channel=kind)("<!channel> & @everyone") is True

    assert channel.got == [body]


def test_teams_gets_a_card(channel):
    tb.Webhook(channel.url, channel="teams")("**It overfits.**")

    (card,) = (each["content"] for each in channel.got[0]["attachments"])
    assert card["body"] == [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "**It overfits.**"}]}]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://hooks.slack.com/services/x", "slack"),
        ("https://discord.com/api/webhooks/1/x", "discord"),
        ("https://contoso.webhook.office.com/webhookb2/x", "teams"),
        ("https://prod-1.westeurope.logic.azure.com/workflows/x", "teams"),
        ("https://alerts.example.org/x", "json"),
        ("https://hooks.slack.com.example.org/x", "json"),
    ],
)
def test_the_address_tells_the_channel(url, kind):
    assert tb.Webhook(url).channel == kind


def test_a_busy_channel_is_told_again_and_one_that_refuses_is_not(channel):
    slept, said = [], []
    webhook = tb.Webhook(channel.url, say=said.append, sleep=slept.append)

    channel.answers = [503, 429]
    assert webhook("a") is True
    channel.answers = [404]
    assert webhook("b") is False
    channel.answers = [500] * 4
    assert webhook("c") is False

    assert [each["text"] for each in channel.got] == ["a", "a", "a", "b", "c", "c", "c", "c"]
    assert len(slept) == 5
    assert said == ["The json webhook was not told: it answers 404.", "The json webhook was not told: it answers 500."]


def test_a_channel_that_is_away_ends_nothing_and_shows_no_address():
    said = []
    webhook = tb.Webhook(f"http://127.0.0.1:9/{SECRET}", say=said.append, sleep=lambda _: None)

    assert webhook("a") is False
    assert said == ["The json webhook was not told: URLError."]
    assert SECRET not in repr(webhook)


def test_no_log_of_any_library_holds_the_address(channel, caplog):
    with caplog.at_level("DEBUG"):
        tb.Webhook(channel.url)("a")

    assert SECRET not in caplog.text


def test_a_redirect_is_not_followed(channel):
    channel.answers = [302]

    assert tb.Webhook(channel.url, say=str)("a") is False
    assert len(channel.got) == 1


@pytest.mark.parametrize("url", [None, "", "https://[x", "ftp://x", "http://example.org/x", "hooks.slack.com"])
def test_an_address_that_is_none_is_refused_without_showing_it(url, monkeypatch):
    monkeypatch.delenv("TUNEBOOK_WEBHOOK", raising=False)

    with pytest.raises(RequestError, match=r"begins with https://\. Give it as url, or set TUNEBOOK_WEBHOOK"):
        tb.Webhook(url)


def test_a_guard_tells_the_channel_of_its_alarm(channel):
    guard = tb.Guard("cancel", patience=1, notify=tb.Webhook(channel.url))
    rising = "step,train_loss,valid_loss\n" + "".join(
        f"{s},{2.0 - s / 40},{1.0 + abs(s - 20) / 20}\n" for s in range(1, 61)
    )

    alarm = guard.decide("ftjob-1", tb.load_results(rising.encode()))

    assert channel.got == [{"text": alarm.message, "job": "ftjob-1"}]
    assert alarm.message.startswith("ftjob-1, step 60: Validation loss")


def picture(status):
    return {"ftjob-1": SimpleNamespace(status=status, ended=status == "succeeded", line=lambda: status)}


def test_the_end_of_a_job_is_told_once_and_only_if_it_was_seen_to_run():
    told = []
    running = lambda: map(picture, ["running", "running", "paused", "running", "succeeded", "succeeded"])  # noqa: E731

    assert len(list(telling(running, lambda s: told.append(s.status))())) == 6
    list(telling(lambda: map(picture, ["succeeded"]), lambda s: told.append(s.status))())

    assert told == ["paused", "succeeded"]
