"""Observables of one state: order parameters in all their forms, and the names that files use."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import kuramoto as km
from kuramoto import observables, phase, sphere
from kuramoto._backend import to_numpy

SEEDS = st.integers(0, 2**32 - 1)


def twisted(M, winding=1):
    return phase.from_phases(2 * np.pi * winding * np.arange(M) / M)


def rotation_of(N, rng):
    return np.linalg.qr(rng.standard_normal((N, N)))[0]


def sites_of(coupling, sites):
    """Return |J| as a matrix, from the coupling's own dense form."""
    return np.abs(coupling.to_dense(sites))


# Analytic: the order parameter and its relatives.


def test_order_parameter_of_known_states() -> None:
    aligned = np.tile([0.0, 1.0, 0.0], (7, 1))
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert observables.order_parameter(aligned) == pytest.approx(1.0)
    assert observables.order_parameter(opposite) == pytest.approx(0.0, abs=1e-12)
    assert observables.order_parameter(twisted(12)) == pytest.approx(0.0, abs=1e-12)


def test_order_parameter_counts_sites_not_batches() -> None:
    x = km.sphere.random_points((3, 4, 5, 2), seed=0)
    per_member = observables.order_parameter(x, site_ndim=2)
    assert per_member.shape == (3,)
    by_hand = np.linalg.norm(x[1].reshape(-1, 2).mean(axis=0))
    assert per_member[1] == pytest.approx(by_hand)
    assert observables.order_parameter(x).shape == (3, 4)


def test_the_mean_vector_is_kuramotos_z() -> None:
    theta = np.random.default_rng(0).uniform(-np.pi, np.pi, (3, 9))
    z = np.exp(1j * theta).mean(axis=-1)
    found = observables.mean_vector(phase.from_phases(theta))
    np.testing.assert_allclose(found, np.stack([z.real, z.imag], axis=-1), atol=1e-15)


def test_weights_decide_who_counts() -> None:
    x = sphere.random_points((2, 5, 3), seed=0)
    np.testing.assert_allclose(
        observables.weighted_order_parameter(x, np.full(5, 7.0)), observables.order_parameter(x)
    )
    only = observables.weighted_order_parameter(x, [0.0, 0.0, 2.0, 0.0, 0.0])
    np.testing.assert_allclose(only, [1.0, 1.0])
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert observables.weighted_order_parameter(opposite, [1.0, -1.0]) == pytest.approx(1.0)
    grid = sphere.random_points((2, 3, 4, 2), seed=1)
    by_hand = np.linalg.norm(np.einsum("ij,bijn->bn", np.ones((3, 4)), grid), axis=-1) / 12
    np.testing.assert_allclose(observables.weighted_order_parameter(grid, np.ones((3, 4))), by_hand)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7, 24])
def test_daido_sees_clusters(order: int) -> None:
    """n equal clusters evenly round the circle: order k is 1 where n divides k, else 0."""
    clusters = np.repeat(2 * np.pi * np.arange(4) / 4, 5) + 0.3
    found = observables.daido_order_parameter(phase.from_phases(clusters), order)
    assert found == pytest.approx(float(order % 4 == 0), abs=1e-13)


@given(SEEDS, st.integers(1, 40))
@settings(max_examples=30)
def test_daido_is_the_mean_of_a_power(seed: int, order: int) -> None:
    theta = np.random.default_rng(seed).uniform(-np.pi, np.pi, (2, 3, 4))
    expected = np.abs(np.exp(1j * order * theta).mean(axis=(1, 2)))
    found = observables.daido_order_parameter(phase.from_phases(theta), order, site_ndim=2)
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_nematic_order_of_known_states() -> None:
    axis = np.array([1.0, 2.0, 2.0]) / 3
    x = np.stack([axis, -axis, axis, -axis])
    Q = observables.nematic_tensor(x)
    np.testing.assert_allclose(Q, (3 * np.outer(axis, axis) - np.eye(3)) / 2, atol=1e-15)
    assert observables.nematic_order(x) == pytest.approx(1.0)
    assert observables.order_parameter(x) == pytest.approx(0.0, abs=1e-12)
    cross = np.concatenate([np.eye(3), -np.eye(3)])
    np.testing.assert_allclose(observables.nematic_tensor(cross), 0, atol=1e-15)


