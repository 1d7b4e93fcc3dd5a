"""SimCLR's loss: hand-computed values, laws, another way of writing it, several processes."""

from __future__ import annotations

import math
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn.simclr import nt_xent  # noqa: E402


def views(n: int = 6, d: int = 5, seed: int = 0, dtype: Any = None) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, n, d, generator=generator, dtype=dtype or torch.float64)
    return first, second


def by_loops(first: Any, second: Any, temperature: float) -> float:
    """Return the loss as the paper defines it, one pair after the other."""
    z = [row / np.linalg.norm(row) for row in np.concatenate([first, second])]
    n, total = len(first), 0.0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = sum(math.exp(z[i] @ z[k] / temperature) for k in range(2 * n) if k != i)
        total -= math.log(math.exp(z[i] @ z[j] / temperature) / others)
    return total / (2 * n)


# --- analytic -----------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_two_images_by_hand(temperature: float) -> None:
    # Views agree and images are orthogonal: e^(1/τ) against itself and twice e^0.
    z = torch.eye(2, dtype=torch.float64) * 7
    wanted = math.log(1 + 2 * math.exp(-1 / temperature))
    assert float(nt_xent(z, z, temperature)) == pytest.approx(wanted, rel=1e-12)


def test_one_image_has_nobody_to_be_mistaken_for() -> None:
    assert float(nt_xent(*views(n=1))) == 0.0


@pytest.mark.parametrize("n", [2, 9])
def test_views_that_are_all_the_same_are_found_by_chance(n: int) -> None:
    z = torch.ones(n, 3)
    assert float(nt_xent(z, z)) == pytest.approx(math.log(2 * n - 1), rel=1e-6)


# --- agreement ----------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("n", [2, 7])
def test_the_loss_is_that_of_a_double_loop(n: int, temperature: float) -> None:
    first, second = views(n)
    wanted = by_loops(first.numpy(), second.numpy(), temperature)
    assert float(nt_xent(first, second, temperature)) == pytest.approx(wanted, rel=1e-12)


def test_the_gradient_is_that_of_finite_differences() -> None:
    leaves = [z.requires_grad_() for z in views(3, 4)]
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.5), leaves)


# --- laws ---------------------------------------------------------------------------------------


def test_the_loss_is_symmetric_and_blind_to_order_and_length() -> None:
    first, second = views()
    loss = nt_xent(first, second)
    rows = torch.tensor([3, 1, 5, 0, 4, 2])
    for changed in (
        nt_xent(second, first),
        nt_xent(first[rows], second[rows]),
        nt_xent(3 * first, 0.1 * second),
    ):
        torch.testing.assert_close(changed, loss)
    assert not torch.isclose(nt_xent(first[rows], second), loss)


def test_a_lower_temperature_is_surer_of_right_pairs() -> None:
    first, _ = views()
    losses = [float(nt_xent(first, first, t)) for t in (0.05, 0.1, 0.5, 2.0)]
    assert losses == sorted(losses)
    assert losses[0] < 0.1 < 1 < losses[-1]


def test_half_precision_is_computed_in_single() -> None:
    first, second = (z.bfloat16() for z in views(40, 16))
    wanted = float(nt_xent(first.float(), second.float()))
    with torch.autocast("cpu", torch.bfloat16):
        under = nt_xent(first, second)
        single = nt_xent(first.float(), second.float())
    assert under.dtype == single.dtype == torch.float32
    assert float(under) == float(single) == wanted


# --- several processes --------------------------------------------------------------------------


def test_one_process_gathers_from_itself() -> None:
    first, second = views()
    assert float(nt_xent(first, second, gather=True)) == float(nt_xent(first, second))


def gathered(rank: int, world: int, port: int, folder: str) -> None:
    """One of several processes: its rows' loss, and the gradient that distributed training takes.

    Every process has the weights; their gradients are averaged, as DistributedDataParallel does.
    """
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world)
    try:
        weights = torch.eye(5, dtype=torch.float64).requires_grad_()
        rows = slice(3 * rank, 3 * rank + 3)
        first, second = (z[rows] @ weights for z in views(3 * world))
        loss = nt_xent(first, second, 0.3, gather=True)
        alone = nt_xent(first, second, 0.3)
        (gradient,) = torch.autograd.grad(loss, weights)
        result = torch.cat([loss.detach()[None], gradient.flatten()])
        torch.distributed.all_reduce(result)
        if rank == 0:
            np.savez(Path(folder) / "found.npz", result=result / world, alone=alone.detach())
    finally:
        torch.distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch without processes")
def test_two_processes_have_the_loss_and_gradient_of_the_joined_batch(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(gathered, (2, free_port(), str(tmp_path)), nprocs=2)
    weights = torch.eye(5, dtype=torch.float64).requires_grad_()
    loss = nt_xent(*(z @ weights for z in views(6)), 0.3)
    (gradient,) = torch.autograd.grad(loss, weights)
    with np.load(tmp_path / "found.npz") as found:
        result, alone = found["result"], float(found["alone"])
    assert result[0] == pytest.approx(float(loss.detach()), rel=1e-12)
    np.testing.assert_allclose(result[1:], gradient.flatten().numpy(), rtol=1e-10, atol=1e-14)
    assert abs(alone - result[0]) > 0.1  # what each has by itself is another loss


# --- bad input ----------------------------------------------------------------------------------


def test_bad_input() -> None:
    z = torch.ones(3, 4)
    must = r"Argument `first, second` must be of one shape \(B, d\), but has shapes "
    with pytest.raises(ValueError, match=must + r"\(3, 4\) and \(2, 4\)"):
        nt_xent(z, z[:2])
    with pytest.raises(ValueError, match=must + r"\(0, 4\) and \(0, 4\)"):
        nt_xent(z[:0], z[:0])
    with pytest.raises(ValueError, match=must):
        nt_xent(z[0], z[0])
    with pytest.raises(ValueError, match=r"Argument `temperature` must be .*positive"):
        nt_xent(z, z, 0.0)
