"""Energy voting: of K runs from different random states, believe the one of lowest energy.

An oscillator network that starts from random states gives K answers to one question. Where it was
trained to be right at low energy, the sample of lowest energy is right more often than any single
one (Miyato et al. 2025, section 4.2, figure 7). Boards and samples are computed together, in chunks
that fit into memory; nothing grows with the number of steps.

Sample k of a board starts from a state that follows from the seed, the board and k alone: it is the
same whatever else is voted on, in whatever order and in chunks of whatever size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch

from kuramoto._check import invalid, nearest, real_number, whole_number
from kuramoto.nn.seeds import derived_seed

__all__ = ["WAYS", "Settled", "Verdict", "Voter", "stream", "vote"]

Tensor = Any
WAYS = ("last", "sum", "majority")

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
    `tolerance`. (The state itself may go on turning: natural frequencies do not settle.)

    Parameters
    ----------
    every
        Steps between two looks.
    tolerance
        Largest change of a logit that counts as none.
    """

    every: int = 16
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        whole_number("every", self.every, least=1)
        real_number("tolerance", self.tolerance, positive=True)


class Verdict(NamedTuple):
    """What was voted.

    Attributes
    ----------
    prediction : tensor of uint8, shape (n, side, side)
        Answers: digits 1 ... side.
    energies : tensor of float32, shape (n, K)
        Of every sample: what the vote went by (for "majority" the last).
    steps : tensor of int64, shape (n,)
        Steps taken: fewer than asked for where a board settled.
    samples : tensor of uint8, shape (n, K, side, side), or None
        All answers, if they were to be kept.
    """

    prediction: Tensor
    energies: Tensor
    steps: Tensor
    samples: Tensor | None


def vote(
    model: Voter,
    digits: Tensor,
    *,
    steps: int | None = None,
    samples: int = 100,
    how: str = "sum",
    seed: int = 0,
    batch: int | None = None,
    settled: Settled | None = None,
    keep_samples: bool = False,
) -> Verdict:
    """Answer boards by a vote of samples.

    Parameters
    ----------
    model
        An oscillator model, in evaluation mode.
    digits : integer tensor, shape (n, side, side)
        Boards; 0 where a square is blank.
    steps
        Kuramoto steps T; default: as in the model's configuration.
    samples
        Samples K of every board.
    how
        ``"last"``: lowest energy at the last step; ``"sum"``: lowest sum of the energies of all
        steps; ``"majority"``: for every square the digit that most samples say (the lowest of
        equals), for comparison.
    seed
        Decides the initial states.
    batch
        Samples computed at once, of as many boards as that makes; default: 64, or 1,024 on a GPU.
        It is halved when the GPU's memory does not suffice.
    settled
        Stop boards that are decided; default: none is stopped. The sum of energies of a board that
        is stopped counts its last energy for the steps left out.
    keep_samples
        Return the answers of all samples too.

    Returns
    -------
    Verdict
        On the CPU.

    Raises
    ------
    ValueError
        If the way is unknown, the model has no energy, or a number cannot be meant.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), section 4.2.
    """
    found = list(
        stream(
            model,
            digits,
            steps=steps,
            samples=samples,
            how=how,
            seed=seed,
            batch=batch,
            settled=settled,
            keep_samples=keep_samples,
        )
    )
    return Verdict(
        prediction=torch.cat([part.prediction for part in found]),
        energies=torch.cat([part.energies for part in found]),
        steps=torch.cat([part.steps for part in found]),
        samples=torch.cat([part.samples for part in found]) if keep_samples else None,
    )


