"""Result files: read from any dialect into one shape, with what was understood said in notes."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tunebook.analysis.reading import (
    ALWAYS,
    CANONICAL,
    MAX_BYTES,
    MAX_ROWS,
    SIGNED,
    Columns,
    canonical_columns,
    canonical_name,
    read_table,
)
from tunebook.errors import ResultsError
from tunebook.show import Card, Items, Shown, Table
from tunebook.words import is_number, number, plural

_FIRST = ("step", "part", *CANONICAL[1:])
# "Step 300/300: training loss=0.15, validation loss=0.27, full validation loss=0.40"; numbers may be 3.8E-06.
_STEP_MESSAGE = re.compile(r"^\s*step\s+(\d+)(?:\s*/\s*(\d+))?\s*:(.*)$", re.IGNORECASE | re.DOTALL)
_PAIR = re.compile(r"([A-Za-z][A-Za-z _]*?)\s*=\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)", re.I)


@dataclass(frozen=True, eq=False)
class Results(Shown):
    """The measurements of one training run.

    `frame` has one row a step, ascending: `step`, `train_loss`, `train_mean_token_accuracy`, `valid_loss`,
    `valid_mean_token_accuracy` (a small batch of the validation file), `full_valid_loss`,
    `full_valid_mean_token_accuracy` (the whole validation file) always; error rates, rewards, `timestamp` and columns
    unknown here where the file has them. Accuracies and error rates are fractions; missing is NaN; an infinite
    training loss is kept. `notes` say what was understood while reading. `name` is the file's name.
    A file that holds several jobs keeps all its rows: see `parts`.

    >>> results = tb.load_results("results.csv")
    >>> len(results), results.frame["valid_loss"].idxmin()
    (120, 40)
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    name: str = "results"

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, name: str = "results") -> Results:
        """Measurements from a table in any dialect's column names; the table is copied, never changed."""
        notes: list[str] = []
        columns, names = canonical_columns({str(c): frame.iloc[:, i] for i, c in enumerate(frame.columns)}, notes)
        for column, values in columns.items():
            if column in CANONICAL:
                columns[column] = _as_numbers(values, names[column], name)
        return _tidy(columns, notes, name)

    @classmethod
    def from_events(cls, events: Iterable[Any], name: str = "events") -> Results:
        """Measurements from a job's events (objects or mappings, any order), so that a running job can be read.

        Takes the `data` of metrics events and the numbers in messages such as `Step 10: training loss=0.68`.
        Events with neither are passed over.
        """
        rows: dict[float, dict[str, float]] = {}
        for event in events:
            for step, values in _measurements(event):
                rows.setdefault(step, {}).update(values)
        steps = sorted(rows)
        columns: Columns = {"step": np.array(steps, dtype=float)}
        for column in sorted({key for values in rows.values() for key in values}):
            columns[column] = np.array([rows[step].get(column, np.nan) for step in steps])
        return _tidy(columns, [f"Built from events: {plural(len(steps), 'step')}, each as it was announced."], name)

    def __len__(self) -> int:
        return len(self.frame)

    def has(self, column: str) -> bool:
        """Whether any value of that column was measured."""
        return column in self.frame and bool(self.frame[column].notna().any())

    @property
    def parts(self) -> tuple[Results, ...]:
        """The jobs in the file, in order: itself alone, or one for each set of steps when every step repeats."""
        if "part" not in self.frame:
            return (self,)
        return tuple(
            Results(
                rows.drop(columns="part").reset_index(drop=True),
                (*self.notes, f"Part {int(part) + 1} of {self.name}."),
                f"{self.name} [{int(part) + 1}]",
            )
            for part, rows in ((p, self.frame[self.frame["part"] == p]) for p in sorted(self.frame["part"].unique()))
        )

    def __repr__(self) -> str:
        measured = [column for column in CANONICAL if column != "step" and self.has(column)]
        return f"Results({self.name!r}: {_span(self.frame)}; {', '.join(measured) or 'no measurements'})"

    def _card(self) -> Card:
        rows = []
        for column in (c for c in CANONICAL if c != "step" and self.has(c)):
            values = self.frame[column].dropna()
            shown = (values.iloc[0], values.min(), values.iloc[-1])
            rows.append((column, f"{len(values):,}", *map(number, shown)))
        head = ("", "measured", "first", "lowest", "last")
        return Card(
            Table(head, rows, f"{self.name}: {_span(self.frame)}", numeric=(1, 2, 3, 4), labelled=True),
            Items(self.notes) if self.notes else None,
        )


