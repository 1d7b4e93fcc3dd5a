"""Basins, hysteresis loops and master stability: against what is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import phase, sphere, stability
from kuramoto._backend import to_numpy

order = km.observables.order_parameter


def winding_number(x: np.ndarray) -> np.ndarray:
    theta = to_numpy(phase.to_phases(x))
    steps = np.roll(theta, -1, axis=-1) - theta
    return np.rint((steps - 2 * np.pi * np.rint(steps / (2 * np.pi))).sum(-1) / (2 * np.pi))


# --- basins -------------------------------------------------------------------------------------


def test_a_basin_of_known_size() -> None:
    """N = 2, J = diag(1, −1) for one oscillator pulls to ±e_1, a field shifts the border: ẋ = 0 at
    cos θ = −h / 2, so the basin of +e_1 is arccos(−h/2) / π of the circle."""
    h = 0.8
    blocks = np.diag([1.0, -1.0])[None, None]
    model = km.Kuramoto(km.Dense(blocks), stimulus=np.array([h, 0.0]))
    expected = np.arccos(-h / 2) / np.pi
    inside = 0
    for seed in range(20):
        found = stability.basin_stability(
            model, lambda x: x[:, 0, 0] > 0.9, shape=(1, 2), t1=40.0, samples=300, seed=seed, dt=0.2
        )
        assert found.low <= found.fraction <= found.high
        assert found.fraction == found.hits / found.samples
        inside += found.low <= expected <= found.high
    assert inside >= 16  # 95 % of 20 is 19; fewer than 16 has a chance of 3e-4


def test_the_sync_basin_of_a_ring_and_its_twisted_states(xp, to_backend) -> None:
    """Wiley, Strogatz & Girvan (2006): all |q| < M/4 attract, the larger the less; q ↔ −q."""
    M = 16
    model, like = km.Kuramoto(km.Lattice(to_backend([1.0, 0.0, 1.0], xp))), to_backend([0.0], xp)
    options = {"shape": (M, 2), "t1": 60.0, "samples": 200, "seed": 1, "dt": 0.3, "like": like}
    sizes = stability.basin_sizes(model, winding_number, **options)
    assert list(sizes) == sorted(sizes)
    assert max(abs(q) for q in sizes) < M / 4
    assert sum(size.hits for size in sizes.values()) == 200
    assert sizes[0].fraction > sizes[1].fraction > sizes.get(2, sizes[0]).fraction
    assert sizes[1].low < sizes[-1].high
    assert sizes[-1].low < sizes[1].high
    synchronous = stability.basin_stability(model, lambda x: order(x) > 0.99, **options)
    assert synchronous.hits <= sizes[0].hits


def test_nothing_and_everything() -> None:
    model = km.Kuramoto(km.MeanField(1.0))
    options = {"shape": (3, 2), "t1": 1.0, "samples": 40, "seed": 0}
    none = stability.basin_stability(model, lambda x: order(x) < 0, **options)
    every = stability.basin_stability(model, lambda x: order(x) >= 0, **options)
    assert (none.fraction, none.low, every.fraction, every.high) == (0.0, 0.0, 1.0, 1.0)
    assert none.high == pytest.approx(1 - every.low)
    assert 0 < none.high < 0.1


@given(st.integers(1, 400), st.floats(0.5, 0.999), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_wilsons_interval_ends_where_the_score_is_z(samples, confidence, seed) -> None:
    from statistics import NormalDist

    from kuramoto.stability.basins import _wilson

    hits = int(np.random.default_rng(seed).integers(0, samples + 1))
    found, z = _wilson(hits, samples, confidence), NormalDist().inv_cdf((1 + confidence) / 2)
    for end in {found.low, found.high} - {0.0, 1.0}:
        score = abs(hits / samples - end) / np.sqrt(end * (1 - end) / samples)
        assert score == pytest.approx(z, rel=1e-6)


def test_basins_refuse() -> None:
    model, options = km.Kuramoto(km.MeanField(1.0)), {"shape": (3, 2), "t1": 1.0, "samples": 4}
    with pytest.raises(TypeError, match="`predicate` must be a function of the final states"):
        stability.basin_stability(model, None, **options)
    with pytest.raises(ValueError, match=r"`predicate` must return shape \(4,\), one value a sam"):
        stability.basin_stability(model, lambda x: True, **options)
    with pytest.raises(ValueError, match=r"`label` must return shape \(4,\)"):
        stability.basin_sizes(model, lambda x: x, **options)
    with pytest.raises(ValueError, match="`samples` must be a whole number of at least 1"):
        stability.basin_stability(model, order, **{**options, "samples": 0})
    with pytest.raises(ValueError, match="`confidence` must be between 0 and 1, but is 1"):
        stability.basin_stability(model, order, **options, confidence=1)


# --- hysteresis ---------------------------------------------------------------------------------


def magnet(h: float) -> km.Kuramoto:
    """Oscillators with an easy axis: blocks diag(1.5, 0.5) / M, in a field h along it."""
    blocks = np.broadcast_to(np.diag([1.5, 0.5]) / 4, (4, 4, 2, 2)).copy()
    return km.Kuramoto(km.Dense(blocks), stimulus=np.array([h, 0.0]))


def test_a_square_loop_with_a_known_width() -> None:
    """Against the field the common turn grows at 0.5 − (1.5 − |h|): the state flips at |h| = 1."""
    h = np.array([-1.6, -1.1, -0.9, -0.3, 0.3, 0.9, 1.1, 1.6])
    down = np.tile([-1.0, 0.0], (4, 1))
    loop = stability.hysteresis(
        magnet, h, down, t1=200.0, dt=0.2, observe=lambda t, x: x[..., 0].mean(-1)
    )
    np.testing.assert_allclose(loop.forward, np.where(h > 1, 1, -1), atol=1e-3)
    np.testing.assert_allclose(loop.backward, np.where(h < -1, -1, 1), atol=1e-3)
    assert float(loop.area) == pytest.approx(2 * 2.0, rel=1e-3)
    np.testing.assert_allclose(loop.final, down, atol=0.01)


def test_without_a_kick_unstable_states_would_survive() -> None:
    options = {"t1": 100.0, "dt": 0.2, "observe": lambda t, x: x[..., 0].mean(-1)}
    still = stability.hysteresis(magnet, [2.0], np.tile([-1.0, 0], (4, 1)), **options)
    frozen = stability.hysteresis(
        magnet, [2.0], np.tile([-1.0, 0], (4, 1)), perturbation=0.0, **options
    )
    assert still.forward[0] == pytest.approx(1)
    assert frozen.forward[0] == -1


def test_explosive_synchrony_follows_its_exact_branch_down() -> None:
    """θ̇_i = ω_i + K|ω_i| r sin(ψ − θ_i): locked where all sin(θ_i − ψ) = sign(ω_i) / (K r), so
    r² = (1 + √(1 − 4/K²)) / 2 for any symmetric ω; gone below K = 2, at r = 1/√2."""
    M = 40
    omega = np.tan(np.pi * ((np.arange(M) + 0.5) / M - 0.5))[:, None]

    def model(K: float) -> km.Kuramoto:
        return km.Kuramoto(km.Dense(K * np.abs(omega) / M * np.ones(M)), km.Rotation(omega))

    K, start = np.array([1.6, 2.4, 3.2, 5.0]), sphere.random_points((M, 2), seed=3)
    loop = stability.hysteresis(model, K, start, t1=25.0, dt=0.02)
    exact = np.sqrt((1 + np.sqrt(1 - 4 / K[1:] ** 2)) / 2)
    np.testing.assert_allclose(loop.backward[1:], exact, atol=3e-3)
    assert loop.backward[0] < 0.5
    assert loop.forward[1] < 0.5 < loop.backward[1]
    assert loop.area > 0.3


def test_in_three_dimensions_order_jumps_to_one_half() -> None:
    """Chandra, Girvan & Ott (2019): for odd N any K > 0 orders; as K → 0+ each oscillator settles
    on the end of its own axis that is nearer to the mean: r → ⟨|cos|⟩ = 1/2 for N = 3."""
    M = 300
    A = np.random.default_rng(0).standard_normal((M, 3, 3))
    frequency = km.Antisymmetric(A - A.swapaxes(1, 2))
    loop = stability.hysteresis(
        lambda K: km.Kuramoto(km.MeanField(K), frequency),
        [-0.05, 0.25],
        sphere.random_points((M, 3), seed=1),
        t1=150.0,
        average=0.3,
        dt=0.1,
    )
    assert loop.forward[0] < 0.1
    assert loop.forward[1] == pytest.approx(0.5, abs=0.07)


def test_inertia_opens_a_loop() -> None:
    """Tanaka, Lichtenberg & Oishi (1997): with inertia locking comes late and is lost late."""
    from kuramoto.inertia import Inertial

    M = 30
    omega = np.linspace(-1, 1, M)[:, None]

    def grid(mass: float):
        return lambda K: Inertial(km.MeanField(K), km.Rotation(omega), mass=mass)

    x = sphere.random_points((M, 2), seed=3)
    area = {}
    for mass in (0.1, 6.0):
        x0 = grid(mass)(1.0).state(x)
        loop = stability.hysteresis(grid(mass), [1.0, 2.0, 3.0], x0, t1=60.0, dt=0.05)
        area[mass] = float(loop.area)
        assert loop.final.shape == (M, 4)
    assert abs(area[0.1]) < 0.1
    assert area[6.0] > 0.2


def test_what_a_state_holds_besides_vectors_survives_the_kick() -> None:
    from kuramoto.inertia import Inertial

    make = lambda K: Inertial(km.MeanField(K), mass=1.0, damping=0.0)  # noqa: E731
    x0 = make(0.0).state(np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.5, 0.0]]))
    loop = stability.hysteresis(make, [0.0, 0.0], x0, t1=1.0, dt=0.01, observe="energy")
    np.testing.assert_allclose(loop.backward, 0.5 * 0.25, atol=2e-3)


def test_delays_and_plastic_weights_are_followed_too() -> None:
    from kuramoto.coevolution import Coevolving
    from kuramoto.delays import Delayed

    x = sphere.random_points((5, 2), seed=0)
    late = lambda K: Delayed(K * np.ones((5, 5)) / 5, np.full((5, 5), 0.5), dt=0.1)  # noqa: E731
    loop = stability.hysteresis(late, [1.0, 2.0], late(1.0).state(x), t1=40.0, dt=0.1)
    np.testing.assert_allclose(loop.backward, 1.0, atol=1e-4)
    plastic = lambda rate: Coevolving(5, rate)  # noqa: E731
    loop = stability.hysteresis(plastic, [0.1, 0.2], plastic(0.1).state(x), t1=5.0, dt=0.1)
    assert loop.final.shape == plastic(0.1).state(x).shape
    found = stability.basin_stability(
        late(1.0),
        lambda s: order(late(1.0).vectors(s)) > 0.99,
        shape=(5, 2),
        t1=40.0,
        samples=20,
        seed=0,
        dt=0.1,
    )
    assert found.hits == 20


def test_basins_with_inertia() -> None:
    """A damped pendulum hangs in the end, wherever it began."""
    from kuramoto.inertia import Inertial

    pendulum = Inertial(km.MeanField(0.0), stimulus=np.array([1.0, 0.0]), mass=1.0)
    found = stability.basin_stability(
        pendulum, lambda s: s[:, 0, 0] > 0.99, shape=(1, 2), t1=40.0, samples=50, seed=0, dt=0.1
    )
    assert found.hits == 50


def test_batches_and_names_of_observables() -> None:
    x0 = sphere.random_points((3, 10, 2), seed=0)
    loop = stability.hysteresis(
        lambda K: km.Kuramoto(km.MeanField(K)),
        [0.5, 1.0, 2.0],
        x0,
        t1=60.0,
        observe="energy",
        average=0.0,
    )
    assert loop.forward.shape == loop.backward.shape == (3, 3)
    expected = -0.5 * 10 * np.array([0.5, 1.0, 2.0])[:, None] * np.ones(3)
    np.testing.assert_allclose(loop.backward, expected, rtol=1e-6)
    assert loop.area.shape == (3,)


def test_hysteresis_refuses() -> None:
    x0 = np.tile([1.0, 0.0], (3, 1))
    make = lambda K: km.Kuramoto(km.MeanField(K))  # noqa: E731
    with pytest.raises(TypeError, match="`make_model` must return a Kuramoto model"):
        stability.hysteresis(lambda K: K, [1.0], x0, t1=1.0)
    with pytest.raises(ValueError, match="`values` must be a sequence of finite numbers"):
        stability.hysteresis(make, [np.nan], x0, t1=1.0)
    with pytest.raises(ValueError, match="`values` must be a sequence of finite numbers"):
        stability.hysteresis(make, 1.0, x0, t1=1.0)
    with pytest.raises(ValueError, match="`average` must be from 0 to 1, but is 2"):
        stability.hysteresis(make, [1.0], x0, t1=1.0, average=2.0)
    with pytest.raises(ValueError, match="`t1` must be a positive number"):
        stability.hysteresis(make, [1.0], x0, t1=0.0)
    with pytest.raises(ValueError, match="Observable 'order' is not a standard one; did you mean"):
        stability.hysteresis(make, [1.0], x0, t1=1.0, observe="order")


# --- master stability ---------------------------------------------------------------------------


@pytest.mark.parametrize("N", [2, 3])
def test_networks_and_their_full_spectra_agree(N: int) -> None:
    rng = np.random.default_rng(0)
    directed = rng.random((7, 7)) * (rng.random((7, 7)) < 0.5)
    for coupling in (
        km.Sparse(km.graphs.small_world(12, 2, 0.3, seed=1)),
        km.Dense(directed),
        km.MeanField(2.0) - 0.3 * km.Dense(rng.random((7, 7))),
    ):
        M = (coupling.sites or (12,))[0]
        model = km.Kuramoto(coupling, km.Rotation([0.7]))
        modes = stability.transverse_exponents(model)
        assert modes.shape == (M,)
        assert abs(modes[0]) < 1e-12
        x = np.tile(np.eye(N)[0], (M, 1))
        full = stability.spectrum(model, x, rotation=model.frequency.matrices(N))
        expected = np.sort_complex(np.repeat(modes, N - 1).round(8))
        np.testing.assert_allclose(np.sort_complex(full.round(8)), expected, atol=2e-8)


def test_couplings_that_fit_any_size_need_one() -> None:
    model = km.Kuramoto(km.MeanField(3.0))
    np.testing.assert_allclose(
        stability.transverse_exponents(model, 4), [0, -3, -3, -3], atol=1e-12
    )
    assert not np.signbit(stability.transverse_exponents(model, 4).imag).any()
    with pytest.raises(ValueError, match=r"`M` must hold the sizes of 1 site axes .* but is None"):
        stability.transverse_exponents(model)
    with pytest.raises(ValueError, match="`M` must be a whole number of at least 1, but is 0"):
        stability.transverse_exponents(model, 0)
    with pytest.raises(TypeError, match="`M` must be a whole number"):
        stability.transverse_exponents(model, "4")
    with pytest.raises(ValueError, match=r"`M` must be \(3,\) for this coupling, but is 4"):
        stability.transverse_exponents(km.Kuramoto(km.Dense(np.eye(3))), 4)
    grid = km.Kuramoto(km.Lattice(np.ones((3, 3))))
    assert stability.transverse_exponents(grid, (3, 4)).shape == (12,)
    with pytest.raises(ValueError, match=r"`M` must hold the sizes of 2 site axes .* but is 3"):
        stability.transverse_exponents(grid, 3)


def test_the_function_of_mu_gives_every_network() -> None:
    """Phase oscillators: DF = 0 and H = 1 on the tangent space, so the function is −μ."""
    weights = km.graphs.ring(9).toarray()
    mus = np.linalg.eigvalsh(np.diag(weights.sum(1)) - weights)
    found = stability.master_stability(np.zeros((1, 1)), np.eye(1), mus)
    modes = stability.transverse_exponents(km.Kuramoto(km.Dense(weights)))
    np.testing.assert_allclose(np.sort(found)[::-1], modes.real, atol=1e-12)


def test_a_block_network_is_a_network_of_its_blocks() -> None:
    """Nodes ẋ = Fx − Σ L_ij H x_j: eigenvalues of I ⊗ F − L ⊗ H are those of F − γH."""
    rng = np.random.default_rng(2)
    F, H = rng.standard_normal((2, 3, 3))
    weights = rng.random((6, 6))
    L = np.diag(weights.sum(1)) - weights
    gammas = np.linalg.eigvals(L)
    found = stability.master_stability(F, H, gammas)
    whole = np.linalg.eigvals(np.kron(np.eye(6), F) - np.kron(L, H)).real.max()
    assert found.max() == pytest.approx(whole, abs=1e-10)
    assert found.shape == gammas.shape


def test_along_a_trajectory() -> None:
    """DF(t) = R(t) A R(t)ᵀ seen from the turning frame is A − Ω, constant: known exponents."""
    A, omega = np.array([[0.3, 0.4], [0.0, -0.5]]), 0.8
    turn = np.array([[0.0, -omega], [omega, 0.0]])

    def DF(t: float) -> np.ndarray:
        c, s = np.cos(omega * t), np.sin(omega * t)
        R = np.array([[c, -s], [s, c]])
        return R @ A @ R.T

    mus = np.array([[0.0, 0.5], [1.0, -0.25]])
    found = stability.master_stability(DF, np.eye(2), mus, t1=140.0, dt=0.05, burn_in=20.0)
    constant = np.linalg.eigvals(A - turn).real.max()
    np.testing.assert_allclose(found, constant - mus, atol=0.01)
    # H = I shifts every exponent by μ exactly, at any finite time.
    np.testing.assert_allclose(found + mus, found[0, 0], atol=1e-6)
    complex_mu = stability.master_stability(
        DF, np.eye(2), [0.5 + 2.0j], t1=140.0, dt=0.05, burn_in=20.0
    )
    np.testing.assert_allclose(complex_mu, found[0, 1], atol=1e-4)


def rossler(t1: float, h: float):
    """Return the Jacobian of Rössler's system (a = b = 0.2, c = 9) on its attractor."""

    def flow(x):
        return np.array([-x[1] - x[2], x[0] + 0.2 * x[1], 0.2 + x[2] * (x[0] - 9.0)])

    x, states = np.array([1.0, 1.0, 0.0]), []
    for step in range(-2500, round(t1 / h) + 1):
        if step >= 0:
            states.append(x)
        k1 = flow(x)
        k2 = flow(x + h / 2 * k1)
        k3 = flow(x + h / 2 * k2)
        x = x + h / 6 * (k1 + 2 * (k2 + k3) + flow(x + h * k3))

    def DF(t: float) -> np.ndarray:
        x = states[round(t / h)]
        return np.array([[0.0, -1.0, -1.0], [1.0, 0.2, 0.0], [x[2], 0.0, x[0] - 9.0]])

    return DF


