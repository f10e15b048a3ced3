"""Text to tokens and back, for the embedded service's small language model.

A token is one of 256 bytes, one of two marks (end, begin) or a piece of text: a run of bytes that was
frequent where the vocabulary was learnt (`make_base_model.py`). Whatever no piece covers is spelled in
bytes, so every text has tokens, and decoding gives the same text back.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

END = 256  # closes every answer
BEGIN = 257  # fills the window before an answer's first token
FIRST_PIECE = 258

# Words keep the space before them; figures go in threes; the four kinds together cover every character.
_WORDS = re.compile(r" ?[^\W\d_]+| ?\d{1,3}| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s")
_CACHED_WORDS = 100_000


def split_words(text: str) -> list[str]:
    """The stretches of `text` inside which pieces are looked for; joined they are `text` again."""
    return _WORDS.findall(text)


class Tokenizer:
    """A vocabulary in use: `encode` any text into token numbers, `decode` them into the same text.

    `pieces` are the byte strings of tokens 258, 259, …, each longer than one byte; `encode` takes only those
    of at most `longest` bytes when that is given.
    A lone surrogate, which UTF-8 cannot write, becomes "?".
    """

    def __init__(self, pieces: Sequence[bytes], longest: int | None = None) -> None:
        self.pieces = tuple(pieces)
        self._bytes = [bytes([value]) for value in range(256)] + [b"", b""] + list(self.pieces)
        self._number = {piece: FIRST_PIECE + i for i, piece in enumerate(self.pieces)}
        self._longest = longest or max(map(len, self.pieces), default=1)
        self._words: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self._bytes)

    def encode(self, text: str) -> list[int]:
        tokens: list[int] = []
        cache = self._words
        for word in split_words(text):
            of_word = cache.get(word)
            if of_word is None:
                if len(cache) >= _CACHED_WORDS:
                    cache.clear()
                of_word = cache[word] = tuple(self._match(word.encode("utf-8", "replace")))
            tokens.extend(of_word)
        return tokens

    def _match(self, word: bytes) -> Iterable[int]:
        """Cover one word's bytes from the left, the longest piece first."""
        start = 0
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start + 1, -1):
                token = self._number.get(word[start:end])
                if token is not None:
                    yield token
                    start = end
                    break
            else:
                yield word[start]
                start += 1

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of `tokens`; bytes that are no UTF-8 (a model can say such) become U+FFFD."""
        return b"".join(self._bytes[token] for token in tokens).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """What a token stands for; it need not be whole characters."""
        return self._bytes[token]

    def stream_decoder(self) -> StreamDecoder:
        return StreamDecoder(self._bytes)

    def to_arrays(self) -> dict[str, NDArray]:
        """The pieces as two plain arrays: all their bytes (uint8), and where each ends (int32)."""
        return {
            "piece_bytes": np.frombuffer(b"".join(self.pieces), np.uint8),
            "piece_ends": np.cumsum([len(piece) for piece in self.pieces], dtype=np.int32),
        }

    @classmethod
    def from_arrays(cls, piece_bytes: NDArray, piece_ends: NDArray) -> Tokenizer:
        raw, ends = piece_bytes.tobytes(), [0, *piece_ends.tolist()]
        return cls([raw[start:end] for start, end in pairwise(ends)])


class StreamDecoder:
    """Turns tokens into text one at a time, holding back a character until its last byte came."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        return self._decoder.decode(self._bytes[token])

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)
