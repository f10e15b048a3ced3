"""Make `base_model.npz`, the base model that ships with the embedded service.

    python -m tunebook.local.make_base_model [PATH]

learns a vocabulary of 2,048 tokens (byte pair encoding: Sennrich et al. 2016) and pre-trains the language
model on the texts of `base_texts.py`; what those are and how they are licensed stands there. Everything is
drawn with one seed; the same Python and numpy on the same kind of processor give the same file. The shipped
one was made with Python 3.11 and numpy 2.4 in about MINUTES minutes.

Nothing of the service imports this module.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tunebook.local.answers import Answer, AnswerSet, message_text, read_answers
from tunebook.local.base_texts import library_examples, practice_examples
from tunebook.local.language_model import BASE_MODEL, WINDOW, Adam, LanguageModel
from tunebook.local.tokenizer import FIRST_PIECE, Tokenizer, split_words

SEED = 20261123
VOCABULARY = 2048
PRACTICE_CHATS = 16_000
EPOCHS = 4
BATCH_TOKENS = 1024
LEARNING_RATE = 3e-3


def learn_pieces(texts: Iterable[str], vocabulary: int) -> list[bytes]:
    """Byte pair encoding: merge the most frequent pair of neighbours inside words, again and again.

    Ties go to the pair that comes first in byte order, so the same texts give the same pieces.
    """
    counts = Counter(word for text in texts for word in split_words(text))
    words = [[bytes([b]) for b in word.encode("utf-8", "replace")] for word in counts]
    often = list(counts.values())
    pairs: Counter[tuple[bytes, bytes]] = Counter()
    where: dict[tuple[bytes, bytes], set[int]] = defaultdict(set)
    for i, word in enumerate(words):
        for pair in pairwise(word):
            pairs[pair] += often[i]
            where[pair].add(i)
    pieces: dict[bytes, None] = {}
    while len(pieces) < vocabulary - FIRST_PIECE and pairs:
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        pieces[best[0] + best[1]] = None  # two ways to the same piece count once
        for i in sorted(where.pop(best)):
            old, new = words[i], _merged(words[i], best)
            for pair in pairwise(old):
                pairs[pair] -= often[i]
                if pairs[pair] <= 0:
                    del pairs[pair]
            for pair in pairwise(new):
                pairs[pair] += often[i]
                where[pair].add(i)
            words[i] = new
    return list(pieces)


def _merged(word: Sequence[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    out: list[bytes] = []
    for part in word:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def pretrain(model: LanguageModel, answers: Sequence[Answer], epochs: int) -> Iterator[Mapping[str, float]]:
    """Train in place, about `BATCH_TOKENS` tokens a step, the learning rate falling to 0; tell the progress."""
    data, optimiser = AnswerSet(answers, WINDOW), Adam(model.weights)
    rng = np.random.default_rng(SEED)
    total = epochs * int(data.lengths.sum())
    seen, losses = 0, []
    for epoch in range(epochs):
        order = rng.permutation(len(data))
        edges = np.flatnonzero(np.diff(np.cumsum(data.lengths[order]) // BATCH_TOKENS)) + 1
        for chosen in np.split(order, edges):
            (batch,) = data.batches(chosen, 4 * BATCH_TOKENS)
            forward = model.forward(batch)
            size = len(forward.log_p)
            losses.append(-float(forward.log_p.mean()))
            gradients = model.gradients(forward, np.full(size, 1 / size, np.float32))
            optimiser.update(model.weights, gradients, LEARNING_RATE * (1 - seen / total))
            seen += size
            if len(losses) == 500:
                yield {"epoch": epoch + seen / total, "tokens": seen, "loss": float(np.mean(losses))}
                losses.clear()


def main(path: Path = BASE_MODEL) -> None:
    started = time.monotonic()
    examples = [*library_examples(), *practice_examples(PRACTICE_CHATS, SEED)]
    texts = [message_text(message) for example in examples for message in example["messages"]]
    tokenizer = Tokenizer(learn_pieces(texts, VOCABULARY))
    print(f"{len(examples)} examples, {sum(map(len, texts)):,} characters, {time.monotonic() - started:.0f} s")
    answers = [answer for example in examples for answer in read_answers(example, tokenizer)]
    model = LanguageModel.fresh(tokenizer, SEED)
    with threadpool_limits(1):
        for report in pretrain(model, answers, EPOCHS):
            print(f"{report['tokens']:>10,.0f} tokens  loss {report['loss']:.3f}  {time.monotonic() - started:.0f} s")
    arrays = {
        name: array.astype(np.float16) if array.dtype == np.float32 else array
        for name, array in model.to_arrays().items()
    }
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
