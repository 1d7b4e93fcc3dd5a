"""What is shown of a run: its states, its curves, and what kind of picture fits it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kuramoto._backend import from_numpy, to_numpy
from kuramoto._check import invalid
from kuramoto.couplings import Dense, Lattice, Scaled, Sparse
from kuramoto.model import Kuramoto
from kuramoto.observables import order_parameter
from kuramoto.plotting.axes import MOST_ROWS, spread
from kuramoto.plotting.palette import leading_plane

_MOST_CURVES = 3
_MOST_NODES = 300  # of a network that is drawn as one


@dataclass
class Panel:
    """What a figure or an animation shows of one run.

    Attributes
    ----------
    times : array, shape (S,)
    states : sequence of array, shape (S, *sites, N)
        Read on demand, one at a time: an h5py dataset will do.
    curves : dict of array, shape (S,)
        Quantities to draw over time; the order parameter by default.
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
    limits : pair of float, optional
        Where the vertical axes of the curves begin and end.
    mark_rises : bool
        Whether curves change colour where they rise.
    plane : array, shape (2, N), optional
        As in `colors`; the leading plane of states from the whole run by default.
    model : Kuramoto, optional
        Whose states they are: it says which oscillators are neighbours.
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
    limits: tuple[float, float] | None = None
    mark_rises: bool = False
    plane: np.ndarray | None = None
    model: Kuramoto | None = None

    def __post_init__(self) -> None:
        """Choose the plane, and curves where there are none."""
        if not len(self.times) or not len(self.states):
            remedy = "save some: SaveAt(every=10)"
            raise invalid("run", "hold saved states", "it holds none", remedy)
        self.site_ndim = self.site_ndim or np.ndim(self.states[0]) - 1
        if self.plane is None:
            rows = spread(len(self.times), 12)
            self.plane = leading_plane(np.stack([self.state(row) for row in rows]))
        if not self.curves:
            self.curves = {"order parameter r": self._order()}

    @property
    def kind(self) -> str:
        """The picture that fits: lattice, sphere, network or space-time."""
        x, coupling = self.state(0), self.coupling
        if x.ndim == 3:
            return "lattice"
        if isinstance(coupling, Lattice) or len(x) < 2:
            return "space-time"
        if self._is_network(coupling):
            return "network"
        return "sphere" if x.shape[-1] == 3 else "space-time"

    @property
    def boundary(self) -> str | None:
        """Where vortices may be looked for: "periodic" or "open" grids of phases, else None."""
        coupling, x = self.coupling, self.state(0)
        if not isinstance(coupling, Lattice) or x.ndim != 3 or x.shape[-1] != 2:
            return None
        return "periodic" if coupling.boundary == "periodic" else "open"

    def state(self, row: int) -> np.ndarray:
        """Return a state as (M, N) or (height, width, N): of more axes, the middle slice."""
        x = self._member(row)
        while x.ndim > 3:
            x = x[len(x) // 2]
        return np.atleast_2d(x)

    def _member(self, row: int) -> np.ndarray:
        """Return a state, shape (*sites, N): of a batch, the first."""
        x = to_numpy(self.vectors(row))
        assert self.site_ndim is not None
        return np.asarray(x[(0,) * (x.ndim - 1 - self.site_ndim)])

    def vectors(self, row: int) -> Any:
        """Return the unit vectors in a saved state, whatever else it holds."""
        states = self.states[row]
        return states if self.model is None else self.model.vectors(states)

    @property
    def coupling(self) -> Any:
        """The model's coupling without its factors; None where no model is known."""
        coupling = None if self.model is None else self.model.coupling
        while isinstance(coupling, Scaled):
            coupling = coupling.coupling
        return coupling

    def _is_network(self, coupling: Any) -> bool:
        plain = isinstance(coupling, Dense | Sparse) and coupling.block_size is None
        return plain and 3 <= len(self.state(0)) <= _MOST_NODES

    def _order(self) -> np.ndarray:
        """Return r of all oscillators, found at no more rows than can be told apart."""
        return over_rows(len(self.times), lambda row: _order_of(self._member(row)))


def over_rows(count: int, value: Callable[[int], float]) -> np.ndarray:
    """Evaluate a quantity at no more rows than can be told apart; between them, a straight line."""
    rows = spread(count, MOST_ROWS)
    return np.interp(np.arange(count), rows, [value(row) for row in rows])


def _order_of(x: np.ndarray) -> float:
    return float(order_parameter(x, x.ndim - 1))


def caption_of(panels: Sequence[Panel], *, moving: bool = False) -> str:
    """Say what colours and marks mean, and what is not shown; animations have no marks."""
    words = set()
    for panel in panels:
        words |= {_key(panel)} if moving else {_key(panel), *_marks(panel)}
        extra = np.ndim(panel.vectors(0)) - 1 - (panel.site_ndim or 0)
        words |= {"first member of the batch"} if extra else set()
        words |= {"middle slice"} if (panel.site_ndim or 0) > 2 else set()
    return "; ".join(sorted(words))


def _key(panel: Panel) -> str:
    phase = panel.state(0).shape[-1] <= 2
    return "colour: phase" if phase else "colour: direction in the leading plane, dark: out of it"


def _marks(panel: Panel) -> set[str]:
    arrow = {"arrow: mean, pale: far side"} if panel.kind == "sphere" else set()
    return arrow | ({"circles: vortices, filled +1, open −1"} if panel.boundary else set())


def panel_of(run: Any, title: str = "", site_ndim: int | None = None) -> Panel:
    """Choose what to show of a run."""
    model = None
    if hasattr(run, "model"):
        # A file that could not hold its model, or whose library or device is not here.
        with contextlib.suppress(Exception):
            model = run.model()
    if site_ndim is None and model is not None:
        site_ndim = model.coupling.site_ndim
    # Of a batch, the first member, as in the pictures; vectors are no curves.
    batch = np.ndim(run.states[0]) - 1 - site_ndim if len(run.times) and site_ndim else 0
    observed = {name: to_numpy(values) for name, values in run.observed.items()}
    scalars = {name: values for name, values in observed.items() if values.ndim == 1 + batch}
    curves = {name: values.reshape(len(values), -1)[:, 0] for name, values in scalars.items()}
    chosen = dict(list(curves.items())[:_MOST_CURVES])
    panel = Panel(np.asarray(run.times), run.states, chosen, title, site_ndim, model=model)
    if not chosen and model is not None and not model.state_dependent:
        panel.curves = {**panel.curves, "energy": _energies(run, model)}
    return panel


def _energies(run: Any, model: Kuramoto) -> np.ndarray:
    like, times = run.position().x, run.times

    def value(row: int) -> float:
        x = from_numpy(run.states[row], like)
        return float(to_numpy(model.energy(x, float(times[row]))).ravel()[0])

    return over_rows(len(times), value)
