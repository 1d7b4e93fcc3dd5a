"""The recipe of object discovery: batches, loss and scores, sources, presets, runs."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("kornia")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

from kuramoto.nn import tasks, training  # noqa: E402
from kuramoto.nn.augmentation import Views, apply  # noqa: E402
from kuramoto.nn.data import objects as data_of  # noqa: E402
from kuramoto.nn.data.objects import Framing, Scenes, batch, shapes, tetrominoes  # noqa: E402
from kuramoto.nn.simclr import nt_xent  # noqa: E402
from kuramoto.nn.tasks import objects  # noqa: E402
from kuramoto.nn.tasks.objects_sources import KINDS, Wanted, scenes, some  # noqa: E402

ROOT = Path(__file__).parents[1]
SMALL = {
    "train_scenes": "64",
    "validation_scenes": "8",
    "batch": "8",
    "model.channels": "16",
    "model.steps": "2",
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, and no folders of the user's."""
    for name in ("KURAMOTO_DATA", "KURAMOTO_CACHE"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(preset: str = "toy", **changes: str) -> tuple[objects.Objects, training.Settings]:
    return objects.prepare(preset, None, {**SMALL, **changes})


def tensors(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


# --- batches and loss ---------------------------------------------------------------------------


def test_batches_follow_from_step_and_seed_wherever_training_begins() -> None:
    one, other = small()[0], small()[0]
    for step in (5, 2, 2, 11):
        arrays = one.batch(step, 8, seed=3)
        assert np.array_equal(arrays[0], batch(tetrominoes(64), step, 8, 3).images)
        for a, b in zip(arrays, other.batch(step, 8, 3), strict=True):
            assert len(a) == 8
            assert np.array_equal(a, b)
    for changed in (one.batch(3, 8, 3), one.batch(2, 8, 4)):
        usual = one.batch(2, 8, 3)
        assert not any(np.array_equal(changed[part], usual[part]) for part in (0, 1, 3, 4))


def test_the_loss_compares_two_views_of_every_image() -> None:
    made, _ = small(temperature="0.5")
    torch.manual_seed(0)
    model = made.model().eval()
    arrays = made.batch(0, 8, 0)
    loss = made.loss(model, tensors(arrays))
    images, *drawn = tensors(arrays)
    pixels = images.permute(0, 3, 1, 2) / 255
    first, second = apply(pixels, Views(*drawn))
    z = model(torch.cat([first, second]))
    torch.testing.assert_close(loss, nt_xent(z[:8], z[8:], 0.5))
    loss.backward()
    learned = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learned)


def test_options_reach_the_views() -> None:
    made, _ = small(crop="0.5", mirror="true", jitter="1", gray="0", hue="0", saturation="0.1")
    _, window, mirror, factors, order, gray = made.batch(0, 8, 0)
    assert (window[..., 2] * window[..., 3]).min() > 0.5 - 1e-6
    assert mirror.any()
    assert not mirror.all()
    assert not gray.any()
    assert (order >= 0).all()
    assert (factors[..., 3] == 0).all()
    assert np.abs(factors[..., 2] - 1).max() <= 0.1 + 1e-6


class Knowing(torch.nn.Module):
    """Features are colours, as they are in the images: what Tetrominoes are told apart by."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def features(self, images: Any) -> Any:
        return images * self.weight

    def forward(self, images: Any) -> Any:
        return self.features(images).mean((2, 3))


def test_scores_are_those_of_clusters_of_features() -> None:
    made, _ = small()
    scenes = tetrominoes(400)
    colours = [len({tuple(pixel) for pixel in image.reshape(-1, 3)}) for image in scenes.images]
    rows = np.flatnonzero(np.array(colours) == 4)[:8]  # background and three colours
    made.held_out = scenes.take(rows)
    scored = made.validate(Knowing())
    assert tuple(scored) == made.scores
    assert (scored["fg_ari"], scored["mbo_i"]) == (1.0, 1.0)
    assert scored == made.validate(Knowing())
    made.held_out = scenes.take(np.flatnonzero(np.array(colours) == 2)[:8])  # all of one colour
    assert made.validate(Knowing())["fg_ari"] < 0.9


def test_validation_is_reproducible_and_leaves_random_numbers_alone() -> None:
    made, _ = small()
    torch.manual_seed(0)
    model = made.model().eval()
    state = torch.get_rng_state()
    with torch.no_grad():
        first = made.validate(model)
        assert first == made.validate(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.isfinite(list(first.values())).all()


# --- runs ---------------------------------------------------------------------------------------


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        clocks = ("seconds", "steps_per_second")
        return [{k: v for k, v in row.items() if k not in clocks} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy preset, a third of it."""
    folder = tmp_path_factory.mktemp("toy") / "run"
    torch.set_num_threads(1)
    made, settings = objects.prepare("toy", None)
    settings = dataclasses.replace(settings, steps=50, validate_every=25, checkpoint_every=25)
    assert training.fit(made, dataclasses.replace(settings, keep=0), folder).finished
    return folder


def test_a_toy_run_learns(run: Path) -> None:
    losses = [float(row["loss"]) for row in rows(run)]
    chance = np.log(2 * 32 - 1)
    assert losses[-1] < losses[0] - 0.2 < chance - 0.2
    scored = [row for row in rows(run) if row["fg_ari"]]
    assert [row["step"] for row in scored] == ["25", "50"]
    assert float(scored[-1]["fg_ari"]) > 0.4
    assert float(scored[-1]["mbo_i"]) > 0.4


def test_a_resumed_run_is_the_same_bit_for_bit(run: Path, tmp_path: Path) -> None:
    start = "checkpoints/step_000000025.safetensors"
    (tmp_path / "checkpoints").mkdir()
    for name in ("config.json", "metrics.csv", start):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    torch.manual_seed(99)
    kept = training.Run(tmp_path)
    made = objects.restore(kept.recipe, None)
    training.fit(made, kept.settings, tmp_path, resume=True)
    assert rows(tmp_path) == rows(run)
    same = [(folder / "weights.safetensors").read_bytes() for folder in (tmp_path, run)]
    assert same[0] == same[1]


TWO = {**SMALL, "model.name": "itrsa", "steps": "3", "log_every": "1"}  # without random states
TRAIN = """
import torch
from kuramoto.nn import training
from kuramoto.nn.tasks import objects
if __name__ == "__main__":
    torch.set_num_threads(1)
    made, settings = objects.prepare("toy", None, {changes})
    training.fit(made, settings, {folder!r})
"""


@pytest.mark.slow
def test_two_processes_train_on_the_joined_batch(tmp_path: Path) -> None:
    for number in ("1", "2"):
        script, folder = tmp_path / f"train{number}.py", str(tmp_path / number)
        script.write_text(TRAIN.format(changes={**TWO, "devices": number}, folder=folder))
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        command, env = [sys.executable, str(script)], {**os.environ, "PYTHONPATH": path}
        subprocess.run(command, check=True, env=env)
    one, two = (rows(tmp_path / number) for number in ("1", "2"))
    assert len(one) == 3
    for alone, joined in zip(one, two, strict=True):
        for name in ("loss", "gradient_norm"):
            assert float(joined[name]) == pytest.approx(float(alone[name]), rel=1e-4)


def test_a_run_is_evaluated(run: Path, tmp_path: Path) -> None:
    task, out = tasks.task("objects"), tmp_path / "report.json"
    report = task.evaluate_run(training.Run(run), limit=24, sweep=(3, 5), out=out)
    assert report.images == 24
    assert report.settings["clusters"] == 4
    assert [row["clusters"] for row in report.sweep] == [3, 4, 5]
    assert json.loads(out.read_text())["means"]["fg_ari"] == report.fg_ari > 0.3
    finer = task.evaluate_run(training.Run(run), limit=4, up_tile=2, clusters=3, steps=5)
    assert finer.settings["patch_size"] == 4
    assert finer.settings["clusters"] == 3
    every = task.evaluate_run(training.Run(run), split="validation")
    assert every.images == 1000  # all there are, not only those scored in training
    with pytest.raises(FileExistsError):
        task.evaluate_run(training.Run(run), limit=4, out=out)


def test_what_cannot_be_evaluated(run: Path) -> None:
    kept = training.Run(run)
    for source, complaint in (
        ("imagenet", "`source` must have labels to be scored against, but is imagenet, without"),
        ("clever", "`source` must be one of .*[Cc]levr"),
        ("shapes", "`size` must be 40, as images of shapes are, but is 32"),
    ):
        with pytest.raises(ValueError, match=complaint):
            objects.evaluate_run(kept, source=source)
    with pytest.raises(ValueError, match="`split` must be one of train, validation, test"):
        objects.evaluate_run(kept, split="tset")
    kept.config["recipe"] = {"task": "sudoku"}
    with pytest.raises(ValueError, match="is of the task sudoku, not of objects"):
        objects.evaluate_run(kept)
    with pytest.raises(ValueError, match="The run is of the task sudoku, not of objects"):
        objects.restore({"task": "sudoku"}, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"model.name": "itrsa"},
        {"model.name": "itrconv"},
        {"model.name": "vit", "model.blocks": "2"},
        {"model.connectivity": "convolution"},
        {"source": "shapes", "model.patch_size": "8"},
    ],
    ids=lambda changes: "-".join(changes.values()),
)
def test_every_model_trains(changes: dict[str, str], tmp_path: Path) -> None:
    wishes = {key: value for key, value in SMALL.items() if key != "model.steps"}
    made, settings = objects.prepare("toy", None, {**wishes, **changes})
    folder = tmp_path / "run"
    assert training.fit(made, dataclasses.replace(settings, steps=2), folder).finished
    report = objects.evaluate_run(training.Run(folder), limit=3)
    assert report.images == 3


