"""``kuramoto evaluate objects`` and ``kuramoto segment``: a trained network finds objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kuramoto._check import invalid, whole_number
from kuramoto.cli import Force, NoBar
from kuramoto.nn.commands.options import (
    Data,
    Device,
    RunFolder,
    argument,
    device_of,
    interruptible,
    option,
)

if TYPE_CHECKING:
    from kuramoto.nn.pictures.segments import Segmenter

__all__ = ["evaluate", "segment"]

Clusters = Annotated[
    int | None, option("K", "Clusters of an image, background and all [default: the run's].")
]
Method = Annotated[str, option("HOW", "average (linkage) or k-means [default: average].")]
Components = Annotated[
    int | None, option("D", "Main components that are clustered [default: the features as is].")
]
UpTile = Annotated[int, option("S", "Times the resolution, by up-tiling [default: 1].")]
Interpolation = Annotated[
    str, option("HOW", "Of up-tiling: bilinear or bicubic [default: bilinear].")
]
Steps = Annotated[int | None, option("T", "Kuramoto steps [default: as trained].")]
KMeansSeed = Annotated[int, option("SEED", "Of K-means [default: 0].")]
Sweep = Annotated[
    str | None, option("K1,K2,...", "Other numbers of clusters, scored too: 2,4,8 or 2-30.")
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out what cannot be read, and count it.")
]
Size = Annotated[
    int | None,
    option("PIXELS", "Shorter side that the network sees [default: as trained]; 0: as it is."),
]


def evaluate(
    run: RunFolder,
    clusters: Clusters = None,
    sweep: Sweep = None,
    method: Method = "average",
    components: Components = None,
    up_tile: UpTile = 1,
    interpolation: Interpolation = "bilinear",
    source: Annotated[
        str | None, option("NAME", "Scenes to score: voc, coco, ... [default: the run's own].")
    ] = None,
    data: Data = None,
    split: Annotated[str, option("NAME", "test, validation or train [default: test].")] = "test",
    limit: Annotated[int | None, option("N", "Scenes at most, spread evenly.")] = None,
    steps: Steps = None,
    batch: Annotated[int, option("B", "Images computed at once [default: 32].")] = 32,
    processes: Annotated[
        int | None, option("P", "Processes that cluster beside this one [default: none].")
    ] = None,
    seed: KMeansSeed = 0,
    skip_bad: SkipBad = False,
    out: Annotated[Path | None, option("FILE.json", "Write the report there too.")] = None,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Score how well clusters of a network's features find the objects of images.

    As in: kuramoto evaluate objects run --up-tile 4 --sweep 2-12 --out report.json. FG-ARI and MBO
    in %, over images that have objects; and against the number of clusters.
    """
    from kuramoto._outputs import require_free
    from kuramoto.nn import training
    from kuramoto.nn.tasks import objects

    if out is not None:
        require_free(out, force)
    numbers = {"clusters": clusters, "limit": limit, "steps": steps, "components": components}
    require_counts(**numbers, batch=batch, processes=processes, up_tile=up_tile)
    whole_number("seed", seed)
    with interruptible(), told_in_lines():
        report = objects.evaluate_run(
            training.Run(run),
            source=source,
            data=data,
            split=split,
            limit=limit,
            clusters=clusters,
            sweep=numbers_of(sweep),
            steps=steps,
            skip=skip_bad,
            device=device_of(device),
            method=method,
            components=components,
            up_tile=up_tile,
            interpolation=interpolation,
            batch=batch,
            processes=processes,
            seed=seed,
            out=out,
            overwrite=force,
            progress=not quiet,
        )
    typer.echo(report)


