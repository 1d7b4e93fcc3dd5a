"""The baselines for images: shapes, sizes, symmetries, what they refuse."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn import baselines  # noqa: E402

IMAGES = {
    "ItrConv": baselines.ItrConvConfig(channels=16, steps=2, outputs=5),
    "ItrConvClassifier": baselines.ItrConvClassifierConfig(channels=8, outputs=5),
    "ImageItrSA": baselines.ImageItrSAConfig(channels=16, heads=2, steps=2, outputs=5),
    "ViT": baselines.ViTConfig(channels=16, heads=2, blocks=2, outputs=5),
    "ResNet18": baselines.ResNetConfig(channels=4, outputs=5),
}


MAPS = {
    "ItrConv": (16, 8, 8),
    "ItrConvClassifier": (32, 8, 8),
    "ImageItrSA": (16, 8, 8),
    "ViT": (16, 8, 8),
    "ResNet18": (32, 4, 4),
}


def image_model(name, seed=0):
    torch.manual_seed(seed)
    return getattr(baselines, name)(IMAGES[name])


def random_images(count=2, side=32, seed=0):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def perturb(model, scale=0.1):
    """Move every parameter, so that no zero or one of an initial state hides a mistake."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return model


def parameters_of(model):
    return sum(parameter.numel() for parameter in model.parameters())


# Shapes and sizes.


@pytest.mark.parametrize("name", IMAGES)
def test_outputs_of_images(name):
    model = image_model(name).eval()
    images = random_images()
    assert model(images).shape == (2, 5)
    features = model.features(images)
    assert features.shape == (2, *MAPS[name])
    assert model.double()(images.double()).dtype == torch.float64


def test_numbers_of_parameters():
    assert parameters_of(baselines.ResNet18(baselines.ResNetConfig())) == 11_173_962
    C, hidden = 32, 64
    mlp, norm = 2 * C * hidden + hidden + C, 2 * C
    convolution = C * C * 25 + C + mlp + 2 * norm
    patches, head = 3 * 16 * C + C, 2 * 4 * C * C + 5 * C
    config = baselines.ItrConvConfig(channels=C)
    assert parameters_of(baselines.ItrConv(config)) == patches + convolution + norm + head
    blocks = sum(w * w * (k * k + 4) + 4 * w + 4 * w for w, k in ((C, 9), (2 * C, 7), (4 * C, 5)))
    strides = 9 * C * 2 * C + 2 * C + 9 * 2 * C * 4 * C + 4 * C
    classifier = baselines.ItrConvClassifier(baselines.ItrConvClassifierConfig(channels=C))
    assert parameters_of(classifier) == 27 * C + blocks + strides + 4 * C * 10 + 10


def test_defaults_are_the_papers():
    assert baselines.ItrConvClassifierConfig().kernel_sizes == (9, 7, 5)
    assert baselines.ItrConvClassifierConfig().steps == (3, 3, 3)
    assert baselines.ItrConvConfig().steps == baselines.ImageItrSAConfig().steps == 8


def test_resnet_18_has_17_convolutions_and_3_shortcuts():
    parts = [m for m in image_model("ResNet18").modules() if isinstance(m, torch.nn.Conv2d)]
    assert sum(part.kernel_size == (3, 3) for part in parts) == 17
    assert [part.stride for part in parts if part.kernel_size == (1, 1)] == [(2, 2)] * 3
    assert sum(part.stride == (2, 2) for part in parts) == 6


# What is computed.


@pytest.mark.parametrize("name", IMAGES)
def test_discovery_pools_the_greatest_and_classification_the_mean(name):
    model, images = perturb(image_model(name)).eval(), random_images()
    features = model.features(images).flatten(2)
    if name in ("ItrConvClassifier", "ResNet18"):
        expected = model.readout(features.mean(2))
    else:
        expected = model.head(features.max(2).values)
    torch.testing.assert_close(model(images), expected)


def test_each_block_of_the_classifier_has_its_steps():
    model, images = perturb(image_model("ItrConvClassifier")), random_images()
    assert model.config.steps == (3, 3, 3)
    torch.testing.assert_close(model(images, steps=3), model(images), rtol=0, atol=0)
    unequal = baselines.ItrConvClassifier(
        baselines.ItrConvClassifierConfig(channels=8, outputs=5, steps=(6, 4, 2))
    )
    unequal.load_state_dict(model.state_dict())
    x = model.stem(2 * images - 1)
    for block, down, steps in zip(model.blocks, [None, *model.down], (6, 4, 2), strict=True):
        x = block(x if down is None else down(x), steps)
    torch.testing.assert_close(unequal.features(images), x)


