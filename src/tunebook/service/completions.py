"""Asking a deployment: a parameter that its model does not take is renamed or left out, and that is remembered.

Reasoning models (o4-mini, gpt-5) refuse `max_tokens` and a `temperature`; which do is not to be read from a
deployment's name. The service says it in its refusal, once for each parameter and deployment.
"""

from __future__ import annotations

from typing import Any

from openai import BadRequestError, OpenAI

_NOT_TAKEN = ("unsupported_parameter", "unsupported_value")
_OTHER_NAMES = {"max_tokens": "max_completion_tokens"}
# (address, deployment) -> parameter -> the name it goes by there, None where it is left out.
_learned: dict[tuple[str, str], dict[str, str | None]] = {}


def complete(client: OpenAI, *, model: str, **parameters: Any) -> Any:
    """A chat completion (or its stream) with the parameters as the model takes them; those that are None are not sent.

    `left_out(client, model)` names what was not sent because the model does not take it.
    """
    known = _learned.setdefault((str(client.base_url), model), {})
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


def left_out(client: OpenAI, model: str) -> list[str]:
    """The parameters that this deployment's model turned out not to take."""
    return sorted(name for name, now in _learned.get((str(client.base_url), model), {}).items() if now is None)
