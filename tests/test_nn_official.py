"""`load_official` against the reference's maths, written out here once more in float64.

The maths are those of the published program, as its users describe them: one function of a state
dict each, which shares nothing with the library but PyTorch's convolutions. Weights are random
numbers that float32 holds, so that our networks, made float64, must agree to rounding.
"""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from kuramoto.nn import compat, load_official  # noqa: E402

SIZE = 12  # of most images here
CLOSE = {"rtol": 1e-9, "atol": 1e-10}


# The reference's maths.


def pairs_of(x, N):
    """[B, C, H, W] as (B, oscillators, N, H, W)."""
    return x.reshape(x.shape[0], -1, N, *x.shape[2:])


def on_sphere(x, N):
    split = pairs_of(x, N)
    return (split / split.pow(2).sum(2, keepdim=True).sqrt().clamp_min(1e-12)).reshape(x.shape)


def tangent(x, y, N):
    a, b = pairs_of(x, N), pairs_of(y, N)
    return (b - (a * b).sum(2, keepdim=True) * a).reshape(x.shape)


def turned(weights, x):
    if "omg.omg_param" not in weights:
        return x
    rate = weights["omg.omg_param"].pow(2).sum(-1).sqrt()
    pairs = pairs_of(x, 2)
    rate = rate.reshape(1, -1, 1, 1)
    return torch.stack([rate * pairs[:, :, 1], -rate * pairs[:, :, 0]], 2).reshape(x.shape)


def normed(weights, c, N):
    if "c_norm.scale" in weights:
        wide = (1, -1, 1, 1)
        return c * weights["c_norm.scale"].reshape(wide) + weights["c_norm.bias"].reshape(wide)
    if "c_norm.weight" not in weights:
        return c
    groups = pairs_of(c, N)
    mean = groups.mean((2, 3, 4), keepdim=True)
    variance = (groups - mean).pow(2).mean((2, 3, 4), keepdim=True)
    c = ((groups - mean) / (variance + 1e-5).sqrt()).reshape(c.shape)
    return c * weights["c_norm.weight"][:, None, None] + weights["c_norm.bias"][:, None, None]


def at_places(table, heads, grid):
    """Apply a table (places, pairs, 2, 2) to (B, places, dimension, heads)."""
    stored = math.isqrt(len(table))
    if (stored, stored) != grid:
        image = table.reshape(stored, stored, -1).permute(2, 0, 1)[None]
        image = F.interpolate(image, grid, mode="bilinear", align_corners=False)[0]
        table = image.permute(1, 2, 0).reshape(-1, *table.shape[1:])
    split = heads.reshape(*heads.shape[:2], -1, 2, heads.shape[-1])
    return torch.einsum("tpij,btpjh->btpih", table, split).reshape(heads.shape)


