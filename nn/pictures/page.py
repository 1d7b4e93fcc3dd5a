"""One page on a trained network, or on several beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kuramoto.nn.energies import Recording
from kuramoto.nn.pictures.board import draw_board
from kuramoto.nn.pictures.curves import (
    draw_accuracy,
    draw_by_givens,
    draw_energies,
    draw_energy_histogram,
    mark_training,
)
from kuramoto.nn.pictures.learning import draw_losses, draw_scores
from kuramoto.nn.pictures.portrait import Portrait
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS

_MOST_COLUMNS = 4
_SIZE = (3.7, 3.3)  # inches of a panel

Draw = Callable[[Any], None]


def figure_portraits(
    portraits: Sequence[Portrait], *, title: str = "", caption: str = ""
) -> Figure:
    """Draw all that is known of a network, or what several have in common.

    Learning curves; accuracy by givens, by steps and by samples of a vote; of a single network also
    a board, and how energy tells right samples from wrong ones. What is not known is left out.

    Parameters
    ----------
    portraits : sequence of Portrait
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
    panels = [*_learning(portraits), *_scored(portraits)]
    if len(portraits) == 1 and portraits[0].recording is not None:
        panels += _told_by_energy(portraits[0], portraits[0].recording)
    panels += _by_effort(portraits)
    if not panels:
        found = "there is none" if not portraits else f"{portraits[0].name} has neither yet"
        raise ValueError(f"There is nothing to draw, metrics or answers: {found}.")
    columns = min(len(panels), _MOST_COLUMNS)
    if len(panels) in (5, 6):
        columns = 3
    rows = -(-len(panels) // columns)
    height = rows * _SIZE[1] + 0.4 * bool(title) + 0.25 * bool(caption)
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(columns * _SIZE[0], height), layout=layout)
    if title:
        figure.suptitle(title, fontsize=13)
    if caption:
        figure.supxlabel(caption, fontsize=TICK, color="0.35")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax, draw in zip(axes, panels, strict=False):
        draw(ax)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    return figure


def _learning(portraits: Sequence[Portrait]) -> list[Draw]:
    runs = {portrait.name: portrait.metrics for portrait in portraits if portrait.metrics}
    if not runs:
        return []
    panels: list[Draw] = [lambda ax: draw_losses(ax, runs)]
    scored = any("board_accuracy" in metrics for metrics in runs.values())
    if scored:
        panels.append(lambda ax: draw_scores(ax, runs))
    return panels


def _told_by_energy(portrait: Portrait, recording: Recording) -> list[Draw]:
    """Return panels on how energy tells samples of one network apart."""
    return [
        lambda ax: draw_energies(ax, recording, trained=portrait.trained),
        lambda ax: draw_energy_histogram(ax, recording),
    ]


def _scored(portraits: Sequence[Portrait]) -> list[Draw]:
    """Return panels on the boards that are right, and on one board."""
    panels: list[Draw] = []
    if any(portrait.levels for portrait in portraits):
        panels.append(lambda ax: draw_by_givens(ax, _levels(portraits)))
    if len(portraits) == 1 and portraits[0].solving is not None:
        panels.append(lambda ax: _draw_solved(ax, portraits[0]))
    return panels


def _by_effort(portraits: Sequence[Portrait]) -> list[Draw]:
    """Return panels on what more steps and more samples bring."""
    panels: list[Draw] = []
    if any(portrait.accuracy is not None for portrait in portraits):
        panels.append(lambda ax: _draw_steps(ax, portraits))
    voted = [p for p in portraits if p.recording is not None and p.recording.energies.shape[1] > 1]
    if voted:
        panels.append(lambda ax: _draw_votes(ax, portraits))
    return panels


def _levels(portraits: Sequence[Portrait]) -> dict[str, Any]:
    """Return levels by name: of one network all, of several what each does best."""
    if len(portraits) == 1:
        return dict(portraits[0].levels)
    last = {p.name: list(p.levels.items())[-1] for p in portraits if p.levels}
    return {f"{name}, {how}": level for name, (how, level) in last.items()}


def _draw_steps(ax: Any, portraits: Sequence[Portrait]) -> None:
    longest = 1
    for number, portrait in enumerate(portraits):
        if portrait.accuracy is None:
            continue
        color, (steps, accuracy) = LINE_COLORS[number % len(LINE_COLORS)], portrait.accuracy
        longest = max(longest, int(steps[-1]))
        alone = "one answer" if portrait.recording is None else "one sample"
        label = alone if len(portraits) == 1 else portrait.name
        draw_accuracy(ax, steps, accuracy, label=label, color=color, trained=portrait.trained)
        recording = portrait.recording
        if len(portraits) == 1 and recording is not None and recording.energies.shape[1] > 1:
            voted, label = (
                recording.accuracy_by_step("sum"),
                f"vote of {recording.energies.shape[1]}",
            )
            look = {"label": label, "color": LINE_COLORS[1], "style": "--s"}
            draw_accuracy(ax, steps, voted, trained=portrait.trained, **look)
    for trained in {portrait.trained for portrait in portraits}:
        mark_training(ax, trained, longest)
    ax.set_xlabel("steps (dots: multiples of those in training)", fontsize=LABEL)


def _draw_votes(ax: Any, portraits: Sequence[Portrait]) -> None:
    alone = len(portraits) == 1
    ways = {"sum": "lowest sum of energies", "last": "lowest last energy"}
    for number, portrait in enumerate(portraits):
        for shift, how in enumerate(list(ways)[: 1 + alone]):
            if portrait.recording is None:
                continue
            accuracy = portrait.recording.accuracy_by_samples(how)
            look: dict[str, Any] = {"label": ways[how] if alone else portrait.name}
            look |= {"color": LINE_COLORS[(number + shift) % len(LINE_COLORS)]}
            look |= {"style": "-o" if how == "sum" else "--s"}
            draw_accuracy(ax, range(1, len(accuracy) + 1), accuracy, **look)
    ax.set_xlabel("samples of a vote", fontsize=LABEL)
    _magnify(ax)
    ax.xaxis.get_major_locator().set_params(integer=True)


def _magnify(ax: Any) -> None:
    """Show the accuracies that there are, in a range of a fifth at least."""
    values = np.concatenate([line.get_ydata() for line in ax.lines])
    middle, half = (values.min() + values.max()) / 2, max(0.1, 0.6 * np.ptp(values))
    ax.set_ylim(max(middle - half, -0.02), min(middle + half, 1.02))


def _draw_solved(ax: Any, portrait: Portrait) -> None:
    solving, solution = portrait.solving, portrait.solution
    assert solving is not None
    said, chances = solving.answers[-1], solving.probabilities[-1]
    draw_board(ax, solving.puzzle, said, chances, solution)
    wrong = int((said != solution).sum()) if solution is not None else 0
    verdict = f"{wrong} square{'s' * (wrong != 1)} wrong" if wrong else "right"
    words = f"the first board, {int((solving.puzzle > 0).sum())} givens"
    after = f"after {len(solving.answers) - 1} steps: {verdict}"
    ax.set_title(f"{words}\n{after}", fontsize=LABEL)
