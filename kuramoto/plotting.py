"""Figures and animations of runs. Needs the extra ``plot``: matplotlib and Pillow.

Everything is drawn with matplotlib's object-oriented interface: pyplot, its current figure and the
user's backend are left alone. Functions that take an ``ax`` draw on any axes, pyplot's too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto import storage
from kuramoto._backend import Array, as_array, to_numpy
from kuramoto._check import invalid

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image
except ImportError as error:
    raise ImportError(
        f'Plotting cannot import {error.name}; install it: pip install "kuramoto-spheres[plot]"'
    ) from None

__all__ = [
    "LINE_COLORS",
    "Panel",
    "animate_run",
    "colors",
    "draw_curve",
    "draw_lattice",
    "draw_phases",
    "figure_panels",
    "figure_run",
    "leading_plane",
    "plot_run",
    "space_time",
    "write_animation",
]

LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours (2008), told apart with every common colour vision."""

_TITLE, _LABEL, _TICK = 12, 11, 9  # font sizes in points
_MOST_ROWS, _MOST_FRAMES, _MOST_CURVES = 1000, 120, 3


# --- colours ----------------------------------------------------------------------------------------


def colors(x: Array, plane: Array | None = None) -> np.ndarray:
    """Return a colour for every oscillator: hue is the phase in a plane, darkness the way out of it.

    The hues lie on a circle of the OKLCh space, evenly spaced for the eye; lightness swings once
    around, so that the phase can be told without colour vision too. Vectors orthogonal to the plane
    are dark grey.

    Parameters
    ----------
    x : array, shape (*sites, N)
    plane : array, shape (2, N), optional
        Orthonormal axes of the plane; `leading_plane` of x by default (for N = 2 the plane itself).

    Returns
    -------
    array, shape (*sites, 3)
        Red, green, blue in [0, 1].

    References
    ----------
    Ottosson (2020), A perceptual color space for image processing.

    Examples
    --------
    >>> import numpy as np
    >>> colors(np.array([[1.0, 0.0], [-1.0, 0.0]])).round(2)
    array([[0.87, 0.52, 0.65],
           [0.23, 0.73, 0.62]])
    """
    x = to_numpy(as_array(x, "x")).astype(np.float64)
    axes = leading_plane(x) if plane is None else to_numpy(as_array(plane, "plane"))
    if axes.shape != (2, x.shape[-1]):
        must = f"have shape (2, N) = (2, {x.shape[-1]})"
        raise invalid("plane", must, f"has shape {axes.shape}")
    part = x @ axes.T
    radius = np.minimum(np.sqrt((part**2).sum(axis=-1)), 1.0)
    return _oklch(np.arctan2(part[..., 1], part[..., 0]), radius)


def leading_plane(x: Array) -> np.ndarray:
    """Return orthonormal axes of the plane that holds most of the states, shape (2, N).

    The eigenvectors of Σ_i x_i x_iᵀ with the two largest eigenvalues; for N ≤ 2 the first two axes.

    Parameters
    ----------
    x : array, shape (..., N)
    """
    points = to_numpy(as_array(x, "x")).astype(np.float64)
    N = points.shape[-1]
    if N <= 2:
        return np.eye(2)[:, :N]
    points = points.reshape(-1, N)
    axes = np.linalg.eigh(points.T @ points)[1][:, :-3:-1].T
    # An eigenvector has no sign of its own: let its largest entry be positive.
    largest = np.argmax(np.abs(axes).round(9), axis=1)
    return np.asarray(axes * np.sign(axes[[0, 1], largest])[:, None])


