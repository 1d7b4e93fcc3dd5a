"""``kuramoto evaluate classification``: how often a network is right, and how sure it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuramoto.cli import Force
from kuramoto.nn.commands.options import (
    Data,
    Device,
    RunFolder,
    argument,
    device_of,
    interruptible,
    option,
)
from kuramoto.nn.commands.outputs import (
    beside,
    names_of,
    picture_formats,
    require_ending,
    written,
)

__all__ = ["animate", "evaluate", "plot"]


def evaluate(
    run: RunFolder,
    data: Data = None,
    split: Annotated[str, option("NAME", "test or validation [default: test].")] = "test",
    limit: Annotated[int | None, option("N", "Images at most, spread evenly.")] = None,
    batch: Annotated[int, option("B", "Images computed at once [default: 100].")] = 100,
    device: Device = "",
) -> None:
    """Score a network for classes: accuracy, and how well its probabilities are calibrated.

    As in: kuramoto evaluate classification run --limit 1000. Attacks and corruptions are another
    question, and not asked here.
    """
    from kuramoto.nn import training
    from kuramoto.nn.tasks import classification

    with interruptible():
        found = classification.evaluate_run(
            training.Run(run),
            data=data,
            split=split,
            limit=limit,
            batch=batch,
            device=device_of(device),
        )
    typer.echo(
        f"{found.images} images: accuracy {100 * found.accuracy:.2f} %, confidence "
        f"{100 * found.confidence:.2f} %\n"
        f"calibration error {100 * found.ece:.2f} % (adaptive {100 * found.adaptive:.2f}, "
        f"class-wise {100 * found.class_wise:.2f}), NLL {found.nll:.4f}, Brier {found.brier:.4f}"
    )


def plot(
    runs: Annotated[list[Path], argument("RUN", "Folders of training runs.")],
    out: Annotated[
        Path | None, option("FILE", "Picture to write; its ending says how [default: RUN.png].")
    ] = None,
    force: Force = False,
) -> None:
    """Draw how classifiers learned: loss, accuracy, calibration; several over each other.

    As in: kuramoto plot run other. What a trained one withstands is drawn by kuramoto evaluate
    robustness.
    """
    from kuramoto._outputs import require_free
    from kuramoto.nn import training
    from kuramoto.nn.pictures.classification import figure_learning
    from kuramoto.nn.pictures.learning import read_metrics
    from kuramoto.nn.tasks.presets import require_task

    target = out or beside(runs[0], ".png")
    require_ending(target, picture_formats())
    require_free(target, force)
    for path in runs:
        require_task(training.Run(path).recipe, "classification", f"Run {path}")
    names = names_of(runs)
    metrics = {name: read_metrics(path) for name, path in zip(names, runs, strict=True)}
    figure = figure_learning(metrics, title=", ".join(names))
    with written(target, force) as temporary:
        figure.savefig(temporary, format=target.suffix[1:].lower(), dpi=130)
    typer.echo(f"Wrote {target}")


def animate(run: RunFolder) -> None:
    """Say that there is nothing to animate."""
    raise ValueError(f"Run {run} is of classification, without animation; use kuramoto plot.")
