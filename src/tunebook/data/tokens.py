"""Exact token counts, offline, with the model's own encoding, on all cores.

Counting rule (Microsoft's fine-tuning tutorial and OpenAI's cookbook): the tokens of every text of a message, its role
and name included, plus 3 a message, 1 a name and 3 an example. Tool definitions and calls are counted as the compact
JSON they are; their true cost inside the service is not published. An image counts 85 tokens at `detail: low`, else
765 (85 + 4 tiles of 170, a 1,024 x 1,024 picture): an estimate.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Any, Literal

import msgspec

from tunebook.data.records import REFUSED, compact
from tunebook.data.rules.texts import texts_of
from tunebook.money import Cost, bill

PER_MESSAGE = 3
PER_NAME = 1
PER_EXAMPLE = 3
IMAGE_LOW = 85
IMAGE_HIGH = 765
ENCODING = "o200k_base"
ROLES = ("system", "developer", "user", "assistant")
BATCH = 4_000  # texts handed over at once: long enough to keep the cores busy, short enough to stay in memory
AHEAD = 8  # batches that may wait to be counted
REMEMBERED = 10_000  # system messages whose counts are kept; a file with more has one for each example


class _PlainMessage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A message of one text and nothing else to count."""

    role: Literal["system", "user", "assistant", "developer"]
    content: str


class _PlainRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A supervised example of plain messages, nine out of ten in real files."""

    messages: Annotated[list[_PlainMessage], msgspec.Meta(min_length=1)]


# Made while the module is imported, as those of `rules.regular` are and for the same reason.
_plain = msgspec.json.Decoder(_PlainRecord).decode
_anything = msgspec.json.Decoder().decode


def pieces(record: Mapping[str, Any]) -> tuple[list[str], int]:
    """(texts to tokenize, tokens that come on top) of one decoded record of any method. Never raises."""
    texts: list[str] = []
    extra = PER_EXAMPLE if record else 0
    prompt = record.get("input")
    holder = prompt if isinstance(prompt, dict) else record
    for messages in (holder.get("messages"), record.get("preferred_output"), record.get("non_preferred_output")):
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict):
                extra += _message(message, texts)
    if not any(isinstance(holder.get(key), list) for key in ("messages", "tools", "functions")):
        # Not in the service's format: what its texts say, and nothing on top.
        return [text for _, text in texts_of(record)], 0
    texts.extend(compact(holder[key]) for key in ("tools", "functions") if holder.get(key))
    return texts, extra


def _message(message: Mapping[str, Any], texts: list[str]) -> int:
    extra = PER_MESSAGE
    for key, value in message.items():
        if isinstance(value, str):
            texts.append(value)
            extra += PER_NAME if key == "name" else 0
        elif key == "content" and isinstance(value, list):
            extra += _parts(value, texts)
        elif key in ("tool_calls", "function_call") and value:
            for call in value if isinstance(value, list) else [value]:
                function = call.get("function", call) if isinstance(call, dict) else call
                texts.append(compact(function))
    return extra


def _parts(parts: Sequence[object], texts: list[str]) -> int:
    extra = 0
    for part in parts:
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part.get("type") == "image_url":
            image = part.get("image_url")
            extra += IMAGE_LOW if isinstance(image, dict) and image.get("detail") == "low" else IMAGE_HIGH
    return extra


def count_texts(texts: Sequence[str], encoding: str = ENCODING, threads: int = 0) -> list[int]:
    """Tokens of each text. threads: 0 uses every core."""
    from toktok import batch_count

    return list(batch_count(texts, encoding, threads))


def count_record(record: Mapping[str, Any], *, encoding: str = ENCODING) -> int:
    """Tokens of one example, the chat overhead included."""
    texts, extra = pieces(record)
    return sum(count_texts(texts, encoding, threads=1)) + extra


def count_records(records: Iterable[Mapping[str, Any]], *, encoding: str = ENCODING) -> list[int]:
    """Tokens of each example."""
    counter = _Counter(encoding)
    for record in records:
        texts, extra = pieces(record)
        counter.add(texts, extra)
    return counter.counts()


def count_lines(lines: Iterable[bytes], *, encoding: str = ENCODING) -> list[int]:
    """Tokens of the example on each line; lines that hold none are left out.

    Plain conversations are decoded as such and their system message, mostly that of the line before, counted once.
    """
    counter = _Counter(encoding)
    role = {name: PER_MESSAGE + count for name, count in zip(ROLES, count_texts(ROLES, encoding, 1), strict=True)}
    told: dict[str, int] = {}
    for line in lines:
        try:
            messages = _plain(line).messages
        except REFUSED:
            try:
                record = _anything(line)
            except REFUSED:
                continue
            if isinstance(record, dict):
                counter.add(*pieces(record))
            continue
        extra = PER_EXAMPLE
        for message in messages:
            extra += role[message.role]
        first = messages[0]
        if first.role == "system":
            known = told.get(first.content)
            if known is None:
                known = told[first.content] = count_texts([first.content], encoding, 1)[0]
                if len(told) > REMEMBERED:
                    told.clear()
            counter.add([message.content for message in messages[1:]], extra + known)
        else:
            counter.add([message.content for message in messages], extra)
    return counter.counts()


class _Counter:
    """Texts in, tokens an example out. Batches are counted on other threads while the next one is being read."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._texts: list[str] = []
        self._ends: list[int] = []  # for each example, how many texts of the batch are its own or earlier ones'
        self._extra: list[int] = []
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tunebook-tokens")
        self._waiting: list[Future[list[int]]] = []

    def add(self, texts: Sequence[str], extra: int) -> None:
        self._texts.extend(texts)
        self._ends.append(len(self._texts))
        self._extra.append(extra)
        if len(self._texts) >= BATCH:
            self._send()

    def _send(self) -> None:
        self._waiting.append(self._pool.submit(_sums, self._texts, self._ends, self._extra, self._encoding))
        self._texts, self._ends, self._extra = [], [], []
        if len(self._waiting) > AHEAD:
            self._waiting[-AHEAD].result()  # reading waits, so that texts do not pile up

    def counts(self) -> list[int]:
        self._send()
        found = [count for batch in self._waiting for count in batch.result()]
        self._pool.shutdown()
        return found


