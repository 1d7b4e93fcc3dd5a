"""Spheres: oscillators with N = 3, seen from outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, as_array, to_numpy
from kuramoto._check import invalid
from kuramoto.plotting.axes import MOST_ROWS, spread
from kuramoto.plotting.palette import LINE_COLORS, colors

_FAR = 0.18  # how opaque points on the far side are
_VIEW = {"elev": 22.0, "azim": 35.0}


def draw_sphere(ax: Any, x: Array, path: Array | None = None, plane: Array | None = None) -> Any:
    """Draw oscillators (1000 of them at most) on the unit sphere, and return the points.

    Points on the far side are pale. The arrow is the mean of all oscillators: its length is r.

    Parameters
    ----------
    ax : matplotlib axes with ``projection="3d"``
    x : array, shape (*sites, 3)
    path : array, shape (S, 3) or (S, M, 3), optional
        Trajectories to draw as lines.
    plane : array, shape (2, 3), optional
        As in `colors`.

    Raises
    ------
    ValueError
        If the last axis is not 3.
    """
    x = _points(x, "x")
    _draw_globe(ax)
    if path is not None:
        _draw_paths(ax, to_numpy(as_array(path, "path")))
    mean = x.mean(axis=0)
    shown = x[spread(len(x), MOST_ROWS)]
    rgba = np.concatenate([colors(shown, plane), np.ones((len(shown), 1))], axis=1)
    rgba[shown @ _towards_viewer() < 0, 3] = _FAR
    points = ax.scatter(*shown.T, c=rgba, s=18, depthshade=False, linewidths=0)
    ax.quiver(0, 0, 0, *mean, color="0.1", linewidth=2, arrow_length_ratio=0.2)
    return points


def _points(x: Array, argument: str) -> np.ndarray:
    x = to_numpy(as_array(x, argument))
    if x.ndim < 2 or x.shape[-1] != 3:
        raise invalid(argument, "have shape (*sites, 3)", f"has shape {x.shape}")
    return np.asarray(x.reshape(-1, 3), dtype=np.float64)


def _towards_viewer() -> np.ndarray:
    elevation, azimuth = np.deg2rad([_VIEW["elev"], _VIEW["azim"]])
    level = np.cos(elevation)
    return np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])


def _circle(axis: np.ndarray, height: float = 0.0) -> np.ndarray:
    """Return the points of the sphere that lie `height` up an axis, shape (3, 181)."""
    turn = np.linspace(0, 2 * np.pi, 181)
    one, other = np.linalg.svd(axis[None])[2][1:]
    circle = np.outer(one, np.cos(turn)) + np.outer(other, np.sin(turn))
    return np.asarray(height * axis[:, None] + np.sqrt(1 - height**2) * circle)


def _draw_globe(ax: Any) -> None:
    """Draw meridians, parallels and the outline, the far half paler."""
    near, north = _towards_viewer(), np.array([0.0, 0.0, 1.0])
    east = np.deg2rad(np.arange(0, 180, 30))
    parallels = [_circle(north, np.sin(a)) for a in np.deg2rad([-60, -30, 0, 30, 60])]
    meridians = [_circle(np.array([np.sin(b), -np.cos(b), 0.0])) for b in east]
    ax.plot(*_circle(near), color="0.75", linewidth=0.9)
    for line in (*parallels, *meridians):
        front = np.where(near @ line >= 0, line, np.nan)
        ax.plot(*line, color="0.9", linewidth=0.6)
        ax.plot(*front, color="0.75", linewidth=0.7)
    ax.set_proj_type("ortho")  # or near and far would not part at the outline
    ax.set_box_aspect((1, 1, 1), zoom=1.45)
    ax.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
    ax.view_init(**_VIEW)
    ax.set_axis_off()


def _draw_paths(ax: Any, path: np.ndarray) -> None:
    if path.shape[-1] != 3 or path.ndim not in (2, 3):
        raise invalid("path", "have shape (S, 3) or (S, M, 3)", f"has shape {path.shape}")
    paths = path.reshape(len(path), -1, 3)
    for number in range(paths.shape[1]):
        color = LINE_COLORS[number % len(LINE_COLORS)]
        ax.plot(*paths[:, number].T, color=color, linewidth=1)
