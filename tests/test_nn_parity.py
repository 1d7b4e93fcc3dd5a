"""Numbers of the reference implementation: states, energies, logits and gradients, to 1e-5.

They lie beside the repository, in ../shared/parity or where KURAMOTO_PARITY says.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.func import functional_call  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

from kuramoto.nn import (  # noqa: E402
    GTA,
    AttentionConnectivity,
    ConvConnectivity,
    KuramotoLayer,
    NormReadout,
    RotationFrequency,
    SudokuConfig,
    SudokuNet,
    compat,
    layout,
    load_official,
    positions,
)
from kuramoto.nn.official import sudoku_parameters  # noqa: E402

LAYERS = [
    "klayer_conv_n4_omega_perch",
    "klayer_attn_n4_gta_omega_global",
    "klayer_attn_n4_gta_noomega",
]


class Fixture(NamedTuple):
    """Entries by their prefix; gradients go to the leaves, which are parameters and inputs."""

    meta: dict[str, Any]
    weights: dict[str, Any]
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    gradients: dict[str, Any]

    def require_gradients(self) -> None:
        for name in self.gradients:
            self.leaf(name).requires_grad_()

    def leaf(self, name: str) -> Any:
        return self.inputs[name[1:]] if name.startswith("@") else self.weights[name]

    def off(self) -> dict[str, float]:
        return {name: off(self.leaf(name).grad, g) for name, g in self.gradients.items()}


@pytest.fixture(scope="module")
def folder() -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / "parity"
    folder = Path(os.environ.get("KURAMOTO_PARITY", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference numbers at {folder}: set KURAMOTO_PARITY to their folder")
    return folder


@pytest.fixture
def fixture(folder):
    def read(name: str) -> Fixture:
        with np.load(folder / f"{name}.npz") as file:
            meta = json.loads(str(file["meta"]))
            parts = [
                {
                    n.removeprefix(p): torch.from_numpy(file[n])
                    for n in file.files
                    if n.startswith(p)
                }
                for p in ("sd/", "in/", "out/", "grad/")
            ]
        return Fixture(meta, *parts)

    return read


def off(found, expected) -> float:
    """Largest difference, relative to the largest expected number."""
    return float((found.detach() - expected).abs().max() / expected.abs().max())


def layer_for(meta, memory="save") -> KuramotoLayer:
    settings, N = meta["kwargs"], meta["kwargs"]["n"]
    channels = settings["ch"]
    if settings["J"] == "conv":
        connectivity = ConvConnectivity(channels, settings["ksize"])
    else:
        heads = settings["heads"]
        gta = GTA(settings["hw"], channels // heads)
        connectivity = AttentionConnectivity(channels, heads, positions=gta)
    frequency = compat.IdentityFrequency()
    if settings.get("use_omega"):
        each = None if settings.get("global_omg") else channels // N
        frequency = RotationFrequency(N, each)
    norm = torch.nn.GroupNorm(channels // N, channels) if settings["c_norm"] == "gn" else None
    return KuramotoLayer(
        connectivity,
        N,
        frequency=frequency,
        steps=meta["T"],
        step_size=meta["gamma"],
        learn_step_size=True,
        stimulus_norm=norm,
        memory=memory,
    )


@pytest.mark.parametrize("memory", ["save", "recompute", "autograd"])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_gradients(fixture, name, memory):
    reference = fixture(name)
    layer = layer_for(reference.meta, memory)
    reference.require_gradients()
    weights = compat.Reference(reference.weights)
    parameters = compat.layer_parameters(weights, layer)
    weights.require_all_read()
    parameters["step_size"] = reference.inputs["gamma"][0]
    x = functional_call(layer, parameters, (reference.inputs["x0"], reference.inputs["c"]))
    (x * reference.inputs["w"]).sum().backward()
    assert off(x, reference.outputs["xs"][-1]) < 1e-5
    assert max(reference.off().values()) < 1e-5


@pytest.mark.parametrize("name", LAYERS)
def test_layer_states_and_energies(fixture, name):
    reference = fixture(name)
    layer = layer_for(reference.meta)
    parameters = compat.layer_parameters(compat.Reference(reference.weights), layer)
    layer.load_state_dict(layer.state_dict() | parameters)
    x0, c = reference.inputs["x0"], reference.inputs["c"]
    with torch.no_grad():
        states = torch.stack([x for x, _ in layer.trajectory(x0, c)])
        energies = torch.stack(list(compat.reference_energy(layer, x0, c)))
        ours = torch.stack([energy for _, energy in layer.trajectory(x0, c)])
    assert off(states, reference.outputs["xs"]) < 1e-5
    assert off(energies, reference.outputs["es"]) < 1e-5
    assert off(ours[:-1], reference.outputs["es"][2:]) > 1e-3, "eq. 3 is another number"


def test_no_frequencies_there_is_a_shorter_step_here(fixture):
    """Adding x itself before Π: γ acts as γ/(1+γ) (what `load_official` makes of it)."""
    reference = fixture("klayer_attn_n4_gta_noomega")
    layer = layer_for(reference.meta)
    parameters = compat.layer_parameters(compat.Reference(reference.weights), layer)
    layer.load_state_dict(layer.state_dict() | parameters)
    layer.frequency = None
    with torch.no_grad():
        layer.step_size.copy_(compat.step_size(torch.tensor(reference.meta["gamma"]), turns=False))
        x = layer(reference.inputs["x0"], reference.inputs["c"])
    assert off(x, reference.outputs["xs"][-1]) < 1e-5


def test_readout(fixture):
    reference = fixture("readout_k1")
    settings = reference.meta["kwargs"]
    readout = NormReadout(settings["inch"], settings["outch"], settings["ro_N"])
    reference.require_gradients()
    parameters = compat.readout_parameters(compat.Reference(reference.weights), readout)
    y = functional_call(readout, parameters, (reference.inputs["x"],))
    (y * reference.inputs["w"]).sum().backward()
    assert off(y, reference.outputs["y"]) < 1e-5
    assert max(reference.off().values()) < 1e-5


class Given(torch.nn.Module):
    """An initial state that somebody else drew."""

    dimensions = 4

    def __init__(self, state):
        super().__init__()
        self.state = state

    def forward(self, c, generator=None):
        return self.state


@pytest.fixture
def sudoku(fixture):
    reference = fixture("sudoku_ch32_L1_T8")
    net = load_official(reference.weights, task="sudoku", steps=8)
    net.initial.elsewhere = Given(reference.inputs["noise"])
    return reference, net


def test_sudoku_states_energies_logits(sudoku):
    reference, net = sudoku
    digits = reference.inputs["digits"]
    with torch.no_grad():
        c, x = net.start(digits)
        moments = list(net.run(digits))
        energies = torch.stack(list(compat.reference_energy(net.blocks[0].layer, x, c)))
        logits = net(digits)
    states = torch.stack([moment.state for moment in moments])
    assert off(states, reference.outputs["xs_l0"]) < 1e-5
    assert off(energies, reference.outputs["es_l0"]) < 1e-5
    assert off(logits, reference.outputs["logits"]) < 1e-5
    assert off(net.predict(moments[-1].state), reference.outputs["logits"]) < 1e-5


def test_sudoku_loss_and_gradients(sudoku):
    reference, net = sudoku
    reference.require_gradients()
    parameters = sudoku_parameters(compat.Reference(reference.weights), net)
    logits = functional_call(net, parameters, (reference.inputs["digits"],))
    loss = cross_entropy(logits.flatten(0, 2), reference.inputs["solution"].flatten() - 1)
    loss.backward()
    assert off(loss, reference.outputs["loss"]) < 1e-5
    assert max(reference.off().values()) < 1e-5


def test_sudoku_itrsa(fixture):
    reference = fixture("sudoku_itrsa_ch32")
    net = load_official(reference.weights, task="sudoku_itrsa", steps=4)
    with torch.no_grad():
        logits = net(reference.inputs["digits"])
    assert off(logits, reference.outputs["logits"]) < 1e-5


# Without their files: conversions undone by hand.


def test_heads_are_taken_apart():
    """Channel d·heads + head there is head·D + (d mod 2)·D/2 + d//2 here."""
    attention = AttentionConnectivity(12, 3, positions=GTA((1, 2), 4))
    channel = torch.arange(12.0)
    weight = channel[:, None].expand(12, 12)
    entries = {
        "W_qkv.weight": torch.cat([weight, weight, weight])[:, :, None, None],
        "W_qkv.bias": torch.arange(36.0),
        "W_o.weight": weight.T[:, :, None, None],
        "W_o.bias": channel,
        **{f"mat_{p}": torch.zeros(2, 2, 2, 2) for p in "qkvo"},
    }
    made = compat.attention_parameters(compat.Reference(entries), attention)
    expected = [d * 3 + head for head in range(3) for d in (0, 2, 1, 3)]
    assert made["inputs.weight"][:12, 0].tolist() == expected
    assert made["output.weight"][0].tolist() == expected
    assert made["inputs.bias"][24:].tolist() == [24 + e for e in expected]
    assert made["output.bias"].tolist() == channel.tolist()


