"""CLEVRTex and PASCAL VOC: tiny sets in the real formats, whole and spoilt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kuramoto.nn.data import objects

Image = pytest.importorskip("PIL.Image")

from sample_images import save, smooth  # noqa: E402

AS_IT_IS = objects.Framing()


def save_palette(path, labels):
    """Save labels as PASCAL VOC does: indices into a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels.astype(np.uint8), "L").convert("P")
    picture.putdata(labels.astype(np.uint8).ravel().tolist())
    picture.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    picture.save(path)
    return path


def blocks(height, width, count, seed=0):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, count, (-(-height // 4), -(-width // 4)))
    return np.kron(coarse, np.ones((4, 4), int))[:height, :width]


def everything(source):
    return source.take(np.arange(len(source)))


# CLEVRTex


@pytest.fixture
def clevrtex(tmp_path):
    for variant, n in (("full", 20), ("outd", 3)):
        for k in range(n):
            folder = tmp_path / f"clevrtex_{variant}" / str(k // 10) / f"CLEVRTEX_{variant}_{k:06}"
            name = f"CLEVRTEX_{variant}_{k:06}"
            save(
                folder / f"{name}.png", np.dstack([smooth(24, 32, k), np.full((24, 32), 255, "B")])
            )
            save_palette(folder / f"{name}_flat.png", blocks(24, 32, 11, k))
            (folder / f"{name}.json").write_text("{}")
    return tmp_path


def test_clevrtex(clevrtex):
    parts = {split: objects.read_clevrtex(clevrtex, split=split) for split in ("test", "train")}
    assert {split: len(part) for split, part in parts.items()} == {"test": 2, "train": 16}
    assert parts["test"].files[1].name == "CLEVRTEX_full_000001.png"
    assert len(objects.read_clevrtex(clevrtex, split="validation")) == 2
    assert len(objects.read_clevrtex(clevrtex, "outd", "test")) == 3
    scenes = everything(
        objects.read_clevrtex(clevrtex / "clevrtex_full", split="test", framing=AS_IT_IS)
    )
    np.testing.assert_array_equal(scenes.images[1], smooth(24, 32, 1))
    np.testing.assert_array_equal(scenes.labels[1], blocks(24, 32, 11, 1))
    usual = parts["test"].take(np.array([0]))
    assert usual.images.shape == (1, 128, 128, 3)
    rows = 2 + ((np.arange(128) + 0.5) * 19 / 128).astype(int)
    np.testing.assert_array_equal(
        usual.labels[0], blocks(24, 32, 11)[rows][:, rows + 4], "the middle 0.8, nearest"
    )


def test_bad_clevrtex(clevrtex):
    with pytest.raises(ValueError, match=r"hold images CLEVRTEX_camo_000000.*, which holds none"):
        objects.read_clevrtex(clevrtex, "camo")
    with pytest.raises(ValueError, match="`variant` must be one of full, outd, camo"):
        objects.read_clevrtex(clevrtex, "ood")
    with pytest.raises(ValueError, match="`split` must be one of test, validation, train, all"):
        objects.read_clevrtex(clevrtex, split="val")
    (clevrtex / "clevrtex_outd/0/CLEVRTEX_outd_000000/CLEVRTEX_outd_000000_flat.png").unlink()
    source = objects.read_clevrtex(clevrtex, "outd")
    with pytest.raises(FileNotFoundError, match=r"CLEVRTEX_outd_000000_flat\.png', and nothing"):
        everything(source)
    save(source.instances[1], blocks(24, 33, 3).astype(np.uint8))
    with pytest.raises(ValueError, match=r"as large as their image, but is 24×33 in .*0001_flat"):
        source.take(np.array([1]))
    save(source.instances[2], smooth(24, 32))
    with pytest.raises(ValueError, match=r"one number a pixel.*'RGB' in .*000002_flat\.png"):
        source.take(np.array([2]))
    data = (
        clevrtex / "clevrtex_full/0/CLEVRTEX_full_000000/CLEVRTEX_full_000000_flat.png"
    ).read_bytes()
    source.instances[0].write_bytes(data[:-60])
    with pytest.raises(ValueError, match=r"lead to whole images, but is .*000000_flat\.png"):
        source.take(np.array([0]))


def test_one_number_a_pixel_also_in_sixteen_bits(clevrtex):
    source = objects.read_clevrtex(clevrtex, "outd", framing=AS_IT_IS)
    labels = blocks(24, 32, 300)
    Image.fromarray(labels.astype(np.uint16)).save(source.instances[0])
    found = source.take(np.array([0])).labels[0]
    np.testing.assert_array_equal(found, labels)
    Image.fromarray(labels % 2 == 1).save(source.instances[0])
    np.testing.assert_array_equal(source.take(np.array([0])).labels[0], labels % 2)


FORKING = """
import os, signal, sys
import numpy as np
from kuramoto.nn.data import objects

source = objects.read_clevrtex(sys.argv[1], "outd")
source.take(np.arange(3))
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(len(source.take(np.arange(3))))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_processes_have_threads_of_their_own(clevrtex):
    """Threads that were there before the fork are not there in the child."""
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(clevrtex)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "3", done.stderr


# PASCAL VOC


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for k, (height, width) in enumerate([(30, 40), (25, 20), (8, 8)]):
        name = f"2007_00000{k}"
        save(root / "JPEGImages" / f"{name}.jpg", smooth(height, width, k), quality=95)
        labels = blocks(height, width, 4, k)
        labels[:, -2:] = 255
        save_palette(root / "SegmentationObject" / f"{name}.png", labels)
        kinds = np.where(labels == 255, 255, np.array([0, 15, 15, 2])[labels % 4])
        save_palette(root / "SegmentationClass" / f"{name}.png", kinds)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_000001\n2007_000000\n")
    (lists / "train.txt").write_text("")
    return tmp_path


def test_voc(voc):
    source = objects.read_voc(voc, framing=AS_IT_IS)
    assert len(source) == 2
    first = source.take(np.array([0]))
    expected = blocks(25, 20, 4, 1)
    expected[:, -2:] = -1
    np.testing.assert_array_equal(first.labels[0], expected)
    np.testing.assert_array_equal(first.classes[0] == -1, expected == -1)
    kinds = np.array([0, 15, 15, 2])[expected[:, :-2]]
    np.testing.assert_array_equal(first.classes[0][:, :-2], kinds)
    assert np.abs(first.images[0].astype(int) - smooth(25, 20, 1)).mean() < 3
    usual = everything(objects.read_voc(voc / "VOCdevkit" / "VOC2012"))
    assert usual.images.shape == (2, 256, 256, 3)
    assert usual.labels.shape == usual.classes.shape == (2, 256, 256)
    assert {-1, 1, 2, 3} <= set(np.unique(usual.labels))


def test_labels_and_classes_are_kept(tmp_path, voc):
    source = objects.read_voc(voc, framing=objects.Framing(size=12))
    scenes, fresh = objects.kept(source, tmp_path / "cache"), everything(source)
    for part in ("images", "labels", "classes"):
        np.testing.assert_array_equal(getattr(scenes, part), getattr(fresh, part))
    prints = {source.fingerprint(), objects.read_voc(voc).fingerprint()}
    save_palette(source.classes[0], np.zeros((25, 20)))
    assert source.fingerprint() not in prints
    assert len(prints) == 2


def test_bad_voc(voc):
    with pytest.raises(FileNotFoundError, match=r"`split` must name a list, but is 'test'"):
        objects.read_voc(voc, "test")
    with pytest.raises(ValueError, match=r"name a list of images, but is 'train': .* is empty"):
        objects.read_voc(voc, "train")
    source = objects.read_voc(voc, skip=True)
    save_palette(source.classes[0], blocks(20, 25, 3))
    with pytest.warns(UserWarning, match="be as large as their image, but is 20×25 in"):
        assert len(source.checked()) == 1
    shutil.rmtree(voc / "VOCdevkit" / "VOC2012" / "JPEGImages")
    with pytest.raises(FileNotFoundError, match=r"lead to an image, but is .*2007_000001\.jpg"):
        everything(objects.read_voc(voc))
