"""Readers of labelled images: the published formats, made small; bad files, and hostile ones."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import re
import struct
import subprocess
import sys
import tarfile

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from sample_images import save, smooth  # noqa: E402

from kuramoto.nn import corruptions  # noqa: E402
from kuramoto.nn.data import images as data  # noqa: E402
from kuramoto.nn.data.images import (  # noqa: E402
    LabelledImages,
    archives,
    cifar,
    cifar_c,
    pickles,
)

TRAIN = [f"data_batch_{k}" for k in range(1, 6)]


def some(n, seed=0):
    """Return rows of pixels as CIFAR-10 stores them, and labels."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (n, 3072), np.uint8), random.integers(0, 10, n)


def pictures(rows):
    """Return images (n, 32, 32, 3) of rows, value by value."""
    found = np.empty((len(rows), 32, 32, 3), np.uint8)
    for c, y, x in np.ndindex(3, 32, 32):
        found[:, y, x, c] = rows[:, 1024 * c + 32 * y + x]
    return found


# A pickle as Python 2 wrote those of CIFAR-10: protocol 2, strings of bytes.


def string(text):
    raw = text.encode() if isinstance(text, str) else text
    short = len(raw) < 256
    return (b"U" + bytes([len(raw)]) if short else b"T" + struct.pack("<i", len(raw))) + raw


def number(k):
    return b"K" + bytes([k]) if 0 <= k < 256 else b"J" + struct.pack("<i", k)


def array(rows, kind="u1", order="|"):
    shape = b"(" + b"".join(number(k) for k in rows.shape) + b"t"
    dtype = b"cnumpy\ndtype\n" + string(kind) + number(0) + number(1) + b"\x87R"
    dtype += b"(" + number(3) + string(order) + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85"
    made += string("b") + b"\x87R"
    return made + b"(" + number(1) + shape + dtype + b"\x89" + string(rows.tobytes()) + b"tb"


def python2(rows, labels):
    entries = {
        "batch_label": string("testing batch 1 of 1"),
        "labels": b"](" + b"".join(number(int(k)) for k in labels) + b"e",
        "data": array(rows),
        "filenames": b"](" + b"".join(string(f"{k}.png") for k in range(len(rows))) + b"e",
    }
    return b"\x80\x02}(" + b"".join(string(k) + v for k, v in entries.items()) + b"u."


def binary(rows, labels):
    return np.hstack([labels[:, None].astype(np.uint8), rows]).tobytes()


def archive(path, files, folder="cifar-10-batches"):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def batches(write, ending=""):
    return {f"{name}{ending}": write(*some(4, k)) for k, name in enumerate([*TRAIN, "test_batch"])}