@given(SEEDS, st.integers(2, 5))
@settings(max_examples=30)
def test_the_nematic_tensor_is_symmetric_traceless_and_turns_along(seed: int, N: int) -> None:
    rng = np.random.default_rng(seed)
    x, R = sphere.random_points((2, 3, 4, N), seed=rng), rotation_of(N, rng)
    Q = observables.nematic_tensor(x, site_ndim=2)
    np.testing.assert_array_equal(Q, np.swapaxes(Q, -1, -2))
    np.testing.assert_allclose(np.trace(Q, axis1=-2, axis2=-1), 0, atol=1e-14)
    turned = observables.nematic_tensor(x @ R.T, site_ndim=2)
    np.testing.assert_allclose(turned, R @ Q @ R.T, atol=1e-13)
    if N == 2:
        daido = observables.daido_order_parameter(x, 2, site_ndim=2)
        np.testing.assert_allclose(observables.nematic_order(x, site_ndim=2), daido, atol=1e-13)


@given(SEEDS, st.integers(2, 5))
@settings(max_examples=30)
def test_order_does_not_depend_on_the_axes(seed: int, N: int) -> None:
    rng = np.random.default_rng(seed)
    x, R = sphere.random_points((2, 6, N), seed=rng), rotation_of(N, rng)
    weights, J = rng.standard_normal(6), km.Dense(rng.standard_normal((6, 6)))
    for function in (
        observables.order_parameter,
        observables.nematic_order,
        lambda x: observables.weighted_order_parameter(x, weights),
        lambda x: observables.local_order_parameter(x, J),
        lambda x: observables.population_order_parameters(x, [0, 0, 1, 2, 1, 2]),
    ):
        found = function(x)
        np.testing.assert_allclose(function(x @ R.T), found, atol=1e-12)
        assert (found >= 0).all()
        assert (found <= 1 + 1e-12).all()


# Local order.

LOCAL = {
    "dense": (lambda n: km.Dense(n(6, 6)), (6,)),
    "sparse": (lambda n: km.Sparse(sparse.random_array((6, 6), density=0.5, rng=0)), (6,)),
    "repeated edges that cancel": (
        lambda n: km.Sparse.from_edges([0, 0, 1, 2], [1, 1, 0, 0], [1.0, -1.0, 2.0, -3.0], sites=4),
        (4,),
    ),
    "mean field": (lambda n: km.MeanField(-2.0, dims=2), (2, 3)),
    "periodic": (lambda n: km.Lattice(n(3, 3)), (4, 5)),
    "zero": (lambda n: km.Lattice(n(3, 3), "zero"), (4, 5)),
    "reflect": (lambda n: km.Lattice(np.abs(n(3, 3)), "reflect"), (4, 5)),
    "by fft": (lambda n: km.Lattice(n(5, 5), "zero", "fft"), (6, 7)),
    "channels": (lambda n: km.Lattice(n(2, 2, 3), "zero"), (2, 6)),
    "scaled": (lambda n: -0.5 * km.Dense(n(6, 6)), (6,)),
    "sum of one sign": (lambda n: km.Dense(np.abs(n(6, 6))) + km.MeanField(2.0), (6,)),
}


@pytest.mark.parametrize("kind", LOCAL)
def test_local_order_is_the_formula(kind: str) -> None:
    make, sites = LOCAL[kind]
    coupling = make(lambda *shape: np.random.default_rng(0).standard_normal(shape))
    x = sphere.random_points((2, *sites, 3), seed=1)
    J = sites_of(coupling, sites)
    total = J.sum(axis=1)
    flat = x.reshape(2, -1, 3)
    pull = np.linalg.norm(J @ flat, axis=-1)
    expected = np.where(total > 0, pull / np.where(total > 0, total, 1), 0).reshape(2, *sites)
    found = observables.local_order_parameter(x, coupling)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    if coupling.site_ndim == 1:
        np.testing.assert_allclose(observables.local_order_parameter(x, J), expected, atol=1e-13)
        given_sparse = observables.local_order_parameter(x, sparse.csr_array(J))
        np.testing.assert_allclose(given_sparse, expected, atol=1e-13)


def test_local_order_of_a_twisted_ring() -> None:
    """r_i = |Σ_k cos(2πk/M)|/2R for neighbours up to R: the same everywhere."""
    M, R = 40, 3
    kernel = np.ones(2 * R + 1)
    kernel[R] = 0
    expected = np.cos(2 * np.pi * np.arange(1, R + 1) / M).sum() / R
    found = observables.local_order_parameter(twisted(M), km.Lattice(kernel))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_local_order_sees_the_coherent_part_of_a_chimera() -> None:
    x = sphere.random_points((200, 2), seed=0)
    x[:100] = [1.0, 0.0]
    local = observables.local_order_parameter(x, km.Lattice(np.ones(21)))
    assert local[20:80].min() == pytest.approx(1.0)
    assert local[115:185].max() < 0.7


