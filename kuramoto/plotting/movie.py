"""Animations: GIFs in which a frame costs what moves in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from kuramoto.plotting.axes import LABEL, draw_lattice, draw_phases, move_phases, spread
from kuramoto.plotting.palette import LINE_COLORS, colors
from kuramoto.plotting.panel import Panel
from kuramoto.plotting.panels import TITLE, draw_curves, parts_of
from kuramoto.plotting.pictures import draw_outline

_MOST_FRAMES = 120


def write_animation(
    panels: Sequence[Panel],
    out: str | Path,
    *,
    title: str = "",
    caption: str = "",
    seconds_per_frame: float = 0.08,
    progress: bool = False,
) -> None:
    """Write a GIF that shows runs side by side while their curves grow underneath.

    Parameters
    ----------
    panels : sequence of Panel
        All of them last as long: those with fewer rows go through them more slowly.
    out : path
        Written as it is: whoever calls sees to the name.
    title, caption : str
        Over and under all of them.
    seconds_per_frame : float
    progress : bool, default False
        Show a progress bar.
    """
    from tqdm import tqdm

    movie = _Movie(panels, title, caption)
    palette = movie.palette()
    rows = tqdm(range(1, movie.count), desc="animation", disable=not progress, leave=False)

    def still(number: int) -> Image.Image:
        # A palette for all frames and no dithering: no flicker, and a smaller file.
        return movie.frame(number).quantize(palette=palette, dither=Image.Dither.NONE)

    millis = round(1000 * seconds_per_frame)
    durations = [millis] * (movie.count - 1) + [2500]
    options = {"save_all": True, "loop": 0, "duration": durations, "optimize": False}
    still(0).save(out, format="GIF", append_images=map(still, rows), **options)


class _Movie:
    """A figure whose still parts are drawn once: a frame costs what moves in it."""

    def __init__(self, panels: Sequence[Panel], title: str, caption: str) -> None:
        self.figure = Figure(figsize=(4.6 * len(panels), 6.1), dpi=100, layout="constrained")
        self._updates: list[Callable[[float], None]] = []
        self._moving: list[Any] = []
        parts = parts_of(self.figure, len(panels), title, caption)
        for panel, part in zip(panels, parts, strict=True):
            self._add(panel, part)
        self.count = min(_MOST_FRAMES, max(len(panel.times) for panel in panels))
        canvas: Any = FigureCanvasAgg(self.figure)
        self._canvas = canvas
        for artist in self._moving:
            artist.set_animated(True)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)

    def _add(self, panel: Panel, part: Any) -> None:
        part.suptitle(panel.title, fontsize=TITLE)
        top, bottom = part.subfigures(2, 1, height_ratios=[3.3, 1.7])
        ax, lattice = top.subplots(), panel.kind == "lattice"
        draw = draw_lattice if lattice else draw_phases
        picture = draw(ax, panel.state(0), panel.plane)
        clock = ax.set_title(panel.clock.format(panel.times[-1]), fontsize=LABEL)
        outline = draw_outline(ax, panel)
        lines = draw_curves(bottom, panel)
        self._moving += [picture, *outline, clock, *(line for line, _ in lines)]

        def update(part_done: float) -> None:
            row = round(part_done * (len(panel.times) - 1))
            x = panel.state(row)
            if lattice:
                picture.set_data(colors(x, panel.plane))
            else:
                move_phases(picture, x, panel.plane)
            clock.set_text(panel.clock.format(panel.times[row]))
            for line, values in lines:
                line.set_data(panel.times[: row + 1], values[: row + 1])

        self._updates.append(update)

    def frame(self, number: int) -> Image.Image:
        """Draw one frame."""
        self._canvas.restore_region(self._background)
        for update in self._updates:
            update(number / max(1, self.count - 1))
        for artist in self._moving:
            artist.axes.draw_artist(artist)
        width, height = self._canvas.get_width_height()
        picture = Image.frombuffer("RGBA", (width, height), bytes(self._canvas.buffer_rgba()))
        return picture.convert("RGB")

    def palette(self) -> Image.Image:
        """Return 256 colours that serve all frames; paper and lines have exactly their own."""
        stills = [self.frame(number) for number in spread(self.count, 4)]
        mosaic = Image.fromarray(np.concatenate([np.asarray(still) for still in stills]))
        exact = np.array([(255, 255, 255), *map(_rgb, LINE_COLORS)])
        found = np.array(mosaic.quantize(256 - len(exact)).getpalette() or []).reshape(-1, 3)
        # Pillow looks colours up by boxes: another one in the same box would take their place.
        apart = np.abs(found[:, None] - exact).max(axis=-1).min(axis=-1) > 12
        palette = Image.new("P", (1, 1))
        palette.putpalette([int(value) for value in np.concatenate([exact, found[apart]]).flat])
        return palette


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))
