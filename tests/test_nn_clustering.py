"""Clusters of features and their main components: SciPy's answers, hand-made maps, laws."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from kuramoto.nn.clustering import (
    agglomerate,
    average_linkage,
    enlarge,
    k_means,
    principal_components,
)

SEEDS = st.integers(0, 2**32 - 1)
BOTH = pytest.mark.parametrize("cluster", [agglomerate, k_means])


def same_parts(one, other):
    """Say whether two labelings are one partition under two sets of names."""
    pairs = {*zip(np.ravel(one).tolist(), np.ravel(other).tolist(), strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def blocks(rng, noise=0.1):
    """Return features (1, 5, 6, 8) of four regions, and the regions (6, 8)."""
    regions = np.zeros((6, 8), int)
    regions[3:, :3], regions[:2, 5:], regions[4:, 6:] = 1, 2, 3
    features = 4 * np.eye(5)[regions] + noise * rng.standard_normal((6, 8, 5))
    return features.transpose(2, 0, 1)[None], regions


@pytest.fixture(scope="module")
def reference():
    beside = Path(__file__).resolve().parents[2] / "shared" / "parity"
    file = Path(os.environ.get("KURAMOTO_PARITY", beside)) / "utils_metrics.npz"
    if not file.is_file():
        pytest.skip(f"no reference numbers at {file}: set KURAMOTO_PARITY to their folder")
    with np.load(file) as numbers:
        return {name: numbers[name] for name in numbers.files if name[:4] in ("pca/", "clus")}


# Agreement.


@given(SEEDS, st.integers(2, 40), st.integers(1, 6))
@settings(max_examples=50)
def test_the_tree_is_scipys(seed, n, C):
    points = 100 + np.random.default_rng(seed).standard_normal((n, C))
    found, expected = average_linkage(points), linkage(points, "average")
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_the_tree_is_scipys_over_several_blocks_of_rows():
    points = np.random.default_rng(0).standard_normal((700, 3))
    np.testing.assert_allclose(
        average_linkage(points)[:, 2], linkage(points, "average")[:, 2], rtol=1e-10
    )


def test_labels_are_scipys():
    features = np.random.default_rng(0).standard_normal((2, 4, 9, 7))
    found = agglomerate(features, [2, 5, 20])
    assert found.shape == (3, 2, 9, 7)
    for image in range(2):
        tree = linkage(features[image].reshape(4, -1).T, "average")
        for labels, number in zip(found[:, image], (2, 5, 20), strict=True):
            assert same_parts(labels, fcluster(tree, number, "maxclust"))


def test_merges_are_those_of_mean_distances():
    """Average linkage from its definition: the pair of clusters with the least mean distance."""
    points = np.random.default_rng(3).standard_normal((12, 2))
    distance = np.sqrt(((points[:, None] - points) ** 2).sum(-1))
    parts = [[i] for i in range(12)]
    while len(parts) > 4:
        pairs = [(i, j) for i in range(len(parts)) for j in range(i)]
        means = [distance[np.ix_(parts[i], parts[j])].mean() for i, j in pairs]
        i, j = pairs[int(np.argmin(means))]
        parts[j] += parts.pop(i)
    expected = np.empty(12, int)
    for number, part in enumerate(parts):
        expected[part] = number
    assert same_parts(agglomerate(points.T.reshape(1, 2, 3, 4), 4), expected)


def test_the_reference_has_the_same_clusters(reference):
    features = reference["cluster/feature_chw"]
    assert same_parts(agglomerate(features[None], 4), reference["cluster/labels_maxclust4"])
    tree = average_linkage(features.reshape(12, -1).T)
    np.testing.assert_allclose(tree, reference["cluster/linkage"], atol=2e-7, rtol=0)


def test_the_reference_has_the_same_components(reference):
    """Products of places leave out the signs of components."""
    main = principal_components(reference["pca/x"], 5).reshape(2, 5, -1)
    found = main.transpose(0, 2, 1) @ main
    np.testing.assert_allclose(found, reference["pca/gram_5comp"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(2, 5, 6, 7), (2, 50, 4, 5)])
def test_components_are_singular_vectors(shape):
    features = np.random.default_rng(4).standard_normal(shape)
    points = features.reshape(2, shape[1], -1).transpose(0, 2, 1)
    centred = points - points.mean(axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    main = principal_components(features, 3).reshape(2, 3, -1).transpose(0, 2, 1)
    expected = (left * values[:, None])[..., :3]
    signs = np.sign((main * expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(main, signs * expected, atol=1e-10)


# Hand-made maps.


@BOTH
@pytest.mark.parametrize("components", [None, 3])
def test_regions_are_found(cluster, components):
    features, regions = blocks(np.random.default_rng(5))  # numbered from the largest
    found = cluster(features, 4, components=components)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, regions[None])


@BOTH
def test_labels_are_numbered_by_size(cluster):
    features = np.random.default_rng(6).standard_normal((3, 2, 8, 8))
    for labels in cluster(features, 6):
        sizes = np.bincount(labels.ravel())
        assert (np.diff(sizes) <= 0).all()
        assert len(sizes) == 6


@BOTH
def test_a_plain_image_is_one_cluster(cluster):
    features = np.full((1, 7, 4, 4), 0.1) * np.arange(7)[:, None, None]
    np.testing.assert_array_equal(cluster(features, 3), 0)
    assert not principal_components(features, 3).round(12).any()


@given(SEEDS)
@settings(max_examples=20)
def test_rounding_makes_no_clusters(seed):
    """Two regions, each of one vector: products of matrices alone would tell its places apart."""
    rng = np.random.default_rng(seed)
    features = np.tile(10 * rng.standard_normal((1, 33, 1, 1)), (1, 1, 9, 9))
    features[0, :, 4:, 4:] += rng.standard_normal((33, 1, 1))
    found = agglomerate(features, 6)[0]
    assert (found[4:, 4:] == 1).all()
    assert found.sum() == 25


@BOTH
def test_every_place_on_its_own(cluster):
    features = np.arange(6.0).reshape(1, 1, 2, 3) ** 2
    assert len(np.unique(cluster(features, 6))) == 6
    np.testing.assert_array_equal(cluster(features[..., :1, :1], 1), [[[0]]])


def test_what_lies_far_out_tells_linkage_from_k_means():
    """Linkage sets one far point apart, K-means cuts the long cluster in two."""
    features = np.concatenate([np.linspace(0, 10, 40), [14.0]]).reshape(1, 1, 1, -1)
    assert np.bincount(agglomerate(features, 2).ravel()).tolist() == [40, 1]
    assert np.bincount(k_means(features, 2).ravel()).min() > 10


def test_more_starts_are_no_worse():
    features = np.random.default_rng(7).standard_normal((1, 2, 12, 12))
    points = features[0].reshape(2, -1).T

    def spread(labels):
        parts = [points[labels.ravel() == k] for k in range(9)]
        return sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)

    few = [spread(k_means(features, 9, restarts=1, seed=seed)) for seed in range(6)]
    many = [spread(k_means(features, 9, restarts=12, seed=seed)) for seed in range(6)]
    assert np.mean(many) < np.mean(few)
    assert np.ptp(few) > 0


# Laws.


@given(SEEDS)
@settings(max_examples=20)
def test_motions_do_not_matter(seed):
    """Clusters are those of turned and shifted features, components those of turned ones."""
    rng = np.random.default_rng(seed)
    features, _ = blocks(rng, noise=0.5)
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    moved = 2 * np.einsum("dc,bchw->bdhw", turn, features) + rng.standard_normal((5, 1, 1))
    np.testing.assert_array_equal(agglomerate(moved, 5), agglomerate(features, 5))
    main = principal_components(features, 5)
    np.testing.assert_allclose(np.abs(principal_components(moved, 5)), 2 * np.abs(main), atol=1e-9)


@given(SEEDS)
@settings(max_examples=20)
def test_fewer_clusters_are_unions(seed):
    features = np.random.default_rng(seed).standard_normal((1, 3, 5, 5))
    few, many = agglomerate(features, [3, 8])
    assert len({*zip(many.ravel().tolist(), few.ravel().tolist(), strict=True)}) == 8


@BOTH
def test_images_do_not_depend_on_each_other(cluster):
    features = np.random.default_rng(8).standard_normal((4, 3, 6, 6)).astype(np.float32)
    together = cluster(features, [2, 5])
    for row in range(4):
        np.testing.assert_array_equal(
            together[:, row], cluster(features[row : row + 1], [2, 5])[:, 0]
        )
    with ThreadPoolExecutor(2) as executor:
        np.testing.assert_array_equal(cluster(features, [2, 5], executor=executor), together)
    assert cluster(features[:0], 3).shape == (0, 6, 6)


def test_tensors_are_taken_too():
    torch = pytest.importorskip("torch")
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    expected = agglomerate(features.detach().numpy(), 3)
    np.testing.assert_array_equal(agglomerate(features, 3), expected)


# Enlarging.


def test_labels_are_enlarged_to_the_nearest():
    labels = np.array([[[0, 1, 2], [3, 4, 5]]])
    np.testing.assert_array_equal(enlarge(labels, (4, 6)), labels.repeat(2, 1).repeat(2, 2))
    np.testing.assert_array_equal(enlarge(labels, (2, 3)), labels)
    torch = pytest.importorskip("torch")
    for size in ((5, 7), (2, 8), (1, 1)):
        expected = torch.nn.functional.interpolate(torch.from_numpy(labels)[None].double(), size)
        np.testing.assert_array_equal(enlarge(labels, size), expected[0].numpy())


# Bad input.


@BOTH
def test_bad_input(cluster):
    features = np.zeros((1, 2, 3, 3))
    words = "`clusters` must be at most the number of places an image has, 9, but is 10; ask for"
    with pytest.raises(ValueError, match=words):
        cluster(features, 10)
    with pytest.raises(ValueError, match="`clusters` must be a whole number of at least 1"):
        cluster(features, 0)
    with pytest.raises(ValueError, match="`clusters` must hold at least one number"):
        cluster(features, [])
    with pytest.raises(ValueError, match=r"`features` must have shape \(B, C, h, w\)"):
        cluster(features[0], 2)
    features[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="`features` must be finite"):
        cluster(features, 2)


def test_too_many_places_for_linkage():
    features = np.zeros((1, 1, 200, 200), np.float32)
    with pytest.raises(ValueError, match=r"at most 32768 places.*has 40000; use k_means or scale"):
        agglomerate(features, 2)
    assert k_means(features, 2, restarts=1).shape == (1, 200, 200)


def test_points_that_make_no_tree():
    with pytest.raises(ValueError, match=r"`points` must have shape \(n, C\) with n of at least 2"):
        average_linkage(np.zeros((1, 3)))
