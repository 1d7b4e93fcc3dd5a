"""The demonstration: what it claims of its two runs, and that it never destroys a file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import kuramoto as km
from kuramoto import demo, plotting, storage

TINY = demo.Fish(side=24, steps=8, kernel=5)


def tiny(folder: Path, *, force: bool = False) -> tuple[list[Path], str]:
    lines: list[str] = []
    files = demo.make(folder, TINY, force=force, progress=False, echo=lines.append)
    return files, "\n".join(lines)


def stepped(model: km.Kuramoto, stepper: object, dt: float, steps: int = 64) -> km.Solution:
    save = km.SaveAt(every=1, start=True)
    x0 = demo.Fish().start()
    return km.solve(model, x0, t1=steps * dt, dt=dt, stepper=stepper, save=save)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], str]:
    """Make the demonstration once, in a folder that is not there yet."""
    return tiny(tmp_path_factory.mktemp("demo") / "new" / "folder")


def test_it_writes_three_files_and_nothing_else(made: tuple[list[Path], str]) -> None:
    files, _ = made
    assert [path.name for path in files] == ["fish.h5", "fish.png", "fish.gif"]
    assert sorted(files) == sorted(files[0].parent.iterdir())
    with Image.open(files[1]) as picture, Image.open(files[2]) as movie:
        assert (picture.format, movie.format) == ("PNG", "GIF")
        assert movie.n_frames == TINY.steps + 1


def test_the_bundle_holds_both_runs_with_every_energy(made: tuple[list[Path], str]) -> None:
    files, _ = made
    for name in ("gaussian", "random"):
        with storage.open_run(files[0], name) as run:
            assert run.names == ["gaussian", "random"]
            assert run.states.shape == (TINY.steps + 1, 24, 24, 4)
            assert run.states.dtype == np.float64
            model, states = run.model(), run.states[()]
            energies = [km.energy(model, x) for x in states]
            assert np.allclose(run.observed["energy"], energies, rtol=1e-12)


def test_it_says_what_it_found_in_words(made: tuple[list[Path], str]) -> None:
    _, text = made
    assert str(km.certify(TINY.gaussian())) in text
    assert str(km.certify(TINY.random())) in text
    assert "The energy fell from" in text
    assert "Mean speed in the second half" in text


def test_the_certified_run_never_rises() -> None:
    """Law: at the certified step, over the energies of the demonstration's own size."""
    model = demo.Fish().gaussian()
    certificate = km.certify(model)
    assert certificate.monotone
    run = stepped(model, km.Splitting(), certificate.max_step)
    assert km.check_descent(model, run.states) <= 1e-12
    water = run.final[~demo.Fish().inside]
    assert water.mean(axis=0) @ np.full(4, 0.5) > 0.99


def test_the_energy_check_can_fail() -> None:
    model = demo.Fish().random()
    run = stepped(model, km.ProjectedEuler(), 0.5)
    promise = km.Certificate(True, (), 0.5)
    observed = {"energy": np.array([float(model.energy(x)) for x in run.states])}
    run = km.Solution(run.times, run.states, observed, run.final, run.status, run.statistics)
    assert "The energy ROSE" in demo._descent(model, run, promise)


def test_waves_run_inside_and_the_water_stands_still() -> None:
    model = demo.Fish().random()
    assert not km.certify(model)
    run = stepped(model, km.ProjectedEuler(), 0.5)
    inside, outside = demo.speeds(demo.Fish(), run.states)
    assert inside >= 10 * outside
    assert inside > 0.1


@pytest.mark.parametrize("name", ["fish.h5", "fish.png", "fish.gif"])
def test_it_refuses_to_overwrite_any_of_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    lines: list[str] = []
    with pytest.raises(FileExistsError, match=rf"{name} exists already; pass --force") as caught:
        demo.run(tmp_path, progress=False, echo=lines.append)
    assert "\n" not in str(caught.value)
    assert not lines  # nothing was computed
    assert (tmp_path / name).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_force_overwrites(tmp_path: Path) -> None:
    (tmp_path / "fish.h5").write_text("old")
    files, _ = tiny(tmp_path, force=True)
    assert h5py.is_hdf5(files[0])


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(NotADirectoryError, match="taken is a file; choose another with --out"):
        tiny(tmp_path / "taken")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(plotting, "write_animation", fail)
    with pytest.raises(error):
        tiny(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "kept").mkdir()
    with pytest.raises(error):
        tiny(tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.slow
def test_the_real_one(tmp_path: Path) -> None:
    files = demo.run(tmp_path, progress=False, echo=lambda line: None)
    with Image.open(files[2]) as movie:
        assert movie.n_frames == 65
    assert files[2].stat().st_size < 5e6
