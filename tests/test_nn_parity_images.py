"""The reference's image networks from our parts: object discovery (N = 4) and classes (N = 2)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.func import functional_call  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from kuramoto.nn import (  # noqa: E402
    GTA,
    AttentionConnectivity,
    ConvConnectivity,
    KuramotoLayer,
    NormReadout,
    ResidualReadout,
    RotationFrequency,
    compat,
)


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


def test_object_discovery(folder):
    meta, entries = read(folder, "objs_ch32_attn_L1_T8")
    weights = {name: value.requires_grad_() for name, value in below(entries, "sd/").items()}
    attention = AttentionConnectivity(32, 8, positions=GTA((8, 8), 4))
    identity = compat.IdentityFrequency()
    layer = KuramotoLayer(attention, 4, frequency=identity, steps=meta["kwargs"]["T"])
    readout = NormReadout(32, 32, 4)
    reference = compat.Reference(weights).under("layers.0.")
    ours = compat.layer_parameters(reference.under("0."), layer)
    ours["step_size"] = weights["gamma"][0].detach()
    patches = weights["patchfy.1.weight"], weights["patchfy.1.bias"]

    c = F.conv2d((entries["in/image"] - 0.5) / 0.5, *patches, stride=4)
    x = functional_call(layer, ours, (entries["in/noise"], c))
    lengths = compat.readout_parameters(reference.under("1."), readout)
    c_last = functional_call(readout, lengths, (x,))
    hidden = F.linear(c_last.amax((2, 3)), weights["out.3.weight"], weights["out.3.bias"])
    z = F.linear(F.relu(hidden), weights["out.5.weight"], weights["out.5.bias"])
    (z * entries["in/w"]).sum().backward()

    assert off(x, entries["out/xs_l0"][-1]) < 1e-5
    assert off(c_last, entries["out/C_L"]) < 1e-5
    assert off(z, entries["out/z"]) < 1e-5
    gradients = below(entries, "grad/")
    assert max(off(weights[name].grad, g) for name, g in gradients.items()) < 1e-5


class Stages(nn.Module):
    """conv, conv, attention with N = 2, strides between, batch norms in the readouts."""

    def __init__(self, meta):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        made = zip((8, 16, 32), meta["kwargs"]["T"], meta["kwargs"]["ksizes"], strict=True)
        self.layers, self.readouts, self.strides = (nn.ModuleList() for _ in range(3))
        for stage, (channels, steps, size) in enumerate(made):
            attend = stage == 2
            connectivity = AttentionConnectivity(channels, 8) if attend else None
            connectivity = connectivity or ConvConnectivity(channels, size)
            norm, rate = nn.GroupNorm(channels // 2, channels), RotationFrequency(2)
            options = {"frequency": rate, "steps": steps, "stimulus_norm": norm}
            self.layers.append(KuramotoLayer(connectivity, 2, **options))
            readout = ResidualReadout(channels, channels, 2, kernel_size=3, norm=nn.BatchNorm2d)
            self.readouts.append(readout)
            if stage:
                stride = nn.Conv2d(channels // 2, channels, 3, padding=1, stride=2)
                self.strides.append(stride)
        self.logits = nn.Linear(32, 10)

    def forward(self, image, noise):
        c, x, states = self.first((image - 0.5) / 0.5), noise, []
        for stage, layer in enumerate(self.layers):
            if stage:
                x, c = self.strides[stage - 1](x), self.strides[stage - 1](c)
            x = layer(x, c)
            c = self.readouts[stage](x)
            states.append(x)
        return self.logits(c.mean((2, 3))), states


def from_reference(weights, net):
    reference = compat.Reference(weights)
    made = {"first.weight": weights["conv0.weight"]}
    made |= {f"logits.{kind}": weights[f"out.{kind}"] for kind in ("weight", "bias")}
    for stage, (layer, readout) in enumerate(zip(net.layers, net.readouts, strict=True)):
        stage_of = reference.under(f"layers.{stage}.")
        found = compat.layer_parameters(stage_of.under("2."), layer)
        found["step_size"] = weights["gamma"][0]
        made |= {f"layers.{stage}.{name}": value for name, value in found.items()}
        found = compat.residual_readout_parameters(stage_of.under("3."), readout)
        made |= {f"readouts.{stage}.{name}": value for name, value in found.items()}
        for kind in ("weight", "bias") if stage else ():
            made[f"strides.{stage - 1}.{kind}"] = stage_of.take(f"0.0.{kind}")
    return made


@pytest.fixture
def classes(folder):
    meta, entries = read(folder, "cls_ch8_mix")
    return meta, entries, Stages(meta)


def test_classes_in_evaluation(classes):
    _, entries, net = classes
    net.load_state_dict(net.state_dict() | from_reference(below(entries, "sd/"), net))
    with torch.no_grad():
        logits, states = net.eval()(entries["in/image"], entries["in/noise"])
    assert off(logits, entries["out/logits_eval"]) < 1e-5
    for stage, x in enumerate(states):
        # Oscillators of two numbers that pass near zero amplify rounding.
        assert off(x, entries[f"out/xs_last_l{stage}"]) < 3e-4


def test_classes_in_training(classes):
    """With the batch's statistics; and the gradients of the cross-entropy.

    To a percent: what amplifies rounding in the states (above) amplifies it in gradients.
    """
    meta, entries, net = classes
    weights = below(entries, "sd/")
    gradients = below(entries, "grad/")
    image = entries["in/image"].requires_grad_()
    for name in gradients:
        if not name.startswith("@"):
            weights[name].requires_grad_()
    made = from_reference(weights, net)
    logits, _ = functional_call(net.train(), made, (image, entries["in/noise"]))
    loss = F.cross_entropy(logits, torch.tensor(meta["labels"]))
    loss.backward()
    assert off(logits, entries["out/logits_train"]) < 1e-5
    assert off(loss, entries["out/loss_train"]) < 1e-5
    leaves = weights | {"@image": image}
    largest = max(float(g.abs().max()) for g in gradients.values())
    for name, g in gradients.items():
        # A bias before a batch norm has the gradient 0, found as rounding.
        scale = max(float(g.abs().max()), 1e-4 * largest)
        assert float((leaves[name].grad - g).abs().max()) < 1e-2 * scale, name
