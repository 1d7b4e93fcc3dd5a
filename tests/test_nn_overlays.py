"""Overlays: which pixel gets which colour, where lines run, whose colours clusters take."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from kuramoto.nn.overlays import (
    OBJECT_COLORS,
    boundaries,
    component_colors,
    draw_image,
    draw_labels,
    figure_scenes,
    matched,
    painted,
)

SEEDS = st.integers(0, 2**32 - 1)


def test_objects_are_painted_and_the_background_is_not():
    image = np.array([[[200, 0, 0], [200, 0, 0], [200, 0, 0]]], np.uint8)
    found = painted(image, np.array([[0, 1, 2]]), strength=1.0)
    np.testing.assert_allclose(found[0, 0], [200 / 255, 0, 0])
    np.testing.assert_allclose(found[0, 1:], [to_rgb(color) for color in OBJECT_COLORS[:2]])
    faint = painted(image, np.array([[0, 1, 2]]), strength=0.5)
    np.testing.assert_allclose(faint[0, 1], found[0, 1] / 2 + 0.2126 * 200 / 255 / 2, atol=1e-12)


def test_colours_begin_again_and_ignored_pixels_are_hatched():
    image = np.ones((6, 6, 1))
    number = len(OBJECT_COLORS)
    found = painted(image, np.array([[1, number + 1]]), strength=1.0)
    np.testing.assert_array_equal(found[:, 0], found[:, 5])
    ignored = painted(image, np.full((1, 1), -1), strength=1.0)
    assert {*np.unique(ignored)} == {0.5, 1.0}
    assert (ignored == 0.5).mean() == pytest.approx(1 / 3)


def test_lines_run_between_labels():
    found = boundaries(np.array([[1, 1], [1, 2]]))
    np.testing.assert_array_equal(found, [[[0.5, 0.5], [0.5, 1.5]], [[0.5, 0.5], [1.5, 0.5]]])
    assert len(boundaries(np.zeros((4, 4), int))) == 0
    inner = np.zeros((5, 5), int)
    inner[1:4, 2:4] = 1
    assert len(boundaries(inner)) == 2 * (3 + 2), "the perimeter"


@given(SEEDS)
@settings(max_examples=30)
def test_clusters_that_are_the_masks_take_their_numbers(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 5, (6, 6)) * 10
    names = rng.permutation(50)
    np.testing.assert_array_equal(matched(names[truth], truth), truth)


def test_what_is_left_over_gets_new_numbers():
    truth = np.array([[0, 0, 0, 0, 2, 2, -1, -1]])
    clusters = np.array([[7, 7, 7, 1, 9, 9, 5, 3]])
    found = matched(clusters, truth)
    np.testing.assert_array_equal(found[0, [0, 1, 2, 4, 5]], [0, 0, 0, 2, 2])
    assert {*found[0, [3, 6, 7]].tolist()} == {3, 4, 5}


def test_components_are_stretched_image_by_image():
    features = np.random.default_rng(0).standard_normal((2, 6, 10, 10))
    features[1] *= 1000
    colors = component_colors(features)
    assert colors.shape == (2, 10, 10, 3)
    assert (colors.min(axis=(1, 2)) == 0).all()
    assert (colors.max(axis=(1, 2)) == 1).all()
    later = component_colors(features, first=2)
    np.testing.assert_allclose(later[..., :2], colors[..., 1:])
    flat = component_colors(np.ones((1, 4, 3, 3)))
    np.testing.assert_array_equal(flat, 0.5)
    two = component_colors(np.random.default_rng(1).standard_normal((1, 2, 4, 4)))
    np.testing.assert_array_equal(two[..., 2], 0.5)


def pixels_of(figure):
    file = io.BytesIO()
    figure.savefig(file, format="rgba", dpi=60)
    return np.frombuffer(file.getvalue(), np.uint8)


def test_a_figure_has_a_panel_for_everything():
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    truth = np.zeros((2, 8, 8), int)
    truth[:, :4, :4] = 1
    clusters = 1 - truth[:, ::2, ::2]
    figure = figure_scenes(
        images,
        {"ground truth": truth, "clusters": clusters},
        features={"PCA": rng.standard_normal((2, 5, 4, 4))},
        truth="ground truth",
        notes=["first", "second"],
        title="Squares",
    )
    heads = [ax.get_title() for ax in figure.axes]
    assert heads == ["image", "ground truth", "clusters", "PCA", "", "", "", ""]
    shown = [ax.images[0].get_array() for ax in figure.axes]
    np.testing.assert_array_equal(shown[1], shown[2])  # clusters take the colours of objects
    assert len(np.unique(pixels_of(figure))) > 50
    bare = figure_scenes(images, {"clusters": clusters})
    colors = bare.axes[1].images[0].get_array()
    assert np.abs(colors - images[0] / 255).max() > 0.1, "without masks every cluster has a colour"


def test_axes_of_ones_own():
    ax = Figure().subplots()
    draw_image(ax, np.zeros((4, 4, 1)))
    draw_labels(ax, np.zeros((4, 4, 1)), np.eye(2, dtype=int))
    assert len(ax.images) == 2
    assert len(ax.collections) == 2


def test_bad_input():
    images, labels = np.zeros((2, 4, 4, 1), np.uint8), np.zeros((2, 4, 4), int)
    with pytest.raises(ValueError, match="`images` must hold at least one image"):
        figure_scenes(images[:0], {})
    with pytest.raises(ValueError, match="`clusters` must have 2 rows, one for each image"):
        figure_scenes(images, {"clusters": labels[:1]})
    with pytest.raises(ValueError, match="`truth` must be the heading of a column, but is 'masks'"):
        figure_scenes(images, {"clusters": labels}, truth="masks")
    with pytest.raises(ValueError, match=r"`image` must have shape \(H, W, 1\) or \(H, W, 3\)"):
        painted(np.zeros((4, 4)), labels[0])
