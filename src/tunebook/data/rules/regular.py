"""Records in good order, judged at nearly the speed of decoding them: tool calls, parts, pictures, weights, pairs.

A typed decode settles the shape of a record, one walk over its messages the rest. Whatever this does not vouch for is
left to `method_rules`, which says what is wrong; a test holds the two together. Needs msgspec only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tunebook.catalogue import load_catalogue
from tunebook.data.records import REFUSED, Keys, call_sign, compact, keys_of, parts_sign, record_keys
from tunebook.data.rules.images import check_url, plainly_public
from tunebook.data.rules.methods import SUPERVISED_KEYS, good_item_key, thinks_aloud
from tunebook.data.rules.tools import check_definitions, good_function_name
from tunebook.data.tokens import IMAGE_HIGH

REMEMBERED = 4_096  # lists of tools, each with what may be called by it
Signature = tuple[tuple[str, ...], frozenset[str] | None]  # arguments required; those allowed, None: any
Offered = Mapping[str, Signature]
NOTHING: Offered = {}


class _TextPart(msgspec.Struct, tag_field="type", tag="text", gc=False, forbid_unknown_fields=True):
    text: str


class _Address(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    url: str
    detail: Literal["low", "high", "auto"] | UnsetType = UNSET


class _ImagePart(msgspec.Struct, tag_field="type", tag="image_url", gc=False, forbid_unknown_fields=True):
    image_url: _Address


class _Function(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    name: str
    arguments: str


class _Call(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    type: Literal["function"]
    function: _Function


_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Texts = Annotated[list[_TextPart], msgspec.Meta(min_length=1)]


# A type for each role: decoding then refuses keys of another role's, and the walk asks for the type alone.
class _System(msgspec.Struct, tag_field="role", tag="system", gc=False, forbid_unknown_fields=True):
    content: _Text


class _Developer(msgspec.Struct, tag_field="role", tag="developer", gc=False, forbid_unknown_fields=True):
    content: _Text


class _User(msgspec.Struct, tag_field="role", tag="user", gc=False, forbid_unknown_fields=True):
    content: _Text | Annotated[list[_TextPart | _ImagePart], msgspec.Meta(min_length=1)]


class _Assistant(msgspec.Struct, tag_field="role", tag="assistant", gc=False, forbid_unknown_fields=True):
    content: str | _Texts | None = None
    tool_calls: Annotated[list[_Call], msgspec.Meta(min_length=1)] | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET


class _Tool(msgspec.Struct, tag_field="role", tag="tool", gc=False, forbid_unknown_fields=True):
    tool_call_id: str
    content: _Text | _Texts
    name: str | UnsetType = UNSET


_Messages = Annotated[list[_System | _Developer | _User | _Assistant | _Tool], msgspec.Meta(min_length=1)]
_Outputs = Annotated[list[_Assistant | _Tool], msgspec.Meta(min_length=1)]


class _Conversation(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    messages: _Messages
    tools: msgspec.Raw | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET


class _Pair(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    input: _Conversation
    preferred_output: _Outputs
    non_preferred_output: _Outputs


# What is worth keeping of a record in good order: its keys, whether it has pictures, the bytes of these beyond the
# tokens they count, the keys a grader can read. A plain tuple: there is one for each line of a file.
Regular = tuple[Keys, bool, int, tuple[str, ...]]
# Messages in good order: hash of the system message, a sign of each other message, pictures, their bytes likewise,
# whether there is anything to learn.
_Walk = tuple[int, list[Hashable], int, int, bool]


class RegularChecker:
    """`check(line)` gives a `Regular` for a line in good order and None for one that wants a closer look."""

    def __init__(self, method: str) -> None:
        self.check: Callable[[bytes], Regular | None] = {
            "supervised": self._supervised,
            "dpo": self._pair,
            "reinforcement": self._prompt,
        }[method]
        self._conversation = msgspec.json.Decoder(_Conversation).decode
        self._preference = msgspec.json.Decoder(_Pair).decode
        self._any = msgspec.json.Decoder().decode
        self._arguments = msgspec.json.Decoder(dict[str, Any]).decode
        self._tools: dict[bytes, Offered | None] = {}  # raw list -> what it offers; None: something is wrong with it
        self._last: tuple[bytes, Offered | None] = (b"[]", {})
        self._names: set[str] = set()  # of functions, found good
        self._images = load_catalogue().limit("images_per_example_advised")

    def _supervised(self, line: bytes) -> Regular | None:
        try:
            record = self._conversation(line)
        except REFUSED:
            return None
        messages = record.messages
        walk = self._walk(messages, record.tools)
        if walk is None:
            return None
        system, signs, images, no_text, learned = walk
        if not learned or type(messages[-1]) is not _Assistant:
            return None
        said = signs.pop()
        return keys_of(system, signs, said), images > 0, no_text, ()

    def _pair(self, line: bytes) -> Regular | None:
        try:
            record = self._preference(line)
        except REFUSED:
            return None
        messages = record.input.messages
        asked = self._walk(messages, record.input.tools)
        if asked is None or asked[2] or type(messages[-1]) is _Assistant:
            return None
        outputs = []
        for output in (record.preferred_output, record.non_preferred_output):
            walk = self._walk(output, UNSET)
            if walk is None or (type(output[0]) is _Tool and len(output) == 1):
                return None
            outputs.append(tuple(walk[1]))
        if outputs[0] == outputs[1]:
            return None
        return keys_of(asked[0], asked[1], tuple(outputs)), False, 0, ()

    def _prompt(self, line: bytes) -> Regular | None:
        try:
            record = self._any(line)
            messages: list[Any] = msgspec.convert(record["messages"], _Messages)
        except (*REFUSED, KeyError, TypeError):
            return None
        if "tools" in record or "functions" in record or type(messages[-1]) not in (_User, _Developer):
            return None
        items = tuple(key for key in record if key not in SUPERVISED_KEYS)
        walk = self._walk(messages, UNSET)
        if walk is None or not all(map(good_item_key, items)):
            return None
        if any(isinstance(message.content, str) and thinks_aloud(message.content) for message in messages):
            return None
        if not isinstance(record.get("parallel_tool_calls", True), bool):
            return None
        system, signs, images, no_text, _ = walk
        answered = compact([[key, value] for key, value in record.items() if key != "messages"])
        keys = keys_of(system, signs, answered) if signs and len(record) > 1 else record_keys(record)
        return keys, images > 0, no_text, items

    def _walk(self, messages: Sequence[Any], tools: msgspec.Raw | UnsetType) -> _Walk | None:
        """The messages one after the other; None as soon as anything about them wants a closer look."""
        system = images = no_text = 0
        signs: list[Hashable] = []
        learned = False
        waiting: set[str] = set()  # calls that have no answer yet
        called: set[str] = set()
        offered: Offered | None = NOTHING if tools is UNSET else self._offered(tools)
        if offered is None:
            return None
        for message in messages:
            kind, content = type(message), message.content
            if kind is _Tool:
                if message.tool_call_id not in waiting:
                    return None
                waiting.discard(message.tool_call_id)
            elif waiting:
                return None
            elif kind is _Assistant:
                learned = learned or message.weight != 0
                calls = message.tool_calls
                if calls is not UNSET:
                    waiting = self._calls(calls, offered)
                    if not waiting or not called.isdisjoint(waiting) or type(content) is list:
                        return None
                    called |= waiting
                    words: list[str] = []
                    for call in calls:
                        words += call.function.name, call.function.arguments
                    signs.append(call_sign(content, words))
                    continue
            elif kind is not _User:
                if content.isspace() or message is not messages[0]:
                    return None
                system = hash(content)
                continue
            if type(content) is str:
                if not content or content.isspace():
                    return None
                signs.append(content)
                continue
            if content is None:
                return None
            texts = []
            for part in content:
                if type(part) is _TextPart:
                    texts.append(part.text)
                    continue
                address = part.image_url.url
                if not (plainly_public(address) or next(check_url(address, ""), None) is None):
                    return None
                texts.append(address)
                images += 1
                no_text += len(address) - IMAGE_HIGH
            signs.append(parts_sign(texts))
        if images > self._images or (waiting and type(messages[-1]) is _Tool):
            return None
        return system, signs, images, no_text, learned

    def _calls(self, calls: Sequence[_Call], offered: Offered) -> set[str]:
        """Ids of the calls of one message; none when one of them does not fit what is offered."""
        ids = set()
        for call in calls:
            name = call.function.name
            try:
                arguments = self._arguments(call.function.arguments)
            except (*REFUSED, UnicodeError):
                return set()
            if offered:
                signature = offered.get(name)
                if signature is None:
                    return set()
                required, allowed = signature
                for key in required:
                    if key not in arguments:
                        return set()
                if allowed is not None and not allowed.issuperset(arguments):
                    return set()
            elif name not in self._names:
                if not good_function_name(name):
                    return set()
                self._names.add(name)
            ids.add(call.id)
        return ids if len(ids) == len(calls) else set()

    def _offered(self, raw: msgspec.Raw) -> Offered | None:
        """What a list of tools offers, looked through once; the same list mostly stands in all examples."""
        text = bytes(raw)
        last, offered = self._last
        if text == last:
            return offered
        if text in self._tools:
            offered = self._tools[text]
        else:
            if len(self._tools) >= REMEMBERED:
                self._tools.clear()
            offered = self._tools[text] = _read_tools(text)
        self._last = (text, offered)
        return offered


def _read_tools(text: bytes) -> Offered | None:
    """Name -> signature; empty for null or an empty list, None when something is wrong with the definitions."""
    try:
        tools = msgspec.json.decode(text)
    except REFUSED:
        return None
    if tools is None:
        return {}
    if not isinstance(tools, list) or next(check_definitions({"tools": tools}), None):
        return None
    return {tool["function"]["name"]: _signature(tool["function"].get("parameters")) for tool in tools}


def _signature(schema: object) -> Signature:
    """What `tool_rules` asks of a call's arguments."""
    if not isinstance(schema, dict):
        return (), None
    required, properties = schema.get("required"), schema.get("properties")
    closed = isinstance(properties, dict) and schema.get("additionalProperties") is not True
    names = tuple(key for key in required if isinstance(key, str)) if isinstance(required, list) else ()
    return names, frozenset(properties or ()) if closed else None
