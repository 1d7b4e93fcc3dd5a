"""Figures and animations: colours, the picture that fits a run, and files that are never lost."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import kuramoto as km
from kuramoto import plotting, storage


def axes() -> object:
    return Figure().subplots()


def solved(shape: tuple[int, ...], coupling: object, **settings: object) -> km.Solution:
    x0 = km.sphere.random_points(shape, seed=0)
    save = km.SaveAt(every=1, start=True)
    return km.solve(km.Kuramoto(coupling), x0, t1=1.0, dt=0.1, save=save, **settings)


@pytest.fixture
def lattice_run(tmp_path: Path) -> Path:
    solved((9, 12, 3), km.Lattice(np.ones((3, 3)) / 9), out=tmp_path / "square.h5")
    return tmp_path / "square.h5"


@pytest.fixture
def mean_field_run(tmp_path: Path) -> Path:
    observe = {"energy": lambda t, x: km.energy(km.Kuramoto(km.MeanField(1.0)), x)}
    solved((20, 2), km.MeanField(1.0), out=tmp_path / "field.h5", observe=observe)
    return tmp_path / "field.h5"


# --- colours ----------------------------------------------------------------------------------


@pytest.mark.parametrize("N", [1, 2, 3, 4, 7])
def test_colors_are_rgb(N: int) -> None:
    found = plotting.colors(km.sphere.random_points((6, 5, N), seed=0))
    assert found.shape == (6, 5, 3)
    assert 0 <= found.min() <= found.max() <= 1


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Go back from sRGB to OKLab, by inverting the published matrices."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    roots = np.cbrt(linear @ np.linalg.inv(plotting.palette._LMS_TO_RGB).T)
    return roots @ np.linalg.inv(plotting.palette._LAB_TO_ROOTS).T


def test_hue_turns_with_the_phase() -> None:
    theta = np.linspace(-np.pi, np.pi, 73)[1:]
    lab = oklab(plotting.colors(km.phase.from_phases(theta)))
    turn = np.angle(np.exp(1j * (np.arctan2(lab[:, 2], lab[:, 1]) - theta)))
    assert np.abs(turn).max() < 0.06  # the rest is where the gamut clips


def test_colors_close_the_circle_in_equal_steps() -> None:
    theta = np.linspace(-np.pi, np.pi, 73)
    lab = oklab(plotting.colors(km.phase.from_phases(theta)))
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert np.allclose(lab[0], lab[-1], atol=1e-12)
    assert steps.max() < 1.8 * steps.min()


def test_vectors_out_of_the_plane_are_dark_and_grey() -> None:
    plane = np.eye(3)[:2]
    inside, outside = plotting.colors(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), plane)
    assert np.ptp(outside) < 1e-6 < np.ptp(inside)
    assert outside.max() < inside.max()


def test_leading_plane_is_the_one_that_holds_the_states() -> None:
    plane = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 2)))[0]
    points = km.sphere.random_points((50, 2), seed=1) @ plane.T
    axes = plotting.leading_plane(points)
    assert np.allclose(axes @ axes.T, np.eye(2))
    assert np.allclose(axes.T @ axes, plane @ plane.T)
    assert np.allclose(axes, plotting.leading_plane(points[::-1].copy()))  # signs and all


def test_colors_takes_torch() -> None:
    torch = pytest.importorskip("torch")
    x = km.sphere.random_points((4, 3), seed=0)
    assert np.allclose(plotting.colors(torch.as_tensor(x)), plotting.colors(x))


def test_plane_of_the_wrong_shape_is_refused() -> None:
    message = r"Argument `plane` must have shape \(2, N\) = \(2, 3\), but has shape \(2, 2\)\."
    with pytest.raises(ValueError, match=message):
        plotting.colors(np.ones((1, 3)), np.eye(2))


# --- pictures ---------------------------------------------------------------------------------


def test_lattice_is_drawn_square_by_square() -> None:
    x = km.sphere.random_points((5, 8, 2), seed=0)
    image = plotting.draw_lattice(axes(), x)
    assert np.array_equal(image.get_array(), plotting.colors(x))
    with pytest.raises(ValueError, match=r"must have shape \(height, width, N\)"):
        plotting.draw_lattice(axes(), x[0])


def test_phases_lie_on_the_circle() -> None:
    x = km.sphere.random_points((30, 2), seed=0)
    assert np.allclose(plotting.draw_phases(axes(), x).get_offsets(), x)


def test_space_time_shows_the_nearest_saved_state() -> None:
    x = km.sphere.random_points((4, 6, 2), seed=0)
    times = np.array([0.0, 1.0, 2.0, 9.0])
    picture = plotting.space_time(axes(), times, x).get_array()
    columns = plotting.colors(x).swapaxes(0, 1)
    assert picture.shape == (6, 4, 3)
    assert np.array_equal(picture, columns[:, [0, 2, 3, 3]])  # at 0, 3, 6, 9
    with pytest.raises(ValueError, match=r"must have shape \(S, M, N\) with S = 3 times"):
        plotting.space_time(axes(), times[:3], x)


def images(figure: Figure) -> list[object]:
    return [image for ax in figure.axes for image in ax.images]


@pytest.mark.parametrize(
    ("shape", "coupling", "pictures"),
    [
        ((9, 12, 3), km.Lattice(np.ones((3, 3)) / 9), 6),
        ((4, 5, 6, 2), km.Lattice(np.ones((3, 3, 3)) / 27), 6),
        ((30, 2), km.Lattice(np.ones(3) / 3), 1),
        ((30, 4), km.MeanField(1.0), 1),
    ],
)
def test_the_picture_follows_from_the_shape(
    shape: tuple[int, ...], coupling: object, pictures: int
) -> None:
    figure = plotting.figure_run(solved(shape, coupling))
    assert len(images(figure)) == pictures
    assert figure.axes[-1].get_ylabel() == "order parameter r"
    assert figure.axes[-1].get_xlabel() == "time t"


def test_a_batch_shows_its_first_member() -> None:
    run = solved((3, 30, 2), km.MeanField(1.0), observe={"first": lambda t, x: x[:, 0, 0]})
    figure = plotting.figure_run(run, site_ndim=1)
    assert len(images(figure)) == 1
    (line,) = figure.axes[-1].lines
    assert np.array_equal(line.get_ydata(), run.states[:, 0, 0, 0])
    assert figure.get_supxlabel() == "colour: phase; first member of the batch"


def test_order_is_that_of_the_whole_lattice_not_of_the_slice_shown() -> None:
    run = solved((2, 4, 5, 6, 2), km.Lattice(np.ones((3, 3, 3)) / 27))
    figure = plotting.figure_run(run, site_ndim=3)
    whole = km.observables.order_parameter(run.states[:, 0], 3)
    assert np.allclose(figure.axes[-1].lines[0].get_ydata(), whole)
    assert "first member of the batch; middle slice" in figure.get_supxlabel()


def test_observables_are_curves_and_vectors_are_not() -> None:
    model = km.Kuramoto(km.MeanField(1.0))
    observe = {"energy": lambda t, x: km.energy(model, x), "mean": lambda t, x: x.mean(axis=0)}
    run = solved((20, 2), km.MeanField(1.0), observe=observe)
    figure = plotting.figure_run(run)
    assert [ax.get_ylabel() for ax in figure.axes] == ["oscillator", "energy"]
    assert np.array_equal(figure.axes[-1].lines[0].get_ydata(), run.observed["energy"])


def test_rises_are_marked() -> None:
    values = np.array([3.0, 2.0, 1.0, 2.0, 1.5])
    x = km.sphere.random_points((5, 4, 2), seed=0)
    panel = plotting.Panel(np.arange(5.0), x, {"energy": values}, mark_rises=True)
    rising = plotting.figure_panels([panel]).axes[-1].lines[1].get_ydata()
    assert np.array_equal(rising, [np.nan, np.nan, 1.0, 2.0, np.nan], equal_nan=True)


def test_a_run_without_states_is_refused() -> None:
    x0 = km.sphere.random_points((5, 2), seed=0)
    save = km.SaveAt(end=False)
    run = km.solve(km.Kuramoto(km.MeanField(1.0)), x0, t1=1.0, dt=0.1, save=save)
    with pytest.raises(ValueError, match=r"must hold saved states, .*SaveAt\(every=10\)"):
        plotting.figure_run(run)


# --- files ------------------------------------------------------------------------------------


def test_plot_run_writes_beside_the_run_and_never_over(lattice_run: Path) -> None:
    picture = plotting.plot_run(lattice_run)
    assert picture == lattice_run.with_suffix(".png")
    with Image.open(picture) as png:
        assert png.format == "PNG"
    before = picture.read_bytes()
    with pytest.raises(FileExistsError, match=r"square\.png exists already; .*--force"):
        plotting.plot_run(lattice_run)
    assert picture.read_bytes() == before
    assert plotting.plot_run(lattice_run, overwrite=True) == picture
    assert {path.name for path in lattice_run.parent.iterdir()} == {"square.h5", "square.png"}


def test_plot_run_follows_the_ending_of_out(mean_field_run: Path) -> None:
    out = plotting.plot_run(mean_field_run, mean_field_run.with_name("field.svg"))
    assert b"<svg" in out.read_bytes()
    with pytest.raises(ValueError, match=r"Argument `out` must end in .*\.png.*, but is '.*\.docx"):
        plotting.plot_run(mean_field_run, mean_field_run.with_name("field.docx"))


def test_animate_run_writes_a_frame_per_row(mean_field_run: Path) -> None:
    movie = plotting.animate_run(mean_field_run, progress=False)
    with Image.open(movie) as gif:
        assert (gif.format, gif.n_frames, gif.info["loop"]) == ("GIF", 11, 0)
        assert gif.convert("RGB").getpixel((2, gif.height // 2)) == (255, 255, 255)
    with pytest.raises(FileExistsError, match=r"field\.gif exists already"):
        plotting.animate_run(mean_field_run, progress=False)
    with pytest.raises(ValueError, match=r"must end in \.gif"):
        plotting.animate_run(mean_field_run, mean_field_run.with_name("field.mp4"))


def test_bundles_are_drawn_side_by_side(lattice_run: Path, mean_field_run: Path) -> None:
    both = lattice_run.with_name("both.h5")
    storage.bundle({"square": lattice_run, "field": mean_field_run}, both)
    movies = [plotting.animate_run(path, progress=False) for path in (lattice_run, both)]
    with Image.open(movies[0]) as single, Image.open(movies[1]) as double:
        assert double.width == 2 * single.width
    assert plotting.plot_run(both).is_file()


def test_a_failure_leaves_nothing(lattice_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plotting.movie._Movie, "frame", fail)
    with pytest.raises(KeyboardInterrupt):
        plotting.animate_run(lattice_run, progress=False)
    assert [path.name for path in lattice_run.parent.iterdir()] == ["square.h5"]


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.h5").write_text("no HDF5")
    with pytest.raises(ValueError, match="not an HDF5 file"):
        plotting.plot_run(tmp_path / "run.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


# --- good manners -----------------------------------------------------------------------------


def test_quantities_over_many_decades_get_a_logarithmic_axis() -> None:
    times, decay = np.arange(5.0), 10.0 ** -np.arange(0.0, 10.0, 2.0)
    for values, scale in ((decay, "log"), (decay - 1, "linear"), (decay + 1, "linear")):
        ax = axes()
        plotting.draw_curve(ax, times, values, "residual")
        assert ax.get_yscale() == scale


def test_pyplot_is_left_alone(lattice_run: Path) -> None:
    code = (
        "import sys, matplotlib\n"
        "matplotlib.use('svg'); before = dict(matplotlib.rcParams)\n"
        "from kuramoto import plotting\n"
        f"plotting.plot_run({str(lattice_run)!r}); "
        f"plotting.animate_run({str(lattice_run)!r}, progress=False)\n"
        "print('matplotlib.pyplot' in sys.modules, before == dict(matplotlib.rcParams))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.split() == ["False", "True"]


def test_without_matplotlib_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("kuramoto.plotting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "kuramoto-spheres\[plot\]"') as caught:
        importlib.import_module("kuramoto.plotting")
    assert "\n" not in str(caught.value)
