"""Pickles that hold arrays, bytes, numbers and lists of them, read without building anything else.

A pickle is a program: it names functions and says with what to call them. Here three names are
known, and what they stand for are not NumPy's functions but records of this file; arrays are made
of them afterwards, once sizes and types are known to fit. Any other name is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid

__all__ = ["read_pickle"]

# Types of one number each; nothing that refers to objects.
_NUMBER = re.compile("[biuf][1248]")


# What Python raises over bytes that are no pickle.
_DAMAGED = (
    *(ValueError, TypeError, EOFError, LookupError, AttributeError),
    *(MemoryError, OverflowError, RecursionError),
)


class _Type:
    """What the pickle says about a type: its name, its byte order."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name, self.order = _text(name), "|"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or any(state[2:5]):
            raise pickle.UnpicklingError("a type that is not one number")
        self.order = _text(state[1])

    def dtype(self) -> np.dtype[Any]:
        """Return NumPy's type, if it is one of a plain number."""
        order = self.order if self.order in ("<", ">") else ""
        if not _NUMBER.fullmatch(self.name):
            raise pickle.UnpicklingError(f"an array of {self.name!r}")
        return np.dtype(order + self.name)


class _Record:
    """What the pickle says about an array: (version, shape, type, column by column, bytes)."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> Array:
        """Return the array, if its bytes are as many as it needs."""
        _, shape, kind, columns, data = self.state
        raw = data.encode("latin1") if isinstance(data, str) else data
        if not isinstance(kind, _Type):
            raise pickle.UnpicklingError("an array without a type")
        dtype = kind.dtype()
        if not isinstance(raw, bytes):
            raise pickle.UnpicklingError("an array without bytes")
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if columns else "C")


class _Name:
    """A name in a pickle; called, it makes a record of a kind; nothing can be stored in it."""

    __slots__ = ("kind",)

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind

    def __call__(self, *arguments: Any) -> Any:
        return self.kind(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a change to what a name stands for")


_NAMES = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Record,
    ("numpy.core.multiarray", "_reconstruct"): _Record,
    ("numpy._core.multiarray", "_reconstruct"): _Record,
}


class _Reader(pickle.Unpickler):
    """Knows the names that an array of numbers needs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise _Refused(f"{module}.{name}")
        return _Name(_NAMES[module, name])


class _Refused(pickle.UnpicklingError):
    """A pickle asks for something that it is not given."""


def read_pickle(data: bytes, file: str) -> dict[str, Any]:
    """Return the dictionary in a pickle: arrays, bytes, numbers, lists; nothing else is built.

    Parameters
    ----------
    data : bytes
        The pickle, as Python 2 or 3 wrote it (protocol 4 at most).
    file : str
        Its name, for messages.

    Raises
    ------
    ValueError
        If the pickle asks for anything but arrays (the message names it), is damaged or cut short,
        or holds no dictionary.
    """
    try:
        _check_size_of_memory(data)
        found = _Reader(io.BytesIO(data), encoding="bytes").load()
        if not isinstance(found, dict):
            raise pickle.UnpicklingError(f"a {type(found).__name__}")
        return {_text(key): _finished(value) for key, value in found.items()}
    except _Refused as error:
        remedy = "do not open it with pickle: it may run programs"
        must = "be a pickle of arrays, numbers and bytes"
        raise invalid("path", must, f"{file!r}, which asks for `{error}`", remedy) from None
    except pickle.UnpicklingError as error:
        text = f"{file!r}, which holds {error}"
        raise invalid("path", "be a pickle of plain arrays", text) from None
    except _DAMAGED:
        text = f"{file!r}, which is damaged or cut short"
        raise invalid("path", "be a whole pickle", text, "fetch it again") from None


def _check_size_of_memory(data: bytes) -> None:
    """Refuse a pickle that numbers its objects beyond its own length: each would take memory."""
    for code, argument, _ in pickletools.genops(data):
        if code.name in ("PUT", "LONG_BINPUT") and (argument or 0) > len(data):
            raise pickle.UnpicklingError("more objects than it has bytes")


def _finished(value: Any) -> Any:
    if isinstance(value, _Record):
        return value.array()
    if isinstance(value, _Type | _Name):
        raise pickle.UnpicklingError("a type where there should be data")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str | bytes):
        raise pickle.UnpicklingError(f"a {type(value).__name__} where there should be a name")
    return value.decode("latin1") if isinstance(value, bytes) else value
