"""Asking deployments: one call each, many at once, every answer written down as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from openai import APIConnectionError, APIStatusError, InternalServerError, RateLimitError

from tunebook.errors import ServiceError
from tunebook.experiments.evaluation.answers import AnswerLog, identity
from tunebook.experiments.evaluation.cases import Case, comparable_text
from tunebook.experiments.evaluation.scores import ModelGrader
from tunebook.service.completions import complete, left_out
from tunebook.service.resource import Resource

# The service refuses these prompts or answers whoever asks how often: they count as answers that are useless.
_REFUSALS = {"content_filter", "content_policy_violation", "context_length_exceeded", "string_above_max_length"}
_GIVE_UP_AFTER = 20  # calls in a row that failed although the SDK has retried each: the service is down
_SDK_RETRIES = 6  # many calls at once meet the rate limit: the SDK waits as long as the service says


@dataclass(frozen=True)
class Settings:
    """How models are asked. None leaves a parameter out, as reasoning models need it for temperature.

    samples: answers per prompt and model, averaged; extra: further parameters of the chat completion.
    """

    temperature: float | None = 0.0
    seed: int | None = 0
    max_tokens: int | None = None
    samples: int = 1
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def parameters(self, sample: int) -> dict[str, Any]:
        """Of the call for this sample: each sample has its own seed."""
        seed = None if self.seed is None else self.seed + sample
        given = {"temperature": self.temperature, "seed": seed, "max_tokens": self.max_tokens, **self.extra}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Question:
    """One call: a case, put to a model, for the n-th time."""

    case: Case
    model: str
    sample: int

    @property
    def place(self) -> dict[str, Any]:
        return {"example": self.case.index, "model": self.model, "sample": self.sample}


def ask(resource: Resource, question: Question, settings: Settings, clock: Callable[[], float]) -> dict[str, Any]:
    """The answer as a record of the log. A refusal by content is one; other errors are raised."""
    started = clock()
    case = question.case
    given: dict[str, Any] = {"tools": list(case.tools)} if case.tools else {}
    asked = {"messages": list(case.messages), **given, **settings.parameters(question.sample)}
    try:
        reply = complete(resource, model=question.model, retries=_SDK_RETRIES, **asked)
    except APIStatusError as error:
        if not is_refusal(error):
            raise
        return {**question.place, "refused": f"{error.code}: {error.message}"}
    text, reason, refused = first_answer(reply)
    if refused:
        return {**question.place, "refused": refused}
    usage = reply.usage
    without = [name for name in left_out(resource, question.model) if name in asked]
    return {
        **question.place,
        **({"without": without} if without else {}),
        "answer": text,
        "finish_reason": reason,
        "latency_s": round(clock() - started, 4),
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
    }


def ask_grader(resource: Resource, question: Question, grader: ModelGrader, answer: str) -> dict[str, Any]:
    """The grade as a record of the log; `grade` is None when the grader's reply holds none."""
    messages: Any = grader.messages(question.case, answer)
    place = {**question.place, "grader": grader_key(grader)}
    try:
        reply = complete(resource, model=grader.model, retries=_SDK_RETRIES, messages=messages, temperature=0.0, seed=0)
    except APIStatusError as error:
        if not is_refusal(error):
            raise
        return {**place, "grade": None, "reason": f"The grader was refused: {error.code}."}
    text, _, refused = first_answer(reply)
    if refused:
        return {**place, "grade": None, "reason": f"The grader was refused: {refused}"}
    graded = grader.read(text)
    if graded is None:
        return {**place, "grade": None, "reason": f"The grader's reply holds no score: {text[:200]}"}
    return {**place, "grade": graded[0], "reason": graded[1]}


def first_answer(reply: Any) -> tuple[str, str | None, str]:
    """(what a reply says, its finish_reason, why it is no answer): content filters leave out text, or every choice."""
    choice = next(iter(reply.choices or ()), None)
    message = getattr(choice, "message", None)
    reason = getattr(choice, "finish_reason", None)
    text = comparable_text(message.to_dict()) if message is not None else ""
    if message is None or (not text and reason == "content_filter"):
        return "", reason, f"{reason or 'content_filter'}: the reply holds no answer."
    return text, reason, ""


def grader_key(grader: ModelGrader) -> str:
    """What grades are filed under: another instruction makes other grades."""
    return f"{grader.model}/{identity(grader.instruction)[:8]}"


def is_refusal(error: APIStatusError) -> bool:
    """Whether the service refuses this content, rather than this call or this caller."""
    return error.status_code == 400 and str(error.code) in _REFUSALS


class Asking:
    """Puts questions to deployments with `concurrency` threads, and writes what comes back to the log.

    `run` returns how many calls were missed: those that failed although the SDK retried. It raises what would fail
    for every call (no such deployment, no rights, a parameter the model does not take), and ServiceError when
    the service is down; what was answered until then stays in the log.
    """

    def __init__(
        self,
        resource: Resource,
        log: AnswerLog,
        settings: Settings,
        *,
        grader: ModelGrader | None = None,
        concurrency: int = 8,
        told: Callable[[int], object] = bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resource = resource
        self._log, self._settings, self._grader = log, settings, grader
        self._concurrency, self._told, self._clock = concurrency, told, clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._missed = self._in_a_row = 0
        self._error: BaseException | None = None

    def run(self, questions: Iterable[Question]) -> int:
        shared = iter(questions)
        threads = [
            threading.Thread(target=self._work, args=(shared,), name=f"tunebook-evaluate-{n}", daemon=True)
            for n in range(self._concurrency)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:  # Ctrl-C: calls under way are let finish, and written down
            self._stop.set()
            for thread in threads:
                thread.join()
            raise
        if self._error is not None:
            raise self._error
        return self._missed

    def _work(self, questions: Iterator[Question]) -> None:
        while not self._stop.is_set():
            try:
                with self._lock:
                    question = next(questions, None)
                if question is None:
                    return
                self._answer(question)
            except BaseException as error:
                self._fail(error)

    def _answer(self, question: Question) -> None:
        example, model, sample = question.case.index, question.model, question.sample
        try:
            if not self._log.has(example, model, sample):
                self._log.add(ask(self._resource, question, self._settings, self._clock))
            if self._grader is not None and not self._log.has(example, model, sample, grader_key(self._grader)):
                answer = (self._log.get(example, model, sample) or {}).get("answer")
                if answer is not None:
                    self._log.add(ask_grader(self._resource, question, self._grader, answer))
        except (APIConnectionError, RateLimitError, InternalServerError) as error:
            self._miss(error)
            return
        with self._lock:
            self._in_a_row = 0
            self._told(1)

    def _miss(self, error: Exception) -> None:
        with self._lock:
            self._missed += 1
            self._in_a_row += 1
            over = self._in_a_row >= _GIVE_UP_AFTER
        if over:
            stopped = ServiceError(
                f"Stopped: {_GIVE_UP_AFTER} calls in a row failed, the last with: {error}. {self._log.count()} answers "
                f"are kept in {self._log.path}; the same call again goes on from there."
            )
            stopped.__cause__ = error
            self._fail(stopped)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._error is None:
                self._error = error
        self._stop.set()
