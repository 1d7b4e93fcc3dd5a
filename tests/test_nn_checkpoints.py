"""Models on disk: saved and loaded with their configuration; files of something else."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

import kuramoto.nn as nn  # noqa: E402
from kuramoto.nn.models.sudoku import NAMES, build  # noqa: E402

DIGITS = torch.arange(16).reshape(1, 4, 4) % 5


@pytest.mark.parametrize("name", NAMES)
def test_every_sudoku_model_comes_back(name, tmp_path):
    torch.manual_seed(0)
    small = {"energy_transformer": {}, "transformer": {"blocks": 2}}.get(name, {"steps": 3})
    model = build(name, side=4, channels=16, heads=2, **small).eval()
    nn.save(model, tmp_path / "model.safetensors")
    again = nn.load(tmp_path / "model.safetensors")
    assert type(again) is type(model)
    assert again.config == model.config
    assert not again.training
    torch.testing.assert_close(again(DIGITS), model(DIGITS), rtol=0, atol=0)


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
    with pytest.raises(ValueError, match="`path` must be a safetensors file"):
        nn.load(path)
    safetensors.save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="does not say its model; for a reference state dict take"):
        nn.load(path)


def test_weights_of_another_model(tmp_path):
    import json

    path = tmp_path / "file.safetensors"
    net = build("akorn", side=4, channels=16, heads=2)
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
    with pytest.raises(TypeError, match="`model` must be one of akorn, "):
        nn.save(torch.nn.Linear(2, 2), tmp_path / "file.safetensors")