def load_results(source: Any, *, name: str | None = None, max_rows: int = MAX_ROWS) -> Results:
    """Read a result file from a path, its bytes or text, a buffer, a table, or a job (anything with `.results()`).

    Every dialect found in public files is understood (see `tunebook.analysis.reading`). Steps are put in order; rows
    that say the same twice are dropped; a step told twice after a restart keeps the later row; a file in which most
    steps repeat holds several jobs and keeps all rows, with a column `part`. Each of these is said in `notes`.

    Raises `ResultsError` naming file, line and value for what cannot be read. A header without rows is not an error:
    a job that has just started has no row yet.

    >>> tb.load_results("results.csv")
    Results('results.csv': 120 rows, steps 1 to 120; train_loss, train_mean_token_accuracy, valid_loss, ...)
    """
    if isinstance(source, Results):
        return source
    if isinstance(source, pd.DataFrame):
        return Results.from_frame(source, name or "frame")
    if hasattr(source, "results") and not hasattr(source, "read"):
        results = source.results() if callable(source.results) else source.results
        if results is None:
            raise ResultsError(f"{source!r} has no results yet; ask again when it has trained a step.")
        return load_results(results, name=name, max_rows=max_rows)
    data, own_name = _contents(source)
    name = name or own_name
    columns, notes = read_table(data, name, max_rows=max_rows)
    return _tidy(columns, notes, name)


def _contents(source: Any) -> tuple[bytes, str]:
    """The bytes of a file, text or buffer, and what it is called."""
    if isinstance(source, Path) or (isinstance(source, str) and "\n" not in source):
        path = Path(source)
        try:
            about = path.stat()
            if not stat.S_ISREG(about.st_mode):
                raise ResultsError(f"{path} is {_kind(about.st_mode)}, not a file. Give the CSV the job wrote.")
            if about.st_size > MAX_BYTES:
                raise ResultsError(
                    f"{path.name} has {about.st_size / 1e9:.1f} GB; a result file has one short row a step."
                )
            with path.open("rb") as file:  # it may have grown, or tell no size at all
                return file.read(MAX_BYTES + 1), path.name
        except OSError as error:
            raise ResultsError(f"{path}: cannot be opened ({error.strerror or error}).") from None
    if isinstance(source, str):
        return source.encode(), "results"
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), "results"
    if hasattr(source, "read"):
        content = source.read()
        data = content.encode() if isinstance(content, str) else bytes(content)
        return data, Path(str(getattr(source, "name", "results"))).name
    raise ResultsError(f"Cannot read results from {type(source).__name__}: give a path, bytes or a job.")


def _kind(mode: int) -> str:
    """What stands in the place of a file; reading from it may never end."""
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe or a socket" if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else "a device"


def _tidy(columns: Columns, notes: list[str], name: str) -> Results:
    """Steps in order, each once (or in parts), the usual columns first."""
    step = columns["step"]
    known = np.isfinite(step)
    if not known.all():
        notes.append(f"Left out {plural(int((~known).sum()), 'row')} without a step.")
        columns = {column: values[known] for column, values in columns.items()}
        step = columns["step"]
    if len(step) > 1 and (np.diff(step) <= 0).any():
        columns = _order(columns, notes)
        step = columns["step"]
    whole = step.astype(np.int64)
    shown: Columns = {"step": whole if (whole == step).all() else step}
    for column in (*_FIRST, *(c for c in columns if c not in _FIRST)):
        if column in columns:
            shown.setdefault(column, columns[column])
        elif column in ALWAYS:
            shown.setdefault(column, np.full(len(step), np.nan))
    if gaps := _gaps(step):
        notes.append(gaps)
    if not len(step):
        notes.append("No rows: no step was measured yet.")
    return Results(pd.DataFrame(shown, copy=False), tuple(notes), name)


def _order(columns: Columns, notes: list[str]) -> Columns:
    frame = pd.DataFrame(columns)
    total = len(frame)
    frame = frame.drop_duplicates()
    if len(frame) < total:
        notes.append(f"Left out {total - len(frame)} rows that repeat another row exactly.")
    occurrence = frame.groupby("step", sort=False).cumcount().to_numpy()
    repeated = int((occurrence > 0).sum())
    distinct = len(frame) - repeated
    in_order = bool((np.diff(frame["step"].to_numpy()) > 0).all())
    if repeated >= distinct / 2 and repeated > 1:
        jobs = int(occurrence.max()) + 1
        notes.append(
            f"{repeated} of {distinct} steps occur more than once: the file holds {jobs} jobs. "
            "Nothing was averaged; take them one by one from results.parts."
        )
        frame = frame.assign(part=occurrence).sort_values(["part", "step"], kind="stable")
    elif repeated:
        notes.append(f"{repeated} steps are told twice (a restart?); the later row of each is kept.")
        frame = frame.drop_duplicates("step", keep="last").sort_values("step", kind="stable")
    elif not in_order:
        notes.append("Rows were out of order; sorted by step.")
        frame = frame.sort_values("step", kind="stable")
    return {str(column): frame[column].array for column in frame.columns} | {
        "step": frame["step"].to_numpy(dtype=float)
    }


