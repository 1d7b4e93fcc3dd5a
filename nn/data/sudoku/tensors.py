"""Boards as PyTorch tensors: a data set, its order in each epoch, and the loader of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from kuramoto._backend import Array
from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.nn.data.sudoku.boards import Boards, Box, box_shape
from kuramoto.nn.data.sudoku.symmetries import draws_needed, from_draws
from kuramoto.nn.seeds import derived_seed, epoch_order

__all__ = ["BoardDataset", "EpochSampler", "as_tensors", "loader", "require_digits"]


def require_digits(digits: Any, side: int) -> None:
    """Raise unless `digits` is what networks are given: boards (B, side, side), 0 for a blank.

    Raises
    ------
    TypeError
        If it is no tensor of whole numbers.
    ValueError
        If boards have another side, or (on the CPU) a digit is out of range.
    """
    if not torch.is_tensor(digits) or digits.is_floating_point():
        raise wrong_type("digits", "be a tensor of whole numbers, 0 where blank", digits)
    if digits.ndim != 3 or tuple(digits.shape[1:]) != (side, side):
        found = f"has shape {tuple(digits.shape)}"
        raise invalid("digits", f"have shape (B, {side}, {side})", found)
    # On a GPU the look at the values would stall it at every call.
    if digits.device.type != "cpu" or torch.compiler.is_compiling() or not digits.numel():
        return
    low, high = (int(end) for end in digits.aminmax())
    if low < 0 or high > side:
        raise invalid("digits", f"lie in 0 ... {side}", f"holds {low if low < 0 else high}")


def as_tensors(boards: Boards) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (digits, targets), int64 of shape (n, side, side).

    Digits are 0 for a blank and 1..side; targets are classes 0..side-1, class k for digit k + 1.

    Examples
    --------
    >>> from kuramoto.nn.data.sudoku import generate
    >>> digits, targets = as_tensors(generate(5, 6, box=(2, 2)))
    >>> tuple(targets.shape), int(targets.max())
    ((5, 4, 4), 3)
    """
    n, cells = boards.puzzles.shape
    side = round(cells**0.5)
    digits, solved = (
        torch.from_numpy(part.astype(np.int64).reshape(n, side, side)) for part in boards
    )
    return digits, solved - 1


class BoardDataset(Dataset):
    """Boards as (digits, targets), without end: index i is board i mod n as seen in epoch i div n.

    An item depends on the boards, the seed and its index only: neither on the batch it comes in,
    nor on the worker that makes it, nor on what was asked for before. A resumed training sees what
    an uninterrupted one does.

    Parameters
    ----------
    boards : Boards
        Puzzles and solutions.
    augment : bool
        Apply to every board a random symmetry, another one in each epoch.
    seed : int
        Seed of the symmetries.
    box : (int, int) or None
        Rows and columns of a box; None goes by the size of the boards.
    """

    def __init__(
        self, boards: Boards, *, augment: bool = False, seed: int = 0, box: Box | None = None
    ) -> None:
        self.boards, self.augment = boards, augment
        self.seed = whole_number("seed", seed)
        self.box = box_shape(box, boards.puzzles.shape[1])

    def __len__(self) -> int:
        return len(self.boards.puzzles)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        digits, targets = self.__getitems__([index])
        return digits[0], targets[0]

    def __getitems__(self, indices: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch, shape (B, side, side) each: what a `DataLoader` asks for."""
        boards = self.boards.select(np.asarray(indices) % len(self))
        if self.augment:
            symmetries = from_draws(np.stack([self._draws(i) for i in indices]), self.box)
            boards = Boards(*(symmetries(part) for part in boards))
        return as_tensors(boards)

    def _draws(self, index: int) -> Array:
        random = np.random.default_rng(derived_seed(self.seed, "symmetry", index))
        return random.random(draws_needed(self.box))


class EpochSampler(Sampler):
    """The indices of a `BoardDataset` in a new random order each epoch, given by seed and epoch.

    Every pass is one epoch further. Trainers that call `set_epoch` (as Lightning does) choose it.
    """

    def __init__(self, size: int, *, shuffle: bool = True, seed: int = 0) -> None:
        self.size, self.shuffle = whole_number("size", size), shuffle
        self.seed, self.epoch = whole_number("seed", seed), 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass."""
        self.epoch = whole_number("epoch", epoch)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = np.arange(self.size)
        if self.shuffle:
            order = epoch_order(self.size, self.seed, epoch)
        return iter((order + epoch * self.size).tolist())


def loader(
    boards: Boards,
    batch_size: int = 100,
    *,
    shuffle: bool = True,
    augment: bool = False,
    seed: int = 0,
    box: Box | None = None,
    **options: Any,
) -> DataLoader:
    """Return a loader of batches (digits, targets), int64 of shape (B, side, side).

    Parameters
    ----------
    boards : Boards
        Puzzles and solutions.
    batch_size : int
        B; the last batch may be smaller.
    shuffle : bool
        Whether the order is random, another one in each epoch.
    augment : bool
        Whether symmetries are applied: see `BoardDataset`.
    seed : int
        Seed of order and symmetries. Torch's global random numbers are never drawn.
    box : (int, int) or None
        Rows and columns of a box; None goes by the size of the boards.
    **options
        Further arguments of `torch.utils.data.DataLoader`: ``num_workers``, ``drop_last``, ...

    Examples
    --------
    >>> from kuramoto.nn.data.sudoku import generate
    >>> batches = loader(generate(5, 6, box=(2, 2)), 2)
    >>> [len(digits) for digits, targets in batches]
    [2, 2, 1]
    """
    data = BoardDataset(boards, augment=augment, seed=seed, box=box)
    order = EpochSampler(len(data), shuffle=shuffle, seed=seed)
    size = whole_number("batch_size", batch_size, least=1)
    # The loader draws one number for its workers on every pass; from a generator of its own.
    own = torch.Generator().manual_seed(data.seed)
    settings = {"generator": own, **options}
    return DataLoader(data, size, sampler=order, collate_fn=_as_is, **settings)


def _as_is(batch: Any) -> Any:
    """Pass on a batch that is one already."""
    return batch
