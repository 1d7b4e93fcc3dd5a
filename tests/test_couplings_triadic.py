"""Higher-order coupling: the sines for N = 2, sums over groups, equivariance, Skardal-Arenas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import frequencies, phase, sphere
from kuramoto.couplings import Tetradic, Triadic, Triangles

SEEDS = st.integers(0, 2**32 - 1)
FORMS = ["asymmetric", "symmetric"]
BETA = "ignore:Sparse .* tensor support is in beta state:UserWarning"
pytestmark = pytest.mark.filterwarnings(BETA)


def sine(form, i, j, k):
    """The sine of three phases that a form stands for."""
    return np.sin(2 * j - k - i) if form == "asymmetric" else np.sin(j + k - 2 * i)


def rate_of_phase(coupling, theta):
    """θ̇ that a coupling makes: the component of its force along (−sin θ, cos θ)."""
    x = phase.from_phases(theta)
    perpendicular = np.stack([-x[..., 1], x[..., 0]], axis=-1)
    return (coupling(x) * perpendicular).sum(axis=-1)


def triple(form, xi, xj, xk):
    """One group's vector, written out."""
    if form == "asymmetric":
        return 2 * (xj @ xk) * xj - xk
    return (xi @ xj) * xk + (xi @ xk) * xj - (xj @ xk) * xi


# Analytic: N = 2 is the sine form, to rounding.


@given(st.sampled_from(FORMS), st.integers(1, 7), SEEDS)
@settings(max_examples=40)
def test_all_groups_of_three_in_phases(form, M, seed):
    theta = np.random.default_rng(seed).uniform(-np.pi, np.pi, M)
    expected = sine(form, theta[:, None, None], theta[:, None], theta).mean(axis=(1, 2))
    found = rate_of_phase(Triadic(1.7, form), theta)
    np.testing.assert_allclose(found, 1.7 * expected, atol=1e-14, rtol=0)


@given(st.sampled_from(FORMS), SEEDS)
@settings(max_examples=40)
def test_one_group_in_phases(form, seed):
    theta = np.random.default_rng(seed).uniform(-np.pi, np.pi, 3)
    one = Triangles([[0, 1, 2]], [1.3], sites=3, form=form, symmetric=False)
    found = rate_of_phase(one, theta)
    np.testing.assert_allclose(found, [1.3 * sine(form, *theta), 0, 0], atol=1e-14, rtol=0)


def test_the_order_of_the_others_matters_in_one_form_alone():
    theta = np.array([0.3, 1.0, -0.4])
    for form, matters in zip(FORMS, (True, False), strict=True):
        rows = ([[0, 1, 2]], [[0, 2, 1]])
        one, other = (Triangles(row, sites=3, form=form, symmetric=False) for row in rows)
        gap = np.abs(rate_of_phase(one, theta) - rate_of_phase(other, theta)).max()
        assert (gap > 0.1) == matters


@given(st.integers(1, 6), SEEDS)
@settings(max_examples=30)
def test_all_groups_of_four_in_phases(M, seed):
    theta = np.random.default_rng(seed).uniform(-np.pi, np.pi, M)
    i, j, k, n = (theta.reshape([-1 if a == b else 1 for b in range(4)]) for a in range(4))
    expected = np.sin(j + k - n - i).mean(axis=(1, 2, 3))
    found = rate_of_phase(Tetradic(0.8), theta)
    np.testing.assert_allclose(found, 0.8 * expected, atol=1e-14, rtol=0)


# Agreement: the mean fields are the sums over all groups, for any N.


@given(st.sampled_from(FORMS), st.integers(1, 5), st.integers(1, 4), SEEDS)
@settings(max_examples=40)
def test_the_mean_fields_are_the_sums_over_all_groups(form, M, N, seed):
    x = sphere.random_points((2, M, N), seed=seed)
    found = Triadic(2.0, form)(x)
    groups = list(itertools.product(range(M), repeat=3))
    listed = Triangles(groups, 2.0 / M**2, sites=M, form=form, symmetric=False)
    for state, mean_field, by_groups in zip(x, found, listed(x), strict=True):
        expected = np.zeros((M, N))
        for i, j, k in groups:
            expected[i] += 2.0 / M**2 * triple(form, state[i], state[j], state[k])
        np.testing.assert_allclose(mean_field, expected, atol=1e-13, rtol=0)
        np.testing.assert_allclose(by_groups, expected, atol=1e-13, rtol=0)


