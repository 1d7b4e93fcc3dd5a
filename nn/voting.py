"""Voting: of K runs from different random states, believe the one of lowest energy.

An oscillator network that starts from random states gives K answers to one question. Where it was
trained to be right at low energy, the sample of lowest energy is right more often than any single
one (Miyato et al. 2025, section 4.2, figure 7). Other votes stand beside it: where training did not
make energy tell right from wrong, the sample that is surest of its digits may. Boards and samples
are computed together, in chunks that fit into memory; nothing grows with the number of steps.

Sample k of a board starts from a state that follows from the seed, the board and k alone: it is the
same whatever else is voted on, in whatever order and in chunks of whatever size. So one pass,
`survey`, answers several questions: every vote, fewer steps, single samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from kuramoto._check import nearest
from kuramoto.nn.samples import Samples, Settled, Voter, advance, begin, survey

__all__ = [
    "WAYS",
    "Samples",
    "Settled",
    "Verdict",
    "Voter",
    "advance",
    "begin",
    "elect",
    "stream",
    "survey",
    "vote",
]

Tensor = Any
WAYS = ("last", "sum", "majority", "confidence")


class Verdict(NamedTuple):
    """What was voted.

    Attributes
    ----------
    prediction : tensor of uint8, shape (n, side, side)
        Answers: digits 1 ... side.
    energies : tensor of float32, shape (n, K)
        Of every sample: the sums for "sum", else the last.
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
        equals); ``"confidence"``: highest mean log-probability of its own digits. The last two ask
        no energy: for comparison.
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
    asked: dict[str, Any] = {"steps": steps, "samples": samples, "seed": seed, "batch": batch}
    parts = list(
        stream(model, digits, how=how, settled=settled, keep_samples=keep_samples, **asked)
    )
    return Verdict(
        prediction=torch.cat([part.prediction for part in parts]),
        energies=torch.cat([part.energies for part in parts]),
        steps=torch.cat([part.steps for part in parts]),
        samples=torch.cat([part.samples for part in parts]) if keep_samples else None,
    )


def stream(
    model: Voter, digits: Tensor, *, how: str = "sum", keep_samples: bool = False, **asked: Any
) -> Iterator[Verdict]:
    """Vote as `vote` does, and yield verdicts as boards are decided, in order."""
    require_way(how)
    for found in survey(model, digits, **asked):
        energies = (found.total if how == "sum" else found.last)[:, -1]
        answers = found.answers[:, -1] if keep_samples else None
        yield Verdict(elect(found, how)[:, -1], energies, found.steps, answers)


def elect(found: Samples, how: str) -> Tensor:
    """Return the answers (n, S, side, side) that a vote elects."""
    require_way(how)
    if how == "majority":
        classes = torch.arange(1, found.answers.shape[-1] + 1, dtype=torch.uint8)
        votes = (found.answers[..., None] == classes).sum(2)
        return (votes.argmax(-1) + 1).to(torch.uint8)
    costs = {"sum": found.total, "last": found.last, "confidence": -found.confidence}
    best = costs[how].nan_to_num(nan=torch.inf).argmin(2)  # argmin would elect NaN
    index = best[:, :, None, None, None].expand(-1, -1, 1, *found.answers.shape[3:])
    return found.answers.gather(2, index)[:, :, 0]


def require_way(how: str) -> None:
    """Raise unless it is a vote."""
    if how not in WAYS:
        raise ValueError(f"There is no vote `{how}`; {nearest(how, WAYS)}")