# --- presets ------------------------------------------------------------------------------------

# Tabs 9-11: source, image, patch, channels, T, blocks, epochs, batch, rate, clusters, training.
TABLES = {
    "tetrominoes": ("tetrominoes", 32, 4, 128, 8, 1, 50, 256, 1e-3, 4, 60_000),
    "dsprites": ("multi_dsprites", 64, 4, 128, 8, 1, 50, 256, 1e-3, 7, 60_000),
    "clevr": ("clevr", 128, 8, 256, 8, 1, 300, 256, 1e-3, 11, 50_000),
    "shapes": ("shapes", 40, 2, 256, 4, 1, 100, 256, 1e-3, 5, 40_000),
    "clevrtex": ("clevrtex", 128, 8, 256, 8, 2, 500, 256, 5e-4, 11, 40_000),
    "clevrtex_large": ("clevrtex", 128, 8, 512, 8, 2, 1000, 256, 5e-4, 11, 40_000),
    "imagenet": ("imagenet", 256, 16, 768, 4, 3, 400, 512, 5e-4, 7, 1_281_167),
}
KERNELS = {"tetrominoes": 5, "dsprites": 7, "clevr": 9}


def empty(name: str, wanted: Wanted) -> Scenes:
    """Stand in for data that are not here."""
    kind = KINDS[name]
    shape = (4, wanted.size, wanted.size)
    labels = np.zeros(shape, np.int8) if kind.labelled else None
    return Scenes(np.zeros((*shape, kind.channels), np.uint8), labels)


