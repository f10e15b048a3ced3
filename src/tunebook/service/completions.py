"""Asking a deployment: a parameter that its model does not take is renamed or left out, and that is remembered.

Reasoning models (o4-mini, gpt-5) refuse `max_tokens` and a `temperature`; which do is not to be read from a
deployment's name. The service says it in its refusal, once for each parameter and deployment.
"""

from __future__ import annotations

from typing import Any

from openai import BadRequestError

from tunebook.service.resource import Resource

_NOT_TAKEN = ("unsupported_parameter", "unsupported_value")
_OTHER_NAMES = {"max_tokens": "max_completion_tokens"}


def complete(resource: Resource, *, model: str, retries: int = 0, **parameters: Any) -> Any:
    """A chat completion (or its stream) with the parameters as the model takes them; those that are None are not sent.

    retries: how often the SDK tries again at least, where the client's own number is smaller.
    `left_out(resource, model)` names what was not sent because the model does not take it.
    """
    client = resource.client
    if retries > client.max_retries:
        client = client.with_options(max_retries=retries)
    known = resource.learned.setdefault(model, {})
    while True:
        given = ((known.get(name, name), value) for name, value in parameters.items() if value is not None)
        sent = {name: value for name, value in given if name is not None}
        try:
            return client.chat.completions.create(model=model, **sent)
        except BadRequestError as error:
            named = error.param or ""
            if error.code not in _NOT_TAKEN or named not in sent or named in ("messages", "model"):
                raise
            first = next((name for name, now in known.items() if now == named), named)
            known[first] = _OTHER_NAMES.get(named)


def left_out(resource: Resource, model: str) -> list[str]:
    """The parameters that this deployment's model turned out not to take."""
    return sorted(name for name, now in resource.learned.get(model, {}).items() if now is None)
