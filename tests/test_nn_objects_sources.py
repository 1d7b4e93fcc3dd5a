"""The cache, batches, crops of nuclei: what was interrupted is never used, and all repeats."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from kuramoto.nn.data import objects
from kuramoto.nn.data.objects import cache

MAKERS = {
    "shapes": objects.shapes,
    "tetrominoes": objects.tetrominoes,
    "multi_dsprites": objects.multi_dsprites,
}
NUCLEI = Path(os.environ.get("KURAMOTO_DATA", "../shared/data")) / "nuclei" / "gray256.npz"


def same(one, other):
    pairs = [(one.images, other.images), (one.labels, other.labels), (one.classes, other.classes)]
    for a, b in pairs:
        if a is None or b is None:
            assert a is b
        else:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


# The cache


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_cache_holds_the_same_images(tmp_path, name):
    make = MAKERS[name]
    fresh = make(30, 1)
    for _ in range(2):
        kept = make(30, 1, cache=tmp_path)
        assert isinstance(kept.images, np.memmap)
        assert not kept.images.flags.writeable
        same(kept, fresh)
    assert len(list(tmp_path.iterdir())) == 1
    make(30, 2, cache=tmp_path)
    make(29, 1, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3, "other seeds and sizes are other files"


def test_options_are_told_apart(tmp_path):
    thin = objects.shapes(5, width=1.0, cache=tmp_path)
    thick = objects.shapes(5, cache=tmp_path)
    assert (thin.labels != thick.labels).any()


@pytest.mark.parametrize("spoil", ["no seal", "short", "other", "missing"])
def test_what_is_not_whole_is_made_again(tmp_path, spoil):
    fresh = objects.shapes(30, 1, cache=tmp_path / "a")
    (folder,) = (tmp_path / "a").iterdir()
    copy = shutil.copytree(folder, tmp_path / "b" / folder.name)
    if spoil == "no seal":
        (copy / "complete.json").unlink()
        np.save(copy / "labels.npy", np.zeros_like(fresh.labels))  # half filled, full length
    elif spoil == "short":
        with (copy / "images.npy").open("r+b") as file:
            file.truncate(1000)
    elif spoil == "other":
        np.save(copy / "labels.npy", np.zeros(3))
    else:
        (copy / "labels.npy").unlink()
    same(objects.shapes(30, 1, cache=tmp_path / "b"), fresh)


def test_what_was_interrupted_is_never_used(tmp_path):
    layout = {"a": ((4,), np.int64)}

    def fail(arrays):
        arrays["a"][:2] = 7
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.made(layout, fail, tmp_path, "x")
    assert not list(tmp_path.iterdir())
    (tmp_path / f"x-{cache.fingerprint({})}.partial").mkdir()
    good = cache.made(layout, lambda arrays: arrays["a"].fill(1), tmp_path, "x")
    np.testing.assert_array_equal(good["a"], 1)


def _killed(folder):
    def die(arrays):
        arrays["images"][:] = 9
        arrays["images"].flush()
        os._exit(1)

    cache.made({"images": ((8,), np.uint8)}, die, folder, "x")


def test_a_killed_process_leaves_nothing_that_is_used(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(tmp_path,))
    process.start()
    process.join()
    assert [path.name.split("-")[0] for path in tmp_path.iterdir()] == ["x"], "a part is left"
    layout = {"images": ((8,), np.uint8)}
    found = cache.made(layout, lambda arrays: arrays["images"].fill(2), tmp_path, "x")
    assert (found["images"] == 2).all()


def test_two_processes_at_once(tmp_path):
    """The second one to finish finds the first one's, and takes it."""
    layout = {"a": ((4,), np.int64)}

    def slow(arrays):
        cache.made(layout, lambda inner: inner["a"].fill(1), tmp_path, "x")
        arrays["a"][:] = 1

    np.testing.assert_array_equal(cache.made(layout, slow, tmp_path, "x")["a"], 1)
    assert len(list(tmp_path.iterdir())) == 1


def test_cache_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"`cache` must be a folder, but is .*which is a file"):
        objects.shapes(2, cache=tmp_path / "file")
    with pytest.raises(TypeError, match="`cache` must be the path of a folder, or None, but is of"):
        objects.shapes(2, cache=3)


# Batches


def test_an_epoch_shows_every_scene_once():
    scenes = objects.Scenes(np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1))
    epochs = [
        [objects.batch(scenes, step, 3, seed=5).images.ravel() for step in range(3 * e, 3 * e + 3)]
        for e in range(4)
    ]
    for epoch in epochs:
        assert len(np.unique(np.concatenate(epoch))) == 9
    assert len({tuple(np.concatenate(epoch)) for epoch in epochs}) == 4, "in other orders"
    again = objects.batch(scenes, 7, 3, seed=5).images.ravel()
    np.testing.assert_array_equal(again, epochs[2][1])
    other = [objects.batch(scenes, step, 3, seed=6).images.ravel() for step in range(3)]
    assert not all((a == b).all() for a, b in zip(other, epochs[0], strict=True))


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_batches_made_ahead_are_the_same(ahead):
    scenes = objects.shapes(20)
    with objects.Batches(scenes, 6, seed=2, ahead=ahead) as batches:
        for step in [0, 1, 2, 3, 9, 10, 2, 2, 3]:
            same(batches(step), objects.batch(scenes, step, 6, seed=2))
        batches.close()
        same(batches(4), objects.batch(scenes, 4, 6, seed=2))