@pytest.mark.parametrize("name", TABLES)
def test_the_papers_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "scenes", empty)
    source, size, patch, channels, T, blocks, epochs, batch, rate, clusters, n = TABLES[name]
    made, settings = objects.prepare(name, None)
    with torch.device("meta"):
        config = made.model().config
    assert (made.options.source, made.options.size, config.image_size) == (source, size, size)
    assert (config.patch_size, config.channels, config.steps) == (patch, channels, T)
    assert (config.dimensions, config.heads, config.blocks) == (4, 8, blocks)
    assert (config.connectivity, config.positions) == ("attention", "gta")
    assert config.kernel_size == KERNELS.get(name, 5)
    assert config.image_channels == (1 if name == "shapes" else 3)
    assert settings.steps == epochs * (n // batch)
    assert (settings.batch, settings.learning_rate) == (batch, rate)
    assert (settings.optimizer, settings.weight_decay, settings.schedule) == ("adam", 0, "constant")
    assert (settings.ema, settings.ema_every) == (0.998, 10)
    options = made.options
    assert (options.clusters, options.temperature, options.train_scenes) == (clusters, 0.1, 0)
    strengths = (options.brightness, options.contrast, options.saturation, options.hue)
    assert strengths == (0.4, 0.4, 0.4, 0.1)
    assert (options.crop, options.jitter, options.gray) == (0.08, 0.8, 0.2)
    assert options.mirror == (name == "imagenet")
    assert (KINDS["voc"].clusters, KINDS["coco"].clusters) == (4, 7)


@pytest.mark.parametrize("name", objects.PRESETS)
def test_every_preset_has_its_counterparts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "scenes", empty)
    own = objects.PRESETS[name].model
    for model in ("akorn", "itrsa", "itrconv", "vit"):
        made, _ = objects.prepare(name, None, {"model.name": model})
        with torch.device("meta"):
            config = made.model().config
        assert (config.channels, config.patch_size) == (own["channels"], own["patch_size"])
        assert (config.steps, config.blocks) == (
            (1, 8) if model == "vit" else (own["steps"], own.get("blocks", 1))
        )
    convolution, _ = objects.prepare(name, None, {"model.connectivity": "convolution"})
    assert convolution.config["kernel_size"] == own.get("kernel_size", 5)


