"""Evaluating deployments on the same examples: ask, write down, score, compare.

In memory are only the scores and where in the file each answer stands; examples and answers are read one at a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from tunebook.data import Dataset, read_dataset
from tunebook.errors import RequestError
from tunebook.experiments.evaluation.answers import AnswerLog, identity
from tunebook.experiments.evaluation.asking import Asking, Question, Settings
from tunebook.experiments.evaluation.cases import Case, canonical_json, read_cases
from tunebook.experiments.evaluation.held_out import HeldOut, look_for, served_model
from tunebook.experiments.evaluation.record import Evaluation
from tunebook.experiments.evaluation.scores import ModelGrader, Score, score_of
from tunebook.experiments.evaluation.summary import summarise
from tunebook.experiments.evaluation.tally import Tally, tally

if TYPE_CHECKING:
    from tunebook.service import Deployment, Workspace

_FOLDER = Path("evaluations")


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
    seen = look_for(workspace, scan.keys, served.values())
    if held_out:
        _refuse_leaks(data.name, seen)
    digest = identity(scan.digest, served, settings.to_json())
    header = {
        "dataset": data.name,
        "examples": scan.n,
        "models": served,
        "settings": settings.to_json(),
        "identity": digest,
    }
    file = Path(path) if path is not None else _FOLDER / f"{_slug(data.name)}-{digest[:12]}.jsonl"
    grader = scoring if isinstance(scoring, ModelGrader) else None
    calls = scan.n * len(names) * samples
    with AnswerLog(file, header, n=scan.n, models=tuple(names), samples=samples) as log:
        with tqdm(total=calls, unit="answer", desc="evaluate", disable=not progress) as bar:
            asking = Asking(workspace, log, settings, grader=grader, concurrency=concurrency, told=bar.update)
            missed = asking.run(_questions(data, names, samples))
        answers = tally(data, log, scoring, names, samples=samples, n=scan.n)
    return summarise(
        score=scoring.name,
        dataset=data.name,
        models={name: {"served": served[name], **model.facts} for name, model in answers.models.items()},
        scores={name: model.scores for name, model in answers.models.items()},
        changed={name: changes.frames() for name, changes in answers.changes.items()},
        path=file,
        clusters=scan.clusters,
        held_out=seen,
        notes=_notes(missed, answers, scan.systems, seen.systems),
    )


def _refuse_leaks(name: str, seen: HeldOut) -> None:
    if seen.leaks:
        raise RequestError(
            f"{name} is not held out. {' '.join(map(str, seen.leaks))} A score on it says how well the model "
            "learned it, not how good it is. Give examples the job has not seen, or held_out=False to evaluate anyway."
        )


def _dataset(given: Any) -> Dataset:
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
    label = _labelling(source)
    for case in read_cases(data):
        keys.append(case.key)
        systems.add(case.system)
        labels.append(label(case))
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
    own = len(set(map(str, labels))) == len(labels)
    return _Scan(len(keys), frozenset(keys), frozenset(systems), None if own else labels, digest.hexdigest())


def _labelling(source: str | Callable[[Mapping[str, Any]], Any] | None) -> Callable[[Case], Any]:
    """What names the source of a case: by default what it asks."""
    if source is None:
        return lambda case: case.key
    if callable(source):
        return lambda case: source(case.example)
    return lambda case: case.example.get(source)


def _questions(data: Dataset, names: Sequence[str], samples: int) -> Iterator[Question]:
    """Example by example, so that an interrupted evaluation has whole pairs."""
    for case in read_cases(data):
        for name in names:
            for sample in range(samples):
                yield Question(case, name, sample)


def _notes(missed: int, answers: Tally, systems: frozenset[str], trained_with: frozenset[str]) -> tuple[str, ...]:
    notes = []
    if missed:
        notes.append(f"{missed} calls failed and are missing here; the same call again asks only those.")
    ungraded = sum(model.ungraded for model in answers.models.values())
    if ungraded:
        notes.append(f"{ungraded} answers have no grade: the grader's reply held none. They are left out.")
    for name, model in answers.models.items():
        if model.refused:
            notes.append(f"{name}: {model.refused} answers were refused by the service's content rules; they score 0.")
        if model.without:
            notes.append(f"{name}: the model does not take {' and '.join(sorted(model.without))}; asked without.")
        if model.cut_off:
            notes.append(f"{name}: {model.cut_off} answers were cut off at max_tokens; give a larger one.")
    strange = systems - trained_with if trained_with else frozenset()
    if strange:
        notes.append(
            "The examples' system message is not the one the model was trained with: a tuned model does worse under "
            f"another one. Here: {min(strange)[:80]!r}; trained with: {min(trained_with)[:80]!r}."
        )
    return tuple(notes)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem)[:60].strip("-").lower() or "examples"