@given(st.integers(1, 5), SEEDS)
@settings(max_examples=20)
def test_the_groups_of_four_are_the_sum(M, seed):
    x = sphere.random_points((M, 3), seed=seed)
    sums = [(x[k] @ x[n]) * x[j] for j, k, n in itertools.product(range(M), repeat=3)]
    expected = np.broadcast_to(np.sum(sums, axis=0) / M**3, x.shape)
    np.testing.assert_allclose(Tetradic(1.0)(x), expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("form", FORMS)
def test_a_triangle_acts_on_all_its_corners(form):
    x = sphere.random_points((5, 3), seed=0)
    once = Triangles([[0, 2, 4], [1, 2, 3]], [1.0, -0.5], sites=5, form=form)
    turns = [np.array(p) for p in itertools.permutations(range(3))]
    rows = np.concatenate([np.array([[0, 2, 4], [1, 2, 3]])[:, turn] for turn in turns])
    each = Triangles(rows, np.tile([1.0, -0.5], 6), sites=5, form=form, symmetric=False)
    np.testing.assert_allclose(once(x), each(x), atol=1e-14, rtol=0)
    assert (np.abs(once(x)).max(axis=-1) > 1e-3).all()


@pytest.mark.parametrize("form", FORMS)
def test_grids_are_mean_fields_too(form):
    x = sphere.random_points((2, 3, 4, 3), seed=0)
    flat = Triadic(1.5, form)(x.reshape(2, 12, 3)).reshape(x.shape)
    np.testing.assert_allclose(Triadic(1.5, form, dims=2)(x), flat, atol=1e-14, rtol=0)
    flat = Tetradic(1.5)(x.reshape(2, 12, 3)).reshape(x.shape)
    np.testing.assert_allclose(Tetradic(1.5, dims=2)(x), flat, atol=1e-14, rtol=0)


def test_they_compose():
    x = sphere.random_points((6, 3), seed=0)
    total = km.MeanField(1.0) + 2.0 * Triadic(0.5) - Tetradic(3.0)
    expected = km.MeanField(1.0)(x) + 2 * Triadic(0.5)(x) - Tetradic(3.0)(x)
    np.testing.assert_allclose(total(x), expected, atol=1e-14, rtol=0)
    assert total.state_dependent
    pairs = km.Dense(np.ones((6, 6))) + Triangles([[0, 1, 2]], sites=6)
    assert pairs.sites == (6,)
    assert pairs.state_dependent


# Laws.

ALL = {
    "asymmetric": Triadic(1.3, "asymmetric"),
    "symmetric": Triadic(1.3, "symmetric"),
    "tetradic": Tetradic(1.3),
    "triangles": Triangles([[0, 1, 2], [3, 1, 4], [4, 0, 2]], [1.0, -2.0, 0.5], sites=5),
    "triangles, symmetric": Triangles([[0, 1, 2], [3, 1, 4]], sites=5, form="symmetric"),
}


@pytest.mark.parametrize("name", list(ALL))
@given(st.integers(1, 5), SEEDS)
@settings(max_examples=15)
def test_turning_everything_turns_the_force(name, N, seed):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((N, N)))[0]  # mirrors too
    x = sphere.random_points((2, 5, N), seed=rng)
    np.testing.assert_allclose(ALL[name](x @ turn.T), ALL[name](x) @ turn.T, atol=1e-13, rtol=0)


@pytest.mark.parametrize("name", list(ALL))
@given(st.integers(1, 5), SEEDS)
@settings(max_examples=15)
def test_the_row_bound_holds(name, N, seed):
    x = sphere.random_points((5, N), seed=seed)
    lengths = np.linalg.norm(ALL[name](x), axis=-1)
    assert (lengths <= ALL[name].row_bound() * (1 + 1e-12)).all()
    aligned = np.broadcast_to(np.eye(N)[0], (5, N))
    assert np.linalg.norm(ALL[name](aligned), axis=-1).max() >= 1 - 1e-12, "a bound with meaning"


def triadic_energy(x, K):
    """−(K M/2)(2 mᵀQm − ‖m‖²)."""
    m = x.mean(axis=0)
    return -K * len(x) / 2 * (2 * ((x @ m) ** 2).mean() - m @ m)