def test_models_are_as_large_as_their_counterparts() -> None:
    counts = {}
    for model in ("akorn", "itrsa"):
        with torch.device("meta"):
            wishes = {"model.name": model, "train_scenes": "8", "model.channels": "128"}
            made, _ = objects.prepare("toy", None, wishes)
            counts[model] = sum(p.numel() for p in made.model().parameters())
    assert 0.7 < counts["akorn"] / counts["itrsa"] < 1.4


def test_changes_reach_model_options_and_training() -> None:
    made, settings = small(source="shapes", clusters="6", learning_rate="2e-3")
    assert (made.config["channels"], made.config["image_size"]) == (16, 40)
    assert made.config["image_channels"] == 1
    assert (made.options.clusters, settings.learning_rate) == (6, 2e-3)
    assert (len(made.train), len(made.held_out)) == (64, 8)
    told = json.loads(json.dumps(made.about()))
    again = objects.restore(told, None)
    assert json.loads(json.dumps(again.about())) == told
    other, _ = small(source="shapes", clusters="6", data_seed="1")
    assert other.about()["scenes"] != made.about()["scenes"]


# --- sources ------------------------------------------------------------------------------------


def test_splits_are_stretches_that_do_not_meet() -> None:
    for name, maker in (("shapes", shapes), ("tetrominoes", tetrominoes)):
        size = KINDS[name].size
        first = {"shapes": 41_000, "tetrominoes": 60_000}[name]
        test = scenes(name, Wanted("test", 5, size))
        held = scenes(name, Wanted("validation", 5, size))
        assert np.array_equal(test.images, maker(5, first=first).images)
        after = {"shapes": 40_000, "tetrominoes": 60_320}[name]
        assert np.array_equal(held.images, maker(5, first=after).images)


def test_generated_scenes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KURAMOTO_CACHE", str(tmp_path))
    made = [scenes("tetrominoes", Wanted("train", 20, 32)) for _ in range(2)]
    assert len(list(tmp_path.iterdir())) == 1
    assert isinstance(made[1].images, np.memmap)
    assert np.array_equal(made[1].images, tetrominoes(20).images)


