"""What to ask of the service: a job request, checked here before anything is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from html import escape
from typing import Any, Literal

from tunebook.catalogue import Catalogue, load_catalogue

Method = Literal["supervised", "dpo", "reinforcement"]
Auto = Literal["auto"]

_SUFFIX = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class RequestProblem:
    """One thing about a request: the field, how bad (`error`: refused; `warning`), what, and what to do."""

    field: str
    severity: Literal["error", "warning"]
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A fine-tuning job as it will be asked for. The fields have the API's names and meanings.

    n_epochs, batch_size (examples a step) and learning_rate_multiplier are numbers, or `"auto"` for the
    service's choice; beta belongs to `dpo`, grader to `reinforcement`. training_type is `Standard`, `GlobalStandard`
    or `Developer`; None leaves it to the service (Standard). `extra` holds further keys of the request body.

    >>> JobRequest(model="gpt-4.1-mini", training_file="file-1", n_epochs=2).to_json()["method"]["type"]
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
    grader: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The hyperparameters that are not left to the service."""
        names = ["n_epochs", "batch_size", "learning_rate_multiplier"]
        if self.method == "dpo":
            names.append("beta")
        return {name: value for name in names if (value := getattr(self, name)) != "auto"}

    def to_json(self) -> dict[str, Any]:
        """The body of `POST /fine_tuning/jobs`; what is left to the service is left out."""
        settings: dict[str, Any] = {}
        if self.hyperparameters:
            settings["hyperparameters"] = self.hyperparameters
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
        """The call that sends this request, ready to paste into a cell."""
        given = [f for f in fields(self) if getattr(self, f.name) not in (f.default, {}, None)]
        lines = [f"    {f.name}={getattr(self, f.name)!r}," for f in given]
        return "\n".join(["job = ws.jobs.create(tb.JobRequest(", *lines, "))"])

    def to_curl(self, endpoint: str) -> str:
        """The same request for a shell; the key stays in its environment variable."""
        body = json.dumps(self.to_json(), indent=2, ensure_ascii=False).replace("'", "'\\''")
        return (
            f'curl -X POST "{endpoint}/openai/v1/fine_tuning/jobs" \\\n'
            '  -H "api-key: $AZURE_OPENAI_API_KEY" \\\n'
            '  -H "Content-Type: application/json" \\\n'
            f"  -d '{body}'"
        )

    def problems(self, catalogue: Catalogue | None = None) -> tuple[RequestProblem, ...]:
        """What the service would refuse (`error`) or what is worth a second look (`warning`)."""
        facts = catalogue or load_catalogue()
        return (*self._refused(facts), *self._doubtful(facts))

    def _refused(self, facts: Catalogue) -> list[RequestProblem]:
        found = []

        def error(name: str, message: str) -> None:
            found.append(RequestProblem(name, "error", message))

        for name in ("model", "training_file"):
            if not getattr(self, name):
                error(name, "nothing is given; it is required.")
        for name in ("n_epochs", "batch_size"):
            value = getattr(self, name)
            if value != "auto" and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
                error(name, f'{value!r} is not a whole number of at least 1. Give one, or "auto".')
        for name in ("learning_rate_multiplier", "beta"):
            value = getattr(self, name)
            if value != "auto" and not (isinstance(value, (int, float)) and 0 < value < float("inf")):
                error(name, f'{value!r} is not a number above 0. Give one, or "auto".')
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
