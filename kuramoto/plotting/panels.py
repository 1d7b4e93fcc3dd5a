"""Figures of runs: what is shown of each, and how panels share a page."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kuramoto._backend import to_numpy
from kuramoto._check import invalid
from kuramoto.observables import order_parameter
from kuramoto.plotting.axes import (
    LABEL,
    MOST_ROWS,
    TICK,
    draw_curve,
    draw_lattice,
    space_time,
    spread,
)
from kuramoto.plotting.palette import LINE_COLORS, leading_plane

TITLE = 12  # font size in points
_MOST_CURVES = 3


@dataclass
class Panel:
    """What a figure or an animation shows of one run.

    Attributes
    ----------
    times : array, shape (S,)
    states : sequence of array, shape (S, *sites, N)
        Read on demand, one at a time: an h5py dataset will do.
    curves : dict of array, shape (S,)
        Quantities to draw over time; the order parameter by default.
    title : str
    site_ndim : int, optional
        How many axes count oscillators; axes before those are a batch, of which the first member
        is shown. All axes but the last, by default.
    picks : sequence of int
        Rows to show as snapshots; evenly spaced by default.
    outline : array of bool, shape (height, width), optional
        A region of the lattice to be outlined.
    clock : str
        How the time is written over a snapshot.
    time_label : str
    limits : pair of float, optional
        Where the vertical axes of the curves begin and end.
    mark_rises : bool
        Whether curves change colour where they rise.
    plane : array, shape (2, N), optional
        As in `colors`; the leading plane of states from the whole run by default.
    """

    times: np.ndarray
    states: Any
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)
    title: str = ""
    site_ndim: int | None = None
    picks: Sequence[int] = ()
    outline: np.ndarray | None = None
    clock: str = "t = {:.3g}"
    time_label: str = "time t"
    limits: tuple[float, float] | None = None
    mark_rises: bool = False
    plane: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Choose the plane, and the order parameter where there is no curve."""
        if not len(self.times) or not len(self.states):
            remedy = "save some: SaveAt(every=10)"
            raise invalid("run", "hold saved states", "it holds none", remedy)
        self.site_ndim = self.site_ndim or np.ndim(self.states[0]) - 1
        if self.plane is None:
            rows = spread(len(self.times), 12)
            self.plane = leading_plane(np.stack([self.state(row) for row in rows]))
        if not self.curves:
            self.curves = {"order parameter r": self._order()}

    @property
    def is_lattice(self) -> bool:
        """Whether a state is a picture."""
        return np.ndim(self.state(0)) == 3

    def state(self, row: int) -> np.ndarray:
        """Return a state as (M, N) or (height, width, N): of more axes, the middle slice."""
        x = to_numpy(self.states[row])
        assert self.site_ndim is not None
        x = x[(0,) * (x.ndim - 1 - self.site_ndim)]
        while x.ndim > 3:
            x = x[len(x) // 2]
        return np.atleast_2d(x)

    def _order(self) -> np.ndarray:
        """Return r of what is shown, found at no more rows than can be told apart."""
        rows = spread(len(self.times), MOST_ROWS)
        shown = (self.state(row) for row in rows)
        values = [float(order_parameter(x, x.ndim - 1)) for x in shown]
        return np.interp(np.arange(len(self.times)), rows, values)


def figure_run(run: Any, *, title: str = "", site_ndim: int | None = None) -> Figure:
    """Draw a run: a lattice as snapshots, others over space and time; below, its observables.

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


def caption_of(panels: Sequence[Panel]) -> str:
    """Say what colours mean, and what is not shown."""
    words = set()
    for panel in panels:
        phase = np.shape(panel.states[0])[-1] <= 2
        direction = "colour: direction in the leading plane, dark: out of it"
        words |= {"colour: phase" if phase else direction}
        extra = np.ndim(panel.states[0]) - 1 - (panel.site_ndim or 0)
        words |= {"first member of the batch"} if extra else set()
        words |= {"middle slice"} if (panel.site_ndim or 0) > 2 else set()
    return "; ".join(sorted(words))


def panel_of(run: Any, title: str = "", site_ndim: int | None = None) -> Panel:
    """Choose what to show of a run."""
    if site_ndim is None and hasattr(run, "model"):
        # A file that could not hold its model, or whose library or device is not here.
        with contextlib.suppress(Exception):
            site_ndim = run.model().coupling.site_ndim
    # Of a batch, the first member, as in the pictures; vectors are no curves.
    batch = np.ndim(run.states[0]) - 1 - site_ndim if len(run.times) and site_ndim else 0
    observed = {name: to_numpy(values) for name, values in run.observed.items()}
    scalars = {name: values for name, values in observed.items() if values.ndim == 1 + batch}
    curves = {name: values.reshape(len(values), -1)[:, 0] for name, values in scalars.items()}
    chosen = dict(list(curves.items())[:_MOST_CURVES])
    return Panel(np.asarray(run.times), run.states, chosen, title, site_ndim)


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
    tallest = max(_picture_height(panel, share) for panel in panels)
    height = tallest + 2.5 + 0.4 * bool(title) + 0.2 * bool(caption)
    figure = Figure(figsize=(width, height), layout="constrained")
    for panel, part in zip(panels, parts_of(figure, len(panels), title, caption), strict=True):
        top, bottom = part.subfigures(2, 1, height_ratios=[tallest, 2.1])
        part.suptitle(panel.title, fontsize=TITLE)
        draw = _draw_snapshots if panel.is_lattice else _draw_space_time
        draw(top, panel, _columns(share))
        draw_curves(bottom, panel)
    return figure


def parts_of(figure: Any, count: int, title: str, caption: str) -> list[Any]:
    """Write what stands over and under a figure, and divide it among runs."""
    if title:
        figure.suptitle(title, fontsize=TITLE + 3, fontweight="bold")
    if caption:
        figure.supxlabel(caption, fontsize=TICK, color="0.35")
    return list(np.ravel(figure.subfigures(1, count, wspace=0.04)))


def _columns(width: float) -> int:
    return 6 if width > 8 else 3


def _snapshots(panel: Panel) -> list[int]:
    return list(panel.picks) or spread(len(panel.times), 6)


def _picture_height(panel: Panel, width: float) -> float:
    if not panel.is_lattice:
        return 3.2
    count, (height, length, _) = len(_snapshots(panel)), panel.state(0).shape
    side = min(0.94 * width / min(count, _columns(width)), 4.0)
    return float(-(-count // _columns(width)) * (side * height / length + 0.28) + 0.1)


def _draw_snapshots(part: Any, panel: Panel, columns: int) -> None:
    picks = _snapshots(panel)
    columns = min(len(picks), columns)
    grid = part.subplots(-(-len(picks) // columns), columns, squeeze=False)
    for ax, row in zip(grid.flat, picks, strict=False):
        draw_lattice(ax, panel.state(row), panel.plane)
        ax.set_title(panel.clock.format(panel.times[row]), fontsize=LABEL)
        draw_outline(ax, panel)
    for ax in grid.flat[len(picks) :]:
        ax.set_axis_off()


def draw_outline(ax: Any, panel: Panel) -> list[Any]:
    """Draw the edge of a region of the lattice, if the panel has one."""
    if panel.outline is None:
        return []
    return [ax.contour(panel.outline.astype(float), levels=[0.5], colors="white", linewidths=1.2)]


def _draw_space_time(part: Any, panel: Panel, _: int) -> None:
    rows, count = spread(len(panel.times), MOST_ROWS), len(panel.state(0))
    sites = spread(count, MOST_ROWS)  # now: all of a large run would not fit in memory
    states = np.stack([panel.state(row)[sites] for row in rows])
    ax = part.subplots()
    image = space_time(ax, panel.times[rows], states, panel.plane)
    image.set_extent((*image.get_extent()[:2], -0.5, count - 0.5))
    ax.set_xlabel(panel.time_label, fontsize=LABEL)


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
