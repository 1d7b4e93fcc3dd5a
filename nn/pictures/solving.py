"""Animations of a board being solved: digits appear while the energy curve grows beside them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from kuramoto._backend import Array
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.nn.energies import Solving
from kuramoto.nn.pictures.board import RIGHT, WRONG, BoardPicture, legend
from kuramoto.plotting.axes import LABEL, TICK, spread
from kuramoto.plotting.palette import LINE_COLORS

_MOST_FRAMES = 160
_REST = 2.5  # seconds that the last frame stays


def write_solving(
    solving: Solving,
    out: str | Path,
    *,
    solution: Array | None = None,
    others: Array | None = None,
    title: str = "",
    every: int = 1,
    seconds_per_frame: float = 0.12,
    progress: bool = False,
) -> None:
    """Write a GIF or, where ffmpeg is at hand, an MP4 of a board being solved.

    Parameters
    ----------
    solving : kuramoto.nn.energies.Solving
        What `kuramoto.nn.energies.watch` returned.
    out : path
        Its ending says which; written as it is: whoever calls sees to the name.
    solution : array of int, shape (side, side), optional
        Tells right digits from wrong ones, and adds a curve of their number; else the curve is of
        the mean probability of the digits.
    others : array, shape (K, T), optional
        Energies of other samples after 1 ... T steps, drawn in grey.
    title : str
    every : int, default 1
        Show every so many steps, and the last; at most 160 are shown anyway.
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
    write = _WRITERS.get(Path(out).suffix.lower())
    if write is None:
        raise invalid("out", f"end in {' or '.join(_WRITERS)}", repr(str(out)))
    if write is _write_mp4:
        require_ffmpeg()
    movie = _Movie(solving, solution, others, title)
    last, stride = len(solving.energies) - 1, whole_number("every", every, least=1)
    rows = list(range(last % stride, last + 1, stride))
    rows = [rows[number] for number in spread(len(rows), _MOST_FRAMES)]
    write(movie, tqdm(rows, desc="animation", disable=not progress, leave=False), out, seconds)


def require_ffmpeg() -> str:
    """Return where ffmpeg is, or raise."""
    found = shutil.which("ffmpeg")
    if found is None:
        raise FileNotFoundError("MP4 needs the program ffmpeg, which is not found; write a GIF.")
    return found


class _Movie:
    """A figure whose still parts are drawn once."""

    def __init__(
        self, solving: Solving, solution: Array | None, others: Array | None, title: str
    ) -> None:
        self.solving = solving
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
        self.figure = Figure(figsize=(8.4, 4.6), dpi=100, layout=layout)
        if title:
            self.figure.suptitle(title, fontsize=12)
        self.figure.supxlabel(legend(solution is not None), fontsize=TICK, color="0.35")
        parts: Any = self.figure.subfigures(1, 2, width_ratios=[1.12, 1])
        left, right = parts
        ax = left.subplots()
        self.clock = ax.set_title(self._time(len(solving.energies) - 1), fontsize=LABEL)
        top, bottom = right.subplots(2, 1, sharex=True)
        self.lines = [self._draw_energy(top, others), self._draw_progress(bottom, solution)]
        canvas: Any = FigureCanvasAgg(self.figure)
        canvas.draw()  # now the layout is known, and with it the size of the digits
        self.board = BoardPicture(ax, solving.puzzle, solution)
        self.figure.set_layout_engine("none")
        moving = [
            *self.board.artists,
            self.clock,
            *(part for line, _ in self.lines for part in line),
        ]
        for artist in moving:
            artist.set_animated(True)
        canvas.draw()
        self._canvas, self._moving = canvas, moving
        self._background = canvas.copy_from_bbox(self.figure.bbox)

    def frame(self, row: int) -> Image.Image:
        """Draw what is said after some steps."""
        self._canvas.restore_region(self._background)
        self.board.show(self.solving.answers[row], self.solving.probabilities[row])
        self.clock.set_text(self._time(row))
        for (line, head), values in self.lines:
            line.set_data(np.arange(row + 1), values[: row + 1])
            head.set_data([row], [values[row]])
        for artist in self._moving:
            artist.axes.draw_artist(artist)
        width, height = self._canvas.get_width_height()
        picture = Image.frombuffer("RGBA", (width, height), bytes(self._canvas.buffer_rgba()))
        return picture.convert("RGB")

    def _time(self, row: int) -> str:
        last = len(self.solving.energies) - 1
        return f"step {row:>{len(str(last))}} of {last}"

    def _draw_energy(self, ax: Any, others: Array | None) -> tuple[tuple[Any, Any], Array]:
        if others is not None:
            steps = np.arange(1, others.shape[1] + 1)
            ax.plot(steps, others.T, color="0.8", linewidth=0.7, zorder=1)
        ax.set_ylabel("energy", fontsize=LABEL)
        return _growing(ax, self.solving.energies, LINE_COLORS[2])

    def _draw_progress(self, ax: Any, solution: Array | None) -> tuple[tuple[Any, Any], Array]:
        ax.set_xlabel("Kuramoto step", fontsize=LABEL)
        if solution is None:
            values = self.solving.probabilities.max(-1).mean((1, 2))
            ax.set_ylabel("mean probability", fontsize=LABEL)
            top = 1.0
        else:
            blank = self.solving.puzzle == 0
            values = (self.solving.answers == np.asarray(solution))[:, blank].sum(1)
            top = float(blank.sum())
            ax.set_ylabel(f"blanks right, of {blank.sum()}", fontsize=LABEL)
        grown = _growing(ax, values, LINE_COLORS[0])
        ax.set_ylim(-0.04 * top, 1.04 * top)
        return grown


