"""The bundled networks: true to their source, balanced, able to lock; the fish looks like one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from scipy.ndimage import label

import kuramoto as km
from kuramoto import datasets, graphs

REPOSITORY = Path(__file__).resolve().parents[1]
BUNDLED = Path(datasets.__file__).with_name("_data")
SHARED = REPOSITORY.parent / "shared" / "data"


def shared(name: str) -> Path:
    """Return a file of the project's data folder, or skip where it is not there."""
    file = SHARED / name
    if not file.is_file():
        pytest.skip(f"no ../shared/data/{name} beside the repository to compare with")
    return file


def grid_file(**changes):
    """Return the arrays of a sound grid of three buses and two lines, with some replaced."""
    arrays = {
        "bus_id": np.array([10, 20, 30]),
        "p_load": np.array([0.0, 1.0, 2.0]),
        "p_gen_min": np.zeros(3),
        "p_gen_max": np.array([4.0, 2.0, 0.0]),
        "edge_from": np.array([0, 2, 1]),
        "edge_to": np.array([1, 1, 2]),
        "x": np.array([0.5, -0.25, 0.5]),
        "tap": np.array([1.0, 1.0, 2.0]),
    }
    return {name: value for name, value in {**arrays, **changes}.items() if value is not None}


def locked_phases(grid):
    """Solve ω_i + Σ_j K_ij sin(θ_j - θ_i) = 0 from θ = 0, with bus 0 as the reference."""
    M = grid.omega.size
    weights = grid.weights.toarray()

    def flow(theta):
        return grid.omega + (weights * np.sin(theta - theta[:, None])).sum(axis=1)

    def jacobian(theta):
        slope = weights * np.cos(theta - theta[:, None])
        return slope - np.diag(slope.sum(axis=1))

    def pinned(free):
        return np.concatenate([[0.0], free])

    found = scipy.optimize.root(
        lambda free: flow(pinned(free))[1:],
        np.zeros(M - 1),
        jac=lambda free: jacobian(pinned(free))[1:, 1:],
        tol=1e-13,
    )
    theta = pinned(found.x)
    return theta, flow(theta), jacobian(theta)


def assert_locks(grid):
    theta, residual, jacobian = locked_phases(grid)
    assert np.abs(residual).max() < 1e-9  # bus 0 too, whose equation was not solved
    across = theta[grid.edges[:, 0]] - theta[grid.edges[:, 1]]
    assert np.abs(across).max() < np.pi / 2
    assert np.linalg.eigvalsh(jacobian)[-2] < -1e-6  # stable but for the common phase


# Analytic: the power grid.


def test_grid_weights_omega_and_edges_of_a_grid_done_by_hand(tmp_path):
    np.savez(tmp_path / "grid.npz", **grid_file())
    grid = km.datasets.power_grid(tmp_path / "grid.npz")
    # Lines 1-2 twice: 1 / (0.25 * 1) + 1 / (0.5 * 2); load 3 of 6 possible: fraction 1/2.
    np.testing.assert_array_equal(grid.weights.toarray(), [[0, 2, 0], [2, 0, 5], [0, 5, 0]])
    np.testing.assert_array_equal(grid.omega, [2.0, 0.0, -2.0])
    np.testing.assert_array_equal(grid.edges, [[0, 1], [1, 2]])
    np.testing.assert_array_equal(grid.bus_id, [10, 20, 30])


def test_ieee118_is_symmetric_balanced_and_connected():
    grid = datasets.ieee118()
    assert isinstance(grid.weights, scipy.sparse.csr_array)
    assert grid.weights.dtype == grid.omega.dtype == np.float64
    assert grid.weights.shape == (118, 118)
    assert abs(grid.weights - grid.weights.T).max() == 0
    assert abs(math.fsum(grid.omega)) < 1e-13
    assert scipy.sparse.csgraph.connected_components(grid.weights)[0] == 1
    # 186 lines, 7 of them parallel to another: 179 joined pairs.
    assert grid.edges.shape == (179, 2)
    upper = scipy.sparse.triu(grid.weights, format="csr")
    np.testing.assert_array_equal(grid.edges, np.stack(upper.nonzero(), axis=1))


