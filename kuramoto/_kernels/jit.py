"""How the kernels are compiled: one set of options, a key for the disk cache, a word to who waits.

Compiled code is kept on disk (numba's cache), so that a second process starts without compiling.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import codegen
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

_logger = logging.getLogger(__name__)

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


_kept: dict[tuple[Any, tuple[Any, ...]], Any] = {}


def ready(function: Any, arguments: tuple[Any, ...], what: str) -> _Function:
    """Return a driver for arguments of these types, from disk or compiled now.

    Compiling that takes long is announced as a warning to Python's logging, which prints it on
    stderr unless told otherwise.
    """
    types = tuple(numba.typeof(argument) for argument in arguments)
    if (function, types) not in _kept:
        found = _on_disk(function, types)
        if found is None:
            _compile(function, types, what)
            # Nothing on disk even now: a folder that cannot be written.
            found = _on_disk(function, types) or function.overloads[types]
        _kept[function, types] = found
    entry: _Function = _kept[function, types].entry_point
    return entry


def _on_disk(function: Any, types: tuple[Any, ...]) -> Any:
    """Load compiled code into an engine of its own; None if there is none.

    What is on disk holds the pieces too, those that were not inlined as functions. An engine that
    has compiled such a piece by itself takes its name for that copy, which has been optimised once
    less: other last bits, in the one process that compiled, than in all that come after it.
    """
    engine = codegen.JITCPUCodegen(f"kuramoto.{function.__name__}")
    return function._cache.load_overload(
        types, function.targetctx.subtarget(_internal_codegen=engine)
    )


def _compile(function: Any, types: tuple[Any, ...], what: str) -> None:
    text = f"kuramoto: compiling {what} (once: it is kept on disk) ..."
    notice = threading.Timer(1.0, _logger.warning, [text])
    notice.daemon = True
    notice.start()
    try:
        function.compile(types)
    finally:
        notice.cancel()
