"""The Energy Transformer: its energy, the gradient of it, and the way down."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from kuramoto.nn.baselines import (  # noqa: E402
    EnergyTransformerBlock,
    EnergyTransformerConfig,
    SudokuEnergyTransformer,
)

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(2, 7), st.sampled_from([(4, 1), (6, 2), (12, 3)]), st.integers(1, 20))


def random_block(sizes, seed, scale=1.0):
    """A block with weights, γ and δ of its own, and tokens (2, n, C)."""
    tokens, (channels, heads), memories = sizes
    torch.manual_seed(seed)
    block = EnergyTransformerBlock(channels, heads, memories).double()
    with torch.no_grad():
        for weight in (block.query, block.key, block.memories):
            weight.mul_(scale)
        block.log_scale.fill_(0.5 * torch.randn(()))
        block.shift.normal_()
    return block, torch.randn(2, tokens, channels, dtype=torch.float64)


def autograd(function, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


# The definitions.


def test_the_energy_is_the_double_sum():
    block, x = random_block((5, (6, 2), 7), seed=0)
    g, width = block.normalize(x), 3
    beta = 1.0 / width**0.5
    for board, energy in zip(g, block.energy(g), strict=True):
        expected = 0.0
        for head in range(2):
            rows = slice(head * width, (head + 1) * width)
            for C in range(5):
                q = block.query[rows] @ board[C]
                others = [board[B] for B in range(5) if B != C]
                terms = [(beta * (block.key[rows] @ other) @ q).exp() for other in others]
                expected = expected - sum(terms).log() / beta
        for token in board:
            expected = expected - 0.5 * sum(max(m @ token, 0.0) ** 2 for m in block.memories)
        torch.testing.assert_close(energy, torch.as_tensor(expected, dtype=torch.float64))


def test_normalize_is_torchs_layer_norm():
    block, x = random_block((5, (6, 2), 7), seed=1)
    scale = block.log_scale.exp().expand(6)
    expected = torch.nn.functional.layer_norm(x, (6,), scale, block.shift, block.floor)
    torch.testing.assert_close(block.normalize(x), expected)


# The gradients.


@given(SIZES, SEEDS)
@settings(max_examples=25)
def test_the_force_is_minus_the_gradient_of_the_energy(sizes, seed):
    block, x = random_block(sizes, seed)
    g = block.normalize(x)
    torch.testing.assert_close(block.force(g), -autograd(block.energy, g), rtol=1e-9, atol=1e-9)


@given(SIZES, SEEDS)
@settings(max_examples=25)
def test_layer_norm_is_the_gradient_of_the_lagrangian(sizes, seed):
    block, x = random_block(sizes, seed)
    torch.testing.assert_close(block.normalize(x), autograd(block.lagrangian, x))


@given(SIZES, SEEDS)
@settings(max_examples=25)
def test_the_lagrangian_is_convex_and_as_curved_as_the_bound_says(sizes, seed):
    block, x = random_block(sizes, seed)
    token = x[0, 0]
    hessian = torch.autograd.functional.hessian(lambda y: block.lagrangian(y[None])[0], token)
    values = torch.linalg.eigvalsh(hessian)
    spread = (token.var(correction=0) + block.floor).sqrt()
    assert values.min() >= -1e-12
    steepest = block.log_scale.exp() / spread
    assert values.max() <= steepest * (1 + 1e-9)
    assert values.max() >= 0.99 * steepest or len(token) < 3


def test_a_step_adds_the_force():
    block, x = random_block((5, (6, 2), 7), seed=2)
    torch.testing.assert_close(block(x), x + 0.1 * block.force(block.normalize(x)))
    torch.testing.assert_close(block(x, steps=3), block(block(block(x))), rtol=0, atol=0)


# The way down.


def rise(block, x, step_size):
    """E after one step less E before, over the size of both, per batch."""
    after = x + step_size[:, None, None] * block.force(block.normalize(x))
    start, end = block.energy(block.normalize(x)), block.energy(block.normalize(after))
    return ((end - start) / (start.abs() + end.abs() + 1.0)).detach()


@given(SIZES, SEEDS, st.floats(0.05, 1.0), st.sampled_from([0.1, 1.0, 5.0]))
@settings(max_examples=60)
def test_no_step_within_the_bound_raises_the_energy(sizes, seed, fraction, scale):
    block, x = random_block(sizes, seed, scale)
    assert (rise(block, x, fraction * block.step_bound(x)) <= 1e-14).all()


@given(SIZES, SEEDS)
@settings(max_examples=25)
def test_the_bound_is_the_one_that_is_proven(sizes, seed):
    block, x = random_block(sizes, seed)
    heads = zip(block.key.chunk(block.heads), block.query.chunk(block.heads), strict=True)
    norms = sum(torch.linalg.matrix_norm(key.T @ query, ord=2) for key, query in heads)
    curved = block.log_scale.exp() * 2 * (sizes[0] - 1) ** 0.5 * norms
    spread = (x.var(-1, correction=0) + block.floor).sqrt()
    push = autograd(block.energy, block.normalize(x)).norm(dim=-1) / x.shape[-1] ** 0.5
    expected = (2 * spread / (curved + 2 * push)).min(-1).values
    torch.testing.assert_close(block.step_bound(x), expected)


def test_the_bound_holds_where_it_is_nearly_sharp():
    for seed in range(300):
        block, x = random_block((2, (4, 1), 1), seed)
        assert (rise(block, x, block.step_bound(x)) <= 1e-14).all()


def test_beyond_the_bound_the_energy_can_rise():
    worst = 0.0
    for seed in range(100):
        block, x = random_block((2, (4, 1), 1), seed)
        worst = max(worst, float(rise(block, x, 5.0 * block.step_bound(x)).max()))
    assert worst > 0.1


@given(SIZES, SEEDS)
@settings(max_examples=25)
def test_the_bound_on_the_curvature_of_the_energy(sizes, seed):
    """The bound's Λ: along any v, d²E/dt² ≤ Λ ‖v‖²."""
    block, x = random_block(sizes, seed)
    g, v = block.normalize(x).detach(), torch.randn(x.shape, dtype=torch.float64)
    curvature = autograd(lambda y: -(v * block.force(y)), g)  # the Hessian is symmetric
    along = (v * curvature).sum((1, 2)) / v.square().sum((1, 2))
    heads = zip(block.key.chunk(block.heads), block.query.chunk(block.heads), strict=True)
    norms = sum(torch.linalg.matrix_norm(key.T @ query, ord=2) for key, query in heads)
    assert (along <= 2 * (sizes[0] - 1) ** 0.5 * norms).all()
    torch.testing.assert_close(block._attention_norms().sum(), norms)


