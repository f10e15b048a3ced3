"""Alerts into a channel: Slack, Teams, Discord, or any address that takes JSON.

A webhook's address is a secret (who knows it can write into the channel): it stands in the environment or in memory,
and in no repr, message or error of ours.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from tunebook.errors import RequestError
from tunebook.service.clients import is_loopback
from tunebook.service.pacing import intervals

if TYPE_CHECKING:
    from tunebook.service.watching import JobSnapshot

VARIABLE = "TUNEBOOK_WEBHOOK"
Channel = Literal["slack", "teams", "discord", "json"]
_HOSTS: Mapping[str, Channel] = {
    "hooks.slack.com": "slack",
    "discord.com": "discord",
    "discordapp.com": "discord",
    "webhook.office.com": "teams",
    "logic.azure.com": "teams",
    "api.powerplatform.com": "teams",
}
_LONGEST = 1500  # characters; Discord takes 2,000
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_PAUSE_S = (1.0, 30.0)


class Webhook:
    """Calls a webhook with what happened: `tb.Guard(notify=tb.Webhook())`, `tb.watch(job, notify=tb.Webhook())`.

    url: None reads `TUNEBOOK_WEBHOOK`. channel: "slack", "teams", "discord" or "json" (`{"text", "job"}`); None tells
    it from the address. It is tried `retries` times more while the channel is busy or away; that it was not told in the
    end is a sentence for `say`, and never an error: what is watched goes on.
    Raises RequestError for no address, and for one that is not https (but on this machine).

    >>> tb.Webhook("https://hooks.slack.com/services/T0/B0/secret")
    Webhook('slack')
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        channel: Channel | None = None,
        retries: int = 3,
        say: Callable[[str], object] = print,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        url = (url or os.environ.get(VARIABLE) or "").strip()
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            host = ""
        if not host or not (url.startswith("https://") or (url.startswith("http://") and is_loopback(url))):
            raise RequestError(f"A webhook's address begins with https://. Give it as url, or set {VARIABLE}.")
        known = next((kind for name, kind in _HOSTS.items() if host == name or host.endswith(f".{name}")), None)
        self.channel: Channel = channel or known or "json"
        self._url = url
        self._retries, self._say, self._sleep = retries, say, sleep

    def __call__(self, news: Any) -> bool:
        """Tell it: an alarm, a job's picture, or a text. Whether the channel took it."""
        text = str(getattr(news, "message", None) or (news.line() if hasattr(news, "line") else news))
        body = json.dumps(_body(self.channel, text[:_LONGEST], str(getattr(news, "job_id", "")))).encode()
        pauses, why = intervals(*_PAUSE_S), ""
        for attempt in range(self._retries + 1):
            try:
                status = self._post(body)
                why = f"it answers {status}"
            except (OSError, HTTPException, ValueError) as error:  # whose messages may hold the address
                why, status = type(error).__name__, 503
            if status < 300:
                return True
            if status not in _AGAIN or attempt == self._retries:
                break
            self._sleep(next(pauses))
        self._say(f"The {self.channel} webhook was not told: {why}.")
        return False

    def _post(self, body: bytes) -> int:
        """The status of the answer. By the standard library, because HTTP clients log the addresses they ask."""
        proxies = ProxyHandler({}) if is_loopback(self._url) else ProxyHandler()
        request = Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310 - https, or loopback
        try:
            with build_opener(proxies, _Stay()).open(request, timeout=10) as reply:
                return int(reply.status)
        except HTTPError as error:
            return error.code

    def __repr__(self) -> str:
        return f"Webhook({self.channel!r})"


class _Stay(HTTPRedirectHandler):
    """A redirect is an answer, and no other address is told."""

    def redirect_request(self, *_: Any) -> None:
        return None


def telling(follow: Callable[..., Any], notify: Callable[[Any], object]) -> Callable[..., Any]:
    """The same poller, that also tells of each job which ends or is paused while it is followed."""

    def followed(*place: Any, **how: Any) -> Iterator[Mapping[str, JobSnapshot]]:
        before: dict[str, str] = {}
        for pictures in follow(*place, **how):
            for job_id, snapshot in pictures.items():
                new = before.get(job_id, snapshot.status) != snapshot.status
                before[job_id] = snapshot.status
                if new and (snapshot.ended or snapshot.status == "paused"):
                    notify(snapshot)
            yield pictures

    return followed


def _body(channel: Channel, text: str, job: str) -> dict[str, Any]:
    """What the channel takes; a mention of everybody in the text calls nobody."""
    if channel == "slack":
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    if channel == "discord":
        return {"content": text, "allowed_mentions": {"parse": []}}
    if channel == "teams":
        block = {
            "type": "RichTextBlock",
            "inlines": [{"type": "TextRun", "text": text}],
        }  # plain, where TextBlock is not
        card = {"type": "AdaptiveCard", "version": "1.4", "body": [block]}
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        return {"type": "message", "attachments": [attachment]}
    return {"text": text, "job": job}
