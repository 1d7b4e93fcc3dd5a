"""Curves against a parameter: order and its theory, hysteresis, frequencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuramoto._backend import as_array, to_numpy
from kuramoto._check import invalid
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS

Theory = Callable[[np.ndarray], Any] | tuple[Any, Any] | None

_FINE = 600  # points of a theory's line


def draw_transition(
    ax: Any,
    strengths: Any,
    order: Any,
    theory: Theory = None,
    *,
    label: str = "simulation",
    color: str = LINE_COLORS[0],
) -> Any:
    """Draw an order parameter against a parameter, a theory as a line beneath; return the points.

    Parameters
    ----------
    ax : matplotlib axes
    strengths : array, shape (K,)
    order : array, shape (K,) or (K, seeds)
        Of several seeds the mean is drawn, with bars of one standard deviation.
    theory : callable, or pair of arrays (strengths, order), optional
        A function is drawn between the ends of `strengths`; where it is NaN there is no line.
    label : str
    color : str

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    strengths, order = _host(strengths, "strengths"), _host(order, "order")
    if strengths.ndim != 1 or order.shape[:1] != strengths.shape or order.ndim > 2:
        must = f"have shape ({strengths.size},) or ({strengths.size}, seeds), as `strengths` has"
        raise invalid("order", must, f"has shape {order.shape}")
    draw_theory(ax, strengths, theory)
    seeds = order.reshape(len(strengths), -1)
    known = ~np.isnan(seeds).all(axis=1)  # points that have not been run yet
    mean, spread = np.nanmean(seeds[known], axis=1), np.nanstd(seeds[known], axis=1)
    bars = spread if seeds.shape[1] > 1 else None
    style = {"fmt": "o", "markersize": 4.5, "capsize": 2, "elinewidth": 1, "zorder": 3}
    points = ax.errorbar(strengths[known], mean, bars, color=color, label=label, **style)
    _finish(ax)
    return points


def draw_theory(ax: Any, strengths: Any, theory: Theory) -> None:
    """Draw what a theory says of the parameters between the ends of `strengths`."""
    if theory is None:
        return
    if callable(theory):
        fine = np.linspace(np.min(strengths), np.max(strengths), _FINE)
        theory = fine, theory(fine)
    at, values = (_host(part, "theory") for part in theory)
    ax.plot(at, values, color="0.25", linewidth=1.6, zorder=2, label="theory")


def draw_hysteresis(
    ax: Any, strengths: Any, forward: Any, backward: Any, theory: Theory = None
) -> list[Any]:
    """Draw an order parameter on the way up and on the way down; return both lines.

    Parameters
    ----------
    ax : matplotlib axes
    strengths : array, shape (K,)
    forward, backward : array, shape (K,)
        Both in the order of `strengths`, as `kuramoto.stability.hysteresis` returns them.
    theory : callable, or pair of arrays, optional
        As in `draw_transition`.
    """
    strengths = _host(strengths, "strengths")
    draw_theory(ax, strengths, theory)
    ways = (
        ("up", forward, ">", "-", LINE_COLORS[0]),
        ("down", backward, "<", "--", LINE_COLORS[1]),
    )
    lines = []
    for label, values, marker, line, color in ways:
        values = _host(values, "forward" if label == "up" else "backward")
        if values.shape != strengths.shape:
            must = f"have shape {strengths.shape}, as `strengths` has"
            raise invalid("forward and backward", must, f"has shape {values.shape}")
        style = {"marker": marker, "linestyle": line, "color": color, "markersize": 5}
        lines += ax.plot(strengths, values, label=label, linewidth=1.2, **style)
    _finish(ax)
    return lines


def draw_frequencies(ax: Any, natural: Any, observed: Any, labels: Any = None) -> Any:
    """Draw observed mean frequencies against natural ones: plateaus are locked groups.

    Parameters
    ----------
    ax : matplotlib axes
    natural, observed : array, shape (M,)
        Radians per unit time.
    labels : array of int, shape (M,), optional
        Groups, as `kuramoto.observables.frequency_clusters` returns them: each has a colour.
    """
    natural, observed = _host(natural, "natural"), _host(observed, "observed")
    if natural.shape != observed.shape or natural.ndim != 1:
        found = f"have shapes {natural.shape} and {observed.shape}"
        raise invalid("natural and observed", "have one shape (M,)", found)
    ends = [natural.min(), natural.max()]
    ax.plot(ends, ends, color="0.75", linewidth=1, zorder=1, label="uncoupled")
    colors: Any = LINE_COLORS[0]
    if labels is not None:
        colors = [LINE_COLORS[int(group) % len(LINE_COLORS)] for group in labels]
    points = ax.scatter(natural, observed, s=9, c=colors, zorder=2)
    ax.set_xlabel("natural frequency", fontsize=LABEL)
    ax.set_ylabel("mean frequency", fontsize=LABEL)
    _tidy(ax)
    return points


def _finish(ax: Any) -> None:
    """Name the axes, unless they have names already; show the legend."""
    if not ax.get_xlabel():
        ax.set_xlabel("coupling strength K", fontsize=LABEL)
    if not ax.get_ylabel():
        ax.set_ylabel("order parameter r", fontsize=LABEL)
        ax.set_ylim(-0.02, 1.02)
    _tidy(ax)
    if len(ax.get_legend_handles_labels()[0]) > 1:
        ax.legend(fontsize=TICK, frameon=False)


def _tidy(ax: Any) -> None:
    ax.tick_params(labelsize=TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)


def _host(values: Any, argument: str) -> np.ndarray:
    return np.asarray(to_numpy(as_array(values, argument)), dtype=np.float64)
