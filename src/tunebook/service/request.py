"""What to ask of the service: a job request, checked here before anything is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from html import escape
from math import inf
from typing import Any, Literal

from tunebook.catalogue import Catalogue, load_catalogue

Method = Literal["supervised", "dpo", "reinforcement"]
Auto = Literal["auto"]

_SUFFIX = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class _Range:
    """The numbers a hyperparameter takes: whole ones or any, above `low` (whole ones: from it on), at most `high`."""

    whole: bool
    low: float
    high: float = inf

    def holds(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return (self.low <= value if self.whole else self.low < value) and value <= self.high and value != inf

    def __str__(self) -> str:
        if self.whole:
            return (
                f"a whole number from {self.low:g} to {self.high:g}"
                if self.high < inf
                else (f"a whole number of at least {self.low:g}")
            )
        return f"a number above {self.low:g}" + (f", at most {self.high:g}" if self.high < inf else "")


# Which hyperparameters a method has, by the names of the API, and their ranges in the published OpenAPI description.
# l2_multiplier stands in Microsoft's guide to DPO alone, which gives it no range.
_EVERY = {
    "n_epochs": _Range(True, 1, 50),
    "batch_size": _Range(True, 1, 256),
    "learning_rate_multiplier": _Range(False, 0),
}
HYPERPARAMETERS: Mapping[str, Mapping[str, _Range]] = {
    "supervised": _EVERY,
    "dpo": _EVERY | {"beta": _Range(False, 0, 2), "l2_multiplier": _Range(False, 0)},
    "reinforcement": _EVERY
    | {
        "compute_multiplier": _Range(False, 1e-5, 10),
        "eval_interval": _Range(True, 1),
        "eval_samples": _Range(True, 1),
    },
}
EFFORTS = ("default", "low", "medium", "high")
# Fields that only some methods have, and which.
_OWN = {
    name: tuple(method for method, names in HYPERPARAMETERS.items() if name in names)
    for name in ("beta", "l2_multiplier", "compute_multiplier", "eval_interval", "eval_samples")
} | dict.fromkeys(("grader", "reasoning_effort"), ("reinforcement",))


@dataclass(frozen=True)
class RequestProblem:
    """One thing about a request: the field, how bad (`error`: refused; `warning`), what, and what to do.

    >>> problem, = tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", n_epochs=0).problems()
    >>> problem.field, problem.severity
    ('n_epochs', 'error')
    """

    field: str
    severity: Literal["error", "warning"]
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A fine-tuning job as it will be asked for. The fields have the API's names and meanings.

    n_epochs, batch_size (examples a step) and learning_rate_multiplier are numbers, or `"auto"` for the
    service's choice. beta and l2_multiplier belong to `dpo`; grader, reasoning_effort (default, low, medium, high),
    compute_multiplier, eval_interval (steps) and eval_samples (answers a question) to `reinforcement`; where they do
    not belong they are not sent. training_type is `Standard`, `GlobalStandard` or `Developer`; None leaves it to the
    service (Standard). `extra` holds further keys of the request body.

    >>> tb.JobRequest(model="gpt-4.1-mini", training_file="file-1", n_epochs=2).to_json()["method"]["type"]
    'supervised'
    """

    model: str
    training_file: str
    validation_file: str | None = None
    n_epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate_multiplier: float | Auto = "auto"
    seed: int | None = None
    suffix: str | None = None
    method: Method = "supervised"
    training_type: str | None = None
    metadata: Mapping[str, str] | None = None
    beta: float | Auto = "auto"
    l2_multiplier: float | Auto = "auto"
    grader: Mapping[str, Any] | None = None
    reasoning_effort: str | None = None
    compute_multiplier: float | Auto = "auto"
    eval_interval: int | Auto = "auto"
    eval_samples: int | Auto = "auto"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The hyperparameters that are not left to the service."""
        names = HYPERPARAMETERS.get(self.method, _EVERY)
        given = {name: value for name in names if (value := getattr(self, name)) != "auto"}
        if self.method == "reinforcement" and self.reasoning_effort is not None:
            given["reasoning_effort"] = self.reasoning_effort
        return given

    def to_json(self) -> dict[str, Any]:
        """The body of `POST /fine_tuning/jobs`; what is left to the service is left out.

        >>> tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", seed=1).to_json()
        {'model': 'gpt-4.1-nano', 'training_file': 'file-1', 'seed': 1,
         'method': {'type': 'supervised', 'supervised': {}}}
        """
        settings: dict[str, Any] = {}
        numbers = self.hyperparameters
        beside = {"l2_multiplier": numbers.pop("l2_multiplier")} if "l2_multiplier" in numbers else {}
        if numbers:
            settings["hyperparameters"] = numbers
        settings |= beside  # where Microsoft's guide to DPO puts it
        if self.method == "reinforcement" and self.grader is not None:
            settings["grader"] = dict(self.grader)
        body = {
            "model": self.model,
            "training_file": self.training_file,
            "validation_file": self.validation_file,
            "suffix": self.suffix,
            "seed": self.seed,
            "method": {"type": self.method, self.method: settings},
            "trainingType": self.training_type,
            "metadata": dict(self.metadata) if self.metadata else None,
            **self.extra,
        }
        return {key: value for key, value in body.items() if value is not None}

    def to_python(self) -> str:
        """The call that sends this request, ready to paste into a cell.

        >>> print(tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", n_epochs=2).to_python())
        job = ws.jobs.create(tb.JobRequest(
            model='gpt-4.1-nano',
            training_file='file-1',
            n_epochs=2,
        ))
        """
        given = [f for f in fields(self) if getattr(self, f.name) not in (f.default, {}, None)]
        lines = [f"    {f.name}={getattr(self, f.name)!r}," for f in given]
        return "\n".join(["job = ws.jobs.create(tb.JobRequest(", *lines, "))"])

    def to_curl(self, endpoint: str) -> str:
        """The same request for a shell; the key stays in its environment variable.

        >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file="file-1")
        >>> print(request.to_curl("https://contoso.openai.azure.com"))
        curl -X POST "https://contoso.openai.azure.com/openai/v1/fine_tuning/jobs" ...
        """
        body = json.dumps(self.to_json(), indent=2, ensure_ascii=False).replace("'", "'\\''")
        return (
            f'curl -X POST "{endpoint}/openai/v1/fine_tuning/jobs" \\\n'
            '  -H "api-key: $AZURE_OPENAI_API_KEY" \\\n'
            '  -H "Content-Type: application/json" \\\n'
            f"  -d '{body}'"
        )

    def problems(self, catalogue: Catalogue | None = None) -> tuple[RequestProblem, ...]:
        """What the service would refuse (`error`) or what is worth a second look (`warning`).

        >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", suffix="a b")
        >>> [str(problem) for problem in request.problems()]
        ["suffix: 'a b' has to be 1 to 40 characters of a-z, A-Z, 0-9, - and _ (no dot)."]
        """
        facts = catalogue or load_catalogue()
        return (*self._refused(facts), *self._doubtful(facts))

    def _refused(self, facts: Catalogue) -> list[RequestProblem]:
        found = []

        def error(name: str, message: str) -> None:
            found.append(RequestProblem(name, "error", message))

        for name in ("model", "training_file"):
            if not getattr(self, name):
                error(name, "nothing is given; it is required.")
        for name, takes in HYPERPARAMETERS.get(self.method, _EVERY).items():
            value = getattr(self, name)
            if value != "auto" and not takes.holds(value):
                error(name, f'{value!r} is not {takes}. Give one, or "auto".')
        effort = self.reasoning_effort
        if self.method == "reinforcement" and effort is not None and effort not in EFFORTS:
            error("reasoning_effort", f"{effort!r} is not one of {', '.join(EFFORTS)}.")
        longest = facts.limit("suffix_characters")
        if self.suffix is not None and not (_SUFFIX.fullmatch(self.suffix) and len(self.suffix) <= longest):
            error(
                "suffix",
                f"{self.suffix!r} has to be 1 to {longest} characters of a-z, A-Z, 0-9, - and _ (no dot).",
            )
        highest = facts.limit("seed_maximum")
        if self.seed is not None and not 0 <= self.seed <= highest:
            error("seed", f"{self.seed!r} has to be a whole number from 0 to {highest}.")
        if self.training_type is not None and facts.training_type(self.training_type) is None:
            known = ", ".join(t.id for t in facts.training_types)
            error("training_type", f"{self.training_type!r} is not one of {known}.")
        if self.method == "reinforcement":
            if self.validation_file is None:
                error("validation_file", "reinforcement needs one. Upload it and give its id.")
            if self.grader is None:
                error("grader", 'reinforcement needs one, e.g. {"type": "string_check", …}.')
        found += _metadata_problems(self.metadata or {}, facts)
        return found

    def _doubtful(self, facts: Catalogue) -> list[RequestProblem]:
        found = []
        rate = self.learning_rate_multiplier
        low, high = (facts.limits[f"learning_rate_multiplier_{end}"].value for end in ("low", "high"))
        if isinstance(rate, (int, float)) and not low <= rate <= high:
            advice = f"{rate:g} is outside {low:g} to {high:g}, where the documentation advises to begin."
            found.append(RequestProblem("learning_rate_multiplier", "warning", advice))
        for name, methods in _OWN.items():
            if self.method not in methods and getattr(self, name) not in ("auto", None):
                unused = f"belongs to {' and '.join(methods)}; with {self.method} it is not sent."
                found.append(RequestProblem(name, "warning", unused))
        model = facts.model(self.model)
        if model is None:
            unknown = (
                f"{self.model!r} is not in the catalogue of {facts.as_of}: the service will say if it can be tuned."
            )
            return [*found, RequestProblem("model", "warning", unknown)]
        if self.method not in model.methods:
            tuned = f"{model.id} is tuned by {' or '.join(model.methods)}, not {self.method} (as of {model.dated})."
            found.append(RequestProblem("method", "warning", tuned))
        tier = facts.training_type(self.training_type or "Standard")
        if tier is not None and tier.id not in model.training_types:
            offered = (
                f"{model.id} is trained as {' or '.join(model.training_types)}, not {tier.id} (as of {model.dated})."
            )
            found.append(RequestProblem("training_type", "warning", offered))
        return found

    def __repr__(self) -> str:
        return self.to_python().removeprefix("job = ws.jobs.create(tb.").removesuffix(")")

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{escape(str(k))}</th>"
            f"<td style='text-align:left'>{escape(v if isinstance(v, str) else json.dumps(v))}</td></tr>"
            for k, v in self.to_json().items()
        )
        return f"<table><caption>Fine-tuning job request</caption>{rows}</table>"


def _metadata_problems(metadata: Mapping[str, str], facts: Catalogue) -> list[RequestProblem]:
    pairs, key_length, value_length = (
        facts.limit(f"metadata_{name}") for name in ("pairs", "key_characters", "value_characters")
    )
    found = []
    if len(metadata) > pairs:
        found.append(RequestProblem("metadata", "error", f"{len(metadata)} pairs are given; {pairs} are the most."))
    for key, value in metadata.items():
        if len(key) > key_length or len(str(value)) > value_length:
            message = f"{key[:20]!r}: a key has at most {key_length} characters, a value {value_length}."
            found.append(RequestProblem("metadata", "error", message))
    return found