def _growing(ax: Any, values: Array, color: str) -> tuple[tuple[Any, Any], Array]:
    """Draw a curve and its head; return both, and the values."""
    (line,) = ax.plot(np.arange(len(values)), values, color=color, linewidth=2)
    (head,) = ax.plot([len(values) - 1], [values[-1]], "o", color=color, markersize=5)
    ax.set_xlim(0, max(len(values) - 1, 1))
    ax.tick_params(labelsize=TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    head.set_clip_on(False)
    return (line, head), values


def _write_gif(movie: _Movie, rows: Any, out: str | Path, seconds: float) -> None:
    count = len(rows)
    few = [np.asarray(movie.frame(row)) for row in spread(len(movie.solving.energies), 5)]
    # A palette for all frames and no dithering: no flicker, and a smaller file.
    palette = _palette(Image.fromarray(np.concatenate(few)))

    def still(row: int) -> Image.Image:
        return movie.frame(row).quantize(palette=palette, dither=Image.Dither.NONE)

    stills = map(still, rows)
    durations = [round(1000 * seconds)] * (count - 1) + [round(1000 * _REST)]
    options = {"save_all": True, "loop": 0, "duration": durations, "optimize": False}
    next(stills).save(out, format="GIF", append_images=stills, **options)


def _palette(mosaic: Image.Image) -> Image.Image:
    """Return 256 colours that serve all frames; paper, ink and digits have exactly their own."""
    exact = 255 * np.array([to_rgb(color) for color in ("white", "black", RIGHT, WRONG)])
    found = np.array(mosaic.quantize(256 - len(exact)).getpalette() or []).reshape(-1, 3)
    # Pillow looks colours up by boxes: another one in the same box would take their place.
    apart = np.abs(found[:, None] - exact).max(axis=-1).min(axis=-1) > 8
    palette = Image.new("P", (1, 1))
    palette.putpalette([round(value) for value in np.concatenate([exact, found[apart]]).flat])
    return palette


def _write_mp4(movie: _Movie, rows: Any, out: str | Path, seconds: float) -> None:
    width, height = movie.frame(0).size
    command = [require_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", f"{1 / seconds:.6g}", "-i", "-"]
    # Players want 4:2:0, and that wants even sides.
    command += [
        "-vf",
        "pad=ceil(iw/2)*2:ceil(ih/2)*2",
        "-pix_fmt",
        "yuv420p",
        "-f",
        "mp4",
        str(out),
    ]
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


def _frames(movie: _Movie, rows: Any, seconds: float) -> Iterator[bytes]:
    last = b""
    for row in rows:
        last = movie.frame(row).tobytes()
        yield last
    yield from [last] * round(_REST / seconds)


_WRITERS: dict[str, Callable[..., None]] = {".gif": _write_gif, ".mp4": _write_mp4}