def _sums(texts: Sequence[str], ends: Sequence[int], extra: Sequence[int], encoding: str) -> list[int]:
    up_to = [0, *accumulate(count_texts(texts, encoding))]
    begins = [0, *ends][: len(ends)]
    return [up_to[end] - up_to[begin] + more for begin, end, more in zip(begins, ends, extra, strict=True)]


@dataclass(frozen=True)
class TokenSummary:
    """Token counts of a file. Exact: `interval` is (total, total); else total is estimated from a sample of examples.

    fewest, median, mean, p95, most: tokens an example (of the sample when estimated). histogram: (lower edge, upper
    edge, share of the examples) of at most 12 bars.
    """

    total: int
    interval: tuple[int, int]
    examples: int
    counted: int
    encoding: str
    fewest: int
    median: int
    mean: float
    p95: int
    most: int
    histogram: tuple[tuple[int, int, float], ...]

    @property
    def exact(self) -> bool:
        return self.counted == self.examples

    def bill(self, model: str, **how: Any) -> Cost:
        """What training on the file would bill; `how` as `money.bill` takes it."""
        return bill(model, self.total, interval=self.interval, examples=self.examples, **how)

    def __str__(self) -> str:
        each = f"an example {self.fewest:,} to {self.most:,}, median {self.median:,}, mean {self.mean:,.1f}"
        if self.exact:
            return f"{self.total:,} tokens ({self.encoding}); {each}"
        low, high = self.interval
        return (
            f"about {self.total:,} tokens ({low:,} to {high:,}, 95 %), estimated from {self.counted:,} of "
            f"{self.examples:,} examples ({self.encoding}); {each}. count_tokens() counts all of them"
        )


def summarise(counts: Sequence[int], *, encoding: str = ENCODING) -> TokenSummary | None:
    """The summary of exact counts; None when there are none."""
    return _summary(counts, total=sum(counts), margin=0, examples=len(counts), encoding=encoding) if counts else None


def extrapolate(
    counts: Sequence[int], sizes: Sequence[int], *, total_size: int, examples: int, encoding: str = ENCODING
) -> TokenSummary | None:
    """The summary of a file of `examples` lines and `total_size` bytes from a random sample of its lines.

    counts, sizes: tokens and bytes of each sampled line. A ratio estimate (tokens a byte x bytes), as length explains
    most of the differences; the 95 % interval is that of the ratio (Cochran, Sampling Techniques, 6.3).
    """
    many = len(counts)
    if many < 2 or sum(sizes) == 0:
        return None
    ratio = sum(counts) / sum(sizes)
    spread = sum((count - ratio * size) ** 2 for count, size in zip(counts, sizes, strict=True)) / (many - 1)
    left_out = max(0.0, 1 - many / examples) if examples else 0.0
    error = examples * math.sqrt(left_out * spread / many)
    return _summary(
        counts, total=round(ratio * total_size), margin=math.ceil(1.96 * error), examples=examples, encoding=encoding
    )


def _summary(counts: Sequence[int], *, total: int, margin: int, examples: int, encoding: str) -> TokenSummary:
    ordered = sorted(counts)
    return TokenSummary(
        total=total,
        interval=(max(0, total - margin), total + margin),
        examples=examples,
        counted=len(counts),
        encoding=encoding,
        fewest=ordered[0],
        median=ordered[len(ordered) // 2],
        mean=sum(ordered) / len(ordered),
        p95=ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)],
        most=ordered[-1],
        histogram=_histogram(ordered),
    )


def _histogram(ordered: Sequence[int], bars: int = 12) -> tuple[tuple[int, int, float], ...]:
    """Bars of equal, round width from the smallest to the largest."""
    low, high = ordered[0], ordered[-1]
    width = max(1, math.ceil((high - low + 1) / bars))
    step = 10 ** max(0, len(str(width)) - 1)
    width = math.ceil(width / step) * step
    start = low // width * width
    counts = Counter((count - start) // width for count in ordered)
    return tuple(
        (start + bar * width, start + (bar + 1) * width, counts[bar] / len(ordered)) for bar in range(max(counts) + 1)
    )


def encoding_of(model: str | None) -> str:
    """The encoding of a base model by the catalogue; o200k_base for one it does not know."""
    from tunebook.catalogue import load_catalogue

    found = load_catalogue().model(model) if model else None
    return (found.encoding if found else None) or ENCODING
