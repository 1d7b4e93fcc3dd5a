"""Calibration: hand-computed values, plain loops, torchmetrics, edges of bins, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuramoto.nn import calibration as cal

ERRORS = [
    cal.expected_calibration_error,
    cal.adaptive_calibration_error,
    cal.class_wise_calibration_error,
]


def predictions(seed, n=40, classes=4, sharpness=2.0):
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n, classes))
    return logits, rng.integers(0, classes, n)


def softmax_by_hand(row):
    powers = [math.exp(value) for value in row]
    return [power / sum(powers) for power in powers]


def binned_error(confidences, hits, bins):
    """Return Σ (n_b/n)|acc − conf| by sorting each into ((b − 1)/bins, b/bins]."""
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        inside = [
            i for i, c in enumerate(confidences) if (low < c <= high) or (b == 0 and c == 0.0)
        ]
        if inside:
            total += abs(sum(hits[i] for i in inside) - sum(confidences[i] for i in inside))
    return total / len(confidences)


def by_loops(logits, labels, bins):
    p = [softmax_by_hand(row) for row in logits]
    n, classes = len(p), len(p[0])
    top = [max(row) for row in p]
    hits = [float(row.index(max(row)) == y) for row, y in zip(p, labels, strict=True)]
    order = sorted(range(n), key=lambda i: top[i])
    adaptive, first = 0.0, 0
    for b in range(bins):
        size = n // bins + (b < n % bins)
        part = order[first : first + size]
        adaptive += abs(sum(hits[i] - top[i] for i in part)) / n
        first += size
    return {
        "ece": binned_error(top, hits, bins),
        "adaptive": adaptive,
        "class_wise": sum(
            binned_error([row[k] for row in p], [float(y == k) for y in labels], bins)
            for k in range(classes)
        )
        / classes,
        "nll": sum(-math.log(row[y]) for row, y in zip(p, labels, strict=True)) / n,
        "brier": sum(
            sum((row[k] - (k == y)) ** 2 for k in range(classes))
            for row, y in zip(p, labels, strict=True)
        )
        / n,
        "accuracy": sum(hits) / n,
    }


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(2, 6), st.integers(1, 50))
def test_plain_loops_agree(seed, bins, classes, n):
    logits, labels = predictions(seed, n, classes)
    found = cal.calibration(logits, labels, bins=bins, logits=True)
    for name, value in by_loops(logits.tolist(), labels.tolist(), bins).items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_torchmetrics_agree(bins):
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    logits, labels = predictions(1, 500, 10)
    # It computes in float32.
    p, y = torch.as_tensor(cal.probabilities_of(logits)), torch.as_tensor(labels)
    theirs = classification.multiclass_calibration_error(p, y, 10, n_bins=bins, norm="l1")
    assert cal.expected_calibration_error(p, y, bins=bins) == pytest.approx(float(theirs), abs=1e-6)
    most = classification.multiclass_calibration_error(p, y, 10, n_bins=bins, norm="max")
    assert cal.reliability(p, y, bins=bins).largest_error == pytest.approx(float(most), abs=1e-6)
    entropy = torch.nn.functional.cross_entropy(torch.as_tensor(logits), y)
    found = cal.negative_log_likelihood(logits, labels, logits=True)
    assert found == pytest.approx(float(entropy), abs=1e-12)


def test_by_hand():
    p = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.35, 0.65]]
    labels = [0, 1, 1, 0]
    found = cal.calibration(p, labels, bins=2)
    # All four lie in (0.5, 1]: accuracy 1/2, confidence 3.05/4.
    assert found.ece == pytest.approx(abs(0.5 - 3.05 / 4))
    # By confidence 0.65 (wrong), 0.7 (right) | 0.8 (wrong), 0.9 (right).
    assert found.adaptive == pytest.approx((0.35 + 0.7) / 4)
    # Class 0: 0.3, 0.35 with one of two, 0.9, 0.8 with one of two; class 1 mirrors it.
    assert found.class_wise == pytest.approx((abs(1 - 0.65) + abs(1 - 1.7)) / 4)
    assert found.nll == pytest.approx(-(math.log(0.9 * 0.2 * 0.7 * 0.35)) / 4)
    assert found.brier == pytest.approx(2 * (0.01 + 0.64 + 0.09 + 0.4225) / 4)
    assert (found.accuracy, found.images) == (0.5, 4)
    assert found.reliability.counts.tolist() == [0, 4]


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_a_confidence_on_an_edge_is_in_the_bin_below(bins):
    for b in range(1, bins + 1):
        edge = float(np.linspace(0, 1, bins + 1)[b])
        if edge <= 0.5:
            continue
        diagram = cal.reliability([[edge, 1 - edge]], [0], bins=bins)
        assert diagram.counts.argmax() == b - 1
        above = np.nextafter(edge, 2)
        if b < bins:
            assert cal.reliability([[above, 1 - above]], [0], bins=bins).counts.argmax() == b


@pytest.mark.parametrize("error", ERRORS)
def test_perfect_and_all_wrong(error):
    sure = np.eye(3)[[0, 1, 2, 0]]
    assert error(sure, [0, 1, 2, 0]) == 0
    # Class-wise, a wrong image counts in two of the three classes.
    wrong = [1, 2, 0, 1]
    assert error(sure, wrong) == pytest.approx(
        2 / 3 if error is cal.class_wise_calibration_error else 1
    )
    assert cal.brier_score(sure, wrong) == 2
    assert cal.negative_log_likelihood(sure, wrong) == math.inf


@pytest.mark.parametrize("error", ERRORS)
def test_one_class_and_one_image(error):
    assert error(np.ones((5, 1)), np.zeros(5, int)) == 0
    assert error([[0.5, 0.5]], [0]) == pytest.approx(0.5)


def test_chance_is_calibrated():
    p = np.full((1000, 10), 0.1)
    labels = np.arange(1000) % 10
    for error in ERRORS:
        assert error(p, labels) == pytest.approx(0, abs=1e-12)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_order_is_nothing(seed):
    rng = np.random.default_rng(seed)
    p = rng.integers(1, 4, (30, 3)).astype(float)  # many ties
    p, labels = p / p.sum(1, keepdims=True), rng.integers(0, 3, 30)
    other = rng.permutation(30)
    for error in ERRORS:
        assert error(p[other], labels[other], bins=4) == pytest.approx(error(p, labels, bins=4))


def test_one_bin_is_the_difference_of_means():
    logits, labels = predictions(3)
    found = cal.calibration(logits, labels, bins=1, logits=True)
    gap = abs(found.accuracy - found.confidence)
    assert found.ece == pytest.approx(gap)
    assert found.adaptive == pytest.approx(gap)


def test_large_logits_do_not_overflow():
    found = cal.calibration([[1e5, 0.0], [0.0, 1e5]], [0, 0], logits=True)
    assert found.nll == pytest.approx(5e4)
    assert found.ece == pytest.approx(0.5)


def test_half_precision_probabilities_pass():
    logits, labels = predictions(4, 50, 100)
    p = cal.probabilities_of(logits)
    rough = cal.expected_calibration_error(p.astype(np.float16), labels)
    assert rough == pytest.approx(cal.expected_calibration_error(p, labels), abs=1e-2)


def test_plain_values_for_json():
    import json

    text = json.dumps(cal.calibration([[0.6, 0.4]], [0]).as_dict(), allow_nan=False)
    assert '"accuracy": 1.0' in text
    assert json.loads(text)["reliability"]["confidence"][0] is None


@pytest.mark.parametrize(
    ("p", "labels", "words"),
    [
        ([[2.0, -1.0]], [0], "be probabilities in 0 ... 1.*logits=True"),
        ([[0.5, 0.1]], [0], "sum to 1 in each row, but is 0.6 in row 0"),
        ([[0.5, 0.5]], [2], "be classes 0 ... 1, but holds 2"),
        ([[0.5, 0.5]], [-1], "be classes 0 ... 1, but holds -1"),
        ([[0.5, 0.5]], [0, 1], r"`labels` must have shape \(1,\)"),
        ([0.5, 0.5], [0], r"`predictions` must have shape \(n, K\)"),
        ([[np.nan, 0.5]], [0], "be finite, but holds .* in row 0"),
    ],
)
def test_bad_input(p, labels, words):
    with pytest.raises(ValueError, match=words) as caught:
        cal.calibration(p, labels)
    assert "\n" not in str(caught.value)


def test_bad_types():
    with pytest.raises(TypeError, match="`labels` must hold integers, but has dtype float64"):
        cal.calibration([[0.5, 0.5]], [0.0])
    with pytest.raises(ValueError, match="`bins` must be a whole number of at least 1, but is 0"):
        cal.reliability([[0.5, 0.5]], [0], bins=0)
