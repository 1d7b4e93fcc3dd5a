"""Animations: a figure of which little moves, curves that grow with it, and files of its frames."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from kuramoto._backend import Array
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.plotting.axes import TICK, spread

__all__ = ["Curve", "Movie", "growing", "require_ffmpeg", "write"]

Curve = tuple[tuple[Any, Any], Array]

_MOST_FRAMES = 160
_REST = 2.5  # seconds that the last frame stays


class Movie:
    """A figure whose still parts are drawn once.

    Attributes
    ----------
    figure : matplotlib Figure
    length : int
        How many states there are to show.
    exact : sequence of colours
        What a GIF must not change.
    curves : sequence of ((line, head), values)
        What `growing` drew.
    """

    figure: Figure
    length: int
    exact: Sequence[str] = ("white", "black")
    curves: Sequence[Curve]

    def show(self, row: int) -> None:
        """Put a state into the moving parts, curves apart."""
        raise NotImplementedError(f"{type(self).__name__} must define show")

    def lay_out(self) -> Any:
        """Fix the layout and return the canvas: from now on the size of everything is known."""
        canvas: Any = FigureCanvasAgg(self.figure)
        canvas.draw()
        self.figure.set_layout_engine("none")
        return canvas

    def begin(self, canvas: Any, moving: Sequence[Any], curves: Sequence[Curve]) -> None:
        """Draw what stands still."""
        self.curves, heads = curves, [part for pair, _ in curves for part in pair]
        self._moving = [*moving, *heads]
        for artist in self._moving:
            artist.set_animated(True)
        canvas.draw()
        self._canvas, self._background = canvas, canvas.copy_from_bbox(self.figure.bbox)

    def frame(self, row: int) -> Image.Image:
        """Draw a state."""
        self._canvas.restore_region(self._background)
        self.show(row)
        for (line, head), values in self.curves:
            line.set_data(np.arange(row + 1), values[: row + 1])
            head.set_data([row], [values[row]])
        for artist in self._moving:
            artist.axes.draw_artist(artist)
        width, height = self._canvas.get_width_height()
        picture = Image.frombuffer("RGBA", (width, height), bytes(self._canvas.buffer_rgba()))
        return picture.convert("RGB")


def growing(ax: Any, values: Array, color: str) -> Curve:
    """Draw a curve and its head; return both, and the values."""
    (line,) = ax.plot(np.arange(len(values)), values, color=color, linewidth=2)
    (head,) = ax.plot([len(values) - 1], [values[-1]], "o", color=color, markersize=5)
    ax.set_xlim(0, max(len(values) - 1, 1))
    ax.tick_params(labelsize=TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    head.set_clip_on(False)
    return (line, head), values


def write(
    make: Callable[[], Movie],
    out: str | Path,
    *,
    every: int = 1,
    seconds_per_frame: float = 0.12,
    progress: bool = False,
) -> None:
    """Write a GIF or, where ffmpeg is at hand, an MP4.

    Parameters
    ----------
    make : callable
        Makes the movie, once it is clear that it can be written.
    out : path
        Its ending says which; written as it is: whoever calls sees to the name.
    every : int, default 1
        Show every so many states, and the last; at most 160 are shown anyway.
    seconds_per_frame : float
    progress : bool, default False
        Show a progress bar.

    Raises
    ------
    ValueError
        If the ending is another one.
    FileNotFoundError
        If an MP4 is asked for and there is no ffmpeg.
    """
    from tqdm import tqdm

    seconds = real_number("seconds_per_frame", seconds_per_frame, positive=True)
    save = _WRITERS.get(Path(out).suffix.lower())
    if save is None:
        raise invalid("out", f"end in {' or '.join(_WRITERS)}", repr(str(out)))
    if save is _write_mp4:
        require_ffmpeg()
    stride = whole_number("every", every, least=1)
    movie = make()
    last = movie.length - 1
    rows = list(range(last % stride, last + 1, stride))
    rows = [rows[number] for number in spread(len(rows), _MOST_FRAMES)]
    save(movie, tqdm(rows, desc="animation", disable=not progress, leave=False), out, seconds)


def require_ffmpeg() -> str:
    """Return where ffmpeg is, or raise."""
    found = shutil.which("ffmpeg")
    if found is None:
        raise FileNotFoundError("MP4 needs the program ffmpeg, which is not found; write a GIF.")
    return found


def _write_gif(movie: Movie, rows: Any, out: str | Path, seconds: float) -> None:
    count = len(rows)
    few = [np.asarray(movie.frame(row)) for row in spread(movie.length, 5)]
    # A palette for all frames and no dithering: no flicker, and a smaller file.
    palette = _palette(Image.fromarray(np.concatenate(few)), movie.exact)

    def still(row: int) -> Image.Image:
        return movie.frame(row).quantize(palette=palette, dither=Image.Dither.NONE)

    stills = map(still, rows)
    durations = [round(1000 * seconds)] * (count - 1) + [round(1000 * _REST)]
    options = {"save_all": True, "loop": 0, "duration": durations, "optimize": False}
    next(stills).save(out, format="GIF", append_images=stills, **options)


def _palette(mosaic: Image.Image, colors: Sequence[str]) -> Image.Image:
    """Return 256 colours that serve all frames; some are exactly as they are asked for."""
    exact = 255 * np.array([to_rgb(color) for color in colors])
    found = np.array(mosaic.quantize(256 - len(exact)).getpalette() or []).reshape(-1, 3)
    # Pillow looks colours up by boxes: another one in the same box would take their place.
    apart = np.abs(found[:, None] - exact).max(axis=-1).min(axis=-1) > 8
    palette = Image.new("P", (1, 1))
    palette.putpalette([round(value) for value in np.concatenate([exact, found[apart]]).flat])
    return palette


def _write_mp4(movie: Movie, rows: Any, out: str | Path, seconds: float) -> None:
    width, height = movie.frame(0).size
    command = [require_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", f"{1 / seconds:.6g}", "-i", "-"]
    # Players want 4:2:0, and that wants even sides.
    command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]
    command += ["-f", "mp4", str(out)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it says on stderr what it does not like
            for frame in _frames(movie, rows, seconds):
                process.stdin.write(frame)
        words = process.communicate()[1].decode(errors="replace").strip().splitlines()
    if process.returncode:
        said = words[-1] if words else f"exit code {process.returncode}"
        raise OSError(f"Output {out} cannot be written: ffmpeg failed: {said}")


def _frames(movie: Movie, rows: Any, seconds: float) -> Iterator[bytes]:
    last = b""
    for row in rows:
        last = movie.frame(row).tobytes()
        yield last
    yield from [last] * round(_REST / seconds)


_WRITERS: dict[str, Callable[..., None]] = {".gif": _write_gif, ".mp4": _write_mp4}
