"""Kinds of files that people bring: what is read, what is said, and what fix() leaves to say."""

import json

import pytest

import tunebook as tb

ASKED, SAID, OTHER = (
    {"role": role, "content": text} for role, text in (("user", "q"), ("assistant", "a"), ("assistant", "b"))
)
NOT_OF_THE_FILE = {"few-examples", "validation-needed", "image-screening"}  # advice about any file of this size


def chat(*messages, **more):
    return json.dumps({"messages": list(messages or (ASKED, SAID)), **more})


def says(question="q", answer="a", **more):
    return chat({"role": "user", "content": question}, {"role": "assistant", "content": answer}, **more)


def calls(arguments, parameters, name="f"):
    function = {"name": name, "arguments": arguments}
    call = {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": function}]}
    return chat(ASKED, call, tools=tool(parameters))


def tool(parameters):
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}}]


def pair(preferred=SAID, *, asked=None, **more):
    record = {"input": {"messages": [ASKED], **(asked or {})}, "preferred_output": [preferred]}
    return json.dumps({**record, "non_preferred_output": [OTHER], **more})


def pictured(url):
    return chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}, SAID)


def item(answer, question="q"):
    return json.dumps({"messages": [{"role": "user", "content": question}], "answer": answer})


one, two, three = (says(number) for number in "123")
SIGNED = "https://contoso.blob.core.windows.net/c/f.csv?sv=2024-11-04&sig=" + "aB3%2F" * 9
PARTS = [{"type": "text", "text": "4"}]
UNREAD = ["json-array", "unread"]

