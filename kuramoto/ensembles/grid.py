"""Which points a sweep has: axes that name keys of an experiment, and what each point runs."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.ensembles.point import Point
from kuramoto.experiment import Experiment
from kuramoto.experiment.schema import ExperimentError, parse, show

__all__ = ["Grid", "checked_axes", "parse_axes", "put"]

_SECTIONS = ("model", "state", "solve")
_STEP = re.compile(r"\w+(\[\d+\])*")


class Grid:
    """The points of a sweep: the product of its axes, and so many seeds of each.

    Parameters
    ----------
    trial : Experiment
        What is swept.
    axes : mapping of list
        ``{key path: values}``, as `checked_axes` returns it.
    seeds : int
    observe : dict of callable
        Observers besides those that the experiment names.
    names : list of str, optional
        Observables to take instead of those that the experiment names.
    keeps_states : bool
    """

    def __init__(
        self,
        trial: Experiment,
        axes: Mapping[str, list[Any]],
        seeds: int,
        observe: Mapping[str, Any],
        names: list[str] | None,
        keeps_states: bool,
    ) -> None:
        self.trial, self.axes, self.seeds = trial, axes, seeds
        self.observe, self.keeps_states = observe, keeps_states
        self._content = parse(trial.text)
        if names is not None:
            self._content["solve"]["observe"] = names or None
        self.shape = (*(len(values) for values in axes.values()), seeds)

    @property
    def named(self) -> list[str]:
        """The standard observables that the experiment asks for."""
        return list(self._content["solve"].get("observe") or [])

    def point(self, number: int) -> Point:
        """Return a point by its number, in C order of `shape`."""
        *place, seed = map(int, np.unravel_index(number, self.shape))
        chosen = zip(self.axes.items(), place, strict=True)
        values = {name: axis[index] for (name, axis), index in chosen}
        source = f"{self.trial.source} at {_spelled({**values, 'seed': seed})}"
        content = copy.deepcopy(self._content)
        try:
            for name, value in values.items():
                put(content, name, value)
        except ExperimentError as error:
            raise ExperimentError(f"{source}: {error}") from None
        # JSON is YAML: every text stands in quotation marks, every number keeps its digits.
        text = json.dumps(content, ensure_ascii=False)
        base = str(self.trial.base.resolve())
        return Point(number, text, base, source, seed, self.observe, self.keeps_states)

    def check(self) -> None:
        """See that every value of every axis can be read: one after the other, not their product.

        Raises
        ------
        ExperimentError
            If a key is not known or a value not taken: the message names a point.
        """
        for number in self._first_of_each():
            self.point(number).read()

    def _first_of_each(self) -> Iterator[int]:
        """Go through the points at which at most one axis is not at its first value."""
        for axis, length in enumerate(self.shape[:-1]):
            place = [0] * len(self.shape)
            for place[axis] in range(length):
                yield int(np.ravel_multi_index(place, self.shape))
        yield 0


def _spelled(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _located(name: str) -> list[str | int]:
    """Return the keys on the way to a parameter: from the top, or else under ``model``."""
    steps = name.split(".")
    if not all(_STEP.fullmatch(step) for step in steps):
        must = "be the path of a key, such as coupling.strength or coupling.terms[0].strength"
        raise invalid("grid", must, repr(name))
    tokens = (re.findall(r"\w+", step) for step in steps)
    keys = [int(t) if i else t for step in tokens for i, t in enumerate(step)]
    return keys if keys[0] in _SECTIONS else ["model", *keys]


def put(content: Any, name: str, value: Any) -> None:
    """Put a value into the content of an experiment; mappings on the way that lack are made."""
    *way, last = _located(name)
    place = content
    for key in way:
        place = _entered(place, key, name)
    _require_place(place, last, name)
    place[last] = value


def _entered(place: Any, key: Any, name: str) -> Any:
    _require_place(place, key, name)
    inner = place[key] if isinstance(key, int) else place.get(key)
    if inner is None:
        inner = place[key] = {}
    elif isinstance(inner, str):  # a part written as its bare type
        inner = place[key] = {"type": inner}
    return inner


def _require_place(place: Any, key: Any, name: str) -> None:
    if isinstance(key, int):
        fits = isinstance(place, list) and key < len(place)
    else:
        fits = isinstance(place, dict)
    if not fits:
        raise ExperimentError(f"`{name}` leads nowhere: {show(place)} has no `{key}`.")


def checked_axes(grid: Any, seeds: Any) -> tuple[dict[str, list[Any]], int]:
    """Return axes as lists of plain values, and the number of seeds, or raise."""
    if not isinstance(grid, Mapping):
        raise wrong_type("grid", "be {key path: values}", grid)
    axes = {name: _plain_values(name, values) for name, values in grid.items()}
    for one, other in itertools.combinations(axes, 2):
        if _located(one) == _located(other):
            raise invalid("grid", "name every key once", f"has {one} and {other}")
    if "seed" in axes:
        raise invalid("grid", "leave the axis seed to the argument `seeds`", "has seed")
    return axes, whole_number("seeds", seeds, least=1)


def _plain_values(name: Any, values: Any) -> list[Any]:
    """Return the values of an axis as Python's own numbers and words."""
    if not isinstance(name, str):
        raise wrong_type("grid", "have paths of keys as its keys", name)
    _located(name)
    if isinstance(values, str) or not isinstance(values, Iterable):
        must = "be a list of numbers or words"
        raise wrong_type(f"grid[{name!r}]", must, values, f"for one value, [{values!r}]")
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    if not plain or not all(isinstance(value, int | float | str) for value in plain):
        must = "hold at least one value, and only numbers or words"
        raise invalid(f"grid[{name!r}]", must, f"{plain!r:.60}")
    if len(set(plain)) < len(plain):
        raise invalid(f"grid[{name!r}]", "hold every value once", f"{plain!r:.60}")
    return plain


def parse_axes(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Read axes from the command line: ``NAME=start:stop:count`` or ``NAME=a,b,c`` each.

    The first form is `numpy.linspace`, both ends included; whole numbers stay whole numbers.

    Parameters
    ----------
    texts : iterable of str

    Returns
    -------
    dict of list

    Raises
    ------
    ValueError
        If one reads otherwise, or a name comes twice.

    Examples
    --------
    >>> parse_axes(["coupling.strength=0:1:3", "state.oscillators=100,200"])
    {'coupling.strength': [0.0, 0.5, 1.0], 'state.oscillators': [100, 200]}
    """
    axes = {}
    for text in texts:
        name, values = _axis(text)
        if name in axes:
            raise invalid("--grid", "name every key once", f"has {name} twice")
        axes[name] = values
    return axes


def _axis(text: str) -> tuple[str, list[Any]]:
    name, equals, values = text.partition("=")
    axis = _range(values) if ":" in values else [_word(word) for word in values.split(",")]
    if not equals or not name.strip() or axis is None or None in axis:
        must = "read NAME=start:stop:count or NAME=a,b,c, such as coupling.strength=0:4:41"
        raise invalid("--grid", must, repr(text))
    return name.strip(), axis


def _range(text: str) -> list[Any] | None:
    try:
        start, stop, count = text.split(":")
        values = np.linspace(float(start), float(stop), int(count)).tolist()
    except ValueError:
        return None
    whole = re.fullmatch(r"[-+\d\s]+", start + stop) and all(v.is_integer() for v in values)
    return ([int(value) for value in values] if whole else values) or None


def _word(text: str) -> Any:
    """Return a number or a word as YAML reads it; None for neither."""
    try:
        value = parse(text)
    except ExperimentError:
        return None
    return value if isinstance(value, int | float | str) else None
