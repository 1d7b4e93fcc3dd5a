"""``kuramoto evaluate classification``: how often a network is right, and how sure it is."""

from __future__ import annotations

from typing import Annotated

import typer

from kuramoto.nn.commands.options import Data, Device, RunFolder, device_of, interruptible, option

__all__ = ["evaluate"]


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
