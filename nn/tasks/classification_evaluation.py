"""How often a network is right, and how sure it is: of the images that a run held back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kuramoto._check import invalid, whole_number
from kuramoto.nn.attacks import Target
from kuramoto.nn.robustness import scoring
from kuramoto.nn.tasks.classification_presets import Options
from kuramoto.nn.tasks.classification_sources import images_of
from kuramoto.nn.tasks.presets import network_of, require_task

if TYPE_CHECKING:
    from kuramoto.nn.calibration import Calibration
    from kuramoto.nn.data.images import LabelledImages
    from kuramoto.nn.training import Run

__all__ = ["evaluate_run", "few", "images_of_run", "network_of_run", "score"]

SPLITS = ("test", "validation")


def evaluate_run(
    run: Run,
    *,
    data: Path | None = None,
    split: str = "test",
    limit: int | None = None,
    batch: int = 100,
    device: str = "cpu",
    **how: Any,
) -> Calibration:
    """Score a run's averaged weights: accuracy, calibration.

    Parameters
    ----------
    run
        The run.
    data
        Folder with the images, if they are read.
    split
        ``"test"``, or ``"validation"``: what was held out of the training images.
    limit
        At most so many images, spread evenly.
    batch
        Images at once; random initial states depend on it.
    device
        ``"cpu"`` or ``"cuda"``.
    **how
        ``samples`` and ``steps`` of the network.

    Raises
    ------
    ValueError
        If the run is of another task, or learned no classes.
    """
    whole_number("batch", batch, least=1)
    images = few(images_of_run(run, data, split), limit)
    return score(network_of_run(run, device), images, batch=batch, **how)


def score(model: Any, images: LabelledImages, *, batch: int = 100, **how: Any) -> Calibration:
    """Return accuracy and calibration of a model in evaluation mode."""
    target = Target(model, **how)
    return scoring.score(target, images, scoring.as_they_are, device=target.device, batch=batch)


def network_of_run(run: Run, device: str = "cpu") -> Any:
    """Return a run's network with its averaged weights, in evaluation mode.

    Raises
    ------
    ValueError
        If the run is of another task, or learned no classes.
    """
    model = network_of(run, "classification", device)
    _options(run)
    return model


def images_of_run(run: Run, data: Path | None, split: str = "test") -> LabelledImages:
    """Return images that the run's network was not trained on."""
    options = _options(run)
    if split not in SPLITS:
        raise invalid("split", "be test or validation", repr(split))
    return images_of(options.source, data, options, test=True)[SPLITS.index(split)]


def few(images: LabelledImages, limit: int | None) -> LabelledImages:
    """Return at most so many images, spread evenly."""
    if limit is None or whole_number("limit", limit, least=1) >= len(images):
        return images
    return images.take(np.linspace(0, len(images) - 1, limit).round().astype(int))


def _options(run: Run) -> Options:
    require_task(run.recipe, "classification")
    options = Options(**run.recipe["options"])
    if options.objective != "classes":
        raise ValueError(f"Run {run.folder} was trained by SimCLR: it knows no classes yet.")
    return options
