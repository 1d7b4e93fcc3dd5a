"""ClassifierNet: shapes, variants, ablations, the way between blocks, reproducible logits."""

from __future__ import annotations

import dataclasses
import doctest

import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn import ClassifierConfig, ClassifierNet, layout  # noqa: E402
from kuramoto.nn.models import classification, parts  # noqa: E402

SMALL = {"channels": (8, 16, 16), "kernel_sizes": (5, 3, 3), "steps": (2, 1, 2), "outputs": 4}
MIX = ("convolution", "convolution", "attention")


def net_of(**config):
    torch.manual_seed(0)
    return ClassifierNet(ClassifierConfig(**{**SMALL, **config}))


def images_of(batch=2, colours=3, size=12, seed=0):
    return torch.rand(batch, colours, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("frequency", parts.FREQUENCIES)
@pytest.mark.parametrize("norm", parts.NORMS)
@pytest.mark.parametrize("last", parts.CONNECTIVITIES)
def test_every_variant_learns(frequency, norm, last):
    connectivity = ("convolution", "convolution", last)
    net = net_of(frequency=frequency, stimulus_norm=norm, connectivity=connectivity, dimensions=4)
    logits = net(images_of())
    assert logits.shape == (2, 4)
    logits.square().sum().backward()
    fixed = [name for name, p in net.named_parameters() if p.grad is None]
    assert fixed == [f"blocks.{number}.layer.step_size" for number in range(3)]


@pytest.mark.parametrize(
    "config",
    [
        {"connectivity": MIX, "steps": (6, 4, 2)},
        {"image_channels": 1, "readout_norm": False},
        {"dimensions": 4, "readout_dimensions": 4, "readout_kernel_size": 1},
        {"project": False, "normalize": False},
        {"stimulus": False},
        {"lengths": False},
        {"learn_step_size": True, "memory": "recompute", "heads": 4, "connectivity": MIX},
        {"channels": (8,), "kernel_sizes": (5,), "steps": (2,), "strides": (1,),
         "connectivity": ("attention",)},
    ],
)  # fmt: skip
def test_other_parts_and_ablations(config):
    net = net_of(**config)
    images = images_of(colours=net.config.image_channels)
    assert net(images).shape == (2, 4)
    side = 3 if len(net.blocks) == 3 else 12
    assert net.features(images).shape == (2, net.config.channels[-1], side, side)


def test_the_defaults_are_the_papers():
    config = ClassifierConfig()
    assert (config.kernel_sizes, config.steps, config.dimensions) == ((9, 7, 5), (3, 3, 3), 2)
    assert config.channels == (64, 128, 256)
    assert (config.frequency, config.initial_frequency, config.step_size) == ("shared", 1.0, 1.0)
    net = ClassifierNet(config)
    assert [block.layer.stimulus_norm.num_groups for block in net.blocks] == [32, 64, 128]
    blocks = sum(
        w * w * k * k + w  # J and its bias
        + 2 * w + 1 + 1  # norm of the stimulus, one rate, γ
        + 9 * w * 2 * w + 3 * w  # lengths
        + 3 * (9 * w * w + w + 2 * w)  # three convolutions with batch norm
        for w, k in ((64, 9), (128, 7), (256, 5))
    )  # fmt: skip
    between = 9 * 64 * 128 + 128 + 9 * 128 * 256 + 256
    found = sum(parameter.numel() for parameter in net.parameters())
    assert found == 27 * 64 + blocks + between + 256 * 10 + 10


def test_where_states_begin_and_how_they_cross():
    net = net_of().eval()
    images = images_of()
    c, x = net.start(images)
    torch.testing.assert_close(c, net.stem(2 * images - 1))
    lengths = layout.to_state(x, 2).square().sum(-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert net.blocks[0].entrance is None
    entrance = net.blocks[1].entrance
    next_x, next_c = entrance(x, c)
    torch.testing.assert_close(next_x, entrance.map(x))
    torch.testing.assert_close(next_c, entrance.map(c))
    assert next_x.shape == (2, 16, 6, 6)


def test_evaluation_is_reproducible_and_training_is_not():
    net, images = net_of(seed=5), images_of()
    assert not torch.equal(net(images), net(images))
    net.eval()
    assert torch.equal(net(images), net(images))
    drawn = torch.randn(2, 8, 12, 12, generator=torch.Generator().manual_seed(5))
    assert torch.equal(net(images, x0=drawn), net(images))
    assert not torch.equal(net(images), net(images, generator=torch.Generator().manual_seed(1)))


def test_samples_are_averaged():
    net, images = net_of().eval(), images_of()
    noise = torch.randn(6, 8, 12, 12)
    with torch.no_grad():
        single = torch.stack([net(images, x0=noise[number::3]) for number in range(3)])
        found = net(images, samples=3, x0=noise)
        torch.testing.assert_close(found, single.mean(0))
        drawn = torch.Generator().manual_seed(0)
        torch.testing.assert_close(net_of(samples=3).eval()(images, x0=noise), found)
        assert net(images, samples=2, generator=drawn).shape == (2, 4)


def test_run_streams_the_states_that_forward_passes_through():
    net, images = net_of(connectivity=MIX).eval(), images_of()
    with torch.no_grad():
        moments = list(net.run(images))
        found = [(moment.block, moment.step) for moment in moments]
        assert found == [(0, 1), (0, 2), (1, 1), (2, 1), (2, 2)]
        torch.testing.assert_close(net.predict(moments[-1].state), net(images))
        assert moments[0].energy.shape == (2, 1)
        longer = list(net.run(images, steps=3))
        torch.testing.assert_close(net.predict(longer[-1].state), net(images, steps=3))
    assert not torch.equal(net(images), net(images, steps=3))


def test_without_stimulus_the_image_is_the_state():
    """Nothing is random then, and no block has a stimulus or a readout but the last."""
    net, images = net_of(stimulus=False), images_of()
    c, x = net.start(images)
    assert not c.any()
    seen = layout.to_state(net.stem(2 * images - 1), 2)
    expected = seen / seen.square().sum(-1, keepdim=True).sqrt()
    torch.testing.assert_close(layout.to_state(x, 2), expected)
    assert not net.blocks[1].enter(x, c + 1)[1].any()
    assert all(block.layer.stimulus_norm is None for block in net.blocks)
    assert not list(net.blocks[0].readout.parameters())
    net.eval()
    assert torch.equal(net(images), net(images, generator=torch.Generator().manual_seed(9)))
    with pytest.raises(ValueError, match="`x0` must be left out where images make"):
        net(images, x0=torch.zeros(2, 8, 12, 12))


def test_lengths_do_not_see_where_oscillators_point_and_their_absence_does():
    """−x has the lengths of x, but for the bias inside the norm, set to zero here."""
    x = torch.randn(2, 8, 5, 5)
    for lengths in (True, False):
        readout = net_of(lengths=lengths).eval().blocks[0].readout
        convolution = readout.lengths.convolution if lengths else readout.lengths
        with torch.no_grad():
            convolution.bias.zero_()
            assert torch.allclose(readout(x), readout(-x)) == lengths


def test_configurations_are_plain_values():
    config = ClassifierConfig(channels=[8, 16], connectivity=["attention"] * 2,
                              kernel_sizes=[3, 3], steps=[1, 2], strides=[1, 2])  # fmt: skip
    values = dataclasses.asdict(config)
    kinds = (int, float, str, bool, tuple)
    assert all(isinstance(value, kinds) for value in values.values())
    assert ClassifierConfig(**values) == config
    assert config.steps == (1, 2)


def test_bad_input():
    with pytest.raises(ValueError, match=r"`steps` must hold one value for each of the 3 blocks"):
        ClassifierConfig(steps=(3, 3))
    with pytest.raises(ValueError, match=r"`steps` must hold one value .* but is 3"):
        ClassifierConfig(steps=3)
    with pytest.raises(ValueError, match=r"`channels` must hold one value .* but is \(\)"):
        ClassifierConfig(channels=())
    with pytest.raises(ValueError, match=r"`connectivity` .* did you mean `convolution`"):
        ClassifierConfig(connectivity=("conv", "conv", "attention"))
    with pytest.raises(ValueError, match="`strides` must begin with 1"):
        ClassifierConfig(strides=(2, 2, 2))
    with pytest.raises(ValueError, match="`readout_kernel_size` must be odd, but is 2"):
        ClassifierConfig(readout_kernel_size=2)
    with pytest.raises(ValueError, match="`samples` must be a whole number of at least 1"):
        ClassifierConfig(samples=0)
    with pytest.raises(ValueError, match=r"`kernel_size` must be odd, .* is 4"):
        net_of(kernel_sizes=(4, 3, 3))
    with pytest.raises(ValueError, match="rotating dimensions N, 3, but is 8; 9 would do"):
        net_of(dimensions=3)
    with pytest.raises(ValueError, match=r"`images` must have shape \(B, 3, H, W\)"):
        net_of()(images_of(colours=1))
    with pytest.raises(ValueError, match="`samples` must be a whole number of at least 1"):
        net_of()(images_of(), samples=0)


def test_doctests():
    assert doctest.testmod(classification).failed == 0