@torch.no_grad()
def stream(
    model: Voter,
    digits: Tensor,
    *,
    steps: int | None = None,
    samples: int = 100,
    how: str = "sum",
    seed: int = 0,
    batch: int | None = None,
    settled: Settled | None = None,
    keep_samples: bool = False,
) -> Iterator[Verdict]:
    """Vote as `vote` does, and yield verdicts as boards are decided, in order."""
    if how not in WAYS:
        raise ValueError(f"There is no vote `{how}`; {nearest(how, WAYS)}")
    if not hasattr(model, "predict"):
        name = type(model).__name__
        raise ValueError(f"Model {name} has no energy to vote by; evaluate it without a vote.")
    samples = whole_number("samples", samples, least=1)
    steps = whole_number("steps", model.config.steps if steps is None else steps, least=1)
    if not len(digits):
        raise invalid("digits", "hold at least one board", "has length 0")
    device = digits.device
    size = whole_number("batch", batch or (1024 if device.type == "cuda" else 64), least=1)
    ballot = _Ballot(model, steps, how, seed, settled)
    for first, last in _pieces(len(digits), max(size // samples, 1)):
        boards = digits[first:last]
        yield ballot.decide(boards, samples, size, keep_samples)


def _pieces(total: int, size: int) -> Iterator[tuple[int, int]]:
    for first in range(0, total, size):
        yield first, min(first + size, total)


class _Ballot:
    """The rules of one vote."""

    def __init__(
        self, model: Voter, steps: int, how: str, seed: int, settled: Settled | None
    ) -> None:
        self.model, self.steps, self.how, self.seed = model, steps, how, seed
        self.settled = settled

    def decide(self, boards: Tensor, samples: int, size: int, keep: bool) -> Verdict:
        """Vote on boards whose samples are computed together, or one board's in several chunks."""
        if self.settled is not None and len(boards) * samples > size:
            remedy = f"give a batch of at least {samples}"
            raise invalid("batch", "hold all samples of a board that may settle", f"{size}", remedy)
        found = [
            self._attempt(boards, range(first, last))
            for first, last in _pieces(samples, max(size // len(boards), 1))
        ]
        energies = torch.cat([part[0] for part in found], dim=1)
        answers = torch.cat([part[1] for part in found], dim=1)
        prediction = self._elect(energies, answers)
        taken = found[0][2]
        return Verdict(prediction, energies, taken, answers if keep else None)

    def _attempt(self, boards: Tensor, ks: range) -> tuple[Tensor, Tensor, Tensor]:
        """Compute samples, in halves if the GPU's memory does not suffice."""
        try:
            return self._compute(boards, ks)
        except torch.OutOfMemoryError:
            if len(ks) == 1 or self.settled is not None:
                raise
        half = len(ks) // 2
        one, other = self._attempt(boards, ks[:half]), self._attempt(boards, ks[half:])
        return torch.cat([one[0], other[0]], 1), torch.cat([one[1], other[1]], 1), one[2]

    def _compute(self, boards: Tensor, ks: range) -> tuple[Tensor, Tensor, Tensor]:
        """Return energies (n, k), answers (n, k, H, W) and steps (n,) of some samples."""
        n, k = len(boards), len(ks)
        digits = boards.repeat_interleave(k, dim=0)
        c, x = self._start(boards, ks)
        for block in self.model.blocks[:-1]:
            x, c = block(x, c, self.steps)
        energies = torch.zeros(n * k, device=boards.device)
        answers = torch.zeros(digits.shape, dtype=torch.uint8, device=boards.device)
        taken = torch.full((n,), self.steps)
        running = torch.arange(n, device=boards.device)  # boards that have not settled
        step, before = 0, None
        while step < self.steps and len(running):
            rows = (running[:, None] * k + torch.arange(k, device=running.device)).flatten()
            leg = min(self.settled.every if self.settled else self.steps, self.steps - step)
            x, last, total = self._advance(x, c, leg)
            step += leg
            energies[rows] = energies[rows] + total if self.how == "sum" else last
            logits = self.model.predict(x).float()
            answers[rows] = (logits.argmax(-1) + 1).to(torch.uint8)
            if self.settled is None:
                break
            done = self._settled(logits, before, k)
            if self.how == "sum":
                rest = (self.steps - step) * last.unflatten(0, (-1, k))[done].flatten()
                energies[rows.unflatten(0, (-1, k))[done].flatten()] += rest
            taken[running[done].cpu()] = step
            running, going = running[~done], ~done.repeat_interleave(k)
            x, c, before = x[going], c[going], logits[going]
        shape = (n, k)
        return energies.unflatten(0, shape).cpu(), answers.unflatten(0, shape).cpu(), taken

    def _start(self, boards: Tensor, ks: range) -> tuple[Tensor, Tensor]:
        """Return stimuli and initial states of samples, each from its board's and block's seed."""
        generator = torch.Generator(boards.device)
        found: list[tuple[Tensor, Tensor]] = []
        for board in boards:
            name = board.to("cpu", torch.uint8).numpy().tobytes()
            for block in range(ks.start // _DRAWN, (ks.stop - 1) // _DRAWN + 1):
                generator.manual_seed(derived_seed(self.seed, name, block))
                c, x = self.model.start(board.expand(_DRAWN, -1, -1), generator)
                first = max(ks.start - block * _DRAWN, 0)
                last = ks.stop - block * _DRAWN
                found.append((c[first:last], x[first:last]))
        return torch.cat([c for c, _ in found]), torch.cat([x for _, x in found])

    def _advance(self, x: Tensor, c: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the state after some steps, its energy, and the sum of energies on the way."""
        total = torch.zeros(len(x), device=x.device)
        reached = (x, total)
        for reached in self.model.blocks[-1].layer.trajectory(x, c, steps):
            total = total + reached[1].float()
        return reached[0], reached[1].float(), total

    def _settled(self, logits: Tensor, before: Tensor | None, k: int) -> Tensor:
        """Say which boards' samples agree and have stopped moving."""
        boards = logits.unflatten(0, (-1, k))
        said = boards.argmax(-1)
        agree = (said == said[:, :1]).flatten(1).all(1)
        if before is None or self.settled is None:
            return torch.zeros_like(agree)
        moved = (logits - before).abs().unflatten(0, (-1, k)).flatten(1).amax(1)
        return agree & (moved <= self.settled.tolerance)

    def _elect(self, energies: Tensor, answers: Tensor) -> Tensor:
        if self.how == "majority":
            classes = torch.arange(1, answers.shape[-1] + 1, dtype=torch.uint8)
            votes = (answers[..., None] == classes).sum(1)
            return (votes.argmax(-1) + 1).to(torch.uint8)
        best = energies.nan_to_num(nan=torch.inf).argmin(1)  # argmin would elect NaN
        return answers[torch.arange(len(answers)), best]
