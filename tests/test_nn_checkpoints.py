"""Models on disk: saved and loaded with their configuration; files of something else."""

from __future__ import annotations

import doctest

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

import kuramoto.nn as nn  # noqa: E402
from kuramoto.nn import models  # noqa: E402
from kuramoto.nn.models import (  # noqa: E402
    MODELS,
    build,
)

DIGITS = torch.arange(16).reshape(1, 4, 4) % 5


@pytest.mark.parametrize("name", MODELS["sudoku"])
def test_every_sudoku_model_comes_back(name, tmp_path):
    torch.manual_seed(0)
    small = {"energy_transformer": {}, "transformer": {"blocks": 2}}.get(name, {"steps": 3})
    model = build("sudoku", name, side=4, channels=16, heads=2, **small).eval()
    nn.save(model, tmp_path / "model.safetensors")
    again = nn.load(tmp_path / "model.safetensors")
    assert type(again) is type(model)
    assert again.config == model.config
    assert not again.training
    torch.testing.assert_close(again(DIGITS), model(DIGITS), rtol=0, atol=0)


IMAGE_MODELS = {
    ("objects", "akorn"): {"channels": 16, "heads": 2, "blocks": 2, "steps": (1, 2)},
    ("objects", "itrsa"): {"channels": 16, "heads": 2, "steps": 2},
    ("objects", "itrconv"): {"channels": 16, "steps": 2},
    ("objects", "vit"): {"channels": 16, "heads": 2, "blocks": 2},
    ("classification", "akorn"): {"channels": (8, 8, 8), "steps": (1, 2, 1)},
    ("classification", "akorn_mix"): {"channels": (8, 8, 8)},
    ("classification", "itrconv"): {"channels": 8},
    ("classification", "resnet18"): {"channels": 4},
    ("classification", "vit"): {"channels": 16, "heads": 2, "blocks": 2},
}


@pytest.mark.parametrize(("task", "name"), IMAGE_MODELS)
def test_every_image_model_comes_back(task, name, tmp_path):
    torch.manual_seed(0)
    model = models.build(task, name, **IMAGE_MODELS[task, name]).eval()
    assert models.name_of(model) == (task, name)
    images = torch.rand(2, 3, 32, 32)
    model.train()(images)  # statistics of batch norms come back too
    nn.save(model, tmp_path / "model.safetensors")
    again = nn.load(tmp_path / "model.safetensors")
    assert type(again) is type(model)
    assert again.config == model.config
    assert not again.training
    torch.testing.assert_close(again(images), model.eval()(images), rtol=0, atol=0)


def test_the_table_holds_every_model():
    named = {(task, name) for task, table in models.MODELS.items() for name in table}
    assert named == {*IMAGE_MODELS, *(("sudoku", name) for name in MODELS["sudoku"])}
    for name in MODELS["sudoku"]:
        model = models.build("sudoku", name, side=4, channels=16, heads=2)
        assert models.name_of(model) == ("sudoku", name)
    assert doctest.testmod(models).failed == 0


def test_presets_are_values_like_others():
    mix = models.build("classification", "akorn_mix", channels=[8, 8, 8])
    assert mix.config.connectivity[-1] == "attention"
    assert mix.config.channels == (8, 8, 8), "a list, as JSON brings it"
    changed = models.build("classification", "akorn_mix", channels=(8, 8, 8), steps=(1, 1, 1))
    assert models.name_of(changed) == ("classification", "akorn")


def test_unknown_names():
    with pytest.raises(ValueError, match=r"`task` must be one of .*; did you mean `objects`"):
        models.build("object", "akorn")
    with pytest.raises(ValueError, match=r"`name` must be one of .*; did you mean `itrsa`"):
        models.build("objects", "itrs")
    with pytest.raises(ValueError, match=r"fields of ObjectConfig, .* did you mean `channels`"):
        models.build("objects", "akorn", channel=3)
    with pytest.raises(TypeError, match=r"`model` must be one of ClassifierNet, .* type Linear"):
        models.name_of(torch.nn.Linear(2, 2))


def test_files_from_before_there_were_other_tasks(tmp_path):
    """They say no task: it is Sudoku."""
    from kuramoto.nn.training.files import save_weights

    model = build("sudoku", "akorn", side=4, channels=16, heads=2)
    about = {"name": "akorn", "side": 4, "channels": 16, "heads": 2}
    save_weights(tmp_path / "model.safetensors", model, {"model": about})
    assert nn.load(tmp_path / "model.safetensors").config == model.config


def test_official_weights_from_a_file(tmp_path):
    message = r"have the entry `embedding.weight`"
    safetensors.save_file({"other": torch.zeros(2)}, tmp_path / "official.safetensors")
    with pytest.raises(ValueError, match=message):
        nn.load_official(tmp_path / "official.safetensors")


def test_files_of_something_else(tmp_path):
    path = tmp_path / "file.safetensors"
    with pytest.raises(FileNotFoundError, match=r"file.safetensors does not exist"):
        nn.load(path)
    path.write_bytes(b"nothing of the sort")
    with pytest.raises(ValueError, match="is not safetensors, or is damaged"):
        nn.load(path)
    safetensors.save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="does not say its model; for a reference state dict take"):
        nn.load(path)


def test_weights_of_another_model(tmp_path):
    import json

    path = tmp_path / "file.safetensors"
    net = build("sudoku", "akorn", side=4, channels=16, heads=2)
    nn.save(net, path)
    tensors = safetensors.load_file(path)
    tensors["embedding.weight"] = torch.zeros(5, 8)
    about = {
        "about": json.dumps({"model": {"name": "akorn", "side": 4, "channels": 16, "heads": 2}})
    }
    safetensors.save_file(tensors, path, metadata=about)
    with pytest.raises(ValueError, match=r"embedding.weight.*\(5, 8\).*\(5, 16\)"):
        nn.load(path)


def test_only_known_models_are_saved(tmp_path):
    with pytest.raises(TypeError, match="`model` must be one of ClassifierNet, "):
        nn.save(torch.nn.Linear(2, 2), tmp_path / "file.safetensors")
