"""Animations of a board being solved: digits appear while the energy curve grows beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kuramoto._backend import Array
from kuramoto.nn.energies import Solving
from kuramoto.nn.pictures.board import RIGHT, WRONG, BoardPicture, legend
from kuramoto.nn.pictures.movie import Curve, Movie, growing, write
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS


def write_solving(
    solving: Solving,
    out: str | Path,
    *,
    solution: Array | None = None,
    others: Array | None = None,
    title: str = "",
    every: int = 1,
    seconds_per_frame: float = 0.12,
    progress: bool = False,
) -> None:
    """Write a GIF or, where ffmpeg is at hand, an MP4 of a board being solved.

    Parameters
    ----------
    solving : kuramoto.nn.energies.Solving
        What `kuramoto.nn.energies.watch` returned.
    out : path
        Its ending says which; written as it is: whoever calls sees to the name.
    solution : array of int, shape (side, side), optional
        Tells right digits from wrong ones, and adds a curve of their number; else the curve is of
        the mean probability of the digits.
    others : array, shape (K, T), optional
        Energies of other samples after 1 ... T steps, drawn in grey.
    title : str
    every : int, default 1
        Show every so many steps, and the last; at most 160 are shown anyway.
    seconds_per_frame : float
    progress : bool, default False
        Show a progress bar.

    Raises
    ------
    ValueError
        If the ending is another one.
    FileNotFoundError
        If an MP4 is asked for and there is no ffmpeg.
    """
    write(
        lambda: _Solving(solving, solution, others, title),
        out,
        every=every,
        seconds_per_frame=seconds_per_frame,
        progress=progress,
    )


class _Solving(Movie):
    """A board, its energy, and how much of it is right."""

    exact = ("white", "black", RIGHT, WRONG)  # paper, ink and digits

    def __init__(
        self, solving: Solving, solution: Array | None, others: Array | None, title: str
    ) -> None:
        self.solving, self.length = solving, len(solving.energies)
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
        self.figure = Figure(figsize=(8.4, 4.6), dpi=100, layout=layout)
        if title:
            self.figure.suptitle(title, fontsize=12)
        self.figure.supxlabel(legend(solution is not None), fontsize=TICK, color="0.35")
        parts: Any = self.figure.subfigures(1, 2, width_ratios=[1.12, 1])
        left, right = parts
        ax = left.subplots()
        self.clock = ax.set_title(self._time(len(solving.energies) - 1), fontsize=LABEL)
        top, bottom = right.subplots(2, 1, sharex=True)
        curves = [self._draw_energy(top, others), self._draw_progress(bottom, solution)]
        canvas = self.lay_out()  # and with it the size of the digits
        self.board = BoardPicture(ax, solving.puzzle, solution)
        self.begin(canvas, [*self.board.artists, self.clock], curves)

    def show(self, row: int) -> None:
        """Put the answers after some steps into the board."""
        self.board.show(self.solving.answers[row], self.solving.probabilities[row])
        self.clock.set_text(self._time(row))

    def _time(self, row: int) -> str:
        last = len(self.solving.energies) - 1
        return f"step {row:>{len(str(last))}} of {last}"

    def _draw_energy(self, ax: Any, others: Array | None) -> Curve:
        if others is not None:
            steps = np.arange(1, others.shape[1] + 1)
            ax.plot(steps, others.T, color="0.8", linewidth=0.7, zorder=1)
        ax.set_ylabel("energy", fontsize=LABEL)
        return growing(ax, self.solving.energies, LINE_COLORS[2])

    def _draw_progress(self, ax: Any, solution: Array | None) -> Curve:
        ax.set_xlabel("Kuramoto step", fontsize=LABEL)
        if solution is None:
            values = self.solving.probabilities.max(-1).mean((1, 2))
            ax.set_ylabel("mean probability", fontsize=LABEL)
            top = 1.0
        else:
            blank = self.solving.puzzle == 0
            values = (self.solving.answers == np.asarray(solution))[:, blank].sum(1)
            top = float(blank.sum())
            ax.set_ylabel(f"blanks right, of {blank.sum()}", fontsize=LABEL)
        grown = growing(ax, values, LINE_COLORS[0])
        ax.set_ylim(-0.04 * top, 1.04 * top)
        return grown
