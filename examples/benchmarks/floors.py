"""What this machine allows: the least work of a workload, over the rate at which it can be done.

All formulas stand in `least_work`. The rates are measured in the same rounds as the contestants, on
arrays as large as the workload's own: what fits a cache is held against that cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from contestants import Contestant, Impossible
from numba import config, njit, prange
from timing import clock, repeat
from workloads import DEGREE, KERNEL_SIZE, System, Workload

GEMM_SIDE = 1500
GEMM_FLOPS = 2 * GEMM_SIDE**3


class Work(NamedTuple):
    """So much of something, at a rate that a probe measures: "read", "triad" or "gemm"."""

    amount: float
    unit: str
    probe: str


def least_work(workload: Workload) -> Work | None:
    """Return what one right-hand side cannot do without; None where nothing bounds it.

    W1, dense: J is read once, 8 M² bytes; M states and rates beside it do not count. A batch that
    shares one J makes it a matrix product, 2 M² N flops a system.
    W2, mean field: 40 bytes an oscillator, x read (16), ω read (8), x written (16). A batch of
    small systems stays in the nearest cache: no bandwidth bounds it.
    W3, sparse: 12 bytes an entry (value 8, index 4), 40 a node as above.
    W4, lattice: a multiplication and an addition per kernel entry and coordinate, 2·81·N flops.
    """
    M = workload.oscillators
    if workload.kind == "lattice":
        return Work(2.0 * KERNEL_SIZE**2 * workload.N * M, "flops", "gemm")
    if workload.batch:
        flops = 2.0 * workload.sites[0] * workload.N * M
        return Work(flops, "flops", "gemm") if workload.kind == "dense" else None
    if workload.kind == "dense":
        return Work(8.0 * M**2, "bytes", "read")
    if workload.kind == "sparse":
        return Work(12.0 * DEGREE * M + 40.0 * M, "bytes", "read")
    return Work(40.0 * M, "bytes", "triad")


def floor_seconds(work: Work, rate: float) -> float:
    """Return the floor, given bytes or flops per second."""
    return work.amount / rate


@njit(fastmath=True, cache=True)
def read(a):
    total = 0.0
    for i in range(a.size):
        total += a[i]
    return total


@njit(parallel=True, fastmath=True, cache=True)
def read_by_all(a):
    total = 0.0
    for i in prange(a.size):
        total += a[i]
    return total


@njit(fastmath=True, cache=True)
def triad(a, b, c):
    for i in range(a.size):
        a[i] = b[i] + 3.0 * c[i]


@njit(parallel=True, fastmath=True, cache=True)
def triad_by_all(a, b, c):
    for i in prange(a.size):
        a[i] = b[i] + 3.0 * c[i]


def alone() -> bool:
    """Whether there is one thread: starting a parallel loop costs a microsecond even then."""
    return config.NUMBA_NUM_THREADS == 1


def read_probe(nbytes: float):
    """Return a function that reads so many bytes."""
    a, kernel = np.ones(int(nbytes / 8)), read if alone() else read_by_all
    return lambda: kernel(a)


def triad_probe(nbytes: float):
    """Return a function that moves so many bytes, two thirds of them read: STREAM's triad."""
    a, b, c = (np.ones(int(nbytes / 24)) for _ in range(3))
    kernel = triad if alone() else triad_by_all
    return lambda: kernel(a, b, c)


def gemm_probe(_: float):
    """Return a function that multiplies two matrices of the size that all rates refer to."""
    a, b, c = (np.ones((GEMM_SIDE, GEMM_SIDE)) for _ in range(3))
    return lambda: np.matmul(a, b, out=c)


PROBES = {"read": read_probe, "triad": triad_probe, "gemm": gemm_probe}


class Floor(Contestant):
    """Nothing but the least work, again and again."""

    def __init__(self, workload: Workload, system: System) -> None:
        work = least_work(workload)
        if work is None or workload.steps:
            raise Impossible("neither bandwidth nor arithmetic bounds it")
        self.probe = PROBES[work.probe](work.amount)
        # One product is worth many evaluations; one pass over the memory is worth one.
        self.evaluations = GEMM_FLOPS / work.amount if work.probe == "gemm" else 1.0

    def advance(self, steps: int) -> float:
        """Do the work of so many passes."""
        for _ in range(steps):
            self.probe()
        return steps * self.evaluations


def machine_rates() -> dict[str, float]:
    """Measure this machine: bytes per second in memory and in the last cache, flops per second."""
    large = 12.0 * last_cache_bytes()
    tasks = {
        "triad, memory": ("triad", large),
        "read, memory": ("read", large / 3),
        "read, 8 MB": ("read", 8e6),
        "gemm": ("gemm", GEMM_FLOPS),
    }
    return {name: best_rate(*task) for name, task in tasks.items()}


def best_rate(probe: str, amount: float) -> float:
    """Return the best of several rates: what the machine can do when nobody disturbs it."""
    once = PROBES[probe](amount)
    once()
    times = repeat(lambda: clock(once), seconds=0.2, least=3)
    return amount / min(times)


def last_cache_bytes() -> int:
    """Return the size of the largest cache of the first core; 32 MiB where the system is silent."""
    sizes = [32 * 2**20]
    folder = Path("/sys/devices/system/cpu/cpu0/cache")
    found = [path.read_text().strip() for path in folder.glob("index*/size")]
    units = {"K": 2**10, "M": 2**20}
    return max([int(size[:-1]) * units[size[-1]] for size in found if size[-1] in units] or sizes)