# Björn Ottosson's matrices: OKLab to the cubic roots of LMS, LMS to linear sRGB.
_LAB_TO_ROOTS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _oklch(angle: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return sRGB on the disc of hues: the largest circle that the gamut holds, dark at its centre."""
    lightness = 0.34 + radius * (0.38 + 0.12 * np.cos(angle - np.deg2rad(115)))
    chroma = 0.135 * radius
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)
    linear = np.clip((lab @ _LAB_TO_ROOTS.T) ** 3 @ _LMS_TO_RGB.T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


# --- drawing on axes --------------------------------------------------------------------------------


def draw_lattice(ax: Any, x: Array, plane: Array | None = None) -> Any:
    """Draw a two-dimensional lattice, one square per oscillator, and return the image.

    Parameters
    ----------
    ax : matplotlib axes
    x : array, shape (height, width, N)
    plane : array, shape (2, N), optional
        As in `colors`.
    """
    x = to_numpy(as_array(x, "x"))
    if x.ndim != 3:
        raise invalid("x", "have shape (height, width, N)", f"has shape {x.shape}")
    image = ax.imshow(colors(x, plane), interpolation="nearest")
    ax.set_axis_off()
    return image


def draw_phases(ax: Any, x: Array, plane: Array | None = None) -> Any:
    """Draw oscillators as points of the unit disc, seen along the plane; return the points.

    Parameters
    ----------
    ax : matplotlib axes
    x : array, shape (*sites, N)
    plane : array, shape (2, N), optional
        As in `colors`.
    """
    turn = np.linspace(0, 2 * np.pi, 181)
    ax.plot(np.cos(turn), np.sin(turn), color="0.8", linewidth=1, zorder=0)
    ax.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    ax.set_axis_off()
    points = ax.scatter([], [], s=26, edgecolors="white", linewidths=0.4)
    _move_phases(points, x, plane)
    return points


def _move_phases(points: Any, x: Array, plane: Array | None) -> None:
    x = to_numpy(as_array(x, "x"))
    x = x.reshape(-1, x.shape[-1])
    axes = leading_plane(x) if plane is None else to_numpy(as_array(plane, "plane"))
    points.set_offsets(x @ axes.T)
    points.set_facecolors(colors(x, axes))


def draw_curve(ax: Any, times: Any, values: Any, label: str, *, color: str = LINE_COLORS[0]) -> Any:
    """Draw a quantity over time, named on the vertical axis, and return the line.

    Parameters
    ----------
    ax : matplotlib axes
    times, values : array, shape (S,)
    label : str
    color : str
    """
    times = to_numpy(as_array(times, "times"))
    marker = "o" if len(times) == 1 else ""
    (line,) = ax.plot(times, to_numpy(values), color=color, linewidth=2, marker=marker)
    ax.set_ylabel(label, fontsize=_LABEL)
    ax.tick_params(labelsize=_TICK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    if len(times) > 1:
        ax.set_xlim(times[0], times[-1])
    return line


def space_time(ax: Any, times: Any, states: Array, plane: Array | None = None) -> Any:
    """Draw a one-dimensional or unstructured run: oscillators upwards, time to the right.

    Parameters
    ----------
    ax : matplotlib axes
    times : array, shape (S,)
        Increasing; between saved times the nearest saved state is shown.
    states : array, shape (S, M, N)
    plane : array, shape (2, N), optional
        As in `colors`.
    """
    times, states = to_numpy(as_array(times, "times")), to_numpy(as_array(states, "states"))
    if states.ndim != 3 or len(times) != len(states) or not len(times):
        must = f"have shape (S, M, N) with S = {len(times)} times"
        raise invalid("states", must, f"has shape {states.shape}")
    even = np.linspace(times[0], times[-1], len(times))
    nearest = np.abs(times[:, None] - even).argmin(axis=0)
    rows = np.linspace(0, states.shape[1] - 1, min(states.shape[1], _MOST_ROWS)).astype(int)
    picture = colors(states[nearest][:, rows], plane).swapaxes(0, 1)
    half = (times[-1] - times[0]) / max(2 * (len(times) - 1), 1) or 0.5
    extent = (times[0] - half, times[-1] + half, -0.5, states.shape[1] - 0.5)
    style = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
    image = ax.imshow(picture, extent=extent, **style)
    ax.set_ylabel("oscillator", fontsize=_LABEL)
    ax.tick_params(labelsize=_TICK)
    return image


# --- figures of runs --------------------------------------------------------------------------------


@dataclass
class Panel:
    """What a figure or an animation shows of one run.

    Attributes
    ----------
    times : array, shape (S,)
    states : sequence of array, shape (S, *sites, N)
        Read on demand, one at a time: an h5py dataset will do.
    curves : dict of array, shape (S,)
        Quantities to draw over time.
    title : str
    site_ndim : int, optional
        How many axes count oscillators; axes before those are a batch, of which the first member
        is shown. All axes but the last, by default.
    picks : sequence of int
        Rows to show as snapshots; evenly spaced by default.
    outline : array of bool, shape (height, width), optional
        A region of the lattice to be outlined.
    clock : str
        How the time is written over a snapshot.
    time_label : str
    plane : array, shape (2, N), optional
        As in `colors`; the leading plane of states from the whole run by default.
    """

    times: np.ndarray
    states: Any
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)
    title: str = ""
    site_ndim: int | None = None
    picks: Sequence[int] = ()
    outline: np.ndarray | None = None
    clock: str = "t = {:.3g}"
    time_label: str = "time t"
    plane: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Choose the plane, and the order parameter where there is no curve."""
        if not len(self.times):
            remedy = "save some: SaveAt(every=10)"
            raise invalid("run", "hold saved states", "it holds none", remedy)
        self.site_ndim = self.site_ndim or np.ndim(self.states[0]) - 1
        if self.plane is None:
            rows = _spread(len(self.times), 12)
            self.plane = leading_plane(np.stack([self.state(row) for row in rows]))
        if not self.curves:
            self.curves = {"order parameter r": self._order()}

    @property
    def is_lattice(self) -> bool:
        """Whether a state is a picture."""
        return np.ndim(self.state(0)) == 3

    def state(self, row: int) -> np.ndarray:
        """Return a state as (M, N) or (height, width, N): of more axes, the middle slice."""
        x = to_numpy(self.states[row])
        assert self.site_ndim is not None
        x = x[(0,) * (x.ndim - 1 - self.site_ndim)]
        while x.ndim > 3:
            x = x[len(x) // 2]
        return x

    def _order(self) -> np.ndarray:
        """‖mean of x‖, at no more rows than can be told apart."""
        values = np.full(len(self.times), np.nan)
        for row in (rows := _spread(len(self.times), _MOST_ROWS)):
            x = self.state(row)
            values[row] = np.linalg.norm(x.reshape(-1, x.shape[-1]).mean(axis=0))
        return np.interp(np.arange(len(values)), rows, values[rows])


def _spread(count: int, most: int) -> list[int]:
    """Return at most `most` row numbers, evenly spaced, with the first and the last."""
    return sorted({round(row) for row in np.linspace(0, count - 1, min(count, most))})


def figure_run(run: Any, *, title: str = "", site_ndim: int | None = None) -> Figure:
    """Draw a run: a lattice as snapshots, anything else over space and time; below, its observables.

    Parameters
    ----------
    run : Solution or RunFile
        With at least one saved state.
    title : str
    site_ndim : int, optional
        How many axes of a state count oscillators; known for run files, else all but the last.

    Returns
    -------
    matplotlib Figure
        Not known to pyplot; save it with ``figure.savefig(...)``.

    Examples
    --------
    >>> import kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(1.0))
    >>> x0 = km.sphere.random_points((10, 2), seed=0)
    >>> solution = km.solve(model, x0, t1=10.0, dt=0.1, save=km.SaveAt(every=1))
    >>> [ax.get_ylabel() for ax in figure_run(solution).axes]
    ['oscillator', 'order parameter r']
    """
    return figure_panels([_panel(run, title, site_ndim)])


def _panel(run: Any, title: str = "", site_ndim: int | None = None) -> Panel:
    if site_ndim is None and hasattr(run, "model"):
        with contextlib.suppress(ValueError):  # a file that could not hold its model
            site_ndim = run.model().coupling.site_ndim
    observed = {name: to_numpy(values) for name, values in run.observed.items()}
    # Of a batch, the first member, as in the pictures; vectors are no curves.
    batch = np.ndim(run.states[0]) - 1 - site_ndim if len(run.times) and site_ndim else 0
    curves = {
        k: v[(slice(None), *(0,) * batch)] for k, v in observed.items() if v.ndim == 1 + batch
    }
    chosen = dict(list(curves.items())[:_MOST_CURVES])
    return Panel(np.asarray(run.times), run.states, chosen, title, site_ndim)


def figure_panels(panels: Sequence[Panel], *, title: str = "", width: float = 11.0) -> Figure:
    """Draw runs side by side.

    Parameters
    ----------
    panels : sequence of Panel
    title : str
        Over all of them.
    width : float
        Of the figure, in inches.
    """
    per_row = 6 if len(panels) == 1 else 3
    tallest = max(_picture_height(panel, per_row, width / len(panels)) for panel in panels)
    figure = Figure(figsize=(width, tallest + 2.4 + 0.4 * bool(title)), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=_TITLE + 3, fontweight="bold")
    for panel, part in zip(panels, _subfigures(figure, len(panels)), strict=True):
        top, bottom = part.subfigures(2, 1, height_ratios=[tallest, 2.0])
        part.suptitle(panel.title, fontsize=_TITLE)
        (_draw_snapshots if panel.is_lattice else _draw_space_time)(top, panel, per_row)
        _draw_curves(bottom, panel)
    return figure


def _picture_height(panel: Panel, per_row: int, width: float) -> float:
    if not panel.is_lattice:
        return 3.2
    count = len(panel.picks) or min(len(panel.times), per_row if per_row == 6 else 6)
    shape = panel.state(0).shape
    side = width / min(count, per_row)
    return -(-count // per_row) * (side * shape[0] / shape[1] + 0.15) + 0.3


def _subfigures(figure: Any, count: int) -> list[Any]:
    return list(np.ravel(figure.subfigures(1, count, wspace=0.04)))


def _draw_snapshots(part: Any, panel: Panel, per_row: int) -> None:
    picks = panel.picks or _spread(len(panel.times), 6)
    columns = min(len(picks), per_row)
    grid = part.subplots(-(-len(picks) // columns), columns, squeeze=False)
    for ax, row in zip(grid.flat, picks, strict=False):
        draw_lattice(ax, panel.state(row), panel.plane)
        ax.set_title(panel.clock.format(panel.times[row]), fontsize=_LABEL)
        _draw_outline(ax, panel)
    for ax in list(grid.flat)[len(picks) :]:
        ax.set_axis_off()


def _draw_outline(ax: Any, panel: Panel) -> list[Any]:
    if panel.outline is None:
        return []
    style = {"levels": [0.5], "colors": "white", "linewidths": 1.2}
    return [ax.contour(panel.outline.astype(float), **style)]


def _draw_space_time(part: Any, panel: Panel, _: int) -> None:
    rows = _spread(len(panel.times), _MOST_ROWS)
    states = np.stack([panel.state(row) for row in rows])
    ax = part.subplots()
    space_time(ax, panel.times[rows], states, panel.plane)
    ax.set_xlabel(panel.time_label, fontsize=_LABEL)


def _draw_curves(part: Any, panel: Panel) -> list[Any]:
    """Draw each curve on axes of its own: their scales have nothing to do with each other."""
    axes = part.subplots(1, len(panel.curves), squeeze=False)[0]
    lines = []
    for ax, color, (name, values) in zip(axes, LINE_COLORS, panel.curves.items(), strict=False):
        lines.append(draw_curve(ax, panel.times, values, name, color=color))
        ax.set_xlabel(panel.time_label, fontsize=_LABEL)
    return lines


# --- files ------------------------------------------------------------------------------------------


def plot_run(path: str | Path, out: str | Path | None = None, overwrite: bool = False) -> Path:
    """Draw a run file, or a bundle of runs side by side, and save the picture.

    Parameters
    ----------
    path : path
        A run file.
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
    with _output(path, out, ".png", _picture_formats(), overwrite) as (target, temporary):
        with _open_panels(path) as panels:
            figure = figure_panels(panels)
        figure.savefig(temporary, format=target.suffix[1:].lower(), dpi=150)
    return target


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
    with _output(path, out, ".gif", (".gif",), overwrite) as (target, temporary):
        with _open_panels(path) as panels:
            write_animation(panels, temporary, progress=progress)
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
    storage.require_free(target, overwrite)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield target, temporary
        storage.require_free(target, overwrite)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _open_panels(path: str | Path) -> Iterator[list[Panel]]:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(storage.open_run(path))
        others = [stack.enter_context(storage.open_run(path, name)) for name in first.names[1:]]
        pairs = zip(first.names, [first, *others], strict=True)
        yield [_panel(run, name or Path(path).name) for name, run in pairs]


# --- animations -------------------------------------------------------------------------------------


def write_animation(
    panels: Sequence[Panel],
    out: str | Path,
    *,
    title: str = "",
    seconds_per_frame: float = 0.08,
    progress: bool = False,
) -> None:
    """Write a GIF that shows runs side by side while their curves grow underneath.

    Parameters
    ----------
    panels : sequence of Panel
        Those with fewer rows stand still at their end.
    out : path
        Written as it is: whoever calls sees to the name.
    title : str
        Over all of them.
    seconds_per_frame : float
    progress : bool, default False
        Show a progress bar.
    """
    from tqdm import tqdm

    movie = _Movie(panels, title)
    palette = movie.palette()
    rows = tqdm(
        range(1, movie.count),
        desc="animation",
        unit="frame",
        disable=not progress,
        leave=False,
    )

    def still(number: int) -> Image.Image:
        # A palette for all frames and no dithering: no flicker, and a smaller file.
        return movie.frame(number).quantize(palette=palette, dither=Image.Dither.NONE)

    millis = round(1000 * seconds_per_frame)
    durations = [millis] * (movie.count - 1) + [2500]
    options = {"save_all": True, "loop": 0, "duration": durations, "optimize": False}
    still(0).save(out, format="GIF", append_images=map(still, rows), **options)


class _Movie:
    """A figure whose still parts are drawn once: a frame costs what moves in it."""

    def __init__(self, panels: Sequence[Panel], title: str) -> None:
        self.figure = Figure(figsize=(4.6 * len(panels), 5.9), dpi=100, layout="constrained")
        if title:
            self.figure.suptitle(title, fontsize=_TITLE + 2, fontweight="bold")
        self._updates: list[Callable[[float], None]] = []
        self._moving: list[Any] = []
        for panel, part in zip(panels, _subfigures(self.figure, len(panels)), strict=True):
            self._add(panel, part)
        self.count = min(_MOST_FRAMES, max(len(panel.times) for panel in panels))
        self._canvas = FigureCanvasAgg(self.figure)
        for artist in self._moving:
            artist.set_animated(True)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)

    def _add(self, panel: Panel, part: Any) -> None:
        part.suptitle(panel.title, fontsize=_TITLE)
        top, bottom = part.subfigures(2, 1, height_ratios=[3.4, 1.5])
        ax = top.subplots()
        draw = draw_lattice if panel.is_lattice else draw_phases
        picture = draw(ax, panel.state(0), panel.plane)
        clock = ax.set_title(panel.clock.format(panel.times[-1]), fontsize=_LABEL)
        outline = _draw_outline(ax, panel)
        lines = _draw_curves(bottom, panel)
        self._moving += [picture, *outline, clock, *lines]

        def update(part_done: float) -> None:
            row = round(part_done * (len(panel.times) - 1))
            x = panel.state(row)
            if panel.is_lattice:
                picture.set_data(colors(x, panel.plane))
            else:
                _move_phases(picture, x, panel.plane)
            clock.set_text(panel.clock.format(panel.times[row]))
            for line, values in zip(lines, panel.curves.values(), strict=False):
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
        """Return 256 colours that serve the beginning, the middle and the end."""
        stills = [self.frame(number) for number in _spread(self.count, 4)]
        mosaic = Image.new("RGB", (stills[0].width, stills[0].height * len(stills)))
        for place, still in enumerate(stills):
            mosaic.paste(still, (0, place * still.height))
        return mosaic.quantize(256)
