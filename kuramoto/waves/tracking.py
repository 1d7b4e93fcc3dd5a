"""Vortices over time: paths, and the pairs in which they are born and annihilate."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.waves.defects import Defects, defect_sequence
from kuramoto.waves.grid import require_boundary

__all__ = ["DefectEvent", "DefectTracks", "track_defects"]


class DefectEvent(NamedTuple):
    """A pair of opposite charges that appears or vanishes, or one charge that crosses an edge.

    Attributes
    ----------
    frame : int
        The first frame after it.
    tracks : tuple of int
        (positive, negative); a single one where a charge came or went over an open edge.
    positions : numpy array, shape (2, 2) or (1, 2)
        Where they were first, or last, seen.
    distance : float
        Between the two; 0 for a single one.
    """

    frame: int
    tracks: tuple[int, ...]
    positions: np.ndarray
    distance: float


class DefectTracks(NamedTuple):
    """Vortices linked over a sequence of states.

    Attributes
    ----------
    frames : list of Defects
        What was found in every frame.
    labels : list of numpy arrays of int
        For every frame, the track that each of its vortices belongs to.
    charges : numpy array of int, shape (tracks,)
    births, annihilations : list of DefectEvent
    jumps : int
        Links longer than the maximal step, made because charge leaves no other way.
    """

    frames: list[Defects]
    labels: list[np.ndarray]
    charges: np.ndarray
    births: list[DefectEvent]
    annihilations: list[DefectEvent]
    jumps: int

    def path(self, track: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a track's frames, shape (n,), and its positions there, shape (n, 2)."""
        rows = [np.flatnonzero(labels == track) for labels in self.labels]
        seen = np.array([frame for frame, row in enumerate(rows) if len(row)], dtype=np.int64)
        found = [self.frames[frame].positions[rows[frame]] for frame in seen]
        return seen, np.concatenate(found) if found else np.zeros((0, 2))


def track_defects(
    states: Array | list[Defects],
    boundary: str = "periodic",
    *,
    shape: tuple[int, int] | None = None,
    max_step: float = 3.0,
    plane: Array | None = None,
) -> DefectTracks:
    """Link the vortices of successive states, and name the pairs that appear and vanish.

    From frame to frame charges of one sign are linked so that as many as can go on, within
    `max_step`, and of all such ways the one with the shortest total distance. What is left over
    vanishes, or appears, in pairs of opposite charge, the nearest together. On a torus every frame
    has total charge zero, so that what no pair can explain comes in twos of one sign, one gone and
    one new: these are linked beyond `max_step` (and counted as jumps). The books then balance in
    every frame: the count changes by 2 (births − annihilations). With open edges a charge may also
    come and go alone.

    Parameters
    ----------
    states : array, shape (S, rows, columns, N), or list of Defects
    boundary : {"periodic", "open"}
    shape : tuple of int, optional
        (rows, columns) of the torus: needed with a list of Defects.
    max_step : float, default 3.0
        How far a vortex may move between frames, in sites.
    plane : array, shape (2, N), optional
        For N > 2: phases in this plane; by default the leading one of all states together.

    Returns
    -------
    DefectTracks

    Raises
    ------
    ValueError
        If the shape does not fit or is needed and missing, or charges on a torus do not cancel.

    Examples
    --------
    >>> import numpy as np
    >>> pair = Defects(np.array([[2.5, 2.5], [2.5, 4.5]]), np.array([1, -1]))
    >>> none = Defects(np.zeros((0, 2)), np.zeros(0, dtype=int))
    >>> tracks = track_defects([pair, pair, none], shape=(8, 8))
    >>> tracks.annihilations[0].tracks, tracks.annihilations[0].distance
    ((0, 1), 2.0)
    """
    boundary = require_boundary(boundary)
    max_step = real_number("max_step", max_step, positive=True)
    frames, found = defect_sequence(states, boundary, plane)
    box = _box(found or shape, frames) if boundary == "periodic" else None
    book = _Book(frames, box, max_step)
    for frame in range(1, len(frames)):
        book.advance(frame)
    return book.closed()


def _box(shape: Any, frames: list[Defects]) -> np.ndarray:
    """Return the size of the torus, which must hold all vortices."""
    must = "be (rows, columns) for a list of Defects"
    if not isinstance(shape, tuple | list) or len(shape) != 2:
        raise invalid("shape", must, f"{shape!r}", "distances around the torus need its size")
    box = np.array([whole_number("shape", size, least=2) for size in shape], dtype=np.float64)
    if any((one.positions > box).any() for one in frames):
        raise invalid("shape", "be (rows, columns) of a torus around all positions", f"{shape!r}")
    return box


