"""Positions: rotations of RoPE and GTA against matrices written out, resizing, APE."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn import APE, GTA, RoPE  # noqa: E402
from kuramoto.nn.positions import _spread, pair_product, rotations  # noqa: E402


def by_matrices(v, matrices):
    """M @ pair for pairs (p, p + D/2), written with an einsum: v (B, T, heads, D)."""
    pairs = torch.stack(v.chunk(2, -1), -1)
    turned = torch.einsum("tpij,bthpj->bthpi", matrices, pairs)
    return torch.cat(turned.unbind(-1), -1)


# Analytic.


def test_rotation_angles():
    matrices = rotations((3, 4), 8).reshape(3, 4, 4, 2, 2)
    angle = torch.atan2(matrices[..., 1, 0], matrices[..., 0, 0])
    waves = [1.0, 10000 ** (-1 / 2)]
    for row in range(3):
        for column in range(4):
            expected = [row * waves[0], column * waves[0], row * waves[1], column * waves[1]]
            expected = [math.remainder(a, math.tau) for a in expected]
            torch.testing.assert_close(angle[row, column], torch.tensor(expected))
    product = matrices @ matrices.mT
    torch.testing.assert_close(product, torch.eye(2).expand_as(product))


def test_an_odd_number_of_pairs_is_cut_off():
    torch.testing.assert_close(rotations((3, 4), 6), rotations((3, 4), 8)[:, :3] * 1.0)


def test_scores_depend_on_differences_of_places():
    """What rotary positions are for: q_l · k_m is a function of l − m."""
    tables = RoPE(8).tables((1, 6), 1, torch.zeros(1))
    q, k = torch.randn(2, 1, 1, 1, 8).expand(2, 1, 6, 1, 8).unbind(0)
    q, k = pair_product(torch.stack([q, k], 2), tables.inputs).unbind(2)
    scores = torch.einsum("bthd,bshd->ts", q, k)
    for shift in range(-5, 6):
        diagonal = torch.diagonal(scores, shift)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=1e-5)
    assert tables.output is None


def test_gta_starts_as_rotations_that_undo_themselves():
    """Value tables rotate to the place, output tables back: M_o M_v = 1."""
    tables = GTA((3, 4), 8).tables((3, 4), 2, torch.zeros(1))
    v = torch.randn(5, 12, 2, 8)
    there = pair_product(v, tables.inputs[:, :, 2])
    torch.testing.assert_close(pair_product(there, tables.output), v)
    assert float((there - v).detach().abs().max()) > 0.5


# Agreement.


def test_diagonal_and_crossing_are_the_matrices():
    matrices, v = torch.randn(6, 5, 2, 2), torch.randn(3, 6, 4, 10)
    torch.testing.assert_close(pair_product(v, _spread(matrices, 4)), by_matrices(v, matrices))


def test_gradients():
    matrices = torch.randn(6, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    v = torch.randn(3, 6, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, m: pair_product(v, _spread(m, 2)), (v, matrices))


def test_every_table_has_its_part():
    gta = GTA((2, 3), 4)
    with torch.no_grad():
        for number, name in enumerate(("query", "key", "value", "output")):
            getattr(gta, name).fill_(float(number))
        tables = gta.tables((2, 3), 2, torch.zeros(1))
    assert tables.inputs.shape == (2, 6, 3, 2, 4)
    assert [float(tables.inputs[0, 0, part, 0, 0]) for part in range(3)] == [0, 1, 2]
    assert bool((tables.output == 3).all())


def test_symmetric_tables():
    gta = GTA((2, 3), 4, symmetric=True)
    assert {name for name, _ in gta.named_parameters()} == {"query", "value"}
    with torch.no_grad():
        for parameter in gta.parameters():
            parameter.normal_()
        tables = gta.tables((2, 3), 1, torch.zeros(1))
    assert torch.equal(tables.inputs[:, :, 0], tables.inputs[:, :, 1])
    g, v = torch.randn(2, 1, 6, 1, 4)
    forth = (g * pair_product(v, tables.inputs[:, :, 2])).sum()
    back = (pair_product(g, tables.output) * v).sum()
    torch.testing.assert_close(forth, back)


def test_resizing_is_bilinear_over_the_grid():
    gta = GTA((2, 2), 4)
    corners = torch.tensor([0.0, 1.0, 2.0, 3.0])  # row-major
    with torch.no_grad():
        gta.value.copy_(corners[:, None, None, None].expand_as(gta.value))
        diagonal = gta.tables((4, 4), 1, torch.zeros(1)).inputs[0, :, 2, 0, 0].reshape(4, 4)
    inside = torch.tensor([0.0, 0.25, 0.75, 1.0])  # half-pixel centres, edges repeated
    torch.testing.assert_close(diagonal, 2 * inside[:, None] + inside)


def test_ape_is_added_and_starts_with_sines():
    ape = APE(8, (3, 5))
    features = torch.randn(2, 8, 3, 5)
    torch.testing.assert_close(ape(features) - features, ape.embedding.expand(2, -1, -1, -1))
    column, row = torch.arange(5.0), torch.arange(3.0)
    torch.testing.assert_close(ape.embedding[0, 0, 1], torch.sin(column))
    torch.testing.assert_close(ape.embedding[0, 3, 1], torch.cos(column / 100))
    torch.testing.assert_close(ape.embedding[0, 4, :, 1], torch.sin(row))
    assert ape(torch.zeros(1, 8, 6, 10)).shape == (1, 8, 6, 10)


# Bad input.


def test_odd_heads_and_channels():
    for made in (lambda: RoPE(5), lambda: GTA((2, 2), 5)):
        with pytest.raises(ValueError, match="`head_dimension` must be even, but is 5"):
            made()
    with pytest.raises(ValueError, match="`channels` must be a multiple of 4 for APE, but is 6"):
        APE(6, (2, 2))
