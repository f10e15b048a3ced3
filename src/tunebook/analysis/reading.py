"""Bytes of a result file -> a frame of numbers, whatever wrote the file.

Result files of one service differ by year: names of columns, `-1` or blank for "not measured", plain text or one
base64 string, UTF-8 with a byte order mark or UTF-16 with tabs (a shell redirect on Windows), an index column first
(saved through pandas). Other trainers write a `trainer_state.json` or one JSON object a line, and measure the whole
validation file where the service measures a batch of it. Everything understood on the way is said in a note.
"""

from __future__ import annotations

import ast
import base64
import binascii
import csv
import io
import json
import re
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from tunebook.errors import ResultsError
from tunebook.words import is_number, plural

Columns = dict[str, Any]

# The name a column goes by here -> the other names it has been given by services and training libraries.
_ALIASES = {
    "step": ("steps", "_step", "global_step", "train_global_step", "iteration", "iter"),
    "train_loss": ("training_loss", "loss"),
    "train_mean_token_accuracy": (
        "train_accuracy",
        "training_token_accuracy",
        "train_token_accuracy",
        "training_accuracy",
        "train_acc",
        "accuracy",
        "acc",
    ),
    "train_error_rate": ("training_error_rate",),
    "train_mean_reward": (
        "train_reward_mean",
        "train_reward",
        "training_reward",
        "training_mean_reward",
        "training_reward_mean",
    ),
    "train_sequence_accuracy": ("training_sequence_accuracy",),
    "valid_loss": ("validation_loss",),
    "valid_mean_token_accuracy": (
        "validation_mean_token_accuracy",
        "valid_accuracy",
        "validation_token_accuracy",
        "valid_token_accuracy",
        "validation_accuracy",
    ),
    "valid_error_rate": ("validation_error_rate",),
    "valid_mean_reward": ("valid_reward",),
    "valid_sequence_accuracy": ("validation_sequence_accuracy",),
    # Hugging Face (eval_) and Keras (val_) evaluate on the whole file.
    "full_valid_loss": ("full_validation_loss", "eval_loss", "val_loss"),
    "full_valid_mean_token_accuracy": (
        "full_valid_accuracy",
        "full_validation_mean_token_accuracy",
        "full_validation_accuracy",
        "eval_mean_token_accuracy",
        "eval_accuracy",
        "eval_acc",
        "val_accuracy",
        "val_acc",
    ),
    "full_valid_error_rate": (),
    # Reinforcement evaluates on the whole validation file: its events say `valid_reward_mean`, its files this.
    "full_valid_mean_reward": (
        "full_valid_reward_mean",
        "full_valid_reward",
        "valid_reward_mean",
        "validation_reward",
        "validation_mean_reward",
        "validation_reward_mean",
    ),
    # Of the newer models: the parts of what the optimiser of a reinforcement job sees, each of any sign.
    "pg_loss_sum": ("pg_loss", "policy_loss"),
    "entropy_loss_sum": ("entropy_loss",),
    "total_loss_sum": (),
}
SIGNED = frozenset({"pg_loss_sum", "entropy_loss_sum", "total_loss_sum"})
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
# Without one of these a table is some other table; a bare accuracy may be that of anything.
_EVIDENCE = frozenset(CANONICAL) - {"step"}
_OF_ANYTHING = frozenset({"accuracy", "acc"})
# A result file has one row a step; the longest seen in public has 5,195. Past this it is another file.
MAX_ROWS = 2_000_000
# Rows past this many bytes a row cannot be a result file of MAX_ROWS rows.
MAX_BYTES = 1 << 30
# No line of a result file comes near this: a longer one is not taken apart.
MAX_LINE = 1 << 20
_MAGIC = {b"%PDF": "a PDF", b"PK\x03\x04": "a zip or Excel workbook", b"\x1f\x8b": "gzip-compressed"}
_WORDS_FOR_MISSING = ("", "nan", "na", "n/a", "null", "none", "-", "#n/a", "<na>")


