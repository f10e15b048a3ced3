"""Records in good order, judged at nearly the speed of decoding them: tool calls, parts, pictures, weights, pairs.

A typed decode settles the shape of a record, one walk over its messages the rest. Whatever this does not vouch for is
left to `methods`, which says what is wrong; a test holds the two together. Needs msgspec only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tunebook.catalogue import load_catalogue
from tunebook.data.records import REFUSED, Keys, call_sign, compact, keys_of, parts_sign, record_keys
from tunebook.data.rules.arguments import Fits, fits
from tunebook.data.rules.duplicates import count_keys, keys_written
from tunebook.data.rules.images import check_url, plainly_public
from tunebook.data.rules.methods import SUPERVISED_KEYS, empty_item, good_item_key, thinks_aloud
from tunebook.data.rules.texts import blank, null_word
from tunebook.data.rules.tools import check_definitions, good_function_name
from tunebook.data.tokens import IMAGE_HIGH

REMEMBERED = 4_096  # lists of tools, each with what may be called by it
Offered = Mapping[str, Fits]
NOTHING: Offered = {}
NO_CALLS: set[str] = set()  # never changed


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
    content: str | _Texts | UnsetType | None = UNSET
    tool_calls: Annotated[list[_Call], msgspec.Meta(min_length=1)] | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET


class _Tool(msgspec.Struct, tag_field="role", tag="tool", gc=False, forbid_unknown_fields=True):
    tool_call_id: str
    content: _Text
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


# Made once, while the module is imported: msgspec brings the process down when two threads make decoders of one type.
_conversation = msgspec.json.Decoder(_Conversation).decode
_preference = msgspec.json.Decoder(_Pair).decode
_any = msgspec.json.Decoder().decode
_arguments = msgspec.json.Decoder(dict[str, Any]).decode

# What is worth keeping of a record in good order: its keys, whether it has pictures, the bytes of these beyond the
# tokens they count, the keys a grader can read. A plain tuple: there is one for each line of a file.
Regular = tuple[Keys, bool, int, tuple[str, ...]]


class _Talk:
    """Messages read one after the other, as long as nothing about them wants a closer look."""

    __slots__ = ("_answered", "_called", "_offered", "_waiting", "asked", "beside", "images", "keys", "learned",
                 "signs", "system")  # fmt: skip

    def __init__(self, offered: Offered) -> None:
        self._offered = offered
        self._waiting: set[str] = NO_CALLS  # calls that have no answer yet
        self._called: set[str] = NO_CALLS
        self.system = 0  # hash of the system message
        self.signs: list[Hashable] = []  # what each other message says
        self.images = 0
        self.beside = 0  # bytes of the pictures beyond the tokens they count
        self.asked = False  # whether the user says something
        self.learned = False  # whether some answer is learned from
        self._answered = False  # whether the message before is an answer
        self.keys = 0  # names of keys in the messages

    def read(self, messages: Sequence[Any]) -> bool:
        """Whether all of them are in good order."""
        self.keys += 2 * len(messages)
        for message in messages:
            if not _READ[type(message)](self, message):
                return False
        return not self._waiting or type(messages[-1]) is not _Tool

    def _instruction(self, message: _System | _Developer) -> bool:
        if self.system or self.signs or not _says(message.content):  # two instructions, or a late one
            return False
        self.system = hash(message.content)
        return True

    def _question(self, message: _User) -> bool:
        self.asked, self._answered = True, False
        return not self._waiting and self._content(message.content)

    def _answer(self, message: _Assistant) -> bool:
        if self._waiting or self._answered:
            return False
        self._answered = True
        self.learned = self.learned or message.weight != 0
        self.keys += (message.weight is not UNSET) - (message.content is UNSET)
        calls = message.tool_calls
        return self._content(message.content) if calls is UNSET else self._calls(calls, message.content)

    def _result(self, message: _Tool) -> bool:
        if message.tool_call_id not in self._waiting:
            return False
        self._waiting.discard(message.tool_call_id)
        self._answered = False
        self.keys += 1 + (message.name is not UNSET)
        return self._content(message.content)

    def _content(self, content: str | Sequence[_TextPart | _ImagePart] | UnsetType | None) -> bool:
        if type(content) is str:
            self.signs.append(content)
            return _says(content)
        return content is not None and content is not UNSET and self._parts(content)

    def _calls(self, calls: Sequence[_Call], content: object) -> bool:
        ids = {call.id for call in calls if _fits(call.function, self._offered)}
        if len(ids) < len(calls) or not self._called.isdisjoint(ids) or type(content) is list:
            return False
        self._called = self._called | ids
        self._waiting = ids
        self.keys += 1 + 5 * len(calls)
        content = None if content is UNSET else content
        words = [word for call in calls for word in (call.function.name, call.function.arguments)]
        self.signs.append(call_sign(content, words))
        return True

    def _parts(self, parts: Any) -> bool:
        texts = []
        for part in parts:
            if type(part) is _TextPart:
                texts.append(part.text)
                self.keys += 2
                if not _says(part.text):
                    return False
                continue
            self.keys += 3 + (part.image_url.detail is not UNSET)
            address = part.image_url.url
            if not (plainly_public(address) or next(check_url(address, ""), None) is None):
                return False
            texts.append(address)
            self.images += 1
            self.beside += len(address) - IMAGE_HIGH
        self.signs.append(parts_sign(texts))
        return True


def _says(text: str) -> bool:
    """Whether a text surely says something."""
    if len(text) > 20 and "!" <= text[0] <= "~":  # nearly all
        return True
    return not blank(text) and not null_word(text)


_READ: Mapping[type, Callable[[_Talk, Any], bool]] = {
    _System: _Talk._instruction,
    _Developer: _Talk._instruction,
    _User: _Talk._question,
    _Assistant: _Talk._answer,
    _Tool: _Talk._result,
}


def _fits(function: _Function, offered: Offered) -> bool:
    """Whether a call's arguments are those of something on offer, where anything is."""
    try:
        arguments = _arguments(function.arguments)
    except (*REFUSED, UnicodeError):
        return False
    if keys_written(function.arguments) != count_keys(arguments):
        return False
    if not offered:
        return good_function_name(function.name)
    fitting = offered.get(function.name)
    return fitting is not None and fitting(arguments)


