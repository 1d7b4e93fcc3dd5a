"""Train oscillators, their ablations and counterparts on real Sudokus; put all into a table.

    python examples/train_sudoku.py DATA OUT                  # all, the preset `cpu`; hours
    python examples/train_sudoku.py DATA OUT --only akorn itrsa --steps 1000

DATA holds ``sudoku/kaggle_20k.npz`` (to train on, and 1,000 boards held out: ID) and
``sudoku/rrn_test_half.npz`` (OOD, 17-34 givens; never trained on). Started again after any
interruption, it goes on where it was. OUT gets a run folder and reports for each network, and
``table.txt``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto.nn import training
from kuramoto.nn.data import sudoku as files
from kuramoto.nn.tasks import sudoku
from kuramoto.nn.tasks.sudoku_evaluation import evaluate

# What differs from the preset. Ablations are of akorn; itrsa and transformer have its width, and a
# quarter of its rate: at 8e-3 they do not learn.
NETWORKS: dict[str, dict[str, str]] = {
    "akorn": {},
    "akorn seed 1": {"seed": "1"},
    "akorn seed 2": {"seed": "2"},
    "no natural frequencies": {"model.frequency": "none"},
    "no projection": {"model.project": "false"},
    "itrsa": {"model.name": "itrsa", "learning_rate": "2e-3"},
    "transformer": {"model.name": "transformer", "learning_rate": "2e-3"},
}
LONG = 128  # T at test time, as in the paper's table


def main() -> None:
    """Train and score what is asked for, then write the table of all that is there."""
    asked = _arguments()
    for name in asked.only or NETWORKS:
        folder = asked.out / name.replace(" ", "_")
        train(folder, asked, NETWORKS[name])
        score(folder, asked)
    text = table(asked.out)
    (asked.out / "table.txt").write_text(text)
    print(text)


def train(folder: Path, asked: argparse.Namespace, changes: dict[str, str]) -> None:
    """Train a network into a folder, or go on with it."""
    changes = changes if asked.steps is None else {**changes, "steps": str(asked.steps)}
    recipe, settings = sudoku.prepare(asked.preset, asked.data, changes)
    begun = (folder / "weights.safetensors").is_file()
    print(f"{folder.name}: training")
    outcome = training.fit(
        recipe, settings, folder, device=asked.device, resume=begun, overwrite=True, progress=True
    )
    if not outcome.finished:
        raise SystemExit(f"Interrupted at step {outcome.step}; the same command goes on.")


def score(folder: Path, asked: argparse.Namespace) -> None:
    """Write reports of held-out (ID) and OOD boards; those that are there already stay."""
    run = training.Run(folder)
    recipe = sudoku.restore(run.recipe, asked.data)
    model = run.load(recipe.model()).to(asked.device)
    ood = files.read_boards(asked.data / "sudoku" / "rrn_test_half.npz")
    few = ood.select(np.linspace(0, len(ood.puzzles) - 1, asked.voted).round().astype(int))
    votes = hasattr(model, "predict")
    usual = getattr(model.config, "steps", None)
    for where, boards, voted in (("id", recipe.held_out, 100), ("ood", ood, asked.voted)):
        if votes:
            at = sorted({usual, 2 * usual, 32, 64, LONG})
            _report(folder / f"{where}.json", model, boards, at=at)
            some = few if where == "ood" else boards.select(slice(voted))
            how = {"at": at, "samples": asked.samples, "vote": "sum"}
            if asked.voted:
                _report(folder / f"{where}_vote.json", model, some, **how)
        else:
            for steps in [None] if usual is None else [usual, 2 * usual, 4 * usual, LONG]:
                suffix = "" if steps is None else f"_{steps}"
                _report(folder / f"{where}{suffix}.json", model, boards, steps=steps)


def _report(file: Path, model: Any, boards: Any, **how: Any) -> None:
    if not file.is_file():
        print(f"{file.parent.name}: {file.stem}, {len(boards.puzzles)} boards")
        evaluate(model, boards, out=file, progress=True, **how)


def table(out: Path) -> str:
    """Return boards right in %, of every network: ID and OOD, by steps, single and voted."""
    ways = ("single", "last", "sum", "majority", "confidence")
    head = f"{'network':24} {'boards':14} {'n':>6} {'T':>4} {'K':>4}  "
    lines = [head + " ".join(f"{way[:6]:>6}" for way in ways)]
    for file in sorted(out.glob("*/*.json")):
        report = json.loads(file.read_text())
        if "table" not in report:
            continue
        for row in report["table"]:
            if row["givens"] is None:
                shown = [way for way in ways if way in row]
                shown = shown if report["settings"]["samples"] > 1 else shown[:1]
                numbers = " ".join(f"{100 * row[way]:6.2f}" for way in shown)
                where, samples = file.stem.split("_")[0], report["settings"]["samples"]
                head = f"{file.parent.name:24} {where:14} {row['boards']:6} {row['steps']:4}"
                lines.append(f"{head} {samples:4}  {numbers}")
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="folder of data")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--preset", default="cpu", choices=sorted(sudoku.PRESETS))
    parser.add_argument("--only", nargs="+", choices=sorted(NETWORKS), help="some networks")
    parser.add_argument("--steps", type=int, help="optimiser steps [default: the preset's]")
    parser.add_argument("--samples", type=int, default=100, help="K of the votes [default: 100]")
    parser.add_argument(
        "--voted", type=int, default=900, help="OOD boards voted on [default: 900; 0: no votes]"
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
