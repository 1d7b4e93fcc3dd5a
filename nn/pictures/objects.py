"""One page on networks for object discovery: how they learned, and what their clusters find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kuramoto.nn.metrics import Contingency
from kuramoto.nn.overlays import (
    component_colors,
    draw_components,
    draw_image,
    draw_labels,
    matched,
)
from kuramoto.nn.pictures import learning
from kuramoto.nn.pictures.learning import Metrics
from kuramoto.nn.pictures.objects_runs import ObjectPortrait
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS

__all__ = ["draw_clusters", "draw_losses", "draw_scores", "draw_sweep", "figure_objects"]

Draw = Callable[[Any], None]

_PANEL = (3.9, 3.1)  # inches of a panel with axes
_CELL = 1.75  # and of a picture
_NAMES = {"fg_ari": "FG-ARI", "mbo_i": "MBO"}
_STYLES = {"fg_ari": "-o", "mbo_i": "--s"}


def figure_objects(
    portraits: Sequence[ObjectPortrait], *, title: str = "", caption: str = ""
) -> Figure:
    """Draw all that is known of a network for object discovery, or of several beside each other.

    Learning curves; scores against the number of clusters; scenes beside their objects, clusters
    and main components of the features. What is not known is left out.

    Parameters
    ----------
    portraits : sequence of ObjectPortrait
        Those after the first are drawn on its scenes, if theirs are the same.
    title, caption : str
        Over and under all of them.

    Returns
    -------
    matplotlib Figure
        Not known to pyplot; save it with ``figure.savefig(...)``.

    Raises
    ------
    ValueError
        If nothing is known.
    """
    panels, columns = _panels(portraits), _columns(portraits)
    first = next((portrait for portrait in portraits if portrait.scenes is not None), None)
    rows = 0 if first is None or first.scenes is None else len(first.scenes)
    if not panels and not rows:
        names = ", ".join(portrait.name for portrait in portraits) or "no run"
        raise ValueError(f"There is nothing to draw, metrics or scenes: {names} has neither yet.")
    heights = [_PANEL[1]] * bool(panels) + [rows * _CELL * _tallness(first) + 0.35] * bool(rows)
    width = max(len(panels) * _PANEL[0], len(columns) * _CELL * bool(rows))
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
    extra = 0.4 * bool(title) + 0.3 * bool(caption)
    figure = Figure(figsize=(width, sum(heights) + extra), layout=layout)
    if title:
        figure.suptitle(title, fontsize=13)
    if caption:
        figure.supxlabel(caption, fontsize=TICK, color="0.35")
    layers: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    parts = iter(layers[:, 0])
    if panels:
        axes = next(parts).subplots(1, len(panels), squeeze=False)[0]
        for ax, draw in zip(axes, panels, strict=True):
            draw(ax)
    if rows:
        _draw_grid(next(parts), columns, rows)
    return figure


def _tallness(portrait: ObjectPortrait | None) -> float:
    """Return the height of the scenes in units of their width."""
    if portrait is None or portrait.scenes is None:
        return 1.0
    H, W = portrait.scenes.images.shape[1:3]
    return float(H / W)


def _panels(portraits: Sequence[ObjectPortrait]) -> list[Draw]:
    runs = {portrait.name: portrait.metrics for portrait in portraits if portrait.metrics}
    panels: list[Draw] = [lambda ax: draw_losses(ax, runs)] if runs else []
    if any(_known(metrics, name).any() for metrics in runs.values() for name in _NAMES):
        panels.append(lambda ax: draw_scores(ax, runs))
    reports = {p.name: p.report for p in portraits if p.report is not None}
    if reports:
        panels.append(lambda ax: draw_sweep(ax, reports))
    return panels


# --- curves -------------------------------------------------------------------------------------


def draw_losses(ax: Any, runs: Mapping[str, Metrics]) -> None:
    """Draw SimCLR's loss over optimiser steps: rows pale, running mean, held-out scenes dotted.

    Parameters
    ----------
    ax : matplotlib axes
    runs : mapping of str to metrics
        Names, and what `kuramoto.nn.pictures.read_metrics` returns.
    """
    learning.draw_losses(ax, runs, "SimCLR's loss", "held-out scenes")


def draw_scores(ax: Any, runs: Mapping[str, Metrics]) -> None:
    """Draw FG-ARI and MBO of held-out scenes over optimiser steps.

    Parameters
    ----------
    ax : matplotlib axes
    runs : mapping of str to metrics
    """
    for color, (name, metrics) in zip(_colors(runs), runs.items(), strict=True):
        for score in _NAMES:
            known = _known(metrics, score)
            if known.any():
                values = 100 * metrics[score][known]
                _draw_score(ax, metrics["step"][known], values, score, color, name, len(runs))
    ax.set_xlabel("optimiser step", fontsize=LABEL)
    _finish(ax, len(runs))


def draw_sweep(ax: Any, reports: Mapping[str, Any]) -> None:
    """Draw FG-ARI and MBO against the number of clusters, and mark the number that was asked for.

    Parameters
    ----------
    ax : matplotlib axes
    reports : mapping of str to Report
        Of `kuramoto.nn.tasks.objects_evaluation.evaluate`.
    """
    for color, (name, report) in zip(_colors(reports), reports.items(), strict=True):
        numbers = np.array([row["clusters"] for row in report.sweep])
        for score in _NAMES:
            values = 100 * np.array([row[score] for row in report.sweep])
            _draw_score(ax, numbers, values, score, color, name, len(reports))
    for asked in {report.settings["clusters"] for report in reports.values()}:
        ax.axvline(asked, color="0.6", linewidth=1, linestyle=":", zorder=0)
    ax.xaxis.get_major_locator().set_params(integer=True)
    count = max(report.images for report in reports.values())
    ax.set_xlabel(f"clusters of an image ({count} scenes)", fontsize=LABEL)
    _finish(ax, len(reports))


def _draw_score(
    ax: Any, x: np.ndarray, values: np.ndarray, score: str, color: str, name: str, runs: int
) -> None:
    shade = color if runs > 1 or score == "fg_ari" else LINE_COLORS[1]
    label = _NAMES[score] if runs == 1 else name if score == "fg_ari" else ""
    look = {"markersize": 3.5, "linewidth": 1.8 if score == "fg_ari" else 1.2}
    ax.plot(x, values, _STYLES[score], color=shade, label=label, **look)


def _known(metrics: Metrics, name: str) -> np.ndarray:
    values = metrics.get(name, np.full(len(metrics["step"]), np.nan))
    return np.asarray(~np.isnan(values))


def _colors(runs: Mapping[str, Any]) -> list[str]:
    return [LINE_COLORS[number % len(LINE_COLORS)] for number in range(len(runs))]


def _finish(ax: Any, runs: int) -> None:
    ax.set_ylabel("FG-ARI, MBO (%)" if runs == 1 else "FG-ARI (dashed: MBO) (%)", fontsize=LABEL)
    ax.set_ylim(-2, 102)
    ax.tick_params(labelsize=TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.legend(fontsize=TICK, frameon=False)


# --- scenes -------------------------------------------------------------------------------------


def draw_clusters(
    ax: Any, image: np.ndarray, clusters: np.ndarray, truth: np.ndarray | None = None
) -> None:
    """Draw an image with its clusters in colours, and say below how well they find its objects.

    Parameters
    ----------
    ax : matplotlib axes
    image : array, shape (H, W, C)
    clusters : array of integers, shape (H, W)
    truth : array of integers, shape (H, W), optional
        Clusters take over the colours of its objects (`kuramoto.nn.overlays.matched`).
    """
    drawn = clusters + 1 if truth is None else matched(clusters, truth)
    draw_labels(ax, image, drawn)
    if truth is not None:
        ax.text(0.5, -0.02, scores_in_words(truth, clusters), **_BELOW, transform=ax.transAxes)


_LETTERS = 18  # over a picture
_BELOW = {"ha": "center", "va": "top", "fontsize": 7, "color": "0.3"}


def scores_in_words(truth: np.ndarray, clusters: np.ndarray) -> str:
    """Return FG-ARI and MBO of one image, in %; empty where it has no objects."""
    counted = Contingency.of(truth, clusters)
    scores = float(counted.foreground_ari()), float(counted.mean_best_overlap())
    words = (
        f"{name} {100 * value:.0f}"
        for name, value in zip(_NAMES.values(), scores, strict=True)
        if value == value
    )
    return ", ".join(words)


Column = tuple[str, Callable[[Any, int], None]]


def _columns(portraits: Sequence[ObjectPortrait]) -> list[Column]:
    """Return headings, and what draws a row of each column."""
    first = next((portrait for portrait in portraits if portrait.scenes is not None), None)
    if first is None or first.scenes is None:
        return []
    scenes = first.scenes
    columns: list[Column] = [("image", lambda ax, row: draw_image(ax, scenes.images[row]))]
    truth = scenes.labels
    if truth is not None:
        columns.append(("objects", lambda ax, row: draw_labels(ax, scenes.images[row], truth[row])))
    drawn = [p for p in portraits if p.scenes is not None and _same(p.scenes, scenes)]
    for portrait in drawn:
        columns += _columns_of(portrait, len(portraits) == 1)
    return columns


def _same(scenes: Any, others: Any) -> bool:
    return np.array_equal(scenes.images, others.images)


def _columns_of(portrait: ObjectPortrait, alone: bool) -> Iterator[Column]:
    """Yield a network's clusters, and the main components of its features."""
    scenes, labels, features = portrait.scenes, portrait.labels, portrait.features
    if scenes is None or labels is None or features is None:
        return
    truth = scenes.labels

    def draw(ax: Any, row: int) -> None:
        masks = None if truth is None else truth[row]
        draw_clusters(ax, scenes.images[row], labels[row], masks)

    yield ("clusters" if alone else _folded(portrait.name)), draw
    maps = {1: component_colors(features, 1)} | (
        {4: component_colors(features, 4)} if alone and features.shape[1] >= 6 else {}
    )
    for first, colors in maps.items():
        yield f"PCA {first}-{first + 2}", partial(_draw_maps, colors)


def _folded(name: str) -> str:
    """Break a long name into lines that fit over a picture, where it has an underscore."""
    lines = [""]
    for part in name.replace("_", "_ ").split(" "):
        if lines[-1] and len(lines[-1] + part) > _LETTERS:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _draw_maps(colors: np.ndarray, ax: Any, row: int) -> None:
    draw_components(ax, colors[row])


def _draw_grid(part: Any, columns: Sequence[Column], rows: int) -> None:
    axes = part.subplots(rows, len(columns), squeeze=False)
    for row, line in enumerate(axes):
        for ax, (head, draw) in zip(line, columns, strict=True):
            draw(ax, row)
            ax.set_axis_off()
            if not row:
                ax.set_title(head, fontsize=TICK)
