"""What samples of boards do: energy over steps and as histogram, accuracy over steps and more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid
from kuramoto.nn.energies import Recording
from kuramoto.nn.pictures.board import RIGHT, WRONG
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS

_SIGMAS = 1.96  # of a 95 % interval
_KINDS = (("right", RIGHT), ("wrong", WRONG))
_FEWEST = 5  # boards that are worth a picture of their own


class _Groups(NamedTuple):
    """Values (m, K, ...) of the boards that are compared, and which samples are right (m, K)."""

    values: Array
    right: Array
    relative: bool


def _compare(recording: Recording, values: Array, zero: Array) -> _Groups:
    """Return what of some values tells right samples from wrong ones.

    Boards differ in energy, and in how easy they are: only where both kinds of samples are of the
    same boards, and every board has a zero of its own, do they tell about the samples. Where hardly
    any board has both kinds, all are returned as they are.
    """
    right = recording.right[..., -1]
    both = right.any(1) & ~right.all(1)
    if both.sum() < _FEWEST:
        return _Groups(values, right, False)
    zero = zero[both].mean(1)
    zero = zero.reshape(-1, *[1] * (values.ndim - 1))
    return _Groups(values[both] - zero, right[both], True)


def draw_energies(ax: Any, recording: Recording, *, trained: int | None = None) -> None:
    """Draw energy over Kuramoto steps, samples that end right and those that end wrong apart.

    Means over samples, with a band from the tenth to the ninetieth percentile; where the energy
    goes up and down, at the troughs of the mean of all. Of boards that some samples get right and
    others wrong, each from its mean energy over the later half of the steps; if there are not even
    five, of all boards as they are. The steep first steps may lie outside the picture.

    Parameters
    ----------
    ax : matplotlib axes
    recording : kuramoto.nn.energies.Recording
    trained : int, optional
        Steps in training: marked by a dotted line.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), figure 6.
    """
    energies = recording.energies.astype(np.float64)
    T = energies.shape[-1]
    groups = _compare(recording, energies, energies[..., T // 2 :].mean(-1))
    rows = _troughs(groups.values.mean((0, 1)))
    late, seen = rows >= T // 8, []
    for wanted, (name, color) in zip((True, False), _KINDS, strict=True):
        some = groups.values[groups.right == wanted][:, rows]
        if len(some):
            low, high = np.percentile(some, [10, 90], axis=0)
            ax.fill_between(rows + 1, low, high, color=color, alpha=0.15, linewidth=0)
            style = "-o" if len(rows) == 1 else "-"
            label = f"{name}: {_count(len(some), 'sample')}"
            ax.plot(rows + 1, some.mean(0), style, color=color, linewidth=2, label=label)
            seen += [low[late], high[late]]
    _zoom(ax, np.concatenate(seen))
    mark_training(ax, trained, T)
    where = " (troughs)" if len(rows) < T else ""
    ax.set_xlabel(f"Kuramoto step{where}", fontsize=LABEL)
    ax.set_ylabel("energy − the board's late mean" if groups.relative else "energy", fontsize=LABEL)
    ax.set_title(_whose(groups), fontsize=LABEL)
    _tidy(ax, "upper right")


def draw_energy_histogram(ax: Any, recording: Recording, how: str = "sum") -> None:
    """Draw how the energies that a vote goes by are distributed, right and wrong samples apart.

    Each kind sums to one. Of boards that some samples get right and others wrong, from the board's
    mean; there a line says how often, of a right and a wrong sample of one board, the right one has
    the lower energy (a half if energies say nothing). If there are not even five, of all boards.

    Parameters
    ----------
    ax : matplotlib axes
    recording : kuramoto.nn.energies.Recording
    how : {"sum", "last"}

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), figure 27.
    """
    scores = recording.scores(how)
    groups = _compare(recording, scores, scores)
    low, high = np.percentile(groups.values, [0.5, 99.5])
    width = max(high - low, 1e-6 * max(abs(high), 1.0))
    bins = int(np.clip(groups.right.size**0.5, 8, 40))
    edges = np.linspace(low - 0.03 * width, high + 0.03 * width, bins + 1)
    for wanted, (name, color) in zip((True, False), _KINDS, strict=True):
        some = np.clip(groups.values[groups.right == wanted], edges[0], edges[-1])
        if len(some):
            share = np.full(len(some), 1 / len(some))
            label = f"{name}: {_count(len(some), 'sample')}"
            ax.hist(some, edges, weights=share, color=color, alpha=0.3)
            ax.hist(some, edges, weights=share, color=color, histtype="step", lw=1.6, label=label)
    ax.set_ylim(0, 1.3 * ax.get_ylim()[1])  # room for the legend
    what = "sum of energies" if how == "sum" else "last energy"
    ax.set_xlabel(f"{what} − the board's mean" if groups.relative else what, fontsize=LABEL)
    ax.set_ylabel("share of its samples", fontsize=LABEL)
    title = _whose(groups)
    if groups.relative:
        title += f"\nright below wrong: {100 * _right_is_lower(groups):.0f} % of pairs"
    ax.set_title(title, fontsize=LABEL)
    _tidy(ax, "upper right")


def draw_accuracy(
    ax: Any,
    counts: Sequence[int] | Array,
    accuracy: Sequence[float] | Array,
    *,
    label: str = "",
    color: str = LINE_COLORS[0],
    style: str = "-o",
    trained: int | None = None,
) -> None:
    """Draw the fraction of boards that are right against a number of steps or samples.

    Parameters
    ----------
    ax : matplotlib axes
    counts, accuracy : array, shape (S,)
    label, color, style : str
        Of the line; its style as matplotlib writes it.
    trained : int, optional
        Steps in training. Accuracy may differ from step to step, so that the line is pale and goes
        through all of them, and dots lie on the multiples of these.
    """
    counts, accuracy = np.asarray(counts), np.asarray(accuracy)
    if counts.shape != accuracy.shape or counts.ndim != 1:
        found = f"have shapes {counts.shape} and {accuracy.shape}"
        raise invalid("counts and accuracy", "have one shape (S,)", found)
    some = counts % trained == 0 if trained else np.zeros(len(counts), bool)
    dots = some if some.any() else np.ones(len(counts), bool)
    pale = dots.sum() < len(counts)
    if pale:
        ax.plot(counts, accuracy, color=color, linewidth=0.9, alpha=0.4)
    size = 4 if dots.sum() <= 40 else 0
    look = {"color": color, "markersize": size, "linewidth": 1.8, "label": label}
    ax.plot(counts[dots], accuracy[dots], style, **look)
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("boards right", fontsize=LABEL)
    _tidy(ax)


def draw_by_givens(ax: Any, levels: Mapping[str, Mapping[int, tuple[int, float]]]) -> None:
    """Draw the fraction of boards that are right against the number of givens.

    Bars are Wilson's 95 % intervals for the number of boards.

    Parameters
    ----------
    ax : matplotlib axes
    levels : mapping
        ``{name: {givens: (boards, right)}}``, as `Recording.by_givens` and the ``levels`` of a
        report of `kuramoto.nn.tasks.sudoku_evaluation` have it.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    apart = 0.5 / max(len(levels), 1)
    for number, (name, level) in enumerate(levels.items()):
        color = LINE_COLORS[number % len(LINE_COLORS)]
        givens = np.array(list(level), float) + apart * (number - (len(levels) - 1) / 2)
        boards, right = np.array(list(level.values()), float).T
        low, high = wilson(right, boards)
        rate = right / boards
        bars = [np.maximum(rate - low, 0), np.maximum(high - rate, 0)]
        style = {"fmt": "-o", "markersize": 4, "lw": 1.4, "elinewidth": 1, "capsize": 2}
        ax.errorbar(givens, rate, bars, color=color, label=name, **style)
    ax.set_ylim(-0.02, 1.02)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("givens", fontsize=LABEL)
    ax.set_ylabel("boards right", fontsize=LABEL)
    _tidy(ax)