def test_both_forms_together_have_an_energy_and_each_alone_has_not():
    K, x = 1.4, sphere.random_points((6, 3), seed=0)
    rng = np.random.default_rng(1)
    for parts, follows in ((FORMS, True), (FORMS[:1], False), (FORMS[1:], False)):
        coupling = sum((Triadic(K, form) for form in parts[1:]), start=Triadic(K, parts[0]))
        v = sphere.to_tangent(x, rng.standard_normal(x.shape))
        slope = (triadic_energy(sphere.exp(x, 1e-5 * v), K) - triadic_energy(x, K)) / 1e-5
        work = -(coupling(x) * v).sum()
        assert (abs(slope - work) < 1e-4) == follows
    both = km.Kuramoto(Triadic(K) + Triadic(K, "symmetric"))
    states = km.solve(both, x, t1=8.0, dt=0.05, save=km.SaveAt(every=1, start=True)).states
    energies = [triadic_energy(state, K) for state in states]
    assert np.diff(energies).max() <= 1e-12
    assert energies[0] - energies[-1] > 1


def test_there_is_no_certificate():
    for coupling in ALL.values():
        certificate = km.certify(
            km.Kuramoto(km.MeanField(1.0) + coupling if coupling.sites is None else coupling)
        )
        assert not certificate
        assert "depends on the state" in certificate.reasons[0]
        with pytest.raises(ValueError, match="linear"):
            km.energy_rate(km.Kuramoto(coupling), np.eye(5))
        with pytest.raises(ValueError, match="linear to have one matrix"):
            coupling.to_dense(5)


# Skardal & Arenas (2020): Lorentzian frequencies of half width 1, K = K2 + K3.
# On the Ott-Antonsen manifold ṙ = −r + ½ (K1 + K r²) r (1 − r²).


def branches(K1, K):
    """Return the stable and the unstable synchronised r: the roots of (1 − r²)(K1 + K r²) = 2."""
    root = np.sqrt((K + K1) ** 2 - 8 * K)
    return np.sqrt((K - K1 + root) / (2 * K)), np.sqrt((K - K1 - root) / (2 * K))


def poisson_kernel(r, M):
    """Phases with density (1 − r²)/(1 − 2r cos θ + r²)/2π, as its quantiles."""
    return 2 * np.arctan((1 - r) / (1 + r) * np.tan(np.pi * ((np.arange(M) + 0.5) / M - 0.5)))


@pytest.mark.parametrize("r", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("coupling", [Triadic(3.0), Triadic(3.0, "symmetric"), Tetradic(3.0)])
def test_how_the_order_grows_on_the_ott_antonsen_manifold(coupling, r):
    """½ K r³ (1 − r²) from each of the three, without frequencies."""
    x = phase.from_phases(poisson_kernel(r, 20_000))
    np.testing.assert_allclose(x.mean(axis=0), [r, 0], atol=1e-6, rtol=0)
    growth = km.Kuramoto(coupling).velocity(x).mean(axis=0)
    np.testing.assert_allclose(growth, [1.5 * r**3 * (1 - r**2), 0], atol=1e-6, rtol=0)


def late_order(K1, K2, K3, r0, dt, M=2000):
    omega = frequencies.quantile_grid(frequencies.lorentzian(), M)
    coupling = km.MeanField(K1) + Triadic(K2) + Tetradic(K3)
    model = km.Kuramoto(coupling, km.Rotation(omega[:, None]))
    theta = np.random.default_rng(0).permutation(poisson_kernel(r0, M))
    run = km.solve(
        model,
        phase.from_phases(theta),
        t1=12.0,
        dt=dt,
        stepper=km.Splitting(),  # turns exactly: the fastest do 10³ radians per unit time
        save=km.SaveAt(every=round(0.5 / dt), states=False),
        observe={"r": lambda t, x: km.observables.order_parameter(x)},
    )
    return run.observed["r"][-8:].mean()


@pytest.mark.parametrize(("K2", "K3"), [(8.0, 0.0), (0.0, 8.0), (5.0, 3.0)])
def test_both_branches_of_abrupt_synchronization(K2, K3):
    """K1 = 1.5 < 2: disorder is stable, and so is r = 0.852; r = 0.293 divides them."""
    stable, unstable = branches(1.5, K2 + K3)
    np.testing.assert_allclose([stable, unstable], [0.85233, 0.29331], atol=1e-5, rtol=0)
    below, above = unstable - 0.1, unstable + 0.1
    assert late_order(1.5, K2, K3, below, 0.02) < 0.1
    coarse, fine = (late_order(1.5, K2, K3, above, dt) for dt in (0.04, 0.02))
    np.testing.assert_allclose(2 * fine - coarse, stable, atol=0.01, rtol=0)  # order 1 taken out


def test_without_triads_there_is_one_branch():
    assert late_order(1.5, 0.0, 0.0, 0.9, 0.05) < 0.1
    np.testing.assert_allclose(late_order(4.0, 0.0, 0.0, 0.2, 0.01), np.sqrt(0.5), atol=0.02)


# Backends and files.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", list(ALL))
def test_every_library(xp, to_backend, name, dtype):
    x = sphere.random_points((2, 5, 3), seed=0)
    coupling = ALL[name]
    if isinstance(coupling, Triangles):
        weights = to_backend(coupling.weights, xp, dtype)
        coupling = Triangles(
            coupling.corners, weights, sites=5, form=coupling.form, symmetric=False
        )
    found = coupling(to_backend(x, xp, dtype))
    assert found.dtype == getattr(xp, dtype)
    host = found.numpy() if hasattr(found, "numpy") else np.from_dlpack(found)
    tolerance = 1e-13 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(host, ALL[name](x), atol=tolerance, rtol=0)


def test_gradients_reach_the_weights():
    torch = pytest.importorskip("torch")
    x = torch.tensor(sphere.random_points((4, 3), seed=0), requires_grad=True)
    weights = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)

    def force(weights, x):
        return Triangles([[0, 1, 2], [1, 2, 3]], weights, sites=4)(x)

    assert torch.autograd.gradcheck(force, (weights, x))


