"""Pictures: transitions, hysteresis, frequencies, spheres, networks, vortices, sweeps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from matplotlib.figure import Figure

import kuramoto as km
from kuramoto import ensembles, experiment, graphs, plotting, theory, waves


def axes(**style: object) -> object:
    return Figure().subplots(subplot_kw=style)


# --- transitions --------------------------------------------------------------------------------


def test_transition_shows_the_mean_over_seeds_and_the_theory() -> None:
    ax, K = axes(), np.array([0.0, 1.0, 2.0])
    order = np.array([[0.1, 0.3], [0.2, np.nan], [np.nan, np.nan]])
    points = plotting.draw_transition(ax, K, order, theory=lambda k: k / 4)
    assert np.allclose(points[0].get_xydata(), [[0.0, 0.2], [1.0, 0.2]])
    bars = points[2][0].get_segments()
    assert np.allclose([bar[1, 1] - bar[0, 1] for bar in bars], [0.2, 0.0])  # two deviations
    line = next(line for line in ax.lines if line.get_label() == "theory")
    assert np.allclose(line.get_ydata(), line.get_xdata() / 4)
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (0.0, 2.0)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["theory", "simulation"]


def test_a_theory_may_be_a_curve() -> None:
    ax = axes()
    plotting.draw_transition(ax, [0.0, 1.0], [0.5, 0.5], theory=([0.0, 0.2], [1.0, 0.0]))
    assert np.array_equal(ax.lines[0].get_xydata(), [[0.0, 1.0], [0.2, 0.0]])


def test_hysteresis_shows_both_ways() -> None:
    ax, K = axes(), np.array([0.0, 1.0, 2.0])
    up, down = plotting.draw_hysteresis(ax, K, [0.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    assert np.array_equal(up.get_ydata(), [0.0, 0.0, 1.0])
    assert np.array_equal(down.get_ydata(), [0.0, 1.0, 1.0])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["up", "down"]


def test_frequencies_are_drawn_with_their_groups() -> None:
    natural = np.array([-1.0, 0.0, 1.0, 3.0])
    points = plotting.draw_frequencies(axes(), natural, [0.0, 0.0, 0.0, 3.0], [0, 0, 0, 1])
    assert np.array_equal(points.get_offsets()[:, 1], [0.0, 0.0, 0.0, 3.0])
    faces = points.get_facecolors()
    assert np.array_equal(faces[0], faces[2])
    assert not np.array_equal(faces[0], faces[3])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda ax: plotting.draw_transition(ax, [0.0, 1.0], [1.0]), r"`order` .*\(2,\)"),
        (lambda ax: plotting.draw_hysteresis(ax, [0.0, 1.0], [1.0], [1.0]), r"shape \(2,\)"),
        (lambda ax: plotting.draw_frequencies(ax, [0.0, 1.0], [1.0]), r"one shape \(M,\)"),
    ],
)
def test_curves_that_do_not_fit_are_refused(draw: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(axes())


# --- spheres and networks -----------------------------------------------------------------------


def test_the_far_side_of_a_sphere_is_pale_and_the_arrow_is_the_mean() -> None:
    ax = axes(projection="3d")
    x = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    points = plotting.draw_sphere(ax, x)
    ax.figure.draw_without_rendering()
    opacity = points.get_facecolors()[:, 3]  # from far to near
    assert opacity[0] < opacity[1] == opacity[2] == 1.0
    (arrow,) = (drawn for drawn in ax.collections if drawn is not points)
    assert np.allclose(arrow._segments3d[0], [x.mean(axis=0), [0, 0, 0]])


def test_no_point_is_seen_beyond_the_outline() -> None:
    ax = axes(projection="3d")
    plotting.draw_sphere(ax, np.eye(3))
    ax.figure.draw_without_rendering()

    def seen(points: np.ndarray) -> np.ndarray:
        x, y, _, w = ax.get_proj() @ np.column_stack([points, np.ones(len(points))]).T
        return np.hypot(x / w, y / w)

    outline = seen(np.array(ax.lines[0].get_data_3d()).T)
    assert np.ptp(outline) < 1e-9 * outline[0]
    assert seen(km.sphere.random_points((2000, 3), seed=0)).max() <= outline[0] * (1 + 1e-9)


def test_a_sphere_shows_paths() -> None:
    ax, path = axes(projection="3d"), km.sphere.random_points((7, 2, 3), seed=0)
    plotting.draw_sphere(ax, path[-1], path)
    drawn = [np.array(line.get_data_3d()).T for line in ax.lines]
    for number in range(2):
        assert any(np.array_equal(line, path[:, number]) for line in drawn)
    with pytest.raises(ValueError, match=r"`path` must have shape \(S, 3\) or \(S, M, 3\)"):
        plotting.draw_sphere(ax, path[-1], path[..., :2])
    with pytest.raises(ValueError, match=r"`x` must have shape \(\*sites, 3\)"):
        plotting.draw_sphere(ax, path[-1, :, :2])


RING = graphs.ring(6, strength=2.0)


@pytest.mark.parametrize(
    "weights", [RING, RING.toarray(), km.Sparse(RING), km.Dense(RING.toarray())]
)
def test_networks_of_every_kind_are_the_same_picture(weights: object) -> None:
    x = km.sphere.random_points((6, 2), seed=0)
    ax = axes()
    discs = plotting.draw_network(ax, weights, x)
    assert np.allclose(discs.get_facecolors()[:, :3], plotting.colors(x))
    assert np.allclose(discs.get_offsets(), plotting.network_positions(RING))
    lines = ax.collections[0].get_segments()
    assert len(lines) == 12  # each bond from both of its ends


def test_neighbours_lie_closer_than_others() -> None:
    at = plotting.network_positions(graphs.ring(12))
    apart = np.linalg.norm(at[:, None] - at, axis=-1)
    near = np.array([apart[i, (i + 1) % 12] for i in range(12)])
    assert near.max() < apart[0, 6] / 2


def test_a_ring_is_drawn_round_and_a_grid_flat() -> None:
    ring = plotting.network_positions(graphs.ring(60))
    radius = np.linalg.norm(ring - ring.mean(axis=0), axis=-1)
    assert radius.min() > 0.9 * radius.max()
    grid = plotting.network_positions(graphs.lattice((6, 9), periodic=False)).reshape(6, 9, 2)
    for bonds in (np.diff(grid, axis=0), np.diff(grid, axis=1)):
        ways = bonds / np.linalg.norm(bonds, axis=-1, keepdims=True)
        assert (ways @ ways[0, 0] > 0.9).all()


def test_stronger_couplings_are_darker() -> None:
    weights = scipy.sparse.csr_array(np.array([[0, 1.0, 0.1], [1.0, 0, 0], [0.1, 0, 0]]))
    ax = axes()
    plotting.draw_network(ax, weights, np.eye(3)[:, :2] + 1, positions=np.eye(3)[:, :2])
    shades = ax.collections[0].get_colors()[:, 3]
    assert len(shades) == 4
    assert shades[0] == shades[1] > shades[2] == shades[3]


@pytest.mark.parametrize(
    ("weights", "x", "positions", "message"),
    [
        (np.ones((3, 2)), np.ones((3, 2)), None, r"`weights` must have shape \(M, M\)"),
        (np.ones((3, 3)), np.ones((2, 2)), None, r"`x` must have shape \(3, N\)"),
        (np.ones((3, 3)), np.ones((3, 2)), np.ones((2, 2)), r"`positions` must .*\(3, 2\)"),
        (km.Dense(np.ones((3, 3, 2, 2))), np.ones((3, 2)), None, "`weights` must be numbers"),
    ],
)
def test_networks_that_do_not_fit_are_refused(
    weights: object, x: np.ndarray, positions: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plotting.draw_network(axes(), weights, x, positions)


# --- vortices -----------------------------------------------------------------------------------


def vortex_pair() -> np.ndarray:
    """Two opposite vortices far from each other on an open grid."""
    row, column = np.mgrid[:12, :24]
    angle = np.arctan2(row - 5.5, column - 5.5) - np.arctan2(row - 5.5, column - 17.5)
    return km.phase.from_phases(angle)


def test_vortices_are_marked_where_they_are() -> None:
    found = waves.defects(vortex_pair(), "open")
    plus, minus = plotting.draw_defects(axes(), found)
    assert np.array_equal(plus.get_offsets(), found.positions[found.charges > 0][:, ::-1])
    assert np.array_equal(minus.get_offsets(), found.positions[found.charges < 0][:, ::-1])
    assert len(plus.get_offsets()) == len(minus.get_offsets()) == 1


# --- the right picture for a run ----------------------------------------------------------------


def saved(path: Path, coupling: object, shape: tuple[int, ...]) -> Path:
    x0 = km.sphere.random_points(shape, seed=0)
    save = km.SaveAt(every=2, start=True)
    km.solve(km.Kuramoto(coupling), x0, t1=1.0, dt=0.1, save=save, out=path)
    return path


@pytest.mark.parametrize(
    ("coupling", "shape", "kind"),
    [
        (km.Lattice(np.ones((3, 3))), (12, 12, 2), "lattice"),
        (km.Lattice(np.ones(3)), (30, 3), "space-time"),
        (2.0 * km.Sparse(graphs.ring(20)), (20, 2), "network"),
        (km.MeanField(1.0), (20, 3), "sphere"),
        (km.MeanField(1.0), (20, 2), "space-time"),
        (km.Sparse(graphs.ring(500)), (500, 2), "space-time"),
    ],
)
def test_the_picture_follows_from_the_model(
    tmp_path: Path, coupling: object, shape: tuple[int, ...], kind: str
) -> None:
    path = saved(tmp_path / "run.h5", coupling, shape)
    with km.storage.open_run(path) as run:
        panel = plotting.panel.panel_of(run)
        assert panel.kind == kind
        figure = plotting.figure_run(run)
    three = [ax for ax in figure.axes if ax.name == "3d"]
    assert len(three) == (6 if kind == "sphere" else 0)
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert labels[-2:] == ["order parameter r", "energy"]
    assert labels.count("oscillator") == (kind in ("network", "space-time"))
    assert plotting.plot_run(path).is_file()


def test_the_energy_is_that_of_the_model(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.h5", km.MeanField(1.0), (20, 2))
    model = km.Kuramoto(km.MeanField(1.0))
    with km.storage.open_run(path) as run:
        drawn = plotting.figure_run(run).axes[-1].lines[0].get_ydata()
        assert np.allclose(drawn, [model.energy(x) for x in run.states[:]])


def test_phase_lattices_show_few_vortices_and_not_many(tmp_path: Path) -> None:
    model = km.Kuramoto(km.Lattice(np.ones((3, 3)), "zero"))
    for shape, marked in (((12, 24, 2), True), ((60, 60, 2), False)):
        x = vortex_pair() if marked else km.sphere.random_points(shape, seed=0)
        panel = plotting.Panel(np.zeros(1), x[None], model=model)
        ax = plotting.figure_panels([panel]).axes[0]
        assert (len(ax.collections) == 2) is marked


# --- sweeps -------------------------------------------------------------------------------------

TEXT = """
experiment: 1
model: {coupling: {type: mean_field, strength: 1.0}, frequency: {type: lorentzian, width: 0.5}}
state: {oscillators: 50, dimensions: 2}
solve: {t1: 2.0, dt: 0.1, save: {every: 5}, observe: [order_parameter, energy]}
"""


def swept(path: Path, grid: dict[str, list[float]], seeds: int = 2, text: str = TEXT) -> Path:
    trial = experiment.loads(text)
    ensembles.sweep(trial, grid, seeds=seeds, out=path, scheduler="synchronous", progress=False)
    return path


def test_a_sweep_over_the_strength_meets_its_theory(tmp_path: Path) -> None:
    path = swept(tmp_path / "sweep.h5", {"coupling.strength": [0.5, 1.0, 2.0, 4.0]})
    with ensembles.open_sweep(path) as sweep:
        figure = plotting.figure_sweep(sweep)
        values = sweep.observed["order_parameter"][..., 2:].mean(axis=(1, 2))
    order, energy = figure.axes
    assert [ax.get_ylabel() for ax in (order, energy)] == ["order parameter", "energy"]
    points = order.containers[0][0].get_xydata()
    assert np.allclose(points, np.column_stack([[0.5, 1.0, 2.0, 4.0], values]))
    line = next(line for line in order.lines if line.get_label() == "theory")
    known = theory.order_parameter(line.get_xdata(), km.frequencies.lorentzian(width=0.5))
    assert np.allclose(line.get_ydata(), known)
    assert "theory" not in [line.get_label() for line in energy.lines]
    assert plotting.plot_run(path) == path.with_suffix(".png")


def test_a_sweep_over_two_parameters_is_a_map(tmp_path: Path) -> None:
    grid = {"coupling.strength": [0.0, 1.0, 2.0], "frequency.width": [0.1, 0.5]}
    with ensembles.open_sweep(swept(tmp_path / "sweep.h5", grid)) as sweep:
        figure = plotting.figure_sweep(sweep)
        means = sweep.observed["order_parameter"][..., 2:].mean(axis=(2, 3))
    mesh = figure.axes[0].collections[0]
    assert np.allclose(mesh.get_array(), means.T)
    assert figure.axes[0].get_xlabel() == "coupling.strength"
    assert figure.axes[0].get_ylabel() == "frequency.width"


@pytest.mark.parametrize(
    ("change", "known"),
    [
        (("lorentzian", "normal"), True),
        (("frequency: {type: lorentzian, width: 0.5}", "noise: 0.5"), True),
        (("dimensions: 2", "dimensions: 4"), False),
        (("type: lorentzian, width: 0.5", "type: planes, omega: [1.0]"), False),
        (("type: mean_field", "type: graph, kind: complete"), False),
        (("width: 0.5}", "width: 0.5}, noise: 0.5"), False),
    ],
)
def test_a_theory_is_shown_only_where_it_holds(change: tuple[str, str], known: bool) -> None:
    axis = "coupling.strength"
    sweep = SimpleNamespace(experiment=TEXT.replace(*change), grid={axis: [0.0, 1.0]})
    found = plotting.sweeps.known_theory(sweep, axis)
    assert (found is not None) is known
    if found is not None:
        assert 0 <= found(np.array([3.0]))[0] <= 1


@pytest.mark.parametrize(
    ("axis", "fixed", "known"),
    [
        ("model.coupling.strength", {}, 0.5),
        ("coupling.strength", {"frequency.width": [0.1]}, 0.1),
        ("frequency.width", {"coupling.strength": [2.0]}, None),
        ("coupling.strength", {"state.dimensions": [3]}, None),
        ("coupling.strength", {"inertia.mass": [1.0]}, None),
        ("coupling.strength", {"frequency.type": ["planes"]}, None),
    ],
)
def test_a_theory_is_that_of_the_points_shown(axis: str, fixed: dict, known: float | None) -> None:
    sweep = SimpleNamespace(experiment=TEXT, grid={axis: [0.5, 1.0], **fixed})
    found = plotting.sweeps.known_theory(sweep, axis)
    assert (found is None) is (known is None)
    if known is not None:
        expected = theory.order_parameter(np.array([0.7, 3.0]), km.frequencies.lorentzian(0, known))
        assert np.allclose(found(np.array([0.7, 3.0])), expected)


def test_axes_in_any_order_are_drawn_in_theirs(tmp_path: Path) -> None:
    grid = {"coupling.strength": [2.0, 0.0, 1.0], "frequency.width": [0.5, 0.1]}
    with ensembles.open_sweep(swept(tmp_path / "sweep.h5", grid)) as sweep:
        mesh = plotting.figure_sweep(sweep).axes[0].collections[0]
        means = sweep.observed["order_parameter"][..., 2:].mean(axis=(2, 3))
    assert np.allclose(mesh.get_array(), means[[1, 2, 0]][:, [1, 0]].T)


def test_animations_have_captions_without_marks() -> None:
    model = km.Kuramoto(km.Lattice(np.ones((3, 3)), "zero"))
    lattice = plotting.Panel(np.zeros(1), vortex_pair()[None], model=model)
    points = km.sphere.random_points((1, 5, 3), seed=0)
    sphere = plotting.Panel(np.zeros(1), points, model=km.Kuramoto(km.MeanField(1.0)))
    for panel, mark in ((lattice, "circles: vortices"), (sphere, "arrow: mean")):
        assert mark in plotting.panel.caption_of([panel])
        assert mark not in plotting.panel.caption_of([panel], moving=True)


def test_a_picture_has_the_title_of_its_experiment(tmp_path: Path) -> None:
    text = TEXT.replace("model:", "title: Größe\nmodel:", 1)
    path = swept(tmp_path / "sweep.h5", {"coupling.strength": [1.0, 2.0]}, text=text)
    assert plotting.files._figure_of(path).get_suptitle() == "Größe"
    experiment.loads(text).solve(tmp_path / "run.h5")
    (part,) = plotting.files._figure_of(tmp_path / "run.h5").subfigs
    assert part.get_suptitle() == "Größe"
    untitled = saved(tmp_path / "untitled.h5", km.MeanField(1.0), (5, 2))
    assert plotting.files._figure_of(untitled).subfigs[0].get_suptitle() == "untitled.h5"


def test_a_sweep_with_nothing_finished_is_refused() -> None:
    sweep = SimpleNamespace(names=["seed"], observed={}, done=np.zeros(1, bool))
    with pytest.raises(ValueError, match="`sweep` must hold a scalar observable and a finished"):
        plotting.figure_sweep(sweep)
