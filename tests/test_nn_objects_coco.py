"""COCO 2017: run lengths, polygons, instances and panoptic segments in the real formats."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_images import save, smooth

from kuramoto.nn.data import objects
from kuramoto.nn.data.objects import masks

AS_IT_IS = objects.Framing()


def everything(source):
    return source.take(np.arange(len(source)))


# COCO


def column_runs(mask):
    """Return run lengths down the columns, zeros first."""
    flat = np.concatenate([[False], mask.T.ravel(), [False]]).astype(int)
    ends = np.flatnonzero(np.diff(flat))
    stops = np.concatenate([[0], ends, [mask.size]])
    runs = np.diff(stops).tolist()
    return runs[:-1] if runs[-1] == 0 and len(runs) > 1 else runs


def packed(runs):
    """Write run lengths as COCO's strings: groups of five bits, differences from the fourth on."""
    text = ""
    for k, run in enumerate(runs):
        value = run - runs[k - 2] if k > 2 else run
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
    return text


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_run_lengths(seed, height, width, grain):
    random = np.random.default_rng(seed)
    mask = np.kron(random.random((height, width)) < random.random(), np.ones((grain, grain))) > 0
    runs = column_runs(mask)
    size = list(mask.shape)
    np.testing.assert_array_equal(masks.from_rle({"counts": runs, "size": size}), mask)
    np.testing.assert_array_equal(masks.from_rle({"counts": packed(runs), "size": size}), mask)


def test_strings_that_cocos_own_tool_wrote():
    square = np.zeros((3, 4), bool)
    square[1:, 1:3] = True
    found = masks.from_rle({"counts": "42102", "size": [3, 4]})
    np.testing.assert_array_equal(found, square)
    large = np.zeros((50, 60), bool)
    large[10:40, 5:50] = True
    large[20, 30] = False
    text = "T8n0d0000000000000000000000000000000000000000000000000\\O]O9c0;000000000000000000000000000000000000Z?"  # fmt: skip  # noqa: E501
    np.testing.assert_array_equal(masks.from_rle({"counts": text, "size": [50, 60]}), large)


@pytest.mark.parametrize(
    ("rle", "text"),
    [
        ({"counts": [3, 2], "size": [2, 3]}, "add up to 5, not to 2×3"),
        ({"counts": [9, -3], "size": [2, 3]}, "add up to 6"),
        ({"counts": "52 1", "size": [2, 3]}, "a character of code 32"),
        ({"counts": "5n", "size": [2, 3]}, "end within a number"),
    ],
)
def test_bad_run_lengths(rle, text):
    with pytest.raises(ValueError, match=text):
        masks.from_rle(rle)


def test_polygons_by_hand():
    triangle = masks.from_polygons([[0.2, 0, 4.2, 4, 0.2, 4]], 5, 6).astype(int)
    np.testing.assert_array_equal(
        triangle,
        [[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0],
         [0, 0, 0, 0, 0, 0]],
    )  # fmt: skip
    two = masks.from_polygons([[0, 0, 2, 0, 2, 1, 0, 1], [1, 0, 4, 0, 4, 2, 1, 2]], 2, 5)
    np.testing.assert_array_equal(two.astype(int), [[1, 1, 1, 1, 0], [0, 1, 1, 1, 0]], "a union")
    outside = masks.from_polygons([[-5, -5, 2.5, -5, 2.5, 1.6, -5, 1.6]], 3, 4)
    np.testing.assert_array_equal(outside.astype(int), [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    assert not masks.from_polygons([[9, 9, 12, 9, 12, 12]], 3, 4).any()
    assert not masks.from_polygons([[]], 3, 4).any()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 12))
def test_polygons_against_winding(seed, corners):
    """A centre is inside if a ray to the right crosses the border an odd number of times."""
    random = np.random.default_rng(seed)
    polygon = random.uniform(-3, 23, (corners, 2))
    found = masks.from_polygons([polygon.ravel().tolist()], 20, 18)
    for row in range(20):
        for column in range(18):
            crossings = 0
            for (xa, ya), (xb, yb) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                if (ya <= row + 0.5) != (yb <= row + 0.5):
                    x = xa + (row + 0.5 - ya) / (yb - ya) * (xb - xa)
                    crossings += x > column + 0.5
            assert found[row, column] == crossings % 2


BOX = [2.0, 3.0, 10.0, 3.0, 10.0, 9.0, 2.0, 9.0]
INNER = [4.0, 4.0, 8.0, 4.0, 8.0, 7.0, 4.0, 7.0]


def where(polygon, shape=(20, 30)):
    return masks.from_polygons([polygon], *shape)


@pytest.fixture
def coco(tmp_path):
    """Write two images: three objects, one a crowd and one in front of another; and none."""
    for k in (7, 3):
        save(tmp_path / "val2017" / f"{k:012}.jpg", smooth(20, 30, k))
    images = [{"id": k, "file_name": f"{k:012}.jpg", "height": 20, "width": 30} for k in (7, 3)]
    crowd = np.zeros((20, 30), bool)
    crowd[5:19, 1:20] = True
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 18, "iscrowd": 0, "area": 12.0,
         "segmentation": [INNER]},
        {"id": 2, "image_id": 7, "category_id": 44, "iscrowd": 0, "area": 48.0,
         "segmentation": [BOX]},
        {"id": 3, "image_id": 7, "category_id": 1, "iscrowd": 1, "area": 266.0,
         "segmentation": {"counts": column_runs(crowd), "size": [20, 30]}},
    ]  # fmt: skip
    kinds = [{"id": k, "isthing": int(k < 90)} for k in (1, 18, 44, 119)]
    content = {"images": images, "annotations": annotations, "categories": kinds}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    return tmp_path, content, crowd


