"""Samples of boards: runs from random states, together in chunks that fit into memory.

Sample k of a board starts from a state that follows from the seed, the board and k alone: it is the
same whatever else is computed, in whatever order and in chunks of whatever size. Nothing grows with
the number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch

from kuramoto._check import invalid, real_number, whole_number
from kuramoto.nn.seeds import derived_seed

__all__ = ["Samples", "Settled", "Voter", "advance", "answer_steps", "begin", "survey"]

Tensor = Any

# Samples whose random numbers are drawn together, to spare a GPU many small launches.
_DRAWN = 8


class Voter(Protocol):
    """What voting asks of a model, such as `kuramoto.nn.models.sudoku.SudokuNet`.

    ``config.steps`` is T; the last of ``blocks`` is the one whose energy counts.
    """

    config: Any
    blocks: Any

    def start(
        self, digits: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return stimulus and initial state [B, C*N, H, W]."""

    def predict(self, state: Tensor) -> Tensor:
        """Return the logits (B, H, W, classes) that a last state stands for."""


@dataclass(frozen=True)
class Settled:
    """When a board counts as decided before its last step.

    All its samples agree, and between two looks no logit of any of them moved by more than
    `tolerance`. The state itself may go on turning: natural frequencies do not settle, and so few
    boards do. On held-out boards of three trained networks (two of 4×4, one of 9×9, T = 128)
    the defaults changed none of 3,084 answers and saved 8, 4 and 0 % of the steps; a tolerance of
    1.0 changed 22.

    Parameters
    ----------
    every
        Steps between two looks.
    tolerance
        Largest change of a logit that counts as none.
    """

    every: int = 16
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        whole_number("every", self.every, least=1)
        real_number("tolerance", self.tolerance, positive=True)


class Samples(NamedTuple):
    """What K samples of n boards came to, after each of S numbers of steps.

    Attributes
    ----------
    answers : tensor of uint8, shape (n, S, K, side, side)
        Digits 1 ... side.
    last : tensor of float32, shape (n, S, K)
        Energies of the last states.
    total : tensor of float32, shape (n, S, K)
        Sums of the energies of all states up to there.
    confidence : tensor of float32, shape (n, S, K)
        Mean over the squares of the log-probability of the answer's digit.
    steps : tensor of int64, shape (n,)
        Steps taken: fewer than asked for where a board settled.
    """

    answers: Tensor
    last: Tensor
    total: Tensor
    confidence: Tensor
    steps: Tensor


