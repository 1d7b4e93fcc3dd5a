"""The baselines for boards: shapes, sizes, agreement with the reference, symmetries."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn import baselines  # noqa: E402
from kuramoto.nn.baselines.blocks import AttentionBlock, ConvolutionBlock  # noqa: E402
from kuramoto.nn.models import MODELS, build  # noqa: E402

BOARDS = {
    "itrsa": {"steps": 3},
    "transformer": {"blocks": 2},
    "energy_transformer": {"steps": 3},
}


def board_model(name, seed=0, **settings):
    config, model = MODELS["sudoku"][name].types
    torch.manual_seed(seed)
    return model(config(**{"channels": 16, "heads": 4, **BOARDS[name], **settings}))


def random_boards(count=3, side=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, side + 1, (count, side, side), generator=generator)


def perturb(model, scale=0.1):
    """Move every parameter, so that no zero or one of an initial state hides a mistake."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return model


def parameters_of(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture
def parity(data_dir: Path) -> Path:
    folder = data_dir.parent / "parity"
    if not folder.is_dir():
        pytest.skip(f"no numbers of the reference implementation at {folder}")
    return folder


# Agreement.


def reference_itrsa(weights, digits, heads, steps):
    """ItrSA as the reference names and orders things, with heads interleaved across channels."""
    w = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    channels = w["embedding.weight"].shape[1]

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]

    def attention(x, name):
        q, k, v = np.split(linear(x, f"{name}.W_qkv"), 3, axis=-1)
        out = np.empty_like(q)
        for head in range(heads):
            mine = slice(head, None, heads)
            scores = np.exp(q[..., mine] @ k[..., mine].mT / np.sqrt(channels / heads))
            out[..., mine] = scores / scores.sum(-1, keepdims=True) @ v[..., mine]
        return linear(out, f"{name}.W_o")

    def gelu(x):
        return x * torch.special.ndtr(torch.tensor(x)).numpy()

    x = w["embedding.weight"][digits.numpy().reshape(len(digits), -1)] + w["pos_embed"]
    blocks = {name.split(".")[1] for name in w if name.startswith("transformer_encoder")}
    for block in sorted(blocks):
        part = f"transformer_encoder.{block}"
        for _ in range(steps):
            x = x + attention(norm(x, f"{part}.layernorm1"), f"{part}.attn")
        hidden = gelu(linear(norm(x, f"{part}.layernorm2"), f"{part}.mlp.0"))
        x = x + linear(hidden, f"{part}.mlp.2")
    return linear(norm(x, "out.0"), "out.1").reshape(*digits.shape, -1)


def random_official(side=4, channels=12, hidden=20, blocks=2, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"pos_embed": (side**2, channels), "embedding.weight": (side + 1, channels)}
    for name, shape in (("out.0", (channels,)), ("out.1", (side, channels))):
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    layers = {
        "layernorm1": (channels,),
        "layernorm2": (channels,),
        "attn.W_qkv": (3 * channels, channels),
        "attn.W_o": (channels, channels),
        "mlp.0": (hidden, channels),
        "mlp.2": (channels, hidden),
    }
    for block in range(blocks):
        for name, shape in layers.items():
            full = f"transformer_encoder.{block}.{name}"
            shapes |= {f"{full}.weight": shape, f"{full}.bias": shape[:1]}
    return {name: 0.5 * rng.standard_normal(shape) for name, shape in shapes.items()}


def test_itrsa_gives_the_numbers_of_the_reference(parity):
    with np.load(parity / "sudoku_itrsa_ch32.npz") as file:
        settings = json.loads(str(file["meta"]))["kwargs"]
        weights = {name[3:]: file[name] for name in file if name.startswith("sd/")}
        digits, expected = torch.tensor(file["in/digits"]), file["out/logits"]
    model = baselines.from_official(weights, heads=settings["heads"], steps=settings["T"])
    assert model.config.hidden == settings["mlp_dim"]
    logits = model(digits).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
    oracle = reference_itrsa(weights, digits, settings["heads"], settings["T"])
    np.testing.assert_allclose(oracle, expected, rtol=0, atol=1e-5)
    other = model(digits, steps=settings["T"] + 1).detach().numpy()
    assert np.abs(other - expected).max() > 1e-3, "the number of steps matters"


@pytest.mark.parametrize("heads", [1, 3, 4])
@pytest.mark.parametrize("steps", [1, 3])
def test_official_weights_of_any_shape(heads, steps):
    weights = random_official()
    model = baselines.from_official(weights, heads=heads, steps=steps)
    assert asdict(model.config) == {
        "side": 4,
        "channels": 12,
        "heads": heads,
        "steps": steps,
        "blocks": 2,
        "hidden": 20,
        "positions": "ape",
    }
    digits = random_boards(side=4)
    expected = reference_itrsa(weights, digits, heads, steps)
    np.testing.assert_allclose(model(digits).detach(), expected, rtol=0, atol=2e-5)


