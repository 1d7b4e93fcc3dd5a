"""The figure: how far everybody is from what the machine allows, and how we scale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from race import BY_HAND, FLOOR, NUMPY_PATH, OURS
from report import Results, find, ratio

# Okabe and Ito's colours and two greys, told apart with every colour vision; each has its marker.
_STYLES = {
    OURS: ("#000000", "o"),
    NUMPY_PATH: ("#888888", "s"),
    BY_HAND: ("#0072B2", "D"),
    "NumPy": ("#E69F00", "^"),
    "diffrax": ("#009E73", "v"),
    "torchdiffeq": ("#CC79A7", "P"),
    "oscillatools": ("#D55E00", "X"),
    "kuramoto 0.4": ("#56B4E9", "*"),
    "jitcode": ("#555555", "<"),
}


def draw(results: Results, path: Path) -> None:
    """Draw the figure into a file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _ratios(left, results)
    _weak(right, results)
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    machine = results["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['date'][:10]}", fontsize=10)
    figure.savefig(path, dpi=150)


def _ratios(axes: Any, results: Results) -> None:
    """Draw a row of marks for every workload that has a floor."""
    keys = [key for key in results["workloads"] if find(results, key, FLOOR)]
    keys = [key for key in keys if not key.startswith("weak")][::-1]
    for name, (color, marker) in _STYLES.items():
        values = {row: ratio(results, key, name, FLOOR) for row, key in enumerate(keys)}
        rows = [row for row, value in values.items() if value is not None]
        if not rows:
            continue
        style = {"facecolors": color, "edgecolors": color, "s": 45, "zorder": 3}
        if name == OURS:  # a ring around whatever is as fast
            style |= {"facecolors": "none", "s": 160, "linewidths": 2, "zorder": 4}
        axes.scatter([values[row] for row in rows], rows, marker=marker, label=name, **style)
    axes.axvline(1.0, color="#777777", linewidth=1)
    axes.set(xscale="log", xlabel="time of a right-hand side / floor of this machine")
    axes.set_yticks(range(len(keys)), keys)
    axes.set_ylim(-0.6, len(keys) - 0.4)
    axes.grid(axis="x", color="#dddddd", zorder=0)


def _weak(axes: Any, results: Results) -> None:
    """Draw the time per oscillator and step over the number of oscillators."""
    for kind, threads in _families(results):
        color, marker = {"mean field": ("#0072B2", "o"), "lattice": ("#D55E00", "s")}[kind]
        line = {"color": color, "linestyle": "-" if threads == 1 else "--", "marker": marker}
        line |= {"markerfacecolor": color if threads == 1 else "white"}
        points = sorted(_points(results, kind, threads))
        axes.plot(*zip(*points, strict=True), label=f"{kind}, {threads} thread(s)", **line)
    axes.set(xscale="log", yscale="log", xlabel="oscillators")
    axes.set_ylabel("ns per oscillator and step")
    axes.grid(color="#dddddd", which="both", axis="y")
    for set_formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        set_formatter(_plain)
    if axes.lines:
        axes.set_ylim(top=3 * axes.get_ylim()[1])  # room for the legend
        axes.legend(frameon=False, fontsize=9, loc="upper right")


def _plain(value: float, position: int) -> str:
    """Return a number without powers of ten, and only the round ones."""
    return f"{value:g}" if f"{value:e}"[0] in "1235" else ""


def _points(results: Results, kind: str, threads: int) -> Iterator[tuple[int, float]]:
    for key, about in results["workloads"].items():
        cell = find(results, key, OURS, threads)
        if key.startswith("weak") and about["kind"] == kind and cell:
            yield about["oscillators"], 4e9 * cell["median"] / about["oscillators"]


def _families(results: Results) -> list[tuple[str, int]]:
    """Return the curves: kind of coupling and number of threads."""
    kinds = {key: about["kind"] for key, about in results["workloads"].items()}
    cells = [cell for cell in results["cells"] if cell["workload"].startswith("weak")]
    return list(dict.fromkeys((kinds[c["workload"]], c["threads"]) for c in cells if "median" in c))