def test_rates_are_negative_lengths():
    layer = KuramotoLayer(ConvConnectivity(4, 1), 4, frequency=RotationFrequency(4, 1))
    entries = {
        "connectivity.weight": torch.zeros(4, 4, 1, 1),
        "connectivity.bias": torch.zeros(4),
        "omg.omg_param": torch.tensor([[3.0, 4.0], [0.0, -2.0]]),
    }
    made = compat.layer_parameters(compat.Reference(entries), layer)
    assert made["frequency.rate"].tolist() == [[-5.0, -2.0]]
    layer.load_state_dict(layer.state_dict() | made)
    x = torch.arange(1.0, 5.0).reshape(1, 4, 1, 1)
    turned = layout.vectors_to_features(layer.frequency(layout.to_vectors(x, 4)))
    assert turned.flatten().tolist() == [10.0, -5.0, 8.0, -6.0], "(a, b) to (ωb, −ωa)"


def test_missing_and_misshapen_entries():
    weights = official(SudokuNet(SudokuConfig(channels=16, heads=2)))
    missing = {n: v for n, v in weights.items() if n != "layers.0.0.connectivity.W_o.weight"}
    message = r"`layers.0.0.connectivity.W_o.weight` with shape \(16, 16, 1, 1\), but it has none"
    with pytest.raises(ValueError, match=message):
        load_official(missing)
    wrong = weights | {"out.1.weight": torch.zeros(9, 8, 1, 1)}
    message = r"`out.1.weight` with shape \(9, 16, 1, 1\), but this one has shape \(9, 8, 1, 1\)"
    with pytest.raises(ValueError, match=message):
        load_official(wrong)
    with pytest.raises(ValueError, match=r"but has `layers.0.0.extra` of shape \(3,\)"):
        load_official(weights | {"layers.0.0.extra": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"`embedding.weight`"):
        load_official({"embed.weight": torch.zeros(10, 16)})
    with pytest.raises(ValueError, match=r"safetensors file, not a pickle.*weights_only=True"):
        load_official("net.pth")
    with pytest.raises(ValueError, match="did you mean `sudoku`"):
        load_official(weights, task="sudokus")


def official(net: SudokuNet) -> dict[str, Any]:
    """Write a network's weights the reference's way: what `load_official` reads, in reverse."""
    C, heads = net.config.channels, net.config.heads
    layer, readout = net.blocks[0].layer, net.blocks[0].readout
    attention = layer.connectivity
    order = torch.argsort(compat._head_order(heads, C // heads))
    rows = torch.cat([order + part * C for part in range(3)])
    under = "layers.0.0.connectivity."
    tables = {f"{under}mat_{n[0]}": v for n, v in attention.positions.named_parameters()}
    entries = {
        "gamma": layer.step_size.reshape(1),
        "x0": torch.zeros(1, C, 9, 9),
        "embedding.weight": net.embedding.weight,
        "layers.0.0.omg.omg_param": torch.stack([layer.frequency.rate[0], torch.zeros(())]),
        f"{under}W_qkv.weight": attention.inputs.weight[rows][..., None, None],
        f"{under}W_qkv.bias": attention.inputs.bias[rows],
        f"{under}W_o.weight": attention.output.weight[:, order][..., None, None],
        f"{under}W_o.bias": attention.output.bias,
        "layers.0.1.0.bias": readout.lengths.bias,
        "out.1.weight": net.logits.weight,
        "out.1.bias": net.logits.bias,
        **tables,
    }
    for kind in ("weight", "bias"):
        value = getattr(readout.lengths.convolution, kind)
        entries[f"layers.0.1.0.invconv.{kind}"] = value
        for which, place in enumerate(("1.fn.fn.0", "1.fn.fn.1", "2")):
            entries[f"layers.0.1.{place}.fn.2.{kind}"] = getattr(readout.maps[which], kind)
    return {name: value.detach().clone() for name, value in entries.items()}


def test_there_and_back():
    """Our weights written the reference's way and loaded again: the same outputs."""
    torch.manual_seed(0)
    net = SudokuNet(SudokuConfig(channels=16, heads=2, steps=3)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        net.blocks[0].layer.frequency.rate.fill_(-0.6)
    digits = torch.randint(0, 10, (2, 9, 9))
    wrapped = {f"module.{name}": value.numpy() for name, value in official(net).items()}
    again = load_official(wrapped, steps=3)
    torch.testing.assert_close(again(digits), net(digits))
    assert again.config == net.config


def test_where_gta_and_ape_begin(folder):
    with np.load(folder / "utils_metrics.npz") as file:
        for head in (8, 6, 64):
            expected = torch.from_numpy(file[f"enc/gta_headdim{head}_h3_w4"])
            torch.testing.assert_close(positions.rotations((3, 4), head), expected)
        expected = torch.from_numpy(file["enc/pos2d_ch16_h3_w5"])
    torch.testing.assert_close(positions.APE(16, (3, 5)).embedding[0].detach(), expected)
