"""Pictures of trained networks. Needs the extra ``plot``, as `kuramoto.plotting` does.

Drawn with matplotlib's object-oriented interface; functions that take an ``ax`` draw on any axes.
"""

from __future__ import annotations

import kuramoto.plotting  # noqa: F401 - says what to install where matplotlib is missing
from kuramoto.nn.pictures.board import BoardPicture, draw_board
from kuramoto.nn.pictures.curves import (
    draw_accuracy,
    draw_by_givens,
    draw_energies,
    draw_energy_histogram,
)
from kuramoto.nn.pictures.learning import draw_losses, draw_scores, read_metrics
from kuramoto.nn.pictures.page import figure_portraits
from kuramoto.nn.pictures.portrait import Portrait, portray
from kuramoto.nn.pictures.solving import write_solving

__all__ = [
    "BoardPicture",
    "Portrait",
    "draw_accuracy",
    "draw_board",
    "draw_by_givens",
    "draw_energies",
    "draw_energy_histogram",
    "draw_losses",
    "draw_scores",
    "figure_portraits",
    "portray",
    "read_metrics",
    "write_solving",
]
