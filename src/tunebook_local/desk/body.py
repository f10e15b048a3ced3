"""Reading one field of a request's body: its value, or a Refusal that says what it must be and what it was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from tunebook_local.desk.refusals import Refusal, invalid

Body = Mapping[str, Any]


def text_in(body: Body, name: str) -> str:
    """A text that must be there and hold something."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise must_be(f"{name} is required and", "a string that is not empty", value, name)
    return value


def whole_in(body: Body, name: str, low: int, high: int, *, default: int | None = None) -> int:
    """A whole number from `low` to `high`; without a default it must be there."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not is_whole(value) or not low <= value <= high:
        raise must_be(name, f"a whole number from {low} to {high}", value, name)
    return value


def number_in(body: Body, name: str, low: float, high: float, *, default: float) -> float:
    """A number from `low` to `high`."""
    value = body.get(name)
    if value is None:
        return default
    if not is_number(value) or not low <= value <= high:
        raise must_be(name, f"a number from {low:g} to {high:g}", value, name)
    return float(value)


def flag_in(body: Body, name: str, *, default: bool = False) -> bool:
    """True or false."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise must_be(name, "true or false", value, name)
    return value


def object_in(body: Body, name: str, where: str | None = None) -> dict[str, Any]:
    """An object, a new one; empty when it is not there. `where` is its full name."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise must_be(where or name, "an object", value, where or name)
    return dict(value)


def is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def must_be(what: str, wanted: str, value: Any, param: str) -> Refusal:
    """The refusal of a value that is not what is `wanted`."""
    return invalid(f"{what} must be {wanted}; got {shown(value)}.", param)


def shown(value: Any) -> str:
    """A value as a message shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
