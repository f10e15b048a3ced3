"""Evaluating deployments on the same examples: ask, write down, score, compare.

In memory are only the scores and where in the file each answer stands; examples and answers are read one at a time.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunebook.errors import RequestError
from tunebook.experiments.evaluation.answers import AnswerLog, identity
from tunebook.experiments.evaluation.asking import Asking, Question, Settings, grader_key
from tunebook.experiments.evaluation.cases import Case, canonical_json, read_cases
from tunebook.experiments.evaluation.held_out import HeldOut, look_for, served_model
from tunebook.experiments.evaluation.record import COLUMNS, Evaluation
from tunebook.experiments.evaluation.scores import ModelGrader, Score, score_of
from tunebook.experiments.evaluation.summary import summarise

if TYPE_CHECKING:
    import pandas as pd

    from tunebook.data import Dataset
    from tunebook.service import Deployment, Workspace

_FOLDER = Path("evaluations")
_CHANGED = 50  # examples kept of those that got better, and of those that got worse


def evaluate(
    workspace: Workspace,
    dataset: Dataset | str | Path | Sequence[Mapping[str, Any]],
    models: str | Deployment | Sequence[str | Deployment],
    *,
    score: str | Callable[..., Any] | Score | ModelGrader = "exact",
    held_out: bool = True,
    source: str | Callable[[Mapping[str, Any]], Any] | None = None,
    temperature: float | None = 0.0,
    seed: int | None = 0,
    max_tokens: int | None = None,
    samples: int = 1,
    extra: Mapping[str, Any] | None = None,
    concurrency: int = 8,
    path: str | Path | None = None,
    progress: bool = True,
) -> Evaluation:
    """Put the same examples to several deployments and compare their answers; the first one is the baseline.

    dataset: examples in the training format; the last assistant message is the expected answer.
    score: `exact`, `json_fields`, `token_f1`, a function of (answer, reference) or (answer, reference, example), or a
        `ModelGrader`. held_out: examples that a model was trained on, or that chose its checkpoint, are refused; False
        evaluates on them all the same, and the result says so.
    source: a key of the example, or a function of it: examples with the same value (one conversation, one customer)
        count as one independent source. By default examples that ask the same do.
    temperature, seed, max_tokens, extra: of the chat completions; samples: answers per example, averaged.
    concurrency: calls at once. path: the file of answers; by default one in `evaluations/` that belongs to exactly
        these examples, models and settings. Called again, what is in the file is not asked again.

    Raises RequestError for examples without an expected answer, that are not held out, or for models that are not
    deployed; ServiceError when the service goes down on the way (the same call then goes on).

    >>> found = tb.evaluate(ws, "valid.jsonl", [base, tuned], score="token_f1", held_out=False, progress=False)
    >>> found.models[0].model == base, len(found.frame)
    (True, 10)
    """
    data = _dataset(dataset)
    names = _names(models)
    scoring = score_of(score)
    settings = Settings(temperature, seed, max_tokens, samples, dict(extra or {}))
    if samples < 1 or concurrency < 1:
        raise RequestError(f"samples={samples}, concurrency={concurrency}: both have to be at least 1.")
    scan = _scan(data, needs_reference=isinstance(scoring, Score) and scoring.needs_reference, source=source)
    served = {name: served_model(workspace, name) for name in names}
    found = look_for(workspace, scan.keys, served.values())
    if held_out and found.leaks:
        raise RequestError(
            f"{data.name} is not held out. {' '.join(map(str, found.leaks))} A score on it says how well the model "
            "learned it, not how good it is. Give examples the job has not seen, or held_out=False to evaluate anyway."
        )
    mark = identity(scan.digest, served, settings.to_json())
    header = {
        "dataset": data.name,
        "examples": scan.n,
        "models": served,
        "settings": settings.to_json(),
        "identity": mark,
    }
    file = Path(path) if path is not None else _FOLDER / f"{_slug(data.name)}-{mark[:12]}.jsonl"
    grader = scoring if isinstance(scoring, ModelGrader) else None
    with AnswerLog(file, header, n=scan.n, models=tuple(names), samples=samples) as log:
        with _Progress(scan.n * len(names) * samples, progress) as told:
            asking = Asking(workspace.client, log, settings, grader=grader, concurrency=concurrency, told=told)
            missed = asking.run(_questions(data, names, samples))
        tally = _score(data, log, scoring, names, samples, scan.n)
    return summarise(
        score=scoring.name,
        dataset=data.name,
        models={name: {"served": served[name], **tally.facts[name]} for name in names},
        scores=tally.scores,
        changed={name: tally.changes[name].frames() for name in names[1:]},
        path=file,
        clusters=scan.clusters,
        held_out=found,
        notes=_notes(missed, tally, found, scan),
    )


def _dataset(given: Any) -> Dataset:
    from tunebook.data import Dataset, read_dataset

    return given if isinstance(given, Dataset) else read_dataset(given)


def _names(models: Any) -> list[str]:
    several = [models] if isinstance(models, str) or not isinstance(models, Iterable) else list(models)
    names = [each if isinstance(each, str) else each.name for each in several]
    if not names or len(set(names)) < len(names):
        raise RequestError(f"models={names}: give one or more deployments, each once.")
    return names


@dataclass(frozen=True)
class _Scan:
    """What one reading of the examples gives. clusters: one label an example, None when each is its own source."""

    n: int
    keys: frozenset[bytes]
    systems: frozenset[str]
    clusters: list[Any] | None
    digest: str


def _scan(data: Dataset, *, needs_reference: bool, source: str | Callable[[Mapping[str, Any]], Any] | None) -> _Scan:
    keys: list[bytes] = []
    labels: list[Any] = []
    systems: set[str] = set()
    without: list[int] = []
    digest = hashlib.blake2b(digest_size=16)
    for case in read_cases(data):
        keys.append(case.key)
        systems.add(case.system)
        if source is not None:
            labels.append(source(case.example) if callable(source) else case.example.get(source))
        if not case.messages or (needs_reference and case.reference is None):
            without.append(case.index)
        digest.update(canonical_json([case.messages, case.tools, case.reference]).encode("utf-8", "surrogatepass"))
    if without:
        which = ", ".join(str(index) for index in without[:5]) + (" …" if len(without) > 5 else "")
        raise RequestError(
            f"{data.name}: {len(without)} of {len(keys)} examples have no expected answer (a last message of the "
            f"assistant), e.g. number {which}. Leave them out, or score with a function or a ModelGrader."
        )
    if not keys:
        raise RequestError(f"{data.name} holds no example to evaluate on.")
    clusters = labels if source is not None else keys
    own = len(set(map(str, labels)) if source is not None else set(keys)) == len(keys)
    return _Scan(len(keys), frozenset(keys), frozenset(systems), None if own else clusters, digest.hexdigest())


def _questions(data: Dataset, names: Sequence[str], samples: int) -> Iterator[Question]:
    """Example by example, so that an interrupted evaluation has whole pairs."""
    for case in read_cases(data):
        for name in names:
            for sample in range(samples):
                yield Question(case, name, sample)


class _Changes:
    """The examples whose score changed most, at most `_CHANGED` each way."""

    def __init__(self) -> None:
        self._heaps: tuple[list[tuple[float, int, dict[str, Any]]], ...] = ([], [])

    def add(self, case: Case, base: tuple[float, str], tuned: tuple[float, str]) -> None:
        gain = tuned[0] - base[0]
        if gain == 0 or np.isnan(gain):
            return
        heap = self._heaps[0 if gain > 0 else 1]
        values = (case.index, case.prompt, case.reference or "", base[1], tuned[1], base[0], tuned[0])
        item = (abs(gain), -case.index, dict(zip(COLUMNS, values, strict=True)))  # of equal ones the earlier
        if len(heap) < _CHANGED:
            heapq.heappush(heap, item)
        else:
            heapq.heappushpop(heap, item)

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(better, worse), the largest change first."""
        import pandas as pd

        rows = ([row for _, _, row in sorted(heap, key=lambda i: i[:2], reverse=True)] for heap in self._heaps)
        better, worse = (pd.DataFrame(each, columns=list(COLUMNS)) for each in rows)
        return better, worse


