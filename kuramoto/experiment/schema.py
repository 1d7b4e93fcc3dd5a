"""From YAML text to checked calls: the machinery under `kuramoto.experiment`; it knows no physics.

Every part of an experiment is a function ``f(ground, *, key=default, ...)``. Its keyword-only
parameters are the keys that a file may have, and their annotations say how values are read. So a
new part is one new function, and what files may say is written in one place.

Reading and building are two passes. Reading checks keys and kinds of values, and leaves a `Part`:
a function and its arguments. Building calls the function; it may read files and take long.
"""

from __future__ import annotations

import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from kuramoto._check import message, nearest

Reader = Callable[[Any, str], Any]
"""Takes a value from the file and the path of its key; returns it checked, or raises."""


class ExperimentError(ValueError):
    """An experiment that cannot be read or built; the message is one line and names the key."""


def wrong(where: str, must: str, value: Any, remedy: str = "") -> ExperimentError:
    """Return (not raise) the error for a value of the wrong kind."""
    return ExperimentError(message(where, must, f"is {show(value)}", remedy))


def show(value: Any) -> str:
    """Spell a value of a file for an error message."""
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class Part:
    """A function and the arguments that the file gave it, ready to be called."""

    where: str
    function: Callable[..., Any]
    arguments: dict[str, Any]

    def build(self, ground: Any) -> Any:
        """Call the function on the ground it stands on; complaints say which part they mean."""
        try:
            return self.function(ground, **self.arguments)
        except ExperimentError:
            raise
        except (ValueError, TypeError, OSError) as error:
            text = " ".join(str(error).split())
            raise ExperimentError(f"`{self.where}`: {text}") from error


