"""From folders of runs of object discovery to what there is to draw, and to networks that draw."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kuramoto._check import invalid, whole_number
from kuramoto.nn.data.objects import Scenes
from kuramoto.nn.pictures.learning import read_metrics
from kuramoto.nn.pictures.segments import Segmenter, view_of
from kuramoto.nn.tasks.objects import Options
from kuramoto.nn.tasks.objects_evaluation import evaluate
from kuramoto.nn.tasks.objects_evaluation import segment as segmented
from kuramoto.nn.tasks.objects_sources import kind_of, scenes
from kuramoto.nn.tasks.presets import network_of, require_task

if TYPE_CHECKING:
    from kuramoto.nn.pictures.learning import Metrics
    from kuramoto.nn.tasks.objects_evaluation import Report
    from kuramoto.nn.training import Run


@dataclass(frozen=True)
class Asked:
    """What a run's network is asked to do, and where.

    Parameters
    ----------
    data
        Where the run's scenes are, if they are read.
    limit
        Scenes that are scored.
    rows
        Scenes that are shown, the first of them.
    clusters
        Of an image; default: the run's.
    sweep
        Other numbers of clusters; default: from 2 to twice as many, and to 10 at least.
    how
        ``method``, ``components``, ``up_tile``, ``interpolation``, ``seed``: as for
        `kuramoto.nn.tasks.objects_evaluation.evaluate`.
    batch, steps, device, processes
        As for `kuramoto.nn.tasks.objects.evaluate_run`.
    """

    data: Path | None = None
    limit: int = 100
    rows: int = 4
    clusters: int | None = None
    sweep: Sequence[int] = ()
    how: tuple[tuple[str, Any], ...] = ()
    batch: int = 32
    steps: int | None = None
    device: str = "cpu"
    processes: int | None = None


@dataclass(frozen=True)
class ObjectPortrait:
    """All that is known of a network for object discovery.

    Attributes
    ----------
    name : str
    metrics : mapping, optional
        As `kuramoto.nn.pictures.read_metrics` returns it.
    scenes : Scenes, optional
        Those that are shown; with labels, where objects are known.
    labels : array of int64, shape (n, H, W), optional
        The network's clusters in these scenes, and
    features : array, shape (n, C, h, w), optional
        what they come from.
    report : Report, optional
        Scores, where objects are known.
    """

    name: str
    metrics: Metrics | None = None
    scenes: Scenes | None = None
    labels: np.ndarray | None = None
    features: np.ndarray | None = None
    report: Report | None = None


def options_of(run: Run) -> Options:
    """Return what belongs to a run's task, or say that it is another task's."""
    require_task(run.recipe, "objects")
    return Options(**run.recipe["options"])


def test_scenes(run: Run, data: Path | None, number: int) -> Scenes:
    """Return the first scenes that a run's network was not trained on."""
    options = options_of(run)
    source = scenes(options.source, options.wanted("test", data, number))
    return source.take(np.arange(min(number, len(source))))


def segmenter(
    run: Run,
    *,
    clusters: int | None = None,
    size: int | None = None,
    steps: int | None = None,
    device: str = "cpu",
    **how: Any,
) -> Segmenter:
    """Return what segments images of any size by a run's network.

    Parameters
    ----------
    run : kuramoto.nn.training.Run
    clusters
        Default: as in training.
    size
        Pixels along the shorter side of what the network sees; 0: as many as the image has;
        default: as in training.
    steps
        T; default: as trained.
    device
        ``"cpu"`` or ``"cuda"``.
    **how
        As for `Segmenter`.
    """
    options, model = options_of(run), network_of(run, "objects", device)
    return Segmenter(
        extractor(model, steps),
        options.clusters if clusters is None else clusters,
        model.config.image_channels,
        model.config.patch_size,
        options.size if size is None else size,
        {**how, "device": device},
    )


def extractor(model: Any, steps: int | None) -> Any:
    """Return images to features after so many steps."""
    return functools.partial(model.features, steps=steps)


def portrait_of(
    run: Run, name: str, asked: Asked = Asked(), *, progress: bool = False
) -> tuple[ObjectPortrait, list[str]]:
    """Return what there is to draw of a run, and what had to be left out, and why.

    Learning curves are left out where there are none yet, clusters where there are no weights yet
    or, if no place was named, no scenes.
    """
    metrics, missing = None, []
    try:
        metrics = read_metrics(run.folder)
    except FileNotFoundError as error:
        missing.append(f"learning curves ({_plain(error)})")
    try:
        model = network_of(run, "objects", asked.device)
        found = _found(run, model, asked, progress)
    except FileNotFoundError as error:
        if asked.data is not None:
            raise
        missing.append(f"clusters ({_plain(error)})")
        found = {}
    return ObjectPortrait(name, metrics, **found), missing


def _found(run: Run, model: Any, asked: Asked, progress: bool) -> dict[str, Any]:
    """Return scenes, and what the network makes of them."""
    options = options_of(run)
    clusters = options.clusters if asked.clusters is None else asked.clusters
    labelled = kind_of(options.source).labelled
    count = max(asked.rows, asked.limit if labelled else 1)
    whole, patch = test_scenes(run, asked.data, count), model.config.patch_size
    shown = whole.take(np.arange(min(asked.rows, len(whole))))
    extract, how = extractor(model, asked.steps), {**dict(asked.how), "patch_size": patch}
    labels, features = segmented(extract, shown.images, clusters, device=asked.device, **how)
    report = None
    if labelled:
        report = evaluate(
            extract,
            whole.take(np.arange(min(asked.limit, len(whole)))),
            clusters,
            sweep=asked.sweep or _sweep(clusters, features.shape[2] * features.shape[3]),
            batch=asked.batch,
            device=asked.device,
            processes=asked.processes,
            progress=progress,
            **how,
        )
    return {"scenes": shown, "labels": labels, "features": features, "report": report}


def _sweep(clusters: int, places: int) -> range:
    return range(2, min(max(2 * clusters, 10), places) + 1)


def _plain(error: Exception) -> str:
    return str(error).removesuffix(".")


def picture_of(
    run: Run, model: Any, image: Path | None, data: Path | None, scene: int, size: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an image as the network sees it, uint8 (H, W, C), and its labels if they are known.

    Parameters
    ----------
    run, model
        The run, and its network.
    image
        File; default: a scene that the network was not trained on.
    data
        Where the run's scenes are, if they are read.
    scene
        Which of them, from 0.
    size
        As for `segmenter`.
    """
    options, config = options_of(run), model.config
    if image is not None:
        side = options.size if size is None else whole_number("size", size)
        return view_of(image, config.image_channels, config.patch_size, side).seen, None
    number = whole_number("scene", scene)
    try:
        found = test_scenes(run, data, number + 1)
    except FileNotFoundError:
        if data is not None:
            raise
        words = "No image to look at: pass --image, or --data for a scene of the run's."
        raise FileNotFoundError(words) from None
    if number >= len(found):
        raise invalid("scene", f"be less than the {len(found)} scenes for test", f"{number}")
    return found.images[number], None if found.labels is None else found.labels[number]
