"""SudokuNet: shapes, where its states begin, energies on the way, reproducible answers."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn import SudokuConfig, SudokuNet, layout  # noqa: E402
from kuramoto.nn.models import MODELS, build, name_of  # noqa: E402
from kuramoto.nn.models.parts import FREQUENCIES  # noqa: E402
from kuramoto.nn.models.sudoku import POSITIONS  # noqa: E402

SMALL = {"side": 4, "channels": 16, "heads": 2, "steps": 3}


def net_of(**config):
    torch.manual_seed(0)
    return SudokuNet(SudokuConfig(**{**SMALL, **config}))


def boards(side=4, batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, side + 1, (batch, side, side), generator=generator)


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("positions", POSITIONS)
def test_every_variant_learns(frequency, positions):
    net = net_of(frequency=frequency, positions=positions)
    logits = net(boards())
    assert logits.shape == (3, 4, 4, 4)
    logits.square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None]
    assert not without


@pytest.mark.parametrize(
    "config",
    [
        {"side": 6, "channels": 24, "dimensions": 3, "heads": 4},
        {"blocks": 2},
        {"symmetric": True},
        {"project": False, "normalize": False},
        {"channels": 20, "dimensions": 5},
        {"scaled": False, "dimensions": 2, "memory": "recompute"},
    ],
)
def test_other_sizes_and_ablations(config):
    net = net_of(**config)
    side = net.config.side
    assert net(boards(side)).shape == (3, side, side, side)


def test_givens_start_at_their_stimulus_and_blanks_at_random():
    net = net_of().eval()
    digits = boards()
    c, x = net.start(digits)
    embedded = net.embedding(digits).permute(0, 3, 1, 2)
    torch.testing.assert_close(c, embedded)
    state, directions = layout.to_state(x, 4), layout.to_state(c, 4)
    directions = directions / directions.square().sum(-1, keepdim=True).sqrt()
    given = (digits > 0)[:, None, :, :, None].expand_as(state)
    torch.testing.assert_close(state[given], directions[given])
    assert not torch.allclose(state[~given], directions[~given])
    torch.testing.assert_close(state.square().sum(-1), torch.ones(3, 4, 4, 4))


def test_evaluation_is_reproducible_and_training_is_not():
    net, digits = net_of(seed=5), boards()
    assert not torch.equal(net(digits), net(digits))
    net.eval()
    assert torch.equal(net(digits), net(digits))
    assert not torch.equal(net(digits), net_of(seed=6).eval()(digits))
    own = [net(digits, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*own)
    assert not torch.equal(own[0], net(digits))
    named = net(digits, generator=torch.Generator().manual_seed(5))
    assert torch.equal(named, net(digits))


def test_run_streams_the_states_that_forward_passes_through():
    net, digits = net_of(blocks=2).eval(), boards()
    with torch.no_grad():
        moments = list(net.run(digits, steps=5))
        assert [moment.step for moment in moments] == [1, 2, 3, 4, 5]
        torch.testing.assert_close(net.predict(moments[-1].state), net(digits, steps=5))
        assert moments[0].energy.shape == (3, 1)
        many = next(net.run(digits, samples=4))
    assert many.state.shape == (12, 16, 4, 4)
    assert many.energy.shape == (3, 4)
    assert len(set(many.energy[0].tolist())) == 4, "samples start from different states"


def test_test_time_steps():
    net, digits = net_of().eval(), boards()
    assert torch.equal(net(digits), net(digits, steps=3))
    assert not torch.equal(net(digits), net(digits, steps=6))


@pytest.mark.parametrize("name", MODELS["sudoku"])
def test_build_and_name(name):
    model = build("sudoku", name, side=4, channels=16, heads=2)
    assert model(boards()).shape == (3, 4, 4, 4)
    assert name_of(model) == ("sudoku", name)
    values = dataclasses.asdict(model.config)
    assert all(value is None or isinstance(value, str | int | float) for value in values.values())
    again = build("sudoku", name, **values)
    assert again.config == model.config


def test_the_symmetric_network_is_symmetric():
    assert build("sudoku", "symmetric", **SMALL).blocks[0].layer.connectivity.symmetric
    assert not build("sudoku", "akorn", **SMALL).blocks[0].layer.connectivity.symmetric


def test_the_defaults_are_the_papers():
    config = SudokuConfig()
    assert (config.channels, config.dimensions, config.heads, config.steps) == (512, 4, 8, 16)
    assert (config.blocks, config.positions, config.frequency) == (1, "gta", "shared")


def test_bad_input():
    with pytest.raises(ValueError, match=r"`name` must be one of .*; did you mean `akorn`"):
        build("sudoku", "akron")
    with pytest.raises(ValueError, match=r"fields of SudokuConfig, .* did you mean `channels`"):
        build("sudoku", "akorn", channel=3)
    with pytest.raises(ValueError, match=r"`frequency` must be one of .* did you mean `shared`"):
        SudokuConfig(frequency="share")
    with pytest.raises(ValueError, match="multiple of the number of heads, 5, but is 16; 15 would"):
        net_of(heads=5)
    with pytest.raises(ValueError, match="rotating dimensions N, 3, but is 16; 15 would do"):
        net_of(dimensions=3)
    with pytest.raises(ValueError, match="`head_dimension` must be even"):
        net_of(channels=20, heads=4, dimensions=4)
    net = net_of()
    with pytest.raises(ValueError, match=r"`digits` must have shape \(B, 4, 4\)"):
        net(boards(side=6))
    with pytest.raises(TypeError, match="`digits` must be a tensor of whole numbers"):
        net(boards().float())
    with pytest.raises(ValueError, match=r"`digits` must lie in 0 ... 4, but holds 7"):
        net(boards() * 0 + 7)