def rewrite(folder, content, name="instances"):
    (folder / "annotations" / f"{name}_val2017.json").write_text(json.dumps(content))


def test_coco_instances(coco):
    folder, _, crowd = coco
    scenes = everything(objects.read_coco(folder, framing=AS_IT_IS))
    assert not scenes.labels[0].any(), "image 3 has no object"
    expected, kinds = np.where(crowd, -1, 0), np.where(crowd, 1, 0)
    expected[where(BOX)], kinds[where(BOX)] = 1, 44
    expected[where(INNER)], kinds[where(INNER)] = 2, 18
    np.testing.assert_array_equal(scenes.labels[1], expected)
    np.testing.assert_array_equal(scenes.classes[1], kinds)
    usual = objects.read_coco(folder)
    assert everything(usual).images.shape == (2, 256, 256, 3)
    prints = {usual.fingerprint()}
    rewrite(folder, spoil(coco[1], category_id=19))
    assert objects.read_coco(folder).fingerprint() not in prints


@pytest.mark.parametrize("stuff", [False, True])
def test_coco_panoptic(coco, stuff):
    folder, content, crowd = coco
    identities = np.full((20, 30), 70_000)  # sky
    identities[crowd], identities[where(BOX)] = 3_000_000, 515
    identities[where(INNER)] = 0  # void
    colours = np.stack([identities >> shift & 255 for shift in (0, 8, 16)], axis=2)
    annotations = []
    for k, ids in ((7, identities), (3, np.full((20, 30), 515))):
        pixels = np.stack([ids >> shift & 255 for shift in (0, 8, 16)], axis=2).astype(np.uint8)
        save(folder / "annotations" / "panoptic_val2017" / f"{k:012}.png", pixels)
        segments = [
            {"id": 70_000, "category_id": 119, "iscrowd": 0},
            {"id": 515, "category_id": 44, "iscrowd": 0},
            {"id": 3_000_000, "category_id": 1, "iscrowd": 1},
        ]
        entry = {"image_id": k, "file_name": f"{k:012}.png", "segments_info": segments}
        annotations.append(entry)
    assert colours.max() > 0
    rewrite(folder, {**content, "annotations": annotations}, "panoptic")
    source = objects.read_coco(folder, masks="panoptic", framing=AS_IT_IS, stuff=stuff)
    scenes = everything(source)
    thing = where(BOX) & ~where(INNER)
    expected = np.full((20, 30), 2 if stuff else 0)
    expected[crowd] = -1
    expected[thing], expected[where(INNER)] = 1, -1
    np.testing.assert_array_equal(scenes.labels[1], expected)
    kinds = np.full((20, 30), 119)
    kinds[crowd], kinds[where(BOX)], kinds[where(INNER)] = 1, 44, -1
    np.testing.assert_array_equal(scenes.classes[1], kinds)
    assert (scenes.labels[0] == 1).all()

    annotations[0]["segments_info"] = segments[1:]
    rewrite(folder, {**content, "annotations": annotations}, "panoptic")
    with pytest.raises(ValueError, match=r"segment 70000, but is .*000000000007\.png|name segment"):
        everything(objects.read_coco(folder, masks="panoptic"))
    rewrite(folder, {**content, "annotations": annotations[:1]}, "panoptic")
    with pytest.raises(ValueError, match=r"has no segments, or several, for 000000000003\.jpg"):
        objects.read_coco(folder, masks="panoptic")


def spoil(content, **changes):
    first, *rest = content["annotations"]
    return {**content, "annotations": [{**first, **changes}, *rest]}


def test_bad_coco(coco):
    folder, content, _ = coco
    cases = {
        r"annotation 1 of .*07\.jpg': a polygon is no list of pairs": {"segmentation": [[1, 2, 3]]},
        r"annotation 1 of .*07\.jpg': run lengths add up to 4": {
            "segmentation": {"counts": [4], "size": [20, 30]}
        },
        r"larg.* but is 30×20, where .*07\.jpg' is 20×30 \(annotation 1\)": {
            "segmentation": {"counts": [600], "size": [30, 20]}
        },
    }
    for text, change in cases.items():
        rewrite(folder, spoil(content, **change))
        with pytest.raises(ValueError, match=text) as caught:
            everything(objects.read_coco(folder))
        assert "\n" not in str(caught.value)
    with pytest.warns(UserWarning, match="Left out"):
        assert len(objects.read_coco(folder, skip=True).checked()) == 1
    with pytest.raises(
        FileNotFoundError, match=r"hold the annotations, but is without .*panoptic_"
    ):
        objects.read_coco(folder, masks="panoptic")
    with pytest.raises(ValueError, match='`masks` must be "instances" or "panoptic"'):
        objects.read_coco(folder, masks="boxes")
    for text, broken in (
        ("is no JSON", '{"images": ['),
        ("holds no object", "[]"),
        ("lacks", "{}"),
    ):
        (folder / "annotations" / "instances_val2017.json").write_text(broken)
        with pytest.raises(
            ValueError, match=rf"as COCO's, but is .*instances_val2017\.json.*{text}"
        ):
            objects.read_coco(folder)
    rewrite(folder, {**content, "images": [], "annotations": []})
    with pytest.raises(ValueError, match=r"`folder` must hold images, but is .*which names none"):
        objects.read_coco(folder)
