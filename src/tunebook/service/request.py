"""What to ask of the service: a job request, checked here before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pprint import pformat
from typing import Any, Literal

from tunebook.catalogue import Catalogue, load_catalogue
from tunebook.errors import RequestError
from tunebook.fields import METHODS, JobFields, left_out, settings
from tunebook.money import DEFAULT_TIER
from tunebook.show import Card, Shown, facts

_LINE = 96  # characters a line of code for a cell


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


@dataclass(frozen=True, kw_only=True, repr=False)
class JobRequest(JobFields, Shown):
    """A fine-tuning job as it will be asked for. The fields (see `tunebook.fields`) have the API's names and meanings.

    n_epochs, batch_size (examples a step) and learning_rate_multiplier are numbers, or `"auto"` for the
    service's choice. prompt_loss_weight belongs to `supervised`, beta and l2_multiplier to `dpo`; grader,
    response_format (a JSON Schema), tools (name, server_url, headers), max_episode_steps, reasoning_effort (default,
    low, medium, high), compute_multiplier, eval_interval (steps) and eval_samples (answers a question) to
    `reinforcement`; where they do not belong they are not sent. integrations: a list of `{"type": "wandb", …}`.
    training_type is `Standard`, `GlobalStandard`, `DatazoneStandard` or `Developer`; None leaves it to the
    service (Standard). `extra` holds further keys of the request body.

    >>> tb.JobRequest(model="gpt-4.1-mini", training_file="file-1", n_epochs=2).to_json()["method"]["type"]
    'supervised'
    """

    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):  # numbers of numpy are numbers
            if type(value := getattr(self, name)).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
                object.__setattr__(self, name, value.item())

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The hyperparameters that are not left to the service."""
        sent = {**self._sent("hyperparameters"), **self._sent("method")}
        return {name: value for name, value in sent.items() if not isinstance(value, Mapping | list)}

    def _sent(self, place: str) -> dict[str, Any]:
        """What stands at a place of the request body."""
        values = {
            s.wire: getattr(self, s.name) for s in settings().values() if s.place == place and s.belongs(self.method)
        }
        return {
            name: dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if not left_out(value)
        }

    def to_json(self) -> dict[str, Any]:
        """The body of `POST /fine_tuning/jobs`; what is left to the service is left out.

        >>> tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", seed=1).to_json()
        {'model': 'gpt-4.1-nano', 'training_file': 'file-1', 'seed': 1,
         'method': {'type': 'supervised', 'supervised': {}}}
        """
        numbers = self._sent("hyperparameters")
        settings_of_method = ({"hyperparameters": numbers} if numbers else {}) | self._sent("method")
        method = {"method": {"type": self.method, self.method: settings_of_method}}
        body = self._sent("body")
        tier = load_catalogue().training_type(self.training_type) if isinstance(self.training_type, str) else None
        if tier is not None and tier.sent.lower() != str(self.training_type).lower():
            body["trainingType"] = tier.sent  # "Developer" is refused: the service knows it as developerTier
        return _merged({**body, **method}, self.extra)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> JobRequest:
        """The request that a body of the API asks for; `to_json` gives it back. Settings may also stand at the top.

        What the kit has no field for is kept in `extra`. Raises RequestError for a body without model or training
        file, for a setting that is said twice, and for a key at the top that is a slip of a setting's name.

        >>> tb.JobRequest.from_json({"model": "gpt-4.1-nano", "training_file": "file-1", "n_epochs": 2}).n_epochs
        2
        """
        rest = {str(key): value for key, value in body.items()}
        told = rest.pop("method", None)
        method: dict[str, Any] = {"type": told} if isinstance(told, str) else _object(told, "method")
        kind = method.pop("type", None) or METHODS[0]
        if not isinstance(kind, str):
            raise RequestError(f"method.type: {kind!r} is no name of a method.")
        inside = _object(method.pop(kind, None), f"method.{kind}")
        numbers = _object(rest.pop("hyperparameters", None), "hyperparameters")
        numbers |= _object(inside.pop("hyperparameters", None), f"method.{kind}.hyperparameters")
        given: dict[str, Any] = {"method": kind}
        for name, setting in settings().items():
            for place in (rest, inside, numbers):
                for key in {setting.wire, name} & place.keys():
                    value = place.pop(key)
                    if given.setdefault(name, value) != value:
                        raise RequestError(f"{name} is said twice, as {given[name]!r} and as {value!r}. Say it once.")
        if inside or numbers:
            method[kind] = inside | ({"hyperparameters": numbers} if numbers else {})
        extra = _object(rest.pop("extra", None), "extra") | rest
        for key in extra:
            if key in settings():
                raise RequestError(f"{key} stands in `extra`: give it as the setting it is.")
            if near := get_close_matches(key, settings(), 1):
                raise RequestError(f"{key}: there is no such setting; {near[0]} is meant?")
        for name in ("model", "training_file"):
            if not isinstance(given.get(name), str):
                raise RequestError(f"{name}: the request names none.")
        if not isinstance(given.get("validation_file"), str | None):
            raise RequestError(f"validation_file: {given['validation_file']!r} is no file's name.")
        return cls(**given, extra=_merged(extra, {"method": method} if method else {}))

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
        lines = [f"    {f.name}={_code(getattr(self, f.name))}," for f in given]
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
        ["suffix: 'a b' has to be 1 to 64 characters of a-z, A-Z, 0-9, - and _ (no dot)."]
        """
        known = catalogue or load_catalogue()
        return (*self._refused(known), *self._doubtful(known))

    def _refused(self, known: Catalogue) -> Iterator[RequestProblem]:
        for name, setting in settings().items():
            for message in setting.problems(getattr(self, name), self.method, known):
                yield RequestProblem(name, "error", message)

        for place in _contradicted(replace(self, extra={}).to_json(), self.extra):
            told = f"{place} says otherwise than the request's own fields. Leave it out of extra, or out of the field."
            yield RequestProblem("extra", "error", told)

    def _doubtful(self, known: Catalogue) -> Iterator[RequestProblem]:
        if self.validation_file and self.validation_file == self.training_file:
            same = "it is the training file: what is measured on it says nothing about examples that were not seen."
            yield RequestProblem("validation_file", "warning", same)
        for name, setting in settings().items():
            for message in setting.doubts(getattr(self, name), self.method, known):
                yield RequestProblem(name, "warning", message)
        if self.method not in METHODS:
            told = f"{self.method!r} is none of {', '.join(METHODS)}: only what all of these have is sent."
            yield RequestProblem("method", "warning", told)
        yield from self._unlike_the_model(known)

    def _unlike_the_model(self, known: Catalogue) -> Iterator[RequestProblem]:
        """What the catalogue does not know of the model."""
        model = known.model(self.model)
        if model is None:
            unknown = (
                f"{self.model!r} is not in the catalogue of {known.as_of}: the service will say if it can be tuned."
            )
            yield RequestProblem("model", "warning", unknown)
            return
        dated = f"(as of {model.dated})"
        if self.method in METHODS and self.method not in model.methods:
            tuned = f"{model.id} is tuned by {' or '.join(model.methods)}, not {self.method} {dated}."
            yield RequestProblem("method", "warning", tuned)
        named = self.training_type or DEFAULT_TIER
        tier = known.training_type(named) if isinstance(named, str) else None
        if tier is not None and tier.id not in model.training_types:
            trained = f"{model.id} is trained as {' or '.join(model.training_types)}, not {tier.id} {dated}."
            yield RequestProblem("training_type", "warning", trained)

    def __repr__(self) -> str:
        return self.to_python().removeprefix("job = ws.jobs.create(tb.").removesuffix(")")

    def _card(self) -> Card:
        body = self.to_json()
        rows = [
            (key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            for key, value in body.items()
        ]
        return Card(facts(rows, "Fine-tuning job request"))


def _code(value: Any) -> str:
    """A value as it is written in a call; one of several lines stands in lines of its own."""
    if not isinstance(value, Mapping | list | tuple) or len(repr(value)) < _LINE:
        return repr(value)
    return pformat(value, width=_LINE, sort_dicts=False).replace("\n", "\n    ")


def _object(value: Any, name: str) -> dict[str, Any]:
    """A JSON object of a request; nothing is an empty one."""
    if value is not None and not isinstance(value, Mapping):
        raise RequestError(f"{name}: {value!r} stands where an object is expected.")
    return {str(key): each for key, each in (value or {}).items()}


def _merged(body: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A request body with further keys, those inside of what both have included."""
    merged = dict(body)
    for key, value in more.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        if value is not None:
            merged[key] = _merged(merged[key], value) if both else value
    return merged


def _contradicted(body: Mapping[str, Any], more: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Where `more` has another value than `body` has already."""
    for key in more.keys() & body.keys():
        if isinstance(body[key], Mapping) and isinstance(more[key], Mapping):
            yield from _contradicted(body[key], more[key], f"{above}{key}.")
        elif more[key] is not None and more[key] != body[key]:
            yield f"{above}{key}"