def test_lonely_oscillators_have_no_order() -> None:
    coupling = km.Sparse.from_edges([0, 1], [1, 0], [1.0, 1.0], sites=3)
    x = sphere.random_points((3, 2), seed=0)
    np.testing.assert_allclose(observables.local_order_parameter(x, coupling), [1, 1, 0])
    alone = observables.local_order_parameter(x[:1], km.Lattice([1.0, 0.0, 1.0], "zero", "fft"))
    np.testing.assert_array_equal(alone, [0.0])


def test_populations_are_taken_apart() -> None:
    x = sphere.random_points((4, 6, 3), seed=0)
    labels = np.array([2, 0, 1, 0, 2, 0])
    found = observables.population_order_parameters(x, labels)
    for population in range(3):
        own = observables.order_parameter(x[:, labels == population])
        np.testing.assert_allclose(found[:, population], own, rtol=1e-13)


# Names.


def test_standard_observers_follow_the_functions() -> None:
    model = km.Kuramoto(km.MeanField(1.0), stimulus=lambda t: np.array([t, 0.0]))
    x = km.sphere.random_points((6, 2), seed=1)
    found = observables.standard(["energy", "energy_rate", "residual"], model)
    assert list(found) == ["energy", "energy_rate", "residual"]
    assert found["energy"](2.0, x) == km.energy(model, x, 2.0) != km.energy(model, x, 0.0)
    assert found["energy_rate"](2.0, x) == km.energy_rate(model, x, 2.0)
    assert found["residual"](2.0, x) == observables.residual(model, x, 2.0)


def test_every_name_gives_rows_of_a_run(tmp_path) -> None:
    model = km.Kuramoto(km.Lattice(np.ones((3, 3)), "zero"), km.Rotation([1.0]))
    x0 = sphere.random_points((2, 4, 5, 3), seed=0)
    observe = observables.standard(observables.OBSERVABLES, model)
    run = km.solve(
        model, x0, t1=1.0, dt=0.1, save=km.SaveAt(every=5), observe=observe, out=tmp_path / "a.h5"
    )
    shapes = {name: np.asarray(rows).shape[1:] for name, rows in run.observed.items()}
    per_site = ("energy_per_oscillator", "instantaneous_frequency", "local_order_parameter")
    expected = dict.fromkeys(observables.OBSERVABLES, (2,)) | dict.fromkeys(per_site, (2, 4, 5))
    assert shapes == expected | {"mean_vector": (2, 3)}
    local = observables.local_order_parameter(run.final, model.coupling)
    np.testing.assert_array_equal(run.observed["local_order_parameter"][-1], local)


def test_unknown_names_get_the_nearest_known_one() -> None:
    with pytest.raises(ValueError, match="'enrgy' is not a standard one; did you mean `energy`"):
        observables.standard(["enrgy"], km.Kuramoto(km.MeanField(1.0)))


# Backends.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library_agrees(xp, to_backend, dtype: str) -> None:
    x = sphere.random_points((2, 4, 5, 2), seed=0).astype(dtype).astype("float64")
    kernel = np.random.default_rng(0).standard_normal((3, 3)).astype(dtype).astype("float64")
    rows = x.reshape(2, 20, 2)
    cases = [
        (x, lambda x, to: observables.mean_vector(x, 2)),
        (x, lambda x, to: observables.order_parameter(x, 2)),
        (x, lambda x, to: observables.weighted_order_parameter(x, np.arange(20.0).reshape(4, 5))),
        (x, lambda x, to: observables.daido_order_parameter(x, 5, 2)),
        (x, lambda x, to: observables.nematic_tensor(x, 2)),
        (x, lambda x, to: observables.nematic_order(x, 2)),
        (x, lambda x, to: observables.local_order_parameter(x, km.Lattice(to(kernel), "zero"))),
        (x, lambda x, to: observables.local_order_parameter(x, km.MeanField(1.0, dims=2))),
        (rows, lambda x, to: observables.population_order_parameters(x, np.arange(20) % 3)),
    ]
    for state, function in cases:
        expected = function(state, lambda a: a)
        found = function(to_backend(state, xp, dtype), lambda a: to_backend(a, xp, dtype))
        assert array_api_compat.array_namespace(found) is xp
        assert found.dtype == getattr(xp, dtype)
        tolerance = 1e-12 if dtype == "float64" else 2e-6
        np.testing.assert_allclose(to_numpy(found), expected, rtol=0, atol=tolerance)


