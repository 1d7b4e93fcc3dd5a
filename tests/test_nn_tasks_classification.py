"""Classification: learns, resumes, begins from other weights; images for test are only scored."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call

torch = pytest.importorskip("torch")
pytest.importorskip("kornia")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

from kuramoto import cli  # noqa: E402
from kuramoto.nn import models, training  # noqa: E402
from kuramoto.nn.tasks import classification  # noqa: E402
from kuramoto.nn.tasks.classification import Classification, Options  # noqa: E402

FEW = {"train_images": "300", "validation_images": "40"}


def made(**changes: str) -> Classification:
    return classification.prepare("toy", None, {**FEW, **changes})[0]


def tensors(batch: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in batch)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "run"
    recipe, settings = classification.prepare("toy", None)
    settings = dataclasses.replace(settings, steps=40, validate_every=40, checkpoint_every=20)
    assert training.fit(recipe, settings, folder).finished
    return folder


def test_a_toy_run_learns(run: Path) -> None:
    rows = (run / "metrics.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    assert float(last["accuracy"]) > 0.5  # of three classes
    found = classification.evaluate_run(training.Run(run), limit=200)
    assert (found.images, found.accuracy > 0.5) == (200, True)
    held = classification.evaluate_run(training.Run(run), split="validation", batch=100)
    assert held.accuracy == float(last["accuracy"])
    assert held.nll == pytest.approx(float(last["held_out_loss"]), rel=1e-5)


def test_a_run_that_is_resumed_ends_the_same(tmp_path: Path) -> None:
    recipe, settings = classification.prepare("toy", None, {**FEW, "augment": "augmix"})
    settings = dataclasses.replace(settings, steps=4, batch=20, validate_every=4)
    training.fit(recipe, settings, tmp_path / "whole")
    training.fit(recipe, dataclasses.replace(settings, steps=2), tmp_path / "cut")
    training.fit(recipe, settings, tmp_path / "cut", resume=True)
    whole, cut = (tmp_path / name / "weights.safetensors" for name in ("whole", "cut"))
    first, second = training.files.read_file(whole)[0], training.files.read_file(cut)[0]
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(("augment", "extra"), [("none", 0), ("crop", 5), ("augmix", 9)])
def test_what_is_done_to_images_follows_from_seed_and_step(augment: str, extra: int) -> None:
    recipe = made(augment=augment)
    first, again, other = (recipe.batch(step, 30, 1) for step in (3, 3, 4))
    assert len(first) == 2 + extra
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    model = recipe.model().eval().requires_grad_(False)
    assert float(recipe.loss(model, tensors(first))) == float(recipe.loss(model, tensors(again)))
    plain = float(made(augment="none").loss(model, tensors(first[:2])))
    assert (float(recipe.loss(model, tensors(first))) == plain) == (extra == 0)


def test_every_image_is_seen_once_an_epoch() -> None:
    recipe = made()
    seen = np.concatenate([recipe.batch(step, 100, 0)[1] for step in range(3)])
    assert np.bincount(seen).tolist() == np.bincount(recipe.train.labels).tolist()


def test_noise_is_added_in_training_alone() -> None:
    quiet, noisy = made(), made(noise="0.3")
    model, batch = quiet.model().eval().requires_grad_(False), tensors(quiet.batch(0, 40, 0))
    assert float(noisy.loss(model, batch)) != float(quiet.loss(model, batch))
    assert noisy.validate(model) == quiet.validate(model)


def test_held_out_images_are_not_trained_on(data_dir: Path) -> None:
    if not (data_dir / "cifar10").is_dir():
        pytest.skip("no images here")
    recipe, _ = classification.prepare("cpu", data_dir)
    assert (len(recipe.train), len(recipe.held_out)) == (49_000, 1000)
    assert recipe.train.source.startswith("JPEG")
    rows = [part.images.reshape(len(part), -1)[:, ::97] for part in (recipe.train, recipe.held_out)]
    known = {row.tobytes() for row in rows[0]}
    assert np.mean([row.tobytes() in known for row in rows[1]]) < 0.02  # few images stand twice


def test_a_network_begins_from_what_simclr_learned(tmp_path: Path) -> None:
    wishes = {**FEW, "objective": "simclr", "model.outputs": "16", "steps": "2", "batch": "20"}
    first, settings = classification.prepare("toy", None, wishes)
    assert first.scores == ("held_out_loss",)
    outcome = training.fit(first, settings, tmp_path / "code")
    assert np.isfinite(outcome.metrics["held_out_loss"])
    with pytest.raises(ValueError, match="was trained by SimCLR: it knows no classes yet"):
        classification.evaluate_run(training.Run(tmp_path / "code"))
    begun = made(start_from=str(tmp_path / "code")).model().state_dict()
    learned = training.files.read_file(tmp_path / "code" / "weights.safetensors")[0]
    for name, value in begun.items():
        assert name.startswith("logits.") or torch.equal(value, learned[name])
    assert begun["logits.weight"].shape == (3, 16)
    with pytest.raises(ValueError, match=r"of another model: `.*` is of shape"):
        made(start_from=str(tmp_path / "code"), **{"model.channels": "8,8"}).model()


def test_held_out_images_are_scored_by_one_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others do not validate: who waited for their codes would wait for ever."""
    recipe = made(objective="simclr", **{"model.outputs": "16"})
    model = recipe.model().eval().requires_grad_(False)

    def ask(*_: object) -> None:
        raise AssertionError("asked the other processes")

    monkeypatch.setattr("kuramoto.nn.simclr._everybody", ask)
    assert np.isfinite(recipe.validate(model)["held_out_loss"])
    with pytest.raises(AssertionError, match="asked the other processes"):
        recipe.loss(model, tensors(recipe.batch(0, 10, 0)))


