"""How anything is timed here: long runs minus short ones, so that set-up does not count.

A sample is two legs, (seconds, evaluations), of a short and a long run. Noise only ever adds time,
so medians and minima are taken leg by leg, before the difference: a disturbed short run would make
a difference too small.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import median

from contestants import Contestant

Leg = tuple[float, float]

# A machine that is shared may stop a process, or be stopped itself, for seconds.
_TRIES = 3


def clock(action: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def repeat(action: Callable[[], float], *, seconds: float, least: int) -> list[float]:
    """Return the results of repeating something for so long, at least so often."""
    results, ending = [], time.perf_counter() + seconds
    while len(results) < least or time.perf_counter() < ending:
        results.append(action())
    return results


def leg(contestant: Contestant, steps: int) -> Leg:
    """Time a run, and once more where somebody else had the processor for a sixth of it."""
    tries = []
    for _ in range(_TRIES):
        begun, worked = time.perf_counter(), time.process_time()
        evaluations = contestant.advance(steps)
        seconds, worked = time.perf_counter() - begun, time.process_time() - worked
        tries.append((seconds, evaluations))
        if seconds < 1.2 * worked + 0.01:
            break
    return min(tries)


def sample(contestant: Contestant, short: int, long: int) -> list[Leg]:
    """Time a short run and a long one, the caches warm; only the long one where short is 0."""
    if not short:
        return [(0.0, 0.0), leg(contestant, long)]
    contestant.advance(short)
    return [leg(contestant, short), leg(contestant, long)]


def calibrate(contestant: Contestant, target: float, patience: float) -> tuple[int, int, float]:
    """Return the steps of a short and of a long run, and the seconds of a sample.

    The steps of the long run last the target, and thrice the set-up, or the difference would drown
    in its noise. The first run does not count, since it compiles, loads and allocates. Where steps
    are counted or last over a second, there is no short run; beyond patience nothing is repeated.
    """
    setup = leg(contestant, 1)[0]
    if setup < patience or not contestant.counted:
        setup = min(leg(contestant, 1)[0] for _ in range(2 if setup < 1 else 1))
    if contestant.counted or setup > 1:
        long = math.ceil(target / setup)
        return 0, long, long * setup
    target = max(target, 3 * setup)
    per_step = _seconds_per_step(contestant, setup, target / 3)
    long = 1 + math.ceil(target / per_step)
    short = max(1, long // 20)
    return short, long, 3 * setup + (2 * short + long - 3) * per_step


def _seconds_per_step(contestant: Contestant, setup: float, enough: float) -> float:
    """Return what a step adds to a run, from one that is longer than the set-up by enough."""
    steps, seconds = 2, leg(contestant, 2)[0]
    while seconds - setup < enough:
        setup = min(setup, seconds)  # it was disturbed when it was measured
        growth = 1.5 * enough / max(seconds - setup, 1e-9)
        steps = math.ceil(steps * min(max(growth, 2.0), 8.0))
        seconds = leg(contestant, steps)[0]
    return (seconds - setup) / (steps - 1)


def seconds_per_evaluation(
    samples: Sequence[Sequence[Leg]], statistic: Callable[[list[float]], float] = median
) -> float:
    """Return the cost of one right-hand side, the set-up subtracted."""
    short, long = (statistic([pair[end][0] for pair in samples]) for end in (0, 1))
    (_, few), (_, many) = samples[0]
    return (long - short) / (many - few)
