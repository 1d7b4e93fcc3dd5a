"""What is asked of the numbers, held against those of one run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from race import BY_HAND, FLOOR, OURS
from report import Results, find, ratio
from workloads import TABLE

_FLOORS = {"W1": 1.5, "W2": 2.5, "W3": 6.0, "W4": 1.5}
_STEPS_PER_SECOND = 5e5


class Goal(NamedTuple):
    """One demand: the value measured, its bound, and whether it is to stay below."""

    text: str
    value: float
    bound: float
    below: bool

    @property
    def met(self) -> bool:
        """Whether the value keeps to the bound."""
        return self.value <= self.bound if self.below else self.value >= self.bound


def goals(results: Results) -> Iterator[Goal]:
    """Yield every demand for which this run has the numbers."""
    keys = [workload.key for workload in TABLE]
    for key in keys:
        yield from _goal(results, key, OURS, BY_HAND, 1.0, below=True)
    for key in keys:
        yield from _goal(results, key, OURS, FLOOR, _FLOORS[key[:2]], below=True)
    for key in ("W1-4000", "W2-1e6"):
        for peer in ("oscillatools", "kuramoto 0.4"):
            yield from _goal(results, key, peer, OURS, 10.0)
    for key in ("W2-1e4", "W2-1e6", "W4-N2", "W4-N4"):
        for peer in ("diffrax", "torchdiffeq"):
            yield from _goal(results, key, peer, OURS, 3.0)
    for key in ("W1-1000", "W3", "W4-N2", "W4-N4"):
        yield from _goal(results, key, OURS, (OURS, 2), 1.7)
    yield from _small(results)
    yield from _flat(results)


def _goal(
    results: Results, key: str, over: object, under: object, bound: float, below: bool = False
) -> Iterator[Goal]:
    value = ratio(results, key, over, under)
    names = [
        " on ".join([end[0], f"{end[1]} threads"]) if isinstance(end, tuple) else end
        for end in (over, under)
    ]
    if value is not None:
        yield Goal(f"{key}: {names[0]} / {names[1]}", value, bound, below)


def _small(results: Results) -> Iterator[Goal]:
    cell = find(results, "small", OURS)
    if cell:
        yield Goal("small: steps per second", 0.25 / cell["median"], _STEPS_PER_SECOND, False)


def _flat(results: Results) -> Iterator[Goal]:
    """Time per oscillator of mean fields from 10⁴ to 10⁷: the slowest over the fastest."""
    cells = {p: find(results, f"weak-mean-1e{p}", OURS) for p in range(4, 8)}
    times = [cell["median"] / 10**p for p, cell in cells.items() if cell]
    if len(times) > 1:
        text = "mean fields from 10⁴ up: time per oscillator, slowest / fastest"
        yield Goal(text, max(times) / min(times), 1.5, True)


def render_goals(results: Results) -> str:
    """Return the demands as a table; "no" is a finding, not a failure of the run."""
    lines = []
    for goal in goals(results):
        sign = "≤" if goal.below else "≥"
        verdict = "yes" if goal.met else "NO"
        lines.append(f"  {goal.text:<62}{goal.value:>12,.2f} {sign} {goal.bound:<9,g} {verdict}")
    return "\n".join(["Targets, within this run", *lines]) + "\n" if lines else ""