def test_batches_pass_errors_on():
    with objects.Batches(objects.shapes(4), 6) as batches:
        with pytest.raises(ValueError, match="`size` must be at most the number of images, but is"):
            batches(0)
        with pytest.raises(ValueError, match="`step` must be"):
            batches(-1)


def test_batches_of_a_mapped_cache_are_arrays_of_their_own(tmp_path):
    kept = objects.batch(objects.shapes(20, cache=tmp_path), 0, 5, seed=0)
    assert kept.images.flags.writeable
    same(kept, objects.batch(objects.shapes(20), 0, 5, seed=0))


# Nuclei


@pytest.fixture
def slides(tmp_path):
    """Write ten slides: squares of the label's gray, none on the second."""
    labels = np.zeros((10, 40, 50), np.uint8)
    labels[:, 2:12, 3:13], labels[:, 20:30, 30:40], labels[:, 30:36, 5:11] = 3, 9, 40
    labels[1] = 0
    images = labels + 100
    path = tmp_path / "gray256.npz"
    np.savez(path, images=images, labels=labels)
    return path


def test_crops_of_nuclei(slides):
    scenes = objects.read_nuclei(slides, 40, crop=24, seed=1)
    assert scenes.images.shape == (40, 24, 24, 1)
    assert (scenes.objects() >= 2).all()
    for image, label in zip(scenes.images[..., 0], scenes.labels, strict=True):
        assert np.unique(label).tolist() == list(range(label.max() + 1)), "no gaps"
        assert len(set(zip(label.ravel(), image.ravel(), strict=True))) == label.max() + 1
    same(objects.read_nuclei(slides, 7, crop=24, seed=1, first=33), scenes.take(slice(33, 40)))
    same(objects.read_nuclei(slides.parent, 40, crop=24, seed=1), scenes)
    large = objects.read_nuclei(slides, 40, crop=24, smallest=30, objects=(1, 3))
    for label in large.labels:
        values, counts = np.unique(label, return_counts=True)
        assert (counts[values > 0] >= 30).all()
        assert (counts[values < 0] > 0).all()
        assert values[values > 0].tolist() == list(range(1, label.max() + 1))
    assert (large.labels == -1).any()
    assert (large.objects() >= 1).all()
    empty = objects.read_nuclei(slides, 60, crop=24, objects=(0, 0))
    assert not empty.labels.any()


def test_test_slides_are_never_trained_on(tmp_path):
    labels = np.ones((11, 8, 8), np.uint8)
    images = np.arange(11, dtype=np.uint8)[:, None, None] * labels
    np.savez(tmp_path / "gray256.npz", images=images, labels=labels)
    seen = {
        split: set(objects.read_nuclei(tmp_path, 300, split, crop=4, objects=(1, 1)).images.ravel())
        for split in ("train", "validation", "test", "all")
    }
    assert seen["test"] == {4, 9}
    assert seen["validation"] == {0, 10}
    assert seen["train"] == set(range(11)) - {0, 4, 9, 10}
    assert seen["all"] == set(range(11))


def test_bad_nuclei(tmp_path, slides):
    with pytest.raises(FileNotFoundError, match=r"lead to gray256\.npz, but is .*nothing is there"):
        objects.read_nuclei(tmp_path / "none", 3)
    with pytest.raises(ValueError, match="`crop` must be at most 40, but is 41"):
        objects.read_nuclei(slides, 3, crop=41)
    with pytest.raises(ValueError, match="`split` must be one of train, validation, test, all"):
        objects.read_nuclei(slides, 3, "val")
    with pytest.raises(ValueError, match=r"`objects` must occur in crops of this size, but is \(9"):
        objects.read_nuclei(slides, 3, crop=24, objects=(9, 9))
    np.savez(tmp_path / "other.npz", images=np.zeros((2, 3, 3), np.uint8), labels=np.zeros(3))
    with pytest.raises(ValueError, match=r"of one shape .*holds \(2, 3, 3\) and \(3,\)"):
        objects.read_nuclei(tmp_path / "other.npz", 3)
    np.savez(tmp_path / "other.npz", pictures=np.zeros(3))
    with pytest.raises(ValueError, match=r"must hold `images` .* holds pictures"):
        objects.read_nuclei(tmp_path / "other.npz", 3)


@pytest.mark.skipif(not NUCLEI.exists(), reason="the real nuclei are not here")
def test_real_nuclei():
    scenes = objects.read_nuclei(NUCLEI, 200, crop=64, objects=(2, 12))
    assert scenes.objects().min() >= 2
    assert scenes.objects().max() <= 12
    inside, outside = (
        scenes.images[..., 0][scenes.labels.astype(bool) == k] for k in (True, False)
    )
    assert inside.mean() > 1.5 * outside.mean(), "nuclei are bright"
