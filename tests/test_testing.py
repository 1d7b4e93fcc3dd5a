"""`kuramoto.testing`: strategies draw what they promise, checkers hold and can fail.

Kinds of tests: law (hypothesis), analytic, bad input.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import testing
from kuramoto.testing import (
    KINDS,
    assert_descends,
    assert_on_sphere,
    assert_rotation_equivariant,
    largest_rise,
    random_model,
    random_state,
    state_shape,
)

LAW = settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
QUICK = settings(max_examples=150, deadline=None)


def drawn(count: int, *, seed: int = 0) -> list[tuple[km.Kuramoto, int]]:
    """Return certified models of all kinds and sizes, with a seed each, without hypothesis."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        M, N, own = int(rng.integers(1, 9)), int(rng.integers(2, 6)), int(rng.integers(2**32))
        found.append((random_model(KINDS[number % len(KINDS)], M, N, own, symmetric=True), own))
    return found


# Law: strategies draw what they promise.


@QUICK
@given(testing.states())
def test_states_are_unit_vectors(x):
    assert x.ndim == 2
    assert 1 <= x.shape[0] <= 8
    assert 2 <= x.shape[1] <= 5
    assert_on_sphere(x)


@QUICK
@given(testing.states((3, 2, 4)))
def test_states_have_the_shape_asked_for(x):
    assert x.shape == (3, 2, 4)
    assert_on_sphere(x)


@QUICK
@given(testing.states(max_sites=2, max_dimensions=3))
def test_states_keep_to_their_limits(x):
    assert x.shape[0] <= 2
    assert x.shape[1] <= 3


@QUICK
@given(testing.models(), testing.seeds())
def test_models_take_the_states_drawn_for_them(model, seed):
    assert isinstance(model, km.Kuramoto)
    x = random_state(model, seed)
    assert x.shape == state_shape(model)
    final = km.solve(model, x, t1=0.01, dt=0.01).final
    assert final.shape == x.shape
    assert_on_sphere(final)


@QUICK
@given(testing.symmetric_models().flatmap(lambda m: st.tuples(st.just(m), testing.states(m))))
def test_states_fit_a_given_model(drawn_pair):
    model, x = drawn_pair
    assert x.shape == state_shape(model)
    assert np.isfinite(km.energy(model, x))


@settings(max_examples=500, deadline=None)
@given(testing.symmetric_models())
def test_symmetric_models_are_certified(model):
    certificate = km.certify(model)
    assert certificate.monotone, certificate
    assert certificate.max_step > 0