def test_a_recipe_is_made_again_from_what_it_says() -> None:
    recipe = made(augment="crop", noise="0.1")
    about = json.loads(json.dumps(recipe.about()))
    assert json.loads(json.dumps(classification.restore(about, None).about())) == about


@pytest.mark.parametrize("name", sorted(models.MODELS["classification"]))
def test_every_model_takes_a_step(name: str) -> None:
    blocks = {"channels": "8,8,16", "kernel_sizes": "3,3,3", "strides": "1,2,2", "steps": "1,1,1"}
    words = "convolution,convolution,attention"
    small = {
        "akorn_mix": {**blocks, "connectivity": words, "heads": "2"},
        "itrconv": {"channels": "8"},
        "resnet18": {"channels": "8"},
        "vit": {"channels": "16", "heads": "2", "image_size": "40"},
    }
    wishes = {f"model.{key}": value for key, value in small.get(name, {}).items()}
    recipe = made(**{"model.name": name}, **wishes)
    loss = recipe.loss(recipe.model(), tensors(recipe.batch(0, 4, 0)))
    loss.backward()
    assert torch.isfinite(loss)


def test_presets_are_the_published_ones() -> None:
    paper = classification.PRESETS["cifar10"]
    assert (paper.training.batch, paper.training.learning_rate, paper.training.ema) == (
        128,
        1e-4,
        0.99,
    )
    assert paper.training.steps == 400 * (49_000 // 128)  # 400 epochs of 49,000 images
    config = models.build("classification", **paper.model).config
    assert (config.channels, config.kernel_sizes, config.steps) == (
        (64, 128, 256),
        (9, 7, 5),
        (3, 3, 3),
    )
    assert classification.PRESETS["pretrain"].options.objective == "simclr"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"augment": "augmx"}, "`augment` must be one of none, crop, augmix, but is 'augmx'"),
        ({"source": "cifar11"}, "`source` must be one of cifar10"),
        ({"noise": "-1"}, "`noise` must be at least 0"),
        ({"model.outputs": "4"}, r"`model.outputs` must be 3, but is 4, of images of 3 classes"),
        ({"source": "cifar10"}, "pass --data, the folder with them, or set KURAMOTO_DATA"),
        ({"validation_images": "1"}, "`validation_images` must be a whole number of at least 2"),
        ({"model.name": "resnet"}, "`model.name` must be one of .*; did you mean `resnet18`"),
    ],
)
def test_bad_input(changes: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KURAMOTO_DATA", raising=False)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        made(**changes)


def test_more_bad_input(run: Path) -> None:
    with pytest.raises(ValueError, match="`batch` must be at most the number of images, but is"):
        made().batch(0, 1000, 0)
    with pytest.raises(ValueError, match="generated and reads nothing: leave --data out"):
        classification.prepare("toy", Path("here"), FEW)
    with pytest.raises(ValueError, match="`split` must be test or validation, but is 'train'"):
        classification.evaluate_run(training.Run(run), split="train")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        made(start_from="nowhere").model()
    assert Options().views.mirror == 0.5


def test_the_command_tells_accuracy_and_calibration(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", "classification", str(run), "--limit", "100"])
    out = capsys.readouterr().out
    assert not ended.value.code
    assert out.startswith("100 images: accuracy ")
    assert "calibration error" in out


def test_learning_curves_are_those_of_the_metrics(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from kuramoto.nn.pictures.classification import figure_learning
    from kuramoto.nn.pictures.learning import read_metrics

    metrics = read_metrics(run)
    one, both = (figure_learning(dict.fromkeys(names, metrics)) for names in ("a", "ab"))
    labels = [ax.get_ylabel() for ax in one.axes]
    assert labels[0] == "cross-entropy"
    assert labels[1:] == [
        f"{w} of held-out images / %" for w in ("accuracy", "calibration error (ECE)")
    ]
    known = ~np.isnan(metrics["accuracy"])
    (line,) = one.axes[1].lines
    np.testing.assert_allclose(line.get_ydata(), 100 * metrics["accuracy"][known])
    assert [line.get_label() for line in both.axes[2].lines] == ["a", "b"]
    code = {"step": metrics["step"], "loss": metrics["loss"]}
    assert [ax.get_ylabel() for ax in figure_learning({"code": code}).axes] == ["SimCLR's loss"]
    with pytest.raises(ValueError, match="no run was given"):
        figure_learning({})


def test_the_command_draws_runs_beside_each_other(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "both.svg"
    assert call(capsys, "plot", run, "--out", out) == (0, f"Wrote {out}\n", "")
    assert out.read_bytes().startswith(b"<?xml")
    code, _, err = call(capsys, "plot", run, "--out", out)
    assert (code, "exists already" in err) == (2, True)
    code, _, err = call(capsys, "animate", run)
    assert (code, "without animation; use kuramoto plot" in err) == (2, True)