def test_ieee118_has_a_stable_phase_locked_state():
    assert_locks(datasets.ieee118())


@pytest.mark.parametrize(("case", "M"), [("39_epri", 39), ("118_ieee", 118), ("300_ieee", 300)])
def test_every_grid_of_the_collection_locks(case, M):
    grid = datasets.power_grid(shared(f"power_grids/pglib_case{case}.npz"))
    assert grid.omega.shape == (M,)
    assert_locks(grid)


# Agreement: the bundled files and their source.


@pytest.mark.parametrize(
    ("ours", "source"),
    [
        ("ieee118.npz", "power_grids/pglib_case118_ieee.npz"),
        ("connectome68.npz", "connectomes/hcp_group_ctx.npz"),
    ],
)
def test_bundled_file_equals_its_source(ours, source):
    with np.load(shared(source)) as theirs, np.load(BUNDLED / ours, allow_pickle=False) as bundled:
        assert sorted(bundled.files) == sorted(theirs.files)
        for name in theirs.files:
            np.testing.assert_array_equal(bundled[name], theirs[name])
            assert bundled[name].dtype == theirs[name].dtype


def test_attribution_names_licences_and_owners():
    text = (BUNDLED / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for needed in (
        *("ieee118.npz", "Richard D. Christie", "creativecommons.org/licenses/by/4.0", "Changes"),
        *("connectome68.npz", "Copyright (c) 2020, saratheriver", "WU-Minn Consortium"),
    ):
        assert needed in text


def test_connectome_is_two_symmetric_matrices_with_labels():
    brain = datasets.connectome()
    for matrix in (brain.structural, brain.functional):
        assert matrix.shape == (68, 68)
        assert matrix.dtype == np.float64
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_array_equal(np.diag(matrix), 0)
        assert matrix.min() >= 0
    assert brain.labels.shape == (68,)
    left, right = brain.labels[:34], brain.labels[34:]
    assert [name[2:] for name in left] == [name[2:] for name in right]
    assert {name[:2] for name in left} == {"L_"}
    # Wiring and activity go together, and each area mirrors its partner across the hemispheres.
    pairs = np.triu_indices(68, 1)
    wired = brain.structural[pairs] > 0
    assert brain.functional[pairs][wired].mean() > 1.3 * brain.functional[pairs][~wired].mean()
    across = np.diag(brain.functional[:34, 34:])
    assert across.mean() > 1.5 * brain.functional[pairs].mean()


def test_every_call_returns_fresh_arrays_and_frozen_fields():
    first = datasets.connectome()
    first.structural[:] = -1
    assert datasets.connectome().structural.min() == 0
    with pytest.raises(AttributeError):
        first.labels = None


# Laws: layout and fish.


def test_layout_puts_neighbours_close_and_is_the_same_each_time():
    grid = datasets.ieee118()
    places = grid.positions()
    assert places.shape == (118, 2)
    np.testing.assert_array_equal(places, grid.positions())
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-12)
    assert np.abs(places).max() <= 1 + 1e-12
    distance = np.linalg.norm(places[:, None] - places, axis=-1)
    joined = distance[grid.edges[:, 0], grid.edges[:, 1]]
    assert joined.mean() < 0.25 * distance[np.triu_indices(118, 1)].mean()
    assert np.min(distance + np.eye(118)) > 1e-3  # no two buses on top of each other


def test_layout_of_a_ring_is_a_circle():
    radius = np.linalg.norm(datasets.layout(graphs.ring(24)), axis=1)
    assert np.ptp(radius) < 0.02 * radius.mean()


@pytest.mark.parametrize("M", [1, 2, 3])
def test_layout_of_tiny_and_scattered_graphs_is_finite(M):
    for weights in (graphs.complete(M), graphs.from_edges(M, [], [])):
        assert datasets.layout(weights).shape == (M, 2)
        assert np.isfinite(datasets.layout(weights)).all()


