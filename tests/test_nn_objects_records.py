"""TFRecord files, plain and compressed, whole and damaged; the multi-object sets in them."""

from __future__ import annotations

import gzip
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuramoto.nn.data import objects
from kuramoto.nn.data.objects.crc import crc32c

pytest.importorskip("PIL")

# A writer of its own: checksum bit by bit, protocol buffers by hand.


def slow_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32)


def framed(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def byte_list(data, *, singly=True):
    if not singly:
        return field(1, field(1, bytes(data)))
    return field(1, b"".join(b"\x0a\x01" + data[k : k + 1] for k in range(len(data))))


def float_list(values):
    return field(2, field(1, np.asarray(values, "<f4").tobytes()))


def int_list(values):
    return field(3, field(1, b"".join(varint(value % 2**64) for value in values)))


def example(**features):
    entries = (field(1, field(1, k.encode()) + field(2, v)) for k, v in features.items())
    return field(1, b"".join(entries))


def write(path, records, *, packed=True):
    data = b"".join(framed(record) for record in records)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def entities(labels, count, *, last=False):
    """Return masks of 0 and 255, one an entity, as the published files hold them."""
    masks = 255 * (labels == np.arange(count)[:, None, None])
    return (masks.transpose(1, 2, 0) if last else masks).astype(np.uint8).tobytes()


def scenes_of(height, width, count, n=3, channels=3):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (n, height, width, channels), np.uint8)
    labels = np.kron(
        random.integers(0, count, (n, -(-height // 8), -(-width // 8))), np.ones((8, 8), int)
    )[:, :height, :width]
    return images, labels


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=70))
def test_checksum(data):
    assert crc32c(data) == slow_crc(data)


def test_checksums_of_the_standard():
    """RFC 3720, appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_records_there_and_back(tmp_path_factory, records, packed):
    path = write(tmp_path_factory.mktemp("x") / "a.tfrecords", records, packed=packed)
    assert list(objects.read_records(path)) == records


def test_a_plain_file_that_begins_as_gzip_does(tmp_path):
    """The first bytes of a record of 0x8b1f bytes are gzip's own sign."""
    record = bytes(0x8B1F)
    path = write(tmp_path / "a.tfrecords", [record], packed=False)
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert list(objects.read_records(path)) == [record]


@settings(max_examples=25, deadline=None)
@given(
    st.binary(max_size=20),
    st.lists(st.floats(width=32, allow_nan=False), max_size=4),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4),
    st.booleans(),
)
def test_examples(raw, floats, numbers, singly):
    record = example(
        image=byte_list(raw, singly=singly), x=float_list(floats), size=int_list(numbers)
    )
    found = objects.parse_example(record)
    assert found.keys() == {"image", "x", "size"}
    assert found["image"].raw == raw
    np.testing.assert_array_equal(found["x"].numbers, np.array(floats, np.float32))
    assert found["size"].numbers.tolist() == numbers


def test_numbers_that_are_not_packed():
    floats = b"".join(varint(1 << 3 | 5) + struct.pack("<f", v) for v in (1.5, -2.0))
    numbers = b"".join(varint(1 << 3) + varint(v) for v in (7, 300))
    record = example(x=field(2, floats), k=field(3, numbers), none=b"")
    found = objects.parse_example(record)
    assert found["x"].numbers.tolist() == [1.5, -2.0]
    assert found["k"].numbers.tolist() == [7, 300]
    assert found["none"].raw == b""


@pytest.mark.parametrize("record", [b"\x0a\x7f", b"\xff" * 12, b"\x0a\x03\x0a\x05a", b"\x0b"])
def test_what_is_no_example(record):
    with pytest.raises(ValueError, match=r"`record` must hold a tf\.train\.Example"):
        objects.parse_example(record)


# Damage: the file and the record are named.


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kept", [1, 8, 12, 20, 60, 115])
def test_truncated(tmp_path, packed, kept):
    data = b"".join(framed(bytes([k]) * 40) for k in range(3))
    cut = data[: 56 + kept] if kept < 56 else data[:kept]
    number = len(cut) // 56
    path = tmp_path / "cut.tfrecords"
    path.write_bytes(gzip.compress(cut) if packed else cut)
    with pytest.raises(ValueError, match=rf"cut\.tfrecords', of which record {number} .* ends"):
        list(objects.read_records(path))


def test_truncated_compression(tmp_path):
    random = np.random.default_rng(0)
    path = write(tmp_path / "cut.tfrecords", [random.bytes(5000) for _ in range(4)])
    path.write_bytes(path.read_bytes()[:12_000])
    with pytest.raises(ValueError, match="of which record 2 cannot be read: the file ends within"):
        list(objects.read_records(path))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3 * 56 - 1), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(tmp_path_factory, place, change):
    data = bytearray(b"".join(framed(bytes([k]) * 40) for k in range(3)))
    data[place] ^= change
    path = tmp_path_factory.mktemp("x") / "a.tfrecords"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"of which record {place // 56} cannot be read"):
        list(objects.read_records(path))


