"""Equilibria, turning states and spectra: analytic ones, and Newton's method at its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import phase, sphere, stability, testing
from kuramoto._backend import to_numpy

SEEDS = st.integers(0, 2**32 - 1)


def locked_model(M: int = 30, seed: int = 1, K: float = 2.0) -> km.Kuramoto:
    omega = 1 + 0.3 * np.random.default_rng(seed).standard_normal((M, 1))
    return km.Kuramoto(km.MeanField(K), km.Rotation(omega))


def tumbling_model(M: int = 30, seed: int = 0, K: float = 2.0) -> km.Kuramoto:
    """N = 3, every oscillator about an axis of its own."""
    A = 0.2 * np.random.default_rng(seed).standard_normal((M, 3, 3))
    return km.Kuramoto(km.MeanField(K), km.Antisymmetric(A - A.swapaxes(1, 2)))


def aligned(M: int, N: int) -> np.ndarray:
    return np.tile(np.eye(N)[0], (M, 1))


def attention(seed: int = 0) -> km.Attention:
    rng = np.random.default_rng(seed)
    shapes = [(1, 2, 2, 3, 3)] * 3 + [(1, 2, 2, 3, 3)]
    return km.Attention(*(rng.standard_normal(shape) for shape in shapes))


# --- the matrix ---------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 6))
@settings(max_examples=30)
def test_tangent_bases_are_orthonormal(seed: int, N: int) -> None:
    x = sphere.random_points((7, N), seed=seed)
    x[:2] = np.eye(N)[-1] * [[1], [-1]]  # where the reflection could cancel
    basis = stability.tangent_basis(x)
    assert basis.shape == (7, N, N - 1)
    gram = np.swapaxes(basis, -1, -2) @ basis
    np.testing.assert_allclose(gram, np.tile(np.eye(N - 1), (7, 1, 1)), atol=1e-14)
    np.testing.assert_allclose((basis * x[..., None]).sum(axis=-2), 0, atol=1e-14)


@given(testing.symmetric_models(), SEEDS)
@settings(max_examples=20)
def test_certified_models_have_a_symmetric_part_that_is_the_hessian(model, seed) -> None:
    """Without rotation ẋ = −∇E, so ∇ẋ is symmetric: minus the Riemannian Hessian."""
    still = km.Kuramoto(model.coupling, None, model.stimulus)
    x = testing.random_state(still, seed)
    matrix = stability.jacobian(still, x)
    scale = 1e-13 * (1 + np.abs(matrix).max())
    np.testing.assert_allclose(matrix, matrix.T, atol=20 * scale, rtol=0)


def test_jacobian_of_phases_is_the_classical_one() -> None:
    """N = 2: ∂θ̇_i/∂θ_j = J_ij cos(θ_j − θ_i), and minus the row sum of these for j = i."""
    rng = np.random.default_rng(4)
    weights, theta = rng.standard_normal((5, 5)), rng.uniform(-np.pi, np.pi, 5)
    np.fill_diagonal(weights, 0)
    slopes = weights * np.cos(theta - theta[:, None])
    expected = slopes - np.diag(slopes.sum(axis=1))
    x = phase.from_phases(theta)
    # The basis of each tangent line is ± (−sin θ, cos θ).
    signs = (stability.tangent_basis(x)[..., 0] * np.stack([-x[:, 1], x[:, 0]], -1)).sum(-1)
    found = stability.jacobian(km.Kuramoto(km.Dense(weights)), x)
    np.testing.assert_allclose(signs[:, None] * found * signs, expected, atol=1e-14)


@pytest.mark.parametrize(
    ("model", "shape", "count"),
    [
        (km.Kuramoto(km.MeanField(1.0)), (4, 3), 3),
        (km.Kuramoto(km.MeanField(1.0)), (4, 4), 6),
        (km.Kuramoto(km.MeanField(1.0), stimulus=np.array([0.0, 0.0, 1.0])), (4, 3), 1),
        (km.Kuramoto(km.MeanField(1.0), km.Rotation([1.0])), (4, 3), 1),
        (km.Kuramoto(km.MeanField(1.0), km.Rotation([1.0, 1.0])), (4, 4), 4),  # u(2)
        (km.Kuramoto(km.MeanField(1.0), km.Rotation([1.0, 2.0])), (4, 4), 2),
        (tumbling_model(4), (4, 3), 0),
        (locked_model(4), (4, 2), 1),
        (km.Kuramoto(km.MeanField(0.0)), (1, 5), 10),  # more rotations than unknowns
        (km.Kuramoto(attention()), (3, 2, 3), 0),
    ],
)
def test_symmetries_are_counted(model: km.Kuramoto, shape: tuple[int, ...], count: int) -> None:
    found = stability.symmetries(model, sphere.random_points(shape, seed=0))
    assert found.shape == (count, shape[-1], shape[-1])
    np.testing.assert_allclose(found, -found.swapaxes(1, 2), atol=1e-15)


# --- analytic: states that are known ------------------------------------------------------------


def test_two_oscillators_lock_at_the_known_angle(xp, to_backend) -> None:
    omega = to_backend([[0.3], [-0.3]], xp)
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation(omega))
    found = stability.equilibrium(model, to_backend(aligned(2, 2), xp))
    assert type(found.x) is type(omega)
    theta = to_numpy(phase.to_phases(found.x))
    assert theta[0] - theta[1] == pytest.approx(np.arcsin(0.6), abs=1e-9)  # 2ω = K sin Δθ
    assert found.residual < 1e-10
    np.testing.assert_array_equal(found.rotation, np.zeros((2, 2)))
    values = stability.spectrum(model, found.x)
    np.testing.assert_allclose(values, [0, -np.cos(np.arcsin(0.6))], atol=1e-9)


def test_single_precision_has_its_own_tolerance() -> None:
    omega = np.array([[0.3], [-0.3]], dtype=np.float32)
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation(omega))
    found = stability.equilibrium(model, aligned(2, 2).astype(np.float32))
    assert found.x.dtype == np.float32
    assert found.residual < 1e-5
    np.testing.assert_allclose(stability.spectrum(model, found.x), [0, -0.8], atol=1e-5)


def test_the_locked_state_solves_the_self_consistency() -> None:
    """sin θ_i = (ω_i − Ω) / (K r) and r = ⟨cos θ_i⟩; Ω is the mean frequency."""
    model = locked_model()
    omega = model.frequency.omega[:, 0]
    found = stability.relative_equilibrium(model, aligned(30, 2))
    assert found.rotation[1, 0] == pytest.approx(omega.mean(), abs=1e-12)
    r = float(km.observables.order_parameter(found.x))
    sines = (omega - omega.mean()) / (2.0 * r)
    assert r == pytest.approx(np.sqrt(1 - sines**2).mean(), abs=1e-10)
    # Mirollo & Strogatz (2005): one 0, all others real and negative for this branch.
    values = stability.spectrum(model, found.x, rotation=found.rotation)
    assert abs(values[0]) < 1e-12
    assert (values[1:].real < -0.5).all()
    assert np.abs(values.imag).max() < 1e-12


@pytest.mark.parametrize(("M", "q", "reach"), [(40, 0, 1), (40, 3, 2), (41, 12, 3), (12, 3, 1)])
def test_twisted_states_have_their_analytic_spectrum(M: int, q: int, reach: int) -> None:
    m, unit = np.arange(M), 2 * np.pi / M
    pairs = (2 * np.cos(q * d * unit) * (np.cos(m * d * unit) - 1) for d in range(1, reach + 1))
    expected = np.sort(sum(pairs))[::-1]
    model = km.Kuramoto(km.Sparse(km.graphs.ring(M, reach)), km.Rotation([0.7]))
    x = phase.from_phases(q * unit * m)
    for rotation in (0.7, np.array([[0.0, -0.7], [0.7, 0.0]])):
        values = stability.spectrum(model, x, rotation=rotation)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        stability.spectrum(model, x, 3, rotation=0.7), expected[:3], atol=1e-12
    )


def test_newton_returns_to_a_twisted_state_and_its_rate() -> None:
    M, q = 40, 2
    model = km.Kuramoto(km.Sparse(km.graphs.ring(M)), km.Rotation([0.7]))
    x = phase.from_phases(2 * np.pi * q * np.arange(M) / M)
    near = sphere.normalize(x + 0.1 * np.random.default_rng(0).standard_normal(x.shape))
    found = stability.relative_equilibrium(model, near)
    assert found.rotation[1, 0] == pytest.approx(0.7, abs=1e-12)
    steps = np.diff(np.unwrap(to_numpy(phase.to_phases(found.x))))
    np.testing.assert_allclose(steps, 2 * np.pi * q / M, atol=1e-9)


def test_convergence_is_quadratic_to_a_family_of_states() -> None:
    """The digits double although every turned state is a solution too."""
    model, residuals = tumbling_model(), []
    start = stability.equilibrium(model, aligned(30, 3)).x
    kick = np.random.default_rng(1).standard_normal(start.shape)
    model_free = km.Kuramoto(km.MeanField(1.0))
    for system, x0 in ((model, start), (model_free, aligned(30, 3))):
        near, residuals = sphere.normalize(x0 + 0.05 * kick), []
        for most in range(5):
            try:
                residuals.append(
                    stability.equilibrium(system, near, max_iterations=most, tol=1e-12).residual
                )
            except stability.NotConverged as failure:
                residuals.append(failure.best.residual)
        e = np.array(residuals)
        assert e[0] > 1e-2
        assert e[-1] < 1e-12
        big = e[1:] > 1e-12
        assert (e[1:][big] < 10 * e[:-1][big] ** 2).all()


def test_a_rigid_turn_in_three_dimensions() -> None:
    """Oscillators with parallel axes and different rates lock at one common rate about the axis."""
    M, K = 8, 3.0
    omega = np.linspace(0.5, 1.1, M)[:, None]
    model = km.Kuramoto(km.MeanField(K), km.Rotation(omega))
    found = stability.relative_equilibrium(model, aligned(M, 3))
    assert found.rotation[1, 0] == pytest.approx(omega.mean(), abs=1e-10)
    turned = found.x @ found.rotation.T
    np.testing.assert_allclose(model.velocity(found.x), turned, atol=1e-9)
    end = km.solve(model, found.x, t1=2.0, dt=0.01, compile=False).final
    angle = 2.0 * omega.mean()
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(end[:, :2], found.x[:, :2] @ turn.T, atol=1e-7)
    values = stability.spectrum(model, found.x, rotation=found.rotation)
    assert (np.abs(values) < 1e-9).sum() >= 1


@pytest.mark.parametrize(("N", "rates"), [(3, [0.9]), (4, [0.9, -0.4])])
def test_synchrony_turns_with_the_common_frequency(N: int, rates: list[float]) -> None:
    K, M = 2.0, 5
    model = km.Kuramoto(km.MeanField(K), km.Rotation(rates))
    x = np.tile(sphere.random_points((N,), seed=3), (M, 1))
    rotation = model.frequency.matrices(N)
    values = stability.spectrum(model, x, rotation=rotation)
    expected = np.r_[np.zeros(N - 1), np.full((M - 1) * (N - 1), -K)]
    np.testing.assert_allclose(values.real, expected, atol=1e-10)
    found = stability.relative_equilibrium(model, x)
    np.testing.assert_allclose(model.velocity(x), x @ found.rotation.T, atol=1e-10)


def test_attention_has_equilibria() -> None:
    model = km.Kuramoto(attention(), stimulus=np.array([0.0, 0.0, 4.0]))
    x0 = np.tile([0.0, 0.0, 1.0], (3, 2, 1))
    relaxed = km.solve(model, x0, t1=3.0, dt=0.05, compile=False).final
    found = stability.equilibrium(model, relaxed)
    assert found.residual < 1e-10
    end = km.solve(model, found.x, t1=1.0, dt=0.05, compile=False).final
    np.testing.assert_allclose(end, found.x, atol=1e-9)


def test_a_lattice_keeps_its_axes() -> None:
    model = km.Kuramoto(km.Lattice(np.ones((3, 3)) / 9), stimulus=np.array([0.0, 0.0, 1.0]))
    found = stability.equilibrium(model, np.tile([0.1, 0.0, 1.0], (4, 5, 1)) / np.sqrt(1.01))
    assert found.x.shape == (4, 5, 3)
    np.testing.assert_allclose(found.x[..., 2], 1, atol=1e-12)
    leading = stability.spectrum(model, found.x, 4)
    np.testing.assert_allclose(leading[:2], -1, atol=1e-12)  # a common turn: only c holds


# --- agreement: with and without a matrix -------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 4, 8, 10])
def test_without_a_matrix_newton_finds_the_same(seed: int) -> None:
    for model, find in (
        (locked_model(50, seed), stability.relative_equilibrium),
        (tumbling_model(50, seed), stability.equilibrium),
    ):
        x0 = aligned(50, 2 if model.frequency.dimensions == 2 else 3)
        dense, free = find(model, x0), find(model, x0, dense_up_to=0)
        r = [float(km.observables.order_parameter(found.x)) for found in (dense, free)]
        assert r[0] == pytest.approx(r[1], abs=1e-9)
        np.testing.assert_allclose(dense.rotation, free.rotation, atol=1e-9)
        assert free.iterations <= dense.iterations + 4


def test_without_a_matrix_the_spectrum_is_the_same() -> None:
    """Full synchrony on a random graph: minus the Laplacian's eigenvalues, by ARPACK."""
    M, k = 1200, 4
    weights = km.graphs.random(M, 10.0, seed=2, strength=0.1)
    model = km.Kuramoto(km.Sparse(weights))
    laplacian = np.diag(np.asarray(weights.sum(axis=1))) - weights.toarray()
    expected = -np.linalg.eigvalsh(laplacian)[:k]
    found = stability.spectrum(model, aligned(M, 2), k)
    np.testing.assert_allclose(found.real, expected, atol=1e-8)


