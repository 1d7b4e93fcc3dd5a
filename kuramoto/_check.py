"""How every complaint about bad input reads: argument, what it must be, what it is, remedy."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any


def message(argument: str, must: str, found: str, remedy: str = "") -> str:
    """Spell a complaint on one line.

    Examples
    --------
    >>> message("dt", "be positive", "-0.1", "give a time step above 0")
    'Argument `dt` must be positive, but is -0.1; give a time step above 0.'
    """
    # One line whatever a user's string holds: the command line prints this as it is.
    text = f"Argument `{argument}` must {must}, but {_found(found)}"
    text += f"; {remedy}" if remedy else ""
    return " ".join(text.split()) + ("" if text.endswith("?") else ".")


def _found(found: str) -> str:
    """Let a finding be a bare value ("-0.1") or a clause of its own ("has shape (3, 4)")."""
    first = found.split(maxsplit=1)[0] if found.strip() else ""
    return found if first in {"has", "is", "holds", "max", "lives", "it", "this"} else f"is {found}"


def invalid(argument: str, must: str, found: str, remedy: str = "") -> ValueError:
    """Return (not raise) the `ValueError` that `message` describes."""
    return ValueError(message(argument, must, found, remedy))


def wrong_type(argument: str, must: str, found: Any, remedy: str = "") -> TypeError:
    """Return the `TypeError` for a value of the wrong kind."""
    return TypeError(message(argument, must, f"is of type {type(found).__name__}", remedy))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" for the closest known word, else the list of all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean `{close[0]}`?" if close else "known: " + ", ".join(known)


def real_number(argument: str, value: Any, *, positive: bool = False) -> float:
    """Return `value` as a finite float, or raise saying which argument is not one."""
    sort = "a positive number" if positive else "a finite number"
    sized = bool(getattr(value, "ndim", 0))
    if isinstance(value, bool) or sized or not hasattr(value, "__float__"):
        raise wrong_type(argument, f"be {sort}", value)
    number = float(value)
    if not math.isfinite(number) or (positive and number <= 0):
        raise invalid(argument, f"be {sort}", f"{number:g}")
    return number


def whole_number(argument: str, value: Any, *, least: int = 0) -> int:
    """Return `value` as an int from `least` to 2⁶³ − 1, or raise."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise wrong_type(argument, f"be a whole number of at least {least}", value)
    number = int(value.__index__())
    if number < least:
        raise invalid(argument, f"be a whole number of at least {least}", f"{number}")
    if number >= 2**63:
        raise invalid(argument, "be below 2**63", f"{number}")
    return number
