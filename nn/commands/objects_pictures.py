"""``kuramoto plot`` and ``kuramoto animate`` of runs of object discovery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuramoto._outputs import require_free
from kuramoto.cli import Force, NoBar
from kuramoto.nn.commands.objects import (
    Clusters,
    Components,
    Interpolation,
    KMeansSeed,
    Method,
    Size,
    Steps,
    Sweep,
    UpTile,
    numbers_of,
    require_counts,
    told_in_lines,
)
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
    require_numbers,
    written,
)

__all__ = ["animate", "plot"]


def plot(
    runs: Annotated[list[Path], argument("RUN", "Folders of training runs.")],
    out: Annotated[
        Path | None, option("FILE", "Picture to write; its ending says how [default: RUN.png].")
    ] = None,
    data: Data = None,
    limit: Annotated[int, option("N", "Scenes that are scored [default: 100].")] = 100,
    scenes: Annotated[int, option("N", "Scenes that are shown [default: 4].")] = 4,
    clusters: Clusters = None,
    sweep: Sweep = None,
    method: Method = "average",
    components: Components = None,
    up_tile: UpTile = 1,
    interpolation: Interpolation = "bilinear",
    steps: Steps = None,
    batch: Annotated[int, option("B", "Images computed at once [default: 32].")] = 32,
    processes: Annotated[
        int | None, option("P", "Processes that cluster beside this one [default: none].")
    ] = None,
    seed: KMeansSeed = 0,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Draw a run of object discovery: how it learned, and what its clusters find.

    As in: kuramoto plot run --up-tile 4 --scenes 6. Learning curves; FG-ARI and MBO against the
    number of clusters; scenes it was not trained on, beside their objects, clusters and main
    components of features. Several runs are drawn beside each other.
    """
    from kuramoto.nn.pictures.objects import figure_objects
    from kuramoto.nn.pictures.objects_runs import Asked, portrait_of
    from kuramoto.nn.training import Run

    target = out or beside(runs[0], ".png")
    require_ending(target, picture_formats())
    require_free(target, force)
    counts = {"limit": limit, "scenes": scenes, "clusters": clusters, "components": components}
    require_counts(**counts, up_tile=up_tile, steps=steps, batch=batch, processes=processes)
    opened, names = [Run(path) for path in runs], names_of(runs)
    how = {"method": method, "components": components, "up_tile": up_tile, "seed": seed}
    asked = Asked(
        data,
        limit,
        scenes,
        clusters,
        numbers_of(sweep),
        tuple({**how, "interpolation": interpolation}.items()),
        batch,
        steps,
        device_of(device),
        processes,
    )
    portraits = []
    with interruptible(), told_in_lines():
        for one, name in zip(opened, names, strict=True):
            found, missing = portrait_of(one, name, asked, progress=not quiet)
            portraits.append(found)
            for part in missing:
                typer.echo(f"Left out of {name}: {part}")
        report = next((p.report for p in portraits if p.report is not None), None)
        caption = "" if report is None else _told(report.settings)
        figure = figure_objects(portraits, title=", ".join(names), caption=caption)
        with written(target, force) as temporary:
            figure.savefig(temporary, format=target.suffix[1:].lower(), dpi=130)
    typer.echo(f"Wrote {target}")


def _told(settings: dict[str, object]) -> str:
    """Say how clusters were made."""
    method = {"average": "average linkage", "k-means": "K-means"}[str(settings["method"])]
    reduced = settings["components"]
    words = [f"{settings['clusters']} clusters by {method}"]
    words += [f"of {reduced} main components"] if reduced is not None else []
    words += [f"up-tiled {settings['up_tile']} times"] if settings["up_tile"] != 1 else []
    return ", ".join(words) + "; colours of PCA mean nothing between images"


def animate(
    run: RunFolder,
    image: Annotated[
        Path | None, option("FILE", "Image to look at [default: a scene it never saw].")
    ] = None,
    scene: Annotated[int, option("I", "Which scene, from 0 [default: 0].")] = 0,
    out: Annotated[
        Path | None, option("FILE", "Animation to write, .gif or .mp4 [default: RUN.gif].")
    ] = None,
    data: Data = None,
    size: Size = None,
    clusters: Clusters = None,
    steps: Annotated[
        int | None, option("T", "Kuramoto steps [default: four times as trained].")
    ] = None,
    every: Annotated[int, option("E", "Show every so many steps [default: 1].")] = 1,
    seed: Annotated[
        int | None, option("SEED", "Of the initial state [default: as in evaluation].")
    ] = None,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Animate how oscillators bind the objects of an image: states, clusters, energy.

    As in: kuramoto animate run --image cells.png --clusters 8. Oscillators have the colours of
    their three main components, the same ones throughout. MP4 needs ffmpeg.
    """
    from kuramoto.nn.pictures.movie import require_ffmpeg
    from kuramoto.nn.pictures.objects_movie import watch, write_binding
    from kuramoto.nn.pictures.objects_runs import options_of, picture_of
    from kuramoto.nn.tasks.presets import network_of
    from kuramoto.nn.training import Run

    target = out or beside(run, ".gif")
    require_ending(target, (".gif", ".mp4"))
    if target.suffix.lower() == ".mp4":
        require_ffmpeg()
    require_free(target, force)
    require_counts(clusters=clusters, steps=steps, every=every)
    require_numbers(seed=seed)
    opened = Run(run)
    with interruptible(), told_in_lines():
        model = network_of(opened, "objects", device_of(device))
        pixels, truth = picture_of(opened, model, image, data, scene, size)
        count = options_of(opened).clusters if clusters is None else clusters
        found = watch(model, pixels, count, steps=steps, seed=seed, truth=truth)
        with written(target, force) as temporary:
            title = f"{names_of([run])[0]}: {found.words}"
            write_binding(found, temporary, title=title, every=every, progress=not quiet)
    typer.echo(f"Wrote {target}: {found.words}")
