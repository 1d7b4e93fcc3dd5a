"""How classifiers learned: loss, accuracy and calibration of held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kuramoto.nn.pictures.learning import Metrics, draw_column, draw_losses

__all__ = ["figure_learning"]

_SIZE = (3.7, 3.1)  # inches of a panel
_SCORES = {"accuracy": "accuracy", "ece": "calibration error (ECE)"}


def figure_learning(runs: Mapping[str, Metrics], *, title: str = "") -> Figure:
    """Draw the learning curves of one run, or of several over each other.

    Parameters
    ----------
    runs : mapping of str to metrics
        Names, and what `kuramoto.nn.pictures.read_metrics` returns.
    title : str, optional

    Returns
    -------
    matplotlib Figure
        Not known to pyplot; save it with ``figure.savefig(...)``. What no run has is left out.

    Raises
    ------
    ValueError
        If there are no runs.
    """
    if not runs:
        raise ValueError("There is nothing to draw: no run was given.")
    scores = [name for name in _SCORES if any(_there(metrics, name) for metrics in runs.values())]
    columns = 1 + len(scores)
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    size = (columns * _SIZE[0], _SIZE[1] + 0.4 * bool(title))
    figure = Figure(figsize=size, layout=layout)
    if title:
        figure.suptitle(title, fontsize=13)
    first, *others = figure.subplots(1, columns, squeeze=False)[0]
    kind = "cross-entropy" if scores else "SimCLR's loss"
    draw_losses(first, runs, kind, "held-out images")
    for ax, name in zip(others, scores, strict=True):
        draw_column(ax, runs, name, f"{_SCORES[name]} of held-out images / %")
    return figure


def _there(metrics: Metrics, name: str) -> bool:
    values: Any = metrics.get(name, [np.nan])
    return not np.isnan(values).all()
