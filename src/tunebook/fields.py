"""The settings of a fine-tuning job: one table, from which everything that knows them follows.

A row of `JobFields` is a typed attribute of `tunebook.JobRequest`, and its `Setting` says the rest: which values it
takes, which methods have it, where it stands in the request, and what the form calls it. The request's checks and its
body, the form's fields, notes and values, what a sweep can vary, and the scales of a response surface are read from
here, so that a new hyperparameter of the API is one row. (The embedded service reads requests by rules of its own.)

Ranges are those of the published OpenAPI description; l2_multiplier stands in Microsoft's guide to DPO alone, which
gives it no range.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from math import inf
from typing import Any, Literal, TypeAlias

from tunebook import graders
from tunebook.catalogue import Catalogue
from tunebook.graders import episodes

Method = Literal["supervised", "dpo", "reinforcement"]
Auto = Literal["auto"]
METHODS: tuple[Method, ...] = ("supervised", "dpo", "reinforcement")
DPO: tuple[Method, ...] = ("dpo",)
REINFORCEMENT: tuple[Method, ...] = ("reinforcement",)

_SUFFIX = re.compile(r"[A-Za-z0-9_-]+")


# What a setting takes. `problems` says what is wrong with a value; limits that change are the catalogue's.


@dataclass(frozen=True)
class Number:
    """A number, whole or any: above `low` (whole ones from it on, others with `closed`), at most `high` (or the
    catalogue's limit of that name). With `auto`, the word "auto" leaves it to the service; without, None does."""

    whole: bool = False
    low: float = 0
    high: float | str = inf
    auto: bool = True
    closed: bool = False

    def problems(self, value: Any, facts: Catalogue) -> list[str]:
        high = facts.limit(self.high) if isinstance(self.high, str) else self.high
        if self._holds(value, high):
            return []
        left = '"auto"' if self.auto else "None"
        return [f"{value!r} is not {self._range(high)}. Give one, or {left}."]

    def _holds(self, value: Any, high: float) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return (self.low <= value if self.whole or self.closed else self.low < value) and value <= high and value != inf

    def _range(self, high: float) -> str:
        if not self.whole:
            return f"a number {'of at least' if self.closed else 'above'} {self.low:g}" + (
                f", at most {high:g}" if high < inf else ""
            )
        return (
            f"a whole number from {self.low:g} to {high:.0f}"
            if high < inf
            else f"a whole number of at least {self.low}"
        )


@dataclass(frozen=True)
class Choice:
    """One of these words."""

    options: tuple[str, ...]

    def problems(self, value: Any, facts: Catalogue) -> list[str]:
        del facts
        return [] if value in self.options else [f"{value!r} is not one of {', '.join(self.options)}."]


@dataclass(frozen=True)
class Tier:
    """A training type of the catalogue, in any of its spellings, or a newer one."""

    def problems(self, value: Any, facts: Catalogue) -> list[str]:
        del facts
        return [] if isinstance(value, str) else [f"{value!r} is not the name of a training type."]

    def doubts(self, value: Any, facts: Catalogue) -> list[str]:
        if facts.training_type(value):
            return []
        tiers = ", ".join(tier.id for tier in facts.training_types)
        return [f"{value!r} is none of {tiers}, which the catalogue of {facts.as_of} knows: the service may refuse it."]


@dataclass(frozen=True)
class Text:
    """Any text. With `longest`, the catalogue's limit of that name, it becomes a part of the model's name."""

    longest: str = ""

    def problems(self, value: Any, facts: Catalogue) -> list[str]:
        if not isinstance(value, str):
            return [f"{value!r} is no text."]
        if not self.longest:
            return []
        longest = facts.most(self.longest)
        if _SUFFIX.fullmatch(value) and len(value) <= longest:
            return []
        return [f"{value!r} has to be 1 to {longest} characters of a-z, A-Z, 0-9, - and _ (no dot)."]

    def doubts(self, value: Any, facts: Catalogue) -> list[str]:
        limit = facts.limits.get(self.longest)
        if (
            limit is None
            or limit.elsewhere is None
            or not isinstance(value, str)
            or not limit.value < len(value) <= facts.most(self.longest)
        ):
            return []
        pages = (f"{page.value:g} by {page.source} ({page.dated})" for page in (limit, limit.elsewhere))
        return [f"{len(value)} characters are more than one of two pages allows: {', '.join(pages)}."]


@dataclass(frozen=True)
class BaseModel(Text):
    """The name of a model, one of the catalogue's or another."""


@dataclass(frozen=True)
class MethodName(Text):
    """The name of a method; which of them a model has is the catalogue's."""


@dataclass(frozen=True)
class File(Text):
    """The id of an uploaded file."""


@dataclass(frozen=True)
class Json:
    """An object of JSON, or with `many` a list of them. `refused` and `doubted` say what is wrong with one."""

    what: str
    refused: Callable[[Any], Iterable[str]]
    doubted: Callable[[Any], Iterable[str]] = lambda _: ()
    many: bool = False

    def problems(self, value: Any, facts: Catalogue) -> list[str]:
        del facts
        return list(self.refused(value))


@dataclass(frozen=True)
class Pairs:
    """Names and texts, as many and as long as the catalogue's limits for metadata allow."""

    def problems(self, value: Any, facts: Catalogue) -> list[str]:
        if not isinstance(value, Mapping):
            return [f"{value!r} is no object of names and texts."]
        pairs, key_length, value_length = (
            facts.limit(f"metadata_{name}") for name in ("pairs", "key_characters", "value_characters")
        )
        problems = [f"{len(value)} pairs are given; {pairs} are the most."] if len(value) > pairs else []
        return problems + [
            f"{str(key)[:20]!r}: a key has at most {key_length} characters, a value {value_length}."
            for key, text in value.items()
            if len(str(key)) > key_length or len(str(text)) > value_length
        ]


Kind: TypeAlias = Number | Choice | Tier | Text | Json | Pairs


@dataclass(frozen=True)
class Setting:
    """What is known of one setting.

    methods: which have it; with others it is not sent. place: where it stands in the request, under `wire`: in its
    `body`, in the object of its `method`, or in the `hyperparameters` of that. group, label, placeholder and advice are
    the form's; short is the label where there is little room; advice names limits of the catalogue as {name}. advised:
    the limits between which the documentation advises to begin. needed: what is said where a method of `needed_by` has
    none. swept: a sweep can vary it. log_scaled: swept over factors, so that its effect is even on a log scale
    (doubling, not adding).
    """

    kind: Kind
    name: str = ""
    group: str = "Hyperparameters"
    label: str = ""
    short: str = ""
    placeholder: str = "auto"
    advice: str = ""
    methods: tuple[str, ...] = METHODS
    place: Literal["body", "method", "hyperparameters"] = "hyperparameters"
    wire: str = ""
    advised: tuple[str, str] | None = None
    needed_by: tuple[str, ...] = ()
    needed: str = "nothing is given; it is required."
    swept: bool = True
    log_scaled: bool = False

    def advice_of(self, facts: Catalogue) -> str:
        """The advice, with the limits it names."""
        return self.advice.format(**{name: limit.value for name, limit in facts.limits.items()})

    def belongs(self, method: str) -> bool:
        """Whether jobs of `method` have it; a method that is not known has what every method has."""
        return method in self.methods or self.methods == METHODS

    def problems(self, value: Any, method: str, facts: Catalogue) -> list[str]:
        """Why the service would refuse this value in a job of `method`."""
        if not self.belongs(method):
            return []
        if method in self.needed_by and not value:
            return [self.needed]
        return [] if left_out(value) else self.kind.problems(value, facts)

    def doubts(self, value: Any, method: str, facts: Catalogue) -> list[str]:
        """Why this value is worth a second look."""
        if left_out(value):
            return []
        if not self.belongs(method):
            return [f"belongs to {' and '.join(self.methods)}; with {method} it is not sent."]
        if isinstance(self.kind, Json):
            return list(self.kind.doubted(value))
        if isinstance(self.kind, Tier | Text) and not self.kind.problems(value, facts):
            return self.kind.doubts(value, facts)
        if self.advised and isinstance(value, int | float):
            low, high = (facts.limits[name].value for name in self.advised)
            if not low <= value <= high:
                return [f"{value:g} is outside {low:g} to {high:g}, where the documentation advises to begin."]
        return []


def left_out(value: Any) -> bool:
    """Whether a value leaves the setting to the service: then it is not sent."""
    return value is None or (isinstance(value, str) and value == "auto") or value in ({}, [])


def _row(kind: Kind, **known: Any) -> Mapping[str, Setting]:
    return {"setting": Setting(kind, **known)}


def _hyperparameter(kind: Kind, *, default: Any = "auto", **known: Any) -> Any:
    """A row that is left to the service unless it is given."""
    return field(default=default, metadata=_row(kind, **known))


def _top(
    kind: Kind, group: str, *, default: Any = None, swept: bool = False, placeholder: str = "", **known: Any
) -> Any:
    """A row that is no hyperparameter, but stands in the body of the request."""
    return field(
        default=default,
        metadata=_row(kind, group=group, place="body", swept=swept, placeholder=placeholder, **known),
    )


def _grader_problems(grader: Any) -> list[str]:
    return [f"{told.removeprefix('grader.')}." for told in graders.problems(grader)]


def _grader_doubts(grader: Any) -> list[str]:
    return [f"{told.removeprefix('grader.')}." for told in graders.doubts(grader)]


@dataclass(frozen=True, kw_only=True)
class JobFields:
    """The table: one attribute a setting, in the order of the form."""

    # ruff: noqa: RUF009 - each of these calls makes a dataclass field
    model: str = field(metadata=_row(BaseModel(), group="Model", place="body", label="base model", needed_by=METHODS))
    training_file: str = field(metadata=_row(File(), group="Files", place="body", needed_by=METHODS))
    validation_file: str | None = _top(
        File(), "Files", needed_by=REINFORCEMENT, needed="reinforcement needs one. Upload it and give its id."
    )
    n_epochs: int | Auto = _hyperparameter(
        Number(whole=True, low=1, high=50),
        short="epochs",
        advice="Passes over the file. More fit closer, and overfit sooner.",
    )
    batch_size: int | Auto = _hyperparameter(
        Number(whole=True, low=1, high=256),
        short="batch",
        advice="Examples a step. Larger suits larger files: fewer, calmer updates.",
        log_scaled=True,
    )
    learning_rate_multiplier: float | Auto = _hyperparameter(
        Number(),
        short="rate",
        advised=("learning_rate_multiplier_low", "learning_rate_multiplier_high"),
        advice="Try {learning_rate_multiplier_low:g} to {learning_rate_multiplier_high:g}; "
        "smaller can avoid overfitting.",
        log_scaled=True,
    )
    prompt_loss_weight: float | Auto = _hyperparameter(
        Number(closed=True),
        methods=("supervised",),
        advice="How much the prompt's own tokens count in the loss, beside the answer's.",
    )
    beta: float | Auto = _hyperparameter(
        Number(high=2),
        methods=DPO,
        advice="How close to stay to the base model: above 0, at most 2; 0.1 is usual.",
        log_scaled=True,
    )
    l2_multiplier: float | Auto = _hyperparameter(
        Number(),
        methods=DPO,
        place="method",  # where Microsoft's guide to DPO puts it
        advice="Pull of the weights towards zero; larger holds the model back more.",
        log_scaled=True,
    )
    grader: Mapping[str, Any] | None = _hyperparameter(
        Json("a grader", _grader_problems, _grader_doubts),
        default=None,
        methods=REINFORCEMENT,
        place="method",
        placeholder='{"type": "string_check", …}',
        advice="JSON of one grader; multi combines several. "
        "{{{{item.…}}}} and {{{{sample.output_text}}}} are filled in.",
        needed_by=REINFORCEMENT,
        needed='reinforcement needs one, e.g. {"type": "string_check", …}.',
        swept=False,
    )
    response_format: Mapping[str, Any] | None = _hyperparameter(
        Json("a response format", episodes.format_problems, episodes.format_doubts),
        default=None,
        methods=REINFORCEMENT,
        place="method",
        placeholder='{"type": "json_schema", "json_schema": {…}}',
        advice="The JSON Schema of an answer; {{{{sample.output_json.…}}}} reads it. Without one, answers are text.",
        swept=False,
    )
    tools: Sequence[Mapping[str, Any]] | None = _hyperparameter(
        Json("a list of tools", episodes.tool_problems, many=True),
        default=None,
        methods=REINFORCEMENT,
        place="method",
        placeholder='[{"name": "search", "server_url": "https://…"}]',
        advice="Tools the model may call while it answers; each call goes to server_url. Approval is needed.",
        swept=False,
    )
    max_episode_steps: int | None = _hyperparameter(
        Number(whole=True, low=1, auto=False),
        default=None,
        methods=REINFORCEMENT,
        place="method",
        placeholder="left to the service",
        advice="Calls of tools an answer may take at most.",
        swept=False,
    )
    reasoning_effort: str | None = _hyperparameter(
        Choice(("default", "low", "medium", "high")),
        default=None,
        methods=REINFORCEMENT,
        advice="How long the model may think while it is trained.",
    )
    compute_multiplier: float | Auto = _hyperparameter(
        Number(low=1e-5, high=10),
        methods=REINFORCEMENT,
        advice="Compute spent on exploring answers: at most 10. More costs more.",
    )
    eval_interval: int | Auto = _hyperparameter(
        Number(whole=True, low=1),
        methods=REINFORCEMENT,
        advice="Training steps between two evaluations on the validation file.",
    )
    eval_samples: int | Auto = _hyperparameter(
        Number(whole=True, low=1), methods=REINFORCEMENT, advice="Answers sampled to each question of an evaluation."
    )
    seed: int | None = _top(
        Number(whole=True, high="seed_maximum", auto=False),
        "Hyperparameters",
        placeholder="chosen by the service",
        advice="The same seed and settings should give the same model.",
    )
    suffix: str | None = _top(
        Text(longest="suffix_characters"),
        "Name and notes",
        placeholder="e.g. support-v1",
        advice="Ends the model's name; letters, digits, - and _.",
    )
    method: Method = _top(MethodName(), "Model", default="supervised")
    training_type: str | None = _top(Tier(), "Model", label="training type", wire="trainingType", swept=True)
    integrations: Sequence[Mapping[str, Any]] | None = _top(
        Json("a list of integrations", episodes.integration_problems, many=True),
        "Name and notes",
        placeholder='[{"type": "wandb", "wandb": {"project": "…"}}]',
        advice="Where the service reports to as well: a project of Weights & Biases.",
    )
    metadata: Mapping[str, str] | None = _top(
        Pairs(),
        "Name and notes",
        placeholder="team = support",
        advice="key = value, one a line; up to {metadata_pairs:g}.",
    )


@cache
def settings() -> Mapping[str, Setting]:
    """The table by name."""
    rows = ((f.name, f.metadata["setting"]) for f in fields(JobFields))
    return {name: replace(row, name=name, label=row.label or name, wire=row.wire or name) for name, row in rows}


def short_names() -> Mapping[str, str]:
    """Setting -> its short name, of those that have one."""
    return {name: setting.short for name, setting in settings().items() if setting.short}


def log_scaled() -> frozenset[str]:
    """The settings that are swept over factors."""
    return frozenset(name for name, setting in settings().items() if setting.log_scaled)
