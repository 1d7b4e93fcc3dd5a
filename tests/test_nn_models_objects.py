"""ObjectNet: shapes, variants, where states begin, laws of patches, reproducible features."""

from __future__ import annotations

import dataclasses
import doctest

import pytest

torch = pytest.importorskip("torch")

import kuramoto as km  # noqa: E402
from kuramoto.nn import ObjectConfig, ObjectNet, layout  # noqa: E402
from kuramoto.nn.models import objects, parts  # noqa: E402

SMALL = {"image_size": 16, "channels": 16, "heads": 2, "steps": 3, "outputs": 5}


def net_of(**config):
    torch.manual_seed(0)
    return ObjectNet(ObjectConfig(**{**SMALL, **config}))


def images_of(batch=2, colours=3, size=16, seed=0):
    return torch.rand(batch, colours, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("frequency", parts.FREQUENCIES)
@pytest.mark.parametrize("positions", objects.POSITIONS)
@pytest.mark.parametrize("connectivity", parts.CONNECTIVITIES)
def test_every_variant_learns(connectivity, positions, frequency):
    net = net_of(connectivity=connectivity, positions=positions, frequency=frequency, blocks=2)
    z = net(images_of())
    assert z.shape == (2, 5)
    z.square().sum().backward()
    fixed = [name for name, p in net.named_parameters() if p.grad is None]
    assert fixed == ["blocks.0.layer.step_size", "blocks.1.layer.step_size"]


@pytest.mark.parametrize(
    "config",
    [
        {"image_channels": 1, "patch_size": 2},
        {"blocks": 3, "steps": (1, 2, 3), "state_map": True},
        {"readout": "none", "pool": "mean"},
        {"project": False, "normalize": False},
        {"channels": 20, "dimensions": 5, "positions": "rope"},
        {"dimensions": 2, "stimulus_norm": "group", "learn_step_size": True},
        {"stimulus_norm": "affine", "memory": "recompute", "head_hidden": 7, "outputs": 3},
        {"connectivity": "convolution", "kernel_size": 3, "heads": 3},
    ],
)
def test_other_sizes_parts_and_ablations(config):
    net = net_of(**config)
    made = net.config
    side = made.image_size // made.patch_size
    images = images_of(colours=made.image_channels)
    assert net(images).shape == (2, made.outputs)
    assert net.features(images).shape == (2, made.channels, side, side)
    wide = torch.rand(1, made.image_channels, 2 * made.image_size, made.image_size)
    assert net.features(wide).shape == (1, made.channels, 2 * side, side)


def test_the_defaults_are_the_papers():
    config = ObjectConfig()
    assert (config.image_size, config.patch_size, config.channels, config.steps) == (32, 4, 128, 8)
    assert (config.dimensions, config.heads, config.positions) == (4, 8, "gta")
    net = net_of(blocks=3)
    norms = [block.layer.stimulus_norm for block in net.blocks]
    assert norms[0] is None, "patches are not normalised, what blocks hand on is"
    assert [norm.num_groups for norm in norms[1:]] == [4, 4], "a group per oscillator"
    assert all(block.layer.stimulus_norm is None for block in net_of(stimulus_norm="none").blocks)


def test_where_states_begin():
    net = net_of().eval()
    images = images_of()
    c, x = net.start(images)
    torch.testing.assert_close(c, net.patches(images))
    lengths = layout.to_state(x, 4).square().sum(-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    noise = 5 * torch.randn(c.shape)
    given = layout.to_state(net.start(images, x0=noise)[1], 4)
    torch.testing.assert_close(given, km.sphere.normalize(layout.to_state(noise, 4)))


def test_absolute_positions_are_added_to_stimulus_and_state():
    net = net_of(positions="ape").eval()
    images, noise = images_of(), torch.randn(2, 16, 4, 4)
    c, x = net.start(images, x0=noise)
    torch.testing.assert_close(c, net.patches(images) + net.stimulus_places.embedding)
    moved = layout.to_state(noise + net.state_places.embedding, 4)
    torch.testing.assert_close(layout.to_state(x, 4), km.sphere.normalize(moved))


def test_evaluation_is_reproducible_and_training_is_not():
    net, images = net_of(seed=5), images_of()
    assert not torch.equal(net(images), net(images))
    net.eval()
    assert torch.equal(net(images), net(images))
    assert not torch.equal(net(images), net_of(seed=6).eval()(images))
    named = net(images, generator=torch.Generator().manual_seed(5))
    assert torch.equal(named, net(images))
    drawn = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(5))
    assert torch.equal(net(images, x0=drawn), net(images)), "random states are normal numbers"


def test_run_streams_the_states_that_forward_passes_through():
    net, images = net_of(blocks=2, steps=(2, 3), state_map=True).eval(), images_of()
    with torch.no_grad():
        moments = list(net.run(images))
        found = [(moment.block, moment.step) for moment in moments]
        assert found == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]
        torch.testing.assert_close(net.predict(moments[-1].state), net(images))
        assert len(list(net.run(images, steps=4))) == 8
        torch.testing.assert_close(
            net.predict(list(net.run(images, steps=4))[-1].state), net(images, steps=4)
        )
        many = next(net.run(images, samples=3))
    assert many.state.shape == (6, 16, 4, 4)
    assert many.energy.shape == (2, 3)
    assert len(set(many.energy[0].tolist())) == 3, "samples start from different states"


