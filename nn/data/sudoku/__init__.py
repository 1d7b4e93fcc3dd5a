"""Sudoku boards: text, files, an exact solver, a generator, symmetries and PyTorch loaders.

Boards are uint8 of shape (n, cells), row by row, 0 for a blank; `Boards` pairs puzzles with their
solutions. Boxes of 2×2, 2×3, 2×4 and 3×3 cells make boards of side 4, 6, 8 and 9.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kuramoto.nn.data.sudoku.boards import (
    Boards,
    check_boards,
    format_board,
    is_solution,
    parse_board,
)
from kuramoto.nn.data.sudoku.generator import generate
from kuramoto.nn.data.sudoku.readers import read_boards, read_satnet, save_boards
from kuramoto.nn.data.sudoku.solver import count_solutions, solve
from kuramoto.nn.data.sudoku.splits import fill_givens, ood_test, training_split
from kuramoto.nn.data.sudoku.symmetries import Symmetries, augment, random_symmetries

if TYPE_CHECKING:
    from kuramoto.nn.data.sudoku.tensors import BoardDataset, EpochSampler, as_tensors, loader

__all__ = [
    "BoardDataset",
    "Boards",
    "EpochSampler",
    "Symmetries",
    "as_tensors",
    "augment",
    "check_boards",
    "count_solutions",
    "fill_givens",
    "format_board",
    "generate",
    "is_solution",
    "loader",
    "ood_test",
    "parse_board",
    "random_symmetries",
    "read_boards",
    "read_satnet",
    "save_boards",
    "solve",
    "training_split",
]


def __getattr__(name: str) -> Any:
    """Load what needs PyTorch on first use: boards do without."""
    if name not in ("BoardDataset", "EpochSampler", "as_tensors", "loader"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("kuramoto.nn.data.sudoku.tensors"), name)
