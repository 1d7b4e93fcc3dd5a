"""The picture of a run, over its curves: lattice, spheres, network, or space and time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuramoto.plotting.axes import (
    LABEL,
    MOST_ROWS,
    draw_defects,
    draw_lattice,
    space_time,
    spread,
)
from kuramoto.plotting.networks import draw_network
from kuramoto.plotting.panel import Panel
from kuramoto.plotting.spheres import draw_sphere
from kuramoto.waves import Defects, defects

_SNAPSHOTS = 6
_MOST_DEFECTS = 150  # more hide what they mark


def draw_picture(part: Any, panel: Panel, width: float) -> None:
    """Draw what fits a run on its part of a figure, `width` inches wide."""
    _PICTURES[panel.kind](part, panel, _columns(width))


def picture_height(panel: Panel, width: float) -> float:
    """Return how many inches a picture needs."""
    columns = min(len(_snapshots(panel)), _columns(width))
    rows = -(-len(_snapshots(panel)) // columns)
    if panel.kind == "lattice":
        height, length, _ = panel.state(0).shape
        side = min(0.94 * width / columns, 4.0)
        return float(rows * (side * height / length + 0.28) + 0.1)
    if panel.kind == "sphere":
        return float(rows * (min(width / columns, 3.2) + 0.2))
    return 3.2


def draw_outline(ax: Any, panel: Panel) -> list[Any]:
    """Draw the edge of a region of the lattice, if the panel has one."""
    if panel.outline is None:
        return []
    return [ax.contour(panel.outline.astype(float), levels=[0.5], colors="white", linewidths=1.2)]


def _columns(width: float) -> int:
    return _SNAPSHOTS if width > 8 else _SNAPSHOTS // 2


def _snapshots(panel: Panel) -> list[int]:
    return list(panel.picks) or spread(len(panel.times), _SNAPSHOTS)


def _each_snapshot(
    part: Any, panel: Panel, columns: int, draw: Callable[..., Any], **on: Any
) -> None:
    """Draw the chosen states side by side, with their times over them."""
    picks = _snapshots(panel)
    columns = min(len(picks), columns)
    grid = part.subplots(-(-len(picks) // columns), columns, squeeze=False, subplot_kw=on)
    for ax, row in zip(grid.flat, picks, strict=False):
        draw(ax, panel.state(row))
        ax.set_title(panel.clock.format(panel.times[row]), fontsize=LABEL)
    for ax in grid.flat[len(picks) :]:
        ax.set_axis_off()


def _draw_lattices(part: Any, panel: Panel, columns: int) -> None:
    def draw(ax: Any, x: np.ndarray) -> None:
        draw_lattice(ax, x, panel.plane)
        draw_outline(ax, panel)
        if panel.boundary:
            found = defects(x, panel.boundary)
            assert isinstance(found, Defects)  # of one state, not of a batch
            if len(found.charges) <= _MOST_DEFECTS:
                draw_defects(ax, found)

    _each_snapshot(part, panel, columns, draw)


def _draw_spheres(part: Any, panel: Panel, columns: int) -> None:
    def draw(ax: Any, x: np.ndarray) -> None:
        draw_sphere(ax, x, plane=panel.plane)

    _each_snapshot(part, panel, columns, draw, projection="3d")


def _draw_network(part: Any, panel: Panel, columns: int) -> None:
    """Draw the last state on the network, beside space and time."""
    left, right = part.subfigures(1, 2, width_ratios=[1, 1.6 if columns < _SNAPSHOTS else 2.2])
    ax = left.subplots()
    draw_network(ax, panel.coupling, panel.state(-1), plane=panel.plane)
    ax.set_title(panel.clock.format(panel.times[-1]), fontsize=LABEL)
    _draw_space_time(right, panel, columns)


def _draw_space_time(part: Any, panel: Panel, _: int) -> None:
    rows, count = spread(len(panel.times), MOST_ROWS), len(panel.state(0))
    sites = spread(count, MOST_ROWS)  # now: all of a large run would not fit in memory
    states = np.stack([panel.state(row)[sites] for row in rows])
    ax = part.subplots()
    image = space_time(ax, panel.times[rows], states, panel.plane)
    image.set_extent((*image.get_extent()[:2], -0.5, count - 0.5))
    ax.set_xlabel(panel.time_label, fontsize=LABEL)


_PICTURES = {
    "lattice": _draw_lattices,
    "sphere": _draw_spheres,
    "network": _draw_network,
    "space-time": _draw_space_time,
}
