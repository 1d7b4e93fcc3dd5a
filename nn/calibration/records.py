"""What measures of calibration return, and back from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kuramoto._check import invalid

__all__ = ["Calibration", "Reliability", "pooled"]


@dataclass(frozen=True)
class Reliability:
    """What a reliability diagram draws: accuracy against confidence, bin by bin.

    Attributes
    ----------
    edges : array, shape (bins + 1,)
        Of the bins.
    counts : array of int64, shape (bins,)
        Predictions in each bin.
    confidence, accuracy : array, shape (bins,)
        Means over a bin; NaN where it is empty.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """Σ_b (n_b/n)·|accuracy_b − confidence_b|: the expected calibration error."""
        full = self.counts > 0
        gaps = np.abs(self.accuracy[full] - self.confidence[full])
        return float((self.counts[full] * gaps).sum() / self.counts.sum())

    @property
    def largest_error(self) -> float:
        """The largest |accuracy_b − confidence_b|: the maximum calibration error."""
        return float(np.nanmax(np.abs(self.accuracy - self.confidence)))


@dataclass(frozen=True)
class Calibration:
    """All of it at once; each is defined at the function that computes it.

    Attributes
    ----------
    images : int
    accuracy, confidence : float
        Means; confidence is the largest probability of an image.
    ece, adaptive, class_wise : float
        Calibration errors.
    nll : float
        In nats.
    brier : float
    reliability : Reliability
    """

    images: int
    accuracy: float
    confidence: float
    ece: float
    adaptive: float
    class_wise: float
    nll: float
    brier: float
    reliability: Reliability

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON: None for the means of empty bins."""
        plain = asdict(self)
        for name, values in plain["reliability"].items():
            plain["reliability"][name] = [None if v != v else v for v in values.tolist()]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Calibration:
        """Return what `as_dict` was made of.

        Examples
        --------
        >>> from kuramoto.nn.calibration import calibration
        >>> found = calibration([[1.0, 0.0], [0.5, 0.5]], [0, 1])
        >>> Calibration.from_dict(found.as_dict()).as_dict() == found.as_dict()
        True
        """
        rows = {name: np.array(v, dtype=float) for name, v in plain["reliability"].items()}
        rows["counts"] = rows["counts"].astype(np.int64)
        return cls(**{**plain, "reliability": Reliability(**rows)})


def pooled(parts: Sequence[Reliability]) -> Reliability:
    """Return the diagram of all predictions together.

    Parameters
    ----------
    parts : sequence of Reliability
        With the same bins.

    Raises
    ------
    ValueError
        If there are none, or their bins differ.

    Examples
    --------
    >>> from kuramoto.nn.calibration import reliability
    >>> parts = [reliability([[1.0, 0.0]], [label]) for label in (0, 1)]
    >>> pooled(parts).accuracy[-1]
    np.float64(0.5)
    """
    if not parts:
        raise invalid("parts", "hold a diagram at least", "is empty")
    edges = parts[0].edges
    if any(not np.array_equal(part.edges, edges) for part in parts):
        raise invalid("parts", "have the same bins", "they differ")
    counts = np.sum([part.counts for part in parts], axis=0)

    def mean(name: str) -> np.ndarray:
        sums = [np.where(part.counts > 0, part.counts * getattr(part, name), 0) for part in parts]
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sum(sums, axis=0) / counts)

    return Reliability(edges, counts, mean("confidence"), mean("accuracy"))
