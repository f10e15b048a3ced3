"""`try_grader`: run a grader on answers whose worth is known, before a job is trained on what it says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openai import APIStatusError

from tunebook.data import Dataset, read_dataset
from tunebook.data.rules.problem import Problem
from tunebook.errors import RequestError
from tunebook.experiments.evaluation.asking import Question as Asked
from tunebook.experiments.evaluation.asking import Settings, ask
from tunebook.experiments.evaluation.cases import read_cases
from tunebook.experiments.grading.judging import HACKABLE, judge
from tunebook.experiments.grading.probes import BASE, Probe, Question, Reference, probes, question_of
from tunebook.experiments.grading.record import COLUMNS, GraderTrial
from tunebook.graders import Item, doubts, grade, not_gradable, problems, sample_of, unfilled
from tunebook.service.refusals import error_of

if TYPE_CHECKING:
    from tunebook.service import Deployment, Workspace

Grader = Mapping[str, Any]
Grading = Callable[[Grader, Item, str], tuple[float, str]]  # (reward, what went wrong)
_LOOKED_AT = 10_000  # examples that the ones to try are drawn from


def try_grader(
    grader: Grader,
    dataset: Dataset | str | Path | Sequence[Mapping[str, Any]],
    *,
    workspace: Workspace | None = None,
    base: str | Deployment | None = None,
    against: Grader | None = None,
    reference: Reference = None,
    n: int = 20,
    samples: int = 4,
    seed: int = 0,
    hackable: float = HACKABLE,
    concurrency: int = 8,
) -> GraderTrial:
    """Run a grader on right, wrong, empty and adversarial answers, and say what would come of training with it.

    dataset: examples of reinforcement (items), or with the right answer as last message. n of them are drawn.
    workspace: its service is asked to validate the grader and to grade (about 10 calls an example; a model grader
        bills its tokens). Without one, string_check, text_similarity and multi are worked out on this machine.
    base: a deployment that answers each question `samples` times: what training would begin with.
    against: a second grader, to see whether both rank the answers alike.
    reference: a key of the item, or a function of the example: the right answer, where it cannot be guessed from what
        the grader compares with. hackable: the share of a right answer's reward that is too much for one that knows
        nothing of the question.

    Raises RequestError for a grader that would be refused as it stands, and for one that needs a workspace.

    >>> items = [{"messages": [{"role": "user", "content": text}], "label": text[-3:]} for text in ("a yes", "a no.")]
    >>> trial = tb.try_grader(tb.graders.starter("string_check", ["label"]), items)
    >>> trial.ok, trial.ceiling, trial.floor
    (True, 1.0, 0.0)
    """
    data = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
    graders = [grader] if against is None else [grader, against]
    for each in graders:
        _refuse(each, data, alone=workspace is None)
    if base is not None and workspace is None:
        raise RequestError(f"base={base!r} is a deployment: give the workspace that has it.")
    questions = [question_of(case, grader, reference) for case in _drawn(data, n, seed)]
    if not questions:
        raise RequestError(f"{data.name} holds no example to try the grader on.")
    found = [_finding(told) for each in graders for told in doubts(each)]
    if workspace is not None:
        found += [
            Problem(None, "", "refused", "error", "", told, "Mend the grader.") for told in _refused(workspace, graders)
        ]
    tried = [*probes(questions, seed=seed), *_answers(workspace, base, questions, samples, seed, concurrency)]
    if any(finding.rule == "refused" for finding in found):
        tried = []
    grading, graded_by = (_here, "on this machine") if workspace is None else (_at(workspace), f"by {workspace.name}")
    frame = _frame(tried, graders, grading, concurrency)
    return GraderTrial(
        name=str(grader.get("name") or grader["type"]),
        dataset=data.name,
        grader=grader,
        frame=frame,
        findings=(*found, *judge(frame, hackable=hackable)),
        graded_by=graded_by,
    )


def _refuse(grader: Grader, data: Dataset, *, alone: bool) -> None:
    wrong = list(problems(grader)) or [
        f"{{{{{path}}}}} is in no example of {data.name}" for path in unfilled(grader, _items(data))
    ]
    if wrong:
        raise RequestError(f"This grader would be refused. {'. '.join(wrong)}.")
    if alone and (elsewhere := next(not_gradable(grader), None)):
        raise RequestError(f"{elsewhere}. Give workspace=, whose service grades it.")


def _items(data: Dataset) -> Iterator[Item]:
    from tunebook.graders.templates import item_of

    return (item_of(case.example) for case in read_cases(data))


def _drawn(data: Dataset, n: int, seed: int) -> list[Any]:
    """n cases, drawn from the first ten thousand, in the file's order."""
    cases = list(islice(read_cases(data), _LOOKED_AT))
    chance = random.Random(seed)  # noqa: S311 - a choice of examples, no secret
    return cases if len(cases) <= n else sorted(chance.sample(cases, n), key=lambda case: case.index)


