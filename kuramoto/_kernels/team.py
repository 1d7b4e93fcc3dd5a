"""Threads that run one driver together, and the barrier they meet at.

All workers run the same code on their own tiles and meet after every stage. A barrier costs a tenth
of a microsecond, where starting a parallel loop costs several: a step of a small system takes less.
"""

from __future__ import annotations

import concurrent.futures
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kuramoto._kernels.jit import piece

MEETING = 48
_COUNT, _ROUND, _BROKEN = 0, 16, 32  # on cache lines of their own
_SPINS = 2000  # about ten microseconds; then let others run


def workers() -> int:
    """Return how many threads may work: NUMBA_NUM_THREADS, by default all cores of the process."""
    return int(numba.config.NUMBA_NUM_THREADS)


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    place = [arguments[1]]
    return cgutils.get_item_pointer(context, builder, signature.args[0], array, place)


@intrinsic
def _fetch_add(_: Any, array: Any, place: Any, value: Any) -> Any:
    """Add to array[place] at once for all threads; return what was there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments)
        return builder.atomic_rmw("add", pointer, arguments[2], "acq_rel")

    return types.int64(array, types.intp, types.int64), generate


@intrinsic
def _peek(_: Any, array: Any, place: Any) -> Any:
    """Return array[place] as other threads have left it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments)
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(array, types.intp), generate


@intrinsic
def _let_others_run(_: Any) -> Any:
    """Give the rest of this thread's time slice away."""
    name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.none(), generate


@piece
def barrier(meeting: Any, size: int) -> None:
    """Wait until all `size` workers have come, or one has said that it never will."""
    if size == 1 or _peek(meeting, _BROKEN) != 0:
        return
    current = _peek(meeting, _ROUND)
    if _fetch_add(meeting, _COUNT, 1) == size - 1:
        _fetch_add(meeting, _COUNT, -size)
        _fetch_add(meeting, _ROUND, 1)
        return
    spins = 0
    while _peek(meeting, _ROUND) == current:
        spins += 1
        if spins > _SPINS:
            if _peek(meeting, _BROKEN) != 0:
                return
            _let_others_run()


_pool: tuple[int, int, Any] | None = None  # process, size, executor: a forked child needs its own
_alone = threading.Lock()


def together(work: Callable[[int, int, np.ndarray], None], size: int) -> None:
    """Call ``work(worker, size, meeting)`` on `size` threads at once.

    Where another run has the threads, the work is done by one: the numbers are the same. What one
    of them raises comes out when all have ended.
    """
    meeting = np.zeros(MEETING, dtype=np.int64)
    if size == 1 or not _alone.acquire(blocking=False):
        work(0, 1, meeting)
        return

    def come(worker: int) -> None:
        try:
            work(worker, size, meeting)
        except BaseException:
            meeting[_BROKEN] = 1  # nobody may wait for this one: Ctrl-C, say, before it came
            raise

    try:
        pool = _threads(size - 1)
        others = [pool.submit(come, worker) for worker in range(1, size)]
        try:
            come(0)
        finally:
            concurrent.futures.wait(others)
        for other in others:
            other.result()
    finally:
        _alone.release()


def _threads(count: int) -> Any:
    """Return an executor with at least `count` threads, all of them started."""
    global _pool
    if _pool is None or _pool[0] != os.getpid() or _pool[1] < count:
        executor = concurrent.futures.ThreadPoolExecutor(count, "kuramoto")
        meet = threading.Barrier(count + 1)
        for _ in range(count):  # a driver must not wait for a thread that cannot be started
            executor.submit(meet.wait)
        meet.wait()
        _pool = os.getpid(), count, executor
    return _pool[2]
