"""Any folder of images and ImageNet; bad files among good ones; what is decoded once and kept."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from kuramoto.nn.data import objects

Image = pytest.importorskip("PIL.Image")

from sample_images import save, smooth  # noqa: E402


def blocks(height, width, count, seed=0):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, count, (-(-height // 4), -(-width // 4)))
    return np.kron(coarse, np.ones((4, 4), int))[:height, :width]


def everything(source):
    return source.take(np.arange(len(source)))


# Framing


@pytest.mark.parametrize(
    ("crop", "box"),
    [(None, (0, 0, 240, 320)), (192, (24, 64, 216, 256)), (0.8, (24, 64, 216, 256)),
     (1.0, (0, 40, 240, 280)), (191, (24, 64, 215, 255))],
)  # fmt: skip
def test_the_middle(crop, box):
    assert objects.Framing(crop).box(240, 320) == box


def test_labels_are_never_mixed_and_images_keep_their_mean():
    labels = blocks(48, 60, 7)
    framing = objects.Framing(crop=40, size=(16, 24))
    small = framing.labels(labels)
    assert small.shape == (16, 24)
    assert set(np.unique(small)) <= set(np.unique(labels))
    rows = 4 + ((np.arange(16) + 0.5) * 40 / 16).astype(int)
    columns = 10 + ((np.arange(24) + 0.5) * 40 / 24).astype(int)
    np.testing.assert_array_equal(small, labels[rows][:, columns])
    checkers = np.indices((48, 60)).sum(axis=0) % 2 * 255
    image = framing.image(Image.fromarray(np.repeat(checkers[..., None], 3, 2).astype(np.uint8)))
    assert abs(image.mean() - 127.5) < 1
    assert image.std() < 60, "smoothed on the way down"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"crop": 1.5}, r"`crop` must be pixels \(int\) or a fraction .*, but is 1.5"),
        ({"crop": 0}, "`crop` must be a whole number of at least 1"),
        ({"size": 0}, "`size` must be a whole number of at least 1"),
        ({"size": (1, 2, 3)}, r"`size` must be one number, or \(height, width\)"),
        ({"channels": 2}, "`channels` must be 1 or 3, but is 2"),
    ],
)
def test_bad_framing(options, text):
    with pytest.raises(ValueError, match=text):
        objects.Framing(**options)


# Any folder


def test_any_folder(tmp_path):
    pixels = {f"{place}/{k}.png": smooth(20, 30, k) for k, place in enumerate(["b", "a", "a/c"])}
    for name, image in pixels.items():
        save(tmp_path / name, image)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / ".thumbnails").mkdir()
    save(tmp_path / ".thumbnails" / "0.png", smooth(20, 30))
    source = objects.read_folder(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in source.files] == [
        "a/1.png", "a/c/2.png", "b/0.png",
    ]  # fmt: skip
    scenes = source.take(np.array([2, 0]))
    np.testing.assert_array_equal(scenes.images, [pixels["b/0.png"], pixels["a/1.png"]])
    assert scenes.labels is None
    assert scenes.classes is None
    np.testing.assert_array_equal(source.take(slice(1, 2)).images[0], pixels["a/c/2.png"])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_all_modes_of_eight_bits(tmp_path, mode, channels):
    gray = np.repeat(np.where(smooth(20, 30, channels=1) > 127, 255, 0).astype(np.uint8), 3, 2)
    ending = "tif" if mode in ("CMYK", "YCbCr") else "png"
    Image.fromarray(gray).convert(mode).save(tmp_path / f"a.{ending}")
    scenes = everything(objects.read_folder(tmp_path, objects.Framing(channels=channels)))
    assert scenes.images.shape == (1, 20, 30, channels)
    np.testing.assert_array_equal(scenes.images[0], gray[..., :channels])


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_other_modes_are_named(tmp_path, mode):
    kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
    path = tmp_path / "deep.tif"
    Image.fromarray(np.ones((4, 5), kind)).save(path)
    with pytest.raises(ValueError, match=rf"8 bits a channel, but is of mode '{mode}' in .*deep"):
        everything(objects.read_folder(tmp_path))


def test_images_of_other_sizes(tmp_path):
    save(tmp_path / "a.png", smooth(20, 30))
    save(tmp_path / "b.png", smooth(21, 30))
    with pytest.raises(ValueError, match=r"`size` .*a\.png' is 20×30, '.*b\.png' 21×30"):
        everything(objects.read_folder(tmp_path))
    scenes = everything(objects.read_folder(tmp_path, objects.Framing(crop=1.0, size=16)))
    assert scenes.images.shape == (2, 16, 16, 3)
    with pytest.raises(ValueError, match="`crop` must fit into the image of 20×30 pixels"):
        everything(objects.read_folder(tmp_path, objects.Framing(crop=21)))


def test_draft_is_nearly_the_same(tmp_path):
    save(tmp_path / "a.jpg", smooth(480, 640), quality=95)
    framing = objects.Framing(crop=1.0, size=48)
    full, fast = (
        everything(objects.read_folder(tmp_path, framing, draft=draft)).images.astype(int)
        for draft in (False, True)
    )
    assert full.shape == fast.shape
    assert (full != fast).any()
    assert np.abs(full - fast).max() < 12
    exact = objects.Framing(crop=32)
    one, other = (
        everything(objects.read_folder(tmp_path, exact, draft=draft)).images
        for draft in (False, True)
    )
    np.testing.assert_array_equal(one, other)


def test_empty_folders_and_none(tmp_path):
    with pytest.raises(ValueError, match=r"`folder` must hold images, but is .*which holds none"):
        objects.read_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"be a folder, but is .*x', and nothing is there"):
        objects.read_folder(tmp_path / "x")
    (tmp_path / "x").write_text("")
    with pytest.raises(NotADirectoryError, match=r"be a folder, but is .*x', which is a file"):
        objects.read_folder(tmp_path / "x")
    with pytest.raises(TypeError, match="`folder` must be the path of a folder"):
        objects.read_folder(3)


# Bad files among good ones


@pytest.fixture
def spoilt(tmp_path):
    """Write seven images, two of them bad: one is text, one cut short."""
    for k in range(7):
        save(tmp_path / f"{k}.jpg", smooth(40, 40, k))
    (tmp_path / "2.jpg").write_text("no image")
    data = (tmp_path / "5.jpg").read_bytes()
    (tmp_path / "5.jpg").write_bytes(data[: len(data) // 2])
    return tmp_path


@pytest.mark.parametrize(
    ("row", "text"),
    [(2, r"2\.jpg', which is not: no image that Pillow knows"), (5, r"5\.jpg', which is not: .*")],
)
def test_bad_files_are_named(spoilt, row, text):
    source = objects.read_folder(spoilt)
    assert source.take(np.array([0, 1])).images.shape == (2, 40, 40, 3)
    with pytest.raises(ValueError, match=text) as caught:
        source.take(np.array([0, row, 3]))
    assert "\n" not in str(caught.value)


def test_bad_files_are_left_out_and_counted(spoilt):
    source = objects.read_folder(spoilt, skip=True)
    good = objects.read_folder(spoilt).take(np.array([0, 1, 3, 4, 6]))
    with pytest.warns(UserWarning, match=r"Left out .*\.jpg: Argument") as caught:
        scenes = everything(source)
    assert len(caught) == 2
    np.testing.assert_array_equal(scenes.images, good.images)
    assert [name[-5:] for name in source.skipped] == ["2.jpg", "5.jpg"]
    everything(source)  # reported once
    with pytest.raises(objects.NoScenes, match="None of the 2 images asked for can be read"):
        source.take(np.array([2, 5]))


def test_checked(spoilt):
    with pytest.warns(UserWarning, match="Left out") as caught:
        source = objects.read_folder(spoilt).checked()
    assert len(caught) == 2
    assert len(source) == 5
    assert source.fingerprint() != objects.read_folder(spoilt).fingerprint()
    assert len(everything(source)) == 5


@pytest.mark.parametrize("size", [1, 3])
def test_batches_are_filled_up(spoilt, size):
    source = objects.read_folder(spoilt, skip=True)
    with pytest.warns(UserWarning, match="Left out"):
        batches = [objects.batch(source, step, size, seed=0) for step in range(12)]
    for batch in batches:
        assert len(batch) == len(np.unique(batch.images, axis=0)) == size, "no image twice"
    again = objects.batch(source, 5, size, seed=0)
    np.testing.assert_array_equal(again.images, batches[5].images)
    with pytest.raises(ValueError, match=r"`source` must hold 6 images that can be read"):
        objects.batch(source, 0, 6, seed=0)


@pytest.mark.parametrize("skip", [False, True])
def test_decoded_once_and_kept(tmp_path, spoilt, skip):
    source = objects.read_folder(spoilt, objects.Framing(size=16), skip=skip)
    if not skip:
        with pytest.raises(ValueError, match=r"2\.jpg', which is not"):
            objects.kept(source, tmp_path / "cache")
        assert not list((tmp_path / "cache").iterdir())
        return
    with pytest.warns(UserWarning, match="Left out"):
        scenes = objects.kept(source, tmp_path / "cache")
    np.testing.assert_array_equal(scenes.images, everything(source).images)
    assert isinstance(scenes.images, np.memmap)
    again = objects.kept(source, tmp_path / "cache")
    assert len(again) == len(scenes) == 5
    (folder,) = (tmp_path / "cache").iterdir()
    before = (folder / "images.npy").stat().st_mtime_ns
    save(spoilt / "2.jpg", smooth(40, 40, 2))
    fresh = objects.read_folder(spoilt, objects.Framing(size=16), skip=True)
    with pytest.warns(UserWarning, match=r"Left out .*5\.jpg"):
        assert len(objects.kept(fresh, tmp_path / "cache")) == 6, "another file, another cache"
    assert (folder / "images.npy").stat().st_mtime_ns == before


def test_nothing_to_keep(tmp_path):
    (tmp_path / "a.png").write_text("")
    source = objects.read_folder(tmp_path, skip=True)
    with (
        pytest.warns(UserWarning, match="Left out"),
        pytest.raises(objects.NoScenes, match="None of the 1 images can be read"),
    ):
        objects.kept(source, tmp_path / "cache")
    with pytest.raises(objects.NoScenes, match="None of the 1 images can be read"):
        source.checked()


def test_without_skip_a_batch_raises(spoilt):
    with pytest.raises(ValueError, match=r"\.jpg', which is not"):
        objects.batch(objects.read_folder(spoilt), 0, 7, seed=0)


# ImageNet


def test_imagenet(tmp_path):
    for k, name in enumerate(["n02/b", "n01/a", "n02/a", "n01/c"]):
        save(tmp_path / "train" / f"{name}.JPEG", smooth(300, 400, k))
    source = objects.read_imagenet(tmp_path, draft=False)
    assert source.names == ("n01", "n02")
    assert source.targets.tolist() == [0, 0, 1, 1]
    assert source.files[0].name == "a.JPEG"
    scenes = everything(source)
    assert scenes.images.shape == (4, 256, 256, 3)
    middle = Image.fromarray(smooth(300, 400, 1)[:, 50:350]).resize((256, 256), 2)
    assert np.abs(scenes.images[0].astype(int) - np.asarray(middle)).mean() < 2
    flat = objects.read_imagenet(tmp_path / "train", "")
    assert flat.targets.tolist() == [0, 0, 1, 1]
    (tmp_path / "train" / "n01" / "a.JPEG").write_text("")
    with pytest.warns(UserWarning, match="Left out"):
        assert source.checked().targets.tolist() == [0, 1, 1]
    save(tmp_path / "train" / "x.JPEG", smooth(8, 8))
    with pytest.raises(ValueError, match=r"hold a folder for each class, but holds .*x\.JPEG"):
        objects.read_imagenet(tmp_path)
    with pytest.raises(FileNotFoundError, match="val"):
        objects.read_imagenet(tmp_path, "val")


def test_every_complaint_is_one_line_and_names_the_file(spoilt):
    for path in sorted(spoilt.glob("[25].jpg")):
        other = spoilt / f"{path.stem} alone"
        other.mkdir()
        shutil.copy(path, other)
        with pytest.raises(ValueError, match=re.escape(path.name)) as caught:
            everything(objects.read_folder(other))
        assert "\n" not in str(caught.value)
