"""Figures of sweeps: observables against one parameter or two, with the theory if it is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kuramoto import frequencies, theory
from kuramoto._check import invalid
from kuramoto.ensembles.grid import put
from kuramoto.experiment.schema import parse
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS
from kuramoto.plotting.transitions import Theory, draw_transition

_MOST = 3  # observables on one figure
_UNDERSTOOD = {"coupling", "frequency", "noise"}  # what the theory takes into account
_DENSITIES = {
    "lorentzian": frequencies.lorentzian,
    "normal": frequencies.normal,
    "uniform": frequencies.uniform,
}


def figure_sweep(sweep: Any, *, title: str = "") -> Figure:
    """Draw a sweep: every observable's mean over the later half of the saved times.

    Over one parameter as points, with a bar of one standard deviation over seeds and, where the
    strength of a mean field is swept and its order parameter is known, the theory as a line. Over
    two as a map. Of more, the first two; the others stay at their first value.

    Parameters
    ----------
    sweep : Sweep
        From `kuramoto.ensembles.open_sweep`.
    title : str

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If nothing is finished, or nothing scalar was observed.
    """
    grid_axes = sweep.names[:-1]
    found = {name: _settled(values, len(grid_axes)) for name, values in sweep.observed.items()}
    scalars = {name: values for name, values in found.items() if values is not None}
    if not scalars or not sweep.done.any():
        what = "a scalar observable and a finished point"
        raise invalid("sweep", f"hold {what}", "it holds none", "run it with solve.observe")
    shown = dict(list(scalars.items())[:_MOST])
    figure = Figure(figsize=(max(5.4, 4.4 * len(shown)), 3.9), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    swept = [axis for axis, name in enumerate(grid_axes) if len(sweep.coordinates[name]) > 1]
    for ax, (name, values) in zip(axes, shown.items(), strict=True):
        _draw(ax, sweep, swept or [0], name, values)
    _say_what_is_shown(figure, sweep, swept)
    return figure


def _settled(values: np.ndarray, grid_ndim: int) -> np.ndarray | None:
    """Return the mean over the later half of the rows, (*grid, seeds); None for vectors."""
    if values.ndim != grid_ndim + 2:
        return None
    rows = np.sum(~np.isnan(values), axis=-1)
    number = np.arange(values.shape[-1])
    late = (number >= rows[..., None] // 2) & (number < rows[..., None])
    counts = np.maximum(late.sum(axis=-1), 1)
    mean = np.where(late, np.nan_to_num(values), 0.0).sum(axis=-1) / counts
    return np.where(rows > 0, mean, np.nan)


def _draw(ax: Any, sweep: Any, swept: list[int], name: str, values: np.ndarray) -> None:
    first = sweep.coordinates[sweep.names[swept[0]]]
    others = [axis for axis in range(values.ndim - 1) if axis not in swept[:2]]
    values = values[tuple(0 if axis in others else slice(None) for axis in range(values.ndim))]
    if len(swept) > 1:
        second = sweep.coordinates[sweep.names[swept[1]]]
        _draw_map(ax, first, second, _mean_over_seeds(values), name)
        ax.set_ylabel(sweep.names[swept[1]], fontsize=LABEL)
    else:
        known = known_theory(sweep, sweep.names[swept[0]]) if name == "order_parameter" else None
        ax.set_ylabel(name.replace("_", " "), fontsize=LABEL)
        ax.set_xlabel(sweep.names[swept[0]], fontsize=LABEL)
        number = list(sweep.observables).index(name)
        color = LINE_COLORS[number % len(LINE_COLORS)]
        at = _places(first)
        draw_transition(ax, at, values, known, color=color)
        if at is not first:
            ax.set_xticks(at, list(map(str, first)))
    ax.set_xlabel(sweep.names[swept[0]], fontsize=LABEL)


def _mean_over_seeds(values: np.ndarray) -> np.ndarray:
    """Return the mean over finished seeds; NaN where there are none, without a warning."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(known.any(axis=-1), total / np.maximum(known.sum(axis=-1), 1), np.nan)


def _draw_map(
    ax: Any, first: np.ndarray, second: np.ndarray, values: np.ndarray, name: str
) -> None:
    """Draw a value over two parameters; what is not finished is left blank."""
    places = [_places(axis) for axis in (first, second)]
    across, up = (np.argsort(place) for place in places)
    shown = np.ma.masked_invalid(values[across][:, up].T)
    mesh = ax.pcolormesh(places[0][across], places[1][up], shown, cmap="viridis", shading="nearest")
    bar = ax.figure.colorbar(mesh, ax=ax)
    bar.set_label(name.replace("_", " "), fontsize=LABEL)
    bar.ax.tick_params(labelsize=TICK)
    ax.tick_params(labelsize=TICK)
    for axis, values_of, place in ((ax.xaxis, first, places[0]), (ax.yaxis, second, places[1])):
        if place is not values_of:
            axis.set_ticks(place, list(map(str, values_of)))


def _places(values: np.ndarray) -> np.ndarray:
    """Return where the values of an axis lie: numbers where they are, words one after another."""
    return values if np.issubdtype(values.dtype, np.number) else np.arange(len(values))


def _say_what_is_shown(figure: Figure, sweep: Any, swept: list[int]) -> None:
    done, failed = int(sweep.done.sum()), int((sweep.status == "failed").sum())
    words = ["means over the later half of the saved times"]
    bars = ", bars: one standard deviation" if len(swept) < 2 else ""
    words += [f"{sweep.seeds} seeds{bars}"] if sweep.seeds > 1 else []
    fixed = [name for name in sweep.grid if name not in [sweep.names[axis] for axis in swept[:2]]]
    words += [f"{name} = {sweep.grid[name][0]}" for name in fixed]
    words += [f"{done} of {sweep.done.size} points done"] if done < sweep.done.size else []
    words += [f"{failed} failed"] if failed else []
    figure.supxlabel("; ".join(words), fontsize=TICK, color="0.35")


def known_theory(sweep: Any, axis: str) -> Theory:
    """Return r(K) of infinitely many oscillators, where `axis` is the K of a mean field.

    Known are phases with frequencies from a unimodal distribution, and identical oscillators of any
    dimension with noise; else None.
    """
    content = _first_point(sweep)
    model, dimensions = content["model"], content["state"]["dimensions"]
    coupling, rates = (_mapping(model.get(name)) for name in ("coupling", "frequency"))
    plain = coupling.get("type") == "mean_field" and model.keys() <= _UNDERSTOOD
    if not plain or axis.removeprefix("model.") != "coupling.strength" or min(sweep.grid[axis]) < 0:
        return None
    noise = float(model.get("noise") or 0.0)
    if not rates and noise > 0 and dimensions > 1:
        return lambda K: theory.noisy_order_parameter(K, noise, dimensions)
    if rates.get("type") not in _DENSITIES or noise or dimensions != 2:
        return None
    distribution = _DENSITIES[rates["type"]](0.0, float(rates.get("width", 1.0)))
    return lambda K: theory.order_parameter(K, distribution)


def _first_point(sweep: Any) -> Any:
    """Return what the experiment holds with the first value of every axis in it."""
    content = parse(sweep.experiment)
    for name, values in sweep.grid.items():
        put(content, name, values[0])
    return content


def _mapping(part: Any) -> dict[str, Any]:
    """Return a part of an experiment as a mapping; it may be its bare type, or missing."""
    return {"type": part} if isinstance(part, str) else dict(part or {})
