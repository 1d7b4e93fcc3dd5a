"""Two views of an image: what is drawn, and that it is done as drawn."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("kornia")

from kuramoto.nn.augmentation import TwoViews, Views, apply  # noqa: E402

PLAIN = {"jitter_probability": 0.0, "gray_probability": 0.0}


def images(n: int = 6, channels: int = 3, side: int = 16, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, side, side, generator=generator)


def nothing(n: int = 2, **changes: Any) -> Views:
    """Views that show images as they are, but for some changes to the first of both views."""
    views = Views(
        window=torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(n, 2, 1),
        mirror=torch.zeros(n, 2, dtype=torch.bool),
        factors=torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(n, 2, 1),
        order=torch.full((n, 2, 4), -1, dtype=torch.int8),
        gray=torch.zeros(n, 2, dtype=torch.bool),
    )
    for name, value in changes.items():
        getattr(views, name)[:, 0] = torch.as_tensor(value, dtype=getattr(views, name).dtype)
    return views


# --- what is drawn ------------------------------------------------------------------------------


def test_views_follow_from_the_seed_and_differ_by_image_view_and_seed() -> None:
    one, again, other = (TwoViews(mirror=0.5).draw(50, seed) for seed in (3, 3, 4))
    for name in Views._fields:
        same, different = getattr(one, name), getattr(other, name)
        assert np.array_equal(same, getattr(again, name))
        assert not np.array_equal(same, different)
        assert not np.array_equal(same[:, 0], same[:, 1])
        assert not np.array_equal(same[1:], same[:-1])


def test_pictures_follow_from_the_seed_whatever_torch_draws() -> None:
    pictures = images()
    torch.manual_seed(1)
    first, second = TwoViews()(pictures, seed=7)
    torch.manual_seed(2)
    for a, b in zip((first, second), TwoViews()(pictures, seed=7), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first, TwoViews()(pictures, seed=8)[0])
    assert not torch.isclose(first, second).all((1, 2, 3)).any()


def test_statistics_are_those_asked_for() -> None:
    drawn = TwoViews(mirror=0.5).draw(20_000, 0)
    top, left, height, width = np.moveaxis(drawn.window.astype(float), -1, 0)
    assert min(top.min(), left.min()) >= 0
    assert max((top + height).max(), (left + width).max()) <= 1 + 1e-6
    area, aspect = height * width, width / height
    assert 0.08 - 1e-6 <= area.min() < 0.081
    assert 0.98 < area.max() <= 1
    assert 3 / 4 - 1e-5 <= aspect.min() < 0.751
    assert 1.332 < aspect.max() <= 4 / 3 + 1e-5
    assert abs(np.log(aspect).mean()) < 0.005
    jittered = (drawn.order >= 0).all(-1)
    assert ((drawn.order >= 0).any(-1) == jittered).all()
    assert jittered.mean() == pytest.approx(0.8, abs=0.01)
    assert drawn.gray.mean() == pytest.approx(0.2, abs=0.01)
    assert drawn.mirror.mean() == pytest.approx(0.5, abs=0.01)
    low, high = drawn.factors.min((0, 1)), drawn.factors.max((0, 1))
    np.testing.assert_allclose(low, [0.6, 0.6, 0.6, -0.1], atol=1e-3)
    np.testing.assert_allclose(high, [1.4, 1.4, 1.4, 0.1], atol=1e-3)
    orders = drawn.order[jittered]
    assert (np.sort(orders, -1) == np.arange(4)).all()
    assert np.unique(orders, axis=0, return_counts=True)[1] == pytest.approx(
        len(orders) / 24, rel=0.15
    )


def test_a_crop_that_fits_nowhere_is_the_whole_image() -> None:
    window = TwoViews(crop=(1.0, 1.0)).draw(500, 0).window
    assert np.array_equal(window, np.broadcast_to(np.float32([0, 0, 1, 1]), window.shape))


# --- what is done -------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stay_in_range_and_leave_the_images_alone(channels: int) -> None:
    pictures = images(64, channels)
    before = pictures.clone()
    strong = TwoViews(mirror=0.5, jitter=(1, 1, 1, 0.5), jitter_probability=1.0)
    for view in strong(pictures, seed=0):
        assert view.shape == pictures.shape
        assert view.dtype == torch.float32
        assert torch.isfinite(view).all()
        assert 0 <= float(view.min()) <= float(view.max()) <= 1 + 1e-6
    assert torch.equal(pictures, before)


def test_nothing_changes_nothing() -> None:
    pictures = images(2)
    for view in apply(pictures, nothing()):
        torch.testing.assert_close(view, pictures, atol=1e-6, rtol=0)


def test_a_crop_of_a_quarter_is_that_quarter_enlarged() -> None:
    pictures = images(2, side=16)
    views = nothing(window=[0.5, 0.25, 0.5, 0.5])
    first, second = apply(pictures, views)
    quarter = pictures[:, :, 8:, 4:12]
    wanted = torch.nn.functional.interpolate(quarter, scale_factor=2, mode="bilinear")
    inner = (..., slice(1, -1), slice(1, -1))  # at the edge a crop sees what lies beside it
    torch.testing.assert_close(first[inner], wanted[inner], atol=1e-5, rtol=0)
    torch.testing.assert_close(second, pictures, atol=1e-6, rtol=0)


def test_a_reflection_changes_left_and_right() -> None:
    pictures = images(2)
    first, second = apply(pictures, nothing(mirror=True))
    torch.testing.assert_close(first, pictures.flip(-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(second, pictures, atol=1e-6, rtol=0)
    cut = {"window": [0.5, 0.25, 0.5, 0.5]}
    turned, plain = (apply(pictures, nothing(mirror=m, **cut))[0] for m in (True, False))
    torch.testing.assert_close(turned, plain.flip(-1), atol=1e-5, rtol=0)


GRAY = torch.tensor([0.299, 0.587, 0.114])


def lightness(pictures: Any) -> Any:
    return torch.einsum("bchw,c->bhw", pictures, GRAY)[:, None]


def test_each_change_of_colours_is_the_usual_one() -> None:
    pictures = images(2)
    gray = lightness(pictures)
    wanted = {
        0: (1.3, (1.3 * pictures).clamp(0, 1)),
        1: (0.7, 0.7 * pictures + 0.3 * gray.mean((1, 2, 3), keepdim=True)),
        2: (1.4, (1.4 * pictures - 0.4 * gray).clamp(0, 1)),
        3: (1 / 3, pictures[:, [2, 0, 1]]),  # a third of a turn: red becomes green
    }
    for kind, (factor, result) in wanted.items():
        views = nothing(order=[-1, kind, -1, -1])
        views.factors[:, 0, kind] = factor
        first, second = apply(pictures, views)
        torch.testing.assert_close(first, result, atol=2e-5, rtol=0)
        torch.testing.assert_close(second, pictures, atol=1e-6, rtol=0)


def test_the_order_of_changes_is_as_drawn() -> None:
    pictures = images(2)
    results = []
    for order in ([0, 1, -1, -1], [1, 0, -1, -1]):
        views = nothing(order=order)
        views.factors[:, 0, :2] = torch.tensor([1.4, 0.6])
        results.append(apply(pictures, views)[0])
    bright = (1.4 * pictures).clamp(0, 1)
    wanted = 0.6 * bright + 0.4 * lightness(bright).mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(results[0], wanted, atol=1e-5, rtol=0)
    assert float((results[0] - results[1]).abs().max()) > 0.01


def test_gray_takes_colours_away_and_gray_images_have_none() -> None:
    pictures = images(2)
    first, second = apply(pictures, nothing(gray=True))
    torch.testing.assert_close(first, lightness(pictures).expand(-1, 3, -1, -1))
    torch.testing.assert_close(second, pictures, atol=1e-6, rtol=0)
    single = images(2, channels=1)
    views = nothing(gray=True, order=[2, 3, -1, -1])
    views.factors[:, 0, 2:] = torch.tensor([0.6, 0.1])
    torch.testing.assert_close(apply(single, views)[0], single, atol=1e-6, rtol=0)
    views = nothing(order=[2, 0, 3, -1])
    views.factors[:, 0, 0] = 0.5
    torch.testing.assert_close(apply(single, views)[0], 0.5 * single, atol=1e-6, rtol=0)


def test_parts_of_a_batch_have_the_views_of_the_whole() -> None:
    pictures = images(7)
    views = Views(*map(torch.from_numpy, TwoViews(mirror=0.5).draw(7, 5)))
    whole = apply(pictures, views)
    for rows in (slice(3), slice(3, 7)):
        part = apply(pictures[rows], Views(*(one[rows] for one in views)))
        for one, all_of_it in zip(part, whole, strict=True):
            torch.testing.assert_close(one, all_of_it[rows], atol=1e-6, rtol=0)


def test_autocast_changes_nothing() -> None:
    pictures = images()
    wanted = TwoViews()(pictures, seed=0)
    with torch.autocast("cpu", torch.bfloat16):
        found = TwoViews()(pictures, seed=0)
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one, other)


def test_kornia_is_loaded_when_it_is_used() -> None:
    code = "import sys, kuramoto.nn.augmentation; print('kornia' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"crop": (0.0, 1.0)}, r"`crop` must be \(least, most\), above 0 and at most 1"),
        ({"crop": (0.5, 0.2)}, "`crop` must be"),
        ({"jitter": (0.4, 0.4, 0.4)}, "`jitter` must be strengths of brightness, contrast"),
        ({"jitter": (0.4, 0.4, 0.4, 0.6)}, "`jitter` must turn hues by at most 0.5, but is 0.6"),
        ({"mirror": 1.5}, "`mirror` must lie in 0 ... 1, but is 1.5"),
        ({"gray_probability": -0.1}, "`gray_probability` must lie in 0 ... 1, but is -0.1"),
    ],
)
def test_bad_settings(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TwoViews(**values)


def test_bad_images() -> None:
    with pytest.raises(ValueError, match=r"`images` must have shape \(B, 1 or 3, H, W\), but has"):
        TwoViews()(torch.zeros(2, 4, 8, 8), seed=0)
    with pytest.raises(ValueError, match="`views` must be of 3 images, but is of 2"):
        apply(images(3), nothing(2))
