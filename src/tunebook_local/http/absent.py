"""What is said where nothing answers: an operation that Azure has and this service has not is told from a typo."""

from __future__ import annotations

import re

from tunebook_local.desk.refusals import Refusal, no_path

_ABSENT = re.compile(
    r"/(?:deployments/[^/]+/)?(assistants|threads|vector_stores|batches|images|audio|completions|moderations|"
    r"realtime|conversations|containers|videos|responses|chat/completions|fine_tuning/checkpoints|fine_tuning/sessions|"
    r"fine_tuning/alpha)(?=/|$)"
)
_EMBEDDINGS = re.compile(r"/(?:deployments/[^/]+/)?embeddings/?")
_PLACES = {
    "v1": "at /openai/v1/… only",
    "dated": "at the dated addresses only: /openai/…?api-version=YYYY-MM-DD",
    "v1 and dated since 2025": "at /openai/v1/… and with an api-version of 2025 or later",
    "openai": "in OpenAI's dialect only (tunebook serve --dialect openai)",
}


def nothing_at(path: str) -> Refusal:
    """No route has this path."""
    if _EMBEDDINGS.fullmatch(path):
        message = "The embeddings operation does not work with the specified model: the practice model makes none."
        return Refusal(400, "OperationNotSupported", message)
    absent = _ABSENT.match(path)
    if absent is None:
        return no_path()
    return Refusal(
        404,
        "404",
        f"Resource not found: this embedded service has no operation {path!r} of Azure's {absent[1]}. It stands in "
        "for fine-tuning, and answers chats and responses; its README lists every operation.",
    )


def offered_elsewhere(where: str) -> Refusal:
    """A route has this path, but not in this family of addresses."""
    if where not in _PLACES:
        return no_path()
    return Refusal(404, "404", f"Resource not found: this operation is offered {_PLACES[where]}.")


def not_allowed(method: str, allowed: str | None) -> Refusal:
    """A route has this path, but not for this method."""
    return Refusal(405, "405", f"Method Not Allowed: not {method} but {allowed or 'another method'} answers here.")
