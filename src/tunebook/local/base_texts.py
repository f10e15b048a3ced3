"""The texts the base model learns from, as chat examples; nothing here runs when the service does.

Two sources, both free to ship with what is learnt from them:

* the documentation strings of Python's standard library and its language help (`pydoc_data.topics`), which
  every Python carries: English prose, code words, lists. Copyright Python Software Foundation, licensed
  under the PSF License Agreement, which allows derivative works.
* practice chats put together below from words and sentences written for this project (MIT): questions and
  polite answers, labels, flat JSON objects, tool calls. They show the model what answers look like.
"""

from __future__ import annotations

import ast
import json
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Example = dict[str, Any]

# ---- what every Python carries ----

_SKIPPED = {"site-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "__pycache__", "ensurepip"}
_CHUNK = 600  # characters of one answer, about 150 tokens


def library_examples() -> Iterator[Example]:
    """Documentation as chat: asked for a name (or shown the paragraph before), answer with the text."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED.isdisjoint(path.relative_to(root).parts):
            for name, text in _documented(path):
                yield from _in_chunks(f"{path.stem} {name}", text)
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield from _in_chunks(name, topics[name])


def _documented(path: Path) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError):  # a few modules keep broken files for their own tests
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "name", "module"), text


def _in_chunks(name: str, text: str) -> Iterator[Example]:
    before = f"Explain {name.replace('_', ' ')}."
    chunk = ""
    for paragraph in text.split("\n\n"):
        if chunk and len(chunk) + len(paragraph) > _CHUNK:
            yield chat(before, chunk)
            before, chunk = chunk, ""
        chunk = (f"{chunk}\n\n{paragraph}" if chunk else paragraph)[: 2 * _CHUNK]
    if chunk:
        yield chat(before, chunk)


def chat(question: str, answer: str, system: str | None = None) -> Example:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return {"messages": messages}


# ---- practice chats ----


def _words(text: str) -> list[str]:
    return text.split()


_GOOD = _words("""great good excellent lovely friendly delicious fast helpful perfect amazing wonderful happy clean
    fresh recommend pleasant superb fantastic love enjoyed reliable smooth thanks impressed""")
_BAD = _words("""bad terrible awful rude slow broken cold dirty late disappointed horrible poor wrong worst angry
    refund missing damaged noisy expensive useless failed waited never""")
_PLAIN = _words("""ok average normal usual fine standard acceptable ordinary expected simple regular typical""")
_THINGS = _words("""order package phone laptop account password invoice payment delivery room hotel flight table meal
    waiter driver printer screen keyboard app website subscription ticket refund battery camera coffee
    shoes jacket book charger headphones router email report meeting""")
_PLACES = _words("""London Paris Berlin Tokyo Madrid Rome Oslo Boston Chicago Sydney Toronto Dublin Vienna Lisbon
    Delhi Cairo Lima Seoul""")
_NAMES = _words("Anna Ben Carla David Emma Frank Grace Hassan Ines Jack Karin Liam Maria Noah Olga Paul")
_SUBJECTS = """the sky water a year a week gravity bread music history a computer an atom rain the moon
    a planet glass paper iron the heart a tree a language""".replace("\n", " ").split("  ")
_KEYS = _words("""name type status category priority product label sentiment topic city country date time amount
    currency email phone address title summary language reason action confidence score count id user
    item quantity price color size unit level group source target intent answer question result error
    message value food service staff place menu quality speed department severity""")
_VALUES = _words("""open closed pending high medium low urgent normal billing shipping technical account general yes
    no unknown none positive negative neutral mixed red green blue black white small large true false
    refund question complaint request bug feature hardware software sales support English""")
_OPENINGS = (
    "I am sorry to hear that.", "Thank you for your message.", "Of course!", "Sure, I can help with that.",
    "Good question.", "Thanks for letting us know.", "Yes, that is possible.", "No problem at all.",
    "I understand how annoying this is.", "Happy to help!", "Hello and welcome!", "Well, it depends.",
)  # fmt: skip
_BODIES = (
    "Please send us your {a} number and we will look into it today.",
    "Your {a} will arrive in {place} within {n} days.",
    'You can change your {a} in the settings, under "{b}".',
    "We have sent a new {a} to {name}, and you will not be charged for it.",
    "First turn off the {a}, wait {n} seconds, and then turn it on again.",
    "If the {a} still does not work, please contact our support team.",
    "The {a} costs ${n}.50, and the {b} is included.",
    "That would be {place}, which is about {n} kilometers from {place2}.",
    "It has {n} parts: the {a}, the {b}, and everything that keeps them together.",
    "{name} wrote about it in 19{n}, and people have been reading it ever since.",
    "The answer is {n}, because {m} plus {k} is {n}.",
    "There are {n} of them in total. So she has {n} - {k} = {m} left.",
    "I would take the {a}; it is cheaper, and you can return it within {n} days.",
    "Most people in {place} know this, but it's easy to forget.",
    "Let me check the {a} for you. Could you tell me your name and the date of the {b}?",
)
_CLOSINGS = (
    "", "", "", "Is there anything else I can do for you?", "Have a nice day!", "Let me know if you need more help.",
    "Best regards, {name}", "I hope that helps.", "Don't forget to bring your {b}.",
)  # fmt: skip
_ASKS = (
    "Where is my {a}?", "How do I change my {a}?", "My {a} is {bad}.", "The {a} was {good}!", "What is {subject}?",
    "Can you tell me about {place}?", "{name} has {m} books and buys {k} more. How many are there?",
    "I want to return the {a} that I bought with the {b}.", "Who wrote it, and when?",
    "Is the {a} better than the {b}?",
    "How far is it from {place} to {place2}?", "Please help me with the {a}. It is {bad} and {bad2}.",
)  # fmt: skip
_SYSTEMS = (
    None, None, "You are a helpful assistant.", "You are a customer support agent for an online shop.",
    "Answer briefly.", "You label texts. Always answer in JSON.", "Classify the message.", "You are a friendly guide.",
)  # fmt: skip
_VERBS = _words("get find create update delete send search book cancel list check set lookup convert")


def practice_examples(count: int, seed: int) -> Iterator[Example]:
    """`count` chats of four kinds in turn, the words drawn with `seed`."""
    rng = np.random.default_rng(seed)
    kinds = (_conversation, _json_labels, _sentiment, _tool_call)
    for i in range(count):
        yield kinds[i % len(kinds)](rng)


def _pick(rng: np.random.Generator, words: Sequence[Any]) -> Any:
    return words[int(rng.integers(len(words)))]


def _fill(rng: np.random.Generator, sentence: str) -> str:
    m, k = int(rng.integers(1, 60)), int(rng.integers(1, 40))
    return sentence.format(
        a=_pick(rng, _THINGS), b=_pick(rng, _THINGS), place=_pick(rng, _PLACES), place2=_pick(rng, _PLACES),
        name=_pick(rng, _NAMES), good=_pick(rng, _GOOD), bad=_pick(rng, _BAD), bad2=_pick(rng, _BAD),
        subject=_pick(rng, _SUBJECTS), m=m, k=k, n=m + k,
    )  # fmt: skip


def _conversation(rng: np.random.Generator) -> Example:
    said = [_fill(rng, _pick(rng, part)) for part in (_OPENINGS, _BODIES, _CLOSINGS)]
    answer = " ".join(said[int(rng.random() < 0.3) :]).strip()
    return chat(_fill(rng, _pick(rng, _ASKS)), answer, _pick(rng, _SYSTEMS))


def _opinion(rng: np.random.Generator) -> tuple[str, str]:
    """A short remark and what it says: positive, negative or neutral."""
    label, words = _pick(rng, (("positive", _GOOD), ("negative", _BAD), ("neutral", _PLAIN)))
    a, b, thing = _pick(rng, words), _pick(rng, words), _pick(rng, _THINGS)
    remark = _pick(rng, ("The {thing} was {a} and {b}.", "{a} {thing}, {b} people", "It is {a}, the {thing} {b} too!"))
    return remark.format(a=a, b=b, thing=thing), label


def _sentiment(rng: np.random.Generator) -> Example:
    text, label = _opinion(rng)
    form = int(rng.integers(3))
    answer = (label, label.capitalize(), _write_json(rng, {"sentiment": label}))[form]
    return chat(text, answer, _pick(rng, _SYSTEMS))


def _json_labels(rng: np.random.Generator) -> Example:
    text, label = _opinion(rng)
    keys = [_KEYS[i] for i in rng.permutation(len(_KEYS))[: int(rng.integers(2, 9))]]
    record = {key: label if rng.random() < 0.3 else _value(rng) for key in keys}
    system = f"Answer in JSON with the keys {', '.join(keys)}." if rng.random() < 0.6 else None
    return chat(f"{text} {_fill(rng, _pick(rng, _ASKS))}", _write_json(rng, record), system)


def _value(rng: np.random.Generator) -> Any:
    kind = rng.random()
    if kind < 0.7:
        return _pick(rng, _VALUES)
    if kind < 0.8:
        return int(rng.integers(1000))
    if kind < 0.85:
        return round(float(rng.random()), 2)
    if kind < 0.9:
        return bool(rng.random() < 0.5)
    if kind < 0.93:
        return None
    return _fill(rng, "{name} in {place}")


def _write_json(rng: np.random.Generator, record: Any) -> str:
    """Compact, usual or indented, as people's data sets have it."""
    form = rng.random()
    if form < 0.45:
        return json.dumps(record, separators=(",", ":"))
    return json.dumps(record) if form < 0.85 else json.dumps(record, indent=2)


def _tool_call(rng: np.random.Generator) -> Example:
    thing = _pick(rng, _THINGS)
    name = f"{_pick(rng, _VERBS)}_{thing}"
    keys = [_KEYS[i] for i in rng.permutation(len(_KEYS))[: int(rng.integers(1, 4))]]
    arguments = {key: _pick(rng, (_pick(rng, _PLACES), _pick(rng, _NAMES), _value(rng))) for key in keys}
    call = {"type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    tools = [{"type": "function", "function": {"name": name, "parameters": {"properties": keys}}}]
    question = f"{_fill(rng, _pick(rng, _ASKS))} {' '.join(map(str, arguments.values()))}"
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "tool_calls": [call]},
        ],
        "tools": tools,
    }