def test_run_files_hold_them(tmp_path):
    x = sphere.random_points((5, 3), seed=0)
    coupling = km.MeanField(1.0) + Triadic(2.0, "symmetric") + 0.5 * Tetradic(3.0)
    model = km.Kuramoto(coupling + ALL["triangles"])
    run = km.solve(model, x, t1=1.0, dt=0.1, out=tmp_path / "run.h5", max_steps=4)
    assert run.status == "max_steps"
    with km.storage.open_run(tmp_path / "run.h5") as file:
        again = file.model()
    np.testing.assert_array_equal(again.velocity(x), model.velocity(x))


def test_experiment_files_have_words_for_them():
    terms = "[{type: mean_field, strength: 1}, {type: triadic, strength: 2, form: symmetric},"
    text = f"""
experiment: 1
model: {{coupling: {{type: sum, terms: {terms} {{type: tetradic, strength: 3}}]}}}}
state: {{sites: [6], dimensions: 3}}
solve: {{t1: 1.0, dt: 0.1}}
"""
    model = km.experiment.loads(text).model()
    x = sphere.random_points((6, 3), seed=0)
    expected = km.MeanField(1.0) + Triadic(2.0, "symmetric") + Tetradic(3.0)
    np.testing.assert_array_equal(model.coupling(x), expected(x))


# Bad input.


def test_forms_are_known():
    for make in (lambda: Triadic(1.0, "odd"), lambda: Triangles([], sites=3, form="odd")):
        with pytest.raises(
            ValueError, match="`form` must be 'asymmetric' or 'symmetric', but is 'odd'"
        ):
            make()
    with pytest.raises(ValueError, match="`strength` must be one finite number"):
        Triadic(np.nan)
    with pytest.raises(ValueError, match="`dims` must be a whole number of at least 1"):
        Tetradic(1.0, dims=0)


def test_triangles_are_rows_of_three():
    with pytest.raises(ValueError, match=r"`triangles` must have shape \(E, 3\).* \(1, 2\)"):
        Triangles([[0, 1]], sites=3)
    with pytest.raises(ValueError, match="`triangles` must lie in 0 to 2, but holds 0 to 3"):
        Triangles([[0, 1, 3]], sites=3)
    with pytest.raises(
        TypeError, match="`triangles` must hold whole numbers, but has dtype float64"
    ):
        Triangles([[0.0, 1.0, 2.0]], sites=3)
    with pytest.raises(ValueError, match=r"`weights` must be a number or have shape \(1,\)"):
        Triangles([[0, 1, 2]], [1.0, 2.0], sites=3)
    with pytest.raises(ValueError, match=r"`x` must have shape \(\*batch, 3, N\)"):
        Triangles([[0, 1, 2]], sites=3)(np.eye(4))
    none = Triangles(np.zeros((0, 3), dtype=int), sites=3)
    np.testing.assert_array_equal(none(np.eye(3)), 0)
