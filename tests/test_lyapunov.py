"""`certify`: each condition of the theorem, per coupling type, and the step bound itself."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import kuramoto as km
from kuramoto import testing

RNG = np.random.default_rng(5)
OMEGA = np.array([[0.0, -1.0], [1.0, 0.0]])


def symmetric_matrix(M: int) -> np.ndarray:
    weights = RNG.standard_normal((M, M))
    return weights + weights.T


def gaussian_kernel(k: int = 9, width: float = 2.0) -> np.ndarray:
    h = np.arange(k) - k // 2
    kernel = np.exp(-(h[:, None] ** 2 + h**2) / (2 * width**2))
    return kernel / kernel.sum()


def reasons(model: km.Kuramoto) -> str:
    return " | ".join(km.certify(model).reasons)


# --- analytic: bounds known by hand -------------------------------------------------------------


@pytest.mark.parametrize("K", [2.0, -2.0])
def test_mean_field_bound_is_known(K: float) -> None:
    # Σ_j |J_ij| = |K|; λ_min = min(0, K).
    expected = 2 / (abs(K) + max(0.0, -K))
    assert km.certify(km.Kuramoto(km.MeanField(K))).max_step == pytest.approx(expected, rel=1e-9)


def test_dense_bound_is_the_formula() -> None:
    J, c = symmetric_matrix(7), RNG.standard_normal((7, 3))
    pull = (np.linalg.norm(c, axis=1) + np.abs(J).sum(axis=1)).max()
    expected = 2 / (pull + max(0.0, -np.linalg.eigvalsh(J)[0]))
    found = km.certify(km.Kuramoto(km.Dense(J), stimulus=c)).max_step
    assert found == pytest.approx(expected, rel=1e-9)
    assert found < expected  # a bound, not an estimate


def test_block_bound_is_the_formula() -> None:
    J = RNG.standard_normal((5, 5, 3, 3))
    J = J + J.transpose(1, 0, 3, 2)
    rows = np.linalg.norm(J, ord=2, axis=(-2, -1)).sum(axis=1).max()
    lowest = np.linalg.eigvalsh(J.transpose(0, 2, 1, 3).reshape(15, 15))[0]
    found = km.certify(km.Kuramoto(km.Dense(J))).max_step
    assert found == pytest.approx(2 / (rows + max(0.0, -lowest)), rel=1e-9)


def test_gaussian_lattice_bound_comes_from_the_symbol() -> None:
    kernel = gaussian_kernel()
    found = km.certify(km.Kuramoto(km.Lattice(kernel)))
    k = np.linspace(-np.pi, np.pi, 721)
    h = np.arange(9) - 4
    waves = np.cos(np.outer(k, h))
    lowest = np.einsum("ai,bj,ij->ab", waves, waves, kernel).min()
    exact = 2 / (1 + max(0.0, -lowest))
    assert 0.99 * exact < found.max_step < exact


def test_nothing_coupled_has_no_bound() -> None:
    assert km.certify(km.Kuramoto(km.MeanField(0.0))).max_step == np.inf


# --- each condition fails alone, and says by how much -------------------------------------------


def test_asymmetry_is_told_with_its_size() -> None:
    J = symmetric_matrix(4)
    J[0, 1] += 0.25
    certificate = km.certify(km.Kuramoto(km.Dense(J)))
    assert not certificate.monotone
    assert certificate.max_step == 0
    assert "max |J − Jᵀ| = 0.25" in reasons(km.Kuramoto(km.Dense(J)))


@pytest.mark.parametrize(
    "coupling",
    [
        km.Dense(symmetric_matrix(4)),
        km.MeanField(1.0),
        km.Lattice([1.0, 0.0, 1.0]),
        2.0 * km.MeanField(1.0) + km.Dense(symmetric_matrix(4)),
        km.Sparse(km.graphs.ring(4)),
    ],
    ids=lambda coupling: type(coupling).__name__,
)
def test_unequal_frequencies_do_not_commute(coupling: km.Coupling) -> None:
    unequal = km.Rotation(np.array([[1.0], [1.0], [1.0], [1.5]]))
    assert "[J, Ω] ≠ 0" in reasons(km.Kuramoto(coupling, unequal))
    assert km.certify(km.Kuramoto(coupling, km.Rotation(np.ones((4, 1))))).monotone
    assert km.certify(km.Kuramoto(coupling, km.Rotation([1.0]))).monotone


def test_disconnected_parts_may_turn_at_their_own_rates() -> None:
    J = np.zeros((4, 4))
    J[:2, :2], J[2:, 2:] = 1.0, 2.0
    omega = km.Rotation(np.array([[1.0], [1.0], [3.0], [3.0]]))
    for coupling in (km.Dense(J), km.Sparse.from_edges(*np.nonzero(J), J[J > 0], sites=4)):
        model = km.Kuramoto(coupling, omega)
        assert km.certify(model).monotone
        testing.assert_descends(model, km.sphere.random_points((4, 2), seed=0))


def test_commutator_of_blocks() -> None:
    commuting = np.array([[0.3, -0.7], [0.7, 0.3]])  # a + bR commutes with the rotation
    J = np.zeros((2, 2, 2, 2))
    J[0, 1], J[1, 0] = commuting, commuting.T
    assert km.certify(km.Kuramoto(km.Dense(J), km.Antisymmetric(OMEGA))).monotone
    J[0, 1], J[1, 0] = np.diag([1.0, 2.0]), np.diag([1.0, 2.0])
    model = km.Kuramoto(km.Dense(J), km.Antisymmetric(OMEGA))
    defect = np.linalg.norm(np.diag([1.0, 2.0]) @ OMEGA - OMEGA @ np.diag([1.0, 2.0]))
    assert f"blocks of {defect:.3g}" in reasons(model)


def test_stimulus_in_the_turning_plane_is_told_with_its_size() -> None:
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation([2.0]), np.array([0.0, 0.5, 0.0]))
    assert "max ‖Ω_i c_i‖ = 1" in reasons(model)
    axis = km.Kuramoto(km.MeanField(1.0), km.Rotation([2.0]), np.array([0.0, 0.0, 0.5]))
    assert km.certify(axis).monotone
    testing.assert_descends(axis, km.sphere.random_points((6, 3), seed=1))


def test_noise_and_moving_stimulus_and_attention_have_no_certificate() -> None:
    assert "noise" in reasons(km.Kuramoto(km.MeanField(1.0), noise=0.1))
    moving = km.Kuramoto(km.MeanField(1.0), stimulus=lambda t: np.array([np.cos(t), 0.0]))
    assert "depends on time" in reasons(moving)
    weights = RNG.standard_normal((1, 2, 2, 2, 2))
    attention = km.Kuramoto(0.5 * km.Attention(weights, weights, weights, weights))
    assert "depends on the state" in reasons(attention)


# --- law: at the bound the energy falls, also for couplings outside the random models -----------


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 3, 3)])
def test_lattices_descend_at_their_certified_step(boundary: str, shape: tuple[int, ...]) -> None:
    kernel = -np.abs(RNG.standard_normal(shape))
    for axis in range(len(shape)):
        kernel = kernel + np.flip(kernel, axis)
    model = km.Kuramoto(km.Lattice(kernel, boundary))
    x0 = km.sphere.random_points((*(4,) * len(shape), 3), seed=2)
    testing.assert_descends(model, x0)
    step = km.certify(model).max_step
    assert testing.largest_rise(model, x0, dt=4 * step, steps=50) > 1e-3


def test_channel_mixing_blocks_descend() -> None:
    kernel = RNG.standard_normal((2, 2, 3, 3, 2, 2))
    kernel = kernel + kernel[:, :, ::-1, ::-1].transpose(1, 0, 2, 3, 5, 4)
    model = km.Kuramoto(km.Lattice(kernel))
    assert km.certify(model).monotone
    testing.assert_descends(model, km.sphere.random_points((2, 5, 6, 2), seed=3))


# --- nothing large is built ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "coupling",
    [
        km.MeanField(1.0),
        km.Lattice(gaussian_kernel()),
        km.Sparse(km.graphs.ring(20_000, neighbours=3)),
    ],
    ids=lambda coupling: type(coupling).__name__,
)
def test_certifying_builds_no_dense_matrix(coupling: km.Coupling) -> None:
    tracemalloc.start()
    assert km.certify(km.Kuramoto(coupling)).monotone
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e8  # 20,000² numbers would take 3.2e9


def test_gershgorin_bounds_large_sparse_graphs() -> None:
    coupling = km.Sparse(-1.0 * km.graphs.ring(3000, neighbours=2))
    assert coupling.lowest_eigenvalue_bound() == pytest.approx(-4.0)
    exact = -(2 + 2)  # −Σ 2cos(k), −2cos(2k) at k = 0
    assert coupling.lowest_eigenvalue_bound() <= exact


def test_certificate_reads_well() -> None:
    text = str(km.certify(km.Kuramoto(km.MeanField(2.0))))
    assert text.startswith("Certified: the energy never rises for steps up to 1")
    assert bool(km.certify(km.Kuramoto(km.MeanField(2.0))))
    with pytest.raises(TypeError, match="be a Kuramoto model"):
        km.certify("model")  # type: ignore[arg-type]


def test_check_descent_finds_a_rise() -> None:
    model = km.Kuramoto(km.MeanField(2.0))
    together, apart = np.array([[1.0, 0.0]] * 2), np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert km.check_descent(model, np.stack([apart, together])) < 0
    assert km.check_descent(model, np.stack([together, apart])) == pytest.approx(1.0)


# --- couplings of users, with the five members of the protocol and no more ------------------------


class Attraction:
    """Everyone to the first oscillator: Jx_i = x_0 for i > 0, and back."""

    sites = (4,)
    symmetric = True

    def __call__(self, x: np.ndarray, /) -> np.ndarray:
        matrix = np.zeros((4, 4))
        matrix[0, 1:] = matrix[1:, 0] = 1.0
        return matrix @ x

    def row_bound(self) -> float:
        return 3.0

    def lowest_eigenvalue_bound(self) -> float:
        return -np.sqrt(3.0)


def test_a_coupling_of_ones_own_is_certified_by_its_own_bounds() -> None:
    assert isinstance(Attraction(), km.Coupling)
    model = km.Kuramoto(Attraction())
    certificate = km.certify(model)
    assert certificate.max_step == pytest.approx(2 / (3 + np.sqrt(3)), rel=1e-9)
    testing.assert_descends(model, km.sphere.random_points((4, 3), seed=0))
    doubled = km.certify(km.Kuramoto(2.0 * km.MeanField(0.0) + Attraction()))
    assert doubled.max_step == pytest.approx(certificate.max_step)
    turning = km.Kuramoto(Attraction(), km.Rotation([1.0]))
    assert "do not commute" in reasons(turning)
