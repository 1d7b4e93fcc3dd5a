"""The robustness of a run's network: which images, which surrogate, and a report that is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuramoto.nn.tasks.classification_evaluation import few, images_of_run, network_of_run
from kuramoto.nn.tasks.partial import Partial

if TYPE_CHECKING:
    from kuramoto.nn.data.images import LabelledImages
    from kuramoto.nn.robustness import Budget, Report
    from kuramoto.nn.training import Run

__all__ = ["evaluate_run"]


def evaluate_run(
    run: Run,
    budget: Budget | None = None,
    *,
    data: Path | None = None,
    limit: int | None = None,
    surrogate: Run | None = None,
    frost: Path | None = None,
    published: Path | None = None,
    samples: int | None = None,
    steps: int | None = None,
    device: str = "cpu",
    kept: Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Report:
    """Put a run's averaged weights to all tests of a budget.

    Parameters
    ----------
    run
        The run.
    budget
        Default: ``Budget()``, hours on a CPU.
    data
        Folder with the test images, if they are read.
    limit
        At most so many images, spread evenly.
    surrogate
        Another run, whose adversarial images are tried on this one.
    frost
        Folder with the pictures of frost; default: ``frost`` beside or above the data.
    published
        Folder ``CIFAR-10-C``; default: corruptions are made of the test images.
    samples, steps
        Initial states of an image whose logits are averaged; Kuramoto steps.
    device
        ``"cpu"`` or ``"cuda"``.
    kept
        File where what is done is kept, batch by batch: the same call goes on with it. It is of no
        use any more when the report is written.
    overwrite
        Start afresh where this file is of another question.
    progress
        Show bars.

    Raises
    ------
    ValueError
        If a run is of another task, or learned no classes.
    FileExistsError
        If that file is of another question.
    """
    from kuramoto.nn.attacks import Target
    from kuramoto.nn.data.images import read_cifar10_c
    from kuramoto.nn.robustness import Budget, examine
    from kuramoto.nn.robustness.examination import question

    spent = Budget() if budget is None else budget
    options = {"samples": samples, "steps": steps}
    how: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    target = Target(network_of_run(run, device), **how)
    other = None if surrogate is None else Target(network_of_run(surrogate, device))
    images = few(images_of_run(run, data), limit)
    pictures = frost or _frost(data)
    read: Callable[[str, int], LabelledImages] | None = None
    if published is not None:
        read = partial(_published, published, limit)
        for name in spent.corruptions:  # what is not there is missed now, not in an hour
            read_cifar10_c(published, name)
    asked: dict[str, Any] = {"frost": pictures is not None, "published": published is not None}
    asked["surrogate"] = None if other is None else other.description
    ledger = None
    if kept is not None:
        ledger = Partial(kept, question(target, images, spent, **asked), overwrite=overwrite)
    return examine(
        target,
        images,
        spent,
        name=run.folder.resolve().name,
        surrogate=other,
        frost=pictures,
        published=read,
        kept=ledger,
        progress=progress,
    )


def _published(folder: Path, limit: int | None, name: str, severity: int) -> LabelledImages:
    from kuramoto.nn.data.images import read_cifar10_c

    return few(read_cifar10_c(folder, name, severity), limit)


def _frost(data: Path | None) -> Path | None:
    """Return the folder with pictures of frost, if it is where other data are."""
    given = data or os.environ.get("KURAMOTO_DATA")
    if given is None:
        return None
    places = (Path(given) / "frost", Path(given).resolve().parent / "frost")
    return next((place for place in places if place.is_dir()), None)