def test_damaged_compression(tmp_path):
    random = np.random.default_rng(0)
    path = write(tmp_path / "a.tfrecords", [random.bytes(5000) for _ in range(4)])
    data = bytearray(path.read_bytes())
    data[7000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.tfrecords', of which record \d cannot be read"):
        list(objects.read_records(path))


def test_other_files(tmp_path):
    path = tmp_path / "text.tfrecords"
    path.write_text("this is no file of records")
    with pytest.raises(ValueError, match="record 0 cannot be read: the checksum of its length"):
        list(objects.read_records(path))
    with pytest.raises(FileNotFoundError, match=r"`path` must be a file, but is .*none"):
        list(objects.read_records(tmp_path / "none"))
    path.write_bytes(b"")
    assert list(objects.read_records(path)) == []


# The published sets


def records_of(images, labels, count, *, last=False, singly=True):
    return [
        example(
            image=byte_list(image.tobytes(), singly=singly),
            mask=byte_list(entities(label, count, last=last), singly=singly),
            visibility=float_list(np.ones(count)),
        )
        for image, label in zip(images, labels, strict=True)
    ]


@pytest.mark.parametrize("singly", [True, False])
def test_tetrominoes(tmp_path, singly):
    images, labels = scenes_of(35, 35, 4)
    path = write(tmp_path / "t.tfrecords", records_of(images, labels, 4, singly=singly))
    scenes = objects.read_multi_objects(path, "tetrominoes")
    np.testing.assert_array_equal(scenes.images, images[:, 1:33, 1:33])
    np.testing.assert_array_equal(scenes.labels, labels[:, 1:33, 1:33])
    whole = objects.read_multi_objects(path, "tetrominoes", framing=objects.Framing(), first=1)
    np.testing.assert_array_equal(whole.images, images[1:])


@pytest.mark.parametrize(("count", "channels"), [(5, 3), (6, 3), (4, 1)])
def test_multi_dsprites(tmp_path, count, channels):
    images, labels = scenes_of(64, 64, count, channels=channels)
    path = write(tmp_path / "d.tfrecords", records_of(images, labels, count, last=True))
    scenes = objects.read_multi_objects(path, "multi_dsprites", n=2)
    np.testing.assert_array_equal(scenes.images, images[:2])
    np.testing.assert_array_equal(scenes.labels, labels[:2])
    assert scenes.labels.dtype == np.int16


def test_clevr(tmp_path):
    images, labels = scenes_of(240, 320, 11, n=2)
    images = np.repeat(images[:, :, :1], 320, axis=2)
    path = write(tmp_path / "c.tfrecords", records_of(images, labels, 11, singly=False))
    scenes = objects.read_multi_objects(path, "clevr")
    assert scenes.images.shape == (2, 128, 128, 3)
    # The nearest to the middle of each pixel, 192/128 = 1.5 apart.
    rows = 24 + (1.5 * (np.arange(128) + 0.5)).astype(int)
    np.testing.assert_array_equal(scenes.labels, labels[:, rows][:, :, rows + 40])
    raw = objects.read_multi_objects(path, "clevr", framing=objects.Framing(crop=192))
    np.testing.assert_array_equal(raw.images, images[:, 24:216, 64:256])
    assert abs(scenes.images.mean() - raw.images.mean()) < 1


def test_read_once_kept_in_the_cache(tmp_path, monkeypatch):
    images, labels = scenes_of(35, 35, 4)
    path = write(tmp_path / "t.tfrecords", records_of(images, labels, 4))
    folder = tmp_path / "cache"
    first = objects.read_multi_objects(path, "tetrominoes", n=3, cache=folder)
    assert isinstance(first.images, np.memmap)
    np.testing.assert_array_equal(first.labels, labels[:, 1:33, 1:33])
    again = objects.read_multi_objects(path, "tetrominoes", n=3, cache=folder)
    np.testing.assert_array_equal(first.images, again.images)
    assert len(list(folder.iterdir())) == 1
    write(path, records_of(images[::-1], labels[::-1], 4))
    other = objects.read_multi_objects(path, "tetrominoes", n=3, cache=folder)
    np.testing.assert_array_equal(other.labels, labels[::-1, 1:33, 1:33])


def test_a_damaged_record_leaves_no_cache(tmp_path):
    images, labels = scenes_of(35, 35, 4)
    path = write(tmp_path / "t.tfrecords", records_of(images, labels, 4), packed=False)
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="of which record 2 cannot be read: its checksum is wrong"):
        objects.read_multi_objects(path, "tetrominoes", n=3, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_records_of_another_kind(tmp_path):
    images, labels = scenes_of(35, 35, 4)
    good = records_of(images, labels, 4)
    path = tmp_path / "t.tfrecords"
    cases = {
        r"record 0 is other: its image of 3675 bytes is not 64×64": ("multi_dsprites", good),
        r"record 1 is other: it has no mask": (
            "tetrominoes",
            [good[0], example(image=byte_list(b"a"))],
        ),
        r"record 1 is other: its masks of 10 bytes are not 35×35": (
            "tetrominoes",
            [good[0], example(image=byte_list(images[0].tobytes()), mask=byte_list(bytes(10)))],
        ),
        r"record 1 is other: .* hold a tf\.train\.Example": ("tetrominoes", [good[0], b"\xff\xff"]),
        r"must hold more than 0 records": ("tetrominoes", []),
    }
    for text, (kind, records) in cases.items():
        write(path, records)
        with pytest.raises(ValueError, match=text) as caught:
            objects.read_multi_objects(path, kind)
        assert "\n" not in str(caught.value)
        assert re.search(r"t\.tfrecords", str(caught.value))


def test_too_few_records(tmp_path):
    images, labels = scenes_of(35, 35, 4)
    path = write(tmp_path / "t.tfrecords", records_of(images, labels, 4))
    with pytest.raises(ValueError, match=r"must hold 5 records, but .*holds 3"):
        objects.read_multi_objects(path, "tetrominoes", first=1, n=4)
    with pytest.raises(ValueError, match=r"must hold more than 3 records, but .* holds 3"):
        objects.read_multi_objects(path, "tetrominoes", first=3)
    with pytest.raises(ValueError, match=r"one of tetrominoes, .*; did you mean `clevr`"):
        objects.read_multi_objects(path, "clever")