def test_gradients_flow_to_the_state_alone() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor(sphere.random_points((5, 3), seed=0), requires_grad=True)
    J = torch.tensor(np.random.default_rng(0).standard_normal((5, 5)), requires_grad=True)
    functions = [
        lambda x: observables.local_order_parameter(x, km.Dense(J)),
        lambda x: observables.weighted_order_parameter(x, np.arange(5.0)),
        observables.nematic_order,
    ]
    for function in functions:
        assert torch.autograd.gradcheck(function, (x,))
    assert torch.autograd.grad(functions[0](x).sum(), J, allow_unused=True) == (None,)


# Bad input.

PAIR = np.array([[1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: observables.daido_order_parameter(np.eye(3), 2),
            r"`x` must have N = 2 as its last axis, but has shape \(3, 3\); for N > 2 .*nematic",
        ),
        (
            lambda: observables.daido_order_parameter(PAIR, 0),
            "`order` must be a whole number of at least 1, but is 0",
        ),
        (
            lambda: observables.nematic_tensor(np.ones((3, 1))),
            r"`x` must have N of at least 2 as its last axis, but has shape \(3, 1\)",
        ),
        (
            lambda: observables.weighted_order_parameter(PAIR, np.ones(3)),
            r"`weights` must have the shape of the sites of x, .* but has shape \(3,\)",
        ),
        (
            lambda: observables.weighted_order_parameter(PAIR, np.zeros(2)),
            r"`weights` must be finite and not all 0, but it has Σ\|w\| = 0",
        ),
        (
            lambda: observables.local_order_parameter(PAIR, km.Dense(np.ones((2, 2, 2, 2)))),
            "`coupling` must have one number J_ij .* is a Dense with N×N blocks; pass a matrix",
        ),
        (
            lambda: observables.local_order_parameter(
                np.ones((2, 1, 2)),
                km.Attention(*(np.ones((1, 1, 1, 2, 2)) for _ in range(4))),
            ),
            "`coupling` must have one number .* Attention with weights that depend on the state",
        ),
        (
            lambda: observables.local_order_parameter(PAIR, km.Dense(np.ones((3, 3)))),
            r"`x` must have shape \(\*batch, 3, N\) for this Dense, but has shape \(2, 2\)",
        ),
        (
            lambda: observables.population_order_parameters(PAIR, [0, 2]),
            r"`labels` must count populations from 0, none of them empty, but holds \[0, 2\]",
        ),
        (
            lambda: observables.population_order_parameters(PAIR, [0, 0, 1]),
            r"`labels` must hold one whole number for each oscillator .* has shape \(3,\)",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_no_coupling_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="`coupling` must be a Coupling or a matrix of weights"):
        observables.local_order_parameter(PAIR, "ring")


@pytest.mark.parametrize(
    "f", [observables.order_parameter, observables.mean_vector, observables.nematic_order]
)
def test_lists_are_taken_and_shapes_checked(f) -> None:
    square = [[1, 0], [0, 1]]
    np.testing.assert_array_equal(f(square), f(np.eye(2)))
    for x, axes in (([1.0, 0.0], 1), (square, 2), (np.zeros((0, 2)), 1)):
        with pytest.raises(ValueError, match=rf"`x` must have shape .* {axes} site axes, but has"):
            f(x, axes)
    with pytest.raises(ValueError, match="`site_ndim` must be a whole number of at least 1"):
        f(square, 0)
    with pytest.raises(TypeError, match="`x` must be an array or nested lists of numbers"):
        f("x")


def test_other_observables_take_lists() -> None:
    square, run = [[1.0, 0.0], [0.0, 1.0]], [[[1.0, 0.0]], [[0.0, 1.0]]]
    assert observables.daido_order_parameter(square, 2) == pytest.approx(0)
    assert observables.weighted_order_parameter(square, [3.0, 4.0]) == pytest.approx(5 / 7)
    np.testing.assert_allclose(observables.population_order_parameters(square, [0, 1]), [1, 1])
    np.testing.assert_allclose(observables.local_order_parameter(square, np.eye(2)), [1, 1])
    np.testing.assert_allclose(observables.mean_frequencies([0, 1], run), [np.pi / 2])
    np.testing.assert_allclose(observables.phase_locking_value(run), [[1.0]])
    np.testing.assert_array_equal(observables.frequency_clusters([1.0, 0.0], 0.1), [1, 0])
    with pytest.raises(ValueError, match="`frequencies` must be an array of finite numbers"):
        observables.frequency_clusters([], 0.1)


def test_one_name_is_no_list_of_names() -> None:
    with pytest.raises(TypeError, match=r"`names` must be a list of names, .* pass \['energy'\]"):
        observables.standard("energy", km.Kuramoto(km.MeanField(1.0)))
