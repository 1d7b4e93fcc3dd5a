"""Animations of oscillators that bind the objects of an image, beside their energy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kuramoto._backend import to_numpy
from kuramoto._check import whole_number
from kuramoto.nn import layout
from kuramoto.nn.clustering import agglomerate, enlarge
from kuramoto.nn.metrics import Contingency
from kuramoto.nn.overlays import (
    boundaries,
    component_colors,
    draw_components,
    draw_image,
    draw_labels,
    matched,
    painted,
)
from kuramoto.nn.pictures.movie import Movie, growing, write
from kuramoto.plotting.axes import LABEL, TICK
from kuramoto.plotting.palette import LINE_COLORS

__all__ = ["Binding", "watch", "write_binding"]

_SCORES = ("FG-ARI", "MBO")


@dataclass(frozen=True)
class Binding:
    """One image on its way: states, clusters and energies after 0, 1, ... T steps.

    Of a network with several blocks it is the last one; the others have taken T steps before.

    Attributes
    ----------
    image : array of uint8, shape (H, W, C)
        As the network sees it.
    states : array of float32, shape (T + 1, C*N, h, w)
        Oscillators.
    clusters : array of int64, shape (T + 1, h, w)
        Of the readout of each state.
    energies : array of float32, shape (T + 1,)
        Eq. 3.
    truth : array of integers, shape (H, W), optional
        The image's objects.
    """

    image: np.ndarray
    states: np.ndarray
    clusters: np.ndarray
    energies: np.ndarray
    truth: np.ndarray | None = None

    @property
    def colors(self) -> np.ndarray:
        """The main components of all states together, red, green, blue: (T + 1, h, w, 3)."""
        moments, channels, h, w = self.states.shape
        tall = self.states.swapaxes(0, 1).reshape(1, channels, moments * h, w)
        return np.asarray(component_colors(tall).reshape(moments, h, w, 3))

    @property
    def labels(self) -> np.ndarray:
        """Clusters at the image's size, numbered after its objects or those of the last step."""
        whole = enlarge(self.clusters, (self.image.shape[0], self.image.shape[1]))
        last = whole[-1] + 1 if self.truth is None else matched(whole[-1], self.truth)
        return np.stack([*(matched(moment, last) for moment in whole[:-1]), last])

    @property
    def scores(self) -> np.ndarray | None:
        """FG-ARI and MBO after each step, (2, T + 1); None where no objects are known."""
        if self.truth is None or not (self.truth > 0).any():
            return None
        whole = enlarge(self.clusters, (self.image.shape[0], self.image.shape[1]))
        counted = [Contingency.of(self.truth, moment) for moment in whole]
        pairs = [(one.foreground_ari(), one.mean_best_overlap()) for one in counted]
        return np.array(pairs, dtype=np.float64).T

    @property
    def words(self) -> str:
        """How it ends."""
        first, last = (
            f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
            for value in self.energies[[0, -1]]
        )
        words = f"energy {first} to {last} in {len(self.energies) - 1} steps"
        scores = self.scores
        if scores is None:
            return words
        said = zip(_SCORES, 100 * scores[:, -1], strict=True)
        return ", ".join([words, *(f"{name} {value:.0f} %" for name, value in said)])


@torch.no_grad()
def watch(
    model: Any,
    image: np.ndarray,
    clusters: int,
    *,
    steps: int | None = None,
    seed: int | None = None,
    truth: np.ndarray | None = None,
) -> Binding:
    """Watch a network bind an image.

    Memory: 4·C·N·h·w bytes a step.

    Parameters
    ----------
    model
        An `ObjectNet` in evaluation mode.
    image : array of uint8, shape (H, W, C)
        Sides are multiples of the patch size.
    clusters
        Of each state.
    steps
        Kuramoto steps T of every block; default: four times as many as in training.
    seed
        Of the initial state; default: the configuration's, as in evaluation.
    truth : array of integers, shape (H, W), optional
        The image's objects, if they are known.

    Raises
    ------
    ValueError
        If the model has no energy, or there are fewer places than clusters.
    """
    if not hasattr(model, "blocks") or not hasattr(model, "run"):
        raise ValueError(f"Model {type(model).__name__} has no energy to watch.")
    trained = getattr(model.config, "steps_of_blocks", (1,))[-1]
    steps = whole_number("steps", 4 * trained if steps is None else steps, least=1)
    device = next(model.parameters()).device
    pixels = layout.pixels(torch.from_numpy(np.array(image)[None]).to(device))
    generator = None if seed is None else torch.Generator(device).manual_seed(seed)
    c, x = model.start(pixels, generator)
    for block in model.blocks[:-1]:
        x, c = block(x, c, steps)
    last = model.blocks[-1]
    moment = last.layer.begin(*last.enter(x, c))
    states, features, energies = [], [], []
    for step in range(steps + 1):
        moment = moment.advance(1) if step else moment
        states.append(to_numpy(moment.features)[0])
        features.append(to_numpy(last.readout(moment.features))[0])
        energies.append(float(moment.energy))
    found = agglomerate(np.stack(features), clusters)
    return Binding(np.asarray(image), np.stack(states), found, np.array(energies), truth)


