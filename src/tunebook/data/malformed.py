"""Why a line is not a record: what people really have in such files, and what to do about each.

`explain_line` is called for a line that JSON decoding refused or that is not an object; `explain_shape` looks at
the first bytes of a file and says when the whole of it is something other than JSON Lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from tunebook.data.rules.problem import Problem, error, json_type, shown

LONGEST_LINE = 256 * 2**20  # bytes; no example within the token and image limits comes near it
_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]..")
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_CONTROL = re.compile(rb"[\x00-\x1f]")
_NOT_FINITE = re.compile(rb"[:\[,]\s*-?(?:NaN|Infinity)\b")


def explain_line(line: bytes, cause: BaseException | None = None) -> Problem:
    """The one finding for a line that holds no record. `cause` is what decoding raised, None to find out."""
    text = line.strip()
    if len(line) > LONGEST_LINE:
        return error(
            "$",
            "line-too-long",
            f"{len(line):,} bytes",
            "This line is longer than any example may be.",
            "Write one example a line; a missing newline between examples makes them one line.",
        )
    if cause is None:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as refused:
            cause = refused
        else:
            return _not_an_object(value)
    if isinstance(cause, RecursionError):
        return error(
            "$",
            "too-deep",
            text[:40],
            "The JSON is nested too deeply to be an example.",
            "An example nests a handful of levels; look for a program that wrapped the data again and again.",
        )
    if isinstance(cause, UnicodeDecodeError):
        return _not_utf8(line)
    for look in (
        _control,
        _bom_inside,
        _trailing_comma,
        _bracket,
        _several,
        _surrogate,
        _not_finite,
        _python,
        _braces,
        _csv,
    ):
        if found := look(text):
            return found
    return _not_json(text, cause)


def _not_an_object(value: object) -> Problem:
    return error(
        "$",
        "not-an-object",
        value,
        f"This line is a JSON {json_type(value)}, not an object.",
        'Each line is one object, e.g. {"messages": [{"role": "user", …}, {"role": "assistant", …}]}.',
    )


def _not_utf8(line: bytes) -> Problem:
    try:
        line.decode("utf-8")
        start = 0
    except UnicodeDecodeError as refused:
        start = refused.start
    around = line[max(0, start - 20) : start + 20]
    return error(
        "$",
        "not-utf-8",
        around.decode("utf-8", "backslashreplace"),
        f"Byte {start + 1} of this line is not UTF-8 (0x{line[start]:02x})." if line else "Not UTF-8.",
        "Save the file as UTF-8; text out of Excel or an older Windows program is usually Windows-1252.",
    )


def _bom_inside(text: bytes) -> Problem | None:
    if not text.startswith(b"\xef\xbb\xbf"):
        return None
    return error(
        "$",
        "bom-inside",
        "EF BB BF",
        "A byte order mark stands in the middle of the file.",
        "Two files were joined; remove the mark here (fix() does).",
    )


def _trailing_comma(text: bytes) -> Problem | None:
    if not (text.endswith(b",") and _decodes(text[:-1])):
        return None
    return error(
        "$",
        "comma-joined",
        text[-24:],
        "The line ends with a comma: this is a list cut into lines, not JSON Lines.",
        "Remove the comma at the end of each line (fix() does).",
    )


def _control(text: bytes) -> Problem | None:
    found = _CONTROL.search(text)
    if not found or not text.startswith(b"{") or not _decodes(_CONTROL.sub(b" ", text)):
        return None
    at = found.start()
    name = {b"\t": "tab", b"\r": "carriage return", b"\0": "NUL"}.get(found.group(), "control character")
    return error(
        "$",
        "raw-control",
        text[max(0, at - 20) : at + 20],
        f"A raw {name} stands inside a text (character {at + 1} of this line); JSON wants it written as an escape.",
        "Write lines with json.dumps, which escapes it (fix() does).",
    )


def _bracket(text: bytes) -> Problem | None:
    if text not in (b"[", b"]", b"],", b"{", b"}", b"},"):
        return None
    return error(
        "$",
        "not-json",
        text,
        "A bracket alone on a line: one JSON value spread over several lines.",
        "JSON Lines wants each example whole on one line (fix() rewrites it).",
    )


def _several(text: bytes) -> Problem | None:
    if not re.search(rb"\}[\s,]*\{", text):
        return None
    count = len(split_values(text))
    if count < 2:
        return None
    return error(
        "$",
        "several-on-a-line",
        f"{count} values",
        f"{count} examples stand on one line.",
        "Put a newline after each (fix() does).",
    )


def _surrogate(text: bytes) -> Problem | None:
    found = _SURROGATE.search(text)
    if not found:
        return None
    return error(
        "$",
        "lone-surrogate",
        found.group(),
        "Half of a character: a \\ud… escape without its partner.",
        "An emoji was cut in two, or the text was cut to a length in UTF-16; write the text again from its source.",
    )


def _not_finite(text: bytes) -> Problem | None:
    found = _NOT_FINITE.search(text)
    if not found:
        return None
    return error(
        "$",
        "not-finite",
        found.group().lstrip(b":[, "),
        "NaN and Infinity are not JSON.",
        "A missing value of a table; leave the key out or write null or a text.",
    )


def _python(text: bytes) -> Problem | None:
    if not re.match(rb"\{\s*'", text):
        return None
    return error(
        "$",
        "python-literal",
        text[:40],
        "Single quotes: this is how Python prints a dict, not JSON.",
        "Write lines with json.dumps(example), not str(example) (fix() rewrites them).",
    )


def _braces(text: bytes) -> Problem | None:
    if text.startswith(b"{{"):
        return error(
            "$",
            "not-json",
            text[:40],
            "The line begins with two braces.",
            "Remove one; the documentation's own preference sample has this slip.",
        )
    if text[:1] == b"{" and "“".encode() in text[:40]:
        return error(
            "$",
            "not-json",
            text[:40],
            "Typographic quotes (“ ”) where JSON wants straight ones.",
            "A word processor changed them; replace the quotes around keys and values with straight ones.",
        )
    return None


def _csv(text: bytes) -> Problem | None:
    if text[:1] in (b"{", b"[") or not re.fullmatch(rb"[^{}]*[,;\t][^{}]*", text[:2000]):
        return None
    return error(
        "$",
        "not-json",
        text[:SHOWN_ROW],
        "This looks like a row of a table (CSV), not JSON.",
        "Read it with pandas.read_csv and hand the frame to read_dataset(frame, columns={…}).",
    )


SHOWN_ROW = 60


def _not_json(text: bytes, cause: BaseException) -> Problem:
    said = str(cause)
    at = _AT_BYTE.search(said)
    if at:
        place = int(at.group(1))
        around = text[max(0, place - 20) : place + 20]
        return error(
            "$",
            "not-json",
            around,
            f"Not JSON from character {place + 1} of this line on: {_plain(said)}.",
            "Write lines with a JSON library (json.dumps), never by joining text.",
        )
    if "out of range" in said:
        return error(
            "$",
            "number-range",
            text[:40],
            "The line holds a number too large to be read.",
            "Write it as text, or shorten it.",
        )
    if "truncated" in said:
        return error(
            "$",
            "truncated",
            text[-40:],
            "The line stops in the middle of a value.",
            "The file was cut off, or an example has a line break inside; write it again, one example a line.",
        )
    return error("$", "not-json", text[:40], f"Not JSON: {_plain(said)}.", "Write lines with json.dumps.")


def _plain(said: str) -> str:
    return _AT_BYTE.sub("", said).removeprefix("JSON is malformed:").strip().rstrip(".")


def _decodes(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def split_values(data: bytes, most: int | None = None) -> list[bytes]:
    """The JSON objects and arrays that follow one another in `data`, however they are laid out or joined.

    Stops at the first place that is neither a value nor a comma or white space between two of them. Only brackets
    outside strings are counted, so this is linear in the data and has no depth limit.
    """
    values: list[bytes] = []
    depth, start = 0, -1
    for found in _TOKEN.finditer(data):
        token = found.group()
        if token in b"{[":
            if depth == 0:
                start = found.start()
            depth += 1
        elif token in b"}]":
            depth -= 1
            if depth < 0:
                break
            if depth == 0:
                values.append(data[start : found.end()])
                if most and len(values) >= most:
                    break
        elif depth == 0:
            break
    return values


# A whole string (never split by the brackets in it; one without end takes the rest), a bracket, or anything else that
# is not space or comma. Possessive, so that no text takes more than one reading.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]|[^\s,\[\]{}":]+|:', re.S)

Shape = Literal["lines", "array", "pretty", "utf-16", "utf-32", "binary"]


@dataclass(frozen=True, slots=True)
class FileShape:
    """What the first bytes of a file say it is; `problem` is None for JSON Lines."""

    kind: Shape
    problem: Problem | None = None


_MAGIC = {
    b"\x1f\x8b": ("gzip", "Unpack it first (gunzip)."),
    b"PK\x03\x04": (
        "a ZIP or Excel file",
        "Unpack it, or read the sheet with pandas.read_excel and hand over the frame.",
    ),
    b"PAR1": ("a Parquet file", "Read it with pandas.read_parquet and hand the frame to read_dataset."),
    b"%PDF": ("a PDF", "Training files are JSON Lines."),
    b"ARROW1": ("an Arrow file", "Read it with pandas.read_feather and hand the frame to read_dataset."),
    b"SQLite format 3": ("an SQLite database", "Query it with pandas.read_sql and hand the frame to read_dataset."),
    b"\x89PNG": ("a PNG picture", "Training files are JSON Lines; pictures stand in them as data URIs."),
    b"\xff\xd8\xff": ("a JPEG picture", "Training files are JSON Lines; pictures stand in them as data URIs."),
    b"\x28\xb5\x2f\xfd": ("Zstandard-compressed", "Unpack it first (unzstd)."),
}


HEAD = 65_536  # bytes of a file that say what it is


def explain_shape(head: bytes) -> FileShape:
    """What a file is, from its first bytes (`HEAD` of them are plenty)."""
    for magic, (name, remedy) in _MAGIC.items():
        if head.startswith(magic):
            return FileShape("binary", error("", "binary-file", head[:8].hex(" "), f"This is {name}.", remedy))
    if wide := wide_encoding(head):
        return FileShape(
            "utf-32" if "32" in wide else "utf-16",
            error(
                "",
                "utf-16",
                head[:8].hex(" "),
                f"The file is {wide.upper()}, the service reads UTF-8.",
                "Windows PowerShell's > writes UTF-16; save as UTF-8 (fix() does).",
            ),
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"\0"):
        return FileShape(
            "binary",
            error(
                "",
                "binary-file",
                head[:8].hex(" "),
                "The file begins with zero bytes: it is no text.",
                "A copy or download that broke off leaves such files; fetch it again.",
            ),
        )
    if not text and len(head) < HEAD:
        return FileShape(
            "binary",
            error(
                "",
                "no-examples",
                f"{len(head)} bytes",
                "The file holds no examples, only blank lines or a byte order mark.",
                "Write the examples into it, one a line; a program that failed leaves such files.",
            ),
        )
    if text.startswith(b"["):
        return FileShape(
            "array",
            error(
                "",
                "json-array",
                text[:24],
                "The file is one JSON array, not JSON Lines.",
                "Write one object a line, without the brackets and the commas between (fix() does).",
            ),
        )
    first = text.split(b"\n", 1)[0].strip()
    if b"\n" in text and first.startswith(b"{") and not _decodes(first) and _spread(text, first):
        return FileShape(
            "pretty",
            error(
                "",
                "pretty-printed",
                shown(first),
                "The JSON is spread over several lines (pretty-printed).",
                "JSON Lines wants each example whole on one line: no indent= when writing (fix() does).",
            ),
        )
    return FileShape("lines")


def _spread(text: bytes, first: bytes) -> bool:
    """Whether the first value goes on past the first line: the line is an open start, and a later end closes it."""
    if first.rstrip(b",") != first and _decodes(first.rstrip(b",")):
        return False
    if any(line.startswith(b'{"') and _decodes(line) for line in text.split(b"\n")[1:20]):
        return False  # whole examples follow: the first line is only damaged
    opened = first.count(b"{") + first.count(b"[") > first.count(b"}") + first.count(b"]")
    values = split_values(text, most=1)
    return opened and (not values or (b"\n" in values[0] and _decodes(values[0])))


def wide_encoding(head: bytes) -> str | None:
    for mark, name in ((b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be")):
        if head.startswith(mark):
            return name
    for mark, name in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            return name
    sample = head[:512]
    if len(sample) >= 8:  # without a mark: JSON begins with ASCII, so every other byte is zero
        if not any(sample[1:16:2]) and all(sample[0:16:2]):
            return "utf-16-le"
        if not any(sample[0:16:2]) and all(sample[1:16:2]):
            return "utf-16-be"
    return None
