"""Arguments of calls against the schemas of their definitions: right ones are left in peace, wrong ones are placed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebook.data.rules.arguments import _plain, check_arguments


def found(schema, arguments):
    return [(p.rule, p.path, p.value) for p in check_arguments("f", arguments, schema, "$")]


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"properties": {}}, {"a": 1}),
        ({"type": "object", "properties": {}, "required": ["a"]}, {"a": 1}),
        ({"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False}, {"a": 1}),
        ({"properties": {"b": {}}, "required": ["a"]}, {"a": 1}),
        ({"properties": {"b": {}}, "additionalProperties": {"type": "integer"}}, {"a": 1}),
        ({"properties": {"b": {}}, "patternProperties": {"^a": {"type": "integer"}}}, {"a": 1}),
        ({"properties": {"b": {}}, "allOf": [{"properties": {"a": {}}}]}, {"a": 1}),
        ({"properties": {"b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1}),
        ({"properties": {"b": {}}, "oneOf": [{"properties": {"a": {"type": "integer"}}}]}, {"a": 1}),
        ({"properties": {"b": {}}, "if": {"required": ["a"]}, "then": {"properties": {"a": {}}}}, {"a": 1}),
        ({"properties": {"b": {}}, "$ref": "#/$defs/X", "$defs": {"X": {"properties": {"a": {}}}}}, {"a": 1}),
        (
            {"definitions": {"X": {"properties": {"a": {}}}}, "$ref": "#/definitions/X", "$id": "https://a.b/c"},
            {"a": 1},
        ),
        ({"properties": {"a": {"type": "string", "nullable": True}}}, {"a": None}),
        ({"properties": {"a": {"type": "STRING"}}}, {"a": "x"}),
        ({"properties": {"a": {"type": "number"}}}, {"a": 1}),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1.0}),
        ({"properties": {"a": {"type": "array", "items": [{"type": "integer"}]}}}, {"a": [1]}),
        ({"properties": {"a": {"type": "object", "properties": {}, "required": ["z"]}}}, {"a": {"z": 1}}),
        ({"properties": {"type": {"type": "string"}, "pattern": {"type": "integer"}}}, {"type": "x", "pattern": 2}),
        ({"required": True, "properties": {"a": {"required": True}}}, {"a": 1}),
        ("no schema", {"a": 1}),
        ({"type": 7}, {"a": 1}),
    ],
    ids=str,
)
def test_what_the_schema_admits_is_left_in_peace(schema, arguments):
    assert found(schema, arguments) == []


@pytest.mark.parametrize(
    ("schema", "arguments", "expected"),
    [
        ({"properties": {"a": {"type": "integer"}}}, {"a": "x"}, ("argument-wrong", "$.a", "x")),
        ({"properties": {"a": {"enum": ["x"]}}}, {"a": "y"}, ("argument-wrong", "$.a", "y")),
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "x"]}, ("argument-wrong", "$.a[1]", "x")),
        ({"properties": {"a": {}}, "required": ["a", "b"]}, {}, ("argument-missing", "$", "a, b")),
        ({"properties": {"a": {"required": ["b"]}}}, {"a": {}}, ("argument-missing", "$.a", "b")),
        ({"properties": {"a": {}}}, {"b": 1}, ("argument-unknown", "$", "b")),
        ({"properties": {}, "additionalProperties": False}, {"b": 1}, ("argument-unknown", "$", "b")),
        ({"allOf": [{"properties": {"a": {}}}]}, {"b": 1}, ("argument-unknown", "$", "b")),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"b": 1}, ("argument-unknown", "$", "b")),
        ({"properties": {"a": {"type": "integer"}}}, {"a": True}, ("argument-wrong", "$.a", "true")),
    ],
    ids=str,
)
def test_what_it_does_not_admit_is_named_with_its_place(schema, arguments, expected):
    assert found(schema, arguments) == [expected]


def test_the_place_in_the_schema_is_said():
    (problem,) = check_arguments(
        "f", {"a": 1}, {"$defs": {"X": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/X"}}}, "$"
    )

    assert "(parameters.properties.a.type)" in problem.message


BOMB = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {}}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": "(a+)+$"}}},
        {"patternProperties": {"(a+)+$": {}}},
        {"$ref": "http://127.0.0.1:9/never-asked"},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"$ref": "#/$defs/d0", "$defs": BOMB},
        {"properties": {"a": {"pattern": "("}}},
    ],
    ids=str,
)
def test_a_hostile_schema_neither_hangs_nor_calls_out(schema):
    assert found(schema, {"a": "a" * 60 + "!"}) == []


NAMES = st.sampled_from(["a", "b"])
SCALARS = st.sampled_from([None, True, 1, 1.5, "x", [], [1], ["x"], {}])
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "array", "object", "null", "boolean"]),
        "enum": st.just(["x", 1]),
        "items": st.just({"type": "integer"}),
        "description": st.just("…"),
    },
)
SCHEMAS = st.fixed_dictionaries(
    {"properties": st.dictionaries(NAMES, VALUES)},
    optional={
        "type": st.just("object"),
        "required": st.lists(NAMES, max_size=2),
        "additionalProperties": st.just(False),
    },
)


@settings(max_examples=300, deadline=None)
@given(schema=SCHEMAS, arguments=st.dictionaries(st.sampled_from(["a", "b", "c"]), SCALARS, max_size=3))
def test_the_quick_judgement_is_never_milder_than_the_librarys(schema, arguments):
    from jsonschema import Draft202012Validator

    plain = _plain(schema)

    if plain and plain(arguments):
        assert Draft202012Validator(schema).is_valid(arguments)
        assert arguments.keys() <= schema["properties"].keys() or not schema["properties"]