def coupled(weights, x, heads):
    if "connectivity.weight" in weights:
        kernel, bias = weights["connectivity.weight"], weights["connectivity.bias"]
        return F.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2)
    B, C, H, W = x.shape
    into = F.conv2d(x, weights["connectivity.W_qkv.weight"], weights["connectivity.W_qkv.bias"])
    tokens = into.flatten(2).transpose(1, 2)
    parts = [part.reshape(B, H * W, C // heads, heads) for part in tokens.chunk(3, -1)]
    if "connectivity.mat_q" in weights:
        tables = [weights[f"connectivity.mat_{which}"] for which in "qkv"]
        parts = [at_places(*both, (H, W)) for both in zip(tables, parts, strict=True)]
    q, k, v = parts
    scores = torch.einsum("bsdh,btdh->bhst", q, k) / math.sqrt(C // heads)
    o = torch.einsum("bhst,btdh->bsdh", scores.softmax(-1), v)
    if "connectivity.mat_o" in weights:
        o = at_places(weights["connectivity.mat_o"], o, (H, W))
    o = o.reshape(B, H * W, C).transpose(1, 2).reshape(B, C, H, W)
    return F.conv2d(o, weights["connectivity.W_o.weight"], weights["connectivity.W_o.bias"])


def k_layer(weights, x, c, gamma, *, N, T, heads=8, project=True):
    """States x_1 ... x_T and energies 0, E(x_0) ... E(x_{T-1})."""
    c, x = normed(weights, c, N), on_sphere(x, N)
    xs, es = [], [x.new_zeros(len(x))]
    for _ in range(T):
        y = coupled(weights, x, heads) + c
        es.append(-(x * y).sum((1, 2, 3)))
        force = tangent(x, y, N) if project else y
        x = on_sphere(x + gamma * (turned(weights, x) + force), N)
        xs.append(x)
    return xs, es


def lengths(weights, x):
    kernel, bias = weights["invconv.weight"], weights["invconv.bias"]
    z = F.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2)
    out = len(weights["bias"])
    return pairs_of(z, len(z[0]) // out).pow(2).sum(2).sqrt() + weights["bias"][:, None, None]


def convolved(weights, x):
    """Convolution ∘ ReLU ∘ batch norm with stored statistics, if there is one."""
    if "0.weight" in weights:
        mean, variance = (weights[f"0.running_{n}"][:, None, None] for n in ("mean", "var"))
        x = (x - mean) / (variance + 1e-5).sqrt()
        x = x * weights["0.weight"][:, None, None] + weights["0.bias"][:, None, None]
    kernel = weights["2.weight"]
    return F.conv2d(x.relu(), kernel, weights["2.bias"], padding=kernel.shape[-1] // 2)


def below(weights, prefix):
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}


def linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def head(weights, pooled):
    return linear(weights, "out.5", linear(weights, "out.3", pooled).relu())


def objects(weights, images, noise, *, N, T, heads=8, project=True, pool="max"):
    """z, last C, and every block's states and energies."""
    patches = weights["patchfy.1.weight"]
    c = F.conv2d(
        (images - 0.5) / 0.5, patches, weights["patchfy.1.bias"], stride=len(patches[0, 0])
    )
    x, seen = noise, []
    if "pemb_c" in weights:
        c, x = c + weights["pemb_c"], x + weights["pemb_x"]
    for number, steps in enumerate(T):
        layer = below(weights, f"layers.{number}.0.")
        options = {"N": N, "T": steps, "heads": heads, "project": project}
        seen.append(k_layer(layer, x, c, weights["gamma"], **options))
        x = seen[-1][0][-1]
        readout = below(weights, f"layers.{number}.1.")
        c = lengths(readout, x) if readout else x
        mapped = below(weights, f"layers.{number}.2.")
        x = F.conv2d(x, mapped["weight"], mapped["bias"]) if mapped else x
    pooled = c.amax((2, 3)) if pool == "max" else c.mean((2, 3))
    return head(weights, pooled), c, seen


def classification(weights, images, noise, *, N, T, heads=8, project=True):
    c, x, seen = F.conv2d((images - 0.5) / 0.5, weights["conv0.weight"], padding=1), noise, []
    for number, steps in enumerate(T):
        if number:
            kernel, bias = (weights[f"layers.{number}.0.0.{n}"] for n in ("weight", "bias"))
            stride = {"stride": 2 if number < 3 else 1, "padding": kernel.shape[-1] // 2}
            x, c = F.conv2d(x, kernel, bias, **stride), F.conv2d(c, kernel, bias, **stride)
        layer, readout = (
            below(weights, f"layers.{number}.2."),
            below(weights, f"layers.{number}.3."),
        )
        options = {"N": N, "T": steps, "heads": heads, "project": project}
        seen.append(k_layer(layer, x, c, weights["gamma"], **options))
        x = seen[-1][0][-1]
        m = lengths(below(readout, "0."), x)
        inner = convolved(below(readout, "1.fn.fn.0.fn."), m)
        m = m + convolved(below(readout, "1.fn.fn.1.fn."), inner)
        c = convolved(below(readout, "2.fn."), m)
    return linear(weights, "out", c.mean((2, 3))), c, seen


def sudoku(weights, digits, noise, *, N, T, heads=8):
    """Logits (B, side, side, side), and every block's states and energies."""
    c, seen = weights["embedding.weight"][digits].permute(0, 3, 1, 2), []
    x = torch.where((digits > 0)[:, None], c, noise)
    for number in range(len({n.split(".")[1] for n in below(weights, "layers")})):
        layer, readout = (
            below(weights, f"layers.{number}.0."),
            below(weights, f"layers.{number}.1."),
        )
        seen.append(k_layer(layer, x, c, weights["gamma"], N=N, T=T, heads=heads))
        x = seen[-1][0][-1]
        m = lengths(below(readout, "0."), x)
        m = m + convolved(
            below(readout, "1.fn.fn.1.fn."), convolved(below(readout, "1.fn.fn.0.fn."), m)
        )
        c = convolved(below(readout, "2.fn."), m)
    logits = F.conv2d(c.relu(), weights["out.1.weight"], weights["out.1.bias"])
    return logits.permute(0, 2, 3, 1), seen


def layer_norm(weights, x):
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt() * weights["gamma"] + weights["beta"]


def itrsa(weights, images, *, T, heads=8):
    patches = weights["patchfy.1.weight"]
    x = F.conv2d(
        (images - 0.5) / 0.5, patches, weights["patchfy.1.bias"], stride=len(patches[0, 0])
    )
    x = x + weights["pos_embed"] if "pos_embed" in weights else x
    for number in range(len({n.split(".")[1] for n in below(weights, "transformer_")})):
        block = below(weights, f"transformer_encoder.{number}.")
        attention = {f"connectivity.{n}": w for n, w in below(block, "attn.").items()}
        for _ in range(T):
            x = x + coupled(attention, layer_norm(below(block, "layernorm1."), x), heads)
        inner = layer_norm(below(block, "layernorm2."), x)
        inner = F.conv2d(inner, block["mlp.0.weight"], block["mlp.0.bias"])
        inner = 0.5 * inner * (1 + torch.erf(inner / math.sqrt(2)))
        x = x + F.conv2d(inner, block["mlp.2.weight"], block["mlp.2.bias"])
    x = layer_norm(below(weights, "out.0."), x)
    return head(weights, x.amax((2, 3))), x


# Random weights by the reference's names.


class Weights(dict):
    """A state dict that grows by random entries of size 1/√(numbers summed over)."""

    def __init__(self, seed):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def add(self, name, *shape, scale=None, offset=0.0):
        scale = 1 / math.sqrt(math.prod(shape[1:]) or 1) if scale is None else scale
        self[name] = offset + scale * torch.randn(shape, generator=self.generator)

    def conv(self, name, out, into, size=1, bias=True):
        self.add(f"{name}.weight", out, into, size, size)
        if bias:
            self.add(f"{name}.bias", out, scale=0.3)

    def linear(self, name, out, into):
        self.add(f"{name}.weight", out, into)
        self.add(f"{name}.bias", out, scale=0.3)

    def norm(self, name, C, statistics=False):
        self.add(f"{name}.weight", C, scale=0.2, offset=1.0)
        self.add(f"{name}.bias", C, scale=0.3)
        if statistics:
            self.add(f"{name}.running_mean", C, scale=0.3)
            self[f"{name}.running_var"] = 0.5 + torch.rand(C, generator=self.generator)
            self[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def attention(self, name, C, heads=8, places=0):
        self.conv(f"{name}.W_qkv", 3 * C, C)
        self.conv(f"{name}.W_o", C, C)
        for which in "qkvo" if places else "":
            self.add(f"{name}.mat_{which}", places, C // heads // 2, 2, 2, scale=0.7)

    def layer(self, name, C, *, J, kernel=3, heads=8, places=0, omega="none", c_norm="none"):
        if J == "conv":
            self.conv(f"{name}.connectivity", C, C, kernel)
        else:
            self.attention(f"{name}.connectivity", C, heads, places)
        if omega != "none":
            # Whole triples over a power of two: their length has no rounding.
            triples = torch.tensor([[3.0, 4.0], [-5.0, 12.0], [8.0, -15.0], [0.0, 7.0]]) / 16
            each = triples.repeat(C, 1)[: C // 2]
            self[f"{name}.omg.omg_param"] = each if omega == "each" else triples[2]
        if c_norm == "gn":
            self.norm(f"{name}.c_norm", C)
        elif c_norm == "sandb":
            self.add(f"{name}.c_norm.scale", C, scale=0.3, offset=1.0)
            self.add(f"{name}.c_norm.bias", C, scale=0.3)

    def readout(self, name, C, N, kernel=1):
        self.conv(f"{name}.invconv", C * N, C, kernel)
        self.add(f"{name}.bias", C, scale=0.3)

    def around(self, C, image_channels, patch):
        self.conv("patchfy.1", C, image_channels, patch)
        self.linear("out.3", 4 * C, C)
        self.linear("out.5", C, 4 * C)


def object_weights(
    C=16, N=4, L=1, *, patch=4, colours=3, gamma=1.0, ro=True, ro_x=False, gta=True, seed=0, **layer
):
    weights, grid = Weights(seed), SIZE // patch
    weights["gamma"] = torch.tensor([gamma])
    weights.around(C, colours, patch)
    if not gta:
        weights.add("pemb_x", C, grid, grid, scale=1.0)
        weights.add("pemb_c", C, grid, grid, scale=1.0)
    for number in range(L):
        places = grid**2 if gta and layer["J"] == "attn" else 0
        weights.layer(f"layers.{number}.0", C, places=places, **layer)
        if ro:
            weights.readout(f"layers.{number}.1", C, N)
        if ro_x and number < L - 1:
            weights.conv(f"layers.{number}.2", C, C)
    return weights


def class_weights(
    C=8, *, J=("conv", "conv", "attn"), ro_N=2, ro_kernel=3, bn=True, gamma=1.0, seed=0, **layer
):
    weights, widths = Weights(seed), [C << number for number in range(len(J))]
    weights["gamma"] = torch.tensor([gamma])
    weights.conv("conv0", C, 3, 3, bias=False)
    for number, (width, kind) in enumerate(zip(widths, J, strict=True)):
        if number:
            weights.conv(f"layers.{number}.0.0", width, widths[number - 1], ro_kernel)
            for kind_of in ("weight", "bias"):
                name = f"layers.{number}.0.{{}}.{kind_of}"
                weights[name.format(1)] = weights[name.format(0)]
        weights.layer(f"layers.{number}.2", width, J=kind, kernel=(9, 7, 5, 3)[number], **layer)
        weights.readout(f"layers.{number}.3.0", width, ro_N, ro_kernel)
        for place in ("1.fn.fn.0.fn", "1.fn.fn.1.fn", "2.fn"):
            if bn:
                weights.norm(f"layers.{number}.3.{place}.0", width, statistics=True)
            weights.conv(f"layers.{number}.3.{place}.2", width, width, ro_kernel)
    weights.linear("out", 5, widths[-1])
    return weights


def itrsa_weights(C=16, blocks=1, *, hidden=24, pos=True, seed=0):
    weights = Weights(seed)
    weights.around(C, 3, 4)
    if pos:
        weights.add("pos_embed", C, SIZE // 4, SIZE // 4, scale=1.0)
    norms = ["out.0"]
    for number in range(blocks):
        block = f"transformer_encoder.{number}"
        norms += [f"{block}.layernorm1", f"{block}.layernorm2"]
        weights.attention(f"{block}.attn", C)
        weights.conv(f"{block}.mlp.0", hidden, C)
        weights.conv(f"{block}.mlp.2", C, hidden)
    for norm in norms:
        weights.add(f"{norm}.gamma", 1, C, 1, 1, scale=0.2, offset=1.0)
        weights.add(f"{norm}.beta", 1, C, 1, 1, scale=0.3)
    return weights


def sudoku_weights(C=16, N=4, L=1, *, side=4, gamma=1.0, places=True, seed=0, **layer):
    weights = Weights(seed)
    weights["gamma"] = torch.tensor([gamma])
    weights.add("x0", 1, C, side, side)
    weights.add("embedding.weight", side + 1, C, scale=1.0)
    for number in range(L):
        weights.layer(f"layers.{number}.0", C, J="attn", places=places * side**2, **layer)
        weights.readout(f"layers.{number}.1.0", C, N)
        for place in ("1.fn.fn.0.fn", "1.fn.fn.1.fn", "2.fn"):
            weights.conv(f"layers.{number}.1.{place}.2", C, C)
    weights.conv("out.1", side, C)
    return weights


def double(weights):
    return {name: value.double() for name, value in weights.items()}


def inputs(C, patch=1, colours=3, size=SIZE, seed=1):
    generator = torch.Generator().manual_seed(seed)
    options = {"generator": generator, "dtype": torch.float64}
    grid = size // patch
    images = torch.rand(2, colours, size, size, **options)
    return images, torch.randn(2, C, grid, grid, **options)


def require_same(net, images, noise, expected):
    """Output, features, every state, and every energy of the reference's."""
    out, features, seen = expected
    with torch.no_grad():
        torch.testing.assert_close(net(images, x0=noise), out, **CLOSE)
        torch.testing.assert_close(net.features(images, x0=noise), features, **CLOSE)
        moments = list(net.run(images, x0=noise))
        torch.testing.assert_close(net.predict(moments[-1].state), out, **CLOSE)
        c, x = net.start(images, x0=noise)
        for number, (block, (xs, es)) in enumerate(zip(net.blocks, seen, strict=True)):
            states = [moment.state for moment in moments if moment.block == number]
            torch.testing.assert_close(torch.stack(states), torch.stack(xs), **CLOSE)
            start = block.enter(x, c)
            energies = torch.stack(list(compat.reference_energy(block.layer, *start)))
            torch.testing.assert_close(energies, torch.stack(es), **CLOSE)
            x, c = block(x, c)


OBJECTS = {
    "conv": {"J": "conv", "kernel": 5},
    "conv, pemb, 2 blocks": {
        "J": "conv", "gta": False, "L": 2, "omega": "each", "c_norm": "gn", "gamma": 0.75,
    },
    "conv, 1 colour, 3 blocks": {"J": "conv", "colours": 1, "patch": 2, "L": 3, "omega": "shared"},
    "attn": {"J": "attn"},
    "attn, 2 blocks": {"J": "attn", "L": 2, "omega": "shared", "c_norm": "gn", "gamma": 0.5},
    "attn, pemb, N = 2": {"J": "attn", "gta": False, "N": 2, "L": 2, "c_norm": "sandb"},
    "attn, pemb, each": {"J": "attn", "gta": False, "patch": 3, "omega": "each"},
    "attn, 4 heads, N = 8": {"J": "attn", "heads": 4, "N": 8, "omega": "each", "c_norm": "sandb"},
    "no readout": {"J": "attn", "L": 2, "ro": False, "omega": "shared"},
    "state maps": {"J": "attn", "L": 3, "ro_x": True, "c_norm": "gn"},
}  # fmt: skip


@pytest.mark.parametrize("case", OBJECTS)
def test_objects(case):
    settings = OBJECTS[case]
    weights, N = object_weights(**settings), settings.get("N", 4)
    colours, patch = settings.get("colours", 3), settings.get("patch", 4)
    images, noise = inputs(16, patch, colours)
    heads, L = settings.get("heads", 8), settings.get("L", 1)
    net = load_official(weights, task="objects", steps=3).double()
    expected = objects(double(weights), images, noise, N=N, T=[3] * L, heads=heads)
    require_same(net, images, noise, expected)
    if settings["J"] == "attn" or not settings.get("gta", True):
        assert net.config.image_size == SIZE


def test_objects_with_norms_between_blocks_alone():
    whole = object_weights(J="attn", L=3, omega="shared", c_norm="gn")
    weights = {n: w for n, w in whole.items() if not n.startswith("layers.0.0.c_norm")}
    images, noise = inputs(16, 4)
    net = load_official(weights, task="objects", steps=3).double()
    assert net.config.stimulus_norm == "between"
    require_same(net, images, noise, objects(double(weights), images, noise, N=4, T=[3, 3, 3]))


def test_objects_with_what_weights_do_not_tell():
    weights = object_weights(J="attn", gta=False, ro=False, L=2, omega="shared", gamma=0.5)
    images, noise = inputs(16, 4)
    told = {"heads": 2, "project": False, "pool": "mean"}
    asked = {"steps": [2, 4], "dimensions": 2, **told}
    net = load_official(weights, task="objects", **asked).double()
    expected = objects(double(weights), images, noise, N=2, T=[2, 4], **told)
    require_same(net, images, noise, expected)
    for changed in (
        {"steps": 4}, {"dimensions": 4}, {"heads": 4}, {"project": True}, {"pool": "max"},
    ):  # fmt: skip
        other = load_official(weights, task="objects", **{**asked, **changed}).double()
        assert (other(images, x0=noise) - expected[0]).abs().max() > 1e-3, changed


def test_objects_on_another_grid():
    """Tables are resized: bilinearly, entry by entry."""
    weights = object_weights(J="attn", L=2, omega="shared", c_norm="gn")
    images, noise = inputs(16, 4, size=20)
    net = load_official(weights, task="objects", steps=3).double()
    expected = objects(double(weights), images, noise, N=4, T=[3, 3])
    require_same(net, images, noise, expected)


CLASSES = {
    "conv, N = 2": ({"J": ("conv", "conv", "conv"), "omega": "shared", "c_norm": "gn"}, 2),
    "conv, N = 4": ({"J": ("conv", "conv", "conv"), "omega": "shared", "c_norm": "gn"}, 4),
    "mix, N = 2": ({"omega": "shared", "c_norm": "gn", "gamma": 0.75}, 2),
    "mix, N = 4, each": ({"omega": "each", "c_norm": "sandb", "ro_N": 4}, 4),
    "no omega, no norms": ({"c_norm": "none", "bn": False, "ro_kernel": 1}, 2),
    "one block": ({"J": ("conv",), "omega": "each", "c_norm": "gn"}, 4),
    "four blocks": ({"J": ("conv",) * 4, "omega": "shared", "c_norm": "gn"}, 2),
}


@pytest.mark.parametrize("case", CLASSES)
def test_classification(case):
    settings, N = CLASSES[case]
    weights = class_weights(**settings)
    L = len(settings.get("J", "mix"))
    images, noise = inputs(8)
    steps = [3, 2, 2, 1][:L]
    net = load_official(weights, task="classification", steps=steps, dimensions=N).double()
    expected = classification(double(weights), images, noise, N=N, T=steps)
    require_same(net, images, noise, expected)


def test_classification_with_what_weights_do_not_tell():
    weights = class_weights(omega="shared", c_norm="gn")
    images, noise = inputs(8)
    told = {"heads": 4, "project": False}
    asked = {"steps": 2, "dimensions": 4, **told}
    net = load_official(weights, task="classification", **asked).double()
    expected = classification(double(weights), images, noise, N=4, T=[2, 2, 2], **told)
    require_same(net, images, noise, expected)
    for changed in ({"steps": 3}, {"dimensions": 2}, {"heads": 8}, {"project": True}):
        other = load_official(weights, task="classification", **{**asked, **changed}).double()
        assert (other(images, x0=noise) - expected[0]).abs().max() > 1e-3, changed


def test_an_ensemble_is_the_mean_of_its_logits():
    weights = class_weights(J=("conv",), omega="shared", c_norm="gn")
    images, noise = inputs(8)
    both = torch.stack([noise, noise.flip(1)], 1).flatten(0, 1)
    net = load_official(weights, task="classification", samples=2).double()
    single = [
        classification(double(weights), images, x, N=2, T=[3])[0] for x in (noise, noise.flip(1))
    ]
    torch.testing.assert_close(net(images, x0=both), sum(single) / 2, **CLOSE)


class Given(torch.nn.Module):
    """An initial state that somebody else drew."""

    def __init__(self, state):
        super().__init__()
        self.state = state

    def forward(self, c, generator=None):
        return self.state


@pytest.mark.parametrize(
    "settings",
    [
        {"omega": "shared", "gamma": 0.75},
        {"omega": "each", "L": 2, "N": 2},
        {"heads": 4, "L": 3},
        {"places": False, "omega": "shared", "N": 8},
    ],
)
def test_sudoku(settings):
    weights, N = sudoku_weights(**settings), settings.get("N", 4)
    _, noise = inputs(16, size=4)
    digits = torch.arange(32).reshape(2, 4, 4) % 5 % 4
    net = load_official(weights, task="sudoku", steps=3).double()
    net.initial.elsewhere = Given(noise)
    logits, seen = sudoku(double(weights), digits, noise, N=N, T=3, heads=settings.get("heads", 8))
    assert net.config.dimensions == N
    with torch.no_grad():
        torch.testing.assert_close(net(digits), logits, **CLOSE)
        last = torch.stack([moment.state for moment in net.run(digits)])
    torch.testing.assert_close(last, torch.stack(seen[-1][0]), **CLOSE)


@pytest.mark.parametrize(
    ("settings", "steps", "heads"),
    [({}, 8, 8), ({"blocks": 3, "hidden": 40}, 1, 4), ({"pos": False}, 2, 8)],
)
def test_objects_itrsa(settings, steps, heads):
    weights = itrsa_weights(**settings)
    images, _ = inputs(16, 4)
    net = load_official(weights, task="objects_itrsa", steps=steps, heads=heads).double()
    z, features = itrsa(double(weights), images, T=steps, heads=heads)
    with torch.no_grad():
        torch.testing.assert_close(net(images), z, **CLOSE)
        torch.testing.assert_close(net.features(images), features, **CLOSE)


# What is wrong with a state dict.

WHOLE = {
    "sudoku": {n: w for n, w in sudoku_weights(omega="shared").items() if n != "x0"},
    "objects": object_weights(J="attn", L=2, omega="shared", c_norm="gn", ro_x=True),
    "objects, ape": object_weights(J="conv", gta=False, c_norm="sandb"),
    "objects_itrsa": itrsa_weights(blocks=2),
    "classification": class_weights(omega="shared", c_norm="gn"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_every_entry_that_is_missing_is_named(case):
    task, weights = case.split(",")[0], WHOLE[case]
    # Without them the weights are those of another network, of which nothing is missing.
    telling = ("omg.omg_param", "pos_embed", "layers.0.2.weight", "c_norm.scale")
    names = [name for name in weights if not name.endswith(telling)]
    for name in names:
        fewer = {n: v for n, v in weights.items() if n != name}
        if name.endswith("num_batches_tracked"):
            load_official(fewer, task=task)
            continue
        with pytest.raises(ValueError, match=r"`state_dict` must have the entry `") as error:
            load_official(fewer, task=task)
        assert f"`{name}`" in str(error.value)
        assert "but it has none" in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", WHOLE)
def test_every_entry_of_another_shape_is_an_error_with_both_shapes(case):
    task, weights = case.split(",")[0], WHOLE[case]
    for name, value in weights.items():
        wrong = weights | {name: torch.zeros(2, *value.shape)}
        with pytest.raises(ValueError, match=r"^Argument `state_dict` must ") as error:
            load_official(wrong, task=task)
        assert f"`{name}`" in str(error.value)
        assert f"has shape {(2, *value.shape)}" in str(error.value)
        longer = torch.cat([value.reshape(-1)[:1].expand_as(value[:1]), value]) if value.ndim else 0
        if value.ndim:
            with pytest.raises(ValueError, match=r"^Argument `state_dict` must .* shape"):
                load_official(weights | {name: longer}, task=task)


@pytest.mark.parametrize("case", WHOLE)
def test_an_unknown_entry_is_named(case):
    task, weights = case.split(",")[0], WHOLE[case]
    message = r"hold nothing but this model's entries, but has `extra.weight` of shape \(3,\)"
    with pytest.raises(ValueError, match=message):
        load_official(weights | {"extra.weight": torch.zeros(3)}, task=task)


def test_two_transitions_that_differ():
    weights = WHOLE["classification"]
    other = weights | {"layers.1.0.1.bias": weights["layers.1.0.1.bias"] + 1}
    with pytest.raises(ValueError, match=r"the same `layers.1.0.0.bias` and `layers.1.0.1.bias`"):
        load_official(other, task="classification")
    only = {n: v for n, v in weights.items() if ".0.0." not in n or "layers.0" in n}
    images, noise = inputs(8)
    nets = [load_official(w, task="classification").double() for w in (weights, only)]
    assert torch.equal(*(net(images, x0=noise) for net in nets))


def test_other_bad_input():
    weights = WHOLE["objects"]
    with pytest.raises(ValueError, match=r"`task` must be one of .* did you mean `objects`"):
        load_official(weights, task="object")
    with pytest.raises(ValueError, match=r"`settings` must be of steps, .*did you mean `steps`"):
        load_official(weights, task="objects", step=3)
    with pytest.raises(ValueError, match=r"one for each of the 2 blocks, but is \(1, 2, 3\)"):
        load_official(weights, task="objects", steps=(1, 2, 3))
    message = "`source` must hold nothing but tensors, but holds `optimizer` of type dict; pass the"
    with pytest.raises(ValueError, match=message):
        load_official({"model": {}, "optimizer": {}} | weights | {"model": torch.zeros(1)})
    with pytest.raises(TypeError, match=r"`steps` must be a whole number .* type str"):
        load_official(weights, task="objects", steps="8")
    with pytest.raises(ValueError, match=r"`steps` must hold one value for each of the 3 blocks"):
        load_official(WHOLE["classification"], task="classification", steps=(1, 2))
    odd = object_weights(C=24, N=3, J="conv", omega="shared")
    with pytest.raises(ValueError, match="`dimensions` must be even with frequencies, but is 3"):
        load_official(odd, task="objects")
    with pytest.raises(ValueError, match=r"have the entry `patchfy.1.weight`"):
        load_official(WHOLE["classification"], task="objects")
    with pytest.raises(ValueError, match=r"have the entry `conv0.weight`"):
        load_official(weights, task="classification")


def test_averaged_weights_are_taken_where_there_are_both():
    weights, other = (object_weights(J="conv", seed=seed) for seed in (0, 1))
    both = {f"ema_model.module.{n}": v for n, v in weights.items()}
    both |= {f"online_model.module.{n}": v for n, v in other.items()} | {"step": torch.tensor(3)}
    images, noise = inputs(16, 4)
    found = load_official(both, task="objects").double()(images, x0=noise)
    expected = load_official(weights, task="objects").double()(images, x0=noise)
    assert torch.equal(found, expected)
