"""The reference's image networks through `load_official`: object discovery and classes.

Their numbers lie beside the repository, in ../shared/parity or where KURAMOTO_PARITY says.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.func import functional_call  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

from kuramoto.nn import compat, load_official, official  # noqa: E402


@pytest.fixture(scope="module")
def folder() -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / "parity"
    folder = Path(os.environ.get("KURAMOTO_PARITY", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference numbers at {folder}: set KURAMOTO_PARITY to their folder")
    return folder


def read(folder, name):
    with np.load(folder / f"{name}.npz") as file:
        entries = {n: torch.from_numpy(file[n]) for n in file.files if n != "meta"}
        return json.loads(str(file["meta"])), entries


def below(entries, prefix):
    return {n.removeprefix(prefix): v for n, v in entries.items() if n.startswith(prefix)}


def off(found, expected) -> float:
    return float((found.detach() - expected).abs().max() / expected.abs().max())


def reference_energies(net, images, noise):
    """Every block's energies, counted the reference's way."""
    c, x = net.start(images, x0=noise)
    for block in net.blocks:
        yield torch.stack(list(compat.reference_energy(block.layer, *block.enter(x, c))))
        x, c = block(x, c)


@pytest.fixture
def objects(folder):
    meta, entries = read(folder, "objs_ch32_attn_L1_T8")
    steps = meta["kwargs"]["T"]
    return entries, load_official(below(entries, "sd/"), task="objects", steps=steps)


def test_object_discovery(objects):
    entries, net = objects
    images, noise = entries["in/image"], entries["in/noise"]
    with torch.no_grad():
        assert off(net(images, x0=noise), entries["out/z"]) < 1e-5
        assert off(net.features(images, x0=noise), entries["out/C_L"]) < 1e-5
        moments = list(net.run(images, x0=noise))
        energies = next(reference_energies(net, images, noise))
    assert off(torch.stack([m.state for m in moments]), entries["out/xs_l0"]) < 1e-5
    assert off(net.predict(moments[-1].state), entries["out/z"]) < 1e-5
    assert off(energies, entries["out/es_l0"]) < 1e-5


def test_object_discovery_gradients(objects):
    entries, net = objects
    weights, gradients = below(entries, "sd/"), below(entries, "grad/")
    leaves = weights | {"@image": entries["in/image"], "@x": entries["in/noise"]}
    for name in gradients:
        leaves[name].requires_grad_()
    made = official.object_parameters(compat.Reference(weights), net)
    z = functional_call(net, made, entries["in/image"], {"x0": entries["in/noise"]})
    (z * entries["in/w"]).sum().backward()
    assert gradients
    assert max(off(leaves[name].grad, g) for name, g in gradients.items()) < 1e-5


@pytest.fixture
def classes(folder):
    meta, entries = read(folder, "cls_ch8_mix")
    settings = {"steps": meta["kwargs"]["T"], "dimensions": meta["kwargs"]["n"]}
    return meta, entries, load_official(below(entries, "sd/"), task="classification", **settings)


def test_classes_in_evaluation(classes):
    _, entries, net = classes
    images, noise = entries["in/image"], entries["in/noise"]
    with torch.no_grad():
        assert off(net(images, x0=noise), entries["out/logits_eval"]) < 1e-5
        last = {moment.block: moment.state for moment in net.run(images, x0=noise)}
        for number, energies in enumerate(reference_energies(net, images, noise)):
            # Oscillators of two numbers that pass near zero amplify rounding.
            assert off(last[number], entries[f"out/xs_last_l{number}"]) < 3e-4
            assert off(energies, entries[f"out/es_l{number}"]) < 1e-5
    assert off(net.predict(last[2]), entries["out/logits_eval"]) < 1e-5


def test_classes_in_training(classes):
    """With the batch's statistics; and the gradients of the cross-entropy.

    To a percent: what amplifies rounding in the states (above) amplifies it in gradients.
    """
    meta, entries, net = classes
    weights, gradients = below(entries, "sd/"), below(entries, "grad/")
    leaves = weights | {"@image": entries["in/image"]}
    for name in gradients:
        leaves[name].requires_grad_()
    made = official.classifier_parameters(compat.Reference(weights), net)
    logits = functional_call(net.train(), made, entries["in/image"], {"x0": entries["in/noise"]})
    loss = cross_entropy(logits, torch.tensor(meta["labels"]))
    loss.backward()
    assert off(logits, entries["out/logits_train"]) < 1e-5
    assert off(loss, entries["out/loss_train"]) < 1e-5
    largest = max(float(g.abs().max()) for g in gradients.values())
    for name, g in gradients.items():
        # A bias before a batch norm has the gradient 0, found as rounding.
        scale = max(float(g.abs().max()), 1e-4 * largest)
        assert float((leaves[name].grad - g).abs().max()) < 1e-2 * scale, name
