"""Calibration errors, likelihood, Brier score, of predictions and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, to_numpy
from kuramoto._check import invalid, message, whole_number
from kuramoto.nn.calibration.records import Calibration, Reliability

__all__ = [
    "BINS",
    "adaptive_calibration_error",
    "brier_score",
    "calibration",
    "class_wise_calibration_error",
    "expected_calibration_error",
    "negative_log_likelihood",
    "probabilities_of",
    "reliability",
]

BINS = 15
"""Bins of the calibration errors, as the literature has them."""

_SUM_TOLERANCE = 1e-2  # probabilities of half precision, a thousand classes


def calibration(
    predictions: Array, labels: Array, *, bins: int = BINS, logits: bool = False
) -> Calibration:
    """Compute accuracy and every measure of calibration.

    Parameters
    ----------
    predictions : array, shape (n, K)
        Probabilities, or logits.
    labels : array of integers, shape (n,)
    bins : int
        Of the calibration errors.
    logits : bool
        Whether `predictions` are logits.

    Raises
    ------
    ValueError, TypeError
        If predictions are no probabilities (or logits), or labels are none of the K classes.

    Examples
    --------
    >>> found = calibration([[0.75, 0.25], [0.25, 0.75]], [0, 0])
    >>> found.accuracy, found.ece, found.brier
    (0.5, 0.25, 0.625)
    """
    p, y = _checked(predictions, labels, logits)
    diagram = reliability(p, y, bins=bins)
    return Calibration(
        images=len(y),
        accuracy=float((p.argmax(axis=1) == y).mean()),
        confidence=float(p.max(axis=1).mean()),
        ece=diagram.error,
        adaptive=adaptive_calibration_error(p, y, bins=bins),
        class_wise=class_wise_calibration_error(p, y, bins=bins),
        nll=negative_log_likelihood(predictions, labels, logits=logits),
        brier=brier_score(p, y),
        reliability=diagram,
    )


def reliability(
    predictions: Array, labels: Array, *, bins: int = BINS, logits: bool = False
) -> Reliability:
    """Sort predictions into bins of equal width by confidence, the largest probability.

    A bin holds its upper edge and not its lower one; the first also holds 0.

    Parameters
    ----------
    predictions, labels, bins, logits
        As for `calibration`.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, eq. 2.

    Examples
    --------
    >>> reliability([[1.0, 0.0], [0.5, 0.5]], [0, 1], bins=2).counts
    array([1, 1])
    """
    p, y = _checked(predictions, labels, logits)
    right = (p.argmax(axis=1) == y).astype(np.float64)
    return _binned(p.max(axis=1), right, whole_number("bins", bins, least=1))


def expected_calibration_error(
    predictions: Array, labels: Array, *, bins: int = BINS, logits: bool = False
) -> float:
    """Return the expected calibration error of bins of equal width, in 0 ... 1.

    ECE = Σ_b (n_b/n)·|accuracy_b − confidence_b|, with the bins of `reliability`. Other programs
    may put a confidence that lies on an edge into the bin above it.

    Parameters
    ----------
    predictions, labels, bins, logits
        As for `calibration`.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, eq. 3.

    Examples
    --------
    >>> expected_calibration_error([[1.0, 0.0], [1.0, 0.0]], [0, 1])
    0.5
    """
    return reliability(predictions, labels, bins=bins, logits=logits).error


def adaptive_calibration_error(
    predictions: Array, labels: Array, *, bins: int = BINS, logits: bool = False
) -> float:
    """Return the expected calibration error of bins with equally many predictions, in 0 ... 1.

    Predictions are sorted by confidence and cut into bins whose sizes differ by 1 at most. The
    order of equal confidences is nothing: each counts with the mean accuracy of them all.

    Parameters
    ----------
    predictions, labels, bins, logits
        As for `calibration`.

    References
    ----------
    Nguyen & O'Connor (2015), Posterior calibration and exploratory analysis for natural language
    processing models, 3. Nixon et al. (2019), Measuring calibration in deep learning, 4.

    Examples
    --------
    >>> predictions = [[0.5, 0.5], [0.75, 0.25], [0.25, 0.75], [1.0, 0.0]]
    >>> adaptive_calibration_error(predictions, [0, 0, 0, 0], bins=2)
    0.125
    """
    p, y = _checked(predictions, labels, logits)
    right = (p.argmax(axis=1) == y).astype(np.float64)
    confidence, group = np.unique(p.max(axis=1), return_inverse=True)
    right = np.bincount(group, weights=right) / np.bincount(group)
    order, parts = np.sort(group), min(whole_number("bins", bins, least=1), len(y))
    gaps = np.array_split((right - confidence)[order], parts)
    return float(sum(abs(gap.sum()) for gap in gaps) / len(y))


def class_wise_calibration_error(
    predictions: Array, labels: Array, *, bins: int = BINS, logits: bool = False
) -> float:
    """Return the mean over classes of the calibration error of each class's probability.

    (1/K)·Σ_k Σ_b (n_bk/n)·|frequency of class k in b − mean p_k in b|, in bins of equal width in
    p_k: every probability counts, not only the largest.

    Parameters
    ----------
    predictions, labels, bins, logits
        As for `calibration`.

    References
    ----------
    Kull et al. (2019), Beyond temperature scaling, eq. 2; static calibration error in Nixon et al.
    (2019), Measuring calibration in deep learning.

    Examples
    --------
    >>> class_wise_calibration_error([[1.0, 0.0], [1.0, 0.0]], [0, 1])
    0.5
    """
    p, y = _checked(predictions, labels, logits)
    bins = whole_number("bins", bins, least=1)
    errors = [_binned(p[:, k], (y == k).astype(np.float64), bins).error for k in range(p.shape[1])]
    return float(np.mean(errors))


def negative_log_likelihood(predictions: Array, labels: Array, *, logits: bool = False) -> float:
    """Return the mean of −log p(label), in nats: infinite if a label has probability 0.

    From logits it is finite, whatever they are.

    Parameters
    ----------
    predictions, labels, logits
        As for `calibration`.

    Examples
    --------
    >>> negative_log_likelihood([[0.0, 0.0]], [1], logits=True) == float(np.log(2))
    True
    """
    p, y = _checked(predictions, labels, logits)
    if logits:
        return float(-np.take_along_axis(_log_softmax(_floats(predictions)), y[:, None], 1).mean())
    with np.errstate(divide="ignore"):
        return float(-np.log(np.take_along_axis(p, y[:, None], 1)).mean())


def brier_score(predictions: Array, labels: Array, *, logits: bool = False) -> float:
    """Return the mean of Σ_k (p_k − [k = label])², in 0 ... 2.

    Parameters
    ----------
    predictions, labels, logits
        As for `calibration`.

    References
    ----------
    Brier (1950), Verification of forecasts expressed in terms of probability, eq. 2.

    Examples
    --------
    >>> brier_score([[1.0, 0.0], [0.5, 0.5]], [1, 1])
    1.25
    """
    p, y = _checked(predictions, labels, logits)
    return float(((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1).mean())


def probabilities_of(logits: Array) -> np.ndarray:
    """Return the softmax of logits (n, K), in float64.

    Examples
    --------
    >>> probabilities_of([[1000.0, 1000.0]])
    array([[0.5, 0.5]])
    """
    return np.asarray(np.exp(_log_softmax(_floats(logits))))


def _binned(confidence: np.ndarray, right: np.ndarray, bins: int) -> Reliability:
    edges = np.linspace(0, 1, bins + 1)
    # Sums of probabilities overshoot 1 by rounding.
    where = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(where, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = (np.bincount(where, v, minlength=bins) / counts for v in (confidence, right))
        return Reliability(edges, counts, *means)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _floats(predictions: Array) -> np.ndarray:
    values = np.asarray(to_numpy(predictions) if hasattr(predictions, "shape") else predictions)
    values = values.astype(np.float64)
    if values.ndim != 2 or not values.size:
        raise invalid("predictions", "have shape (n, K), n and K above 0", f"has {values.shape}")
    if not np.isfinite(values).all():
        bad = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise invalid("predictions", "be finite", f"holds {values[bad]} in row {bad}")
    return values


def _checked(
    predictions: Array, labels: Array, logits: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return probabilities (n, K) and labels (n,)."""
    values = _floats(predictions)
    y = np.asarray(to_numpy(labels) if hasattr(labels, "shape") else labels)
    if y.dtype.kind not in "iu":
        raise TypeError(message("labels", "hold integers", f"has dtype {y.dtype}"))
    n, K = values.shape
    if y.shape != (n,):
        raise invalid("labels", f"have shape ({n},), one for each prediction", f"has {y.shape}")
    if y.min() < 0 or y.max() >= K:
        wrong = int(y[(y < 0) | (y >= K)][0])
        raise invalid("labels", f"be classes 0 ... {K - 1}", f"holds {wrong}")
    return (np.exp(_log_softmax(values)) if logits else _require_probabilities(values)), y


def _require_probabilities(values: np.ndarray) -> np.ndarray:
    remedy = "pass logits=True if these are logits"
    if values.min() < 0 or values.max() > 1 + _SUM_TOLERANCE:
        far = values.min() if values.min() < 0 else values.max()
        raise invalid("predictions", "be probabilities in 0 ... 1", f"holds {far:g}", remedy)
    sums = values.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > _SUM_TOLERANCE:
        found = f"is {sums[worst]:g} in row {worst}"
        raise invalid("predictions", "sum to 1 in each row", found, remedy)
    return values
