"""From run files to pictures on disk: nothing overwritten, nothing half-written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kuramoto import ensembles, storage
from kuramoto._check import invalid
from kuramoto._outputs import require_free, temporary_name
from kuramoto.experiment import title_of
from kuramoto.plotting.movie import write_animation
from kuramoto.plotting.panel import Panel, caption_of, panel_of
from kuramoto.plotting.panels import figure_panels
from kuramoto.plotting.sweeps import figure_sweep


def plot_run(path: str | Path, out: str | Path | None = None, overwrite: bool = False) -> Path:
    """Draw a run file, a bundle of runs side by side, or a sweep, and save the picture.

    Parameters
    ----------
    path : path
        A run file, or the file of a sweep.
    out : path, optional
        Where to; its ending names the format. ``run.png`` beside ``run.h5`` by default.
    overwrite : bool, default False

    Returns
    -------
    Path

    Raises
    ------
    FileExistsError
        If the picture exists and `overwrite` is not given.
    ValueError
        If the file is no run file, holds no states, or the format is not known.
    """
    output = _output(path, out, ".png", _picture_formats(), overwrite)
    with output as (target, temporary):
        figure = _figure_of(path)
        figure.savefig(temporary, format=target.suffix[1:].lower(), dpi=130)
    return target


def _figure_of(path: str | Path) -> Figure:
    if ensembles.is_sweep(path):
        with ensembles.open_sweep(path) as sweep:
            return figure_sweep(sweep, title=title_of(sweep.experiment) or Path(path).name)
    with _open_panels(path) as panels:
        return figure_panels(panels, caption=caption_of(panels))


def animate_run(
    path: str | Path,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Animate a run file, or a bundle of runs side by side, as a GIF.

    Parameters
    ----------
    path : path
        A run file.
    out : path, optional
        Where to; ``run.gif`` beside ``run.h5`` by default.
    overwrite : bool, default False
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    Path

    Raises
    ------
    FileExistsError
        If the animation exists and `overwrite` is not given.
    ValueError
        If the file is no run file or holds no states, or `out` does not end in .gif.
    """
    output = _output(path, out, ".gif", (".gif",), overwrite)
    with output as (target, temporary), _open_panels(path) as panels:
        caption = caption_of(panels, moving=True)
        write_animation(panels, temporary, caption=caption, progress=progress)
    return target


def _picture_formats() -> tuple[str, ...]:
    return tuple(f".{name}" for name in FigureCanvasAgg.get_supported_filetypes())


@contextlib.contextmanager
def _output(
    path: str | Path,
    out: str | Path | None,
    suffix: str,
    known: Sequence[str],
    overwrite: bool,
) -> Iterator[tuple[Path, Path]]:
    """Yield the output's name and a temporary one, which gets that name only if all goes well."""
    target = Path(path).with_suffix(suffix) if out is None else Path(out)
    if target.suffix.lower() not in known:
        raise invalid("out", f"end in {', '.join(sorted(known))}", repr(str(target)))
    require_free(target, overwrite)
    temporary = temporary_name(target)
    try:
        yield target, temporary
        require_free(target, overwrite)
        os.replace(temporary, target)
    except PermissionError as error:
        raise PermissionError(f"Output {target} cannot be written: {error.strerror}.") from None
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _open_panels(path: str | Path) -> Iterator[list[Panel]]:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(storage.open_run(path))
        others = [stack.enter_context(storage.open_run(path, name)) for name in first.names[1:]]
        pairs = zip(first.names, [first, *others], strict=True)
        title = title_of(first.experiment) or Path(path).name
        yield [panel_of(run, name or title) for name, run in pairs]