def test_energies_are_those_of_the_core():
    """Each block is a Kuramoto model: its steps are those of `solve`, its energies eq. 3."""
    net, images = net_of(connectivity="convolution", frequency="shared").eval(), images_of()
    with torch.no_grad():
        c, x = net.start(images)
        model = net.blocks[0].layer.as_model(c)
        solution = km.solve(
            model,
            layout.to_state(x, 4),
            t1=3 * net.config.step_size,
            dt=net.config.step_size,
            stepper=km.ProjectedEuler(),
        )
        last = list(net.run(images))[-1]
    torch.testing.assert_close(layout.to_state(last.state, 4), solution.final)
    torch.testing.assert_close(last.energy[:, 0], model.energy(solution.final))


def test_without_positions_patches_are_a_set():
    """Attention without positions: patches in another order, features in that order, z the same."""
    net = net_of(positions="none", blocks=2).double().eval()
    images, noise = images_of().double(), torch.randn(2, 16, 4, 4, dtype=torch.float64)
    order = torch.randperm(16)

    def moved(grid):
        return grid.flatten(-2)[..., order].unflatten(-1, (4, 4))

    patches = torch.nn.functional.unfold(images, 4, stride=4)[..., order]
    shuffled = torch.nn.functional.fold(patches, (16, 16), 4, stride=4)
    features = net.features(images, x0=noise)
    torch.testing.assert_close(net.features(shuffled, x0=moved(noise)), moved(features))
    torch.testing.assert_close(net(shuffled, x0=moved(noise)), net(images, x0=noise))
    placed = net_of(positions="gta").double().eval()
    there = placed.features(shuffled, x0=moved(noise))
    assert (there - moved(placed.features(images, x0=noise))).abs().max() > 1e-3


def test_configurations_are_plain_values():
    config = ObjectConfig(blocks=2, steps=[3, 4])
    values = dataclasses.asdict(config)
    kinds = (int, float, str, bool, tuple, type(None))
    assert all(isinstance(value, kinds) for value in values.values())
    assert ObjectConfig(**values) == config
    assert config.steps_of_blocks == (3, 4)


def test_bad_input():
    with pytest.raises(ValueError, match=r"`positions` must be one of .* did you mean `gta`"):
        ObjectConfig(positions="gtaa")
    with pytest.raises(ValueError, match=r"`connectivity` must be .* did you mean `attention`"):
        ObjectConfig(connectivity="attn")
    with pytest.raises(ValueError, match="multiple of the patch size, 5, but is 32; 30 would do"):
        ObjectConfig(patch_size=5)
    with pytest.raises(ValueError, match=r"one for each of the 3 blocks, but is \(1, 2\)"):
        ObjectConfig(blocks=3, steps=(1, 2))
    with pytest.raises(ValueError, match="`steps` must be a whole number of at least 1, but is 0"):
        ObjectConfig(steps=0)
    with pytest.raises(ValueError, match="multiple of the number of heads, 5, but is 16; 15 would"):
        net_of(heads=5)
    with pytest.raises(ValueError, match="rotating dimensions N, 3, but is 16; 15 would do"):
        net_of(dimensions=3)
    net = net_of()
    with pytest.raises(ValueError, match=r"`images` must have shape \(B, 3, H, W\)"):
        net(images_of(colours=1))
    with pytest.raises(ValueError, match="multiples of the patch size 4"):
        net(images_of(size=18))
    with pytest.raises(TypeError, match="`images` must be a floating-point tensor"):
        net((255 * images_of()).to(torch.uint8))
    with pytest.raises(ValueError, match=r"`x0` must have shape \[B, 16, H, W\]"):
        net(images_of(), x0=torch.zeros(2, 8, 4, 4))
    with pytest.raises(ValueError, match=r"`x0` must have the shape of the stimulus, \(2, 16, 4"):
        net(images_of(), x0=torch.zeros(1, 16, 4, 4))
    with pytest.raises(ValueError, match="`steps` must be a whole number of at least 1, but is 0"):
        net(images_of(), steps=0)
    with pytest.raises(ValueError, match="`samples` must be a whole number of at least 1"):
        next(net.run(images_of(), samples=0))


@pytest.mark.parametrize("module", [objects, parts])
def test_doctests(module):
    assert doctest.testmod(module).failed == 0