COUPLINGS = {
    "dense": km.Dense,
    "blocks": km.Dense,
    "sparse": km.Sparse,
    "mean_field": km.MeanField,
    "lattice": km.Lattice,
    "sum": km.Sum,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", [testing.models, testing.symmetric_models])
def test_each_kind_can_be_asked_for(strategy, kind):
    model = find(strategy(kinds=(kind,)), lambda _: True, settings=settings(database=None))
    coupling = model.coupling.coupling if isinstance(model.coupling, km.Scaled) else model.coupling
    assert isinstance(coupling, COUPLINGS[kind])
    assert (model.coupling.block_size is not None) == (kind == "blocks")


def features(model: km.Kuramoto) -> dict[str, bool]:
    certificate = km.certify(model)
    bound = model.coupling.lowest_eigenvalue_bound()
    return {
        "negative coupling": bound < -1e-9,
        "positive coupling": bound >= -1e-9,
        "no frequency": model.frequency is None,
        "turning": model.frequency is not None and bool(np.any(model.frequency.matrices(5))),
        "stimulus": bool(np.any(model.stimulus)),
        "no stimulus": not np.any(model.stimulus),
        "weak": certificate.max_step > 10,
        "strong": certificate.max_step < 0.01,
        "odd N": model.stimulus.shape[-1] % 2 == 1,
        "one oscillator": model.stimulus.shape[0] == 1,
    }


def test_certified_models_are_of_many_sorts():
    found = [features(model) for model, _ in drawn(300)]
    for feature in found[0]:
        assert sum(sort[feature] for sort in found) >= 10, feature


def test_uncertified_models_are_drawn_too():
    model = find(testing.models(), lambda model: not km.certify(model).monotone)
    assert km.certify(model).reasons


def test_models_follow_from_their_numbers():
    first, second = (random_model("sum", 4, 3, 17, symmetric=False) for _ in range(2))
    other = random_model("sum", 4, 3, 18, symmetric=False)
    x = random_state(first, 5)
    np.testing.assert_array_equal(x, random_state(second, 5))
    np.testing.assert_array_equal(first.velocity(x), second.velocity(x))
    assert np.abs(first.velocity(x) - other.velocity(x)).max() > 1e-3
    assert random_state(first, batch=(2, 5)).shape == (2, 5, 4, 3)


def test_unknown_kinds_are_named():
    with pytest.raises(TypeError, match="Argument `kinds` must be among dense, blocks") as caught:
        testing.models(kinds=("dense", "ring"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (km.Kuramoto(km.Dense(np.zeros((4, 4, 3, 3)))), (4, 3)),
        (km.Kuramoto(km.Dense(np.eye(4)), km.Rotation(np.zeros(2))), (4, 4)),
        (km.Kuramoto(km.MeanField(1.0), km.Rotation(np.zeros((6, 1)))), (6, 2)),
        (km.Kuramoto(km.MeanField(1.0), km.Antisymmetric(np.zeros((6, 3, 3)))), (6, 3)),
        (km.Kuramoto(km.MeanField(1.0), None, np.zeros((5, 3))), (5, 3)),
        (km.Kuramoto(km.MeanField(1.0, dims=2), None, np.zeros((5, 4, 3))), (5, 4, 3)),
    ],
)
def test_the_shape_of_states_is_found_in_whatever_part_has_it(model, shape):
    assert state_shape(model) == shape
    assert random_state(model).shape == shape


@pytest.mark.parametrize("model", [
    km.Kuramoto(km.MeanField(1.0)),
    km.Kuramoto(km.MeanField(1.0), km.Rotation([1.0])),
    km.Kuramoto(km.Dense(np.eye(4))),
])  # fmt: skip
def test_a_model_that_fits_many_shapes_says_so(model):
    with pytest.raises(ValueError, match="Argument `model` must fix the shape of its states") as e:
        state_shape(model)
    assert "pass x0" in str(e.value)
    assert "\n" not in str(e.value)


# Law: the energy of a certified model falls, and beyond the bound it need not.


def energies(model: km.Kuramoto, x: np.ndarray, dt: float, steps: int = 20) -> np.ndarray:
    """Return the energy before each of some Splitting steps, and after the last."""
    stepper = km.Splitting()
    carry, found = stepper.init(model, 0.0, x), [km.energy(model, x)]
    for number in range(steps):
        x, _, carry = stepper.step(model, number * dt, x, dt, carry)
        found.append(km.energy(model, x))
    return np.array(found)


@LAW
@given(testing.symmetric_models(), testing.seeds())
def test_no_certified_model_gains_energy_at_its_certified_step(model, seed):
    certificate = km.certify(model)
    found = energies(model, random_state(model, seed), min(certificate.max_step, 1e3))
    rises, sizes = np.diff(found), np.abs(found[:-1])
    assert (rises <= 1e-12 * np.maximum(1.0, sizes)).all()
    # Weak models have energies far below 1. There the largest force on an oscillator is the unit:
    # |E| alone may be 0 by cancellation, and then any rounding is a rise.
    assert (rises <= 1e-12 * np.maximum(2 / certificate.max_step, sizes)).all()


@QUICK
@given(testing.symmetric_models(), testing.seeds())
def test_assert_descends_holds_for_certified_models(model, seed):
    assert_descends(model)
    assert_descends(model, random_state(model, seed), steps=5)
    assert_descends(model, random_state(model, seed, batch=(3,)), steps=5)


def test_three_times_the_bound_is_too_much():
    rises, tested = 0, 0
    for model, seed in drawn(200):
        step = km.certify(model).max_step
        if np.isfinite(step):
            tested += 1
            rises += largest_rise(model, random_state(model, seed), dt=3 * step) > 1e-12
    assert tested > 180
    assert rises > 0.5 * tested


def test_the_bound_is_within_a_factor_of_what_it_could_be():
    # Already at one and a half times the bound some models rise: it is no careless bound.
    rises = [
        largest_rise(model, random_state(model, seed), dt=1.5 * km.certify(model).max_step)
        for model, seed in drawn(120)
        if np.isfinite(km.certify(model).max_step)
    ]
    assert sum(rise > 1e-12 for rise in rises) > 5


def turning() -> tuple[km.Kuramoto, np.ndarray]:
    """Return a certified model with Ω ≠ 0: a stimulus along the axis that Ω leaves alone."""
    model = km.Kuramoto(km.MeanField(0.5), km.Rotation([20.0]), np.array([0.0, 0.0, 1.0]))
    return model, km.sphere.random_points((6, 3), seed=0)


def test_the_papers_step_gains_energy_where_splitting_does_not():
    model, x0 = turning()
    certificate = km.certify(model)
    assert certificate.monotone
    step = certificate.max_step
    assert largest_rise(model, x0, dt=step, steps=200, stepper=km.Splitting()) <= 1e-12
    assert largest_rise(model, x0, dt=step, steps=200, stepper=km.ProjectedEuler()) > 1e-3
    assert_descends(model, x0)
    with pytest.raises(AssertionError, match="the energy rose by"):
        assert_descends(model, x0, stepper=km.ProjectedEuler())


@QUICK
@given(testing.symmetric_models(), testing.seeds())
def test_without_frequencies_the_papers_step_descends_as_well(model, seed):
    model = km.Kuramoto(model.coupling, None, model.stimulus)
    assert_descends(model, random_state(model, seed), stepper=km.ProjectedEuler())


# Checkers fail on what they should fail on.


def test_assert_descends_refuses_models_without_a_certificate():
    model = random_model("dense", 5, 3, 0, symmetric=False)
    with pytest.raises(AssertionError, match=r"no step to test at: .*J ≠ Jᵀ"):
        assert_descends(model)


def test_assert_descends_fails_for_asymmetric_couplings():
    # Each chases the next and flees from the one before it; only the first two also attract.
    chase = km.Kuramoto(km.Dense([[0.0, 2.1, -2.0], [-1.9, 0.0, 2.0], [2.0, -2.0, 0.0]]))
    x0 = km.phase.from_phases([0.0, 1.0, 3.0])
    with pytest.raises(AssertionError, match="the energy rose by"):
        assert_descends(chase, x0, dt=0.01, steps=1000)


def test_assert_descends_fails_beyond_the_certified_step():
    model = km.Kuramoto(km.MeanField(-4.0))
    x0 = km.sphere.random_points((6, 3), seed=0)
    step = km.certify(model).max_step
    assert step == pytest.approx(2 / (4 + 4))
    assert_descends(model, x0, dt=step, steps=100)
    with pytest.raises(AssertionError, match=r"the energy rose by .* in a step of 0\.75"):
        assert_descends(model, x0, dt=3 * step, steps=100)


def test_assert_descends_fails_for_a_single_small_rise():
    model, x0 = turning()
    run = km.solve(model, x0, t1=1.0, dt=0.1, save=km.SaveAt(every=1))
    assert km.check_descent(model, run.states) < 0
    swapped = run.states[[0, 1, 3, 2, 4]]
    assert km.check_descent(model, swapped) > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", [-1, 1])
def test_assert_on_sphere_measures_in_units_of_the_last_place(dtype, side):
    eps = np.finfo(dtype).eps
    x = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=dtype)
    assert_on_sphere(x)
    near, far = x.copy(), x.copy()
    near[1, 1] += side * 3 * eps
    far[1, 1] += side * 6 * eps
    assert_on_sphere(near)
    with pytest.raises(AssertionError, match="more than 4 ulp"):
        assert_on_sphere(far)
    assert_on_sphere(far, ulp=8)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -0.5])
