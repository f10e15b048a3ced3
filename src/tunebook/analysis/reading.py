"""Bytes of a result file -> a frame of numbers, whatever wrote the file.

Result files of one service differ by year: names of columns, `-1` or blank for "not measured", plain text or one
base64 string, UTF-8 with a byte order mark or UTF-16 with tabs (a shell redirect on Windows), an index column first
(saved through pandas). Everything understood on the way is said in a note.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io

import numpy as np
import pandas as pd

from tunebook.errors import ResultsError

# The name a column goes by here -> the other names it has been given by services and training libraries.
_ALIASES = {
    "step": ("steps", "global_step", "iteration", "iter"),
    "train_loss": ("training_loss", "loss"),
    "train_mean_token_accuracy": (
        "train_accuracy",
        "training_token_accuracy",
        "train_token_accuracy",
        "training_accuracy",
        "accuracy",
        "acc",
    ),
    "train_error_rate": ("training_error_rate",),
    "train_mean_reward": ("train_reward_mean", "train_reward"),
    "train_sequence_accuracy": ("training_sequence_accuracy",),
    "valid_loss": ("validation_loss", "val_loss", "eval_loss"),
    "valid_mean_token_accuracy": (
        "validation_mean_token_accuracy",
        "valid_accuracy",
        "validation_token_accuracy",
        "valid_token_accuracy",
        "validation_accuracy",
        "val_accuracy",
        "val_acc",
        "eval_accuracy",
    ),
    "valid_error_rate": ("validation_error_rate",),
    "valid_mean_reward": ("valid_reward_mean", "valid_reward", "validation_mean_reward"),
    "valid_sequence_accuracy": ("validation_sequence_accuracy",),
    "full_valid_loss": ("full_validation_loss",),
    "full_valid_mean_token_accuracy": (
        "full_valid_accuracy",
        "full_validation_mean_token_accuracy",
        "full_validation_accuracy",
    ),
    "full_valid_error_rate": (),
    "full_valid_mean_reward": ("full_valid_reward_mean", "full_valid_reward"),
}
CANONICAL = tuple(_ALIASES)
_NAME_OF = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}
# Always in the frame, so that code after this can name them; all missing where the file has none.
ALWAYS = (
    "step",
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
)
_TEXT_COLUMNS = frozenset({"timestamp", "epoch_time", "date", "time"})
# Without one of these a table is some other table.
_EVIDENCE = frozenset(CANONICAL) - {"step"}
# A result file has one row a step; the longest seen in public has 5,195. Past this it is another file.
MAX_ROWS = 2_000_000
# Rows past this many bytes a row cannot be a result file of MAX_ROWS rows.
_MAX_BYTES = 1 << 30
_MAGIC = {b"%PDF": "a PDF", b"PK\x03\x04": "a zip or Excel workbook", b"\x1f\x8b": "gzip-compressed"}
_WORDS_FOR_MISSING = ("", "nan", "na", "n/a", "null", "none", "-", "#n/a", "<na>")


def canonical_name(column: str) -> str:
    """The name used here for a column of any dialect; an unknown name comes back stripped, otherwise unchanged."""
    stripped = column.strip()
    return _NAME_OF.get(stripped.lower(), stripped)


def read_table(data: bytes, name: str, *, max_rows: int = MAX_ROWS) -> tuple[pd.DataFrame, list[str]]:
    """Read the bytes of a result file: a frame with canonical names, numbers as float64, and notes in words.

    Raises `ResultsError` naming the file, and the line where there is one, for anything that is not a table of
    training measurements.
    """
    notes: list[str] = []
    data = _to_utf8(data, name, notes)
    header, separator = _header(data, name)
    frame = _read_csv(data, name, separator, max_rows)
    if len(frame) > max_rows:
        raise ResultsError(
            f"{name}, line {max_rows + 2:,}: more than {max_rows:,} rows. A result file has one row a step; "
            "is this the right file? If it is, pass max_rows= to read on."
        )
    frame, names = _rename(frame, header, notes)
    lost = _not_a_number_cells(data, separator, names)
    columns = {}
    for column in frame.columns:
        values = frame[column]
        if column in _NAME_OF and values.dtype.kind not in "fiub":
            values = _to_numbers(values, column, name, data, separator)
        columns[column] = values.astype(float) if column in _NAME_OF else values
    _drop_sentinels(columns, notes)
    for column, rows in lost.items():
        # A training loss written as "NaN" was computed and was not a number: a mark of divergence, not a blank.
        columns[column] = columns[column].copy()
        columns[column].iloc[rows] = np.inf
        notes.append(f"{column} is written as NaN on {len(rows)} rows; kept as infinite: the loss was lost there.")
    return pd.DataFrame(columns), notes


def _to_utf8(data: bytes, name: str, notes: list[str]) -> bytes:
    if not data.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise ResultsError(f"{name} is empty ({len(data)} bytes). Download the job's result file again.")
    if len(data) > _MAX_BYTES:
        raise ResultsError(f"{name} has {len(data) / 1e9:.1f} GB; a result file has one short row a step.")
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            raise ResultsError(f"{name} is {kind}, not a result file. Give the CSV the job wrote (results.csv).")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:64]:
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else _guess_utf16(data)
        try:
            data = data.decode(encoding).encode()
        except UnicodeDecodeError as error:
            raise ResultsError(f"{name} is not text (byte {error.start} of {len(data)}).") from None
        notes.append("Read as UTF-16 (saved by a shell redirect on Windows).")
    data = data.removeprefix(b"\xef\xbb\xbf")
    head = data.lstrip()[:200]
    if head[:1] in (b"{", b"["):
        raise ResultsError(f"{name} is JSON, not a result file. Is it a training file? Give the job's results.csv.")
    if b"\x00" in data[:4096]:
        raise ResultsError(f"{name} is not text: it has null bytes. Give the CSV the job wrote (results.csv).")
    decoded = _from_base64(data) if not any(mark in head for mark in b",;\t") else None
    if decoded is not None:
        notes.append("Decoded from base64.")
        return _to_utf8(decoded, name, notes)
    return data


def _guess_utf16(data: bytes) -> str:
    return "utf-16-le" if data[1:2] == b"\x00" else "utf-16-be"


def _from_base64(data: bytes) -> bytes | None:
    compact = b"".join(data.split()).strip(b'"')
    try:
        decoded = base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if len(decoded) > 8 else None


def _header(data: bytes, name: str) -> tuple[list[str], str]:
    """The names in the first line that has any, and the separator between them."""
    first = data.lstrip(b"\r\n \xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", errors="replace").rstrip("\r")
    separator = max(",\t;", key=first.count)
    header = next(csv.reader([first], delimiter=separator))
    known = {canonical_name(column) for column in header}
    if not known & _EVIDENCE:
        shown = ", ".join(header)[:120]
        raise ResultsError(
            f"{name}, line 1: no column of a result file among: {shown!r}. "
            "Expected step and at least one of train_loss, valid_loss, full_valid_loss, a token accuracy or a reward."
        )
    return header, separator


def _read_csv(data: bytes, name: str, separator: str, max_rows: int) -> pd.DataFrame:
    try:
        return pd.read_csv(
            io.BytesIO(data),
            sep=separator,
            decimal="," if separator == ";" else ".",
            skipinitialspace=True,
            nrows=max_rows + 1 if len(data) > max_rows else None,
            index_col=False,
            low_memory=False,
            encoding_errors="replace",
        )
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise ResultsError(f"{name}: {reason}. Open the file there and mend or remove that line.") from None
    except (ValueError, OverflowError) as error:
        raise ResultsError(f"{name} cannot be read as a table: {error}.") from None


def _rename(frame: pd.DataFrame, header: list[str], notes: list[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Canonical names (each once), the index column dropped; and canonical -> the name in the file."""
    if header and header[0].strip() in ("", "Unnamed: 0") and len(frame.columns) > 1:
        frame = frame.iloc[:, 1:]
        notes.append("Left out the unnamed first column (an index saved with the table).")
    target: dict[str, str] = {}
    renamed = []
    for column in map(str, frame.columns):
        canonical = canonical_name(column)
        if canonical in target:
            notes.append(f"{column!r} and {target[canonical]!r} are both {canonical}; the first is used.")
            canonical = column.strip() if column.strip() not in target else f"{column.strip()} (again)"
        target[canonical] = column
        renamed.append(canonical)
    frame = frame.set_axis(renamed, axis=1)
    changed = [f"{old.strip()} → {new}" for new, old in target.items() if old.strip() != new]
    if changed:
        notes.append(f"Columns renamed: {', '.join(changed)}.")
    if "step" not in target and "epoch" in target:
        frame = frame.assign(step=frame["epoch"])
        notes.append("No step column: epoch is used as step.")
    elif "step" not in target:
        frame = frame.assign(step=np.arange(1, len(frame) + 1, dtype=float))
        notes.append("No step column: rows are numbered from 1.")
    return frame, target