def write_binding(
    binding: Binding,
    out: str | Path,
    *,
    title: str = "",
    every: int = 1,
    seconds_per_frame: float = 0.15,
    progress: bool = False,
) -> None:
    """Write a GIF or, where ffmpeg is at hand, an MP4 of an image being bound.

    Parameters
    ----------
    binding : Binding
    out : path
        Its ending says which; written as it is: whoever calls sees to the name.
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
    write(
        lambda: _Binding(binding, title),
        out,
        every=every,
        seconds_per_frame=seconds_per_frame,
        progress=progress,
    )


class _Binding(Movie):
    """An image, its oscillators and clusters, the energy and the scores."""

    def __init__(self, binding: Binding, title: str) -> None:
        self.binding = binding
        self._colors, self._labels = binding.colors, binding.labels
        self.length = len(binding.energies)
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
        self.figure = Figure(figsize=(8.4, 4.9), dpi=100, layout=layout)
        if title:
            self.figure.suptitle(title, fontsize=12)
        parts: Any = self.figure.subfigures(2, 1, height_ratios=[1.15, 1])
        self._draw_pictures(parts[0])
        curves = self._draw_curves(parts[1])
        moving = [self.oscillators, self.clusters, *self.borders, self.clock]
        self.begin(self.lay_out(), moving, curves)

    def _draw_pictures(self, part: Any) -> None:
        binding = self.binding
        known = binding.truth is not None
        axes = iter(part.subplots(1, 3 + known))
        image = next(axes)
        draw_image(image, binding.image)
        image.set_title("image", fontsize=LABEL)
        if binding.truth is not None:
            ax = next(axes)
            draw_labels(ax, binding.image, binding.truth)
            ax.set_title("objects", fontsize=LABEL)
        left, right = axes
        draw_components(left, self._colors[-1])
        self.clock = left.set_title(self._time(self.length - 1), fontsize=LABEL)
        draw_labels(right, binding.image, self._labels[-1])
        right.set_title("clusters", fontsize=LABEL)
        (self.oscillators,), (self.clusters,) = left.images, right.images
        self.borders = [one for one in right.collections if isinstance(one, LineCollection)]

    def _draw_curves(self, part: Any) -> list[Any]:
        scores = self.binding.scores
        axes: Any = part.subplots(1, 1 if scores is None else 2, squeeze=False)[0]
        axes[0].set_ylabel("energy", fontsize=LABEL)
        found = [growing(axes[0], self.binding.energies, LINE_COLORS[2])]
        if scores is not None:
            for name, values, color in zip(_SCORES, 100 * scores, LINE_COLORS[:2], strict=True):
                found.append(growing(axes[1], values, color))
                axes[1].plot([], [], color=color, linewidth=2, label=name)
            axes[1].set_ylim(-4, 104)
            axes[1].set_ylabel("%", fontsize=LABEL)
            axes[1].legend(fontsize=TICK, frameon=False, loc="lower right", ncols=2)
        for ax in axes:
            ax.set_xlabel("Kuramoto step", fontsize=LABEL)
        return found

    def show(self, row: int) -> None:
        """Put the state after some steps into the pictures."""
        self.oscillators.set_data(self._colors[row])
        self.clusters.set_data(painted(self.binding.image, self._labels[row]))
        lines = list(boundaries(self._labels[row]))
        for border in self.borders:
            border.set_segments(lines)
        self.clock.set_text(self._time(row))

    def _time(self, row: int) -> str:
        last = self.length - 1
        return f"oscillators, step {row:>{len(str(last))}} of {last}"