class RegularChecker:
    """`check(line)` gives a `Regular` for a line in good order and None for one that wants a closer look."""

    def __init__(self, method: str) -> None:
        self.check: Callable[[bytes], Regular | None] = {
            "supervised": self._supervised,
            "dpo": self._pair,
            "reinforcement": self._prompt,
        }[method]
        self._tools: dict[bytes, Offered | None] = {}  # raw list -> what it offers; None: something is wrong with it
        self._last: tuple[bytes, Offered | None] = (b"[]", {})
        self._images = load_catalogue().limit("images_per_example_advised")

    def _supervised(self, line: bytes) -> Regular | None:
        try:
            record = _conversation(line)
        except REFUSED:
            return None
        messages = record.messages
        talk = self._talk(messages, record.tools)
        if talk is None or not (talk.learned and talk.asked) or type(messages[-1]) is not _Assistant:
            return None
        if keys_written(line) != 1 + talk.keys + _beside(record):
            return None
        answer = talk.signs.pop()
        return keys_of(talk.system, talk.signs, answer), talk.images > 0, talk.beside, ()

    def _pair(self, line: bytes) -> Regular | None:
        try:
            record = _preference(line)
        except REFUSED:
            return None
        asked = self._talk(record.input.messages, record.input.tools)
        if asked is None or asked.images or not asked.asked or type(record.input.messages[-1]) is _Assistant:
            return None
        outputs, keys = [], 4 + asked.keys + _beside(record.input)
        for output in (record.preferred_output, record.non_preferred_output):
            talk = self._talk(output, record.input.tools)
            if talk is None:
                return None
            keys += talk.keys
            outputs.append(tuple(talk.signs))
        if outputs[0] == outputs[1] or keys_written(line) != keys:
            return None
        return keys_of(asked.system, asked.signs, tuple(outputs)), False, 0, ()

    def _prompt(self, line: bytes) -> Regular | None:
        try:
            record = _any(line)
            messages: list[Any] = msgspec.convert(record["messages"], _Messages)
        except (*REFUSED, KeyError, TypeError):
            return None
        items = tuple(key for key in record if key not in SUPERVISED_KEYS)
        talk = self._talk(messages) if _is_prompt(record, messages, items) else None
        if talk is None or keys_written(line) != count_keys(record):
            return None
        answered = compact([[key, value] for key, value in record.items() if key != "messages"])
        whole = talk.signs and len(record) > 1
        keys = keys_of(talk.system, talk.signs, answered) if whole else record_keys(record)
        return keys, talk.images > 0, talk.beside, items

    def _talk(self, messages: Sequence[Any], tools: msgspec.Raw | UnsetType = UNSET) -> _Talk | None:
        """The messages as read; None when anything about them wants a closer look."""
        offered = NOTHING if tools is UNSET else self._offered(tools)
        if offered is None:
            return None
        talk = _Talk(offered)
        return talk if talk.read(messages) and talk.images <= self._images else None

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


def _is_prompt(record: Mapping[str, Any], messages: Sequence[Any], items: Sequence[str]) -> bool:
    """Whether what is beside the messages, and how they end, is as a reinforcement example has it."""
    return (
        not {"tools", "functions"} & record.keys()
        and isinstance(record.get("parallel_tool_calls", True), bool)
        and type(messages[-1]) in (_User, _Developer)
        and all(good_item_key(key) and not empty_item(record[key]) for key in items)
        and not any(type(message) is _System for message in messages)
        and not any(isinstance(m.content, str) and thinks_aloud(m.content) for m in messages)
    )


def _beside(record: _Conversation) -> int:
    """Names of keys beside the messages."""
    tools = 0 if record.tools is UNSET else 1 + keys_written(bytes(record.tools))
    return tools + (record.parallel_tool_calls is not UNSET)


def _read_tools(text: bytes) -> Offered | None:
    """Name -> signature; empty for null or an empty list, None when something is wrong with the definitions."""
    try:
        tools = msgspec.json.decode(text)
    except REFUSED:
        return None
    if tools is None:
        return {}
    if (
        not isinstance(tools, list)
        or keys_written(text) != count_keys(tools)
        or next(check_definitions({"tools": tools}), None)
    ):
        return None
    return {tool["function"]["name"]: fits(tool["function"].get("parameters")) for tool in tools}
