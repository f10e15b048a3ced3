"""What a reinforced answer must look like (`response_format`) and which tools it may call, before it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_FORMAT = '{"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": {…}}}'


def format_problems(form: Any) -> Iterator[str]:
    """What the service would refuse of a `response_format`; left out, answers are plain text."""
    if not isinstance(form, Mapping) or form.get("type") != "json_schema":
        yield f"{form!r} is no schema; use {_FORMAT}, or leave it out for plain text."
        return
    inner = form.get("json_schema")
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str) or not inner["name"]:
        yield f"json_schema is {inner!r}; it must have a name and a schema: {_FORMAT}."
        return
    schema = inner.get("schema")
    if not isinstance(schema, Mapping) or not schema:
        yield f"json_schema.schema is {schema!r}; it must be a JSON Schema."
        return
    if schema.get("type") != "object":
        yield f"json_schema.schema.type is {schema.get('type')!r}; an answer is an object."
    if wrong := _schema_error(schema):
        yield f"json_schema.schema is no JSON Schema: {wrong}."


def format_doubts(form: Any) -> Iterator[str]:
    """What strict mode asks of a schema beyond JSON Schema: all properties required, and no others allowed."""
    inner = form.get("json_schema") if isinstance(form, Mapping) else None
    if not isinstance(inner, Mapping) or not inner.get("strict") or not isinstance(inner.get("schema"), Mapping):
        return
    schema = inner["schema"]
    if schema.get("additionalProperties") is not False:
        yield "strict wants additionalProperties: false in the schema."
    if optional := [str(name) for name in schema.get("properties") or () if name not in (schema.get("required") or ())]:
        yield f"strict wants every property in required; missing: {', '.join(optional)}."


def tool_problems(tools: Any) -> Iterator[str]:
    """What the service would refuse of `tools`: each needs a name of its own and the address that answers for it."""
    if not isinstance(tools, list):
        yield f'{tools!r} is no list; use [{{"name": "search", "server_url": "https://…"}}].'
        return
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        name, url = (tool.get(key) if isinstance(tool, Mapping) else None for key in ("name", "server_url"))
        if not isinstance(name, str) or not name or name in seen:
            yield f"[{index}].name is {name!r}; every tool needs a name of its own."
        else:
            seen.add(name)
        if not isinstance(url, str) or not url.startswith("https://"):
            yield f"[{index}].server_url is {url!r}; it must be the https:// address that answers the calls."


def integration_problems(integrations: Any) -> Iterator[str]:
    """What the service would refuse of `integrations`; it knows Weights & Biases alone."""
    for entry in integrations if isinstance(integrations, list) else [integrations]:
        wandb = entry.get("wandb") if isinstance(entry, Mapping) and entry.get("type") == "wandb" else None
        if not isinstance(wandb, Mapping) or not isinstance(wandb.get("project"), str) or not wandb["project"]:
            yield f'{entry!r} is no integration; use [{{"type": "wandb", "wandb": {{"project": "…"}}}}].'


def _schema_error(schema: Mapping[str, Any]) -> str:
    """Why this is no JSON Schema, "" when it is one."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(dict(schema))
    except SchemaError as error:
        return f"{'.'.join(map(str, error.absolute_path)) or 'it'}: {error.message}"
    return ""