def segment(
    run: RunFolder,
    images: Annotated[list[Path], argument("IMAGE", "Images, and folders of images.")],
    out: Annotated[
        Path, option("FOLDER", "Where to write to; made if need be [default: segments].")
    ] = Path("segments"),
    clusters: Clusters = None,
    method: Method = "average",
    components: Components = None,
    up_tile: UpTile = 1,
    interpolation: Interpolation = "bilinear",
    size: Size = None,
    steps: Steps = None,
    seed: KMeansSeed = 0,
    skip_bad: SkipBad = False,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Find objects in images of any size, and write what is found.

    As in: kuramoto segment run photos/ --clusters 6 --up-tile 4 --out found. For every image
    NAME_overlay.png, and NAME_labels.png with the clusters' numbers from the largest, 0, on, both
    as large as the image; and contact_sheet.png.
    """
    from kuramoto.nn import training
    from kuramoto.nn.pictures import objects_runs, segments

    require_counts(clusters=clusters, components=components, steps=steps, up_tile=up_tile)
    files = segments.find_images(images, out)
    names = segments.outputs_of(files)
    targets = [out / f"{name}_{kind}.png" for name in names for kind in ("overlay", "labels")]
    _require_room(out, [*targets, out / _SHEET], force)
    with interruptible("what is written stays; --force writes it again"), told_in_lines():
        how = {"method": method, "components": components, "up_tile": up_tile, "seed": seed}
        found = objects_runs.segmenter(
            training.Run(run),
            clusters=clusters,
            size=size,
            steps=steps,
            device=device_of(device),
            interpolation=interpolation,
            **how,
        )
        job = _Job(found, out, dict(zip(files, names, strict=True)), skip_bad, force, quiet)
        typer.echo(job.run(title=f"{run.resolve().name}, {found.clusters} clusters"))


_SHEET = "contact_sheet.png"


def _require_room(out: Path, targets: list[Path], force: bool) -> None:
    """Complain before anything is computed."""
    from kuramoto._outputs import require_free

    if out.exists() and not out.is_dir():
        raise invalid("out", "be a folder", f"{str(out)!r}, which is a file")
    if not out.is_dir():
        if not out.parent.is_dir():
            raise FileNotFoundError(f"Output folder {out.parent} does not exist; create it first.")
        return
    for target in targets:
        require_free(target, force)


class _Job:
    """Images on their way to masks: those that can be read, one by one."""

    def __init__(
        self,
        segmenter: Segmenter,
        out: Path,
        names: dict[Path, str],
        skip: bool,
        force: bool,
        quiet: bool,
    ) -> None:
        self.segmenter, self.out, self.names = segmenter, out, names
        self.skip, self.force, self.quiet = skip, force, quiet
        self.bad: dict[Path, str] = {}

    def run(self, title: str) -> str:
        """Write everything, and say what was written."""
        from kuramoto.nn.pictures.segments import Sheet
        from kuramoto.nn.training.files import write_whole

        good = self._readable()
        self.out.mkdir(exist_ok=True)
        sheet = Sheet([self.names[path] for path in good])
        for row, path in self._each(good, "segment"):
            with self._skipping(path):
                self._write(row, path, sheet)
        written = len(self.names) - len(self.bad)
        if not written:
            raise ValueError(self._complaint())
        write_whole(self.out / _SHEET, sheet.png(title), overwrite=self.force)
        left = f", left out {len(self.bad)}" if self.bad else ""
        images = "image" if written == 1 else "images"
        return f"Wrote overlays and labels of {written} {images}{left}; see {self.out / _SHEET}"

    def _readable(self) -> list[Path]:
        """Return the images that can be read; without --skip-bad, all have to be."""
        for _, path in self._each(list(self.names), "read"):
            try:
                self.segmenter.read(path)
            except (ValueError, OSError) as error:
                self._leave_out(path, error)
        if self.bad and (not self.skip or len(self.bad) == len(self.names)):
            raise ValueError(self._complaint())
        return [path for path in self.names if path not in self.bad]

    def _write(self, row: int, path: Path, sheet: Any) -> None:
        from kuramoto.nn.pictures.segments import label_png, overlay_png
        from kuramoto.nn.training.files import write_whole

        view = self.segmenter.read(path)
        labels, features = self.segmenter.segment(path, view)
        target = self.out / self.names[path]
        kinds = {"overlay": overlay_png(view.shown, labels), "labels": label_png(labels)}
        for kind, content in kinds.items():
            write_whole(
                target.with_name(f"{target.name}_{kind}.png"), content, overwrite=self.force
            )
        sheet.add(row, view.shown, labels, features)

    def _each(self, files: list[Path], what: str) -> Iterator[tuple[int, Path]]:
        from tqdm import tqdm

        bar = tqdm(files, desc=what, unit="image", disable=self.quiet, leave=False)
        yield from enumerate(bar)

    @contextmanager
    def _skipping(self, path: Path) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            if not self.skip:
                raise
            self._leave_out(path, error)

    def _leave_out(self, path: Path, error: Exception) -> None:
        self.bad[path] = " ".join(str(error).split())
        if self.skip:
            typer.echo(f"Left out {path}: {self.bad[path]}", err=True)

    def _complaint(self) -> str:
        """Say in a line which images cannot be used."""
        first = next(iter(self.bad.values())).removesuffix(".")
        if len(self.bad) == len(self.names) > 1:
            return f"None of the {len(self.bad)} images can be used; the first: {first}."
        if len(self.names) == 1:
            return f"{first}."
        count = f"{len(self.bad)} of {len(self.names)} images cannot be used; the first: {first}"
        return f"{count}; or pass --skip-bad to leave them out."


def numbers_of(text: str | None) -> list[int]:
    """Read numbers of clusters: 2,4,8 or 2-30, or both."""
    found: set[int] = set()
    for part in (text or "").split(",") if text is not None else ():
        first, dash, last = part.partition("-")
        try:
            low = int(first)
            found.update(range(low, (int(last) if dash else low) + 1))
        except ValueError:
            raise invalid("sweep", "hold whole numbers, as 2,4,8 or 2-30", repr(text)) from None
    if text is not None and (not found or min(found) < 1):
        raise invalid("sweep", "hold numbers of at least 1, as 2,4,8 or 2-30", repr(text))
    return sorted(found)


def require_counts(**numbers: int | None) -> None:
    """Complain before anything is computed."""
    for name, value in numbers.items():
        if value is not None:
            whole_number(name, value, least=1)


@contextmanager
def told_in_lines() -> Iterator[None]:
    """Say in a line on stderr what the library warns of, such as a file that is left out."""
    import warnings

    def tell(message: Warning | str, *_: Any, **__: Any) -> None:
        typer.echo(f"kuramoto: {' '.join(str(message).split())}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = tell
        yield
