"""Examples out of a DataFrame whose columns are named, or can be guessed by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tunebook.data.convert import message, text_of
from tunebook.errors import DataError
from tunebook.words import missing

if TYPE_CHECKING:
    import pandas as pd

# What columns are usually called; the first that is there is taken.
USUAL = {
    "user": ("user", "prompt", "question", "instruction", "input", "query", "text", "message"),
    "assistant": ("assistant", "completion", "answer", "response", "output", "reply", "label", "target"),
    "system": ("system", "system_prompt", "system_message"),
    "preferred": ("preferred", "chosen"),
    "non_preferred": ("non_preferred", "rejected"),
}
_READY = ({"messages"}, {"input", "preferred_output", "non_preferred_output"})


def examples_from_frame(
    frame: pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    system: str | None = None,
    method: str | None = None,
) -> list[dict[str, Any]]:
    """One example a row.

    columns: part of the example -> name of the column. Parts are "user", "assistant" and "system" (supervised), "user",
    "preferred" and "non_preferred" (preference); for reinforcement "user" and any other names, which become the keys a
    grader reads as item.…. None: columns `messages` (or the three of a preference file) are taken as they are, with
    JSON text decoded; else the columns are guessed by their usual names (`USUAL`).
    system: the system message of every example without one of its own.
    Raises DataError naming the columns there are when those wanted are not.
    """
    names = [str(name) for name in frame.columns]
    if not len(frame):
        raise DataError("The DataFrame has no rows. Give at least one example.")
    rows = _whole_numbers(frame).itertuples(index=False, name=None)
    records = [{name: _plain(cell) for name, cell in zip(names, row, strict=True)} for row in rows]
    if columns is None and any(ready <= set(names) for ready in _READY):
        return [{key: _ready(value) for key, value in record.items() if not missing(value)} for record in records]
    chosen = dict(columns) if columns is not None else _guess(names)
    _check_columns(chosen, names, method)
    return [_example(record, chosen, system) for record in records]


def _whole_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of whole numbers that one blank cell made floats are whole numbers again: 1 is no "1.0"."""
    whole = {}
    for place, kind in enumerate(frame.dtypes):
        column = frame.iloc[:, place]
        if kind.kind == "f" and column.isna().any() and (column.dropna() % 1 == 0).all():
            whole[place] = column.astype("Int64")
    return frame.assign(**{str(frame.columns[place]): column for place, column in whole.items()}) if whole else frame


def _plain(cell: Any) -> Any:
    """Numbers and lists of numpy as Python's own."""
    return cell.tolist() if hasattr(cell, "tolist") and hasattr(cell, "ndim") else cell


def _check_columns(chosen: Mapping[str, str], names: list[str], method: str | None) -> None:
    absent = [f"{part!r}: {column!r}" for part, column in chosen.items() if column not in names]
    if absent or "user" not in chosen:
        lack = f"no column for {', '.join(absent)}" if absent else 'no column for "user"'
        raise DataError(
            f"The DataFrame has {lack}; its columns are {', '.join(names[:20])}. "
            'Name them: columns={"user": …, "assistant": …}.'
        )
    if not {"assistant", "preferred"} & chosen.keys() and method != "reinforcement":
        raise DataError(
            f"No column for the answer was found; the columns are {', '.join(names[:20])}. "
            'Name it: columns={"user": …, "assistant": …}, or say method="reinforcement".'
        )


def _guess(names: list[str]) -> dict[str, str]:
    lower = {name.lower().strip(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for part, usual in USUAL.items():
        taken = set(found.values())
        column = next((lower[name] for name in usual if name in lower and lower[name] not in taken), None)
        if column is not None:
            found[part] = column
    return found


def _example(record: Mapping[str, Any], chosen: Mapping[str, str], system: str | None) -> dict[str, Any]:
    cells = {part: record[column] for part, column in chosen.items() if not missing(record[column])}
    told = cells.pop("system", system)
    messages = [message("system", text_of(told))] if told else []
    messages.append(message("user", text_of(cells.pop("user", ""))))
    if "preferred" in chosen:
        return {
            "input": {"messages": messages},
            "preferred_output": [message("assistant", text_of(cells.get("preferred", "")))],
            "non_preferred_output": [message("assistant", text_of(cells.get("non_preferred", "")))],
        }
    if "assistant" in chosen:
        return {"messages": [*messages, message("assistant", text_of(cells.get("assistant", "")))]}
    return {"messages": messages, **cells}


def _ready(value: Any) -> Any:
    """A cell of a column that is taken as it is: JSON text becomes what it says."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except (msgspec.MsgspecError, RecursionError):
            return value
    return value