@dataclass(frozen=True)
class _Tally:
    """Scores by model, the further facts of each model, what changed, and how many grades could not be read."""

    scores: dict[str, np.ndarray]
    facts: dict[str, dict[str, Any]]
    changes: dict[str, _Changes]
    ungraded: int


def _score(
    data: Dataset, log: AnswerLog, scoring: Score | ModelGrader, names: Sequence[str], samples: int, n: int
) -> _Tally:
    """Read examples and answers side by side and score them."""
    scores = {name: np.full(n, np.nan) for name in names}
    counts = {name: {"refused": 0, "cut_off": 0, "prompt_tokens": 0, "completion_tokens": 0} for name in names}
    latencies: dict[str, list[float]] = {name: [0, 0.0] for name in names}
    changes = {name: _Changes() for name in names[1:]}
    ungraded = 0
    for case in read_cases(data):
        answered: dict[str, tuple[float, str]] = {}
        for name in names:
            values, text = [], ""
            for sample in range(samples):
                record = log.get(case.index, name, sample)
                if record is None:
                    continue
                _count(counts[name], latencies[name], record)
                value = _value(record, case, scoring, log)
                ungraded += value is None and isinstance(scoring, ModelGrader)
                if value is not None:
                    values.append(value)
                text = text or record.get("answer") or f"[refused: {record.get('refused')}]"
            scores[name][case.index] = np.mean(values) if len(values) == samples else np.nan
            answered[name] = (scores[name][case.index], text)
        for name, change in changes.items():
            change.add(case, answered[names[0]], answered[name])
    facts = {
        name: {**counts[name], "latency_s": latencies[name][1] / latencies[name][0] if latencies[name][0] else None}
        for name in names
    }
    return _Tally(scores, facts, changes, ungraded)