def _not_a_number_cells(data: bytes, separator: str, names: dict[str, str]) -> dict[str, np.ndarray]:
    """Rows where a training loss is spelled as not a number (`nan`), which pandas reads like a blank."""
    if b"nan" not in data.lower() or "train_loss" not in names:
        return {}
    if data.lower().count(b"nan") > 100_000:  # a table that writes its blanks as NaN
        return {}
    text = pd.read_csv(
        io.BytesIO(data),
        sep=separator,
        usecols=[names["train_loss"]],
        dtype=str,
        keep_default_na=False,
        index_col=False,
    ).iloc[:, 0]
    lowered = text.str.strip().str.lower()
    rows = np.flatnonzero(lowered.isin(["nan", "-nan"]).to_numpy())
    # A column of blanks spelled NaN, with losses after them, is a way of writing blanks.
    alive = np.flatnonzero(pd.to_numeric(text, errors="coerce").notna().to_numpy())
    at_the_end = rows[rows > alive[-1]] if len(alive) else rows[:0]
    return {"train_loss": at_the_end} if len(at_the_end) else {}


def _to_numbers(values: pd.Series, column: str, name: str, data: bytes, separator: str) -> pd.Series:
    """Text read as numbers; the first cell that is none raises, with its line."""
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() & values.notna()
    if bad.any():
        text = values[bad].astype(str).str.strip()
        bad_text = text[~text.str.lower().isin(_WORDS_FOR_MISSING)]
        if len(bad_text):
            row = int(bad_text.index[0])
            line = _line_of_row(data, separator, row)
            raise ResultsError(
                f"{name}, line {line}: {column} is {bad_text.iloc[0][:60]!r}, not a number. "
                "Blank means not measured; mend or remove that cell."
            )
    return numbers


