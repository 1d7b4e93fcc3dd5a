"""Channels and oscillators: where every number goes, and that nothing is copied on the way."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn import layout  # noqa: E402


@pytest.fixture
def features():
    return torch.arange(2 * 12 * 3 * 5, dtype=torch.float32).reshape(2, 12, 3, 5)


def test_an_oscillator_is_n_consecutive_channels(features):
    state = layout.to_state(features, 4)
    assert state.shape == (2, 3, 3, 5, 4)
    for channel in range(12):
        assert torch.equal(state[:, channel // 4, ..., channel % 4], features[:, channel])


def test_vectors_and_tokens(features):
    vectors, tokens = layout.to_vectors(features, 4), layout.to_tokens(features)
    assert vectors.shape == (2, 3, 5, 3, 4)
    assert torch.equal(vectors.permute(0, 3, 1, 2, 4), layout.to_state(features, 4))
    assert torch.equal(tokens[1, 2 * 5 + 3], features[1, :, 2, 3]), "tokens are row-major"


def test_there_and_back(features):
    assert torch.equal(layout.to_features(layout.to_state(features, 3)), features)
    assert torch.equal(layout.vectors_to_features(layout.to_vectors(features, 3)), features)
    assert torch.equal(layout.tokens_to_features(layout.to_tokens(features), (3, 5)), features)


def test_views_do_not_copy(features):
    beginning = features.data_ptr()
    state = layout.to_state(features, 4)
    assert state.data_ptr() == beginning
    assert layout.to_features(state).data_ptr() == beginning
    inner = layout.channels_last(features)
    vectors = layout.to_vectors(inner, 4)
    assert vectors.is_contiguous()
    assert vectors.data_ptr() == inner.data_ptr() == layout.to_tokens(inner).data_ptr()
    assert layout.vectors_to_features(vectors).data_ptr() == inner.data_ptr()
    assert layout.channels_last(inner).data_ptr() == inner.data_ptr()


def test_components_first(features):
    """Channel n·C + i is component n of oscillator i, side by side in memory, and back."""
    vectors = layout.components_first(features, 4)
    assert torch.equal(vectors, layout.to_vectors(features, 4))
    assert vectors.transpose(-1, -2).is_contiguous()
    ordered = layout.vectors_to_components(vectors)
    assert ordered.data_ptr() == vectors.data_ptr()
    assert torch.equal(ordered, layout.by_component(features, 4, 1))
    for oscillator in range(3):
        for component in range(4):
            found = ordered[:, component * 3 + oscillator]
            assert torch.equal(found, features[:, oscillator * 4 + component])
    assert torch.equal(layout.components_to_vectors(ordered, 4), vectors)
    assert torch.equal(layout.by_oscillator(ordered, 4, 1), features)


@pytest.mark.parametrize("shape", [(2, 12, 1, 1), (1, 12, 3, 1), (2, 1, 4, 4)])
def test_small_grids_are_channels_last_too(shape):
    """PyTorch's own memory format leaves such strides as they are."""
    inner = layout.channels_last(torch.randn(shape).contiguous())
    assert layout.to_tokens(inner).is_contiguous()


def test_what_does_not_fit():
    assert layout.require_split("channels", 12, 4, "number of heads") == 3
    message = r"`channels` must be a multiple of the number of heads, 5, but is 12; 10 would do"
    with pytest.raises(ValueError, match=message):
        layout.require_split("channels", 12, 5, "number of heads")
    with pytest.raises(ValueError, match=r"`x` must have shape \[B, 8, H, W\], but has shape"):
        layout.require_features(torch.zeros(2, 7, 3, 3), "x", 8)
    with pytest.raises(TypeError, match=r"`x` must be floating-point, but has dtype torch.int64"):
        layout.require_features(torch.zeros(2, 8, 3, 3, dtype=torch.int64), "x", 8)
    with pytest.raises(TypeError, match="must be a torch tensor"):
        layout.require_features([[1.0]], "x", 8)
