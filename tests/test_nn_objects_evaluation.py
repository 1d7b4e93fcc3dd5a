"""Scoring extractors on scenes: ideal features, one score by hand, sweeps, files, bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn import clustering, metrics  # noqa: E402
from kuramoto.nn.data.objects import NoScenes, Scenes  # noqa: E402
from kuramoto.nn.tasks.objects_evaluation import evaluate, segment  # noqa: E402


def squares(n=5, side=16, step=4, objects=3, seed=0):
    """Scenes of squares on a grid of patches; the value of a pixel tells its object."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, side, side), np.int16)
    for image in labels:
        cells = rng.permutation((side // step) ** 2)[:objects]
        for number, cell in enumerate(cells, start=1):
            row, column = divmod(int(cell), side // step)
            image[row * step : (row + 1) * step, column * step : (column + 1) * step] = number
    images = (60 * labels[..., None]).astype(np.uint8)
    return Scenes(images, labels, np.minimum(labels, 1))


class Broken:
    """A source of which one batch cannot be read."""

    def __init__(self, scenes, bad):
        self.scenes, self.bad = scenes, bad

    def __len__(self):
        return len(self.scenes)

    def take(self, rows):
        rows = [row for row in rows if row not in self.bad]
        if not rows:
            raise NoScenes("None can be read.")
        return self.scenes.take(np.array(rows))

    def fingerprint(self):
        return ""


def noisy(images):
    """Patch means with noise that depends on the patch alone."""
    means = torch.nn.functional.avg_pool2d(images, 4)
    return torch.cat([means, 0.2 * torch.sin(1000 * means)], 1) + 0.05 * torch.sin(
        torch.arange(means[0, 0].numel(), dtype=means.dtype).view(means.shape[2:])
    )


# What is scored.


def test_ideal_features_score_one():
    report = evaluate(torch.nn.AvgPool2d(4), squares(), 4)
    assert (report.images, report.left_out) == (5, 0)
    assert report.fg_ari == report.mbo_i == report.mean("ari") == 1
    assert report.mean("mbo_i_clusters") == 1
    assert report.mbo_c < 0.5, "three clusters share the one class"
    report = evaluate(torch.nn.AvgPool2d(4), squares(), 2)
    assert report.fg_ari < 1


@pytest.mark.parametrize("method", ["average", "k-means"])
@pytest.mark.parametrize("components", [None, 1])
def test_scores_are_those_of_the_steps_by_hand(method, components):
    scenes = squares(side=24, objects=5, seed=1)
    report = evaluate(noisy, scenes, 5, method=method, components=components, batch=2, seed=3)
    images = torch.from_numpy(scenes.images).permute(0, 3, 1, 2) / 255
    ways = {"average": clustering.agglomerate, "k-means": clustering.k_means}
    seed = {"seed": 3} if method == "k-means" else {}
    places = ways[method](noisy(images), 5, components=components, **seed)
    clusters = clustering.enlarge(places, (24, 24))
    expected = {
        "fg_ari": metrics.foreground_ari(scenes.labels, clusters),
        "ari": metrics.adjusted_rand_index(scenes.labels, clusters),
        "mbo_i": metrics.mean_best_overlap(scenes.labels, clusters),
        "mbo_i_clusters": metrics.mean_best_overlap(scenes.labels, clusters, over="clusters"),
        "mbo_c": metrics.mean_best_overlap(scenes.classes, clusters),
        "mbo_c_clusters": metrics.mean_best_overlap(scenes.classes, clusters, over="clusters"),
    }
    assert list(report.scores) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(report.scores[name], values)
    assert 0 < report.fg_ari < 1, "nothing is compared if all is 0 or 1"
    assert report.error("fg_ari") == pytest.approx(expected["fg_ari"].std(ddof=1) / 5**0.5)


def test_a_sweep_is_several_evaluations():
    scenes = squares(side=24, objects=5, seed=2)
    report = evaluate(noisy, scenes, 5, sweep=[9, 2, 9])
    assert [row["clusters"] for row in report.sweep] == [2, 5, 9]
    for row in report.sweep:
        alone = evaluate(noisy, scenes, row["clusters"])
        assert row["mbo_i"] == alone.mbo_i
        assert row["fg_ari"] == alone.fg_ari
    assert len({row["mbo_i"] for row in report.sweep}) == 3


def test_one_tree_an_image_serves_all_numbers(monkeypatch):
    trees = []
    plant = clustering.average_linkage
    monkeypatch.setattr(
        clustering, "average_linkage", lambda points: trees.append(1) or plant(points)
    )
    evaluate(noisy, squares(), 4, sweep=range(2, 10))
    assert len(trees) == 5


def test_up_tiling_finds_what_lies_across_patches():
    def centres(images):
        return images[:, :, 4::8, 4::8]

    scenes = squares(side=32, step=8, seed=3)
    moved = Scenes(np.roll(scenes.images, 2, (1, 2)), np.roll(scenes.labels, 2, (1, 2)))
    coarse = evaluate(centres, moved, 4)
    fine = evaluate(centres, moved, 4, up_tile=4, patch_size=8)
    assert fine.mbo_i > coarse.mbo_i + 0.05
    assert fine.settings["up_tile"] == 4
    assert fine.settings["interpolation"] == "bilinear"


def test_processes_change_nothing():
    scenes = squares(n=3)
    alone, beside = (
        evaluate(torch.nn.AvgPool2d(4), scenes, 3, batch=1, processes=processes)
        for processes in (None, 1)
    )
    assert alone.scores == beside.scores


def test_images_without_objects_are_left_out_of_means():
    scenes = squares(n=3)
    labels = scenes.labels.copy()
    labels[1] = 0
    report = evaluate(torch.nn.AvgPool2d(4), (scenes.images, labels), 4)
    assert report.mbo_c is None
    assert np.isnan(report.scores["fg_ari"][1])
    assert report.fg_ari == 1
    assert report.counted("fg_ari") == 2
    report = evaluate(torch.nn.AvgPool2d(4), (scenes.images, labels), 3)
    assert report.mean("fg_ari", empty=1.0) == pytest.approx((2 * report.fg_ari + 1) / 3)
    assert json.loads(report.to_json())["scores"]["fg_ari"][1] is None


def test_ignored_pixels_do_not_count():
    scenes = squares()
    labels = np.where(scenes.labels == 2, -1, scenes.labels)
    report = evaluate(torch.nn.AvgPool2d(4), (scenes.images, labels), 4)
    assert report.fg_ari == report.mbo_i == 1


def test_bad_files_are_counted():
    report = evaluate(torch.nn.AvgPool2d(4), Broken(squares(), {1, 2, 3}), 4, batch=2)
    assert (report.images, report.left_out) == (2, 3)
    assert "3 images could not be read and are left out" in str(report)


def test_arrays_and_numpy_extractors_are_taken():
    scenes = squares()

    def extract(images):
        assert images.dtype == torch.float32
        assert images.max() <= 1
        return images.numpy()[:, :, ::4, ::4]

    assert evaluate(extract, (scenes.images, scenes.labels), 4).fg_ari == 1


def test_segment_returns_clusters_at_the_images_size():
    scenes = squares()
    labels, features = segment(torch.nn.AvgPool2d(4), scenes.images, 4)
    assert labels.shape == scenes.labels.shape
    assert features.shape == (5, 1, 4, 4)
    np.testing.assert_array_equal(metrics.foreground_ari(scenes.labels, labels), 1)
    fine, _ = segment(torch.nn.AvgPool2d(4), scenes.images, 4, up_tile=2, patch_size=4)
    assert fine.shape == labels.shape


# The report.


def test_the_report_is_a_table_and_a_file(tmp_path, capsys):
    file = tmp_path / "scores.json"
    report = evaluate(noisy, squares(), 4, sweep=[3], out=file, progress=True)
    read = json.loads(file.read_text())
    assert read["means"]["mbo_i"] == report.mbo_i
    assert read["scores"]["fg_ari"] == list(report.scores["fg_ari"])
    assert read["sweep"][0]["clusters"] == 3
    lines = str(report).splitlines()
    assert lines[1].startswith(f"FG-ARI {100 * report.fg_ari:23.2f}")
    assert "clusters 4, method average" in lines[-1]
    assert "5/5" in capsys.readouterr().err
    with pytest.raises(FileExistsError, match=r"scores.json exists already"):
        evaluate(noisy, squares(), 4, out=file)
    evaluate(noisy, squares(n=2), 4, out=file, overwrite=True)
    assert json.loads(file.read_text())["images"] == 2


# Bad input.


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"clusters": 17}, "at most the number of places an image has, 16, but is 17"),
        ({"clusters": 0}, "`clusters` must be a whole number of at least 1"),
        ({"sweep": [40]}, "at most the number of places an image has, 16, but is 40"),
        ({"method": "kmeans"}, "`method` must be one of.*did you mean `k-means`"),
        ({"up_tile": 2}, "`patch_size` must be given for up-tiling"),
        ({"batch": 0}, "`batch` must be a whole number of at least 1"),
    ],
)
def test_bad_settings(how, words):
    with pytest.raises(ValueError, match=words):
        evaluate(torch.nn.AvgPool2d(4), squares(), **{"clusters": 4} | how)


def test_bad_scenes_and_extractors():
    scenes, patches = squares(), torch.nn.AvgPool2d(4)
    with pytest.raises(ValueError, match="`scenes` must have labels to be scored against"):
        evaluate(patches, Scenes(scenes.images), 4)
    with pytest.raises(ValueError, match=r"a tuple \(images, labels\).*but has 1 entries"):
        evaluate(patches, (scenes.images,), 4)
    with pytest.raises(TypeError, match=r"`scenes` must be scenes, or a tuple.*of type ndarray"):
        evaluate(patches, scenes.images, 4)
    with pytest.raises(ValueError, match="hold at least one image"):
        evaluate(patches, scenes.take(slice(0)), 4)
    with pytest.raises(
        ValueError, match=r"`extract` must return features \[5, C, h, w\].*\(5, 16\)"
    ):
        evaluate(lambda images: patches(images).flatten(1), scenes, 4)
    report = evaluate(patches, scenes, 4)
    with pytest.raises(ValueError, match=r"`name` must be one of.*did you mean `mbo_i`"):
        report.mean("mboi")
