"""Figures of runs: how their pictures and curves share a page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kuramoto.plotting.axes import LABEL, TICK, draw_curve
from kuramoto.plotting.palette import LINE_COLORS
from kuramoto.plotting.panel import Panel, caption_of, panel_of
from kuramoto.plotting.pictures import draw_picture, picture_height

TITLE = 12  # font size in points


def figure_run(run: Any, *, title: str = "", site_ndim: int | None = None) -> Figure:
    """Draw a run: the picture that fits, and below it its observables.

    Lattices and oscillators with N = 3 are shown as snapshots (on phase lattices with vortices
    marked), small networks as they lie beside space and time, others over space and time.

    Parameters
    ----------
    run : Solution or RunFile
        With at least one saved state.
    title : str
    site_ndim : int, optional
        How many axes of a state count oscillators; known for run files, else all but the last.

    Returns
    -------
    matplotlib Figure
        Not known to pyplot; save it with ``figure.savefig(...)``.

    Examples
    --------
    >>> import kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(1.0))
    >>> x0 = km.sphere.random_points((10, 2), seed=0)
    >>> solution = km.solve(model, x0, t1=10.0, dt=0.1, save=km.SaveAt(every=1))
    >>> [ax.get_ylabel() for ax in figure_run(solution).axes]
    ['oscillator', 'order parameter r']
    """
    panel = panel_of(run, title, site_ndim)
    return figure_panels([panel], caption=caption_of([panel]))


def figure_panels(
    panels: Sequence[Panel], *, title: str = "", caption: str = "", width: float = 11.0
) -> Figure:
    """Draw runs side by side.

    Parameters
    ----------
    panels : sequence of Panel
    title, caption : str
        Over and under all of them.
    width : float
        Of the figure, in inches.
    """
    share = width / len(panels)
    tallest = max(picture_height(panel, share) for panel in panels)
    height = tallest + 2.5 + 0.4 * bool(title) + 0.2 * bool(caption)
    figure = Figure(figsize=(width, height), layout="constrained")
    for panel, part in zip(panels, parts_of(figure, len(panels), title, caption), strict=True):
        top, bottom = part.subfigures(2, 1, height_ratios=[tallest, 2.1])
        part.suptitle(panel.title, fontsize=TITLE)
        draw_picture(top, panel, share)
        draw_curves(bottom, panel)
    return figure


def parts_of(figure: Any, count: int, title: str, caption: str) -> list[Any]:
    """Write what stands over and under a figure, and divide it among runs."""
    if title:
        figure.suptitle(title, fontsize=TITLE + 3, fontweight="bold")
    if caption:
        figure.supxlabel(caption, fontsize=TICK, color="0.35")
    return list(np.ravel(figure.subfigures(1, count, wspace=0.04)))


def draw_curves(part: Any, panel: Panel) -> list[tuple[Any, np.ndarray]]:
    """Draw each curve on axes of its own, as their scales differ; return lines and values."""
    axes = part.subplots(1, len(panel.curves), squeeze=False)[0]
    drawn = []
    palette = itertools.cycle(LINE_COLORS)
    for ax, color, (name, values) in zip(axes, palette, panel.curves.items(), strict=False):
        drawn.append((draw_curve(ax, panel.times, values, name, color=color), values))
        ax.set_xlabel(panel.time_label, fontsize=LABEL)
        if panel.limits:
            ax.set_ylim(panel.limits)
        if panel.mark_rises:
            drawn.append(_mark_rises(ax, panel.times, values))
    return drawn


def _mark_rises(ax: Any, times: np.ndarray, values: np.ndarray) -> tuple[Any, np.ndarray]:
    """Draw the rising stretches of a curve over it, in another colour."""
    rises = np.append(np.diff(values) > 0, False)
    marked = np.where(rises | np.roll(rises, 1), values, np.nan)
    (line,) = ax.plot(times, marked, color=LINE_COLORS[1], linewidth=3.5, label="rising")
    if rises.any():
        ax.legend(fontsize=TICK, loc="upper right", frameon=False)
    return line, marked