def test_heads_are_not_told_by_the_weights():
    weights, digits = random_official(), random_boards(side=4)
    three, four = (baselines.from_official(weights, heads=heads)(digits) for heads in (3, 4))
    assert (three - four).abs().max() > 1e-2


def test_a_transformer_is_itrsa_of_one_step():
    iterated, once = board_model("itrsa", blocks=2), perturb(board_model("transformer"))
    iterated.load_state_dict(once.state_dict())
    digits = random_boards()
    torch.testing.assert_close(iterated(digits, steps=1), once(digits), rtol=0, atol=0)
    assert (iterated(digits, steps=2) - once(digits)).abs().max() > 1e-3


def test_blocks_iterate_the_layer_and_not_the_mlp():
    torch.manual_seed(0)
    attention = perturb(AttentionBlock(8, heads=2, hidden=16))
    convolution = perturb(ConvolutionBlock(8, 3, hidden=16, groups=2))
    for block, layer, norm, x in (
        (attention, attention.attention, attention.attention_norm, torch.randn(2, 5, 8)),
        (
            convolution,
            convolution.convolution,
            convolution.convolution_norm,
            torch.randn(2, 8, 4, 4),
        ),
    ):
        y = x
        for _ in range(3):
            y = y + layer(norm(y))
        y = y + block.mlp(block.mlp_norm(y))
        torch.testing.assert_close(block(x, steps=3), y, rtol=0, atol=0)


# Shapes and sizes.


@pytest.mark.parametrize("side", [4, 6, 9])
@pytest.mark.parametrize("name", BOARDS)
def test_logits_of_boards(name, side):
    model = board_model(name, side=side)
    digits = random_boards(2, side)
    for dtype in (torch.int64, torch.uint8, torch.int32):
        logits = model(digits.to(dtype))
        assert logits.shape == (2, side, side, side)
        torch.testing.assert_close(logits, model(digits), rtol=0, atol=0)
    assert model(digits[:0]).shape == (0, side, side, side)


def test_numbers_of_parameters():
    C, hidden = 32, 64
    attention, mlp, norm = 4 * C * C + 4 * C, 2 * C * hidden + hidden + C, 2 * C
    block, ends = attention + mlp + 2 * norm, (10 + 81) * C + norm + 9 * C + 9
    sizes = {"channels": C, "heads": 8}
    assert parameters_of(board_model("itrsa", **sizes, steps=16)) == ends + block
    assert parameters_of(board_model("transformer", **sizes, blocks=8)) == ends + 8 * block
    energy = 2 * C * C + 4 * C * C + C + 1
    assert parameters_of(board_model("energy_transformer", **sizes)) == ends + energy


def test_defaults_are_the_papers():
    config = baselines.ItrSAConfig()
    assert (config.channels, config.heads, config.steps, config.blocks) == (512, 8, 16, 1)
    assert baselines.TransformerConfig().blocks == 8
    with pytest.raises(FrozenInstanceError):
        config.steps = 3


# Symmetries.


@pytest.mark.parametrize("name", BOARDS)
def test_without_positions_squares_are_a_set(name):
    digits = random_boards()
    order = torch.randperm(81, generator=torch.Generator().manual_seed(1))

    def shuffled(boards):
        return boards.flatten(1, 2)[:, order].reshape(boards.shape)

    model = perturb(board_model(name, positions="none")).double()
    torch.testing.assert_close(model(shuffled(digits)), shuffled(model(digits)))
    placed = perturb(board_model(name)).double()
    assert (placed(shuffled(digits)) - shuffled(placed(digits))).abs().max() > 1e-2


@pytest.mark.parametrize("name", BOARDS)
def test_renamed_digits_are_renamed_answers(name):
    model, digits = perturb(board_model(name)), random_boards()
    order = torch.cat([torch.zeros(1, dtype=torch.int64), 1 + torch.randperm(9)])
    expected = model(digits)
    with torch.no_grad():
        model.embedding.weight[order] = model.embedding.weight.clone()
        model.readout.weight[order[1:] - 1] = model.readout.weight.clone()
        model.readout.bias[order[1:] - 1] = model.readout.bias.clone()
    torch.testing.assert_close(model(order[digits])[..., order[1:] - 1], expected)


@pytest.mark.parametrize("name", BOARDS)
def test_boards_of_a_batch_do_not_meet(name):
    model, digits = board_model(name).double(), random_boards()
    torch.testing.assert_close(model(digits)[1:2], model(digits[1:2]))


# Training.


