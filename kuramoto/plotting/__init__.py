"""Figures and animations of runs. Needs the extra ``plot``: matplotlib, Pillow and NetworkX.

Everything is drawn with matplotlib's object-oriented interface: pyplot, its current figure and the
user's backend are left alone. Functions that take an ``ax`` draw on any axes, pyplot's too.
"""

from __future__ import annotations

try:
    import matplotlib.figure  # noqa: F401 - is it there?
    import PIL.Image  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'Plotting cannot import {error.name}; install it: pip install "kuramoto-spheres[plot]"'
    ) from None

from kuramoto.plotting.axes import (
    draw_curve,
    draw_defects,
    draw_lattice,
    draw_phases,
    space_time,
)
from kuramoto.plotting.files import animate_run, plot_run
from kuramoto.plotting.movie import write_animation
from kuramoto.plotting.networks import draw_network, network_positions
from kuramoto.plotting.palette import LINE_COLORS, colors, leading_plane
from kuramoto.plotting.panel import Panel
from kuramoto.plotting.panels import figure_panels, figure_run
from kuramoto.plotting.spheres import draw_sphere
from kuramoto.plotting.sweeps import figure_sweep
from kuramoto.plotting.transitions import draw_frequencies, draw_hysteresis, draw_transition

__all__ = [
    "LINE_COLORS",
    "Panel",
    "animate_run",
    "colors",
    "draw_curve",
    "draw_defects",
    "draw_frequencies",
    "draw_hysteresis",
    "draw_lattice",
    "draw_network",
    "draw_phases",
    "draw_sphere",
    "draw_transition",
    "figure_panels",
    "figure_run",
    "figure_sweep",
    "leading_plane",
    "network_positions",
    "plot_run",
    "space_time",
    "write_animation",
]