def _refused(workspace: Workspace, graders: Sequence[Grader]) -> Iterator[str]:
    """What the service itself says against the graders."""
    for grader in graders:
        try:
            workspace.client.fine_tuning.alpha.graders.validate(grader=dict(grader))  # type: ignore[arg-type]
        except APIStatusError as error:
            if error.status_code not in (400, 422):
                raise
            yield f"The service refuses {grader.get('name') or grader['type']}: {error_of(error)[2]}"


def _finding(told: str) -> Problem:
    return Problem(None, "", "doubtful-grader", "warning", "", f"{told}.", "Look again before it trains a model.")


def _answers(
    workspace: Workspace | None, base: Any, questions: Sequence[Question], samples: int, seed: int, concurrency: int
) -> list[Probe]:
    """The base deployment's answers, sampled as training samples them; those it refuses to give are left out."""
    if workspace is None or base is None:
        return []
    model = base if isinstance(base, str) else base.name
    settings = Settings(temperature=1.0, seed=seed, samples=samples)
    asked = [(question, Asked(question.case, model, sample)) for question in questions for sample in range(samples)]
    with ThreadPoolExecutor(concurrency) as threads:
        replies = threads.map(lambda each: ask(workspace, each[1], settings, lambda: 0.0), asked)
        return [
            Probe(BASE, q, str(reply["answer"]))
            for (q, _), reply in zip(asked, replies, strict=True)
            if "answer" in reply
        ]


def _frame(tried: Sequence[Probe], graders: Sequence[Grader], grading: Grading, concurrency: int) -> Any:
    import pandas as pd

    with ThreadPoolExecutor(concurrency) as threads:
        graded = [
            list(threads.map(lambda probe, by=grader: grading(by, probe.question.item, probe.answer), tried))
            for grader in graders
        ]
    rows = [
        (probe.kind, probe.question.case.index + 1, probe.answer, *found)
        for probe, found in zip(tried, graded[0], strict=True)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.assign(against=[reward for reward, _ in graded[1]]) if len(graders) > 1 else frame


def _here(grader: Grader, item: Item, answer: str) -> tuple[float, str]:
    result = grade(grader, item, sample_of(answer))
    return result.reward, result.problem or ""


def _at(workspace: Workspace) -> Grading:
    """Grading by the service; what it refuses of one answer is that answer's problem."""

    def graded(grader: Grader, item: Item, answer: str) -> tuple[float, str]:
        api = workspace.client.fine_tuning.alpha.graders
        try:
            reply = api.run(grader=dict(grader), model_sample=answer, item=dict(item))  # type: ignore[arg-type]
        except APIStatusError as error:
            if error.status_code not in (400, 422):
                raise
            return 0.0, error_of(error)[2]
        flags = reply.metadata.errors.to_dict()
        wrong = [name for name, value in flags.items() if value is True]
        details = [str(value) for name, value in flags.items() if name.endswith("_details") and value]
        return float(reply.reward), "; ".join(details or [name.replace("_", " ") for name in wrong])

    return graded