def unpacked(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


WRITERS = {
    "python": lambda: batches(python2),
    "python 3": lambda: batches(
        lambda rows, labels: pickle.dumps({"data": rows, "labels": labels.tolist()}, protocol=4)
    ),
    "binary": lambda: batches(binary, ".bin"),
}


def refused(text, read, *arguments, error=ValueError, **options):
    """Check that reading fails with one line that says so."""
    with pytest.raises(error, match=text) as caught:
        read(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_needs_neither_torch_nor_pillow():
    program = "import sys; sys.modules['torch'] = sys.modules['PIL'] = None; import numpy as np;"
    program += "from kuramoto.nn.corruptions import corrupt;"
    program += "print(corrupt(np.zeros((2, 32, 32, 3), np.uint8), 'snow', 3).shape)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 32, 32, 3)", done.stderr


# CIFAR-10


@pytest.mark.parametrize("version", WRITERS)
@pytest.mark.parametrize("form", ["archive", "folder", "folder above"])
def test_cifar10_in_every_published_form(tmp_path, version, form):
    files = WRITERS[version]()
    if form == "archive":
        path = archive(tmp_path / "any.tar.gz", {"readme.html": b"", **files})
    else:
        folder = unpacked(tmp_path / "data" / "cifar-10-batches", files)
        path = folder if form == "folder" else folder.parent
    train = data.read_cifar10(path, "train", verify=False)
    test = data.read_cifar10(path, "test", verify=False)
    rows, labels = (
        np.concatenate(part) for part in zip(*(some(4, k) for k in range(5)), strict=True)
    )
    np.testing.assert_array_equal(train.images, pictures(rows))
    np.testing.assert_array_equal(train.labels, labels)
    np.testing.assert_array_equal(test.images, pictures(some(4, 5)[0]))
    assert train.images.flags.c_contiguous
    assert train.labels.dtype == np.int64
    assert (train.source, train.names[3]) == ("CIFAR-10", "cat")


def test_python2s_pickle_is_read_as_python_reads_it():
    rows, labels = some(300)
    raw = python2(rows, labels)
    expected = pickle.loads(raw, encoding="latin1")
    found = pickles.read_pickle(raw, "test_batch")
    np.testing.assert_array_equal(found["data"], expected["data"])
    assert found["labels"] == expected["labels"]
    assert [name.decode() for name in found["filenames"]] == expected["filenames"]


@pytest.mark.parametrize("kind", ["u1", "i2", "i8", "f4", "f8", "b1", ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers_come_back(kind, order):
    sample = np.asarray(np.arange(24).reshape(2, 3, 4) % 2, kind, order=order)
    for protocol in (3, 4):
        found = pickles.read_pickle(pickle.dumps({"a": sample}, protocol), "file")["a"]
        assert found.dtype == sample.dtype
        np.testing.assert_array_equal(found, sample)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path, call=os.mkdir):
        self.path, self.call = str(path), call

    def __reduce__(self):
        return self.call, (self.path,)


def hostile(tmp_path):
    rows, labels = some(2)
    plain = {"data": rows, "labels": labels.tolist()}
    mark = tmp_path / "executed"
    yield "mkdir", pickle.dumps({**plain, "x": Bomb(mark)}, 4)
    yield "mkdir", pickle.dumps({"labels": [1], "x": Bomb(mark)}, 0)
    yield "builtins.eval", pickle.dumps(Bomb(f"open({str(mark)!r}, 'w')", eval), 4)
    yield "os.system", b"cos\nsystem\n(" + string(f"touch {mark}") + b"tR."
    yield "numpy.load", b"cnumpy\nload\n(" + string(str(mark)) + b"tR."
    yield "numpy.core.multiarray.scalar", b"cnumpy.core.multiarray\nscalar\n."
    yield "numpy.ndarray.__reduce__", b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.__reduce__\x93."
    yield "an array of 'O'", b"}" + string("data") + array(rows, "O") + b"s."
    yield "an array of 'O8'", pickle.dumps({"data": np.array([None])}, 4)
    yield "a type that is not one number", pickle.dumps({"data": np.zeros(2, "u1,u1")}, 4)
    # What stands for a name takes no state, and the names themselves are no data.
    yield "a change to what a name stands for", b"cnumpy\ndtype\n}" + string("kind") + b"Nsb."
    yield "a type where there should be data", b"}" + string("data") + b"cnumpy\ndtype\ns."
    yield "more objects than it has bytes", b"\x80\x02}r\xff\xff\xff\x7f."
    yield "holds a list", b"]."


def test_a_pickle_that_asks_for_more_is_refused_and_nothing_is_done(tmp_path):
    count = 0
    for text, raw in hostile(tmp_path):
        refused(re.escape(text), pickles.read_pickle, raw, "test_batch")
        count += 1
    assert count == 14
    assert list(tmp_path.iterdir()) == []
    # It would have been done: the same bytes, read without care.
    pickle.loads(pickle.dumps(Bomb(tmp_path / "executed")))
    assert (tmp_path / "executed").is_dir()


def test_hostile_batches_are_named(tmp_path):
    files = {"test_batch": pickle.dumps({"data": Bomb(tmp_path / "executed")}, 4)}
    path = archive(tmp_path / "cifar-10-python.tar.gz", files)
    found = refused("asks for `.*mkdir`", data.read_cifar10, path, "test", verify=False)
    assert "'test_batch'" in found
    assert not (tmp_path / "executed").exists()


def test_a_pickle_cut_short_anywhere_is_one_line():
    rows, labels = some(2)
    raw = python2(rows, labels)
    for end in [*range(150), *range(150, len(raw), 97), len(raw) - 1]:
        with pytest.raises(ValueError, match="`path` must be a") as caught:
            pickles.read_pickle(raw[:end], "test_batch")
        assert "\n" not in str(caught.value)


def test_damaged_pickles_never_raise_anything_else():
    random, raw = np.random.default_rng(0), bytearray(python2(*some(2)))
    for _ in range(400):
        damaged = bytearray(raw)
        for place in random.integers(0, 200, 3):
            damaged[place] = random.integers(256)
        with contextlib.suppress(ValueError):
            pickles.read_pickle(bytes(damaged), "test_batch")


def test_checksums(tmp_path, monkeypatch):
    path = archive(tmp_path / "mine.tar.gz", WRITERS["python"]())
    found = refused("as published .MD5 c58f30108f718f92721af3b95e74349a", data.read_cifar10, path)
    assert "verify=False" in found
    assert hashlib.md5(path.read_bytes()).hexdigest() in found
    published = {**archives.CHECKSUMS, "cifar-10-python.tar.gz": found.split("with MD5 ")[1][:32]}
    monkeypatch.setattr(archives, "CHECKSUMS", published)
    assert len(data.read_cifar10(path)) == 20


def test_checksums_of_files_in_a_folder(tmp_path, monkeypatch):
    files = WRITERS["python"]()
    folder = unpacked(tmp_path / "data", files)
    refused("`path` must be test_batch as published", data.read_cifar10, folder, "test")
    for name, content in files.items():
        monkeypatch.setitem(archives.CHECKSUMS, name, hashlib.md5(content).hexdigest())
    assert len(data.read_cifar10(folder, "train")) == 20
    (folder / "data_batch_3").write_bytes(files["data_batch_4"])
    found = refused("be data_batch_3 as published", data.read_cifar10, folder, "train")
    assert str(folder / "data_batch_3") in found


def test_published_checksums_are_whole():
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in data.CHECKSUMS.values())
    assert len(set(data.CHECKSUMS.values())) == len(data.CHECKSUMS)


def test_bad_cifar10(tmp_path):
    rows, labels = some(4)
    read = data.read_cifar10

    def folder(**files):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        return unpacked(place, {name.replace("_bin", ".bin"): raw for name, raw in files.items()})

    whole = binary(rows, labels)
    refused("of 12200 bytes", read, folder(test_batch_bin=whole[:-92]), "test", verify=False)
    refused("of 0 bytes", read, folder(test_batch_bin=b""), "test", verify=False)
    # Cut at the end of an image, only the number of images tells.
    refused("must lead to 10000 images", read, folder(test_batch_bin=whole[:9219]), "test")
    labels[2] = 10
    for files in ({"test_batch_bin": binary(rows, labels)}, {"test_batch": python2(rows, labels)}):
        text = "`labels` must lie in 0 ... 9, but is 10 for image 2 in"
        refused(text, read, folder(**files), "test", verify=False)
    wrong = python2(rows[:, :3000], labels % 10)
    refused(
        r"`data` must be uint8 of shape \(n, 3072\)",
        read,
        folder(test_batch=wrong),
        "test",
        verify=False,
    )
    wrong = python2(rows, labels[:3] % 10)
    refused(
        r"`labels` must be whole numbers of shape \(4,\)",
        read,
        folder(test_batch=wrong),
        "test",
        verify=False,
    )
    wrong = pickle.dumps({"data": rows})
    refused(
        "hold `data`, an array, and `labels`", read, folder(test_batch=wrong), "test", verify=False
    )
    refused("without data_batch_1", read, folder(test_batch_bin=whole), "train")
    refused("`split` must be one of train, test", read, tmp_path, "validation")
    refused("nothing is there", read, tmp_path / "none", error=FileNotFoundError)
    refused("`path` must be the path of", read, 3, error=TypeError)


def test_an_archive_cut_short_or_of_another_kind(tmp_path):
    path = archive(tmp_path / "a.tar.gz", WRITERS["binary"]())
    raw = path.read_bytes()
    for content in (raw[: len(raw) // 2], b"no archive", b""):
        path.write_bytes(content)
        refused("folder or a whole tar archive", data.read_cifar10, path, verify=False)


def test_links_in_an_archive_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(binary(*some(4)))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        entry = tarfile.TarInfo("cifar/test_batch.bin")
        entry.type, entry.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(entry)
    refused("without test_batch.bin", data.read_cifar10, tmp_path / "a.tar", "test", verify=False)


# CIFAR-10-C


@pytest.fixture
def small_c(monkeypatch):
    monkeypatch.setattr(cifar_c, "_IMAGES", 6)


def c_folder(folder, names=("fog", "snow"), count=30):
    folder.mkdir()
    random = np.random.default_rng(3)
    for name in names:
        np.save(folder / f"{name}.npy", random.integers(0, 256, (count, 32, 32, 3), np.uint8))
    np.save(folder / "labels.npy", np.tile(np.arange(6, dtype=np.uint8), count // 6))
    return folder


def test_cifar10_c_is_mapped(tmp_path, small_c):
    folder = c_folder(tmp_path / "CIFAR-10-C")
    whole = np.load(folder / "fog.npy")
    found = data.read_cifar10_c(folder, "fog", 4)
    assert isinstance(found.images, np.memmap)
    assert not found.images.flags.writeable
    np.testing.assert_array_equal(found.images, whole[18:24])
    assert found.labels.tolist() == list(range(6))
    assert found.source == "CIFAR-10-C, fog, severity 4"
    assert len(data.read_cifar10_c(folder, "snow")) == 30


def test_bad_cifar10_c(tmp_path, small_c):
    folder, read = c_folder(tmp_path / "c"), data.read_cifar10_c
    refused("did you mean `motion_blur`", read, folder, "motionblur", 1)
    refused("`severity` must be 1 to 5, but is 6", read, folder, "fog", 6)
    refused("at least 1, but is 0", read, folder, "fog", 0)
    refused("hold frost.npy", read, folder, "frost", 1, error=FileNotFoundError)
    refused("`folder` must be a folder", read, tmp_path / "none", "fog", error=FileNotFoundError)
    np.save(folder / "snow.npy", np.zeros((12, 32, 32, 3), np.uint8))
    refused(r"uint8 of shape \(12, 32, 32, 3\)", read, folder, "snow", 1)
    np.save(folder / "snow.npy", np.array([Bomb(tmp_path / "executed")]), allow_pickle=True)
    refused("whole .npy files of plain arrays", read, folder, "snow", 1)
    assert not (tmp_path / "executed").exists()
    raw = (folder / "fog.npy").read_bytes()
    (folder / "fog.npy").write_bytes(raw[:-1])
    refused("cut short", read, folder, "fog", 1)
    (folder / "fog.npy").write_bytes(raw)
    np.save(folder / "labels.npy", np.full(30, 11, np.uint8))
    refused("`labels` must lie in 0 ... 9, but is 11 for image 0", read, folder, "fog", 1)


def test_cifar10_c_has_the_names_of_the_corruptions():
    assert len(data.COMMON) == 15
    assert len(data.EXTRA) == 4
    assert corruptions.COMMON is data.COMMON
    assert cifar_c._IMAGES == 10_000


# Tiny-ImageNet


def tiny(folder):
    classes = ["n02", "n01", "n03"]
    (folder / "val").mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(classes) + "\n")
    for k, name in enumerate(classes):
        for j in range(2):
            channels = 1 if (k, j) == (1, 0) else 3
            image = smooth(64, 64, 10 * k + j, channels)
            save(folder / "train" / name / "images" / f"{name}_{j}.JPEG", image, quality=95)
    lines = []
    for k, name in enumerate(["n03", "n02", "n02", "n01"]):
        save(folder / "val" / "images" / f"val_{k}.JPEG", smooth(64, 64, 50 + k), quality=95)
        lines.append(f"val_{k}.JPEG\t{name}\t0\t0\t62\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return folder


def test_tiny_imagenet(tmp_path):
    folder = tiny(tmp_path / "tiny-imagenet-200")
    train, val = data.read_tiny_imagenet(folder), data.read_tiny_imagenet(folder, "val")
    assert train.images.shape == (6, 64, 64, 3)
    assert train.names == ("n02", "n01", "n03")
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert val.labels.tolist() == [2, 0, 0, 1]
    for image, expected in zip(val.images, [smooth(64, 64, 50 + k) for k in range(4)], strict=True):
        assert np.abs(image.astype(int) - expected).max() < 12
    assert (np.ptp(train.images[2], axis=2) == 0).all(), "gray stays gray"
    kept = data.read_tiny_imagenet(folder, cache=tmp_path / "cache")
    assert isinstance(kept.images, np.memmap)
    np.testing.assert_array_equal(kept.images, train.images)


def test_bad_tiny_imagenet(tmp_path):
    folder, read = tiny(tmp_path / "tiny"), data.read_tiny_imagenet
    refused("`split` must be one of train, val", read, folder, "test")
    refused("nothing is there", read, tmp_path / "none", error=FileNotFoundError)
    packed = tmp_path / "tiny.zip"
    packed.write_bytes(b"PK")
    refused("which is a file; unpack the archive", read, packed)
    save(folder / "val" / "images" / "val_1.JPEG", smooth(32, 64))
    refused("hold images of 64×64 pixels, but is 32×64 in .*val_1", read, folder, "val")
    (folder / "val" / "images" / "val_1.JPEG").write_bytes(b"\xff\xd8\xff")
    refused("val_1", read, folder, "val")
    (folder / "val" / "images" / "val_1.JPEG").unlink()
    refused("without val/images/val_1.JPEG", read, folder, "val")
    (folder / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn09\n")
    refused("'n09' in line 1", read, folder, "val")
    (folder / "val" / "val_annotations.txt").unlink()
    refused("tiny-imagenet-200 with all its lists", read, folder, "val")
    (folder / "wnids.txt").write_text("")
    refused("empty", read, folder)


# JPEG-compressed and lossless


def encoded(images, form, **options):
    parts = []
    for image in images:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, form, **options)
        parts.append(stream.getvalue())
    offsets = np.cumsum([0, *map(len, parts)])
    return np.frombuffer(b"".join(parts), np.uint8), offsets


def packed(folder, labels=(0, 1, 3, 8, 9)):
    folder.mkdir()
    images = [smooth(32, 32, 7 * k) for k in range(5)]
    jpeg, offsets = encoded(images, "JPEG", quality=75)
    for split in ("train", "test"):
        np.savez(folder / f"{split}.npz", jpeg=jpeg, offsets=offsets, labels=np.uint8(labels))
    rows = np.array([4, 0, 3], np.int16)
    png, ends = encoded([images[k] for k in rows], "PNG")
    four = {"png": png, "offsets": ends, "labels": np.uint8(labels)[rows], "jpeg_row": rows}
    np.savez(folder / "test_4class_lossless.npz", **four)
    return folder, np.stack(images), four


def test_jpeg_and_lossless(tmp_path):
    folder, images, _ = packed(tmp_path / "cifar10")
    train = data.read_cifar10_jpeg(folder)
    assert train.source == "JPEG-compressed CIFAR-10"
    assert train.labels.tolist() == [0, 1, 3, 8, 9]
    difference = np.abs(train.images.astype(int) - images)
    assert 0 < difference.max() < 40
    lossless, jpeg = data.read_cifar10_pairs(folder)
    np.testing.assert_array_equal(lossless.images, images[[4, 0, 3]])
    np.testing.assert_array_equal(jpeg.images, train.images[[4, 0, 3]])
    assert "JPEG" in jpeg.source
    assert "JPEG" not in lossless.source
    single = data.read_cifar10_jpeg(folder / "train.npz")
    np.testing.assert_array_equal(single.images, train.images)


def test_bad_jpeg_and_lossless(tmp_path):
    folder, _, four = packed(tmp_path / "cifar10")
    read, file = data.read_cifar10_jpeg, folder / "train.npz"
    good = dict(np.load(file))
    cut = good["jpeg"].copy()
    cut[good["offsets"][2] :][:40] = 0
    large, ends = encoded([smooth(33, 32)] * 5, "JPEG")
    for change, text in (
        ({"labels": np.full(5, 10)}, "`labels` must lie in 0 ... 9, but is 10 for image 0"),
        ({"labels": np.zeros(4, int)}, r"whole numbers of shape \(5,\)"),
        ({"jpeg": good["jpeg"][:-5]}, "`offsets` must rise and end within .*cut short"),
        ({"jpeg": good["jpeg"].astype(int)}, "hold `jpeg` .uint8."),
        ({"offsets": good["offsets"][::-1]}, "`offsets` must rise"),
        ({"jpeg": cut}, "train.npz, image 2"),
        ({"jpeg": large, "offsets": ends}, "32×32 pixels, but is 33×32"),
        ({"offsets": None}, "without `offsets`"),
    ):
        arrays = {name: value for name, value in {**good, **change}.items() if value is not None}
        np.savez(file, **arrays)
        refused(text, read, folder)
    file.write_bytes(file.read_bytes()[:900])
    refused("whole .npz file", read, folder)
    file.unlink()
    refused("train.npz", read, folder, error=FileNotFoundError)
    refused("`split` must be one of train, test", read, folder, "val")
    wrong = {**four, "labels": (four["labels"] + 1) % 10}
    np.savez(folder / "test_4class_lossless.npz", **wrong)
    refused("files that belong together", data.read_cifar10_pairs, folder)
    np.savez(folder / "test_4class_lossless.npz", **{**four, "jpeg_row": np.array([5, 0, 1])})
    refused("hold `jpeg_row`", data.read_cifar10_pairs, folder)


def test_real_images(data_dir):
    lossless, jpeg = data.read_cifar10_pairs(data_dir / "cifar10")
    assert lossless.images.shape == jpeg.images.shape == (4000, 32, 32, 3)
    assert np.bincount(lossless.labels).tolist() == [1000, 1000, 0, 0, 0, 0, 0, 0, 1000, 1000]
    error = np.mean((lossless.images.astype(float) - jpeg.images) ** 2, axis=(1, 2, 3))
    assert 28 < np.mean(10 * np.log10(255**2 / error)) < 32


# Labelled images


def test_labelled_images():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (5, 8, 8, 3), np.uint8)
    found = LabelledImages(images, np.array([0, 1, 1, 0, 1], np.uint8), ("a", "b"), "mine")
    part = found.take(np.array([4, 0]))
    np.testing.assert_array_equal(part.images, images[[4, 0]])
    assert (part.labels.tolist(), part.names, part.source) == ([1, 0], ("a", "b"), "mine")
    assert found.fingerprint() == found.take(slice(None)).fingerprint()
    assert found.fingerprint() != found.take(slice(4)).fingerprint()
    other = LabelledImages(images, np.array([0, 1, 1, 0, 0]), ("a", "b"))
    assert found.fingerprint() != other.fingerprint()
    assert len(found.take(slice(0))) == 0


@pytest.mark.parametrize(
    ("images", "labels", "text"),
    [
        (np.zeros((2, 8, 8), np.uint8), [0, 0], r"uint8 of shape \(n, H, W, 3\), but is uint8"),
        (np.zeros((2, 8, 8, 3)), [0, 0], "but is float64"),
        (np.zeros((2, 8, 8, 3), np.uint8), [0], "one for each image, but is int64"),
        (np.zeros((2, 8, 8, 3), np.uint8), [0.0, 1.0], "but is float64"),
        (np.zeros((2, 8, 8, 3), np.uint8), [0, 2], "lie in 0 ... 1, but is 2 for image 1"),
        (np.zeros((2, 8, 8, 3), np.uint8), [-1, 0], "but is -1 for image 0"),
    ],
)
def test_bad_labelled_images(images, labels, text):
    refused(text, LabelledImages, images, np.array(labels), ("a", "b"))


def test_split_names():
    assert cifar.split_of("test", {"train": 0, "test": 1}) == "test"