def test_backends_give_one_spectrum(xp, to_backend) -> None:
    weights = np.random.default_rng(0).standard_normal((5, 5))
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    expected = stability.spectrum(km.Kuramoto(km.Dense(weights)), x)
    model = km.Kuramoto(km.Dense(to_backend(weights, xp)))
    np.testing.assert_allclose(stability.spectrum(model, to_backend(x, xp)), expected, atol=1e-12)


def test_the_spectrum_predicts_how_a_disturbance_decays() -> None:
    model = tumbling_model()
    found = stability.equilibrium(model, aligned(30, 3))
    leading = stability.spectrum(model, found.x, 1)[0]
    run = km.lyapunov.exponents(model, found.x, k=2, t1=60.0, dt=0.1, burn_in=20.0, every=5)
    assert leading.imag  # a pair: the two exponents swing about its real part
    assert float(run.values.mean()) == pytest.approx(leading.real, abs=1e-3)


# --- limits: no solution, singular steps --------------------------------------------------------


@pytest.mark.parametrize("dense_up_to", [1000, 0])
def test_where_nothing_rests_the_newton_step_is_singular(dense_up_to: int) -> None:
    """2ω = 1.2 > K: the oscillators never lock; the residual is least at Δθ = π/2."""
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation([[0.6], [-0.6]]))
    with pytest.raises(stability.NotConverged, match="Newton step is singular at iteration") as e:
        stability.equilibrium(model, aligned(2, 2), dense_up_to=dense_up_to)
    best = e.value.best
    assert best.residual == pytest.approx(0.1, abs=1e-6)
    theta = phase.to_phases(best.x)
    assert theta[0] - theta[1] == pytest.approx(np.pi / 2, abs=1e-2)
    assert "rank 1 of 2" in str(e.value) or "GMRES left" in str(e.value)


