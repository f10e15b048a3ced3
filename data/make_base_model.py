"""Make `base_model.npz`, the base model that ships with the embedded service.

    python data/make_base_model.py [PATH]

learns a vocabulary of 2,048 tokens (byte pair encoding: Sennrich et al. 2016) and pre-trains the language
model on the texts of `base_texts.py`; what those are and how they are licensed stands there. Everything is
drawn with one seed; the same Python and numpy on the same kind of processor give the same file. The shipped
one was made with Python 3.11 and numpy 2.4 in about three minutes.

Without PATH it replaces the one the service carries.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from base_texts import Example, library_examples, practice_examples, script_examples
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tunebook_local.model.answers import AnswerSet, Batch, read_answers
from tunebook_local.model.language_model import BASE_MODEL, WINDOW, Adam, LanguageModel
from tunebook_local.model.messages import message_text
from tunebook_local.model.tokenizer import FIRST_PIECE, Tokenizer, split_words

SEED = 20261123
VOCABULARY = 2048
PRACTICE_CHATS = 12_000
SCRIPT_CHATS = 500
EPOCHS = 3
BATCH_TOKENS = 1024
LEARNING_RATE = 3e-3

# Against overconfidence on text of another kind, such as every user's file. Measured on nine files nothing
# here was taken from: without these three the base model's loss is up to 2.5 nats a token higher (13 for
# Japanese), and what is fine-tuned from it ends worse.
SPELLED = 0.2  # share of answers written in pieces of at most 3 bytes: how words are spelled
SWAPPED = 0.5  # share of answers shown with another answer's prompt: how far a prompt can be trusted
NOISE = 0.1  # share of targets replaced by any token (label smoothing: Szegedy et al. 2016)


def learn_pieces(texts: Iterable[str], vocabulary: int) -> list[bytes]:
    """Byte pair encoding: merge the most frequent pair of neighbours inside words, again and again.

    Ties go to the pair that comes first in byte order, so the same texts give the same pieces.
    """
    counts = Counter(word for text in texts for word in split_words(text))
    words = [[bytes([b]) for b in word.encode("utf-8", "replace")] for word in counts]
    often = list(counts.values())
    pairs: Counter[tuple[bytes, bytes]] = Counter()
    where: dict[tuple[bytes, bytes], set[int]] = defaultdict(set)

    def count(i: int) -> None:
        for pair in pairwise(words[i]):
            pairs[pair] += often[i]
            where[pair].add(i)

    for i in range(len(words)):
        count(i)
    pieces: dict[bytes, None] = {}
    while len(pieces) < vocabulary - FIRST_PIECE and pairs:
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        pieces[best[0] + best[1]] = None  # two ways to the same piece count once
        for i in sorted(where.pop(best)):
            for pair in pairwise(words[i]):
                pairs[pair] -= often[i]
                if pairs[pair] <= 0:
                    del pairs[pair]
            words[i] = _merged(words[i], best)
            count(i)
    return list(pieces)


def _merged(word: Sequence[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    out: list[bytes] = []
    for part in word:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def pretrain(model: LanguageModel, data: AnswerSet, epochs: int) -> Iterator[tuple[int, float]]:
    """Train in place, about `BATCH_TOKENS` tokens a step, the learning rate falling to 0.

    Yields (tokens so far, mean loss since the last report) now and then.
    """
    optimiser, rng = Adam(model.weights), np.random.default_rng(SEED)
    total, seen, losses = epochs * int(data.lengths.sum()), 0, []
    for _ in range(epochs):
        order = rng.permutation(len(data))
        edges = np.flatnonzero(np.diff(np.cumsum(data.lengths[order]) // BATCH_TOKENS)) + 1
        for chosen in np.split(order, edges):
            forward = model.forward(_disturbed(data, chosen, len(model.tokenizer), rng))
            size = len(forward.log_p)
            losses.append(-float(forward.log_p.mean()))
            gradients = model.gradients(forward, np.full(size, 1 / size, np.float32))
            optimiser.update(model.weights, gradients, LEARNING_RATE * (1 - seen / total))
            seen += size
            if len(losses) == 500:
                yield seen, float(np.mean(losses))
                losses.clear()


def _disturbed(data: AnswerSet, chosen: NDArray, vocabulary: int, rng: np.random.Generator) -> Batch:
    """The answers as one batch, some with a foreign prompt, some tokens replaced as targets."""
    (batch,) = data.batches(chosen, limit=8 * BATCH_TOKENS)
    foreign = rng.integers(0, len(data), len(chosen))
    prompts = data.prompts_of(np.where(rng.random(len(chosen)) < SWAPPED, foreign, chosen))
    noisy = rng.random(len(batch)) < NOISE
    targets = np.where(noisy, rng.integers(0, vocabulary, len(batch)), batch.targets)
    return replace(batch, targets=targets.astype(np.int32), **prompts)


def read_texts(tokenizer: Tokenizer, examples: Iterable[Example]) -> AnswerSet:
    spelling = Tokenizer(tokenizer.pieces, longest=3)
    rng = np.random.default_rng(SEED)
    return AnswerSet(
        [
            answer
            for example in examples
            for answer in read_answers(example, spelling if rng.random() < SPELLED else tokenizer)
        ],
        WINDOW,
    )


def main(path: Path = BASE_MODEL) -> None:
    started = time.monotonic()
    examples = [*library_examples(), *practice_examples(PRACTICE_CHATS, SEED)]
    texts = [message_text(message) for example in examples for message in example["messages"]]
    tokenizer = Tokenizer(learn_pieces(texts, VOCABULARY))
    data = read_texts(tokenizer, [*examples, *script_examples(SCRIPT_CHATS, SEED)])
    model = LanguageModel.fresh(tokenizer, SEED)
    print(f"{len(data):,} answers, {data.lengths.sum():,} tokens; {time.monotonic() - started:.0f} s")
    with threadpool_limits(1):
        for tokens, loss in pretrain(model, data, EPOCHS):
            print(f"{tokens:>10,} tokens  loss {loss:.3f}  {time.monotonic() - started:.0f} s", flush=True)
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
