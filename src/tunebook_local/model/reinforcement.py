"""Reinforcement fine-tuning: sample answers, grade them, make the better ones more likely.

The gradient is REINFORCE (Williams 1992); the baseline of an answer is the mean reward of all answers sampled
to the same question. The model has no hidden reasoning, so its reasoning tokens are 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook.graders import GraderResult, Means, grade, sample_of
from tunebook.graders.rules import not_gradable, parts_of, problems
from tunebook.graders.templates import item_of
from tunebook_local.model.answers import Answer, AnswerSet, Prompt, read_prompt
from tunebook_local.model.language_model import WINDOW, Adam, Gradients, LanguageModel, sum_gradients
from tunebook_local.model.messages import read_tool_calls, tools_of
from tunebook_local.model.objective import Objective, Row
from tunebook_local.model.sampling import sample_answers
from tunebook_local.model.tokenizer import END

ANSWERS_PER_QUESTION = 8  # at a compute_multiplier of 1
MAX_TOKENS = 128  # of a sampled answer
EVALUATIONS = 10  # in a whole job, when eval_interval is left to the service

_UNSAFE = re.compile(r"[^\w.:-]")
_ERRORS = ("sample_parse_error", "invalid_variable_error", "formula_parse_error", "other_error")
_ERRORS_OF = {
    "python": ("python_grader_runtime_error", "python_grader_server_error"),
    "score_model": ("model_grader_parse_error", "model_grader_server_error"),
}


def columns(grader: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The header: a reinforcement job has no loss; more is better. As today's files have it, the durations blank."""
    per_grader = [
        column
        for name, kind in _kinds(grader).items()
        for column in (
            *(_score(kind, name, split) for split in ("train", "valid")),
            *(_error(kind, name, split, error) for split in ("train", "valid") for error in _errors(kind)),
        )
    ]
    return (
        "step",
        "train_mean_reward",
        "full_valid_mean_reward",
        "completion_tokens_mean",
        "reasoning_tokens_mean",
        "mean_unresponsive_rewards",
        *(f"{what}_duration" for what in ("sampling", "training", "eval", "total")),
        *per_grader,
        "timestamp",
    )


def _kinds(grader: Mapping[str, Any] | None) -> dict[str, str]:
    """The graders that get columns, each with its type: the grader itself, then the parts of a multi grader."""
    if not grader:
        return {}
    parts = parts_of(grader) if grader.get("type") == "multi" else {}
    own = {str(grader.get("name") or grader.get("type")): str(grader.get("type"))}
    return own | {name: str(part.get("type")) for name, part in parts.items() if name not in own}


def _errors(kind: str) -> tuple[str, ...]:
    return (*_ERRORS, *_ERRORS_OF.get(kind, ()))


def _score(kind: str, name: str, split: str) -> str:
    """The column of a grader's rewards; a name cannot break the line it stands in."""
    return f"scores/graders/{kind}/{_UNSAFE.sub('_', name)}/{split}_reward_mean"


def _error(kind: str, name: str, split: str, error: str) -> str:
    """The column of how often, of all answers, a grader could not grade."""
    return f"errors/graders/{kind}/{_UNSAFE.sub('_', name)}/errors/{split}_{error}_mean"


@dataclass(frozen=True)
class Samples:
    """Answers sampled and graded: all of the first question, then all of the next, …"""

    answers: Sequence[Answer]
    graded: Sequence[GraderResult]

    @property
    def rewards(self) -> NDArray[np.float64]:
        return np.array([result.reward for result in self.graded])

    def graded_by(self, name: str) -> list[GraderResult]:
        """What one part of a multi grader found, or the grader itself when `name` is no part."""
        return [result.parts.get(name, result) for result in self.graded]

    def tokens_mean(self) -> float:
        return float(np.mean([len(answer.tokens) for answer in self.answers]))

    def unresponsive(self) -> float:
        """Share that said nothing or did not come to an end."""
        return float(np.mean([len(a.tokens) == 1 or a.tokens[-1] != END for a in self.answers]))


