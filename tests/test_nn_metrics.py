"""FG-ARI, ARI and MBO: hand-made cases, pairs counted one by one, laws, the reference's numbers."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kuramoto.nn import metrics
from kuramoto.nn.metrics import (
    OVER,
    Contingency,
    adjusted_rand_index,
    average,
    foreground_ari,
    mean_best_overlap,
)

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 5))
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def scenes(draw, most=4):
    """Masks with background and ignored pixels, and clusters."""
    size = draw(SIZES)
    truth = draw(hnp.arrays(np.int64, size, elements=st.integers(-1, most)))
    return truth, draw(hnp.arrays(np.int64, size, elements=st.integers(0, most)))


def pair_counting(one, other):
    """Return the adjusted Rand index from the definition: every pair of pixels looked at."""
    pairs = list(itertools.combinations(range(len(one)), 2))
    together = [(one[i] == one[j], other[i] == other[j]) for i, j in pairs]
    both = sum(a and b for a, b in together)
    first, second = (sum(pair[k] for pair in together) for k in (0, 1))
    chance = first * second / len(pairs) if pairs else 0.0
    most = (first + second) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


def overlaps_by_sets(truth, clusters):
    """Return {(object, cluster): intersection over union}, from sets of pixels."""
    kept = [(i, j) for i, j in np.ndindex(truth.shape) if truth[i, j] != -1]

    def group(labels):
        return {k: {p for p in kept if labels[p] == k} for k in {int(labels[p]) for p in kept}}

    masks, parts = group(truth), group(clusters)
    return {
        (g, k): len(masks[g] & parts[k]) / len(masks[g] | parts[k]) for g in masks for k in parts
    }


def best_overlaps(truth, clusters, over):
    overlaps = overlaps_by_sets(truth, clusters)
    objects = {g for g, _ in overlaps if g > 0}
    if not objects:
        return np.nan
    if over == "objects":
        return np.mean([max(v for (h, _), v in overlaps.items() if h == g) for g in objects])
    pairs = []
    for cluster in {k for _, k in overlaps}:
        # Of two masks overlapped as much, the background counts, then the lower number.
        best = max(sorted(g for g, _ in overlaps), key=lambda g: overlaps[g, cluster])
        pairs += [overlaps[best, cluster]] if best > 0 else []
    return np.mean(pairs) if pairs else 0.0


# Agreement with independent ways of counting.


@given(scenes())
@settings(max_examples=150)
def test_rand_indices_count_pairs(scene):
    truth, clusters = scene
    kept = truth != -1
    whole = pair_counting(truth[kept], clusters[kept]) if kept.any() else np.nan
    np.testing.assert_allclose(adjusted_rand_index(truth, clusters), whole, atol=1e-12, rtol=0)
    kept = truth > 0
    front = pair_counting(truth[kept], clusters[kept]) if kept.any() else np.nan
    np.testing.assert_allclose(foreground_ari(truth, clusters), front, atol=1e-12, rtol=0)


@given(scenes(), st.sampled_from(OVER))
@settings(max_examples=150)
def test_overlaps_are_those_of_sets(scene, over):
    found = mean_best_overlap(*scene, over=over)
    np.testing.assert_allclose(found, best_overlaps(*scene, over), atol=1e-12, rtol=0)


def test_agrees_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, clusters = rng.integers(-1, 6, (50, 20, 20)), rng.integers(0, 7, (50, 20, 20))
    clusters = np.where(rng.random(truth.shape) < 0.6, truth + 1, clusters)
    expected = [
        sklearn.adjusted_rand_score(t[t > 0], c[t > 0])
        for t, c in zip(truth, clusters, strict=True)
    ]
    np.testing.assert_allclose(foreground_ari(truth, clusters), expected, rtol=1e-12)


def test_the_reference_has_the_same_numbers():
    beside = Path(__file__).resolve().parents[2] / "shared" / "parity"
    file = Path(os.environ.get("KURAMOTO_PARITY", beside)) / "utils_metrics.npz"
    if not file.is_file():
        pytest.skip(f"no reference numbers at {file}: set KURAMOTO_PARITY to their folder")
    with np.load(file) as numbers:
        truth, clusters = numbers["metric/gt"], numbers["metric/pred"]
        indices, each = numbers["metric/fgari"], numbers["metric/mbo_each"]
        mean = numbers["metric/mbo_mean"]
    found = foreground_ari(truth, clusters, empty=1.0)
    np.testing.assert_allclose(found, indices, atol=3e-8, rtol=0)
    found = mean_best_overlap(truth, clusters, empty=-1.0)
    np.testing.assert_allclose(found, each, atol=3e-8, rtol=0)
    np.testing.assert_allclose(average(mean_best_overlap(truth, clusters)), mean, atol=3e-8)
    other = mean_best_overlap(truth, clusters, over="clusters", empty=-1.0)
    assert np.abs(other - each).max() > 0.1, "the other direction cannot be what it is compared to"


# Hand-made cases.


def test_a_table_by_hand():
    """7 pairs are together in both, 13 in rows, 14 in columns, of 45: (7 − e) / (13.5 − e)."""
    table = np.array([[1, 1, 0], [1, 2, 1], [0, 0, 4]])
    pairs = [(g, k) for g, k in np.ndindex(table.shape) for _ in range(table[g, k])]
    rows, columns = np.array(pairs).T
    chance = 13 * 14 / 45
    found = adjusted_rand_index(rows[None] + 1, columns[None])
    np.testing.assert_allclose(found, (7 - chance) / (13.5 - chance), rtol=1e-14)


def test_one_object_cut_in_two():
    truth = np.array([[0, 1, 1, 1, 1, 0]])
    clusters = np.array([[0, 1, 1, 2, 2, 0]])
    assert foreground_ari(truth, clusters) == 0
    assert mean_best_overlap(truth, clusters) == 0.5
    assert mean_best_overlap(truth, clusters, over="clusters") == 0.5
    assert foreground_ari(truth, np.ones_like(truth)) == 1, "one object, in one cluster"


def test_the_background_costs_mbo_and_not_fg_ari():
    truth = np.array([[1, 1, 2, 2, 0, 0, 0, 0]])
    clusters = np.array([[1, 1, 2, 2, 1, 1, 2, 2]])
    assert foreground_ari(truth, clusters) == 1
    assert mean_best_overlap(truth, clusters) == 0.5
    assert adjusted_rand_index(truth, clusters) < 0.3


def test_the_two_directions_differ():
    """Objects of 4 and 2 pixels; one cluster holds the first and half of the second."""
    truth = np.array([[1, 1, 1, 1, 2, 2, 0, 0]])
    clusters = np.array([[5, 5, 5, 5, 5, 6, 7, 7]])
    assert mean_best_overlap(truth, clusters) == pytest.approx((4 / 5 + 1 / 2) / 2)
    clusters = np.array([[5, 5, 5, 5, 5, 5, 7, 7]])
    assert mean_best_overlap(truth, clusters) == pytest.approx((4 / 6 + 2 / 6) / 2)
    assert mean_best_overlap(truth, clusters, over="clusters") == pytest.approx(4 / 6)
    everything = np.zeros_like(truth)
    background = np.array([[1, 0, 0, 0, 0, 0, 0, 0]])
    assert mean_best_overlap(background, everything, over="clusters") == 0, "none is paired"
    assert mean_best_overlap(background, everything) == 1 / 8


def test_images_without_objects():
    truth, clusters = np.array([[[0, 0, -1]], [[1, 0, -1]]]), np.array([[0, 1, 0]])
    np.testing.assert_array_equal(foreground_ari(truth, clusters), [np.nan, 1])
    np.testing.assert_array_equal(foreground_ari(truth, clusters, empty=1.0), [1, 1])
    for over in OVER:
        found = mean_best_overlap(truth, clusters, over=over)
        np.testing.assert_array_equal(np.isnan(found), [True, False])
    assert average(foreground_ari(truth, clusters)) == 1
    assert np.isnan(average([np.nan]))
    assert np.isnan(average([]))
    assert np.isnan(adjusted_rand_index([[-1, -1]], [[0, 1]]))


def test_everything_in_one_cluster_and_every_pixel_on_its_own():
    truth = np.array([[1, 1, 2, 2]])
    assert foreground_ari(truth, np.zeros((1, 4), int)) == 0
    assert foreground_ari(truth, np.arange(4)[None]) == 0
    assert foreground_ari([[1, 2, 3, 4]], np.arange(4)[None]) == 1


# Laws.


@given(scenes(), SEEDS)
@settings(max_examples=60)
def test_names_do_not_matter(scene, seed):
    truth, clusters = scene
    rng = np.random.default_rng(seed)
    objects = rng.permutation(np.arange(1, 5)) * 10**6
    renamed = np.where(truth > 0, objects[truth - 1], truth)
    others = (rng.permutation(5) * 10**5 - 7)[clusters]
    for score in (foreground_ari, adjusted_rand_index, mean_best_overlap):
        found = score(renamed, others)
        np.testing.assert_allclose(found, score(truth, clusters), atol=1e-12, rtol=0)


@given(scenes())
@settings(max_examples=100)
def test_ranges(scene):
    assert not foreground_ari(*scene) > 1
    assert not adjusted_rand_index(*scene) > 1
    for over in OVER:
        assert np.isnan(found := mean_best_overlap(*scene, over=over)) or 0 <= found <= 1


@given(scenes(), st.sampled_from(OVER))
@settings(max_examples=60)
def test_the_truth_itself_is_ideal(scene, over):
    truth, elsewhere = scene
    ideal = np.where(truth == -1, elsewhere, truth)
    if (truth > 0).any():
        assert foreground_ari(truth, ideal) == 1
        assert mean_best_overlap(truth, ideal, over=over) == 1
    if (truth >= 0).any():
        assert adjusted_rand_index(truth, ideal) == 1


@given(scenes(), SEEDS)
@settings(max_examples=60)
def test_ignored_pixels_count_nowhere(scene, seed):
    truth, clusters = scene
    other = np.random.default_rng(seed).integers(0, 9, truth.shape)
    changed = np.where(truth == -1, other, clusters)
    for score in (foreground_ari, adjusted_rand_index, mean_best_overlap):
        np.testing.assert_array_equal(score(truth, changed), score(truth, clusters))


def test_chance_scores_nothing():
    """The mean index of clusters drawn by chance is 0: within 4 of its standard errors."""
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 4, (1, 10, 10))
    indices = foreground_ari(truth, rng.integers(0, 3, (2000, 10, 10)))
    assert abs(indices.mean()) < 4 * indices.std() / 2000**0.5
    assert indices.std() > 0.005


# Batches.


def test_a_batch_is_its_images(monkeypatch):
    rng = np.random.default_rng(2)
    truth = rng.integers(-1, 5, (2, 3, 6, 7)).astype(np.int8)
    clusters = rng.integers(0, 9, (2, 3, 6, 7)).astype(np.uint8)
    monkeypatch.setattr(metrics, "_MOST_PIXELS", 100)  # two images at a time
    for score in (foreground_ari, adjusted_rand_index, mean_best_overlap):
        each = [score(truth[i, j], clusters[i, j]) for i in range(2) for j in range(3)]
        np.testing.assert_array_equal(score(truth, clusters), np.reshape(each, (2, 3)))
    several = foreground_ari(truth[0, 0], clusters)
    np.testing.assert_array_equal(several[1, 2], foreground_ari(truth[0, 0], clusters[1, 2]))
    assert foreground_ari(truth[:0], clusters[:0]).shape == (0, 3)


def test_the_table_counts_pixels():
    truth = np.array([[0, 0, 1, 3, -1]])
    found = Contingency.of(truth, np.array([[2, 0, 2, 2, 1]])).counts
    np.testing.assert_array_equal(found, [[1, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 1]])
    far = np.where(truth > 0, truth * 10**9, truth)
    found = Contingency.of(far, np.array([[2, 0, 2, 2, 1]]) * -(10**12)).counts
    np.testing.assert_array_equal(found, [[1, 0, 1], [1, 0, 0], [1, 0, 0]])


def test_tensors_are_taken_too():
    torch = pytest.importorskip("torch")
    truth, clusters = torch.tensor([[0, 1, 1, 2]]), torch.tensor([[0, 1, 1, 1]])
    assert foreground_ari(truth, clusters) == 0


# Bad input.


@pytest.mark.parametrize(
    ("truth", "clusters", "error", "words"),
    [
        ([[0, 1]], [[0, 1, 2]], ValueError, r"`clusters` must be of the masks' size \(1, 2\)"),
        ([[0.5, 1]], [[0, 1]], TypeError, "`truth` must hold integers, but has dtype float64"),
        ([[0, 1]], [[True, False]], TypeError, "`clusters` must hold integers"),
        ([0, 1], [[0, 1]], ValueError, r"`truth` must have shape \(\*batch, H, W\)"),
        ([[-2, 1]], [[0, 1]], ValueError, "`truth` must hold -1 for ignored pixels.*holds -2"),
        (
            np.zeros((2, 1, 1), int),
            np.zeros((3, 1, 1), int),
            ValueError,
            r"a batch that fits the masks' \(2,\), but has \(3,\)",
        ),
    ],
)
def test_bad_input(truth, clusters, error, words):
    with pytest.raises(error, match=words):
        foreground_ari(truth, clusters)


def test_an_unknown_direction():
    with pytest.raises(ValueError, match=r"be one of objects, clusters.*did you mean `clusters`"):
        mean_best_overlap([[1]], [[1]], over="cluster")