def wilson(right: Array, boards: Array) -> tuple[Array, Array]:
    """Return the ends of Wilson's 95 % interval for a rate.

    Examples
    --------
    >>> [round(float(end), 3) for end in wilson(np.array(0.0), np.array(10.0))]
    [0.0, 0.278]
    """
    squared = _SIGMAS**2
    rate = right / boards
    middle = (rate + squared / (2 * boards)) / (1 + squared / boards)
    root = np.sqrt(rate * (1 - rate) / boards + squared / (4 * boards**2))
    half = _SIGMAS * root / (1 + squared / boards)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def mark_training(ax: Any, trained: int | None, steps: int) -> None:
    """Mark the number of steps in training by a dotted line, if it lies below `steps`."""
    ax.xaxis.get_major_locator().set_params(integer=True)
    if trained is not None and 1 <= trained < steps:
        ax.axvline(trained, color="0.4", linestyle=":", linewidth=1.2)
        if steps > 1:
            ax.set_xlim(1, steps)


def _troughs(values: Array) -> Array:
    """Return the rows of local minima, or all where a curve hardly has any."""
    walled = np.concatenate([[np.inf], values, [np.inf]])
    found = np.flatnonzero((values <= walled[:-2]) & (values < walled[2:]))
    return found if len(found) >= max(4, len(values) // 6) else np.arange(len(values))


def _right_is_lower(groups: _Groups) -> float:
    """Return the chance that of a right and a wrong sample of a board the right one is lower."""
    found = []
    for values, right in zip(groups.values, groups.right, strict=True):
        apart = values[right][:, None] - values[~right]
        found.append(((apart < 0) + 0.5 * (apart == 0)).mean())
    return float(np.mean(found))


def _whose(groups: _Groups) -> str:
    boards = _count(len(groups.right), "board")
    if groups.relative:
        return f"{boards} answered both right and wrong"
    return f"all {boards}\n(few were answered both right and wrong)"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _zoom(ax: Any, values: Array) -> None:
    """Show some values, whatever else is drawn."""
    low, high = values.min(), values.max()
    height = max(high - low, 1e-6 * max(abs(high), 1.0))
    ax.set_ylim(low - 0.1 * height, high + 0.4 * height)  # the legend stands above


def _tidy(ax: Any, where: str = "best") -> None:
    ax.tick_params(labelsize=TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=TICK, frameon=False, loc=where)