def test_images_of_ones_own_train_without_labels(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, pixels in enumerate(tetrominoes(20).images):
        image_module.fromarray(pixels).save(folder / f"{number:02d}.png")
    wishes = {**SMALL, "model.patch_size": "8", "size": "16", "train_scenes": "0"}
    made, settings = objects.prepare("images", folder, wishes)
    assert (len(made.train), len(made.held_out), made.config["image_size"]) == (18, 2, 16)
    assert made.scores == ("held_out_loss",)
    short = dataclasses.replace(settings, steps=2, validate_every=1)
    outcome = training.fit(made, short, tmp_path / "run")
    assert np.isfinite(outcome.metrics["held_out_loss"])
    with pytest.raises(ValueError, match="`source` must have labels to be scored against"):
        objects.evaluate_run(training.Run(tmp_path / "run"))
    again = objects.restore(training.Run(tmp_path / "run").recipe, folder)
    assert json.loads(json.dumps(again.about())) == training.Run(tmp_path / "run").recipe
    (folder / "00.png").unlink()
    other = objects.restore(training.Run(tmp_path / "run").recipe, folder)
    with pytest.raises(ValueError, match="has scenes ="):
        training.fit(other, settings, tmp_path / "run", resume=True)


def test_nuclei_are_cut_from_different_images(data_dir: Path) -> None:
    if not (data_dir / "nuclei").is_dir():
        pytest.skip("no nuclei here")
    train, held, test = (
        scenes("nuclei", Wanted(split, 12, 64, data=data_dir))
        for split in ("train", "validation", "test")
    )
    for found in (train, held, test):
        assert found.images.shape == (12, 64, 64, 1)
        assert found.objects().min() >= 2
    assert not np.array_equal(held.images, test.images)


class Readers:
    """Stand in for the readers of published files, and note what they are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Any, ...]] = []
        for name in ("multi_objects", "clevrtex", "imagenet", "voc", "coco"):
            monkeypatch.setattr(data_of, f"read_{name}", functools.partial(self.read, name))

    def read(self, name: str, place: Path, *arguments: Any, **options: Any) -> Scenes:
        self.asked.append((name, place.name, *arguments, options))
        labels = np.zeros((40, 8, 8), np.int8)
        labels[:, 0, 0] = np.arange(40) % 11  # so many objects
        images = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 8, 8, 3))
        return Scenes(images, labels)


def test_published_files_are_asked_for_as_the_paper_splits_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = Readers(monkeypatch)
    (tmp_path / "voc").mkdir()
    for name, split, wanted in (
        ("tetrominoes_file", "train", ("multi_objects", "tetrominoes_train.tfrecords")),
        ("multi_dsprites_file", "test", ("multi_objects", "multi_dsprites_colored_on_colored")),
        ("clevrtex", "validation", ("clevrtex", tmp_path.name, "full", "validation")),
        ("clevrtex_ood", "test", ("clevrtex", tmp_path.name, "outd", "test")),
        ("clevrtex_camo", "test", ("clevrtex", tmp_path.name, "camo", "test")),
        ("imagenet", "validation", ("imagenet", tmp_path.name, "val")),
        ("voc", "test", ("voc", "voc", "val")),
        ("coco", "test", ("coco", tmp_path.name, "val2017")),
    ):
        scenes(name, Wanted(split, 0, KINDS[name].size, data=tmp_path))
        asked = readers.asked[-1]
        assert asked[0] == wanted[0]
        assert str(asked[1]).startswith(wanted[1])
        assert asked[2 : len(wanted)] == wanted[2:]
    stretches = [(a[-1]["first"], a[-1]["n"]) for a in readers.asked[:2]]
    assert stretches == [(0, 60_000), (60_000, 320)]
    framings = {a[0]: a[-2] for a in readers.asked[2:]}
    assert framings["clevrtex"] == Framing(crop=0.8, size=128)
    assert framings["imagenet"] == Framing(crop=1.0, size=256)
    assert framings["voc"] == Framing(size=256)


def test_clevr_has_scenes_of_at_most_six_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Readers(monkeypatch)
    found = scenes("clevr", Wanted("train", 0, 128, data=tmp_path))
    shown = found.take(np.arange(len(found)))
    numbers = shown.images[:, 0, 0, 0]
    assert np.array_equal(numbers, [k for k in range(40) if k % 11 <= 6])
    with pytest.raises(ValueError, match="`data` must hold more than 50000 scenes of at most 6"):
        scenes("clevr", Wanted("test", 0, 128, data=tmp_path))


def test_bad_files_are_left_out_of_scores_if_asked(run: Path, tmp_path: Path) -> None:
    """PASCAL VOC as published, one of four images cut short."""
    from sample_images import save, smooth

    root, labels = tmp_path / "VOC2012", np.zeros((40, 40), np.uint8)
    labels[5:20, 5:20] = 1
    for number in range(4):
        save(root / "JPEGImages" / f"{number}.jpg", smooth(40, 40, number), quality=95)
        for kind in ("Object", "Class"):
            save(root / f"Segmentation{kind}" / f"{number}.png", labels)
    names = root / "ImageSets" / "Segmentation" / "val.txt"
    names.parent.mkdir(parents=True)
    names.write_text("0\n1\n2\n3\n")
    cut = root / "JPEGImages" / "2.jpg"
    cut.write_bytes(cut.read_bytes()[:100])
    asked = {"source": "voc", "data": root, "batch": 2}
    with pytest.raises(ValueError, match=r"2\.jpg"):
        objects.evaluate_run(training.Run(run), **asked)
    with pytest.warns(UserWarning, match=r"Left out .*2\.jpg"):
        report = objects.evaluate_run(training.Run(run), skip=True, **asked)
    assert (report.images, report.left_out) == (3, 1)


def test_a_few_of_many_files_are_spread_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Readers(monkeypatch)
    few = scenes("imagenet", Wanted("validation", 4, 256, data=tmp_path))
    assert few.take(np.arange(4)).images[:, 0, 0, 0].tolist() == [0, 13, 26, 39]


def test_some_rows_of_a_source() -> None:
    whole = shapes(10)
    part = some(whole, np.array([7, 2, 5]))
    assert len(part) == 3
    assert np.array_equal(part.take(np.array([1, 2])).images, whole.images[[2, 5]])
    assert part.fingerprint() != some(whole, np.array([7, 2])).fingerprint()


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"source": "shape"}, "`source` must be one of .*shapes"),
        ({"temperature": "0"}, "`temperature` must be .*positive"),
        ({"validation_scenes": "1"}, "`validation_scenes` must be .*2"),
        ({"size": "48"}, "`size` must be 32, as images of tetrominoes are, but is 48"),
        ({"model.name": "akron"}, "`model.name` must be one of akorn, .* but is 'akron'"),
        ({"model.image_size": "64"}, "`model.image_size` must be 32, as that of the images"),
        ({"model.chanels": "64"}, "There is no setting `chanels`; .*channels"),
        ({"epochs": "64"}, "There is no setting `epochs`"),
        ({"crop": "0"}, "`crop` must be"),
    ],
)
def test_bad_settings(changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        small(**changes)


def test_other_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no preset `tetris`"):
        objects.prepare("tetris", None)
    with pytest.raises(ValueError, match=r"generated and reads nothing: .*source=tetrominoes_file"):
        objects.prepare("toy", tmp_path)
    with pytest.raises(FileNotFoundError, match="Source clevr reads files: pass --data"):
        objects.prepare("clevr", None)
    with pytest.raises(FileNotFoundError, match=r"tetrominoes_train\.tfrecords"):
        objects.prepare("toy", tmp_path, {"source": "tetrominoes_file"})
    with pytest.raises(ValueError, match="`size` must be at most the number of images, but is 256"):
        objects.prepare("toy", None, {"train_scenes": "8"})[0].batch(0, 256, 0)