def test_the_energy_falls_at_the_rate_of_the_continuous_flow():
    """dE/dt = −fᵀ (∂²L/∂x²) f, the reason why a convex L means descent."""
    block, x = random_block((5, (6, 2), 7), seed=3)
    force = block.force(block.normalize(x)).detach()
    velocity = autograd(lambda y: force * block.normalize(y), x)  # the Hessian is symmetric
    expected = -(force * velocity).sum((1, 2))
    assert (expected < 0).all()
    h = 1e-5
    ends = [block.energy(block.normalize(x + sign * h * force)) for sign in (1, -1)]
    torch.testing.assert_close((ends[0] - ends[1]) / (2 * h), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_energy_falls_along_the_steps_of_a_board_model(seed):
    torch.manual_seed(seed)
    model = SudokuEnergyTransformer(EnergyTransformerConfig(channels=64, steps=16))
    digits = torch.randint(0, 10, (3, 9, 9))
    with torch.no_grad():
        states, energies = zip(*model.trajectory(digits), strict=True)
    energies = torch.stack(energies)
    assert energies.shape == (17, 3)
    assert (energies.diff(dim=0) < 0).all()
    logits = model.readout(model.norm(states[-1])).reshape(3, 9, 9, 9)
    torch.testing.assert_close(logits, model(digits))


# Symmetries.


@given(SIZES, SEEDS)
@settings(max_examples=20)
def test_tokens_are_a_set_and_their_mean_is_nothing(sizes, seed):
    block, x = random_block(sizes, seed)
    order = torch.randperm(x.shape[1])
    g = block.normalize(x)
    torch.testing.assert_close(block.energy(g[:, order]), block.energy(g))
    torch.testing.assert_close(block(x[:, order], steps=2), block(x, steps=2)[:, order])
    torch.testing.assert_close(block.normalize(x + 3.0), g)


def test_no_token_sees_itself():
    """With one other token each, the softmax is 1 whatever the scores are."""
    block, x = random_block((2, (6, 2), 1), seed=4)
    g = block.normalize(x)
    scores = (g @ block.key.T) * (g.flip(1) @ block.query.T)
    hopfield = 0.5 * (g @ block.memories.T).relu().square().sum((1, 2))
    torch.testing.assert_close(block.energy(g), -scores.sum((1, 2)) - hopfield)


def test_heads_divide_channels():
    with pytest.raises(ValueError, match="`channels` must be a multiple of the heads, 3, but is 8"):
        EnergyTransformerBlock(8, 3, 4)