def test_at_the_bifurcation_itself_convergence_is_slow_but_there_is_a_state() -> None:
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation([[0.5], [-0.5]]))
    found = stability.equilibrium(model, phase.from_phases([0.3, 0.0]))
    assert found.iterations > 8
    theta = phase.to_phases(found.x)
    assert theta[0] - theta[1] == pytest.approx(np.pi / 2, abs=1e-4)


def test_used_up_iterations_hand_back_the_best_state() -> None:
    with pytest.raises(stability.NotConverged, match="No equilibrium after 1 iterations") as e:
        stability.relative_equilibrium(locked_model(), aligned(30, 2), max_iterations=1)
    assert isinstance(e.value, RuntimeError)
    assert e.value.best.iterations == 1
    assert 1e-10 < e.value.best.residual < 0.5
    finished = stability.relative_equilibrium(locked_model(), e.value.best.x)
    assert finished.residual < 1e-10


def test_a_solution_needs_no_step() -> None:
    found = stability.equilibrium(km.Kuramoto(km.MeanField(1.0)), aligned(4, 3), max_iterations=0)
    assert found.iterations == 0
    one = stability.equilibrium(km.Kuramoto(km.MeanField(1.0)), np.array([[1.0]]))
    assert one.residual == 0
    assert stability.spectrum(km.Kuramoto(km.MeanField(1.0)), np.array([[1.0]])).shape == (0,)