def test_assert_on_sphere_fails_for_what_is_no_unit_vector(value):
    x = np.array([[1.0, 0.0], [value, 0.0]])
    with pytest.raises(AssertionError, match="max"):
        assert_on_sphere(x)


def test_assert_on_sphere_takes_no_vectors_for_good():
    assert_on_sphere(np.zeros((0, 3)))


@QUICK
@given(testing.models(kinds=("dense", "sparse", "mean_field", "lattice", "sum")), testing.seeds())
def test_scalar_couplings_are_rotation_equivariant(model, seed):
    alone = km.Kuramoto(model.coupling)
    assert_rotation_equivariant(alone, random_state(model, seed), seed=seed)


STEPPERS = [
    km.ProjectedEuler(),
    km.Splitting(),
    km.GeodesicEuler(),
    km.RungeKutta4(),
    km.DormandPrince(),
]


@pytest.mark.parametrize("stepper", STEPPERS, ids=lambda stepper: type(stepper).__name__)
def test_every_stepper_is_rotation_equivariant(stepper):
    model = km.Kuramoto(km.Dense(np.random.default_rng(0).standard_normal((5, 5))))
    assert_rotation_equivariant(model, km.sphere.random_points((5, 4), seed=0), stepper=stepper)


BREAKING = {
    "blocks": km.Kuramoto(km.Dense(np.random.default_rng(0).standard_normal((5, 5, 4, 4)))),
    "frequencies": km.Kuramoto(km.MeanField(1.0), km.Rotation([1.0, 0.0])),
    "stimulus": km.Kuramoto(km.MeanField(1.0), None, np.array([1.0, 0.0, 0.0, 0.0])),
}