def _value(record: Mapping[str, Any], case: Case, scoring: Score | ModelGrader, log: AnswerLog) -> float | None:
    """The score of one answer; 0 for one that the service refused; None when the grader gave none."""
    if "answer" not in record:
        return 0.0
    if isinstance(scoring, Score):
        return scoring(record["answer"], case)
    graded = log.get(case.index, record["model"], record["sample"], grader_key(scoring))
    return graded["grade"] if graded else None


def _count(counts: dict[str, int], latency: list[float], record: Mapping[str, Any]) -> None:
    counts["refused"] += "refused" in record
    counts["cut_off"] += record.get("finish_reason") == "length"
    for key in ("prompt_tokens", "completion_tokens"):
        counts[key] += record.get(key) or 0
    if record.get("latency_s") is not None:
        latency[0] += 1
        latency[1] += record["latency_s"]


def _notes(missed: int, tally: _Tally, found: HeldOut, scan: _Scan) -> tuple[str, ...]:
    notes = []
    if missed:
        notes.append(f"{missed} calls failed and are missing here; the same call again asks only those.")
    if tally.ungraded:
        notes.append(f"{tally.ungraded} answers have no grade: the grader's reply held none. They are left out.")
    for name, facts in tally.facts.items():
        if facts["refused"]:
            notes.append(
                f"{name}: {facts['refused']} answers were refused by the service's content rules; they score 0."
            )
        if facts["cut_off"]:
            notes.append(f"{name}: {facts['cut_off']} answers were cut off at max_tokens; give a larger one.")
    strange = scan.systems - found.systems if found.systems else frozenset()
    if strange:
        notes.append(
            "The examples' system message is not the one the model was trained with: a tuned model does worse under "
            f"another one. Here: {min(strange)[:80]!r}; trained with: {min(found.systems)[:80]!r}."
        )
    return tuple(notes)


class _Progress:
    """A bar of the answers that have come in; nothing when it is not wanted."""

    def __init__(self, total: int, wanted: bool) -> None:
        from tqdm.auto import tqdm

        self._bar = tqdm(total=total, unit="answer", desc="evaluate", disable=not wanted)

    def __call__(self, n: int) -> None:
        self._bar.update(n)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem).strip("-").lower() or "examples"
