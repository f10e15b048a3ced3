"""The formula of a multi grader: grader names, numbers, + - * / ^ and a few functions.

A formula is read into a tree and the tree into nested functions; no code of the user's ever runs.

    >>> read_formula("0.5 * exact + 2 ^ -1 * max(close, 0.5)")({"exact": 1.0, "close": 0.2})
    0.75
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Values = Mapping[str, float]

_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": lambda *numbers: min(numbers),
    "max": lambda *numbers: max(numbers),
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
_LONGEST = 1000  # characters; a formula a person wrote is far shorter


class FormulaError(ValueError):
    """A formula that cannot be read or has no value; the message says which part and what is allowed."""


@dataclass(frozen=True)
class Formula:
    """Call it with a value for each of `names`. Raises FormulaError where there is no finite real number."""

    text: str
    names: frozenset[str]
    _work_out: Callable[[Values], float]

    def __call__(self, values: Values) -> float:
        try:
            value = float(self._work_out(values))
        except KeyError as missing:
            graders = ", ".join(sorted(values)) or "none"
            raise FormulaError(f"{missing} in {self.text!r} is no grader here; there are: {graders}") from None
        except (ArithmeticError, ValueError, TypeError) as problem:
            raise FormulaError(f"{self.text!r} has no value for {dict(values)}: {problem}") from None
        if not math.isfinite(value):
            raise FormulaError(f"{self.text!r} has no finite value for {dict(values)}")
        return value


def read_formula(text: str) -> Formula:
    """Raises FormulaError for what is no formula or asks for more than one may do."""
    if len(text) > _LONGEST:
        raise FormulaError(f"the formula has {len(text)} characters; at most {_LONGEST} are read")
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise FormulaError(f"{text!r} is not a formula: {problem}") from None
    names: set[str] = set()
    work_out = _build(tree, names)
    return Formula(text, frozenset(names), work_out)


def _build(node: ast.expr, names: set[str]) -> Callable[[Values], float]:
    """The function that works out `node`; the grader names met are added to `names`."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return lambda _values: float(number)
        case ast.Name(id=name):
            names.add(name)
            return lambda values: values[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _apply(_OPERATORS[type(op)], [operand], names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _apply(_OPERATORS[type(op)], [left, right], names)
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if name in _FUNCTIONS:
            return _apply(_FUNCTIONS[name], arguments, names)
    raise FormulaError(
        f"{ast.unparse(node)!r} is not allowed; a formula has numbers, grader names, + - * / ^ and "
        f"{', '.join(_FUNCTIONS)}"
    )


def _apply(function: Callable[..., float], arguments: list[ast.expr], names: set[str]) -> Callable[[Values], float]:
    parts = [_build(argument, names) for argument in arguments]
    return lambda values: function(*(part(values) for part in parts))
