"""How the kernels are compiled: one set of options, a key for the disk cache, a word to who waits.

Compiled code is kept on disk (numba's cache), so that a second process starts without compiling.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.extending import overload

# Sums may be reordered (they must be, to be vectorised); NaN and infinity keep their meaning.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

# Nothing is allocated in the compiled pieces, so that no references need counting: one atomic
# increment and decrement per array and call cost a third of the time, and all that a second thread
# gained.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": FASTMATH,
    "error_model": "numpy",
    "_nrt": False,
}

piece = numba.njit(**OPTIONS)
"""Decorator of the parts that drivers are made of: compiled into whoever calls them."""

in_sequence = numba.njit(**{**OPTIONS, "fastmath": {"contract", "nsz"}})
"""Decorator of a piece whose sums keep their order: the compiler makes no vectors of them."""


def driver(function: Callable[..., Any]) -> Any:
    """Decorate what is called from Python: compiled once per types, kept on disk.

    Numba's cache is void when the driver's own file has changed; here, when any kernel source has.
    """
    compiled = numba.njit(cache=True, **OPTIONS)(function)
    file = compiled._cache._cache_file
    file._source_stamp = (file._source_stamp, _source_digest())
    return compiled


@functools.cache
def _source_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_Function = Callable[..., Any]
_meanings: dict[tuple[str, type], _Function] = {}


def by_type(stub: _Function) -> _Function:
    """Decorate an empty function whose meaning depends on the type of its first argument."""

    @overload(stub, jit_options=OPTIONS, strict=False)
    def choose(first: Any, *rest: Any) -> Any:
        return _meanings.get((stub.__name__, getattr(first, "instance_class", type(None))))

    return stub


def meaning(stub: _Function, kind: type) -> Callable[[_Function], _Function]:
    """Decorate what `stub` means where its first argument is of a kind of named tuple."""

    def enter(function: _Function) -> _Function:
        _meanings[stub.__name__, kind] = function
        return function

    return enter


def ready(function: Any, arguments: tuple[Any, ...], what: str) -> None:
    """Compile `function` for these arguments, or load it; say so on stderr if that takes long."""
    types = tuple(numba.typeof(argument) for argument in arguments)
    if types in function.overloads:
        return
    text = f"kuramoto: compiling {what} (once: it is kept on disk) ...\n"
    notice = threading.Timer(1.0, lambda: (sys.stderr.write(text), sys.stderr.flush()))
    notice.daemon = True
    notice.start()
    try:
        function.compile(types)
    finally:
        notice.cancel()
