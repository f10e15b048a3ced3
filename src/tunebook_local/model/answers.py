"""What a training example is to the model: answers to say, and the prompt before each.

Every assistant message is an answer (its text, or its tool calls as JSON text); its prompt is everything
that stands before it. The model reads an answer token by token, but a prompt only as a bag: hashed words
and word pairs, those of the last turn apart from those of everything earlier, so that a long system
message does not drown the question.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook_local.model.messages import Message, message_text, tools_of
from tunebook_local.model.tokenizer import BEGIN, END, Tokenizer

WORD_BUCKETS = 8192
PAIR_BUCKETS = 4096
EARLIER_BUCKETS = 4096
BUCKETS = WORD_BUCKETS + PAIR_BUCKETS + EARLIER_BUCKETS

# 1,024 steps of scores over 2,048 tokens are 8 MB: memory stays small, the products stay large.
STEPS_AT_ONCE = 1024

# Words of ASCII letters and digits; any other visible character stands alone, which suits scripts
# written without spaces.
_UNITS = re.compile(r"[a-z0-9']+|[^\sa-z0-9']")


@dataclass(frozen=True)
class Prompt:
    """A bag of hashed words: `buckets` (int32, ascending) and their `weights` (float32), same shape."""

    buckets: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """One thing to learn to say: `tokens` (int32, closed by END) in reply to `prompt`."""

    prompt: Prompt
    tokens: NDArray[np.int32]


def read_prompt(messages: Sequence[Message], tools: Any = None) -> Prompt:
    """The bag of a conversation so far (and the tools on offer), ready for the model."""
    last = ""
    earlier = [json.dumps(tools, ensure_ascii=False)] if tools else []
    if messages:
        last = message_text(messages[-1])
        earlier += [message_text(message) for message in messages[:-1]]
    words = _units(last)
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    parts = (
        (words, 0, WORD_BUCKETS),
        (pairs, WORD_BUCKETS, PAIR_BUCKETS),
        (_units("\n".join(earlier)), WORD_BUCKETS + PAIR_BUCKETS, EARLIER_BUCKETS),
    )
    bag: dict[int, float] = {}
    for units, first_bucket, buckets in parts:
        bag.update(_bag(units, first_bucket, buckets))
    numbers = sorted(bag)
    return Prompt(np.array(numbers, np.int32), np.array([bag[number] for number in numbers], np.float32))


def _units(text: str) -> list[str]:
    return _UNITS.findall(text.lower())


def _bag(units: Sequence[str], first: int, buckets: int) -> dict[int, float]:
    """Bucket -> weight: 1 + log(count), scaled to length 1; the first bucket stands for "nothing"."""
    counts = Counter(first + 1 + _hash(unit) % (buckets - 1) for unit in units) or Counter([first])
    weights = {bucket: 1.0 + math.log(count) for bucket, count in counts.items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {bucket: weight / length for bucket, weight in weights.items()}


@lru_cache(100_000)
def _hash(unit: str) -> int:
    return zlib.crc32(unit.encode("utf-8", "replace"))


def answer_to(prompt: Prompt, text: str, tokenizer: Tokenizer) -> Answer:
    return Answer(prompt, np.array([*tokenizer.encode(text), END], np.int32))


def read_answers(example: Mapping[str, Any], tokenizer: Tokenizer, *, first: int = 0) -> list[Answer]:
    """The answers of one chat example from message `first` on, in order.

    Assistant messages of weight 0 are only read.
    """
    messages, tools = example.get("messages") or [], tools_of(example)
    return [
        answer_to(read_prompt(messages[:i], tools), message_text(message), tokenizer)
        for i, message in enumerate(messages)
        if i >= first and message.get("role") == "assistant" and message.get("weight", 1) != 0
    ]


class AnswerSet:
    """Many answers laid end to end in flat arrays, from which batches are cut without copying them all.

    `window` is how many tokens the model looks back; before each answer stand that many BEGIN tokens.
    """

    def __init__(self, answers: Sequence[Answer], window: int) -> None:
        self.window = window
        self.lengths = np.array([len(answer.tokens) for answer in answers], np.int64)
        begin = np.full(window, BEGIN, np.int32)
        self._tokens = np.concatenate([part for a in answers for part in (begin, a.tokens)] or [begin])
        # where each answer's first window starts in the flat tokens
        self._starts = np.concatenate(([0], np.cumsum(self.lengths + window)))[:-1]
        self._prompts = [answer.prompt for answer in answers]

    def __len__(self) -> int:
        return len(self.lengths)

    def tokens_of(self, chosen: Sequence[int] | NDArray[np.int64]) -> int:
        return int(self.lengths[np.asarray(chosen, np.int64)].sum())

    def batches(self, chosen: Sequence[int] | NDArray[np.int64], limit: int = STEPS_AT_ONCE) -> Iterator[Batch]:
        """The next-token steps of the chosen answers in order, at most `limit` steps a batch.

        A long answer goes on in the next batch; the model only looks back through its window, so cutting
        changes nothing but the memory needed.
        """
        pieces: list[tuple[int, int, int]] = []  # (place in chosen, first step, steps)
        room = limit
        for place, answer in enumerate(np.asarray(chosen, np.int64).tolist()):
            first, length = 0, int(self.lengths[answer])
            while first < length:
                steps = min(room, length - first)
                pieces.append((place, first, steps))
                first, room = first + steps, room - steps
                if not room:
                    yield self._batch(chosen, pieces)
                    pieces, room = [], limit
        if pieces:
            yield self._batch(chosen, pieces)

    def prompts_of(self, chosen: NDArray[np.int64]) -> dict[str, NDArray]:
        """The prompts of some answers as a batch has them."""
        prompts = [self._prompts[i] for i in chosen]
        sizes = np.array([len(prompt.buckets) for prompt in prompts])
        return {
            "buckets": np.concatenate([prompt.buckets for prompt in prompts]),
            "bucket_weights": np.concatenate([prompt.weights for prompt in prompts]),
            "bag_firsts": np.cumsum(sizes) - sizes,
        }

    def _batch(self, chosen: Sequence[int] | NDArray[np.int64], pieces: list[tuple[int, int, int]]) -> Batch:
        owners, begins, lengths = np.array(pieces, np.int64).T
        answers = np.asarray(chosen, np.int64)[owners]
        firsts = np.cumsum(lengths) - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(self._starts[answers] + begins - firsts, lengths)
        return Batch(
            windows=self._tokens[places[:, None] + np.arange(self.window)],
            targets=self._tokens[places + self.window],
            owners=owners,
            firsts=firsts,
            lengths=lengths,
            **self.prompts_of(answers),
        )


@dataclass(frozen=True)
class Batch:
    """N next-token steps of A answers (or stretches of them): what the model sees and what it should say.

    windows (N, window) and targets (N,) are token numbers. Stretch a has the `lengths[a]` steps from
    `firsts[a]` on, the buckets (weights beside them) from `bag_firsts[a]` on, and belongs to the answer
    that stood at place `owners[a]` among those chosen.
    """

    windows: NDArray[np.int32]
    targets: NDArray[np.int32]
    owners: NDArray[np.int64]
    firsts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    buckets: NDArray[np.int32]
    bucket_weights: NDArray[np.float32]
    bag_firsts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)
