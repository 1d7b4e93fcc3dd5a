"""Generated scenes: laws, statistics as published, bad arguments."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuramoto.nn.data import objects
from kuramoto.nn.data.objects import draws, stamps

MAKERS = {
    "shapes": objects.shapes,
    "tetrominoes": objects.tetrominoes,
    "multi_dsprites": objects.multi_dsprites,
}


def same(one, other):
    pairs = [(one.images, other.images), (one.labels, other.labels), (one.classes, other.classes)]
    for a, b in pairs:
        if a is None or b is None:
            assert a is b
        else:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def many():
    return {name: make(3000, seed=3) for name, make in MAKERS.items()}


def test_needs_neither_torch_nor_pillow():
    program = "import sys; sys.modules['torch'] = sys.modules['PIL'] = None;"
    program += "from kuramoto.nn.data import objects; print(objects.shapes(2).images.shape)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 40, 40, 1)", done.stderr


# Generators: laws


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(MAKERS)), st.integers(0, 2**40), st.integers(1, 7), st.integers(0, 99)
)
def test_an_image_depends_on_seed_and_index_only(name, seed, n, first):
    make = MAKERS[name]
    whole = make(12, seed, first=first)
    same(whole.take(np.arange(n, 12)), make(12 - n, seed, first=first + n))


def test_chunks_are_not_seen(many):
    for name, make in MAKERS.items():
        same(many[name].take(slice(480, 520)), make(40, 3, first=480))


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_other_seeds_are_other_images(name):
    one, other = MAKERS[name](20, 0), MAKERS[name](20, 1)
    assert (one.labels != other.labels).reshape(20, -1).any(axis=1).all()
    assert len(np.unique(one.labels.reshape(20, -1), axis=0)) == 20, "no image twice"


def test_draws_are_uniform_and_independent():
    u = draws.uniforms(5, "a", 0, 20_000, 5)
    assert u.min() >= 0
    assert u.max() < 1
    np.testing.assert_allclose(u.mean(axis=0), 0.5, atol=5 * 12**-0.5 / 20_000**0.5)
    correlations = np.corrcoef(np.hstack([u, draws.uniforms(5, "b", 0, 20_000, 5)]).T)
    assert np.abs(correlations - np.eye(10)).max() < 5 / 20_000**0.5


# Generators: statistics as published


def shares(values, of):
    """Check that the values `of` occur, each as often as any other (five sigma), no others."""
    found = np.array([np.count_nonzero(values == value) for value in of])
    assert found.sum() == len(values)
    expected = len(values) / len(of)
    assert np.abs(found - expected).max() < 5 * np.sqrt(expected)


def test_shapes_are_as_published(many):
    scenes = many["shapes"]
    assert (scenes.images.shape[1:], scenes.images.dtype) == ((40, 40, 1), np.uint8)
    gray = scenes.images[..., 0]
    count = 2 + (3 * draws.uniforms(3, "shapes", 0, 3000, 14)[:, 0]).astype(int)
    shares(count, of=(2, 3, 4))
    assert (scenes.objects() <= count).all()
    assert (scenes.objects() < count).sum() < 20, "seldom is one covered altogether"
    assert (gray[scenes.labels != 0] == 255).all(), "outlines are white, overlap too"
    low = np.where(scenes.labels == 0, gray, 0).reshape(3000, -1).max(axis=1) / 255
    flat = [np.unique(image[label == 0]) for image, label in zip(gray, scenes.labels, strict=True)]
    assert all(len(values) == 1 for values in flat), "one background an image"
    assert 0.098 <= low.min() < 0.105
    assert 0.595 < low.max() <= 0.602
    assert abs(low.mean() - 0.35) < 5 * 0.5 / 12**0.5 / 3000**0.5


def test_shapes_overlap_where_two_outlines_meet():
    """Images of two shapes, drawn again from stamps: -1 where both are, no pixel else."""
    scenes = objects.shapes(300, objects=(2, 2))
    stamp = stamps.hollow_shapes()
    u = draws.uniforms(0, "shapes", 0, 300, 8)
    overlaps = 0
    for label, row in zip(scenes.labels, u, strict=True):
        cover = np.zeros((2, 40, 40), bool)
        for k in range(2):
            kind, top, left = (row[2 + 3 * k : 5 + 3 * k] * (4, 23, 23)).astype(int)
            cover[k, top : top + 18, left : left + 18] = stamp[kind]
        expected = np.where(cover.all(axis=0), -1, cover[0] + 2 * cover[1])
        np.testing.assert_array_equal(label, expected)
        overlaps += (label == -1).any()
    assert 150 < overlaps < 300, "most pairs in 40×40 pixels touch, not all"


def test_hollow_shapes():
    stamp = stamps.hollow_shapes()
    assert stamp.shape == (4, 18, 18)
    for shape in stamp:
        assert shape.any(axis=0).all(), "fills the stamp from left to right"
        assert shape.any(axis=1).all(), "and from top to bottom"
    np.testing.assert_array_equal(stamp, stamp[:, :, ::-1])
    for shape in stamp[1:]:
        np.testing.assert_array_equal(shape, shape.T)
        assert not shape[9, 9], "hollow"
    assert not stamp[0, 13, 9]
    assert stamp[1].sum() == 18**2 - 12**2
    circle = np.pi * (9**2 - 6**2)
    assert abs(stamp[2].sum() - circle) < 0.05 * circle
    assert stamps.hollow_shapes(18, 1.0)[1].sum() == 18**2 - 16**2


def test_nineteen_pieces():
    assert stamps.PIECES.shape == (19, 4, 2)
    assert len({tuple(map(tuple, piece)) for piece in stamps.PIECES}) == 19
    assert (stamps.PIECES.min(axis=1) == 0).all()
    for piece in stamps.PIECES:
        steps = np.abs(piece[:, None] - piece).sum(axis=2)
        assert (steps == 1).any(axis=1).all(), "each block touches another"
        assert (steps == 1).sum() >= 6, "and all hang together"


def test_tetrominoes_are_as_published():
    scenes = objects.tetrominoes(1000, seed=3, crop=35)
    assert scenes.images.shape[1:] == (35, 35, 3)
    sizes = np.stack([(scenes.labels == k).sum(axis=(1, 2)) for k in range(4)])
    assert (sizes[1:] == 100).all(), "three whole pieces of four blocks of 5×5"
    assert (scenes.images[scenes.labels == 0] == 0).all(), "on black"
    colours = []
    for image, label in zip(scenes.images, scenes.labels, strict=True):
        found = [np.unique(image[label == k], axis=0) for k in (1, 2, 3)]
        assert all(len(colour) == 1 for colour in found)
        colours += [colour[0] @ (1, 2, 4) // 255 for colour in found]
    shares(np.array(colours), of=(1, 2, 4, 3, 5, 6))  # red, green, blue, yellow, magenta, cyan


def test_tetrominoes_show_all_pieces_alike():
    labels = objects.tetrominoes(2000, seed=3, crop=35).labels
    kinds = {}
    for label in labels:
        for k in (1, 2, 3):
            y, x = np.nonzero(label == k)
            key = ((label == k)[y.min() : y.max() + 1 : 5, x.min() : x.max() + 1 : 5]).astype(int)
            kinds[str(key)] = kinds.get(str(key), 0) + 1
    assert len(kinds) == 19
    counts = np.array(list(kinds.values()))
    assert np.abs(counts - 6000 / 19).max() < 5 * np.sqrt(6000 / 19)


def test_tetrominoes_are_cropped_in_the_middle(many):
    whole = objects.tetrominoes(50, seed=3, crop=35)
    np.testing.assert_array_equal(many["tetrominoes"].images[:50], whole.images[:, 1:33, 1:33])
    np.testing.assert_array_equal(many["tetrominoes"].labels[:50], whole.labels[:, 1:33, 1:33])
    assert (many["tetrominoes"].objects() == 3).all()


def test_multi_dsprites_are_as_published(many):
    scenes = many["multi_dsprites"]
    assert scenes.images.shape[1:] == (64, 64, 3)
    count = scenes.labels.reshape(3000, -1).max(axis=1)
    shares(count, of=(2, 3, 4, 5))  # the last sprite is never hidden
    shown = scenes.objects()
    assert (shown <= count).all()
    assert 0 < (shown < count).sum() < 0.05 * 3000, "now and then one is hidden"
    border = scenes.images[:, [0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
    assert (border == border[:, :1]).all(), "one background an image"
    means = border[:, 0].mean(axis=0)
    np.testing.assert_allclose(means, 127.5, atol=5 * 74 / 3000**0.5)
    assert len(np.unique(border[:, 0], axis=0)) > 2990, "in colour"


def test_multi_dsprites_on_gray():
    scenes = objects.multi_dsprites(200, background="gray")
    corner = scenes.images[:, 0, 0].astype(int)
    assert (corner == corner[:, :1]).all()
    same_labels = objects.multi_dsprites(200).labels
    np.testing.assert_array_equal(scenes.labels, same_labels)


def test_sprites_have_one_area_and_keep_it_when_turned():
    fine = stamps.sprites((300.0,), 8, 500)
    area = fine.sum(axis=(3, 4)) / 300**2
    np.testing.assert_allclose(area, 1.0, atol=0.02)
    np.testing.assert_array_equal(fine[:, :, 2], np.rot90(fine[:, :, 0], axes=(2, 3), k=-1))
    assert not fine[..., 0].any(), "and lie within the stamp"


def test_published_splits():
    sizes = {name: {k: n for k, (_, n) in parts.items()} for name, parts in objects.SPLITS.items()}
    assert sizes["shapes"] == {"train": 40_000, "validation": 1000, "test": 1000}
    assert sizes["tetrominoes"] == sizes["multi_dsprites"] == {"train": 60_000, "test": 320}
    same(objects.generated("tetrominoes", "test", 4), objects.tetrominoes(320, 4, first=60_000))
    for parts in objects.SPLITS.values():
        ends = sorted((first, first + n) for first, n in parts.values())
        assert all(a[1] == b[0] for a, b in itertools.pairwise(ends)), "no image twice"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: objects.shapes(0), "`n` must be a whole number of at least 1, but is 0"),
        (lambda: objects.shapes(2, -1), "`seed` must be .* at least 0, but is -1"),
        (lambda: objects.shapes(2, objects=(3, 2)), r"`objects` must .*, but is \(3, 2\)"),
        (lambda: objects.shapes(2, objects=3), r"`objects` must be \(least, most\), but is 3"),
        (lambda: objects.tetrominoes(2, crop=40), "`crop` must be at most 35, but is 40"),
        (lambda: objects.multi_dsprites(2, background="red"), '"colour" or "gray", but is \'red\''),
        (lambda: objects.generated("shape"), "one of shapes, .*; did you mean `shapes`"),
        (lambda: objects.generated("tetrominoes", "validation"), "be one of train, test, but is"),
    ],
)
def test_bad_arguments(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# Scenes


def test_scenes_check_shapes():
    images = np.zeros((2, 4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match=r"`images` must be uint8 of shape .*but is float64"):
        objects.Scenes(np.zeros((2, 4, 5, 3)))
    with pytest.raises(ValueError, match=r"`images` .* but is uint8 of shape \(2, 4, 5, 2\)"):
        objects.Scenes(np.zeros((2, 4, 5, 2), np.uint8))
    with pytest.raises(ValueError, match=r"`labels` must be whole numbers of shape \(2, 4, 5\)"):
        objects.Scenes(images, np.zeros((2, 5, 4), int))
    with pytest.raises(ValueError, match="`classes` must be whole numbers"):
        objects.Scenes(images, np.zeros((2, 4, 5), int), np.zeros((2, 4, 5)))
    with pytest.raises(ValueError, match="`scenes` must have labels"):
        objects.Scenes(images).objects()


def test_fingerprints_tell_scenes_apart():
    one, other = objects.shapes(40, 0), objects.shapes(40, 1)
    assert one.fingerprint() == objects.shapes(40, 0).fingerprint() != other.fingerprint()
    assert one.fingerprint() != one.take(slice(39)).fingerprint()