def _as_numbers(values: pd.Series, column: str, name: str) -> np.ndarray:
    numbers = pd.to_numeric(values, errors="coerce")
    lost = (numbers.isna() & values.notna()).to_numpy()
    if lost.any():
        row = int(lost.argmax())
        raise ResultsError(f"{name}, row {row}: {column} is {str(values.iloc[row])[:60]!r}, not a number.")
    return numbers.to_numpy(dtype=float, na_value=np.nan)


def _gaps(step: np.ndarray) -> str:
    """Steps that are missing where most follow each other at one distance."""
    if len(step) < 4:
        return ""
    distance = np.diff(step)
    if distance.max() == distance.min():
        return ""
    usual = float(np.median(distance))
    holes = int((distance > 1.5 * usual).sum()) if usual > 0 else 0
    return f"Steps are missing at {holes} places." if 0 < holes <= len(step) / 4 else ""


def _span(frame: pd.DataFrame) -> str:
    if not len(frame):
        return "no rows yet"
    step = frame["step"]
    return f"{plural(len(frame), 'row')}, steps {step.iloc[0]:,} to {step.iloc[-1]:,}"


def _measurements(event: Any) -> list[tuple[float, dict[str, float]]]:
    """(step, {column: value}) of one event; nothing when it announces no measurement."""
    return [found for found in (_of_message(_field(event, "message")), _of_data(_field(event, "data"))) if found]


def _of_message(message: Any) -> tuple[float, dict[str, float]] | None:
    if not isinstance(message, str) or not (match := _STEP_MESSAGE.match(message)):
        return None
    values = {_spoken_name(key): float(value) for key, value in _PAIR.findall(match[3])}
    return float(match[1]), {k: v for k, v in values.items() if k in CANONICAL}


def _of_data(data: Any) -> tuple[float, dict[str, float]] | None:
    if not isinstance(data, Mapping):
        data = data.to_dict() if hasattr(data, "to_dict") else getattr(data, "__dict__", None)
    if not isinstance(data, Mapping) or not is_number(data.get("step")):
        return None
    values = dict(_leaves({key: value for key, value in data.items() if key not in ("step", "total_steps")}))
    # The service writes -1 for what it did not measure; of rewards it may be a value.
    return float(data["step"]), {k: v for k, v in values.items() if v != -1 or "reward" in k or k in SIGNED}


def _leaves(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """(column, number) of each number in nested data, named as the result file of a reinforcement job names it.

    `scores.train_reward_mean` is `train_mean_reward`; `scores.graders`, a list of graders or a mapping by their names,
    gives `scores/graders/<type>/<name>/train_reward_mean`; `errors.graders` the same with `errors/` before the last.
    """
    if is_number(data):
        yield _column(path), float(data)
    elif len(path) > _DEEPEST:
        return
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _leaves(value, (*path, *_named(path, str(key), value)))
    elif isinstance(data, list):
        for each in data:
            if isinstance(each, Mapping):
                yield from _leaves(each, (*path, str(each.get("type", "")), str(each.get("name", ""))))


_DEEPEST = 8  # levels of an event's data; Azure's has four


def _named(path: tuple[str, ...], key: str, value: Any) -> tuple[str, ...]:
    """The parts of a path a key adds: a grader that stands under its name comes after its type."""
    is_grader = path[-1:] == ("graders",) and isinstance(value, Mapping) and any(map(is_number, value.values()))
    return (str(value.get("type", "")), key) if is_grader else (key,)


def _column(path: tuple[str, ...]) -> str:
    name = canonical_name(path[-1])
    if len(path) == 1 or (path[0] == "scores" and len(path) == 2):
        return name
    if path[:2] == ("usage", "samples") and path[-1].startswith("train_"):
        return path[-1].removeprefix("train_")
    if path[:2] == ("usage", "samples"):
        return path[-1]
    if path[:2] == ("errors", "graders"):
        return "/".join((*path[:-1], "errors", path[-1]))
    return "/".join(path)


def _field(event: Any, name: str) -> Any:
    return event.get(name) if isinstance(event, Mapping) else getattr(event, name, None)


def _spoken_name(words: str) -> str:
    """`full validation loss` -> `full_valid_loss`, `training token accuracy` -> `train_mean_token_accuracy`."""
    return canonical_name("_".join(words.strip().lower().split()))