# kind: the file; how many examples are read, the rules that speak; after fix() the same.
CASES = {
    # of another form: read on wherever one can
    "two arrays joined": (f"[{one},{two}]\n[{three}]", 3, ["json-array"], 3, []),
    "an array, then lines": (f"[{one}]\n{two}\n{three}", 3, ["json-array"], 3, []),
    "null between elements": (f"[{one},null,{two}]", 2, ["json-array", "not-an-object"], 2, []),
    "comments between elements": (f"[\n// first\n{one},\n# second\n{two}\n]", 2, UNREAD, 2, []),
    "a rule between pretty ones": (
        "\n---\n".join(json.dumps(json.loads(each), indent=1) for each in (one, two)),
        2, ["pretty-printed", "unread"], 2, []
    ),
    "semicolons after the lines": (f"{one};\n{two};\n", 0, ["comma-joined"], 2, []),
    "lines quoted for a table": (
        "\n".join('"' + each.replace('"', '""') + '"' for each in (one, two)), 0, ["not-json"], 0, ["not-json"]
    ),
    "one array a line": (f"[{one}]\n[{two}]", 2, ["json-array"], 2, []),
    "an array cut off": (f'[{one},{two},{{"messages": [{{"role"', 2, UNREAD, 2, ["truncated"]),
    "a list of messages a line": (
        "\n".join(json.dumps([ASKED, each]) for each in (SAID, OTHER)),
        0, ["bare-messages"], 2, ["conflicting-answers"],
    ),
    # keys that mean something beside the format
    "system beside messages": (says(system="Be kind."), 1, ["unknown-key"], 1, []),
    "tools at the top of a pair": (pair(tools=tool({})), 1, ["unknown-key"], 1, []),
    # arguments that their schema admits
    "stripped properties": (calls('{"x": 1}', {"type": "object", "properties": {}}), 1, [], 1, []),
    "additional properties of a type": (
        calls('{"x": 1}', {"properties": {"id": {}}, "additionalProperties": {"type": "integer"}}), 1, [], 1, []
    ),
    "pattern properties": (calls('{"x_1": 1}', {"properties": {}, "patternProperties": {"^x_": {}}}), 1, [], 1, []),
    "any of": (calls('{"x": 1}', {"anyOf": [{"properties": {"x": {}}}, {"properties": {"y": {}}}]}), 1, [], 1, []),
    "a reference": (calls('{"x": 1}', {"$ref": "#/$defs/p", "$defs": {"p": {"properties": {"x": {}}}}}), 1, [], 1, []),
    "required, not described": (calls('{"x": 1}', {"type": "object", "required": ["x"]}), 1, [], 1, []),
    "no such argument": (
        calls('{"x": 1}', {"properties": {"id": {}}}), 1, ["argument-unknown"], 1, ["argument-unknown"]
    ),
    # taken by the service, and harmful
    "a tool's answer in parts": (
        chat(*json.loads(calls("{}", {}))["messages"], {"role": "tool", "tool_call_id": "c1", "content": PARTS}, SAID,
             tools=tool({})), 1, ["tool-parts"], 1, []
    ),
    "two answers in a row": (chat(ASKED, SAID, OTHER), 1, ["answer-twice"], 1, ["answer-twice"]),
    "a system message for reinforcement": (
        json.dumps({"messages": [{"role": "system", "content": "s"}, ASKED], "answer": 1}),
        1, ["system-role"], 1, ["system-role"],
    ),
    "more than 128 tools": (
        chat(tools=[{"type": "function", "function": {"name": f"f{n}"}} for n in range(129)]),
        1, ["too-many-tools"], 1, ["too-many-tools"],
    ),
    "no functions": (says(functions=[]), 1, ["legacy-functions", "no-functions"], 1, []),
    "a preferred call of no tool": (
        pair(json.loads(calls("{}", {}, "g"))["messages"][1], asked={"tools": tool({})}),
        1, ["tool-unknown"], 1, ["tool-unknown"],
    ),
    "one key twice": (
        '{"messages": [{"role": "user", "content": "q", "content": "r"}, {"role": "assistant", "content": "a"}]}',
        1, ["duplicate-key"], 1, ["duplicate-key"],
    ),
    "the word None": (says("None"), 1, ["null-word"], 1, ["null-word"]),
    "the word undefined": (says(answer="undefined"), 1, ["null-word"], 1, ["null-word"]),
    "an answer of no width": (says(answer="\u200b\ufeff"), 1, ["nothing-said"], 1, ["nothing-said"]),
    "an empty answer": (says(answer=""), 1, ["nothing-said"], 1, ["nothing-said"]),
    "half of the references null": (f"{item(None)}\n{item('x', 'r')}", 2, ["item-empty"], 2, ["item-empty"]),
    "a signed address": (says(answer=SIGNED), 1, ["secret"], 1, ["secret"]),
    "an account's key": (says(answer="api key: 0123456789abcdef0123456789abcdef"), 1, ["secret"], 1, ["secret"]),
    "a password": (says(answer="password=Hunter2!x9"), 1, ["secret"], 1, ["secret"]),
    # the cause is named once, and mended where it is certain
    "encoded twice": (json.dumps(one), 0, ["double-encoded"], 1, []),
    "messages as a text": (json.dumps({"messages": json.dumps([ASKED, SAID])}), 1, ["wrong-type"], 1, []),
    "Python's quotes and None": (repr({"messages": [ASKED | {"name": None}, SAID]}), 0, ["python-literal"], 1, []),
    "empty arguments": (calls("", {}), 1, ["arguments-json"], 1, []),
    "Bedrock's form": (
        json.dumps({"schemaVersion": "bedrock-conversation-2024", "messages": [
            {"role": "user", "content": [{"text": "q"}]}, {"role": "assistant", "content": [{"text": "a"}]}
        ]}), 1, ["other-schema"], 1, []
    ),
    "Gemini's form": (
        json.dumps({"contents": [{"role": r, "parts": [{"text": r}]} for r in ("user", "model")]}),
        1, ["other-schema"], 1, []
    ),
    "the Responses API's form": (
        json.dumps({"input": [ASKED], "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
        ]}), 1, ["other-schema"], 1, []
    ),
    "a role with a capital": (chat(ASKED, SAID | {"role": "Assistant"}), 1, ["unknown-role"], 1, []),
    "a pair with old names": (
        pair().replace("preferred_output", "preferred_completion"),
        1, ["old-key"], 1, []
    ),
    "nobody asks": (chat({"role": "system", "content": "s"}, SAID), 1, ["no-user"], 1, ["no-user"]),
    "a page in place of a picture": (
        pictured("https://drive.google.com/file/d/1/view"), 1, ["image-url"], 1, ["image-url"]
    ),
    "a host without a dot": (pictured("http://intranet/7.png"), 1, ["image-url"], 1, ["image-url"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_file_is_read_explained_and_mended_as_far_as_is_certain(kind, tmp_path):
    text, examples, rules, kept, left = CASES[kind]
    (tmp_path / "a.jsonl").write_text(text, "utf-8")

    def looked_at(dataset):
        found = dataset.check(min_examples=0).problems
        return len(dataset), sorted({problem.rule for problem in found} - NOT_OF_THE_FILE)

    dataset = tb.read_dataset(tmp_path / "a.jsonl")

    assert looked_at(dataset) == (examples, rules)
    assert looked_at(dataset.fix()[0]) == (kept, left)


def test_a_file_that_cannot_be_read_to_its_end_is_never_ready(tmp_path):
    (tmp_path / "a.json").write_text(
        "[" + ",".join(says(str(n)) for n in range(12)) + ',{"messages": [{"role"', "utf-8"
    )
    dataset = tb.read_dataset(tmp_path / "a.json")

    assert dataset.check().to_json()["unread"] == [{"line": 1, "bytes": 21}]
    assert not dataset.fix()[0].check().ok
