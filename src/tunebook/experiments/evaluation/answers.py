"""Answers as they come in: JSON Lines on disk, only ever appended to, so that an interrupted evaluation goes on.

{"kind": "tunebook answers", "version": 1, "identity": …, "dataset": …, "models": {…}, "settings": {…}}
{"example": 0, "model": "base", "sample": 0, "answer": …, "finish_reason": …, "latency_s": …, "prompt_tokens": …, …}
{"example": 0, "model": "base", "sample": 0, "refused": "content_filter: …"}
{"example": 0, "model": "base", "sample": 0, "grader": …, "grade": 0.5, "reason": …}
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from array import array
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from tunebook.errors import RequestError
from tunebook.experiments.evaluation.cases import canonical_json

KIND, VERSION = "tunebook answers", 1
_NOWHERE = -1


class AnswerLog:
    """The answers of one evaluation, in a file; in memory is only where each of them stands (8 bytes an answer).

    n examples, `models` in their order, `samples` answers each. Appending is safe from several threads.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], *, n: int, models: tuple[str, ...], samples: int) -> None:
        self.path = path
        self._order = {model: at for at, model in enumerate(models)}
        self._samples = samples
        self._answers = array("q", [_NOWHERE]) * (n * len(models) * samples)
        self._grades: dict[str, array[int]] = {}
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise RequestError(f"{path}: the answers cannot be written here: {error.strerror}. Give path=.") from error
        try:
            self._take_up(header)
        except BaseException:
            self._file.close()
            raise

    def has(self, example: int, model: str, sample: int, grader: str | None = None) -> bool:
        """Whether the answer, or this grader's grade of it, is there."""
        places = self._answers if grader is None else self._grades.get(grader)
        return places is not None and places[self._place(example, model, sample)] != _NOWHERE

    def get(self, example: int, model: str, sample: int, grader: str | None = None) -> dict[str, Any] | None:
        """The answer, or this grader's grade of it, as it stands in the file."""
        places = self._answers if grader is None else self._grades.get(grader)
        at = _NOWHERE if places is None else places[self._place(example, model, sample)]
        if at == _NOWHERE:
            return None
        with self._lock:
            self._file.seek(at)
            return json.loads(self._file.readline())

    def add(self, record: Mapping[str, Any]) -> None:
        """Append one record; it is handed to the operating system before this returns."""
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        with self._lock:
            at = self._file.seek(0, os.SEEK_END)
            self._file.write(line)
            self._file.flush()
            self._note(record, at)

    def count(self) -> int:
        """How many answers are there."""
        return sum(at != _NOWHERE for at in self._answers)

    def __enter__(self) -> AnswerLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def _take_up(self, header: Mapping[str, Any]) -> None:
        """Begin the file, or read what an earlier call left in it. A last line cut short by a crash is cut off."""
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.truncate(0)
            self.add({"kind": KIND, "version": VERSION, **header})
            return
        saved = _record(first)
        if saved.get("kind") != KIND or saved.get("version") != VERSION:
            raise RequestError(f"{self.path}: this is no file of answers of version {VERSION}. Give another path=.")
        if saved.get("identity") != header["identity"]:
            keys = ("dataset", "examples", "models", "settings")
            changed = [key for key in keys if saved.get(key) != header.get(key)]
            changes = "; ".join(f"{key}: {saved.get(key)!r} there, {header.get(key)!r} now" for key in changed)
            raise RequestError(
                f"{self.path} holds answers of another evaluation ({changes or 'other examples'}). "
                "Give another path=, or leave it out for one that fits."
            )
        at = self._file.tell()
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                self._file.truncate(at)
                break
            self._note(_record(line), at)
            at += len(line)

    def _note(self, record: Mapping[str, Any], at: int) -> None:
        if record.get("model") not in self._order or not isinstance(record.get("example"), int):
            return
        place = self._place(record["example"], record["model"], record.get("sample", 0))
        if not 0 <= place < len(self._answers):
            return
        if "grader" not in record:
            self._answers[place] = at
            return
        places = self._grades.setdefault(record["grader"], array("q", [_NOWHERE]) * len(self._answers))
        places[place] = at

    def _place(self, example: int, model: str, sample: int) -> int:
        return (example * len(self._order) + self._order[model]) * self._samples + sample


def identity(*parts: Any) -> str:
    """A digest that is the same for the same evaluation."""
    return hashlib.blake2b(canonical_json(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
