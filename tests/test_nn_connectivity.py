"""Connectivities: against sums written out, against the core's couplings, symmetric variants."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import kuramoto as km  # noqa: E402
from kuramoto.nn import (  # noqa: E402
    GTA,
    AttentionConnectivity,
    ConvConnectivity,
    DenseConnectivity,
    RoPE,
    layout,
)


@pytest.fixture(autouse=True)
def double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def of_grid(kind, *, symmetric=False):
    """One connectivity of each kind, for 12 channels, N = 3, on 4×5."""
    if kind == "conv":
        return ConvConnectivity(12, 3, symmetric=symmetric)
    if kind == "dense":
        return DenseConnectivity(12, (4, 5), 3, symmetric=symmetric)
    if kind == "blocks":
        return DenseConnectivity(12, (4, 5), 3, blocks=True, symmetric=symmetric)
    positions = {"gta": GTA((4, 5), 6, symmetric=symmetric), "rope": RoPE(6)}.get(kind)
    return AttentionConnectivity(12, 2, positions=positions, symmetric=symmetric)


KINDS = ["conv", "attention", "rope", "gta", "dense", "blocks"]


# Analytic.


def test_convolution_is_equation_7():
    """Written out: a correlation of N×N blocks, nothing beyond the edge."""
    connectivity = ConvConnectivity(6, 3, bias=False)
    x = torch.randn(2, 6, 4, 5)
    J = connectivity.weight.unflatten(0, (2, 3)).unflatten(2, (2, 3))  # [c, i, d, j, h, w]
    padded = torch.nn.functional.pad(layout.to_state(x, 3), (0, 0, 1, 1, 1, 1))
    y = sum(
        torch.einsum("cidj,bdhwj->bchwi", J[..., h, w], padded[:, :, h : h + 4, w : w + 5])
        for h in range(3)
        for w in range(3)
    )
    torch.testing.assert_close(layout.to_state(connectivity(x), 3), y)


@pytest.mark.parametrize("scaled", [True, False])
def test_attention_is_equation_8_and_9(scaled):
    """The core's `Attention` computes them from N×N blocks."""
    heads, N, C = 2, 3, 4
    connectivity = AttentionConnectivity(C * N, heads, scaled=scaled, bias=False)
    into, _, out = connectivity.weights
    query, key, value = into.detach().reshape(3, heads, -1, N, C, N).transpose(-2, -3)
    output = out.detach().reshape(C, N, heads, -1, N).permute(2, 0, 3, 1, 4)
    scale = connectivity.head_dimension**-0.5 if scaled else 1.0
    coupling = km.Attention(query, key, value, output, scale=scale)
    x = torch.randn(2, C * N, 4, 5)
    expected = coupling(layout.to_tokens(x).unflatten(-1, (C, N))).flatten(2)
    torch.testing.assert_close(layout.to_tokens(connectivity(x)), expected)


def test_dense_is_a_sum_over_all_oscillators():
    connectivity = of_grid("dense")
    x = torch.randn(2, 12, 4, 5)
    state = layout.to_state(x, 3)
    expected = (connectivity.weight @ state.flatten(1, 3)).reshape(state.shape)
    torch.testing.assert_close(layout.to_state(connectivity(x), 3), expected)


# Agreement.


@pytest.mark.parametrize("kind", KINDS)
def test_as_a_coupling_of_the_core(kind):
    """Jx without the bias, on states (B, C, H, W, N)."""
    connectivity = of_grid(kind)
    for parameter in connectivity.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 12, 4, 5)
    coupling = connectivity.coupling(3, (4, 5))
    expected = connectivity(x)
    if connectivity.bias is not None:
        expected = expected - connectivity.bias[:, None, None]
    with torch.no_grad():
        found = layout.to_features(coupling(layout.to_state(x, 3)))
    torch.testing.assert_close(found, expected)
    assert coupling.state_dependent == (kind in ("attention", "rope", "gta"))


@pytest.mark.parametrize("kind", KINDS)
def test_field_adds_stimulus_and_bias_once(kind):
    connectivity = of_grid(kind)
    for parameter in connectivity.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, c = torch.randn(2, 2, 12, 4, 5)
    torch.testing.assert_close(connectivity.field(c)(x), connectivity(x) + c)


@pytest.mark.parametrize("batch", [2, 13])
@pytest.mark.parametrize("kind", KINDS)
def test_field_takes_channels_with_components_first(kind, batch):
    """The same numbers in another order; with another N they are others."""
    connectivity = of_grid(kind)
    for parameter in connectivity.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, c = torch.randn(2, batch, 12, 4, 5)
    expected = connectivity.field(c)(x)
    x2, c2 = (layout.by_component(v, 3, 1) for v in (x, c))
    found = connectivity.field(c2, 3)(x2)
    torch.testing.assert_close(found, layout.by_component(expected, 3, 1))
    stimulus = layout.by_component(connectivity.stimulus(c), 3, 1)
    torch.testing.assert_close(connectivity.stimulus(c2, 3), stimulus)
    assert not torch.allclose(connectivity.field(c2, 2)(x2), found)


