"""What a model can be made of: one function per type, whose signature is what a file may say.

`kuramoto.experiment` documents every word. To add a type, write a function with keyword-only
parameters and enter it into a registry; `kuramoto.experiment.schema` does the rest.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np

from kuramoto import datasets, frequencies, graphs, phase, sphere
from kuramoto._backend import Array
from kuramoto._check import invalid
from kuramoto.couplings import (
    Coupling,
    Dense,
    Frustrated,
    Lattice,
    MeanField,
    Sparse,
    Sum,
    Tetradic,
    Triadic,
)
from kuramoto.experiment.schema import Part, Registry, each, number
from kuramoto.experiment.setting import AnyNumbers, Numbers, Setting, Sizes, WholeNumbers
from kuramoto.frequencies import Antisymmetric, Frequency, Rotation

COUPLINGS, GRAPHS, KERNELS = Registry(), Registry("kind"), Registry()
FREQUENCIES, STIMULI, INITIAL = Registry(), Registry(), Registry()

CouplingPart = Annotated[Part, COUPLINGS]
CouplingParts = Annotated[tuple[Part, ...], each(COUPLINGS, "couplings")]
KernelPart = Annotated[Part, KERNELS]

# Couplings


@COUPLINGS.entry("mean_field")
def _mean_field(setting: Setting, *, strength: float) -> Coupling:
    return MeanField(strength, dims=len(setting.known_sites))


@COUPLINGS.entry("triadic")
def _triadic(
    setting: Setting, *, strength: float, form: Literal["asymmetric", "symmetric"] = "asymmetric"
) -> Coupling:
    return Triadic(strength, form, dims=len(setting.known_sites))


@COUPLINGS.entry("tetradic")
def _tetradic(setting: Setting, *, strength: float) -> Coupling:
    return Tetradic(strength, dims=len(setting.known_sites))


@COUPLINGS.entry("dense")
def _dense(setting: Setting, *, weights: AnyNumbers, strength: float = 1.0) -> Coupling:
    return Dense(setting.array(strength * weights.load(setting.base)))


@COUPLINGS.entry("file")
def _file(
    setting: Setting, *, path: str, symmetric: bool = True, strength: float = 1.0
) -> Coupling:
    weights = graphs.read(setting.base / path, symmetric=symmetric, strength=strength)
    return _sparse(setting, weights)


@COUPLINGS.entry("dataset")
def _dataset(
    setting: Setting, *, name: Literal["connectome68", "ieee118"], strength: float = 1.0
) -> Coupling:
    if name == "connectome68":
        return Dense(setting.array(strength * datasets.connectome().structural))
    return _sparse(setting, strength * datasets.ieee118().weights)


@COUPLINGS.entry("lattice")
def _lattice(
    setting: Setting,
    *,
    kernel: KernelPart,
    boundary: Literal["periodic", "zero", "reflect"] = "periodic",
    method: Literal["auto", "direct", "fft"] = "auto",
    channels: bool = False,
    strength: float = 1.0,
) -> Coupling:
    values = setting.array(strength * kernel.build(setting))
    dims = len(setting.known_sites) - channels
    return Lattice(values, boundary, method, dims=dims, channels=channels)


@COUPLINGS.entry("frustrated")
def _frustrated(
    setting: Setting,
    *,
    coupling: CouplingPart,
    lag: float | None = None,
    matrix: AnyNumbers | None = None,
) -> Coupling:
    turn = None if matrix is None else setting.array(matrix.load(setting.base))
    return Frustrated(coupling.build(setting), turn, lag=lag)


@COUPLINGS.entry("sum")
def _sum(setting: Setting, *, terms: CouplingParts) -> Coupling:
    return Sum([term.build(setting) for term in terms])


def _sparse(setting: Setting, weights: Any) -> Coupling:
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    values = setting.array(weights.data)
    return Sparse.from_edges(rows, weights.indices, values, sites=weights.shape[0])


# Graphs: kuramoto.graphs as it is; M is the number of oscillators

COUPLINGS.add("graph", GRAPHS)


def _oscillators(setting: Setting) -> int:
    sites = setting.known_sites
    if len(sites) != 1:
        raise invalid("state.sites", "have one axis for a graph", f"{list(sites)}")
    return sites[0]


@GRAPHS.entry("ring")
def _ring(setting: Setting, *, neighbours: int = 1, strength: float = 1.0) -> Coupling:
    return _sparse(setting, graphs.ring(_oscillators(setting), neighbours, strength))


@GRAPHS.entry("lattice")
def _grid(
    setting: Setting, *, shape: Sizes, periodic: bool = True, strength: float = 1.0
) -> Coupling:
    return _sparse(setting, graphs.lattice(shape, periodic=periodic, strength=strength))


@GRAPHS.entry("small_world")
def _small_world(
    setting: Setting, *, neighbours: int, probability: float, seed: int = 0, strength: float = 1.0
) -> Coupling:
    M = _oscillators(setting)
    weights = graphs.small_world(M, neighbours, probability, seed=seed, strength=strength)
    return _sparse(setting, weights)


@GRAPHS.entry("random")
def _random_graph(
    setting: Setting, *, mean_degree: float, seed: int = 0, strength: float = 1.0
) -> Coupling:
    M = _oscillators(setting)
    return _sparse(setting, graphs.random(M, mean_degree, seed=seed, strength=strength))


@GRAPHS.entry("complete")
def _complete(setting: Setting, *, strength: float = 1.0) -> Coupling:
    return _sparse(setting, graphs.complete(_oscillators(setting), strength))


# Kernels of lattices, as arrays


def _offsets(setting: Setting, size: tuple[int, ...]) -> list[np.ndarray]:
    """Return the offset from the centre along each axis, shape (*size) each."""
    axes = len(setting.known_sites)
    odd = size * axes if len(size) == 1 else size
    if len(odd) != axes or not all(k % 2 for k in odd):
        must = f"be odd: one number, or one for each of the {axes} axes"
        raise invalid("size", must, f"{list(size)}")
    return list(np.meshgrid(*(np.arange(k) - k // 2 for k in odd), indexing="ij"))


def _squared_radius(setting: Setting, size: tuple[int, ...], width: float) -> np.ndarray:
    if width <= 0:
        raise invalid("width", "be a positive number", f"{width:g}")
    return np.asarray(sum(offset**2 for offset in _offsets(setting, size)) / width**2)


@KERNELS.entry("gaussian")
def _gaussian(setting: Setting, *, size: Sizes, width: float) -> np.ndarray:
    kernel = np.exp(-0.5 * _squared_radius(setting, size, width))
    return np.asarray(kernel / kernel.sum())


@KERNELS.entry("mexican_hat")
def _mexican_hat(setting: Setting, *, size: Sizes, width: float) -> np.ndarray:
    squared = _squared_radius(setting, size, width)
    kernel = (1 - squared / len(setting.known_sites)) * np.exp(-0.5 * squared)
    return np.asarray(kernel / np.abs(kernel).sum())


@KERNELS.entry("uniform")
def _uniform_kernel(setting: Setting, *, size: Sizes) -> np.ndarray:
    shape = _offsets(setting, size)[0].shape
    return np.full(shape, 1 / math.prod(shape))


@KERNELS.entry("random_blocks")
def _random_blocks(setting: Setting, *, size: Sizes, seed: int = 0) -> np.ndarray:
    N, shape = setting.dimensions, _offsets(setting, size)[0].shape
    normal = np.random.default_rng(seed).standard_normal((*shape, N, N))
    return normal / math.sqrt(math.prod(shape) * N)


@KERNELS.entry("inline")
def _inline(setting: Setting, *, values: AnyNumbers) -> np.ndarray:
    return values.load(setting.base)


# Natural frequencies


@FREQUENCIES.entry("planes")
def _planes(setting: Setting, *, omega: AnyNumbers) -> Frequency:
    return Rotation(setting.array(omega.load(setting.base)))


@FREQUENCIES.entry("antisymmetric")
def _antisymmetric(setting: Setting, *, weights: AnyNumbers) -> Frequency:
    return Antisymmetric(setting.array(weights.load(setting.base)))


@FREQUENCIES.entry("dataset")
def _dataset_frequency(
    setting: Setting, *, name: Literal["ieee118"], scale: float = 1.0
) -> Frequency:
    return Rotation(setting.array(scale * datasets.ieee118().omega[:, None]))


def _sampled(setting: Setting, distribution: Any, seed: int, quantiles: bool) -> Frequency:
    """Draw a rate for every plane of every oscillator, or deal out the quantiles at random."""
    shape = (*setting.known_sites, setting.dimensions // 2)
    if not quantiles:
        return Rotation(setting.array(frequencies.sample(distribution, shape, seed=seed)))
    grid = frequencies.quantile_grid(distribution, math.prod(setting.known_sites))
    generator = np.random.default_rng(seed)
    planes = [generator.permutation(grid) for _ in range(shape[-1])]
    return Rotation(setting.array(np.stack(planes, axis=-1).reshape(shape)))


def _sampler(name: str, distribution: Any) -> None:
    @FREQUENCIES.entry(name)
    def build(
        setting: Setting,
        *,
        center: float = 0.0,
        width: float = 1.0,
        seed: int = 0,
        quantiles: bool = False,
    ) -> Frequency:
        return _sampled(setting, distribution(center, width), seed, quantiles)


for _name in ("lorentzian", "normal", "uniform"):
    _sampler(_name, getattr(frequencies, _name))

# Stimuli


_ONE, _ZERO = Numbers("outside", np.ones(())), Numbers("inside", np.zeros(()))


@STIMULI.entry("constant")
def _constant(setting: Setting, *, value: AnyNumbers) -> Array:
    return setting.array(_vectors(setting, value))


@STIMULI.entry("file")
def _stimulus_file(setting: Setting, *, path: str, array: str | None = None) -> Array:
    return setting.array(Numbers("path", None, path, array).load(setting.base))


@STIMULI.entry("fish")
def _fish(
    setting: Setting,
    *,
    outside: AnyNumbers = _ONE,
    inside: AnyNumbers = _ZERO,
) -> Array:
    if len(setting.known_sites) < 2:
        raise invalid("state.sites", "have two axes for a fish", f"{list(setting.known_sites)}")
    mask = datasets.fish(*setting.known_sites[-2:])[..., None]
    return setting.array(np.where(mask, _vectors(setting, inside), _vectors(setting, outside)))


def _vectors(setting: Setting, value: Numbers) -> np.ndarray:
    """Return a vector for every site; one number stands for all N components."""
    values = value.load(setting.base)
    N = setting.dimensions
    if values.ndim and values.shape[-1] not in (1, N):
        must = f"be a number or have shape (..., {N})"
        raise invalid(value.where.rpartition(".")[2], must, f"has shape {values.shape}")
    return np.broadcast_to(values, (*values.shape[:-1], N))


# Initial states


@INITIAL.entry("random")
def _random_state(setting: Setting, *, seed: int = 0) -> Array:
    return sphere.random_points(setting.shape, seed=seed, like=setting.like)


@INITIAL.entry("aligned")
def _aligned(
    setting: Setting,
    *,
    direction: Annotated[tuple[float, ...] | None, each(number, "numbers")] = None,
    perturbation: float = 0.0,
    seed: int = 0,
) -> Array:
    axis = np.eye(setting.dimensions)[0] if direction is None else np.asarray(direction)
    if axis.shape != (setting.dimensions,) or not axis.any():
        must = f"hold {setting.dimensions} numbers that are not all 0"
        raise invalid("direction", must, f"{axis.tolist()}")
    return _perturbed(setting, np.broadcast_to(axis, setting.shape), perturbation, seed)


@INITIAL.entry("twisted")
def _twisted(
    setting: Setting, *, winding: WholeNumbers = (1,), perturbation: float = 0.0, seed: int = 0
) -> Array:
    sites = setting.known_sites
    if len(winding) > len(sites) or setting.dimensions < 2:
        must = f"have at most one number for each of the {len(sites)} site axes, and N at least 2"
        raise invalid("winding", must, f"{list(winding)}")
    places = np.meshgrid(*(np.arange(n) / n for n in sites), indexing="ij")
    turns = sum(q * place for q, place in zip(winding, places, strict=False))
    vectors = np.zeros((*sites, setting.dimensions))
    vectors[..., :2] = phase.from_phases(2 * np.pi * np.asarray(turns))
    return _perturbed(setting, np.broadcast_to(vectors, setting.shape), perturbation, seed)


@INITIAL.entry("phases")
def _phases(setting: Setting, *, theta: AnyNumbers) -> Array:
    if setting.dimensions != 2:
        raise invalid("state.dimensions", "be 2 for phases", f"{setting.dimensions}")
    return _state(setting, phase.from_phases(theta.load(setting.base)), "theta")


@INITIAL.entry("vectors")
def _given(setting: Setting, *, values: AnyNumbers) -> Array:
    return _state(setting, sphere.require_unit(values.load(setting.base), "values"), "values")


def _state(setting: Setting, vectors: np.ndarray, key: str) -> Array:
    """Return given vectors as a state, repeated for every member of a batch."""
    try:
        full = np.broadcast_to(vectors, setting.shape)
    except ValueError:
        must = f"give a state of shape {setting.shape}"
        raise invalid(key, must, f"has shape {vectors.shape} as vectors") from None
    return _perturbed(setting, full, 0.0, 0)


def _perturbed(setting: Setting, vectors: np.ndarray, size: float, seed: int) -> Array:
    noise = size * np.random.default_rng(seed).standard_normal(vectors.shape) if size else 0.0
    return sphere.normalize(setting.array(vectors + noise))