class Section:
    """Reads a mapping whose keys are the keyword-only parameters of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, value: Any, where: str) -> Part:
        """Read a mapping."""
        if not isinstance(value, dict):
            raise wrong(
                where, f"be a mapping with keys among {_listed(keys(self.function))}", value
            )
        return Part(where, self.function, read_arguments(self.function, value, where))


class Registry:
    """Reads a mapping whose `selector` key names one of several functions, or the name alone."""

    def __init__(self, selector: str = "type") -> None:
        self.selector = selector
        self.entries: dict[str, Callable[..., Any] | Registry] = {}

    def add(self, name: str, entry: Any) -> Any:
        """Enter a function, or a registry that chooses further, under a name."""
        self.entries[name] = entry
        return entry

    def entry(self, name: str) -> Callable[[Any], Any]:
        """Return a decorator that enters a function under a name."""
        return lambda function: self.add(name, function)

    def __call__(self, value: Any, where: str) -> Part:
        """Read a mapping or a plain name."""
        given = {self.selector: value} if isinstance(value, str) else value
        if not isinstance(given, dict) or self.selector not in given:
            must = f"be a mapping with the key `{self.selector}`, one of {_listed(self.entries)}"
            raise wrong(where, must, value)
        name = one_of(self.entries)(given[self.selector], f"{where}.{self.selector}")
        rest = {key: item for key, item in given.items() if key != self.selector}
        entry = self.entries[name]
        if isinstance(entry, Registry):
            return entry(rest, where)
        return Part(where, entry, read_arguments(entry, rest, where, also=(self.selector,)))


def keys(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the keyword-only parameters of a part, by name."""
    parameters = inspect.signature(function).parameters.items()
    return {name: p for name, p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def reseeded(part: Part, shift: int) -> Part:
    """Return a part with `shift` added to every seed in it; one that is left out counts as given.

    Its default counts then; 0 if that is none.
    """
    known = {name: part.arguments.get(name, p.default) for name, p in keys(part.function).items()}
    changed = {name: _reseeded(name, value, shift) for name, value in known.items()}
    changed = {name: value for name, value in changed.items() if value is not known[name]}
    return Part(part.where, part.function, part.arguments | changed)


def _reseeded(name: str, value: Any, shift: int) -> Any:
    if name == "seed":
        return (value or 0) + shift
    if isinstance(value, tuple):
        return tuple(_reseeded("", item, shift) for item in value)
    return reseeded(value, shift) if isinstance(value, Part) else value


def read_arguments(
    function: Callable[..., Any], given: dict[str, Any], where: str, also: Iterable[str] = ()
) -> dict[str, Any]:
    """Read the arguments of a function from a mapping; a key without a value is as good as none."""
    known, prefix = keys(function), f"{where}." if where else ""
    for key in given:
        if key not in known:
            hint = nearest(str(key), [*known, *also])
            raise ExperimentError(f"`{prefix}{key}` is not a known key; {hint}")
    hints = typing.get_type_hints(function, include_extras=True)
    arguments = {}
    for name, parameter in known.items():
        if given.get(name) is not None:
            arguments[name] = _reader(hints[name])(given[name], prefix + name)
        elif parameter.default is inspect.Parameter.empty:
            raise ExperimentError(f"`{prefix}{name}` is missing; it has no default.")
    return arguments


def _reader(annotation: Any) -> Reader:
    """Return how values of an annotated parameter are read: ``Annotated[type, reader]`` says so."""
    if hasattr(annotation, "__metadata__"):
        reader: Reader = annotation.__metadata__[0]
        return reader
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return one_of(inner)
    if origin in (types.UnionType, typing.Union):
        return _reader(next(part for part in inner if part is not type(None)))
    return _PLAIN[annotation]


def one_of(words: Iterable[str]) -> Reader:
    """Return a reader of words out of a few known ones."""

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in words:
            hint = nearest(str(value), words)
            raise ExperimentError(f"`{where}` is {show(value)}, which is not known; {hint}")
        return value

    return read


def number(value: Any, where: str) -> float:
    """Read a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong(where, "be a finite number", value)
    return float(value)


def whole(value: Any, where: str) -> int:
    """Read a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(where, "be a whole number", value)
    return value


def truth(value: Any, where: str) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise wrong(where, "be true or false", value)
    return value


def text(value: Any, where: str) -> str:
    """Read a text."""
    if not isinstance(value, str):
        raise wrong(where, "be text", value, "put it in quotation marks")
    return value


_PLAIN: dict[Any, Reader] = {float: number, int: whole, bool: truth, str: text}


def each(read: Reader, what: str, *, alone: bool = False) -> Reader:
    """Return a reader of lists whose items `read` reads; with `alone`, one bare item will do."""

    def read_list(value: Any, where: str) -> tuple[Any, ...]:
        items = [value] if alone and not isinstance(value, list) else value
        if not isinstance(items, list) or not items:
            raise wrong(where, f"be a list of {what}", value)
        return tuple(read(item, f"{where}[{index}]") for index, item in enumerate(items))

    return read_list


def _listed(words: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, words)))


def parse(text: str) -> Any:
    """Return what a YAML text holds; nothing in it is run.

    Raises
    ------
    ExperimentError
        If it is not plain YAML, a mapping has a key twice, or it uses anchors and aliases.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ExperimentError(f"{line}{' '.join(str(error.problem).split())}.") from None
    except yaml.YAMLError as error:
        raise ExperimentError(f"not YAML: {' '.join(str(error).split())}.") from None
    except RecursionError:
        raise ExperimentError("nested too deeply.") from None
    except ValueError as error:  # such as a date that is none
        raise ExperimentError(f"not YAML: {' '.join(str(error).split())}.") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML, less what surprises: no key twice, no aliases (they let a few lines grow huge)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            words = "aliases are not taken; write the value out"
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, words, mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                words = "a key must be a word"
            elif key.value in seen:
                words = f"the key `{key.value}` is there twice"
            else:
                seen.add(key.value)
                continue
            raise yaml.constructor.ConstructorError(None, None, words, key.start_mark)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 1e-6 for text: it wants a point in it. Nobody else does.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