@pytest.mark.parametrize("model", BREAKING.values(), ids=list(BREAKING))
def test_assert_rotation_equivariant_fails_where_a_direction_is_preferred(model):
    x0 = km.sphere.random_points((5, 4), seed=0)
    with pytest.raises(AssertionError, match="fails to commute with a rotation by"):
        assert_rotation_equivariant(model, x0)


class Lopsided(km.ProjectedEuler):
    """A step that forgets its last coordinate."""

    def step(self, model, t, x, dt, carry):
        new, error, carry = super().step(model, t, x, dt, carry)
        return km.Step(km.sphere.normalize(new * np.array([1.0, 1.0, 1.0, 0.9])), error, carry)


def test_assert_rotation_equivariant_tests_the_stepper_too():
    x0 = km.sphere.random_points((5, 4), seed=0)
    model = km.Kuramoto(km.MeanField(1.0))
    assert_rotation_equivariant(model, x0)
    with pytest.raises(AssertionError, match="fails to commute"):
        assert_rotation_equivariant(model, x0, stepper=Lopsided())


# Certificates say what fails, and by how much.


def test_every_failing_condition_is_named_with_its_size():
    J = np.array([[0.0, 1.0], [1.25, 0.0]])
    omega = km.Rotation(np.array([[0.0], [3.0]]))
    model = km.Kuramoto(km.Dense(J), omega, np.array([[0.0, 0.0], [2.0, 0.0]]), noise=0.125)
    certificate = km.certify(model)
    assert not certificate.monotone
    assert not certificate
    assert certificate.max_step == 0
    told = dict(zip(("J", "commutator", "stimulus", "noise"), certificate.reasons, strict=True))
    assert "J ≠ Jᵀ" in told["J"]
    assert "0.25" in told["J"]
    assert "[J, Ω] ≠ 0" in told["commutator"]
    assert f"{1.25 * 3 * np.sqrt(2):.3g}" in told["commutator"]  # a Frobenius norm
    assert "Ωc ≠ 0" in told["stimulus"]
    assert "6" in told["stimulus"]
    assert "0.125" in told["noise"]


@pytest.mark.parametrize("repaired", ["J", "commutator", "stimulus", "noise"])
def test_mending_one_condition_leaves_the_other_reasons(repaired):
    J = (
        np.array([[0.0, 1.0], [1.0, 0.0]])
        if repaired == "J"
        else np.array([[0.0, 1.0], [1.25, 0.0]])
    )
    rates = np.ones((2, 1)) if repaired == "commutator" else np.array([[0.0], [3.0]])
    stimulus = np.zeros((2, 2)) if repaired == "stimulus" else np.array([[2.0, 0.0], [2.0, 0.0]])
    model = km.Kuramoto(
        km.Dense(J), km.Rotation(rates), stimulus, 0.0 if repaired == "noise" else 0.125
    )
    signs = {"J": "J ≠ Jᵀ", "commutator": "[J, Ω] ≠ 0", "stimulus": "Ωc ≠ 0", "noise": "noise"}
    told = " ".join(km.certify(model).reasons)
    for condition, sign in signs.items():
        assert (sign in told) == (condition != repaired)