class Reinforcement(Objective):
    """The objective of reinforcement fine-tuning; its columns are `columns(grader)`.

    `compute_multiplier` scales how many answers are sampled to a question, `eval_interval` is the number of
    steps between two passes over the validation file, `eval_samples` how many answers each of its questions
    then gets.
    """

    def __init__(
        self,
        model: LanguageModel,
        examples: Sequence[Mapping[str, Any]],
        validation: Sequence[Mapping[str, Any]],
        *,
        grader: Mapping[str, Any] | None,
        means: Means | None = None,
        compute_multiplier: float,
        eval_interval: int,
        eval_samples: int,
    ) -> None:
        if grader is None or (wrong := [*problems(grader), *not_gradable(grader, means or {})]):
            raise ValueError("a grader is needed" if grader is None else "; ".join(wrong))
        self.model, self.grader, self.means = model, grader, means
        self.examples, self.validation = examples, validation
        self.prompts = [_prompt(example) for example in examples]
        self.valid_prompts = [_prompt(example) for example in validation]
        self.per_question = max(2, round(ANSWERS_PER_QUESTION * compute_multiplier))
        self.eval_interval, self.eval_samples = eval_interval, eval_samples
        self.columns = columns(grader)

    def train_on(self, chosen: NDArray[np.int64], optimiser: Adam, learning_rate: float, seed: list[int]) -> Row:
        """Sample, grade and learn once; the figures are those of the sampled answers."""
        samples = self._sample(self.examples, self.prompts, chosen, self.per_question, seed)
        rewards = samples.rewards
        by_question = rewards.reshape(-1, self.per_question)
        advantages = (by_question - by_question.mean(axis=1, keepdims=True)).ravel()
        if np.any(advantages):
            gradients = self._gradients(samples.answers, advantages / len(advantages))
            optimiser.update(self.model.weights, gradients, learning_rate)
        row: Row = {
            "train_mean_reward": float(rewards.mean()),
            "completion_tokens_mean": samples.tokens_mean(),
            "reasoning_tokens_mean": 0.0,
            "mean_unresponsive_rewards": samples.unresponsive(),
        }
        return row | self._by_grader(samples, "train")

    def validate(self, kind: str, chosen: NDArray[np.int64], seed: list[int]) -> Row:
        """Nothing for a batch: rewards are too noisy for it. For the whole file, its mean rewards."""
        if kind != "full_valid":
            return {}
        samples = self._sample(self.validation, self.valid_prompts, chosen, self.eval_samples, seed)
        return {"full_valid_mean_reward": float(samples.rewards.mean()), **self._by_grader(samples, "valid")}

    def _by_grader(self, samples: Samples, split: str) -> Row:
        row: Row = {}
        for name, kind in _kinds(self.grader).items():
            graded = samples.graded_by(name)
            row[_score(kind, name, split)] = float(np.mean([result.reward for result in graded]))
            for error in _errors(kind):
                row[_error(kind, name, split, error)] = float(np.mean([bool(each.errors[error]) for each in graded]))
        return row

    def validates_all(self, step: int) -> bool:
        return step % self.eval_interval == 0

    def _sample(
        self,
        examples: Sequence[Mapping[str, Any]],
        prompts: Sequence[Prompt],
        chosen: NDArray[np.int64],
        per_question: int,
        seed: list[int],
    ) -> Samples:
        questions = np.repeat(chosen, per_question).tolist()
        answers = sample_answers(
            self.model, [prompts[i] for i in questions], max_tokens=MAX_TOKENS, rng=np.random.default_rng(seed)
        )
        graded = [
            self._grade(examples[i], self.model.tokenizer.decode(answer.tokens))
            for i, answer in zip(questions, answers, strict=True)
        ]
        return Samples(answers, graded)

    def _grade(self, example: Mapping[str, Any], text: str) -> GraderResult:
        return grade(self.grader, item_of(example), sample_of(text, read_tool_calls(text)), self.means)

    def _gradients(self, answers: Sequence[Answer], advantages: NDArray[np.float64]) -> Gradients:
        """Of minus the mean of advantage x log p, over the answers that are better or worse than their like."""
        counted = np.flatnonzero(advantages)
        data = AnswerSet([answers[i] for i in counted.tolist()], WINDOW)
        by_answer = advantages[counted]
        gradients = sum_gradients(
            self.model.gradients(
                self.model.forward(batch), np.repeat(by_answer[batch.owners], batch.lengths).astype(np.float32)
            )
            for batch in data.batches(np.arange(len(counted)))
        )
        assert gradients is not None  # noqa: S101 - called when some advantage is not 0
        return gradients


def _prompt(example: Mapping[str, Any]) -> Prompt:
    return read_prompt(example.get("messages") or [], tools_of(example))
