"""Pictures of one network under attack: what each attack leaves, and images before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kuramoto._check import invalid
from kuramoto.nn.audit import Audit
from kuramoto.nn.pictures.board import RIGHT, WRONG
from kuramoto.nn.robustness import Example, Report
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS

__all__ = ["KINDS", "PLAIN", "blank", "figure_attacks", "figure_examples", "finish", "kind_of"]

PLAIN: dict[str, Any] = {"parse_math": False}  # names may hold $
_ACROSS = 2  # examples beside each other
_NAME = 16  # letters of a class that are shown

KINDS = {
    "white": ("white box: sees gradients", LINE_COLORS[0], ""),
    "black": ("black box: sees answers only", LINE_COLORS[4], ""),
    "fixed": ("random numbers fixed", LINE_COLORS[3], "////"),
    "unbounded": ("any change allowed: must reach 0", "0.35", "...."),
    "none": ("no attack", "0.78", ""),
}
"""Sorts of results: words, colour, hatching. Only the first two bound robustness."""

_BOUNDING = ("white", "black")


def figure_attacks(report: Report) -> Figure:
    """Draw what is left of a network's accuracy under each attack.

    The strongest attack is on top; below, what does not bound robustness: attacks on the network
    with its random numbers fixed, or allowed any change, and no attack. Beside it accuracy by the
    number of draws that each gradient is a mean over, and PGD step by step, where they are known.
    Bars are standard errors.

    Parameters
    ----------
    report : Report

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If nothing was attacked.
    """
    audit = report.audit
    if audit is None:
        raise invalid("report", "hold attacks", "holds none")
    beside = [*(["draws"] if _draws(audit) else []), *(["steps"] if _curves(audit) else [])]
    figure = blank(9.2 if beside else 5.4, max(1.9 + 0.3 * len(audit.results), 2.9 * len(beside)))
    layout: Any = [["attacks", name] for name in beside] or [["attacks"]]
    axes = figure.subplot_mosaic(layout, width_ratios=[1.5, 1] if beside else None)
    _draw_attacks(axes["attacks"], audit, beside=bool(beside))
    if "draws" in axes:
        _draw_draws(axes["draws"], _draws(audit))
    if "steps" in axes:
        _draw_curves(axes["steps"], _curves(audit))
    return figure


def _draw_attacks(ax: Any, audit: Audit, *, beside: bool) -> None:
    names = order_of(audit)
    kinds = np.array([kind_of(audit, name) for name in names])
    y = np.arange(len(names)) + 0.5 * ~np.isin(kinds, _BOUNDING)
    results = [audit.results[name] for name in names]
    left = 100 * np.array([result.accuracy for result in results])
    errors = 100 * np.array([result.error for result in results])
    for kind, (words, color, hatch) in KINDS.items():
        rows = np.flatnonzero(kinds == kind)
        look = {"color": color, "hatch": hatch, "edgecolor": "white"}
        if len(rows):
            bars = ax.barh(y[rows], left[rows], 0.72, label=words, **look)
            ax.barh(y[rows], 3, 0.72, -4.5, **look)  # the colour of bars without length
            for row, bar in zip(rows, bars, strict=True):
                bar.set_gid(names[row])
    spread = np.nan_to_num(errors)
    ax.errorbar(left, y, xerr=spread, fmt="none", ecolor="0.2", capsize=2, elinewidth=1)
    for place, value, error in zip(y, left, errors, strict=True):
        said = f"{value:.1f} ± {error:.1f}" if error == error else f"{value:.1f}"
        end = min(value + np.nan_to_num(error), 100) + 2.5
        ax.text(end, place, said, va="center", fontsize=TICK - 1, clip_on=True)
    counted = [row for row, result in enumerate(results) if result.own_accuracy is not None]
    if counted:
        own = [100 * float(results[row].own_accuracy or 0) for row in counted]
        ax.plot(own, y[counted], "D", color="black", ms=4, label="attack's own count")
    most = 100 * audit.accuracy
    ax.axvline(most, color="black", linestyle="--", lw=1, label=f"robust: at most {most:.1f} %")
    ax.set_yticks(y, names, **PLAIN)
    ax.set(ylim=(y[-1] + 0.6, -0.6), xlim=(-5.5, 126), xticks=range(0, 101, 20))
    ax.set_xlabel("images still right / %", fontsize=LABEL)
    finish(ax, "x")
    named = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    sorts = [words for words, _, _ in KINDS.values() if words in named]
    order = [*sorts, *(other for other in named if other not in sorts)]
    handles = [named[word] for word in order]
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": 3 if beside else 2}
    ax.figure.legend(handles, order, fontsize=TICK, frameon=False, **where)


def order_of(audit: Audit) -> list[str]:
    """Return names of results, those that bound robustness first, and of these the strongest."""

    def place(name: str) -> tuple[int, float]:
        kind = kind_of(audit, name)
        rank = 0 if kind in _BOUNDING else list(KINDS).index(kind)
        return rank, audit.results[name].accuracy

    return sorted(audit.results, key=place)


def kind_of(audit: Audit, name: str) -> str:
    """Return which of `KINDS` a result of an audit is."""
    settings = audit.results[name].settings
    sorts: dict[str, Any] = next((f.data for f in audit.findings if f.name == "black_box"), {})
    if settings["attack"] == "clean":
        return "none"
    for kind in ("white", "black"):
        if name in sorts.get(kind, ()):
            return kind
    if settings["threat"]["norm"] == "Linf" and settings["threat"]["eps"] >= 1:
        return "unbounded"
    if settings.get("fixed") or settings.get("surrogate", {}).get("fixed"):
        return "fixed"
    return "black" if settings["attack"] in ("Square", "noise", "transfer") else "white"


def _draws(audit: Audit) -> list[tuple[int, float, float]]:
    """Return draws per gradient, accuracy and its standard error, where they are known."""
    data = next((f.data for f in audit.findings if f.name == "draws"), None)
    if data is None:
        return []
    pairs = zip(data["samples"], data["accuracy"], strict=True)
    own = {number: audit.results.get(f"PGD, {number} draws") for number in data["samples"]}
    errors = {number: 0.0 if result is None else result.error for number, result in own.items()}
    return [(number, accuracy, errors[number]) for number, accuracy in pairs]


def _draw_draws(ax: Any, rows: list[tuple[int, float, float]]) -> None:
    numbers, accuracy, errors = (np.array(column) for column in zip(*rows, strict=True))
    look = {"color": LINE_COLORS[0], "linewidth": 1.8, "markersize": 5, "capsize": 3}
    ax.errorbar(numbers, 100 * accuracy, 100 * np.nan_to_num(errors), fmt="-o", **look)
    ax.set_xscale("log")
    ax.set_xticks(numbers, [str(number) for number in numbers])
    ax.minorticks_off()
    ax.set_ylim(0, 100)
    ax.set_xlabel("draws per gradient of PGD", fontsize=LABEL)
    ax.set_ylabel("images still right / %", fontsize=LABEL)
    finish(ax)


def _curves(audit: Audit) -> dict[str, Any]:
    """Return accuracy (restarts, steps + 1) of the two PGDs that there is one of."""
    found = {name: audit.results.get(name) for name in ("adaptive PGD", "plain PGD")}
    return {name: result.curve for name, result in found.items() if result and result.curve}


def _draw_curves(ax: Any, curves: Mapping[str, Any]) -> None:
    for number, (name, curve) in enumerate(curves.items()):
        for restart, line in enumerate(curve):
            label = f"{name}, start {restart + 1}" if len(curve) > 1 else name
            style = ("-", "--", ":", "-.")[restart % 4]
            look = {"color": (LINE_COLORS[0], "0.55")[number], "linewidth": 1.6, "label": label}
            ax.plot(range(len(line)), 100 * np.asarray(line), style, **look)
    ax.set_ylim(0, 100)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("step of PGD", fontsize=LABEL)
    ax.set_ylabel("right, by PGD's own draws / %", fontsize=LABEL)
    ax.legend(fontsize=TICK - 1, frameon=False)
    finish(ax)


def figure_examples(report: Report) -> Figure:
    """Draw images, what PGD makes of them, the difference, and what the network says of both.

    Mid-grey is no difference; all differences are enlarged by the same factor, so that the largest
    just does not clip. Wrong answers are vermilion, in a dashed frame, and said to be wrong.

    Parameters
    ----------
    report : Report

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If there are no examples.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), figure 29.
    """
    if not report.examples:
        raise invalid("report", "hold examples", "holds none")
    factor = enlargement(report.examples)
    across = min(_ACROSS, len(report.examples))
    down = -(-len(report.examples) // across)
    figure = blank(4.9 * across, 2.15 * down + 0.2)
    parts = np.asarray(figure.subfigures(down, across, squeeze=False)).ravel()
    for part, example in zip(parts, report.examples, strict=False):
        said = f"image {example.row}, class: {_short(example.label)}"
        part.suptitle(said, fontsize=LABEL, fontweight="bold", **PLAIN)
        _draw_example(part.subplots(1, 3), example, factor)
    return figure


def enlargement(examples: Any) -> float:
    """Return by how much differences are enlarged; a whole number where it is above 1."""
    most = max(int(np.abs(_difference(example)).max()) for example in examples)
    return float(127 // most) if 0 < most <= 127 else 127 / max(most, 127)


def _difference(example: Example) -> np.ndarray:
    return np.asarray(example.attacked.astype(np.int64) - example.image)


def _draw_example(axes: Any, example: Example, factor: float) -> None:
    shown = 128 + np.rint(factor * _difference(example)).astype(np.int64)
    pictures = (example.image, example.attacked, shown.astype(np.uint8))
    for ax, picture in zip(axes, pictures, strict=True):
        ax.imshow(picture, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
    answers = (
        ("before", example.before, example.confidence_before),
        ("attacked", example.after, example.confidence_after),
    )
    for ax, (when, answer, confidence) in zip(axes, answers, strict=False):
        right = answer == example.label
        color, verdict = (RIGHT, "right") if right else (WRONG, "WRONG")
        words = f"{when}: {verdict}\nsays {_short(answer)}, {100 * confidence:.0f} %"
        ax.set_title(words, fontsize=TICK, color=color, **PLAIN)
        for spine in ax.spines.values():
            style = "-" if right else (0, (3, 1.5))
            spine.set(color=color, linewidth=2.5, linestyle=style, capstyle="butt")
    axes[2].set_title(f"difference\n× {factor:.3g}, grey is 0", fontsize=TICK)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def blank(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
    return Figure(figsize=(width, height), layout=layout)


def finish(ax: Any, grid: str = "both") -> None:
    """Give axes the look of all others."""
    ax.tick_params(labelsize=TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, axis=grid)
    ax.set_axisbelow(True)
