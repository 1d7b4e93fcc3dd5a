"""The readout of eq. 6, what it leaves unchanged, and initial states."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn import (  # noqa: E402
    FromStimulus,
    LearnedState,
    MixedState,
    NormReadout,
    RandomState,
    ResidualReadout,
    layout,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def lengths_of(x, dimensions):
    return layout.to_state(x, dimensions).square().sum(-1).sqrt()


def test_lengths_of_sums_written_out():
    """m_k = ‖Σ_i U_ki x_i‖ with 3×4 blocks U_ki."""
    torch.manual_seed(0)
    readout = NormReadout(8, 5, 3, bias=False)
    x = torch.randn(2, 8, 4, 6)
    U = readout.convolution.weight.reshape(5, 3, 2, 4)
    z = torch.einsum("kpij,bihwj->bkhwp", U, layout.to_state(x, 4))
    torch.testing.assert_close(readout(x), z.square().sum(-1).sqrt())


def test_biases_lie_inside_and_outside():
    readout = NormReadout(4, 2, 2)
    with torch.no_grad():
        readout.convolution.weight.zero_()
        readout.convolution.bias.copy_(torch.tensor([3.0, 4.0, 0.0, -1.0]))
        readout.bias.copy_(torch.tensor([10.0, 20.0]))
    expected = torch.tensor([15.0, 21.0])[:, None, None].expand(1, 2, 3, 3)
    torch.testing.assert_close(readout(torch.randn(1, 4, 3, 3)), expected)


def test_a_common_turn_changes_nothing_without_inner_bias():
    """With U_ki = u_ki·1 every rotation commutes with U."""
    torch.manual_seed(0)
    readout = NormReadout(8, 5, 4, bias=False)
    blocks = torch.einsum("ki,pq->kpiq", torch.randn(5, 2), torch.eye(4)).reshape(20, 8, 1, 1)
    with torch.no_grad():
        readout.convolution.weight.copy_(blocks)
    turn = torch.linalg.qr(torch.randn(4, 4))[0]
    x = torch.randn(2, 8, 3, 3)
    turned = layout.to_features(layout.to_state(x, 4) @ turn.T)
    torch.testing.assert_close(readout(turned), readout(x))
    torch.nn.init.normal_(readout.convolution.weight)
    assert not torch.allclose(readout(turned), readout(x))


def test_a_length_of_zero_has_a_gradient():
    readout = NormReadout(4, 2, 2, bias=False)
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    readout(x).sum().backward()
    assert bool(torch.isfinite(x.grad).all())


def test_residual_readout():
    torch.manual_seed(0)
    readout = ResidualReadout(8, 6, 4)
    x, relu = torch.randn(2, 8, 3, 3), torch.relu
    m = readout.lengths(x)
    first, second, last = readout.maps
    expected = last(relu(m + second(relu(first(relu(m))))))
    torch.testing.assert_close(readout(x), expected)
    normed = ResidualReadout(8, 6, 4, kernel_size=3, norm=torch.nn.BatchNorm2d)
    assert normed(x).shape == (2, 6, 3, 3)
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in normed.modules()) == 3


# Initial states.


@pytest.mark.parametrize("dimensions", [2, 3, 4])
@pytest.mark.parametrize("kind", [FromStimulus, RandomState])
def test_initial_states_are_unit_vectors(kind, dimensions):
    c = torch.randn(3, 12, 4, 5)
    x = kind(dimensions)(c, generator())
    assert x.shape == c.shape
    torch.testing.assert_close(lengths_of(x, dimensions), torch.ones(3, 12 // dimensions, 4, 5))


def test_the_stimulus_gives_the_direction():
    c = torch.randn(3, 12, 4, 5)
    x = FromStimulus(4)(c)
    expected = layout.to_state(c, 4) / lengths_of(c, 4)[..., None]
    torch.testing.assert_close(layout.to_state(x, 4), expected)


def test_random_states_follow_from_the_generator():
    c = torch.zeros(2, 8, 3, 3)
    random = RandomState(4)
    assert torch.equal(random(c, generator(1)), random(c, generator(1)))
    assert not torch.equal(random(c, generator(1)), random(c, generator(2)))
    other_memory = layout.channels_last(c)
    assert torch.equal(random(other_memory, generator(1)), random(c, generator(1)))
    torch.manual_seed(3)
    one = random(c)
    torch.manual_seed(3)
    assert torch.equal(one, random(c)), "without a generator, PyTorch's own"


def test_random_states_are_uniform():
    """For S² each coordinate is uniform on [−1, 1]: mean 0, variance 1/3, fourth moment 1/5."""
    x = layout.to_state(RandomState(3)(torch.zeros(1, 3, 300, 300), generator()), 3)
    assert abs(float(x.mean())) < 0.005
    assert abs(float(x.square().mean()) - 1 / 3) < 1e-6
    assert abs(float(x.pow(4).mean()) - 1 / 5) < 0.003


def test_learned_and_mixed_states():
    learned = LearnedState(8, (3, 3), 4)
    c = torch.randn(2, 8, 3, 3)
    x = learned(c)
    assert torch.equal(x[0], x[1])
    x.sum().backward()
    assert learned.state.grad is not None
    mask = torch.rand(2, 1, 3, 3) > 0.5
    mixed = MixedState(FromStimulus(4), RandomState(4))(c, generator(), mask=mask)
    chosen = mask.expand_as(c)
    assert torch.equal(mixed[chosen], FromStimulus(4)(c)[chosen])
    assert torch.equal(mixed[~chosen], RandomState(4)(c, generator())[~chosen])


def test_bad_input():
    with pytest.raises(ValueError, match="rotating dimensions N, 3, but is 8; 9 would do"):
        LearnedState(8, (3, 3), 3)
    with pytest.raises(ValueError, match=r"`c` must fit the learned state \(1, 8, 3, 3\)"):
        LearnedState(8, (3, 3), 4)(torch.zeros(2, 8, 4, 4))
    with pytest.raises(ValueError, match="`elsewhere` must have dimensions 4, but is 2"):
        MixedState(FromStimulus(4), RandomState(2))
    with pytest.raises(ValueError, match="`mask` must be given for a mixed state"):
        MixedState(FromStimulus(4), RandomState(4))(torch.zeros(1, 8, 2, 2))
    with pytest.raises(ValueError, match=r"`x` must have shape \[B, 8, H, W\]"):
        NormReadout(8, 5, 4)(torch.zeros(1, 6, 2, 2))
