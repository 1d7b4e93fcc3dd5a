"""Drawing on axes, matplotlib's or pyplot's: lattices, phases, curves, space and time."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, as_array, to_numpy
from kuramoto._check import invalid
from kuramoto.plotting.palette import LINE_COLORS, colors, leading_plane

LABEL, TICK = 10, 9  # font sizes in points
MOST_ROWS = 1000  # more cannot be told apart


def draw_lattice(ax: Any, x: Array, plane: Array | None = None) -> Any:
    """Draw a two-dimensional lattice, one square per oscillator, and return the image.

    Parameters
    ----------
    ax : matplotlib axes
    x : array, shape (height, width, N)
    plane : array, shape (2, N), optional
        As in `colors`.
    """
    x = to_numpy(as_array(x, "x"))
    if x.ndim != 3:
        raise invalid("x", "have shape (height, width, N)", f"has shape {x.shape}")
    image = ax.imshow(colors(x, plane), interpolation="nearest")
    ax.set_axis_off()
    return image


def draw_defects(ax: Any, found: Any) -> list[Any]:
    """Mark vortices over a picture of `draw_lattice`: charge +1 filled, −1 open.

    Parameters
    ----------
    ax : matplotlib axes
    found : kuramoto.waves.Defects
    """
    marks = []
    for sign, face in ((1, "black"), (-1, "white")):
        rows, columns = found.positions[found.charges * sign > 0].T
        style = {"s": 22, "facecolors": face, "edgecolors": ["black", "white"][sign > 0]}
        # Whole, also where the lattice ends.
        marks.append(ax.scatter(columns, rows, linewidths=1.0, clip_on=False, **style))
    return marks


def draw_phases(ax: Any, x: Array, plane: Array | None = None) -> Any:
    """Draw oscillators (1000 of them at most) on the unit disc of a plane; return the points.

    Parameters
    ----------
    ax : matplotlib axes
    x : array, shape (*sites, N)
    plane : array, shape (2, N), optional
        As in `colors`.
    """
    turn = np.linspace(0, 2 * np.pi, 181)
    ax.plot(np.cos(turn), np.sin(turn), color="0.8", linewidth=1, zorder=0)
    ax.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    ax.set_axis_off()
    points = ax.scatter([], [], s=26, edgecolors="white", linewidths=0.4)
    move_phases(points, x, plane)
    return points


def move_phases(points: Any, x: Array, plane: Array | None) -> None:
    """Move the points of `draw_phases` to another state."""
    x = to_numpy(as_array(x, "x"))
    x = x.reshape(-1, x.shape[-1])
    axes = leading_plane(x) if plane is None else to_numpy(as_array(plane, "plane"))
    x = x[spread(len(x), MOST_ROWS)]
    points.set_offsets(x @ axes.T)
    points.set_facecolors(colors(x, axes))


def draw_curve(ax: Any, times: Any, values: Any, label: str, *, color: str = LINE_COLORS[0]) -> Any:
    """Draw a quantity over time, named on the vertical axis, and return the line.

    One that is positive and spans more than four decades, such as a residual, gets a logarithmic
    axis.

    Parameters
    ----------
    ax : matplotlib axes
    times, values : array, shape (S,)
    label : str
    color : str
    """
    times = to_numpy(as_array(times, "times"))
    marker = "o" if len(times) == 1 else ""
    values = to_numpy(as_array(values, "values"))
    (line,) = ax.plot(times, values, color=color, linewidth=2, marker=marker)
    if 0 < 1e4 * values.min(initial=np.inf) < values.max(initial=0.0):
        ax.set_yscale("log")
    ax.set_ylabel(label.replace("_", " "), fontsize=LABEL)
    ax.tick_params(labelsize=TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    if len(times) > 1:
        ax.set_xlim(times[0], times[-1])
    return line


def space_time(ax: Any, times: Any, states: Array, plane: Array | None = None) -> Any:
    """Draw a one-dimensional or unstructured run, time to the right, and return the image.

    Parameters
    ----------
    ax : matplotlib axes
    times : array, shape (S,)
        Increasing; between saved times the nearest saved state is shown.
    states : array, shape (S, M, N)
    plane : array, shape (2, N), optional
        As in `colors`.
    """
    times, states = to_numpy(as_array(times, "times")), to_numpy(as_array(states, "states"))
    if states.ndim != 3 or len(times) != len(states) or not len(times):
        must = f"have shape (S, M, N) with S = {len(times)} times"
        raise invalid("states", must, f"has shape {states.shape}")
    even = np.linspace(times[0], times[-1], min(len(times), MOST_ROWS))
    nearest = np.searchsorted((times[1:] + times[:-1]) / 2, even)
    sites = spread(states.shape[1], MOST_ROWS)
    picture = colors(states[nearest][:, sites], plane).swapaxes(0, 1)
    half = (times[-1] - times[0]) / max(2 * (len(even) - 1), 1) or 0.5
    extent = (times[0] - half, times[-1] + half, -0.5, states.shape[1] - 0.5)
    style = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
    image = ax.imshow(picture, extent=extent, **style)
    ax.set_ylabel("oscillator", fontsize=LABEL)
    ax.tick_params(labelsize=TICK)
    return image


def spread(count: int, most: int) -> list[int]:
    """Return at most `most` row numbers, evenly spaced, with the first and the last."""
    return sorted({round(row) for row in np.linspace(0, count - 1, min(count, most))})
