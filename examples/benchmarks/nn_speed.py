"""Time Kuramoto layers beside the same maths written as the reference implementation does it.

    python examples/benchmarks/nn_speed.py [--threads 1] [--seconds 3] [--only sudoku] [--compile]
                                           [--products {einsum,sum}]

Both compute the same numbers from the same weights; the command fails if they do not. "The usual
way" is: images in NCHW, oscillators unfolded to a middle axis and normalised there, 2×2 products
(by einsum, or, slower, by a broadcast product that is summed: both keep as many tensors for the
gradient), heads interleaved over the channels, a list of all states and energies. Rounds
alternate; each figure is the median of its rounds in milliseconds. "kept" is what autograd holds
between forward and backward (parameters and inputs not counted).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from kuramoto.nn import (
    GTA,
    AttentionConnectivity,
    ConvConnectivity,
    KuramotoLayer,
    RotationFrequency,
    compat,
)

Tensor = Any


class Case(NamedTuple):
    """A layer and what it is given."""

    batch: int
    channels: int
    grid: int
    steps: int
    dimensions: int = 4
    heads: int = 8
    kernel: int = 0  # 0: attention
    frequency: bool = True


CASES = {
    "sudoku_ch512": Case(100, 512, 9, 16),
    "sudoku_ch64": Case(100, 64, 9, 16, heads=4),
    "sudoku_ch64_heads8": Case(100, 64, 9, 16, heads=8),
    "objects_64px": Case(16, 128, 16, 8, frequency=False),
    "cifar_conv": Case(16, 64, 32, 3, dimensions=2, kernel=9),
}


PRODUCTS = {"by": "einsum"}


class UsualAttention(nn.Module):
    """Attention with 1×1 convolutions, interleaved heads and tables of 2×2 matrices."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.heads, C = case.heads, case.channels
        self.W_qkv, self.W_o = nn.Conv2d(C, 3 * C, 1), nn.Conv2d(C, C, 1)
        start = GTA((case.grid, case.grid), C // case.heads)
        self.mat_q, self.mat_k = nn.Parameter(start.query.data), nn.Parameter(start.key.data)
        self.mat_v, self.mat_o = nn.Parameter(start.value.data), nn.Parameter(start.output.data)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        q, k, v = (self.split(part) for part in self.W_qkv(x).chunk(3, dim=1))
        q, k, v = (turn(m, t) for m, t in ((self.mat_q, q), (self.mat_k, k), (self.mat_v, v)))
        out = turn(self.mat_o, F.scaled_dot_product_attention(q, k, v))
        return self.W_o(out.permute(0, 3, 1, 2).reshape(batch, channels, height, width))

    def split(self, x: Tensor) -> Tensor:
        """Return (B, heads, tokens, D) of channels d·heads + head."""
        return x.unflatten(1, (-1, self.heads)).flatten(3).permute(0, 2, 3, 1)


def turn(matrices: Tensor, heads: Tensor) -> Tensor:
    """Multiply neighbours along the last axis by the matrices of their token."""
    pairs = heads.unflatten(-1, (-1, 2))
    if PRODUCTS["by"] == "sum":
        return (matrices * pairs[..., None, :]).sum(-1).flatten(-2)
    return torch.einsum("tpij,bhtpj->bhtpi", matrices, pairs).flatten(-2)


class UsualLayer(nn.Module):
    """T steps on a middle axis, with all states and energies."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        C, k = case.channels, case.kernel
        conv = nn.Conv2d(C, C, k, padding=k // 2) if k else None
        self.connectivity = conv or UsualAttention(case)
        self.N, self.steps = case.dimensions, case.steps
        self.omg = nn.Module()
        if case.frequency:
            self.omg.omg_param = nn.Parameter(torch.full((2,), 0.5))
        self.gamma = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        x = self.unit(x)
        states, energies = [x], []
        for _ in range(self.steps):
            y = self.connectivity(x) + c
            energies.append(-(x * y).sum((1, 2, 3)))
            x5, y5 = x.unflatten(1, (-1, self.N)), y.unflatten(1, (-1, self.N))
            update = (y5 - (x5 * y5).sum(2, keepdim=True) * x5).flatten(1, 2)
            x = self.unit(x + self.gamma * (self.rotate(x) + update))
            states.append(x)
        return states[-1]

    def rotate(self, x: Tensor) -> Tensor:
        """Turn consecutive channels at one rate, or add x itself where there is none."""
        if not hasattr(self.omg, "omg_param"):
            return x
        rate = torch.linalg.norm(self.omg.omg_param)
        pairs = x.unflatten(1, (-1, 2))
        return torch.stack([rate * pairs[:, :, 1], -rate * pairs[:, :, 0]], 2).flatten(1, 2)

    def unit(self, x: Tensor) -> Tensor:
        """Normalise every oscillator."""
        return F.normalize(x.unflatten(1, (-1, self.N)), dim=2).flatten(1, 2)


def ours(case: Case, usual: UsualLayer, memory: str, compiled: bool) -> KuramotoLayer:
    """Return our layer with the same weights."""
    C, N, connectivity = case.channels, case.dimensions, None
    if case.kernel:
        connectivity = ConvConnectivity(C, case.kernel)
    else:
        gta = GTA((case.grid, case.grid), C // case.heads)
        connectivity = AttentionConnectivity(C, case.heads, positions=gta)
    layer = KuramotoLayer(
        connectivity,
        N,
        frequency=RotationFrequency(N) if case.frequency else None,
        steps=case.steps,
        step_size=1.0 if case.frequency else 0.5,  # its lack of frequencies adds x itself
        learn_step_size=True,
        memory=memory,
        compile=compiled,
    )
    weights = compat.layer_parameters(compat.Reference(usual.state_dict()), layer)
    layer.load_state_dict(layer.state_dict() | weights)
    return layer


def kept(action: Callable[[], Tensor], known: list[Tensor]) -> float:
    """Return the MB that autograd holds after a forward pass, each storage counted once."""
    storages = {tensor.untyped_storage().data_ptr() for tensor in known}
    found: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in storages:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = action()
    size = sum(found.values()) / 1e6
    del result
    return size


def timed(action: Callable[[], Any]) -> float:
    """Return milliseconds: of the processor on one thread, which others disturb less."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    action()
    return 1e3 * (clock() - begun)


def measure(name: str, case: Case, seconds: float, compiled: bool) -> None:
    """Print a row per contestant."""
    torch.manual_seed(0)
    usual = UsualLayer(case)
    shape = (case.batch, case.channels, case.grid, case.grid)
    x, c = torch.randn(shape), torch.randn(shape, requires_grad=True)
    contestants: dict[str, nn.Module] = {"the usual way": usual}
    for memory in ("save", "recompute"):
        contestants[memory] = ours(case, usual, memory, compiled=False)
    if compiled:
        contestants["compiled"] = ours(case, usual, "save", compiled=True)
    with torch.no_grad():
        outputs = {key: layer(x, c) for key, layer in contestants.items()}
    for key, output in outputs.items():
        off = float((output - outputs["the usual way"]).abs().max())
        if off > 1e-2:  # T = 16 steps of random weights amplify rounding
            raise SystemExit(f"{name}: {key} computes something else, by {off:.2g}")

    def forward(layer: nn.Module) -> None:
        with torch.no_grad():
            layer(x, c)

    def both(layer: nn.Module) -> None:
        layer(x, c).sum().backward()

    rows = {key: ([], []) for key in contestants}
    for layer in contestants.values():
        both(layer)
    ending = time.perf_counter() + seconds * len(contestants)
    while time.perf_counter() < ending or not rows["the usual way"][0]:
        for key, layer in contestants.items():
            rows[key][0].append(timed(lambda layer=layer: forward(layer)))
            rows[key][1].append(timed(lambda layer=layer: both(layer)))
    base = [median(column) for column in rows["the usual way"]]
    for key, layer in contestants.items():
        ahead, there_and_back = (median(column) for column in rows[key])
        size = kept(lambda layer=layer: layer(x, c), [x, c, *layer.parameters()])
        ratios = f"{base[0] / ahead:5.2f}x {base[1] / there_and_back:5.2f}x"
        line = f"{name:20} {key:14} {ahead:9.1f} {there_and_back:9.1f}  {ratios} {size:9.1f} MB"
        print(line, flush=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="per contestant and case")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--compile", action="store_true", help="a compiled step too")
    parser.add_argument("--products", choices=["einsum", "sum"], default="einsum")
    options = parser.parse_args()
    PRODUCTS["by"] = options.products
    torch.set_num_threads(options.threads)
    print(f"{'case':20} {'':14} {'forward':>9} {'f + b':>9}  {'ratios':>13} {'kept':>12}")
    for name, case in CASES.items():
        if options.only in name:
            measure(name, case, options.seconds, options.compile)


if __name__ == "__main__":
    main()
