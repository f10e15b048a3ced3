"""Reading the body of a job creation: every field checked before anything is looked up or stored."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tunebook.catalogue import load_catalogue
from tunebook_local.desk.body import Body, is_number, is_whole, must_be, object_in, shown, text_in, whole_in
from tunebook_local.desk.limits import Limits
from tunebook_local.desk.refusals import invalid

METHODS = ("supervised", "dpo", "reinforcement")
_SUFFIX = re.compile(r"[a-zA-Z0-9_-]+")
_EFFORTS = ("default", "minimal", "low", "medium", "high")


@dataclass(frozen=True)
class Hyperparameter:
    """Which methods take it, which values fit, and what they are in words."""

    methods: tuple[str, ...]
    fits: Callable[[Any], bool]
    words: str


def _whole(low: int, high: int, *methods: str) -> Hyperparameter:
    words = f"a whole number from {low} to {high}"
    return Hyperparameter(methods or METHODS, lambda value: is_whole(value) and low <= value <= high, words)


def _above_0(*methods: str) -> Hyperparameter:
    return Hyperparameter(methods or METHODS, lambda value: is_number(value) and value > 0, "a number above 0")


_USUAL = ("n_epochs", "batch_size", "learning_rate_multiplier")
# The ranges of the usual three are those of OpenAI's specification; Microsoft publishes none of its own.
HYPERPARAMETERS = {
    "n_epochs": _whole(1, 50),
    "batch_size": _whole(1, 256),
    "learning_rate_multiplier": _above_0(),
    "prompt_loss_weight": Hyperparameter(
        ("supervised", "dpo"), lambda value: is_number(value) and value >= 0, "a number of at least 0"
    ),
    "beta": _above_0("dpo"),
    "l2_multiplier": _above_0("dpo"),
    "compute_multiplier": _above_0("reinforcement"),
    "eval_interval": _whole(1, 10**6, "reinforcement"),
    "eval_samples": _whole(1, 10**6, "reinforcement"),
    "reasoning_effort": Hyperparameter(("reinforcement",), _EFFORTS.__contains__, f"one of {', '.join(_EFFORTS)}"),
}


@dataclass(frozen=True)
class NewJob:
    """A job creation that is well formed. `hyperparameters` has a number or "auto" for each of the usual three."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    method: str
    method_body: dict[str, Any] | None  # what stood under `method`, None when the request had none
    hyperparameters: dict[str, Any]
    training_type: str
    metadata: dict[str, str] | None
    integrations: list[Any] | None


def read_job_request(body: Any, limits: Limits) -> NewJob:
    """The request as a record; raises Refusal naming the first field that does not fit."""
    method, method_body, settings = _method(body)
    return NewJob(
        model=text_in(body, "model"),
        training_file=text_in(body, "training_file"),
        validation_file=_validation_file(body, method),
        suffix=_suffix(body, limits),
        seed=whole_in(body, "seed", 0, limits["seed_maximum"], default=secrets.randbelow(limits["seed_maximum"] + 1)),
        method=method,
        method_body=method_body,
        hyperparameters=_hyperparameters(method, settings),
        training_type=training_type(body.get("trainingType", body.get("training_type"))),
        metadata=_metadata(body.get("metadata"), limits),
        integrations=_integrations(body.get("integrations")),
    )


def training_type(value: Any) -> str:
    """A tier as the service takes it: the documented words in any case, or 0 and 1. Others lose it the whole body."""
    if value is None:
        return "Standard"
    if is_whole(value) and value in (0, 1):
        return ("Standard", "GlobalStandard")[value]
    tier = load_catalogue().training_type(value) if isinstance(value, str) else None
    if tier is None or value.lower() != tier.sent.lower():
        raise invalid("The fineTuningJob field is required.")  # the live service's own words
    return tier.id


def _validation_file(body: Body, method: str) -> str | None:
    if body.get("validation_file") is not None:
        return text_in(body, "validation_file")
    if method == "reinforcement":
        raise invalid("validation_file is required for the reinforcement method of finetuning.", "validation_file")
    return None


def _suffix(body: Body, limits: Limits) -> str | None:
    if body.get("suffix") is None:
        return None
    suffix, longest = text_in(body, "suffix"), limits.most("suffix_characters")
    if len(suffix) > longest or not _SUFFIX.fullmatch(suffix):
        raise invalid(
            f"The suffix {shown(suffix)} is not valid: at most {longest} characters of a-z, A-Z, 0-9, - and _.",
            "suffix",
        )
    return suffix


def _method(body: Body) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
    """The method's name, its object, and all hyperparameters wherever they stood (the method's own win)."""
    settings = object_in(body, "hyperparameters")
    if "prompt_loss_weight" in body:
        settings["prompt_loss_weight"] = body["prompt_loss_weight"]
    outer = body.get("method")
    if outer is None:
        return "supervised", None, settings
    if not isinstance(outer, dict) or outer.get("type") not in METHODS:
        raise invalid(f"method.type must be one of {', '.join(METHODS)}; got {shown(outer)}.", "method")
    name: str = outer["type"]
    inner = object_in(outer, name, f"method.{name}")
    beside = {key: inner[key] for key in ("beta", "l2_multiplier") if key in inner}
    settings |= beside | object_in(inner, "hyperparameters", f"method.{name}.hyperparameters")
    if name == "reinforcement" and not isinstance(inner.get("grader"), dict):
        raise invalid("method.reinforcement.grader is required.", "method.reinforcement.grader")
    return name, {"type": name, name: inner}, settings


def _hyperparameters(method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    requested: dict[str, Any] = dict.fromkeys(_USUAL, "auto")
    for name, value in settings.items():
        if value is None or value == "auto":
            continue
        where, setting = f"hyperparameters.{name}", HYPERPARAMETERS.get(name)
        if setting is None or method not in setting.methods:
            raise invalid(f"{name!r} is not a hyperparameter of the {method} method.", where)
        if not setting.fits(value):
            raise must_be(name, setting.words, value, where)
        requested[name] = value
    return requested


def _metadata(value: Any, limits: Limits) -> dict[str, str] | None:
    if value is None:
        return None
    pairs, key_length = limits["metadata_pairs"], limits["metadata_key_characters"]
    value_length = limits["metadata_value_characters"]
    fits = isinstance(value, dict) and all(
        len(key) <= key_length and isinstance(text, str) and len(text) <= value_length for key, text in value.items()
    )
    if not fits or len(value) > pairs:
        raise invalid(
            f"metadata must be an object of at most {pairs} strings, keys of at most {key_length} and values of at "
            f"most {value_length} characters.",
            "metadata",
        )
    return dict(value)


def _integrations(value: Any) -> list[Any] | None:
    if value is None:
        return None
    for entry in value if isinstance(value, list) else [None]:
        wandb = entry.get("wandb") if isinstance(entry, dict) and entry.get("type") == "wandb" else None
        if not isinstance(wandb, dict) or not isinstance(wandb.get("project"), str):
            raise invalid('integrations must be a list of {"type": "wandb", "wandb": {"project": …}}.', "integrations")
    return list(value)