# --- bad input ----------------------------------------------------------------------------------

FREE = km.Kuramoto(km.MeanField(1.0))


@pytest.mark.parametrize("find", [stability.equilibrium, stability.relative_equilibrium])
def test_newton_refuses(find) -> None:
    x0 = aligned(3, 2)
    with pytest.raises(TypeError, match="`model` must be a Kuramoto model"):
        find("model", x0)
    with pytest.raises(ValueError, match=r"`x0` must be one state, with 2 axes .* not a batch"):
        find(FREE, np.stack([x0, x0]))
    with pytest.raises(ValueError, match="`x0` must hold unit vectors"):
        find(FREE, 2 * x0)
    with pytest.raises(ValueError, match="`tol` must be a positive number"):
        find(FREE, x0, tol=0.0)
    with pytest.raises(ValueError, match="`max_iterations` must be a whole number"):
        find(FREE, x0, max_iterations=-1)
    with pytest.raises(TypeError, match="`dense_up_to` must be a whole number"):
        find(FREE, x0, dense_up_to=1.5)


def test_spectrum_refuses() -> None:
    x = aligned(3, 2)
    turning = km.Kuramoto(km.MeanField(1.0), km.Rotation([1.0]))
    with pytest.raises(ValueError, match=r"`x` must be at rest, but max ‖ẋ‖ = 1; find such"):
        stability.spectrum(turning, x)
    with pytest.raises(ValueError, match="at rest in the frame of `rotation`"):
        stability.spectrum(turning, x, rotation=0.9)
    with pytest.raises(ValueError, match="`rotation` must be antisymmetric"):
        stability.spectrum(turning, x, rotation=np.eye(2))
    with pytest.raises(ValueError, match=r"`rotation` must be a finite \(2, 2\) matrix"):
        stability.spectrum(turning, x, rotation=np.eye(3))
    with pytest.raises(ValueError, match=r"`k` must be at most M \(N - 1\) = 3"):
        stability.spectrum(FREE, x, 4)
    with pytest.raises(ValueError, match="`k` must be a whole number of at least 1"):
        stability.spectrum(FREE, x, 0)


