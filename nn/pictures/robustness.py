"""Pictures of what an examination found: calibration, noise, corruptions, attacks, examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kuramoto._check import invalid, wrong_type
from kuramoto.nn.calibration import Calibration, Reliability
from kuramoto.nn.data.images import COMMON, EXTRA
from kuramoto.nn.pictures.robustness_attacks import (
    PLAIN,
    blank,
    figure_attacks,
    figure_examples,
    finish,
)
from kuramoto.nn.robustness import Report
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS

__all__ = [
    "figure_attacks",
    "figure_corruptions",
    "figure_examples",
    "figure_noise",
    "figure_reliability",
]

Reports = Report | Mapping[str, Report] | Sequence[Report]

_MARKERS = "os^Dv<P"
_TOO_SURE, _TOO_UNSURE = LINE_COLORS[1], LINE_COLORS[2]


def figure_reliability(reports: Reports, severity: int | None = None) -> Figure:
    """Draw how often networks are right against how sure they are.

    A row for each network; clean images, and all corruptions of a severity together. Below each
    diagram, how many images have this confidence. Gaps are hatched from a bin's accuracy to its
    mean confidence: their mean, weighted by the bins' images, is the ECE.

    Parameters
    ----------
    reports : mapping of str to Report, or sequence of Report
        By name; a sequence takes the reports' own.
    severity : int, optional
        Of corruptions; default: the highest there is.

    Returns
    -------
    matplotlib Figure
        Not known to pyplot; save it with ``figure.savefig(...)``.

    Raises
    ------
    ValueError
        If there are no reports, or no corruptions of this severity.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, figure 1.
    Miyato, Löwe, Geiger, Welling (2025), figure 9.
    """
    found = _named(reports)
    level = _severity(found, severity)
    rows, columns = len(found), 1 + (level is not None)
    figure = blank(3.7 * columns + 0.2, 4.1 * rows + 0.5)
    axes = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[3.2, 1] * rows)
    for row, (name, report) in enumerate(found.items()):
        pairs = axes[2 * row : 2 * row + 2].T
        _draw_reliability(pairs[0], report.clean.reliability, f"{name}\nclean images")
        if level is not None:
            count = len(report.corrupted(level))
            many = f"{count} corruption{'s' * (count != 1)}" if count else "corruptions"
            what = f"{many}, severity {level}"
            diagram = report.reliability(level) if count else None
            _draw_reliability(pairs[1], diagram, f"{name}\n{what}")
    handles = [
        Patch(facecolor=LINE_COLORS[0], label="accuracy"),
        Patch(facecolor="none", edgecolor=_TOO_SURE, hatch="////", label="gap: too sure"),
        Patch(facecolor="none", edgecolor=_TOO_UNSURE, hatch="....", label="gap: not sure enough"),
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=3, fontsize=TICK, frameon=False
    )
    return figure


def _draw_reliability(pair: Any, diagram: Reliability | None, title: str) -> None:
    """Draw a diagram, and the histogram of confidences below it; all in %."""
    ax, low = pair
    ax.set_title(title, fontsize=LABEL, **PLAIN)
    if diagram is None:
        for empty in (ax, low):
            empty.set_axis_off()
        ax.text(0.5, 0.5, "not examined", ha="center", fontsize=LABEL, transform=ax.transAxes)
        return
    full = diagram.counts > 0
    left, width = 100 * diagram.edges[:-1][full], 100 * np.diff(diagram.edges)[full]
    accuracy, sure = 100 * diagram.accuracy[full], 100 * diagram.confidence[full]
    share = diagram.counts[full] / diagram.counts.sum()
    how: dict[str, Any] = {"align": "edge", "linewidth": 0.8}
    ax.bar(left, accuracy, width, color=LINE_COLORS[0], edgecolor="white", label="accuracy", **how)
    over = np.where(sure >= accuracy, _TOO_SURE, _TOO_UNSURE)
    hatches = ["////" if color == _TOO_SURE else "...." for color in over]
    bottom, height = np.minimum(sure, accuracy), np.abs(sure - accuracy)
    look = {"color": "none", "edgecolor": over, "hatch": hatches, "label": "gap"}
    ax.bar(left, height, width, bottom, **look, **how)
    ax.plot([0, 100], [0, 100], "--", color="0.3", linewidth=1)
    means = f"accuracy {share @ accuracy:.1f} %\nconfidence {share @ sure:.1f} %"
    words = f"{means}\nECE {100 * diagram.error:.1f} %"
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2}
    ax.text(3, 97, words, va="top", fontsize=TICK, bbox=box)
    ax.set(ylim=(0, 100), xticklabels=[])
    ax.set_ylabel("accuracy / %", fontsize=LABEL)
    low.bar(left, 100 * share, width, color="0.6", edgecolor="white", label="images", **how)
    low.set_ylabel("images / %", fontsize=LABEL)
    low.set_xlabel("confidence / %", fontsize=LABEL)
    for part in (ax, low):
        part.set(xlim=(0, 100), xticks=range(0, 101, 20))
        finish(part)
    ax.tick_params(labelbottom=False)


def figure_noise(reports: Reports) -> Figure:
    """Draw accuracy and calibration error against the strength of uniform noise.

    Bars are standard errors, of images as a sample.

    Parameters
    ----------
    reports : mapping of str to Report, or sequence of Report

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If there are no reports, or none of them has noise.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), figure 8: one strength, 64/255.
    """
    found = _named(reports)
    noisy = [name for name, report in found.items() if report.noise]
    if not noisy:
        raise invalid("reports", "hold scores under noise", "hold none")
    figure = blank(7.4, 3.4 + 0.2 * len(noisy))
    right, apart = figure.subplots(1, 2)
    for name in noisy:
        report, number = found[name], list(found).index(name)
        scores = {0.0: report.clean, **dict(sorted(report.noise.items()))}
        eps = [255 * level for level in scores]
        accuracy = [100 * score.accuracy for score in scores.values()]
        errors = [100 * _error(score) for score in scores.values()]
        look: dict[str, Any] = {"label": _label(name), "marker": _MARKERS[number % len(_MARKERS)]}
        look |= {"color": _color(number), "markersize": 5, "linewidth": 1.8}
        look["linestyle"] = ("-", "--", ":")[number // len(LINE_COLORS) % 3]
        right.errorbar(eps, accuracy, errors, capsize=3, elinewidth=1, **look)
        apart.plot(eps, [100 * score.ece for score in scores.values()], **look)
    levels = sorted({255 * eps for report in found.values() for eps in report.noise} | {0.0})
    for ax, what in ((right, "accuracy"), (apart, "calibration error ECE")):
        ax.set_ylabel(f"{what} / %", fontsize=LABEL)
        ax.set_xlabel("uniform noise, ± ε in 1/255", fontsize=LABEL)
        if len(levels) <= 8:
            ax.set_xticks(levels, [f"{level:.4g}" for level in levels])
        finish(ax)
    right.set_ylim(0, 100)
    apart.set_ylim(bottom=0)
    _legend(figure, right, len(noisy))
    return figure


def figure_corruptions(reports: Reports, severity: int | None = None) -> Figure:
    """Draw accuracy and calibration error for each corruption, and their mean.

    The mean is over the corruptions that all networks were shown.

    Parameters
    ----------
    reports, severity
        As for `figure_reliability`.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If there are no reports, or no corruptions of this severity.

    References
    ----------
    Hendrycks & Dietterich (2019), Benchmarking neural network robustness to common corruptions.
    """
    found, level = _named(reports), _severity(_named(reports), severity)
    if level is None:
        raise invalid("reports", "hold scores of corruptions", "hold none")
    seen = {name: report.corrupted(level) for name, report in found.items()}
    seen = {name: scores for name, scores in seen.items() if scores}
    names = sorted({name for scores in seen.values() for name in scores}, key=_order)
    shared = [name for name in names if all(name in scores for scores in seen.values())]
    rows = ["clean", *names, *(["mean"] if shared else [])]
    thick = 0.8 / len(seen)
    figure = blank(7.4, 1.4 + len(rows) * max(0.27, 0.16 * len(seen)))
    figure.suptitle(f"common corruptions, severity {level} of 5", fontsize=LABEL)
    axes = figure.subplots(1, 2, sharey=True, width_ratios=[1.35, 1])
    places = np.arange(len(rows)) + 0.4 * (np.arange(len(rows)) > 0)
    places[len(names) + 1 :] += 0.4
    for ax, what in zip(axes, ("accuracy", "ece"), strict=True):
        for number, (name, scores) in enumerate(seen.items()):
            values = {key: 100 * getattr(score, what) for key, score in scores.items()}
            values["clean"] = 100 * getattr(found[name].clean, what)
            if shared:
                values["mean"] = float(np.mean([values[key] for key in shared]))
            own = np.array([values.get(row, np.nan) for row in rows])
            at = places + (number - (len(seen) - 1) / 2) * thick
            place = list(found).index(name)
            look: dict[str, Any] = {"color": _color(place), "edgecolor": "white", "linewidth": 0}
            look["hatch"] = ("", "////", "....")[place // len(LINE_COLORS) % 3]
            bars = ax.barh(at, own, 0.9 * thick, label=_label(name), **look)
            if len(seen) < 4:
                said = ["" if value != value else f"{value:.1f}" for value in own]
                ax.bar_label(bars, said, padding=2, fontsize=TICK - 2)
    words = {"mean": f"mean of {len(shared)}"}
    axes[0].set_yticks(places, [words.get(row, row.replace("_", " ")) for row in rows])
    axes[0].set_ylim(places[-1] + 0.6, -0.6)
    axes[0].set(xlim=(0, 108), xticks=range(0, 101, 20))
    axes[1].set_xlim(0, 1.15 * max(axes[1].get_xlim()[1] / 1.05, 1))
    for ax, what in zip(axes, ("accuracy", "calibration error ECE"), strict=True):
        ax.set_xlabel(f"{what} / %", fontsize=LABEL)
        finish(ax, "x")
    _legend(figure, axes[0], len(seen))
    return figure


def _named(reports: Reports) -> dict[str, Report]:
    """Return reports by names that differ."""
    several = [reports] if isinstance(reports, Report) else reports
    given = several.values() if isinstance(several, Mapping) else several
    for report in given:
        if not isinstance(report, Report):
            raise wrong_type("reports", "hold Reports", report)
    found = dict(several) if isinstance(several, Mapping) else {}
    for report in () if isinstance(several, Mapping) else several:
        name, again = report.name, 2
        while name in found:
            name, again = f"{report.name} ({again})", again + 1
        found[name] = report
    if not found:
        raise invalid("reports", "hold a report at least", "is empty")
    return found


def _severity(reports: Mapping[str, Report], asked: int | None) -> int | None:
    """Return the severity to be drawn; None where there are no corruptions."""
    known = sorted({level for report in reports.values() for level in report.severities})
    if asked is None:
        return known[-1] if known else None
    if asked not in known:
        must = f"be one of {', '.join(map(str, known))}" if known else "be None: nothing is corrupt"
        raise invalid("severity", must, repr(asked))
    return asked


def _order(name: str) -> tuple[int, str]:
    """Return where a corruption stands: as its benchmark has it, others last."""
    known = COMMON + EXTRA
    return (known.index(name) if name in known else len(known), name)


def _error(score: Calibration) -> float:
    """Return the standard error of an accuracy."""
    return float((score.accuracy * (1 - score.accuracy) / score.images) ** 0.5)


def _color(number: int) -> str:
    return LINE_COLORS[number % len(LINE_COLORS)]


def _label(name: str) -> str:
    """Return a name that a legend takes: it leaves out what begins with an underscore."""
    return f" {name}" if name.startswith("_") or not name else name


def _legend(figure: Figure, ax: Any, count: int) -> None:
    handles, labels = ax.get_legend_handles_labels()
    columns = min(count, 3)
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": columns}
    legend = figure.legend(handles, labels, fontsize=TICK, frameon=False, **where)
    for text in legend.get_texts():
        text.set_parse_math(False)