def test_coupled_rossler_systems_synchronise_in_a_window() -> None:
    """Coupled through x: chaos alone, synchrony in between, lost again for strong coupling."""
    DF = rossler(500.0, 0.02)
    mus = [0.0, 0.05, 0.3, 1.0, 4.0, 5.5]
    found = stability.master_stability(
        DF, np.diag([1.0, 0.0, 0.0]), mus, t1=500.0, dt=0.04, burn_in=20.0
    )
    assert (found[[0, 1, 5]] > 0.005).all()
    assert (found[[2, 3, 4]] < -0.01).all()


def test_master_stability_refuses() -> None:
    eye = np.eye(2)
    with pytest.raises(ValueError, match="`inner_coupling` must be a square matrix"):
        stability.master_stability(eye, np.ones(2), [0.0])
    with pytest.raises(ValueError, match=r"`jacobian` must have shape \(2, 2\)"):
        stability.master_stability(np.eye(3), eye, [0.0])
    with pytest.raises(ValueError, match="`jacobian` must be finite, but holds NaN"):
        stability.master_stability(np.full((2, 2), np.nan), eye, [0.0])
    with pytest.raises(TypeError, match="`jacobian` must be a square matrix of numbers"):
        stability.master_stability("F", eye, [0.0])
    with pytest.raises(ValueError, match="`mus` must be finite numbers"):
        stability.master_stability(eye, eye, [np.inf])
    with pytest.raises(ValueError, match="`t1 and dt` must be given for a jacobian that is a func"):
        stability.master_stability(lambda t: eye, eye, [0.0])
    with pytest.raises(ValueError, match="`burn_in` must be from 0 to below t1 - t0 = 1"):
        stability.master_stability(lambda t: eye, eye, [0.0], t1=1.0, dt=0.1, burn_in=1.0)