def _line_of_row(data: bytes, separator: str, row: int) -> int:
    """The physical line (from 1) of a row (from 0), blank lines counted."""
    reader = csv.reader(io.StringIO(data.decode("utf-8", errors="replace")), delimiter=separator)
    seen = -1  # the header is row -1
    for record in reader:
        if record and any(cell.strip() for cell in record):
            if seen == row:
                return reader.line_num
            seen += 1
    return row + 2


def _drop_sentinels(columns: dict[str, pd.Series], notes: list[str]) -> None:
    """`-1` means not measured in losses, accuracies and error rates; of rewards it may be a value."""
    found = []
    for column, values in columns.items():
        if column not in _ALIASES or column == "step":
            continue
        array = values.to_numpy()
        minus_one = array == -1
        count = int(minus_one.sum())
        if not count or (column.endswith("reward") and not _reward_sentinel(column, array, count)):
            continue
        columns[column] = pd.Series(np.where(minus_one, np.nan, array), index=values.index)
        found.append(f"{column} ({count})")
    if found:
        notes.append(f"-1 read as not measured in {', '.join(found)}.")


def _reward_sentinel(column: str, array: np.ndarray, count: int) -> bool:
    others = array[(array != -1) & np.isfinite(array)]
    return "valid" in column and count >= len(array) / 2 and bool((others >= 0).all())
