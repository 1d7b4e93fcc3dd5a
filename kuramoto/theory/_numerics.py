"""What the formulas share: densities of natural frequencies, quadrature, and inverting curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from kuramoto._check import invalid, wrong_type

__all__ = ["Density", "as_density", "increasing_root", "nonnegative", "panels"]

# Fine towards both ends: a panel of the quadrature lies between each two of these quantiles.
_TAIL = (1e-12, 1e-9, 1e-7, 1e-5, 1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.07, 0.13, 0.2, 0.3, 0.4)
_PROBABILITIES = np.array([*_TAIL, 0.5, *(1 - p for p in reversed(_TAIL))])
_PANELS = 64


@dataclass(frozen=True)
class Density:
    """A density g(ω) on its support, with places between which it is smooth.

    Attributes
    ----------
    pdf : callable
        g, for arrays of rates.
    support : tuple of float
    breaks : array
        Ascending, all finite.
    center : float
        The median.
    """

    pdf: Callable[[np.ndarray], np.ndarray]
    support: tuple[float, float]
    breaks: np.ndarray
    center: float

    @cached_property
    def scale(self) -> float:
        """The distance from the median to the upper quartile, or so."""
        total, weights = panels(self.breaks, 8)
        mass = np.cumsum(self.pdf(total) * weights)
        return float(np.interp(0.75, mass, total) - self.center)

    @cached_property
    def symmetric(self) -> bool:
        """Whether g(center + u) = g(center − u), looked at in many places."""
        u = self._offsets()
        above, below = self.pdf(self.center + u), self.pdf(self.center - u)
        return bool(np.abs(above - below).max() <= 1e-6 * self._peak())

    @property
    def unimodal(self) -> bool:
        """Whether g falls (or stays) from the center outwards, looked at in many places."""
        u = self._offsets()
        sides = (self.pdf(self.center + u), self.pdf(self.center - u))
        return all(bool((np.diff(g) <= 1e-9 * self._peak()).all()) for g in sides)

    def _offsets(self) -> np.ndarray:
        # Half-way between breaks: the edges of a support may count as in or out of it.
        nodes = panels(self.breaks[self.breaks >= self.center], 4)[0]
        return np.concatenate([[0.0], nodes - self.center])

    def _peak(self) -> float:
        return float(self.pdf(panels(self.breaks, 4)[0]).max())


def as_density(distribution: Any, support: tuple[float, float] | None = None) -> Density:
    """Return a frozen SciPy distribution, or a callable density with its support, as a `Density`.

    A callable takes arrays of rates.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If a callable comes without a support, or does not integrate to 1 over it.
    """
    if isinstance(distribution, Density):
        return distribution
    if hasattr(distribution, "pdf") and hasattr(distribution, "ppf"):
        quantiles = np.asarray(distribution.ppf([0.0, *_PROBABILITIES, 1.0]), dtype=np.float64)
        breaks = np.unique(quantiles[np.isfinite(quantiles)])
        low, high = distribution.support()
        return Density(distribution.pdf, (float(low), float(high)), breaks, _median(distribution))
    if not callable(distribution):
        must = "be a frozen scipy.stats distribution or a callable density"
        remedy = "see kuramoto.frequencies.lorentzian"
        raise wrong_type("distribution", must, distribution, remedy)
    if support is None:
        remedy = "pass support=(low, high)"
        raise invalid("support", "be given for a callable density", "None", remedy)
    return _from_callable(distribution, (float(support[0]), float(support[1])))


def _median(distribution: Any) -> float:
    return float(distribution.ppf(0.5))


def _from_callable(density: Any, support: tuple[float, float]) -> Density:
    low, high = support
    if not low < high:
        raise invalid("support", "be (low, high) with low < high", f"{support}")

    def pdf(omega: np.ndarray) -> np.ndarray:
        inside = (omega >= low) & (omega <= high)
        return np.where(inside, density(omega), 0.0)

    breaks = _places(low, high)
    nodes, weights = panels(breaks, 16)
    mass = pdf(nodes) * weights
    if not abs(mass.sum() - 1) < 1e-4:
        must = "integrate to 1 over its support"
        raise invalid("distribution", must, f"it integrates to {mass.sum():.6g}")
    center = float(np.interp(0.5, np.cumsum(mass) - mass / 2, nodes))
    return Density(pdf, support, breaks, _rounded(center, low, high))


def _rounded(center: float, low: float, high: float) -> float:
    """Return the middle of the support (0 for the whole line) if the median is there."""
    finite = np.isfinite(low) and np.isfinite(high)
    middle, size = (0.5 * (low + high), high - low) if finite else (0.0, 1.0)
    return middle if abs(center - middle) < 1e-3 * size else center


def _places(low: float, high: float) -> np.ndarray:
    """Return where panels begin: even on a finite support, as tan on an infinite one."""
    ends = [2 / np.pi * np.arctan(end) for end in (low, high)]
    if np.isfinite(low) and np.isfinite(high):
        return np.linspace(low, high, _PANELS + 1)
    even = np.linspace(ends[0], ends[1], 4 * _PANELS + 1)
    near = np.tan(np.pi / 2 * even[np.abs(even) < 1 - 1e-9])
    far = np.abs(near).max() * 2.0 ** np.arange(1, 40)
    places = np.concatenate([-far, near, far])
    return np.unique(places[(places >= low) & (places <= high)])


def panels(edges: np.ndarray, order: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of Gauss-Legendre quadrature between every two edges.

    Examples
    --------
    >>> nodes, weights = panels(np.array([0.0, 1.0, 3.0]), 2)
    >>> float(weights @ nodes**3)
    20.25
    """
    x, w = _gauss(order)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + x)).ravel(), (half * w).ravel()


@cache
def _gauss(order: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(order)


def increasing_root(
    curve: Callable[[np.ndarray], np.ndarray], target: np.ndarray, low: float, high: np.ndarray
) -> np.ndarray:
    """Return where an increasing curve reaches each target, by bisection; `low` where it is above.

    The interval halves until it is as short as rounding allows.
    """
    below = np.full(target.shape, low)
    above = np.array(np.broadcast_to(high, target.shape), dtype=np.float64)
    for _ in range(100):
        middle = 0.5 * (below + above)
        rising = curve(middle) < target
        below, above = np.where(rising, middle, below), np.where(rising, above, middle)
    return 0.5 * (below + above)


def nonnegative(argument: str, value: Any) -> np.ndarray:
    """Return numbers as a float64 array if all are finite and at least 0, or raise."""
    array = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise invalid(argument, "be finite and at least 0", f"it holds {array.min():g}")
    return array