@torch.no_grad()
def survey(
    model: Voter,
    digits: Tensor,
    *,
    steps: int | None = None,
    at: Sequence[int] | None = None,
    samples: int = 100,
    seed: int = 0,
    batch: int | None = None,
    settled: Settled | None = None,
) -> Iterator[Samples]:
    """Yield what the samples of boards came to, in order; `kuramoto.nn.voting.elect` elects.

    Parameters
    ----------
    model, digits, steps, samples, seed, batch, settled
        As for `kuramoto.nn.voting.vote`.
    at
        Numbers of steps to answer after, growing. `steps` is always the last, and by default the
        largest of them.

    Raises
    ------
    ValueError
        If the model has no energy, a number cannot be meant, or several answers are asked of a
        model of several blocks: each has to end before the next one starts.
    """
    if not hasattr(model, "predict"):
        name = type(model).__name__
        raise ValueError(f"Model {name} has no energy to vote by; evaluate it without a vote.")
    samples = whole_number("samples", samples, least=1)
    if not len(digits):
        raise invalid("digits", "hold at least one board", "has length 0")
    size = batch_size(batch, digits)
    if batch is None and settled is not None:  # all samples of a board have to be seen at once
        size = max(size, samples)
    count = _Count(model, answer_steps(model, steps, at), whole_number("seed", seed), settled)
    for first, last in _pieces(len(digits), max(size // samples, 1)):
        yield count.boards(digits[first:last], samples, size)


def batch_size(batch: int | None, digits: Tensor) -> int:
    """Return how many samples to compute at once."""
    usual = 1024 if digits.device.type == "cuda" else 64
    return whole_number("batch", usual if batch is None else batch, least=1)


def answer_steps(model: Any, steps: int | None, at: Sequence[int] | None) -> tuple[int, ...]:
    """Return the numbers of steps to answer after: growing, the number asked for the last."""
    stops = [whole_number("at", step, least=1) for step in at or ()]
    usual = max(stops) if stops else getattr(model.config, "steps", 1)
    steps = whole_number("steps", usual if steps is None else steps, least=1)
    if stops != sorted({*stops}) or (stops and stops[-1] > steps):
        raise invalid("at", f"hold growing numbers of steps, {steps} at most", f"{stops}")
    if {*stops} - {steps} and len(model.blocks) > 1:
        remedy = "a block ends before the next one starts: ask for one number of steps at a time"
        raise invalid("at", "be left out for a model of several blocks", f"{stops}", remedy)
    return tuple(stops) if steps in stops else (*stops, steps)


def begin(
    model: Voter, boards: Tensor, samples: range, *, seed: int = 0, steps: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return state and stimulus [n*K, C*N, H, W] from which samples of boards go through energies.

    They enter the last block, the earlier ones lie behind them; the samples of a board stand in a
    row, each from the random numbers of its board and its number.

    Parameters
    ----------
    model
        An oscillator model, in evaluation mode.
    boards : integer tensor, shape (n, side, side)
    samples : range
        Which, as ``range(100)``.
    seed, steps
        As for `kuramoto.nn.voting.vote`.
    """
    c, x = _start(model, boards, samples, seed)
    for block in model.blocks[:-1]:
        x, c = block(x, c, steps)
    return x, c


def advance(model: Voter, x: Tensor, c: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the last block's state after some steps, its energy, and the sum of those so far."""
    total = torch.zeros(len(x), device=x.device)
    reached = (x, total)
    for reached in model.blocks[-1].layer.trajectory(x, c, steps):
        total = total + reached[1].float()
    return reached[0], reached[1].float(), total


def _start(model: Voter, boards: Tensor, ks: range, seed: int) -> tuple[Tensor, Tensor]:
    """Return stimuli and initial states of samples, each from its board's and block's seed."""
    generator = torch.Generator(boards.device)
    found: list[tuple[Tensor, Tensor]] = []
    for board in boards:
        name = board.to("cpu", torch.uint8).numpy().tobytes()
        for block in range(ks.start // _DRAWN, (ks.stop - 1) // _DRAWN + 1):
            generator.manual_seed(derived_seed(seed, name, block))
            c, x = model.start(board.expand(_DRAWN, -1, -1), generator)
            first = max(ks.start - block * _DRAWN, 0)
            last = ks.stop - block * _DRAWN
            found.append((c[first:last], x[first:last]))
    return torch.cat([c for c, _ in found]), torch.cat([x for _, x in found])


def _pieces(total: int, size: int) -> Iterator[tuple[int, int]]:
    for first in range(0, total, size):
        yield first, min(first + size, total)


class _Count:
    """The samples of boards, computed in pieces that fit into memory."""

    def __init__(
        self, model: Voter, at: tuple[int, ...], seed: int, settled: Settled | None
    ) -> None:
        self.model, self.at, self.seed, self.settled = model, at, seed, settled
        every = settled.every if settled else at[-1]
        self.looks = set(range(every, at[-1] + 1, every)) if settled else set()
        self.stops = sorted({*at, *self.looks})

    def boards(self, boards: Tensor, samples: int, size: int) -> Samples:
        """Count boards whose samples are computed together, or one board's in several pieces."""
        if self.settled is not None and len(boards) * samples > size:
            remedy = f"give a batch of at least {samples}"
            raise invalid("batch", "hold all samples of a board that may settle", f"{size}", remedy)
        pieces = _pieces(samples, max(size // len(boards), 1))
        return _joined([self._attempt(boards, range(first, last)) for first, last in pieces])

    def _attempt(self, boards: Tensor, ks: range) -> Samples:
        """Compute samples, in halves if the GPU's memory does not suffice."""
        try:
            return self._compute(boards, ks)
        except torch.OutOfMemoryError:
            if len(ks) == 1 or self.settled is not None:
                raise
        half = len(ks) // 2
        return _joined([self._attempt(boards, part) for part in (ks[:half], ks[half:])])

    def _compute(self, boards: Tensor, ks: range) -> Samples:
        x, c = begin(self.model, boards, ks, seed=self.seed, steps=self.at[-1])
        tally = _Tally(boards, len(ks))
        step, before = 0, None
        for stop in self.stops:
            tally.rest(stop - step)
            if len(x):
                x, energy, total = advance(self.model, x, c, stop - step)
                logits = self.model.predict(x).float()
                tally.move(energy, total, logits, stop)
                if stop in self.looks:
                    going = ~self._settled(logits, before, len(ks))
                    tally.keep(going)
                    rows = going.repeat_interleave(len(ks))
                    x, c, before = x[rows], c[rows], logits[rows]
            if stop in self.at:
                tally.note()
            step = stop
        return tally.result()

    def _settled(self, logits: Tensor, before: Tensor | None, k: int) -> Tensor:
        """Say which boards' samples agree and have stopped moving."""
        boards = logits.unflatten(0, (-1, k))
        said = boards.argmax(-1)
        agree = (said == said[:, :1]).flatten(1).all(1)
        if before is None or self.settled is None:
            return torch.zeros_like(agree)
        moved = (logits - before).abs().unflatten(0, (-1, k)).flatten(1).amax(1)
        return agree & (moved <= self.settled.tolerance)


class _Tally:
    """Answers and energies (n, K) as they stand, and what has been noted of them."""

    def __init__(self, boards: Tensor, k: int) -> None:
        n = len(boards)
        self.answers = boards.new_zeros((n, k, *boards.shape[1:]), dtype=torch.uint8)
        zeros = (torch.zeros(n, k, device=boards.device) for _ in range(3))
        self.last, self.total, self.confidence = zeros
        self.steps = torch.zeros(n, dtype=torch.int64)
        self.running = torch.ones(n, dtype=torch.bool, device=boards.device)
        self.noted: list[tuple[Tensor, ...]] = []

    def rest(self, steps: int) -> None:
        """Count the last energy of boards that have settled for the steps left out."""
        self.total[~self.running] += steps * self.last[~self.running]

    def move(self, energy: Tensor, total: Tensor, logits: Tensor, step: int) -> None:
        """Take up where the samples of the running boards are."""
        shape = (-1, self.last.shape[1])
        self.last[self.running] = energy.unflatten(0, shape)
        self.total[self.running] += total.unflatten(0, shape)
        said = (logits.argmax(-1) + 1).to(torch.uint8)
        self.answers[self.running] = said.unflatten(0, shape)
        sure = logits.log_softmax(-1).amax(-1).flatten(1).mean(1)
        self.confidence[self.running] = sure.unflatten(0, shape)
        self.steps[self.running.cpu()] = step

    def keep(self, going: Tensor) -> None:
        """Keep some of the running boards running."""
        self.running[self.running.clone()] = going

    def note(self) -> None:
        """Note how things stand."""
        now = (self.answers, self.last, self.total, self.confidence)
        self.noted.append(tuple(part.to("cpu", copy=True) for part in now))

    def result(self) -> Samples:
        """Return all that was noted."""
        return Samples._make(
            [*(torch.stack(part, 1) for part in zip(*self.noted, strict=True)), self.steps]
        )


def _joined(parts: list[Samples]) -> Samples:
    """Join samples of the same boards."""
    *by_sample, steps = zip(*parts, strict=True)
    return Samples._make([*(torch.cat(part, 2) for part in by_sample), steps[0]])
