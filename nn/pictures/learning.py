"""Learning curves: what ``metrics.csv`` says of one training run or several."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS

Metrics = Mapping[str, Array]

_WINDOWS = 60  # a smooth line has so many independent points
_HELD_OUT = "held_out_loss"


def read_metrics(folder: str | Path) -> dict[str, Array]:
    """Return the columns of a training run's ``metrics.csv``; NaN where a row says nothing.

    Rows that are cut short, as while the run goes on, are passed over.

    Parameters
    ----------
    folder : path
        Of the run.

    Raises
    ------
    FileNotFoundError
        If there is no such table, or no row in it yet.
    ValueError
        If there is a word among its numbers.
    """
    path = Path(folder) / "metrics.csv"
    if not path.is_file():
        raise FileNotFoundError(f"Run {folder} has no metrics.csv yet.")
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if None not in row.values() and None not in row]
    if not rows or "step" not in rows[0]:
        raise FileNotFoundError(f"File {path} holds no rows of a training run yet.")
    try:
        columns = {name: [float(row[name] or "nan") for row in rows] for name in rows[0]}
    except ValueError as error:
        raise ValueError(f"File {path} is damaged: {error}.") from None
    return {name: np.array(values) for name, values in columns.items()}


def draw_losses(
    ax: Any,
    runs: Mapping[str, Metrics],
    kind: str = "cross-entropy",
    held_out: str = "held-out boards",
) -> None:
    """Draw the loss over optimiser steps: rows pale, their running mean, what is held out dotted.

    Parameters
    ----------
    ax : matplotlib axes
    runs : mapping of str to metrics
        Names, and what `read_metrics` returns.
    kind, held_out : str
        What the loss is, and what is held out.
    """
    for color, (name, metrics) in zip(_colors(runs), runs.items(), strict=True):
        steps, loss = metrics["step"], metrics["loss"]
        ax.plot(steps, loss, color=color, linewidth=0.8, alpha=0.3)
        label = name if len(runs) > 1 else "training"
        ax.plot(steps, _smooth(loss), color=color, linewidth=1.8, label=label)
        if len(steps) == 1:
            ax.plot(steps, loss, "o", color=color)
        held = metrics.get(_HELD_OUT, np.full(len(steps), np.nan))
        known = ~np.isnan(held)
        if known.any():
            other = LINE_COLORS[1] if len(runs) == 1 else color
            label = held_out if len(runs) == 1 else ""
            ax.plot(steps[known], held[known], ":o", color=other, markersize=3.5, label=label)
    ax.set_ylabel(kind, fontsize=LABEL)
    ax.set_yscale("log")
    _plain_decades(ax)
    _finish(ax)


def draw_scores(ax: Any, runs: Mapping[str, Metrics], *, squares: bool = True) -> None:
    """Draw held-out accuracy over optimiser steps.

    Parameters
    ----------
    ax : matplotlib axes
    runs : mapping of str to metrics
        Names, and what `read_metrics` returns.
    squares : bool, default True
        Right squares too, dashed.
    """
    kinds = {"board_accuracy": ("boards", "-o"), "square_accuracy": ("squares", "--o")}
    for color, (name, metrics) in zip(_colors(runs), runs.items(), strict=True):
        for column, (what, style) in list(kinds.items())[: 1 + squares]:
            values = metrics.get(column, np.full(len(metrics["step"]), np.nan))
            known = ~np.isnan(values)
            if not known.any():
                continue
            first = what == "boards"
            label = (name if first else "") if len(runs) > 1 else f"{what} right"
            shade = color if first or len(runs) > 1 else "0.55"
            marks = {"markersize": 3.5 if first else 2.5, "linewidth": 1.8 if first else 1.1}
            ax.plot(metrics["step"][known], values[known], style, color=shade, label=label, **marks)
    ax.set_ylim(-0.02, 1.02)
    what = (
        "right, held-out boards"
        if len(runs) == 1 or not squares
        else "boards right (dashed: squares)"
    )
    ax.set_ylabel(what, fontsize=LABEL)
    _finish(ax)


def draw_column(ax: Any, runs: Mapping[str, Metrics], column: str, label: str) -> None:
    """Draw one column of the metrics, in %, over optimiser steps; rows without it are passed over.

    Parameters
    ----------
    ax : matplotlib axes
    runs : mapping of str to metrics
        Names, and what `read_metrics` returns.
    column, label : str
        Of the metrics, and of the axis.
    """
    for color, (name, metrics) in zip(_colors(runs), runs.items(), strict=True):
        values = metrics.get(column, np.full(len(metrics["step"]), np.nan))
        known = ~np.isnan(values)
        shown: dict[str, Any] = {"color": color, "markersize": 3.5}
        shown["label"] = name if len(runs) > 1 else ""
        ax.plot(metrics["step"][known], 100 * values[known], "-o", linewidth=1.8, **shown)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(label, fontsize=LABEL)
    _finish(ax)


def _colors(runs: Mapping[str, Metrics]) -> list[str]:
    return [LINE_COLORS[number % len(LINE_COLORS)] for number in range(len(runs))]


def _smooth(values: Array) -> Array:
    """Return running means; near the ends over what there is."""
    half = len(values) // _WINDOWS // 2
    total = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(len(values)) - half, 0)
    last = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return np.asarray((total[last] - total[first]) / (last - first))


def _plain_decades(ax: Any) -> None:
    """Write 0.2, not 2 × 10⁻¹, on a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = ax.get_ylim()
    subs = (1.0, 2.0, 5.0) if high / low < 1e3 else (1.0,)
    ax.yaxis.set_major_locator(LogLocator(subs=subs))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _finish(ax: Any) -> None:
    ax.set_xlabel("optimiser step", fontsize=LABEL)
    ax.tick_params(labelsize=TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=TICK, frameon=False)
