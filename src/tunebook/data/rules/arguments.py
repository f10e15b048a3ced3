"""The arguments of a call against the JSON Schema of its definition: quickly where that is plain, else by `jsonschema`.

A schema comes out of a file: nothing it refers to is fetched, no expression in it that could run away is tried, and
what cannot be judged is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from tunebook.data.records import compact
from tunebook.data.rules.problem import Problem, shown
from tunebook.data.rules.table import problem_of

MOST = 5  # findings about one call
REFERENCES = 1_000  # that are followed for one call; more is a schema that multiplies itself
_TYPES: dict[object, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "null": (type(None),),
    "array": (list,), "object": (dict,), None: (),
}  # fmt: skip
_PLAIN = {"type", "properties", "required", "additionalProperties", "title", "description", "strict"}
_PLAIN_VALUE = {"type", "enum", "items", "title", "description", "default", "examples", "example", "format"}
_RISKY = re.compile(r"\)[*+{]|(?:[*+}].*){3}", re.S)  # a repeated group, or three repetitions: may take for ever
_COMPOSED = ("allOf", "anyOf", "oneOf")
_BRANCHES = ("if", "then", "else")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")  # hold schemas by a name
_VALUES = ("enum", "const", "default", "examples", "example", "required")  # hold no schemas

Schema = Mapping[str, Any]
Fits = Callable[[Mapping[str, Any]], bool]


def fits(schema: object) -> Fits:
    """Whether arguments are surely as `schema` says, without a word about what is not."""
    return _plain(schema) or (lambda arguments: next(check_arguments("", arguments, schema, ""), None) is None)


def _plain(schema: object) -> Fits | None:
    """The judgement by a schema of named arguments of simple types; None for any other schema."""
    if not isinstance(schema, dict):
        return lambda _: True
    properties, required, more = (schema.get(key) for key in ("properties", "required", "additionalProperties"))
    if not schema.keys() <= _PLAIN or schema.get("type", "object") != "object" or not isinstance(properties, dict):
        return None
    if more not in (None, False) or (more is False and not properties) or not isinstance(required, list | None):
        return None
    kinds: dict[str, tuple[tuple[type, ...], tuple[type, ...], Sequence[Any] | None]] = {}
    for name, one in properties.items():
        items = one.get("items", {}) if isinstance(one, dict) else None
        if not isinstance(items, dict) or not one.keys() <= _PLAIN_VALUE or not items.keys() <= {"type", "description"}:
            return None
        try:
            kinds[name] = _TYPES[one.get("type")], _TYPES[items.get("type")], one.get("enum")
        except (KeyError, TypeError):
            return None
    needed = [name for name in required or () if isinstance(name, str)]

    def judge(arguments: Mapping[str, Any]) -> bool:
        for name, value in arguments.items() if kinds else ():
            if name not in kinds:
                return False
            kind, element, enum = kinds[name]
            if kind and type(value) not in kind:
                return False
            if element and type(value) is list and not all(type(one) in element for one in value):
                return False
            if enum is not None and (type(value) is not str or value not in enum):
                return False
        return all(name in arguments for name in needed)

    return judge


def check_arguments(name: str, arguments: Mapping[str, Any], schema: object, path: str) -> Iterator[Problem]:
    """The findings about one call of the function `name`: what is missing, unknown or not as its schema says."""
    if not isinstance(schema, dict) or ((plain := _plain(schema)) and plain(arguments)):
        return
    errors, known = _compiled(compact(schema))
    try:
        found = list(islice(errors(arguments), MOST))
    except Exception:  # whatever a foreign schema makes the library raise: it cannot be judged by it
        found = []
    missing: set[str] = set()
    for error in found:
        at = ".".join(["parameters", *map(str, error.absolute_schema_path)])
        place = path + error.json_path.removeprefix("$")
        if error.validator == "required":
            gone = ", ".join(key for key in error.validator_value if key not in error.instance)
            if place not in missing:
                yield problem_of("argument-missing", place, gone, name=name, at=at)
            missing.add(place)
        elif error.validator != "additionalProperties" or place != path:
            reason = shown(error.message, 160)
            yield problem_of("argument-wrong", place, error.instance, name=name, at=at, reason=reason)
    if known is not None and (extra := [key for key in arguments if not known(key)]):
        yield problem_of("argument-unknown", path, ", ".join(extra[:5]), name=name, at="parameters.properties")


@lru_cache(maxsize=256)
def _compiled(text: str) -> tuple[Callable[[Any], Iterator[Any]], Callable[[str], bool] | None]:
    """(errors of arguments by the schema `text`, whether it knows a name; None where it takes any)."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    schema = _tamed(msgspec.json.decode(text))
    follow = Draft202012Validator.VALIDATORS["$ref"]
    followed = [0]

    def reference(validator: Any, ref: str, instance: object, holder: Schema) -> Iterator[Any]:
        followed[0] += 1
        if followed[0] > REFERENCES:
            raise RecursionError(f"more than {REFERENCES:,} references")
        yield from follow(validator, ref, instance, holder) or ()

    bounded = validators.extend(Draft202012Validator, {"$ref": reference})
    nothing: Any = Registry()  # an empty one: with none the library would fetch what a schema refers to
    validator = bounded(schema, registry=nothing)

    def errors(arguments: object) -> Iterator[Any]:
        followed[0] = 0
        return validator.iter_errors(arguments)

    return errors, _known(schema)


