"""One step on PyTorch tensors: the core's, and its gradient written out."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import kuramoto as km  # noqa: E402
from kuramoto.nn.step import Kind, lean, plain  # noqa: E402


@pytest.fixture(autouse=True)
def double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class Field(km.Kuramoto):
    """A model whose force is given."""

    def __init__(self, y, frequency):
        self.y, self.frequency = y, frequency

    def force(self, x, t=0.0):
        return self.y


@pytest.mark.parametrize("turning", [False, True])
def test_a_step_is_the_cores_projected_euler(turning):
    x, y = torch.randn(2, 5, 6, 3)
    x = km.sphere.normalize(x)
    frequency = km.Rotation(torch.tensor([0.7])) if turning else None
    expected = km.ProjectedEuler().step(Field(y, frequency), 0.0, x, 0.4, None).x
    turned = frequency(x) if turning else None
    for step in (plain, lean):
        found = step(Kind(), x, y, turned, torch.tensor(0.4))
        torch.testing.assert_close(found, expected, rtol=0, atol=4e-16)


@pytest.mark.parametrize("kind", [Kind(), Kind(project=False), Kind(normalize=False), Kind(0, 0)])
@pytest.mark.parametrize("turning", [False, True])
def test_the_gradient_of_a_step(kind, turning):
    x, y, turned = torch.randn(3, 2, 3, 4).unbind()
    x = km.sphere.normalize(x)
    size = torch.tensor(0.7)
    turned = turned if turning else None
    given = [v.requires_grad_() for v in (x, y, turned, size) if v is not None]
    torch.testing.assert_close(lean(kind, x, y, turned, size), plain(kind, x, y, turned, size))

    def step(x, y, *rest):
        return lean(kind, x, y, rest[0] if turning else None, rest[-1])

    assert torch.autograd.gradcheck(step, given)


def test_a_vector_of_length_zero():
    """Without Proj, y = −x/γ takes a step to the origin: no NaN, neither forward nor backward."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    size = torch.tensor(1.0, requires_grad=True)
    new = lean(Kind(project=False), x, -x.detach(), None, size)
    new.sum().backward()
    assert torch.equal(new.detach(), torch.zeros(2, 2))
    assert bool(torch.isfinite(x.grad).all())
    assert bool(torch.isfinite(size.grad))


def test_networks_are_tested_in_one_thread():
    assert torch.get_num_threads() == 1
