"""Reading the body of a job creation: every field checked before anything is looked up or stored."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunebook.catalogue import load_catalogue
from tunebook_local.desk.limits import BATCH_SIZE, N_EPOCHS, Limits
from tunebook_local.desk.refusals import invalid

METHODS = ("supervised", "dpo", "reinforcement")
_SUFFIX = re.compile(r"[a-zA-Z0-9_-]+")
_EFFORTS = ("default", "minimal", "low", "medium", "high")
# Which whole numbers and which other numbers each method takes, beside the three that all have.
_EXTRA_WHOLE: dict[str, tuple[str, ...]] = {"reinforcement": ("eval_interval", "eval_samples")}
_EXTRA_NUMBERS: dict[str, tuple[str, ...]] = {
    "supervised": ("prompt_loss_weight",),
    "dpo": ("beta", "l2_multiplier", "prompt_loss_weight"),
    "reinforcement": ("compute_multiplier",),
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
    if not isinstance(body, dict):
        raise invalid("The body of the request must be a JSON object.")
    method, method_body, settings = _method(body)
    return NewJob(
        model=_text(body, "model", required=True),
        training_file=_text(body, "training_file", required=True),
        validation_file=_validation_file(body, method),
        suffix=_suffix(body, limits),
        seed=_seed(body, limits),
        method=method,
        method_body=method_body,
        hyperparameters=_hyperparameters(method, settings),
        training_type=training_type(body.get("trainingType", body.get("training_type"))),
        metadata=_metadata(body.get("metadata"), limits),
        integrations=_integrations(body.get("integrations")),
    )


def training_type(value: Any) -> str:
    """A tier in any spelling the service takes: name in any case, with or without `tier`, or 0 and 1."""
    if value is None:
        return "Standard"
    if isinstance(value, int) and not isinstance(value, bool) and value in (0, 1):
        return ("Standard", "GlobalStandard")[value]
    tier = load_catalogue().training_type(value) if isinstance(value, str) else None
    if tier is None:
        raise invalid(
            f"The trainingType {value!r} is not known. Use Standard, GlobalStandard or DeveloperTier.", "trainingType"
        )
    return tier.id


def _text(body: Mapping[str, Any], name: str, *, required: bool = False) -> Any:
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is required and must be a string that is not empty; got {_shown(value)}.", name)
    return value


def _validation_file(body: Mapping[str, Any], method: str) -> str | None:
    name: str | None = _text(body, "validation_file")
    if name is None and method == "reinforcement":
        raise invalid("validation_file is required for the reinforcement method of finetuning.", "validation_file")
    return name


def _suffix(body: Mapping[str, Any], limits: Limits) -> str | None:
    suffix: str | None = _text(body, "suffix")
    if suffix is None:
        return None
    longest = limits["suffix_characters"]
    if len(suffix) > longest or not _SUFFIX.fullmatch(suffix):
        raise invalid(
            f"The suffix {_shown(suffix)} is not valid: at most {longest} characters of a-z, A-Z, 0-9, - and _.",
            "suffix",
        )
    return suffix


def _seed(body: Mapping[str, Any], limits: Limits) -> int:
    seed, largest = body.get("seed"), limits["seed_maximum"]
    if seed is None:
        return secrets.randbelow(largest + 1)
    if not _whole(seed) or not 0 <= seed <= largest:
        raise invalid(f"seed must be a whole number from 0 to {largest}; got {_shown(seed)}.", "seed")
    return int(seed)


def _method(body: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
    """The method's name, its object, and all hyperparameters wherever they stood (the method's own win)."""
    settings = _object(body, "hyperparameters")
    if "prompt_loss_weight" in body:
        settings["prompt_loss_weight"] = body["prompt_loss_weight"]
    outer = body.get("method")
    if outer is None:
        return "supervised", None, settings
    if not isinstance(outer, dict) or outer.get("type") not in METHODS:
        raise invalid(f"method.type must be one of {', '.join(METHODS)}; got {_shown(outer)}.", "method")
    name: str = outer["type"]
    inner = _object(outer, name, f"method.{name}")
    beside = {key: inner[key] for key in ("beta", "l2_multiplier") if key in inner}
    settings |= beside | _object(inner, "hyperparameters", f"method.{name}.hyperparameters")
    if name == "reinforcement" and not isinstance(inner.get("grader"), dict):
        raise invalid("method.reinforcement.grader is required.", "method.reinforcement.grader")
    return name, {"type": name, name: inner}, settings


def _hyperparameters(method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    whole = {"n_epochs": N_EPOCHS, "batch_size": BATCH_SIZE}
    whole |= dict.fromkeys(_EXTRA_WHOLE.get(method, ()), (1, 10**6))
    numbers = ("learning_rate_multiplier", *_EXTRA_NUMBERS[method])
    asked: dict[str, Any] = dict.fromkeys(("n_epochs", "batch_size", "learning_rate_multiplier"), "auto")
    for name, value in settings.items():
        where = f"hyperparameters.{name}"
        if value is None or value == "auto":
            continue
        if name in whole:
            low, high = whole[name]
            if not _whole(value) or not low <= value <= high:
                raise invalid(f"{name} must be a whole number from {low} to {high}; got {_shown(value)}.", where)
            asked[name] = int(value)
        elif name in numbers:
            lowest = 0 if name == "prompt_loss_weight" else None
            if not _number(value) or not (value > 0 or value == lowest):
                raise invalid(f"{name} must be a number above 0; got {_shown(value)}.", where)
            asked[name] = value
        elif name == "reasoning_effort" and method == "reinforcement":
            if value not in _EFFORTS:
                raise invalid(f"reasoning_effort must be one of {', '.join(_EFFORTS)}; got {_shown(value)}.", where)
            asked[name] = value
        else:
            raise invalid(f"{name!r} is not a hyperparameter of the {method} method.", where)
    return asked


def _metadata(value: Any, limits: Limits) -> dict[str, str] | None:
    if value is None:
        return None
    pairs, key_length = limits["metadata_pairs"], limits["metadata_key_characters"]
    value_length = limits["metadata_value_characters"]
    fits = isinstance(value, dict) and all(
        len(key) <= key_length and isinstance(each, str) and len(each) <= value_length for key, each in value.items()
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
    for each in value if isinstance(value, list) else [None]:
        wandb = each.get("wandb") if isinstance(each, dict) and each.get("type") == "wandb" else None
        if not isinstance(wandb, dict) or not isinstance(wandb.get("project"), str):
            raise invalid('integrations must be a list of {"type": "wandb", "wandb": {"project": …}}.', "integrations")
    return list(value)


def _object(body: Mapping[str, Any], name: str, where: str | None = None) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"{where or name} must be an object; got {_shown(value)}.", where or name)
    return dict(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
