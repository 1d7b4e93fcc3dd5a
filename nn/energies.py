"""Energies of runs, step by step, beside how right their answers are: what the pictures are of.

The runs are those of `kuramoto.nn.voting`: from the same seed the same initial states. Of a network
with several blocks it is the last one that is recorded; the others have taken T steps before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kuramoto._check import invalid, nearest, whole_number
from kuramoto.nn.samples import Voter, begin

if TYPE_CHECKING:
    from kuramoto._backend import Array

__all__ = ["Recording", "Solving", "join", "record", "stream", "watch"]

Tensor = Any
WAYS = ("last", "sum")


@dataclass(frozen=True)
class Recording:
    """What K samples of n boards did in T steps.

    Attributes
    ----------
    energies : array of float32, shape (n, K, T)
        After 1 ... T steps, eq. 3.
    squares : array of uint8, shape (n, K, S)
        How many squares of the answer were right, givens too, at each of the steps `looks`.
    cells : int
        Squares of a board.
    looks : array of int, shape (S,)
        Increasing; the last is T.
    """

    energies: Array
    squares: Array
    cells: int
    looks: Array

    @property
    def right(self) -> Array:
        """Whether the answer was the solution, bool of shape (n, K, S)."""
        return self.squares == self.cells

    def scores(self, how: str = "sum", step: int | None = None) -> Array:
        """Return what a vote after some steps goes by, float64 of shape (n, K).

        Parameters
        ----------
        how : {"sum", "last"}
            The sum of the energies of all steps so far, or the energy at the last of them.
        step : int, optional
            T by default.
        """
        if how not in WAYS:
            raise invalid("how", "be last or sum", repr(how), nearest(str(how), WAYS))
        steps = self.energies.shape[-1]
        step = steps if step is None else whole_number("step", step, least=1)
        if step > steps:
            raise invalid("step", f"be at most T = {steps}", f"{step}")
        part = self.energies[..., step - 1] if how == "last" else self.energies[..., :step]
        part = part.astype(np.float64)
        return part if how == "last" else part.sum(-1)

    def elected(self, how: str = "sum", step: int | None = None) -> Array:
        """Return the sample of lowest energy of every board, int of shape (n,)."""
        return _known(self.scores(how, step)).argmin(-1)

    def accuracy_by_step(self, how: str | None = None) -> Array:
        """Return the fraction of boards that are right at each of `looks`, shape (S,).

        Parameters
        ----------
        how : {"sum", "last"}, optional
            Of the sample that this vote elects then; by default of a sample, on average.
        """
        right = self.right
        if how is None:
            return np.asarray(right.mean((0, 1)))
        boards = np.arange(len(right))
        rows = [
            right[boards, self.elected(how, int(step)), look].mean()
            for look, step in enumerate(self.looks)
        ]
        return np.array(rows)

    def accuracy_by_samples(self, how: str = "sum") -> Array:
        """Return the fraction of boards that a vote of k samples gets right, shape (K,).

        Expected over all choices of k = 1 ... K of the K samples, at the last step: the sample of
        rank r (from 0) is the lowest of C(K − 1 − r, k − 1) among the C(K, k) choices.
        """
        order = _known(self.scores(how)).argsort(-1, kind="stable")
        ranked = np.take_along_axis(self.right[..., -1], order, -1).mean(0)
        return np.asarray(_chances(len(ranked)) @ ranked)

    def by_givens(self, givens: Array, how: str | None = None) -> dict[int, tuple[int, float]]:
        """Return ``{givens: (boards, right)}`` at the last step, fewest givens first.

        Parameters
        ----------
        givens : array of int, shape (n,)
        how : {"sum", "last"}, optional
            Of the elected samples; by default of a sample, on average.
        """
        last = self.right[..., -1]
        right = last.mean(-1) if how is None else last[np.arange(len(last)), self.elected(how)]
        if len(givens) != len(right):
            raise invalid("givens", f"have length n = {len(right)}", f"has length {len(givens)}")
        levels = [(int(level), givens == level) for level in np.unique(givens)]
        return {level: (int(rows.sum()), float(right[rows].sum())) for level, rows in levels}


def _known(scores: Array) -> Array:
    """Let no sample whose energy is not a number be elected."""
    return np.nan_to_num(scores, nan=np.inf, posinf=np.inf, neginf=-np.inf)


def _chances(samples: int) -> Array:
    """Return the probabilities (k, r) that the lowest of k out of K has rank r among all."""
    k, table = np.arange(1.0, samples + 1), np.zeros((samples, samples))
    chance = k / samples
    for rank in range(samples):
        table[:, rank] = chance
        chance = chance * np.maximum(samples - rank - k, 0) / max(samples - 1 - rank, 1)
    return table


def record(model: Voter, digits: Tensor, solutions: Tensor, **how: Any) -> Recording:
    """Record what samples of boards do.

    Memory: n·K·(4T + S) bytes for what is returned, and what `batch` samples need on the way; 1,000
    boards of 100 samples and 128 steps make 64 MB.

    Parameters
    ----------
    model
        An oscillator model, in evaluation mode.
    digits, solutions : integer tensors, shape (n, side, side)
        Boards, 0 where a square is blank, and what is right.
    steps : int, optional
        Kuramoto steps T; default: as in the model's configuration.
    samples : int, default 16
        Samples K of every board.
    seed : int, default 0
        Decides the initial states, as for `kuramoto.nn.voting.vote`.
    batch : int, optional
        Samples computed at once; default: 64, or 1,024 on a GPU.
    looks : sequence of int, optional
        Steps at which answers are compared, which costs a readout each; default: all. T is added.

    Returns
    -------
    Recording

    Raises
    ------
    ValueError
        If the model has no energy, or a number cannot be meant.

    Examples
    --------
    >>> from kuramoto.nn.models import build
    >>> model = build("sudoku", "akorn", side=4, channels=16, heads=2, steps=3).eval()
    >>> board = torch.ones(1, 4, 4, dtype=torch.int64)
    >>> record(model, 0 * board, board, samples=2).energies.shape
    (1, 2, 3)
    """
    return join(list(stream(model, digits, solutions, **how)))


def join(parts: Sequence[Recording]) -> Recording:
    """Join recordings of some boards and others, as `stream` yields them."""
    energies = np.concatenate([part.energies for part in parts])
    squares = np.concatenate([part.squares for part in parts])
    return Recording(energies, squares, parts[0].cells, parts[0].looks)


@torch.no_grad()
def stream(
    model: Voter,
    digits: Tensor,
    solutions: Tensor,
    *,
    steps: int | None = None,
    samples: int = 16,
    seed: int = 0,
    batch: int | None = None,
    looks: Sequence[int] | None = None,
) -> Iterator[Recording]:
    """Record as `record` does, and yield recordings of some boards after others, in order."""
    require_energy(model)
    samples = whole_number("samples", samples, least=1)
    steps = whole_number("steps", model.config.steps if steps is None else steps, least=1)
    if not len(digits):
        raise invalid("digits", "hold at least one board", "has length 0")
    if solutions.shape != digits.shape:
        must, found = f"have the shape of digits, {tuple(digits.shape)}", tuple(solutions.shape)
        raise invalid("solutions", must, f"has shape {found}")
    size = whole_number("batch", batch or (1024 if digits.is_cuda else 64), least=1)
    camera, boards = _Camera(model, steps, seed, _looks(looks, steps)), max(size // samples, 1)
    for first in range(0, len(digits), boards):
        rows = slice(first, first + boards)
        yield camera.shoot(digits[rows], solutions[rows], samples, size)


def require_energy(model: Any) -> None:
    """Raise if a model has no energy."""
    if not hasattr(model, "predict"):
        raise ValueError(f"Model {type(model).__name__} has no energy to record.")


def _looks(looks: Sequence[int] | None, steps: int) -> list[int]:
    if looks is None:
        return list(range(1, steps + 1))
    chosen = sorted({*(whole_number("looks", look, least=1) for look in looks), steps})
    if chosen[-1] > steps:
        raise invalid("looks", f"be at most T = {steps}", f"{chosen[-1]}")
    return chosen


class _Camera:
    """What is recorded of every run."""

    def __init__(self, model: Voter, steps: int, seed: int, looks: list[int]) -> None:
        self.model, self.steps, self.seed, self.looks = model, steps, seed, looks

    def shoot(self, boards: Tensor, solutions: Tensor, samples: int, size: int) -> Recording:
        """Record boards whose samples are computed together, or one board's in several chunks."""
        piece = max(size // len(boards), 1)
        ks = [range(samples)[first : first + piece] for first in range(0, samples, piece)]
        found = [self._attempt(boards, solutions, part) for part in ks]
        energies, squares = (np.concatenate(part, 1) for part in zip(*found, strict=True))
        return Recording(energies, squares, solutions[0].numel(), np.array(self.looks))

    def _attempt(self, boards: Tensor, solutions: Tensor, ks: range) -> tuple[Array, Array]:
        """Compute samples, in halves if the GPU's memory does not suffice."""
        try:
            return self._compute(boards, solutions, ks)
        except torch.OutOfMemoryError:
            if len(ks) == 1:
                raise
        half = len(ks) // 2
        halves = [self._attempt(boards, solutions, part) for part in (ks[:half], ks[half:])]
        energies, squares = (np.concatenate(part, 1) for part in zip(*halves, strict=True))
        return energies, squares

    def _compute(self, boards: Tensor, solutions: Tensor, ks: range) -> tuple[Array, Array]:
        """Return energies (n, k, T) and right squares (n, k, S) of some samples."""
        n, k, device = len(boards), len(ks), boards.device
        wanted = solutions.repeat_interleave(k, dim=0)
        x, c = begin(self.model, boards, ks, seed=self.seed, steps=self.steps)
        energies = torch.zeros(n * k, self.steps, device=device)
        squares = torch.zeros(n * k, len(self.looks), dtype=torch.uint8, device=device)
        moments = self.model.blocks[-1].layer.trajectory(x, c, self.steps)
        for step, (state, energy) in enumerate(moments, start=1):
            energies[:, step - 1] = energy.float()
            if step in self.looks:
                said = self.model.predict(state).argmax(-1) + 1
                squares[:, self.looks.index(step)] = (said == wanted).flatten(1).sum(1)
        found = (part.unflatten(0, (n, k)).cpu().numpy() for part in (energies, squares))
        return next(found), next(found)


@dataclass(frozen=True)
class Solving:
    """One board on its way: what a network says after 0, 1, ... T steps.

    Attributes
    ----------
    puzzle : array of uint8, shape (side, side)
        0 = blank.
    probabilities : array of float32, shape (T + 1, side, side, side)
        Of the digits 1 ... side of every square.
    energies : array of float32, shape (T + 1,)
        Eq. 3.
    """

    puzzle: Array
    probabilities: Array
    energies: Array

    @property
    def answers(self) -> Array:
        """The most probable digits, uint8 of shape (T + 1, side, side)."""
        return (self.probabilities.argmax(-1) + 1).astype(np.uint8)


@torch.no_grad()
def watch(
    model: Voter,
    digits: Tensor,
    *,
    steps: int | None = None,
    seed: int = 0,
    sample: int = 0,
) -> Solving:
    """Watch one sample of one board.

    Memory: 4·side³ bytes a step; 128 steps of a 9×9 board make 370 kB.

    Parameters
    ----------
    model
        An oscillator model, in evaluation mode.
    digits : integer tensor, shape (side, side)
        A board; 0 where a square is blank.
    steps
        Kuramoto steps T; default: as in the model's configuration.
    seed, sample
        Decide the initial state: that of this sample in `record` and in a vote.

    Returns
    -------
    Solving
    """
    require_energy(model)
    steps = whole_number("steps", model.config.steps if steps is None else steps, least=1)
    sample = whole_number("sample", sample)
    x, c = begin(model, digits[None], range(sample, sample + 1), seed=seed, steps=steps)
    layer = model.blocks[-1].layer
    start = layer.begin(x, c)
    said, energies = [model.predict(start.features)], [start.energy]
    for state, energy in layer.trajectory(x, c, steps):
        said.append(model.predict(state))
        energies.append(energy)
    probabilities = torch.cat(said).float().softmax(-1)
    puzzle = digits.to("cpu", torch.uint8).numpy()
    return Solving(puzzle, probabilities.cpu().numpy(), torch.cat(energies).float().cpu().numpy())
