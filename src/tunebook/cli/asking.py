"""Who may spend: a person who sees the price and says yes, or a budget given beforehand."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from tunebook.cli.output import say
from tunebook.errors import TunebookError

if TYPE_CHECKING:
    from tunebook.experiments import Act


class Declined(Exception):
    """The answer to an act is no: by a person, or by the budget."""


def amount(told: str) -> float:
    """A budget on the command line: a finite number that is not negative (with NaN, nothing would be too dear)."""
    try:
        number = float(told)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ArgumentTypeError(f"{told!r} is no amount")
    return number


def add_spending(parser: ArgumentParser) -> None:
    """The options of a verb that costs money."""
    parser.add_argument("--yes", action="store_true", help="do not ask; what costs money needs --budget-usd as well")
    parser.add_argument("--budget-usd", type=amount, metavar="USD", help="refuse what costs more US dollars than this")


def allow(act: Act, options: Namespace) -> None:
    """Return where the act may be done. Raises Declined for a no, TunebookError where nobody is there to ask."""
    budget = getattr(options, "budget_usd", None)
    say(act)
    if budget is not None and (refused := act.refusal(budget)):
        if act.usd is None:
            raise TunebookError(f"{refused} Leave out --budget-usd and answer at a terminal.")
        raise Declined(refused)
    free = act.kind == "delete"
    if options.yes and (free or budget is not None):
        return
    needed = "--yes" if free else "--yes and --budget-usd"
    if not says_yes("Go on?", nobody=f"Nobody is here to ask: say it with {needed}. Nothing was done."):
        raise Declined("Nothing was done.")


def says_yes(question: str, *, nobody: str) -> bool:
    """Ask the person at the terminal. Raises TunebookError, saying `nobody`, where there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise TunebookError(nobody)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
