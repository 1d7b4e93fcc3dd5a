"""Attention as a coupling: eq. 8-9 by explicit loops, torch's own, what it cannot promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import sphere

SEEDS = st.integers(0, 2**32 - 1)
SMALL = st.integers(1, 3)


def make(rng, heads=2, A=2, K=3, C=2, N=2, scale=1.0):
    return km.Attention(
        rng.standard_normal((heads, A, C, N, N)),
        rng.standard_normal((heads, A, C, N, N)),
        rng.standard_normal((heads, K, C, N, N)),
        rng.standard_normal((heads, C, K, N, N)),
        scale=scale,
    )


def by_loops(coupling, x):
    """Eq. 8-9 as they are written, for x of shape (tokens, C, N)."""
    query, key, value, output = coupling.query, coupling.key, coupling.value, coupling.output
    heads, A, C = query.shape[:3]
    tokens, out = len(x), np.zeros_like(x)
    for h in range(heads):
        scores = np.zeros((tokens, tokens))
        for l in range(tokens):  # noqa: E741
            for m in range(tokens):
                for a in range(A):
                    left = sum(query[h, a, i] @ x[l, i] for i in range(C))
                    right = sum(key[h, a, i] @ x[m, i] for i in range(C))
                    scores[l, m] += coupling.scale * (left @ right)
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        for l, m in np.ndindex(tokens, tokens):  # noqa: E741
            for i, j, k in np.ndindex(C, C, value.shape[1]):
                out[l, i] += output[h, i, k] @ (weights[l, m] * value[h, k, j] @ x[m, j])
    return out


# Agreement.


@given(SMALL, SMALL, SMALL, SMALL, SMALL, SEEDS)
@settings(max_examples=25)
def test_attention_is_equations_8_and_9(heads, A, K, C, N, seed):
    rng = np.random.default_rng(seed)
    coupling = make(rng, heads, A, K, C, N, scale=rng.uniform(0.1, 1.0))
    x = sphere.random_points((2, 4, C, N), seed=rng)
    result = coupling(x)
    for one, state in zip(result, x, strict=True):
        expected = by_loops(coupling, state)
        np.testing.assert_allclose(one, expected, atol=1e-13 * (1 + np.abs(expected).max()), rtol=0)
    assert coupling.site_ndim == 2
    assert coupling.block_size == N


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_torch_attends_the_same(scale):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    heads, A, K, C, N, tokens = 2, 3, 4, 2, 3, 5
    coupling = make(rng, heads, A, K, C, N, scale=scale)
    x = sphere.random_points((2, tokens, C, N), seed=rng)

    def matrix(blocks):
        """Return (heads, rows, columns, N, N) as (heads, rows·N, columns·N), by np.block."""
        return np.stack([np.block([list(row) for row in head]) for head in blocks])

    flat = torch.tensor(x).reshape(2, 1, tokens, C * N)
    query, key, value, output = (
        torch.tensor(matrix(w))
        for w in (coupling.query, coupling.key, coupling.value, coupling.output)
    )
    mixed = torch.nn.functional.scaled_dot_product_attention(
        flat @ query.mT, flat @ key.mT, flat @ value.mT, scale=scale
    )
    expected = (mixed @ output.mT).sum(dim=1).reshape(2, tokens, C, N)
    np.testing.assert_allclose(coupling(x), expected.numpy(), atol=1e-12, rtol=0)


# Analytic.


def test_one_token_attends_to_itself_alone():
    rng = np.random.default_rng(1)
    coupling, x = make(rng), sphere.random_points((1, 2, 2), seed=rng)
    expected = np.einsum("hikab,hkjbc,ljc->lia", coupling.output, coupling.value, x)
    np.testing.assert_allclose(coupling(x), expected, atol=1e-13, rtol=0)


def test_without_scores_every_token_counts_the_same():
    rng = np.random.default_rng(2)
    coupling, x = make(rng, scale=0.0), sphere.random_points((6, 2, 2), seed=rng)
    mean = np.broadcast_to(x.mean(axis=0), x.shape)
    np.testing.assert_allclose(coupling(x), coupling(mean), atol=1e-13, rtol=0)


def test_large_scores_do_not_overflow():
    rng = np.random.default_rng(3)
    coupling, x = make(rng, scale=1e6), sphere.random_points((6, 2, 2), seed=rng)
    assert np.isfinite(coupling(x)).all()


# Laws.


@given(SEEDS)
@settings(max_examples=20)
def test_tokens_may_be_permuted(seed):
    rng = np.random.default_rng(seed)
    coupling, x = make(rng), sphere.random_points((5, 2, 2), seed=rng)
    order = rng.permutation(5)
    np.testing.assert_allclose(coupling(x[order]), coupling(x)[order], atol=1e-12, rtol=0)


@given(SMALL, SMALL, SMALL, SEEDS)
@settings(max_examples=30)
def test_no_state_is_pulled_harder_than_the_row_bound(heads, C, N, seed):
    rng = np.random.default_rng(seed)
    coupling = make(rng, heads=heads, C=C, N=N)
    x = sphere.random_points((30, 4, C, N), seed=rng)
    pull = np.linalg.norm(coupling(x), axis=-1)
    assert coupling.row_bound().shape == (C,)
    assert np.all(pull <= coupling.row_bound() * (1 + 1e-13))


def test_the_row_bound_is_attained():
    unit = np.ones((1, 1, 1, 1, 1))
    coupling = km.Attention(unit, unit, 2 * unit, 3 * unit)
    np.testing.assert_allclose(coupling(np.ones((4, 1, 1))), 6.0, rtol=1e-13)
    np.testing.assert_allclose(coupling.row_bound(), [6.0], rtol=1e-13)


def test_there_is_no_certificate():
    coupling = make(np.random.default_rng(0))
    for form in (coupling, 0.5 * coupling, coupling + coupling):
        certificate = km.certify(km.Kuramoto(form))
        assert not certificate
        assert certificate.max_step == 0
        assert "depends on the state" in certificate.reasons[0]
    assert not coupling.symmetric
    assert coupling.lowest_eigenvalue_bound() == -np.inf


def test_parameters_rebuild():
    rng = np.random.default_rng(0)
    coupling, x = make(rng, scale=0.7), sphere.random_points((3, 2, 2), seed=rng)
    np.testing.assert_array_equal(km.Attention(**coupling.parameters())(x), coupling(x))


# Bad input.


def shapes(**changes):
    """Fitting weights for heads = 2, A = 3, K = 4, C = 2, N = 2, some of them replaced."""
    fitting = {
        "query": (2, 3, 2, 2, 2),
        "key": (2, 3, 2, 2, 2),
        "value": (2, 4, 2, 2, 2),
        "output": (2, 2, 4, 2, 2),
    }
    return {name: np.zeros(shape) for name, shape in {**fitting, **changes}.items()}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("key", (2, 4, 2, 2, 2)),
        ("key", (1, 3, 2, 2, 2)),
        ("value", (2, 4, 3, 2, 2)),
        ("output", (2, 2, 3, 2, 2)),
        ("output", (2, 4, 2, 2, 2)),
    ],
)
def test_weights_must_fit_one_another(name, shape):
    km.Attention(**shapes())
    listed = ", ".join(map(str, shape))
    with pytest.raises(ValueError, match=rf"`{name}` must have shape .* has shape \({listed}\)"):
        km.Attention(**shapes(**{name: shape}))


@pytest.mark.parametrize("shape", [(2, 2), (2, 3, 2, 2, 3), (0, 3, 2, 2, 2)])
@pytest.mark.parametrize("name", ["query", "key", "value", "output"])
def test_weights_are_square_blocks(name, shape):
    match = rf"`{name}` must have shape \(heads, rows, columns, N, N\)"
    with pytest.raises(ValueError, match=match):
        km.Attention(**shapes(**{name: shape}))


def test_weights_are_finite_numbers():
    weights = shapes()
    weights["value"][0, 0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="`value` must be finite, but holds NaN or infinity"):
        km.Attention(**weights)
    with pytest.raises(ValueError, match="`scale` must be a finite number, but is inf"):
        km.Attention(**shapes(), scale=np.inf)
    with pytest.raises(
        TypeError, match=r"`query` and `key` must share one dtype.*float64.*float32"
    ):
        km.Attention(**{**shapes(), "key": shapes()["key"].astype(np.float32)})


def test_states_must_fit_the_weights():
    coupling = km.Attention(**shapes())
    with pytest.raises(ValueError, match=r"\(\*batch, tokens, 2, 2\), but has shape \(5, 3, 2\)"):
        coupling(sphere.random_points((5, 3, 2), seed=0))
    with pytest.raises(ValueError, match=r"\(\*batch, sites, sites, 2\) for this Attention"):
        coupling(sphere.random_points((5, 2, 3), seed=0))
    with pytest.raises(ValueError, match="be linear to have one matrix"):
        coupling.to_dense((3, 2))
