"""The texts the base model learns from, as chat examples; see `make_base_model.py`.

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
_SUBJECTS = """the sky,water,a year,a week,gravity,bread,music,history,a computer,an atom,rain,the moon,
    a planet,glass,paper,iron,the heart,a tree,a language""".replace("\n    ", "").split(",")
_KEYS = _words("""name type status category priority product label sentiment topic city country date time amount
    currency email phone address title summary language reason action confidence score count id user
    item quantity price color size unit level group source target intent answer question result error
    message value food service staff place menu quality speed department severity""")
_VALUES = _words("""open closed pending high medium low urgent normal billing shipping technical account general yes
    no unknown none positive negative neutral mixed red green blue black white small large true false
    refund question complaint request bug feature hardware software sales support English""")
# One sentence a line; the words in braces are filled in at random.
_SENTENCES = """I am sorry to hear that.
I'm so sorry about the trouble with your {a}.
We apologize for the delay, and thank you for your patience.
Thank you for your message.
Thank you for letting me know; I really appreciate it.
Thanks for getting in touch with us.
Of course!
Sure, I can help you with that.
Yes, that is possible.
No, I'm afraid that isn't possible at the moment.
No problem at all.
Good question.
Great job!
Well done, {name}!
Happy to help.
Hello and welcome! How can I help you today?
Hi {name}, it's nice to hear from you.
Good morning, and thank you for calling.
I understand how annoying this is.
I can see why that would be frustrating.
I completely understand your concern.
Let me check that for you right away.
Let me see what I can do about the {a}.
Could you please tell me your {a} number?
Could you send me the {a} by Friday?
Could you let me know when you expect to be finished?
Would you like me to book a {a} for you?
Would it be possible to move our {a} to next week?
Shall we meet for half an hour and go through it together?
Do you have a moment to talk about the {a}?
Can we find another time that works for everyone?
Please send us your {a} number and we will look into it today.
Please find the {a} attached.
Please let me know if there is anything else that you need.
Please make sure that the {a} is turned off before you start.
Please note that the {a} is only available in {place}.
Please take a seat; someone will be with you shortly.
Your {a} will arrive in {place} within {n} days.
Your order has been shipped and should be with you by Tuesday.
Your {a} is ready, and you can pick it up at any time.
You can change your {a} in the settings, under "{b}".
You can reset your password by clicking on the link we have sent you.
You can return it within {n} days and get your money back.
You should see a doctor if the pain does not go away.
You may want to try a different {a} first.
You might have heard of it, or maybe not.
You don't need to worry about the {b}.
You're right, and I should have told you earlier.
You're welcome! Have a wonderful day.
We have sent a new {a} to {name}, and you will not be charged for it.
We are open from {m} to {n} on every day of the week.
We have two rooms left, and both of them are quiet.
We don't have that one at the moment, but we have something similar.
We will do our best to solve this as soon as possible.
We would love to see you again soon.
We decided to go with another {a} this time.
I would like to understand what happened before we decide.
I would take the {a}; it is cheaper, and it works just as well.
I'd like to share some thoughts on your {a}.
I'd be glad to help you find the right {a}.
I'm having trouble with the second part; could you take another look?
I'm not able to make it today, but tomorrow would be fine.
I'm not sure about this, so let's ask {name}.
I'm looking forward to working with you on the {a}.
I've updated the {a} and sent you a copy.
I've noticed that the {a} is missing a few details.
I noticed that the {b} hasn't arrived yet.
I think it could be easier to read if we made it shorter.
I think we should wait until everyone has had a chance to reply.
I believe {name} can help you with this.
I hope that helps.
I hope you feel better soon.
I don't know the answer to that, but I know who does.
I appreciate the effort you have put into this.
I always bring my own {a} when I travel.
It seems there was a mistake with the {a}.
It looks like the {a} is not connected to the {b}.
It would be great if you could finish it this week.
It was a pleasure to work with you.
It has {n} parts: the {a}, the {b}, and everything that keeps them together.
It isn't quite what we were looking for, but thank you for the suggestion.
It's a bit late for that now, isn't it?
It's easy to use, light, and made for people who travel a lot.
It depends on the {a}, but in most cases it takes about {n} minutes.
That would be {place}, which is about {n} kilometers from {place2}.
That sounds like a good idea.
That's a very kind thing to say.
That is not something I can decide on my own.
This is a common problem, and it is easy to fix.
This usually happens when the {a} is full.
This one is the best, because it keeps its color and doesn't need much water.
This answer is correct, but it could say more about the {b}.
There are {n} of them in total.
There is a small shop next to the station where you can buy one.
First turn off the {a}, wait {n} seconds, and then turn it on again.
Then open the {a}, take out the {b}, and clean it with a soft cloth.
If the {a} still does not work, please contact our support team.
If you have any questions, please feel free to ask.
If it rains, we will stay at home and play a game.
The {a} costs ${n}.50, and the {b} is included.
The {a} was {good}, but the {b} was {bad}.
The {a} is on the left, just behind the {b}.
The {a} doesn't match the {b}, so we need to do it again.
The answer is {n}, because {m} plus {k} is {n}.
The first one was built in 19{n} by a man from {place}.
The capital of the country is {place}, a city of more than two million people.
The largest of them is so big that you can see it from space.
The people of {place} have been making it for hundreds of years.
The main difference between them is the size of the {a}.
The water is heated until it turns into steam.
{name} wrote about it in 19{n}, and people have been reading it ever since.
{name} has {m} books and buys {k} more, so she has {n} books altogether.
{name} had {n} apples and gave away {k} of them, so {n} - {k} = {m} are left.
{name} earns ${m} an hour, so she earned {m} * {k} dollars in {k} hours.
{name} was born in {place}, where her father worked as a teacher.
She sold {m} of them in the morning and {k} in the afternoon, which makes {n} in total.
He needs {n} dollars and already has {m} dollars, so he still needs {k} more.
They walked {m} miles on the first day and {k} miles on the second day.
Half of {m} is less than {n}, so there is enough for everyone.
Most people in {place} know this, but it's easy to forget.
Many of our customers like the {a} because it is {good}.
Some say it was found by {name}; others say nobody knows.
Oh, you mean the {a} that everyone has been talking about?
Well, it was {name}, as if they didn't teach that in every school.
As an example, take the {a} of someone who lives in {place}.
According to the report, the number went up from {m} to {n} last year.
In short, we need a new {a} before the end of the month.
For this role, we are looking for someone with more experience.
Next time, please ask before you use the {a}.
Don't forget to bring your {b}.
Don't worry, we will take care of everything.
Have a nice day!
Have you tried turning it off and on again?
Let me know if you need more help.
Let's talk about the {a} tomorrow when we have more time.
Is there anything else I can do for you?
Best regards, {name}
Kind regards, and see you soon.
Great answer, but remember to explain why.""".splitlines()
_ASKS = """Where is my {a}?
How do I change my {a}?
My {a} is {bad}.
The {a} was {good}!
What is {subject}?
What's the best way to get to {place}?
Can you tell me about {place}?
{name} has {m} books and buys {k} more. How many are there?
I want to return the {a} that I bought with the {b}.
Who wrote it, and when?
Is the {a} better than the {b}?
How far is it from {place} to {place2}?
Please help me with the {a}. It is {bad} and {bad2}.
Your {a} is late again.
Explain the difference between a {a} and a {b}.
Do you have a {a}? I need one for {name}.
Rewrite this: the {a} is {bad}.
Write a short text about {subject}.""".splitlines()
_SYSTEMS = (
    None,
    None,
    "You are a helpful assistant.",
    "You are a customer support agent for an online shop.",
    "Answer briefly.",
    "You label texts. Always answer in JSON.",
    "Classify the message.",
    "You are a friendly guide.",
)
_VERBS = _words("get find create update delete send search book cancel list check set lookup convert")


def practice_examples(count: int, seed: int) -> Iterator[Example]:
    """`count` chats, half of them talk, half JSON and labels, the words drawn with `seed`."""
    rng = np.random.default_rng(seed)
    kinds = (_conversation, _json_labels, _conversation, _sentiment, _conversation, _tool_call)
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
    said = [_fill(rng, _pick(rng, _SENTENCES)) for _ in range(int(rng.integers(1, 5)))]
    return chat(_fill(rng, _pick(rng, _ASKS)), " ".join(said), _pick(rng, _SYSTEMS))


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
    return _fill(rng, _pick(rng, ("{name} in {place}", "a {a} and a {b}", "{bad} {a}")))


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


# Ranges of characters, and how often a word of each is drawn: the bytes of scripts no other text here has.
_SCRIPTS = (
    ((0x3041, 0x3097), 0.35),  # hiragana
    ((0x30A1, 0x30FB), 0.10),  # katakana
    ((0x4E00, 0x9FA6), 0.20),  # Chinese characters
    ((0x00E0, 0x0180), 0.10),  # Latin letters with accents
    ((0x0410, 0x0450), 0.10),  # Cyrillic
    ((0x03B1, 0x03CA), 0.03),  # Greek
    ((0x0627, 0x064B), 0.03),  # Arabic
    ((0xAC00, 0xD7A4), 0.06),  # hangul
    ((0x1F300, 0x1F650), 0.03),  # emoji
)


def script_examples(count: int, seed: int) -> Iterator[Example]:
    """Meaningless words in many scripts, from which the model learns which bytes follow each other."""
    rng = np.random.default_rng(seed)
    ranges, shares = zip(*_SCRIPTS, strict=True)

    def word() -> str:
        first, end = ranges[int(rng.choice(len(ranges), p=shares))]
        return "".join(map(chr, rng.integers(first, end, int(rng.integers(1, 8))).tolist()))

    for _ in range(count):
        gaps = [_pick(rng, ("", "", "", " ", "、", "。")) for _ in range(int(rng.integers(2, 8)))]
        yield chat(word() + word(), "".join(word() + gap for gap in gaps))