def _tamed(schema: Any) -> Any:
    """A copy in today's draft without what is no JSON Schema, refers elsewhere or may run away."""
    if not isinstance(schema, dict):
        return schema
    new: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _VALUES:
            if key != "required" or isinstance(value, list):
                new[key] = value
        elif key in _NAMED:
            if isinstance(value, dict):
                new[key] = {name: _tamed(one) for name, one in value.items()}
        elif key == "items" and isinstance(value, list):
            new["prefixItems"] = [_tamed(one) for one in value]
        elif key in (*_COMPOSED, "prefixItems"):
            if isinstance(value, list):
                new[key] = [_tamed(one) for one in value]
        elif not _left_out(key, value):
            new[key] = _tamed(value)
    if any(_RISKY.search(pattern) for pattern in new.get("patternProperties", ())):
        del new["patternProperties"]
        new["additionalProperties"] = True
    if schema.get("nullable") is True and isinstance(new.get("type"), str):
        new["type"] = [new["type"], "null"]
    if new.get("additionalProperties") is False and new.get("required"):  # stripped of what it requires
        new["properties"] = {**dict.fromkeys(map(str, new["required"]), True), **new.get("properties", {})}
    return new


def _left_out(key: str, value: object) -> bool:
    if key == "type":
        return not all(
            isinstance(one, str) and one in _TYPES for one in (value if isinstance(value, list) else [value])
        )
    if key == "$ref":
        return not isinstance(value, str) or not value.startswith("#")
    if key == "pattern":
        return not isinstance(value, str) or _RISKY.search(value) is not None
    return key in ("$schema", "$id", "nullable") or (key.startswith("exclusive") and isinstance(value, bool))


def _known(schema: Schema) -> Callable[[str], bool] | None:
    """Whether a name is one the schema speaks of, in itself or in what it is composed of; None where any will do."""
    names: set[str] = set()
    patterns: list[str] = []
    waiting: list[Any] = [schema]
    for one in waiting:  # grows while it is walked
        if not isinstance(one, dict):
            continue
        if one.get("additionalProperties") not in (None, False) or one.get("unevaluatedProperties") not in (
            None,
            False,
        ):
            return None
        names.update(one.get("properties", ()), map(str, one.get("required", ())))
        patterns.extend(one.get("patternProperties", ()))
        parts = [part for key in _COMPOSED for part in one.get(key, ())] + [one.get(key) for key in _BRANCHES]
        parts.extend(one.get("dependentSchemas", {}).values())
        if "$ref" in one:
            parts.append(_at(schema, one["$ref"]))
            if parts[-1] is None:
                return None
        waiting.extend(part for part in parts if not any(part is seen for seen in waiting))
    declared = any(isinstance(one, dict) and one.get("properties") for one in waiting)
    if not declared and schema.get("additionalProperties") is not False:  # nothing, or stripped of it
        return None
    return lambda key: key in names or any(re.search(pattern, key) for pattern in patterns)


def _at(schema: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) in a schema points to; None for nothing."""
    for step in pointer.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        schema = schema.get(step) if isinstance(schema, dict) else None
    return schema