def canonical_name(column: str) -> str:
    """The name used here for a column of any dialect; an unknown name comes back stripped, otherwise unchanged."""
    stripped = column.strip()
    # Weights & Biases writes "name of the run - train/loss".
    return _NAME_OF.get(_plain_name(stripped.rsplit(" - ", 1)[-1]), stripped)


def _plain_name(column: str) -> str:
    """`Training Loss`, `train-loss`, `train/loss` and `trainLoss` -> `training_loss`, `train_loss`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    return re.sub(r"[\s/.:-]+", "_", parted).lower()


def read_table(data: bytes, name: str, *, max_rows: int = MAX_ROWS) -> tuple[Columns, list[str]]:
    """Read the bytes of a result file: columns by canonical name, numbers as float64, and notes in words.

    Raises `ResultsError` naming the file, and the line where there is one, for anything that is not a table of
    training measurements.
    """
    notes: list[str] = []
    data = _to_utf8(data, name, notes)
    data = _from_json(data, name, notes)
    _refuse_long_lines(data, name)
    header, separator = _header(data, name)
    frame = _read_csv(data, name, separator, max_rows)
    if len(frame) > max_rows:
        raise ResultsError(
            f"{name}, line {max_rows + 2:,}: more than {max_rows:,} rows. A result file has one row a step; "
            "is this the right file? If it is, pass max_rows= to read on."
        )
    raw = {str(column): frame[column] for column in frame.columns}
    if header[0].strip() in ("", "Unnamed: 0") and len(raw) > 1:
        raw.pop(str(frame.columns[0]))
        notes.append("Left out the unnamed first column (an index saved with the table).")
    columns, names = canonical_columns(raw, notes)
    for column, values in columns.items():
        if column in _ALIASES:
            columns[column] = _to_numbers(values, names.get(column, column), name, data, separator)
        else:
            columns[column] = values.array
    _drop_sentinels(columns, notes)
    _drop_zeros(columns, notes)
    _as_fractions(columns, notes)
    _mark_lost(columns, names, data, separator, notes)
    return columns, notes


def canonical_columns(raw: dict[str, Any], notes: list[str]) -> tuple[Columns, dict[str, str]]:
    """The columns by canonical name, each name once, with a step; and canonical name -> the name in the file."""
    columns: Columns = {}
    names: dict[str, str] = {}
    for old, values in raw.items():
        new = canonical_name(old)
        if new in columns:
            notes.append(f"{old!r} and {names[new]!r} are both {new}; the first is used.")
            new = old.strip() if old.strip() not in columns else f"{old.strip()} (again)"
        columns[new], names[new] = values, old
    changed = [f"{old.strip()} → {new}" for new, old in names.items() if old.strip() != new]
    if changed:
        notes.append(f"Columns renamed: {', '.join(changed)}.")
    if "step" not in columns:
        rows = len(next(iter(columns.values()))) if columns else 0
        by_epoch = "epoch" in columns
        columns["step"] = columns["epoch"] if by_epoch else pd.Series(np.arange(1.0, rows + 1))
        names["step"] = "epoch" if by_epoch else "step"
        notes.append(f"No step column: {'epoch is used as step' if by_epoch else 'rows are numbered from 1'}.")
    return columns, names


def _to_utf8(data: bytes, name: str, notes: list[str]) -> bytes:
    if not data.lstrip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise ResultsError(f"{name} is empty ({len(data)} bytes). Download the job's result file again.")
    if len(data) > MAX_BYTES:
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
    data = _from_repr(data, notes)
    head = data.lstrip()[:200]
    if b"\x00" in data[:4096]:
        raise ResultsError(f"{name} is not text: it has null bytes. Give the CSV the job wrote (results.csv).")
    plain = any(mark in head for mark in b",;\t{[")
    decoded = None if plain else _from_base64(data)
    if decoded is not None:
        notes.append("Decoded from base64.")
        return _to_utf8(decoded, name, notes)
    return data


def _from_repr(data: bytes, notes: list[str]) -> bytes:
    """What bytes hold that were written as Python prints them: `b'step,train_loss...'`."""
    if data.lstrip()[:2] not in (b"b'", b'b"'):
        return data
    try:
        inner = ast.literal_eval(data.strip().decode())
    except (ValueError, SyntaxError):
        return data
    notes.append("Read from the way Python prints bytes.")
    return bytes(inner)


def _from_json(data: bytes, name: str, notes: list[str]) -> bytes:
    """A history in JSON (`log_history` of a trainer's state, a list of rows, one row a line) as a table; else as is."""
    if data.lstrip()[:1] not in (b"{", b"["):
        return data
    rows = _json_rows(data)
    # A summary of the whole run is no measurement of its last step.
    rows = [row for row in rows if isinstance(row, dict) and "train_runtime" not in row]
    rows = [{key: value for key, value in row.items() if is_number(value)} for row in rows]
    steps: dict[float, dict[str, float]] = {}
    for place, row in enumerate(rows, 1):
        step = next((value for key, value in row.items() if canonical_name(key) == "step"), None)
        epoch = next((value for key, value in row.items() if _plain_name(key) == "epoch"), place)
        steps.setdefault(epoch if step is None else step, {}).update(row)
    if not any(canonical_name(key) in _EVIDENCE for row in steps.values() for key in row):
        raise ResultsError(
            f"{name} is JSON without a loss, an accuracy or a reward, not a result file. Is it a training file? "
            "Give the job's results.csv, a trainer_state.json or a metrics.jsonl."
        )
    notes.append(f"Read from JSON: {plural(len(steps), 'step')}.")
    return pd.DataFrame(list(steps.values())).to_csv(index=False, na_rep="").encode(errors="replace")


def _json_rows(data: bytes) -> list[Any]:
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        rows = []
        for line in data.splitlines():
            with suppress(ValueError, RecursionError):  # the last line may have been cut off while it was written
                rows.append(json.loads(line))
        return rows
    if isinstance(whole, dict):
        history = whole.get("log_history")
        return history if isinstance(history, list) else [whole]
    return whole if isinstance(whole, list) else []


def _guess_utf16(data: bytes) -> str:
    return "utf-16-le" if data[1:2] == b"\x00" else "utf-16-be"


def _from_base64(data: bytes) -> bytes | None:
    compact = b"".join(data.split()).strip(b'"')
    try:
        decoded = base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if len(decoded) > 8 else None


def _refuse_long_lines(data: bytes, name: str) -> None:
    """Raises for a line past `MAX_LINE` bytes, before it costs memory by the gigabyte."""
    begin = 0
    while len(data) - begin > MAX_LINE:
        end = max(data.rfind(mark, begin, begin + MAX_LINE) for mark in (b"\n", b"\r"))
        if end < 0:
            line = len(data[:begin].splitlines()) + 1
            raise ResultsError(f"{name}, line {line}: it is longer than 1 MB. A result file has one short row a step.")
        begin = end + 1


def _header(data: bytes, name: str) -> tuple[list[str], str]:
    """The names in the first line that has any, and the separator between them."""
    begin = len(data) - len(data.lstrip(b"\r\n "))
    ends = [end for mark in (b"\n", b"\r") if (end := data.find(mark, begin)) >= 0]  # old files end lines with \r alone
    first = data[begin : min(ends, default=None)].decode("utf-8", errors="replace")
    separator = max(",\t;", key=first.count)
    try:
        header = next(csv.reader([first], delimiter=separator))
    except csv.Error as error:
        raise ResultsError(f"{name}, line 1: {error}. A result file begins with the names of its columns.") from None
    known = {canonical_name(column) for column in header if _plain_name(column.strip()) not in _OF_ANYTHING}
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


def _to_numbers(values: pd.Series, column: str, name: str, data: bytes, separator: str) -> np.ndarray:
    """float64 values; of text the first cell that is no number raises, with its line."""
    if values.dtype.kind in "fiub":
        return values.to_numpy(dtype=float)
    text = values.astype(str).str.strip()
    numbers = pd.to_numeric(text, errors="coerce")
    bad = numbers.isna() & values.notna() & ~text.str.lower().isin(_WORDS_FOR_MISSING)
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise ResultsError(
            f"{name}, line {_line_of_row(data, separator, row)}: {column.strip()} is {text.iloc[row][:60]!r}, not a "
            "number. Blank means not measured; mend or remove that cell."
        )
    return numbers.to_numpy(dtype=float)


def _mark_lost(columns: Columns, names: dict[str, str], data: bytes, separator: str, notes: list[str]) -> None:
    """A training loss that ends as `NaN` was computed and was not a number: a mark of divergence, not a blank.

    pandas reads both alike, so the cells are looked at again; `NaN` with numbers after it is a way of writing blanks.
    """
    loss = columns.get("train_loss")
    if loss is None or "train_loss" not in names or len(loss) < 2 or not np.isnan(loss[-1]) or np.isnan(loss).all():
        return
    after = int(np.flatnonzero(~np.isnan(loss))[-1]) + 1
    text = pd.read_csv(
        io.BytesIO(data),
        sep=separator,
        usecols=[names["train_loss"]],
        dtype=str,
        keep_default_na=False,
        index_col=False,
    ).iloc[:, 0]
    spelled = text.str.strip().str.lower().isin(["nan", "-nan"]).to_numpy() & (np.arange(len(loss)) >= after)
    if spelled.any():
        columns["train_loss"] = np.where(spelled, np.inf, loss)
        notes.append(f"train_loss is NaN on the last {int(spelled.sum())} rows: kept as infinite, the loss was lost.")


def _line_of_row(data: bytes, separator: str, row: int) -> int:
    """The physical line (from 1) of a row (from 0), blank lines counted."""
    reader = csv.reader(io.StringIO(data.decode("utf-8", errors="replace"), newline=None), delimiter=separator)
    seen = -1  # the header is row -1
    with suppress(csv.Error):  # a cell longer than it reads
        for record in reader:
            if record and any(cell.strip() for cell in record):
                if seen == row:
                    return reader.line_num
                seen += 1
    return row + 2


def _drop_sentinels(columns: Columns, notes: list[str]) -> None:
    """`-1` means not measured in losses, accuracies and error rates; of rewards it may be a value."""
    found = []
    for column in [c for c in columns if c in _ALIASES and c != "step" and c not in SIGNED]:
        values = columns[column]
        minus_one = values == -1
        count = int(np.count_nonzero(minus_one))
        if (
            count
            and column not in SIGNED
            and not (column.endswith("reward") and not _reward_sentinel(column, values, count))
        ):
            columns[column] = np.where(minus_one, np.nan, values)
            found.append(f"{column} ({count})")
    if found:
        notes.append(f"-1 read as not measured in {', '.join(found)}.")


def _drop_zeros(columns: Columns, notes: list[str]) -> None:
    """Validation losses of exactly 0 in most rows and far below the others are blanks: a loss nears 0 by degrees.

    So are those of a column that holds nothing else.
    """
    found = []
    for column in ("valid_loss", "full_valid_loss"):
        values = columns.get(column, np.zeros(0))
        zero, others = values == 0, values[values > 0]
        count = int(np.count_nonzero(zero))
        if count < 2 or count < 0.5 * np.count_nonzero(np.isfinite(values)):
            continue
        if len(others) and others.min() < 0.1 * np.median(others):
            continue
        columns[column] = np.where(zero, np.nan, values)
        found.append(f"{column} ({count})")
    if found:
        notes.append(f"0 read as not measured in {', '.join(found)}.")


def _as_fractions(columns: Columns, notes: list[str]) -> None:
    """Accuracies and error rates written in percent as fractions."""
    for column in [c for c in columns if c in _ALIASES and c.endswith(("accuracy", "error_rate"))]:
        values = columns[column]
        top = float(np.fmax.reduce(values, initial=0.0))
        if 1.5 < top <= 100:
            columns[column] = values / 100
            notes.append(f"{column} reaches {top:g}: read as percent.")


def _reward_sentinel(column: str, array: np.ndarray, count: int) -> bool:
    others = array[(array != -1) & np.isfinite(array)]
    return "valid" in column and count >= len(array) / 2 and bool((others >= 0).all())
