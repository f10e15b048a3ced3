"""Records in good order, judged at nearly the speed of decoding them: tool calls, parts, pictures, weights, pairs.

A typed decode settles the shape of a record, one walk over its messages the rest. Whatever this does not vouch for is
left to `method_rules`, which says what is wrong; a test holds the two together. Needs msgspec only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from tunebook.catalogue import load_catalogue
from tunebook.data.image_rules import check_url
from tunebook.data.method_rules import SUPERVISED_KEYS, good_item_key, thinks_aloud
from tunebook.data.records import REFUSED, Keys, call_sign, compact, keys_of, parts_sign, record_keys
from tunebook.data.tokens import IMAGE_HIGH
from tunebook.data.tool_rules import check_definitions, good_function_name

REMEMBERED = 4_096  # lists of tools, each with what may be called by it
Signature = tuple[tuple[str, ...], frozenset[str] | None]  # arguments required; those allowed, None: any
Offered = Mapping[str, Signature]


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


class _Message(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[_TextPart | _ImagePart], msgspec.Meta(min_length=1)] | None = None
    tool_calls: Annotated[list[_Call], msgspec.Meta(min_length=1)] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET
    name: str | UnsetType = UNSET


_Messages = Annotated[list[_Message], msgspec.Meta(min_length=1)]


class _Conversation(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    messages: _Messages
    tools: msgspec.Raw | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET


class _Pair(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    input: _Conversation
    preferred_output: _Messages
    non_preferred_output: _Messages


class Regular(NamedTuple):
    """What is worth keeping of a record in good order: its keys, whether it has pictures, a grader's items."""

    keys: Keys
    images: bool = False
    no_text: int = 0  # bytes of pictures in the line beyond the tokens they count
    items: tuple[str, ...] = ()


class _Walk(NamedTuple):
    """Messages in good order: hash of the system message, a sign of each other message, pictures, what is learned."""

    system: int
    signs: list[Hashable]
    images: int
    no_text: int
    learned: bool


class RegularChecker:
    """`check(line)` gives a Regular for a line in good order and None for one that wants a closer look."""

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
        if walk is None or messages[-1].role != "assistant" or not walk.learned:
            return None
        return Regular(keys_of(walk.system, walk.signs[:-1], walk.signs[-1]), walk.images > 0, walk.no_text)

    def _pair(self, line: bytes) -> Regular | None:
        try:
            record = self._preference(line)
        except REFUSED:
            return None
        asked = self._walk(record.input.messages, record.input.tools)
        if asked is None or asked.images or record.input.messages[-1].role == "assistant":
            return None
        outputs = []
        for messages in (record.preferred_output, record.non_preferred_output):
            walk = self._walk(messages, UNSET)
            if walk is None or walk.images or not all(message.role in ("assistant", "tool") for message in messages):
                return None
            outputs.append(tuple(walk.signs))
        if outputs[0] == outputs[1]:
            return None
        return Regular(keys_of(asked.system, asked.signs, tuple(outputs)))

    def _prompt(self, line: bytes) -> Regular | None:
        try:
            record = self._any(line)
            messages = msgspec.convert(record["messages"], _Messages)
        except (*REFUSED, KeyError, TypeError):
            return None
        if "tools" in record or messages[-1].role not in ("user", "developer"):
            return None
        items = tuple(key for key in record if key not in SUPERVISED_KEYS)
        walk = self._walk(messages, UNSET)
        if walk is None or not all(map(good_item_key, items)):
            return None
        if any(isinstance(message.content, str) and thinks_aloud(message.content) for message in messages):
            return None
        if "functions" in record or not isinstance(record.get("parallel_tool_calls", True), bool):
            return None
        answered = compact([[key, value] for key, value in record.items() if key != "messages"])
        keys = (keys_of(walk.system, walk.signs, answered)) if walk.signs and len(record) > 1 else record_keys(record)
        return Regular(keys, walk.images > 0, walk.no_text, items)

    def _walk(self, messages: Sequence[_Message], tools: msgspec.Raw | UnsetType) -> _Walk | None:
        """The messages one after the other; None as soon as anything about them wants a closer look."""
        system = images = no_text = 0
        signs: list[Hashable] = []
        learned = False
        waiting: set[str] = set()  # calls that have no answer yet
        called: set[str] = set()
        for place, message in enumerate(messages):
            role, content = message.role, message.content
            if role == "tool":
                if message.tool_call_id not in waiting:
                    return None
                waiting.discard(message.tool_call_id)
            elif waiting or message.tool_call_id is not UNSET:
                return None
            if message.weight is not UNSET and role != "assistant":
                return None
            if message.name is not UNSET and role != "tool":
                return None
            learned = learned or (role == "assistant" and message.weight != 0)
            if message.tool_calls is not UNSET:
                ids = self._calls(message.tool_calls, tools) if role == "assistant" else None
                if ids is None or not called.isdisjoint(ids) or isinstance(content, list):
                    return None
                waiting = ids
                called |= ids
                signs.append(call_sign(content, [(c.function.name, c.function.arguments) for c in message.tool_calls]))
                continue
            if isinstance(content, str):
                if not content or content.isspace():
                    return None
                if role == "system" or role == "developer":
                    if place:
                        return None
                    system = hash(content)
                    continue
                signs.append(content)
                continue
            texts = self._parts(content, role) if content else None
            if texts is None:
                return None
            signs.append(parts_sign(texts))
            if len(pictures := [part for part in content or () if type(part) is _ImagePart]):
                images += len(pictures)
                no_text += sum(len(part.image_url.url) - IMAGE_HIGH for part in pictures)
        if waiting and messages[-1].role == "tool":
            return None
        good = not (tools is not UNSET and self._offered(tools) is None) and images <= self._images
        return _Walk(system, signs, images, no_text, learned) if good else None

    def _parts(self, parts: Sequence[_TextPart | _ImagePart], role: str) -> list[str] | None:
        """What the parts of one message say or show."""
        if role == "system" or role == "developer":
            return None
        texts = []
        for part in parts:
            if type(part) is _TextPart:
                texts.append(part.text)
            elif type(part) is _ImagePart:
                if role != "user" or next(check_url(part.image_url.url, ""), None):
                    return None
                texts.append(part.image_url.url)
        return texts

    def _calls(self, calls: Sequence[_Call], tools: msgspec.Raw | UnsetType) -> set[str] | None:
        """Ids of the calls of one message when each fits what is offered."""
        offered: Offered | None = {} if tools is UNSET else self._offered(tools)
        if offered is None:
            return None
        ids = set()
        for call in calls:
            name = call.function.name
            try:
                arguments = self._arguments(call.function.arguments)
            except (*REFUSED, UnicodeError):
                return None
            if offered:
                signature = offered.get(name)
                if signature is None:
                    return None
                required, allowed = signature
                for key in required:
                    if key not in arguments:
                        return None
                if allowed is not None and not allowed.issuperset(arguments):
                    return None
            elif name not in self._names:
                if not good_function_name(name):
                    return None
                self._names.add(name)
            ids.add(call.id)
        return ids if len(ids) == len(calls) else None

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
