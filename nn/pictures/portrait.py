"""What a picture of a trained network shows: its learning, its runs, one board."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kuramoto.nn import energies

if TYPE_CHECKING:
    from kuramoto._backend import Array
    from kuramoto.nn.data.sudoku import Boards
    from kuramoto.nn.pictures.learning import Metrics

Levels = dict[int, tuple[int, float]]

_MULTIPLES = (1, 2, 4, 8)  # of the steps in training: where networks without energies are scored


@dataclass(frozen=True)
class Portrait:
    """All that is known of a trained network.

    Attributes
    ----------
    name : str
    metrics : mapping, optional
        As `kuramoto.nn.pictures.read_metrics` returns it.
    trained : int, optional
        Steps T in training; None for a network that has no steps.
    recording : Recording, optional
        Of a network that has energies.
    accuracy : pair of arrays (steps, accuracy), optional
        Of a sample, on average.
    levels : mapping of str to {givens: (boards, right)}
        By what is believed: ``"one sample, 64 steps"``, ``"vote of 8, 64 steps"``.
    solving : Solving, optional
        One board on its way, and
    solution : array, shape (side, side), optional
        its solution.
    """

    name: str
    metrics: Metrics | None = None
    trained: int | None = None
    recording: energies.Recording | None = None
    accuracy: tuple[Array, Array] | None = None
    levels: dict[str, Levels] = field(default_factory=dict)
    solving: energies.Solving | None = None
    solution: Array | None = None


def portray(
    model: Any,
    boards: Boards,
    *,
    name: str = "network",
    metrics: Metrics | None = None,
    steps: int | None = None,
    samples: int = 8,
    seed: int = 0,
    batch: int | None = None,
    progress: bool = False,
) -> Portrait:
    """Have a Sudoku network answer boards, and return what there is to draw.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode. One without energies (a baseline) is scored at 1, 2, 4 and 8 times the
        steps of training, if it has any, up to `steps`; its levels are those at the best of them.
    boards : Boards
        Of the model's side.
    name, metrics
        Of the portrait.
    steps
        Kuramoto steps; default: four times as many as in training.
    samples, seed, batch
        As for `kuramoto.nn.energies.record`.
    progress
        Show a bar.
    """
    from kuramoto._check import invalid

    side = int(model.config.side)
    if boards.puzzles.shape[1] != side**2:
        raise invalid("boards", f"have {side**2} squares", f"has {boards.puzzles.shape[1]}")
    trained = getattr(model.config, "steps", None)
    how = {"steps": steps or 4 * (trained or 1), "seed": seed, "batch": batch}
    draw = _with_energies if hasattr(model, "predict") else _without
    found = draw(model, boards, how, samples, progress)
    return Portrait(name, metrics, trained, **found)


def _with_energies(
    model: Any, boards: Boards, how: dict[str, Any], samples: int, progress: bool
) -> dict[str, Any]:
    from tqdm import tqdm

    from kuramoto.nn.tasks.sudoku_evaluation import device_of, grids

    digits, solutions = (grids(part, device_of(model)) for part in boards)
    parts = []
    with tqdm(total=len(digits), unit="board", disable=not progress, leave=False) as bar:
        for part in energies.stream(model, digits, solutions, samples=samples, **how):
            parts.append(part)
            bar.update(len(part.energies))
    recording = energies.join(parts)
    levels = {f"one sample, {how['steps']} steps": recording.by_givens(boards.givens)}
    if samples > 1:
        levels[f"vote of {samples}, {how['steps']} steps"] = recording.by_givens(
            boards.givens, "sum"
        )
    return {
        "recording": recording,
        "accuracy": (recording.looks, recording.accuracy_by_step()),
        "levels": levels,
        "solving": energies.watch(model, digits[0], steps=how["steps"], seed=how["seed"]),
        "solution": solutions[0].cpu().numpy(),
    }


def _without(
    model: Any, boards: Boards, how: dict[str, Any], samples: int, progress: bool
) -> dict[str, Any]:
    from kuramoto.nn.tasks.sudoku_evaluation import evaluate

    last, trained = how.pop("steps"), getattr(model.config, "steps", None)
    if trained is None:
        return {"levels": {"one answer": evaluate(model, boards, progress=progress, **how).levels}}
    counts = sorted({*(m * trained for m in _MULTIPLES if m * trained <= last), last})
    reports = [evaluate(model, boards, steps=count, progress=progress, **how) for count in counts]
    rates = np.array([report.accuracy for report in reports])
    best = int(rates.argmax())  # some networks lose by going on, and need not
    levels = {f"{counts[best]} steps": reports[best].levels}
    return {"accuracy": (np.array(counts), rates), "levels": levels}