@pytest.mark.parametrize("name", BOARDS)
def test_gradients_reach_every_weight_of_boards(name):
    model = perturb(board_model(name))
    model(random_boards(8)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("name", BOARDS)
def test_a_few_boards_are_learned_by_heart(name):
    model, digits = board_model(name, side=4, channels=32), random_boards(4, 4)
    answers = torch.randint(0, 4, digits.shape, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(digits).flatten(0, 2), answers.flatten())
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    assert (model(digits).argmax(-1) == answers).all()


@pytest.mark.parametrize("name", BOARDS)
def test_nothing_is_random_after_the_start(name):
    model, twin, inputs = board_model(name), board_model(name), random_boards()
    generator = torch.Generator().manual_seed(5)
    states = torch.get_rng_state(), generator.get_state()
    first, second = model(inputs), model(inputs, generator=generator)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(first, twin(inputs), rtol=0, atol=0)
    assert torch.equal(states[0], torch.get_rng_state())
    assert torch.equal(states[1], generator.get_state())


@pytest.mark.parametrize("name", ["itrsa", "energy_transformer"])
def test_steps_may_differ_from_those_of_training(name):
    model, inputs = board_model(name), random_boards()
    trained = model.config.steps
    torch.testing.assert_close(model(inputs, steps=trained), model(inputs), rtol=0, atol=0)
    assert (model(inputs, steps=2 * trained) - model(inputs)).abs().max() > 1e-4


@pytest.mark.parametrize(
    "part", ["", *(info.name for info in pkgutil.iter_modules(baselines.__path__))]
)
def test_doctests(part):
    name = f"kuramoto.nn.baselines.{part}".rstrip(".")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


# Bad input.


@pytest.mark.parametrize("name", BOARDS)
def test_bad_settings_of_boards(name):
    config = MODELS["sudoku"][name].types[0]
    with pytest.raises(
        ValueError, match=r"`channels` must be a multiple of the heads, 5, but is 16; 15 would do\."
    ):
        config(channels=16, heads=5)
    with pytest.raises(ValueError, match="`side` must be a whole number of at least 2, but is 1"):
        config(side=1)
    with pytest.raises(ValueError, match=r"`channels` must be a multiple of 4 for APE, but is 6\."):
        board_model(name, channels=6, heads=2)
    board_model(name, channels=6, heads=2, positions="none")


@pytest.mark.parametrize("name", BOARDS)
def test_models_are_built_from_plain_values(name):
    config, model = MODELS["sudoku"][name].types
    built = build("sudoku", name, side=4, channels=16, heads=2)
    assert type(built) is model
    assert built.config == config(side=4, channels=16, heads=2)
    assert build("sudoku", "symmetric", channels=8, heads=2).config.symmetric


def test_bad_settings():
    with pytest.raises(ValueError, match="`steps` must be a whole number of at least 1, but is 0"):
        baselines.ItrSAConfig(steps=0)
    with pytest.raises(TypeError, match="`blocks` must be a whole number"):
        baselines.TransformerConfig(blocks=1.5)
    with pytest.raises(ValueError, match="`step_size` must be a positive number, but is 0"):
        baselines.EnergyTransformerConfig(step_size=0.0)


@pytest.mark.parametrize("name", BOARDS)
def test_bad_boards(name):
    model = board_model(name)
    with pytest.raises(
        ValueError, match=r"`digits` must have shape \(B, 9, 9\), but has shape \(2, 4, 4\)\."
    ):
        model(random_boards(2, 4))
    with pytest.raises(ValueError, match=r"has shape \(9, 9\)"):
        model(random_boards()[0])
    with pytest.raises(ValueError, match=r"`digits` must lie in 0 \.\.\. 9, but holds 10"):
        model(torch.full((1, 9, 9), 10))
    with pytest.raises(ValueError, match="holds -1"):
        model(torch.full((1, 9, 9), -1))
    for wrong in (random_boards().float(), random_boards().numpy()):
        with pytest.raises(TypeError, match="`digits` must be a tensor of whole numbers"):
            model(wrong)


def test_bad_steps():
    with pytest.raises(ValueError, match="`steps` must be left out for a Transformer, but is 16; "):
        board_model("transformer")(random_boards(), steps=16)
    with pytest.raises(ValueError, match="`steps` must be a whole number of at least 1, but is 0"):
        board_model("itrsa")(random_boards(), steps=0)


def test_bad_official_weights():
    weights = random_official()
    fewer = {name: value for name, value in weights.items() if "W_o.bias" not in name}
    with pytest.raises(ValueError, match=r"misses transformer_encoder\.0\.attn\.W_o\.bias and 1 m"):
        baselines.from_official(fewer, heads=4)
    with pytest.raises(ValueError, match=r"`state_dict` .* it also holds gamma\."):
        baselines.from_official(weights | {"gamma": np.ones(1)}, heads=4)
    with pytest.raises(
        ValueError, match=r"hold out\.1\.bias of shape \(4,\), but holds shape \(9,"
    ):
        baselines.from_official(weights | {"out.1.bias": np.ones(9)}, heads=4)
    for name in ("pos_embed", "transformer_encoder.1.attn.W_qkv.weight"):
        with pytest.raises(
            ValueError, match=rf"hold {name} of shape .*, but holds shape \(15, 12\)"
        ):
            baselines.from_official(weights | {name: np.ones((15, 12))}, heads=4)
    with pytest.raises(ValueError, match=r"has no matrix embedding\.weight"):
        baselines.from_official({"layers.0.0.gamma": np.ones(1)})
    with pytest.raises(ValueError, match=r"`channels` must be a multiple of the heads, 8"):
        baselines.from_official(weights)
