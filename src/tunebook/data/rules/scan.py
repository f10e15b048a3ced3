"""Which lines of a block may hold a key, an address, a control token or a damaged character: one pass of numpy.

Searching for each of two dozen strings costs more than decoding the JSON. Instead the block is read as 16-bit words,
once, and each word looked up in a table: a string of three or more bytes shows one of two pairs of its own, whether it
begins at an even or at an odd place. The few places found are compared in full.

What is found is a superset of the lines for which `text_rules.suspicious` is true; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

ANY = range(256)
# (first byte, second byte, where the pair stands in the string, the string or its part of up to four bytes): for each
# string a pair for even and one for odd places, the rarest in prose. Of several bytes in a place any will do.
_PAIRS: tuple[tuple[Iterable[int], Iterable[int], int, bytes], ...] = (
    (b"s", b"k", 0, b"sk-"),
    (b"k", b"-", 1, b"sk-"),
    (b"A", b"K", 0, b"AKIA"),
    (b"K", b"I", 1, b"AKIA"),
    (b"z", b"a", 2, b"AIza"),
    (b"I", b"z", 1, b"AIza"),
    (b"J", b"h0r", 2, b"eyJ"),
    (b"y", b"J", 1, b"eyJ"),
    (b"B", b"E", 0, b"BEGI"),
    (b"E", b"G", 1, b"BEGI"),
    (b"t", b"K", 0, b"tKey"),
    (b"K", b"e", 1, b"tKey"),
    (b"Q", b"J", 2, b"JQQJ"),
    (b"Q", b"Q", 1, b"JQQJ"),
    (b"pousr", b"_", 2, b"gh"),  # ghp_, gho_, ghu_, ghs_, ghr_
    (b"_", ANY, 3, b"gh"),
    (b"b", b"_", 2, b"hub_"),  # github_pat_
    (b"u", b"b", 1, b"hub_"),
    (b"h", b"f", 0, b"hf_"),
    (b"f", b"_", 1, b"hf_"),
    (b"\\", b"u", 0, b"\\u00"),
    (b"u", b"0", 1, b"\\u00"),
    (b"f", b"f", 2, b"\\uff"),
    (b"u", b"f", 1, b"\\uff"),
    (b"F", b"F", 2, b"\\uFF"),
    (b"u", b"F", 1, b"\\uFF"),
    (b"\xef", b"\xbf", 0, b"\xef\xbf\xbd"),  # the replacement character
    (b"\xbf", b"\xbd", 1, b"\xef\xbf\xbd"),
    (b"\xc3", b"\x83", 0, b"\xc3\x83\xc2"),  # UTF-8 taken for Latin-1 and encoded again
    (b"\x83", b"\xc2", 1, b"\xc3\x83\xc2"),
    (b"\xe2", b"\x82", 2, b"\xc3\xa2\xe2\x82"),
    (b"\xa2", b"\xe2", 1, b"\xc3\xa2\xe2\x82"),
    (b"<", b"|", 0, b"<|"),
    (b"|", ANY, 1, b"<|"),
    (b"@", ANY, 0, b"@"),
    (ANY, b"@", -1, b"@"),
)


def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    pair_of = np.zeros(65_536, np.uint8)
    offset, word, mask = (np.zeros(len(_PAIRS) + 1, kind) for kind in (np.int64, np.uint32, np.uint32))
    for number, (first, second, at, text) in enumerate(_PAIRS, 1):
        for low in first:
            for high in second:
                pair_of[low | high << 8] = number
        offset[number] = at
        word[number] = int.from_bytes(text, "little")
        mask[number] = (1 << 8 * len(text)) - 1
    return pair_of, offset, word, mask


_PAIR_OF, _OFFSET, _WORD, _MASK = _tables()
_IS_PAIR = _PAIR_OF != 0


def suspects(block: bytes) -> Iterator[tuple[int, int]]:
    """(begin, end) in `block` of each line worth a closer look, in order."""
    done = -1
    for place in sorted(_places(block)):
        if place > done:
            begin, end = block.rfind(b"\n", 0, place) + 1, block.find(b"\n", place)
            done = end if end >= 0 else len(block)
            yield begin, done


def _places(block: bytes) -> list[int]:
    pairs = np.frombuffer(block, "<u2", count=len(block) // 2)
    found = np.flatnonzero(_IS_PAIR.take(pairs))
    if not len(found):
        return []
    number = _PAIR_OF[pairs[found]]
    start = np.maximum(2 * found - _OFFSET[number], 0)
    whole = start <= len(block) - 4  # the last bytes cannot be compared as four, and are simply suspected
    if len(block) >= 4:
        inside, number = start[whole], number[whole]
        windows = np.ndarray(shape=(len(block) - 3,), dtype="<u4", buffer=block, strides=(1,))  # no copy
        places: list[int] = inside[(windows[inside] & _MASK[number]) == _WORD[number]].tolist()
    else:
        places = []
    return places + start[~whole].tolist()