def test_a_rotation_that_is_no_symmetry_is_refused() -> None:
    """It may leave the state alone, but in a frame that turns so the model depends on time."""
    x = np.tile([0.0, 0.0, 1.0], (3, 1))
    about_x3 = km.frequencies.Rotation([1.0]).matrices(3)
    blocks = np.broadcast_to(np.diag([1.0, 1.0, 2.0]), (3, 3, 3, 3))
    values = stability.spectrum(km.Kuramoto(km.Dense(blocks.copy())), x, rotation=about_x3)
    np.testing.assert_allclose(values[:2], [-3 + 1j, -3 - 1j], atol=1e-12)  # seen from the frame
    blocks = np.broadcast_to(np.diag([1.0, 0.5, 2.0]), (3, 3, 3, 3))
    with pytest.raises(ValueError, match="`rotation` must leave the model as it is"):
        stability.spectrum(km.Kuramoto(km.Dense(blocks.copy())), x, rotation=about_x3)


@pytest.mark.parametrize("M", [1, 2, 5])
@pytest.mark.parametrize("N", [2, 3, 4, 5, 6, 7])
def test_symmetries_are_counted_for_few_oscillators_too(N: int, M: int) -> None:
    """One state of one oscillator has too few equations: what holds there by accident is none."""
    x, planes = sphere.random_points((M, N), seed=0), N // 2
    for model, count in (
        (km.Kuramoto(km.MeanField(1.0)), N * (N - 1) // 2),
        (km.Kuramoto(km.MeanField(1.0), stimulus=np.ones(N)), (N - 1) * (N - 2) // 2),
        (km.Kuramoto(km.MeanField(1.0), km.Rotation(1.0 + np.arange(planes))), planes),
        (km.Kuramoto(km.MeanField(1.0), km.Rotation(np.ones(planes))), planes**2),
    ):
        assert len(stability.symmetries(model, x)) == count


def test_lists_and_strings() -> None:
    np.testing.assert_allclose(stability.tangent_basis([0.0, 1.0]), [[1.0], [0.0]])
    with pytest.raises(TypeError, match="`x` must be an array or nested lists of numbers"):
        stability.tangent_basis("x")
    model = km.Kuramoto(km.MeanField(1.0))
    with pytest.raises(TypeError, match="`rotation` must be an array or nested lists of numbers"):
        stability.spectrum(model, aligned(3, 2), rotation=[["a", "b"], ["c", "d"]])