@pytest.mark.parametrize("name", IMAGES)
def test_pixels_are_centred(name):
    model, seen = image_model(name).eval(), []
    first = next(part for part in model.modules() if isinstance(part, torch.nn.Conv2d))
    first.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    images = random_images()
    model(images)
    torch.testing.assert_close(seen[0], (images - 0.5) / 0.5)


@pytest.mark.parametrize("name", ["ItrConv", "ImageItrSA"])
def test_steps_may_differ_from_those_of_training(name):
    model, inputs = image_model(name), random_images()
    trained = model.config.steps
    torch.testing.assert_close(model(inputs, steps=trained), model(inputs), rtol=0, atol=0)
    assert (model(inputs, steps=2 * trained) - model(inputs)).abs().max() > 1e-4


@pytest.mark.parametrize("name", IMAGES)
def test_nothing_is_random_after_the_start(name):
    model, twin, inputs = image_model(name).eval(), image_model(name).eval(), random_images()
    generator = torch.Generator().manual_seed(5)
    states = torch.get_rng_state(), generator.get_state()
    first, second = model(inputs), model(inputs, generator=generator)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(first, twin(inputs), rtol=0, atol=0)
    assert torch.equal(states[0], torch.get_rng_state())
    assert torch.equal(states[1], generator.get_state())


# Symmetries.


def test_the_map_of_features_keeps_places():
    """A change in one patch shows first of all there: rows stay rows, columns columns."""
    model = image_model("ImageItrSA").eval()
    model.places.embedding.data.zero_()
    images, (row, column) = random_images(1), (2, 5)
    changed = images.clone()
    changed[..., 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 0.0
    change = (model.features(changed) - model.features(images)).square().sum(1)[0]
    assert divmod(int(change.argmax()), 8) == (row, column)


def test_without_positions_a_vit_sees_a_bag_of_patches():
    config = baselines.ViTConfig(channels=16, heads=2, blocks=2, positions="none")
    model, images = baselines.ViT(config).double(), random_images().double()
    rolled = images.roll((8, 12), dims=(2, 3))
    torch.testing.assert_close(model(rolled), model(images))
    assert (model(images.roll(1, dims=3)) - model(images)).abs().max() > 1e-4


def test_a_mirrored_itr_conv_sees_the_mirrored_image():
    model, images = perturb(image_model("ItrConv")).double(), random_images().double()
    features = model.features(images).flip(3)
    assert (model.features(images.flip(3)) - features).abs().max() > 1e-3
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data = module.weight.data.flip(3)
    torch.testing.assert_close(model.features(images.flip(3)), features)


# Training.


@pytest.mark.parametrize("name", IMAGES)
def test_gradients_reach_every_weight_of_images(name):
    model = perturb(image_model(name))
    model(random_images(4)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


# Bad input.


def test_bad_settings():
    with pytest.raises(ValueError, match=r"`positions` must be one of ape, none, but is 'apes'; "):
        baselines.ViTConfig(positions="apes")
    with pytest.raises(
        ValueError, match=r"`image_size` must be a multiple of the patch_size, 5, but is 32"
    ):
        baselines.ViTConfig(patch_size=5)
    with pytest.raises(ValueError, match="`steps` must be left out for a ViT, but is 4"):
        baselines.ViTConfig(steps=4)
    with pytest.raises(
        ValueError, match=r"`channels` must be a multiple of the groups, 8, but is 12"
    ):
        baselines.ItrConvConfig(channels=12)
    with pytest.raises(ValueError, match="`kernel_size` must be odd, but is 4"):
        baselines.ItrConv(baselines.ItrConvConfig(kernel_size=4))
    with pytest.raises(ValueError, match="`steps` must hold one number for each of the 3 kernels"):
        baselines.ItrConvClassifierConfig(steps=(1, 2))
    with pytest.raises(ValueError, match="`outputs` must be a whole number of at least 1"):
        baselines.ResNetConfig(outputs=0)


def test_bad_steps():
    for name in ("ViT", "ResNet18"):
        with pytest.raises(ValueError, match="`steps` must be left out for a"):
            image_model(name)(random_images(), steps=2)


@pytest.mark.parametrize("name", IMAGES)
def test_bad_images(name):
    model = image_model(name)
    with pytest.raises(ValueError, match=r"`images` must have shape \(B, 3, H, W\), but has shape"):
        model(random_images()[:, :1])
    with pytest.raises(TypeError, match="`images` must be a floating-point tensor"):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_images_of_another_size():
    for name in ("ItrConv", "ImageItrSA", "ViT"):
        with pytest.raises(ValueError, match="multiples of the patch size 4"):
            image_model(name)(random_images(side=30))
        assert image_model(name).features(random_images(side=64)).shape == (2, 16, 16, 16)