def test_transverse_exponents_refuse() -> None:
    for model, why in (
        (km.Kuramoto(km.MeanField(1.0), km.Rotation([[1.0], [2.0]])), "a natural frequency for"),
        (km.Kuramoto(km.MeanField(1.0), stimulus=np.ones(2)), "one with a stimulus"),
        (km.Kuramoto(km.Dense(np.ones((2, 2, 2, 2)))), "a Dense of blocks"),
    ):
        with pytest.raises(ValueError, match=f"identical oscillators coupled by numbers.*{why}"):
            stability.transverse_exponents(model, 2)


def test_the_first_kick_moves_a_state_drawn_from_the_same_seed() -> None:
    """Nothing else moves it: in one step without coupling the state is x0 and two kicks."""
    x0 = sphere.random_points((50, 2), seed=0)
    loop = stability.hysteresis(
        lambda K: km.Kuramoto(km.MeanField(0.0)),
        [1.0],
        x0,
        t1=1.0,
        dt=1.0,
        observe=lambda t, x: sphere.distance(x, x0).max(axis=-1),
        perturbation=0.01,
        seed=0,
    )
    assert loop.forward[0] > 0.01


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        ({"make_model": 3}, TypeError, "`make_model` must be a function from a value to a model"),
        ({"perturbation": -1.0}, ValueError, "`perturbation` must be at least 0, but is -1"),
    ],
)
def test_hysteresis_refuses_these_too(change, kind, match) -> None:
    arguments = {"make_model": lambda K: km.Kuramoto(km.MeanField(K)), "values": [1.0], "t1": 1.0}
    with pytest.raises(kind, match=match):
        stability.hysteresis(x0=sphere.random_points((3, 2), seed=0), **(arguments | change))


@pytest.mark.parametrize("shape", [5, "ab", (5, 0), (2.5, 2)])
def test_shapes_of_samples_are_checked(shape) -> None:
    model = km.Kuramoto(km.MeanField(1.0))
    with pytest.raises((TypeError, ValueError), match="`shape` must be"):
        stability.basin_sizes(model, lambda x: x[:, 0, 0], shape=shape, t1=1.0)