@pytest.mark.parametrize("size", [16, 32, 64, 101, 256])
def test_fish_is_one_fish_of_the_right_size_in_the_middle(size):
    inside = datasets.fish(size)
    assert inside.dtype == bool
    assert inside.shape == (size, size)
    assert 0.30 < inside.mean() < 0.40
    assert label(inside, structure=np.ones((3, 3)))[1] == 1  # one piece
    assert label(~inside)[1] == 1  # and no holes
    for axis in (0, 1):
        filled = np.flatnonzero(inside.any(axis=axis))
        assert abs(filled[0] + filled[-1] - (size - 1)) <= 0.05 * size
    assert not inside[[0, -1]].any()
    assert not inside[:, [0, -1]].any()


def test_fish_looks_to_the_left_and_has_fins():
    inside = datasets.fish(200)
    height = inside.sum(axis=0)
    root = 110 + np.argmin(height[110:170])  # the narrow root of the tail
    assert 130 < root < 155
    assert height[root] < 0.35 * height.max()
    assert height[root:].max() > 1.5 * height[root]  # the tail fin widens behind it
    assert np.argmax(height) < 120  # the body with its fins is highest well before the tail
    rear = inside[:, 185]
    assert label(rear)[1] == 2  # the tail is forked
    back = np.argmax(inside, axis=0)[20:140]
    assert 20 + np.argmin(back) in range(70, 110)  # the dorsal fin tops the middle of the back


def test_fish_is_the_same_shape_at_every_size():
    large = datasets.fish(256)
    shrunk = large.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    assert np.abs(shrunk - datasets.fish(64)).mean() < 0.02
    # In a wide picture it grows until it fills the height, in a tall one nothing changes.
    np.testing.assert_array_equal(datasets.fish(96, 64)[16:80], datasets.fish(64))
    wide = datasets.fish(64, 128)
    assert wide.any(axis=1).sum() > 1.3 * datasets.fish(64).any(axis=1).sum()


# Bad input.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tap": None, "x": None}, "it lacks x, tap in 'grid.npz'"),
        ({"x": np.ones(2)}, "holds `x` of shape (2,)"),
        ({"p_load": np.ones((3, 1))}, "holds `p_load` of shape (3, 1)"),
        ({"p_load": np.array([0, np.nan, 1])}, "it has others in `p_load`"),
        ({"bus_id": np.array(["a", "b", "c"])}, "it has others in `bus_id`"),
        ({"edge_to": np.array([1, 3, 2])}, "from 0 to 2 in `edge_to`, but holds 3 for line 1"),
        ({"edge_from": np.array([0.5, 1, 2])}, "in `edge_from`, but holds 0.5 for line 0"),
        ({"x": np.array([1.0, 0.0, 1.0])}, "but holds 0 for line 1"),
        ({"tap": np.array([1.0, 1.0, -2.0])}, "but holds -2 for line 2"),
        ({"p_load": np.array([9.0, 0, 0])}, "but holds a load of 9 for 0 to 6 of generation"),
        ({"p_gen_max": np.zeros(3)}, "must hold a load that the generators can meet"),
    ],
)
def test_bad_grid_files_are_explained(tmp_path, changes, words):
    np.savez(tmp_path / "grid.npz", **grid_file(**changes))
    with pytest.raises(ValueError, match=r"^Argument `path` must hold") as caught:
        datasets.power_grid(tmp_path / "grid.npz")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_broken_grid_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^Argument `path`.*grid\.npz"):
        datasets.power_grid(tmp_path / "grid.npz")
    whole = (BUNDLED / "ieee118.npz").read_bytes()
    (tmp_path / "grid.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"must be a whole \.npz file"):
        datasets.power_grid(tmp_path / "grid.npz")


@pytest.mark.parametrize(("arguments", "name"), [((4,), "height"), ((64, 2), "width")])
def test_fish_needs_room(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number of at least 8"):
        datasets.fish(*arguments)
    with pytest.raises(TypeError, match="`height` must be a whole number"):
        datasets.fish(64.0)