class _Book:
    """Tracks in the making: one page per frame."""

    def __init__(self, frames: list[Defects], box: np.ndarray | None, max_step: float) -> None:
        for frame, one in enumerate(frames):
            if box is not None and one.charges.sum():
                found = f"is {one.charges.sum()} in frame {frame}"
                remedy = 'with edges pass boundary="open"'
                raise invalid("states", "have total charge 0 on a torus", found, remedy)
        self.frames, self.box, self.max_step = frames, box, max_step
        first = len(frames[0].charges) if frames else 0
        self.labels = [np.arange(first)] if frames else []
        self.charges = list(frames[0].charges) if frames else []
        self.births: list[DefectEvent] = []
        self.annihilations: list[DefectEvent] = []
        self.jumps = 0

    def advance(self, frame: int) -> None:
        """Write the page of one frame."""
        old, new = self.frames[frame - 1], self.frames[frame]
        labels = np.full(len(new.charges), -1)
        gone, fresh = {}, {}
        for sign in (1, -1):
            before = np.flatnonzero(np.sign(old.charges) == sign)
            now = np.flatnonzero(np.sign(new.charges) == sign)
            i, j = linked(old.positions[before], new.positions[now], self.box, self.max_step)
            labels[now[j]] = self.labels[-1][before[i]]
            gone[sign], fresh[sign] = np.delete(before, i), np.delete(now, j)
        died, born = _pairs(old, gone, self.box), _pairs(new, fresh, self.box)
        self._jump(frame, labels, gone, fresh, died, born)
        self._open_tracks(new, labels)
        self._record(self.annihilations, frame, old, self.labels[-1], gone, died)
        self._record(self.births, frame, new, labels, fresh, born)
        self.labels.append(labels)

    def _jump(
        self, frame: int, labels: np.ndarray, gone: Any, fresh: Any, died: Any, born: Any
    ) -> None:
        """Link what no pair explains: on a torus as many of a sign are gone as are new."""
        if self.box is None:
            return
        old, new = self.frames[frame - 1], self.frames[frame]
        for side, sign in enumerate((1, -1)):
            lost = np.setdiff1d(gone[sign], gone[sign][died[side]])
            found = np.setdiff1d(fresh[sign], fresh[sign][born[side]])
            i, j = linked(old.positions[lost], new.positions[found], self.box, np.inf)
            labels[found[j]] = self.labels[-1][lost[i]]
            self.jumps += len(i)

    def _open_tracks(self, new: Defects, labels: np.ndarray) -> None:
        fresh = np.flatnonzero(labels < 0)
        labels[fresh] = len(self.charges) + np.arange(len(fresh))
        self.charges.extend(new.charges[fresh])

    def _record(
        self,
        events: list[DefectEvent],
        frame: int,
        where: Defects,
        labels: np.ndarray,
        left: dict[int, np.ndarray],
        pairs: tuple[np.ndarray, np.ndarray],
    ) -> None:
        plus, minus = left[1][pairs[0]], left[-1][pairs[1]]
        for one, two in zip(plus, minus, strict=True):
            ends = where.positions[[one, two]]
            apart = float(distances(ends[:1], ends[1:], self.box)[0, 0])
            events.append(DefectEvent(frame, (int(labels[one]), int(labels[two])), ends, apart))
        if self.box is not None:
            return
        alone = [*np.setdiff1d(left[1], plus), *np.setdiff1d(left[-1], minus)]
        for one in alone:
            events.append(DefectEvent(frame, (int(labels[one]),), where.positions[[one]], 0.0))

    def closed(self) -> DefectTracks:
        """Return the finished tracks."""
        charges = np.array(self.charges, dtype=np.int64)
        return DefectTracks(
            self.frames, self.labels, charges, self.births, self.annihilations, self.jumps
        )


def _pairs(
    where: Defects, left: dict[int, np.ndarray], box: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the positive and of the negative ones left over belong together."""
    plus, minus = where.positions[left[1]], where.positions[left[-1]]
    return linked(plus, minus, box, np.inf)


def distances(a: np.ndarray, b: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """Return all distances from a to b, shape (A, B); around the torus where there is one."""
    apart = a[:, None] - b[None, :]
    if box is not None:
        apart = apart - box * np.round(apart / box)
    return np.asarray(np.sqrt((apart**2).sum(axis=-1)))


def linked(
    a: np.ndarray, b: np.ndarray, box: np.ndarray | None, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices (i, j): as many links a[i]–b[j] within reach as can be, the shortest in sum.

    Points that no chain of possible links connects are decided apart, so that thousands of
    vortices cost thousands of small problems, not one large one.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = [], []
    for one, two in _islands(a, b, box, reach):
        apart = distances(a[one], b[two], box)
        # A link too far costs more than all others together: it is taken only where nothing else
        # is left, and then thrown away.
        far = 1.0 + apart[apart <= reach].sum()
        i, j = linear_sum_assignment(np.where(apart <= reach, apart, far))
        keep = apart[i, j] <= reach
        rows.append(one[i[keep]])
        columns.append(two[j[keep]])
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *rows]), np.concatenate([none, *columns])


def _islands(
    a: np.ndarray, b: np.ndarray, box: np.ndarray | None, reach: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the groups of a and b that links within reach connect."""
    if not len(a) or not len(b):
        return []
    if not np.isfinite(reach):
        return [(np.arange(len(a)), np.arange(len(b)))]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    near = cKDTree(a, boxsize=box).query_ball_tree(cKDTree(b, boxsize=box), reach)
    i = np.repeat(np.arange(len(a)), [len(one) for one in near])
    j = np.array([k for one in near for k in one], dtype=np.int64)
    size = len(a) + len(b)
    graph = coo_array((np.ones(len(i)), (i, len(a) + j)), shape=(size, size))
    group = connected_components(graph, directed=False)[1]
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    pairs = [(one[one < len(a)], one[one >= len(a)] - len(a)) for one in parts]
    return [(one, two) for one, two in pairs if len(one) and len(two)]