@pytest.mark.parametrize("kind", ["conv", "dense", "blocks"])
def test_symmetric_variants(kind):
    """⟨u, Jv⟩ = ⟨Ju, v⟩; the core sees it, and without the option it is not so."""
    u, v = torch.randn(2, 1, 12, 4, 5)
    for symmetric in (True, False):
        connectivity = of_grid(kind, symmetric=symmetric)
        if connectivity.bias is not None:
            torch.nn.init.zeros_(connectivity.bias)
        forth, back = (u * connectivity(v)).sum(), (connectivity(u) * v).sum()
        assert bool(torch.isclose(forth, back, rtol=1e-12)) == symmetric
        assert connectivity.coupling(3, (4, 5)).symmetric == symmetric


@pytest.mark.parametrize("kind", ["attention", "rope", "gta"])
def test_symmetric_attention(kind):
    """With all attention weights equal J is W^Oᵀ-symmetric: value and output are transposes."""
    connectivity = of_grid(kind, symmetric=True)
    into, bias, out = connectivity.weights
    query, key, value = into.chunk(3)
    assert torch.equal(query, key)
    assert torch.equal(out, value.T)
    assert torch.equal(*bias.chunk(3)[:2])
    assert sum(p.numel() for n, p in connectivity.named_parameters() if "inputs" in n) == 2 * 156
    with torch.no_grad():
        connectivity.inputs.weight[:12] = 0  # no queries, no keys: uniform attention
        connectivity.inputs.bias.zero_()
    u, v = torch.randn(2, 1, 12, 4, 5)
    torch.testing.assert_close((u * connectivity(v)).sum(), (connectivity(u) * v).sum())


def test_heads_are_contiguous_runs():
    """A query, key and value of one head only: outputs stay in its channels of W^O's input."""
    connectivity = AttentionConnectivity(12, 3, bias=False)
    with torch.no_grad():
        connectivity.output.weight.copy_(torch.eye(12))
        connectivity.inputs.weight[24:28] = 0  # values of head 0
    y = connectivity(torch.randn(2, 12, 3, 3)).detach()
    assert float(y[:, :4].abs().max()) == 0
    assert float(y[:, 4:].abs().min()) > 0


def test_memory_order_does_not_matter():
    for kind in KINDS:
        connectivity, x = of_grid(kind), torch.randn(2, 12, 4, 5)
        torch.testing.assert_close(connectivity(x), connectivity(layout.channels_last(x)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("positions", [lambda: RoPE(6), lambda: GTA((4, 5), 6)])
def test_large_batches_fold_positions_into_the_weights(positions, bias):
    """One matrix per place from B = C·N on: the same numbers and gradients as board by board."""
    connectivity = AttentionConnectivity(12, 2, positions=positions(), bias=bias)
    for parameter in connectivity.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, c, g = torch.randn(3, 13, 12, 4, 5)
    found = []
    for batches in ([slice(0, 13)], [slice(0, 11), slice(11, 13)]):
        connectivity.zero_grad()
        for part in batches:
            y = connectivity.field(c[part])(x[part])
            y.backward(g[part])
            found.append(y.detach())
        found.append([p.grad.clone() for p in connectivity.parameters()])
    torch.testing.assert_close(found[0], torch.cat(found[2:4]))
    for one, two in zip(found[1], found[4], strict=True):
        torch.testing.assert_close(one, two)


# Bad input.


def test_bad_input():
    with pytest.raises(ValueError, match="multiple of the number of heads, 5, but is 12; 10 would"):
        AttentionConnectivity(12, 5)
    with pytest.raises(ValueError, match="`kernel_size` must be odd, to have a centre, but is 4"):
        ConvConnectivity(12, 4)
    with pytest.raises(ValueError, match="act on heads of 6 dimensions, but is made for 4"):
        AttentionConnectivity(12, 2, positions=RoPE(4))
    with pytest.raises(ValueError, match="`positions` must be symmetric too"):
        AttentionConnectivity(12, 2, positions=GTA((4, 5), 6), symmetric=True)
    with pytest.raises(ValueError, match=r"have the grid \(4, 5\)"):
        of_grid("dense")(torch.zeros(1, 12, 5, 4))
    for kind in KINDS:
        with pytest.raises(ValueError, match=r"`x` must have shape \[B, 12, H, W\]"):
            of_grid(kind)(torch.zeros(1, 8, 4, 5))
