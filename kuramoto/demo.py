"""The demonstration behind ``kuramoto demo``: two kernels on one fish (the paper's Figs 1 and 10).

Oscillators on S³ fill a square. Outside a fish a stimulus holds them; inside they are free. With a
Gaussian kernel they are certified: the energy only falls, and order spreads. With a random kernel
they are not: the water stands still while waves run through the fish, and the energy swings.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kuramoto import datasets, sphere, storage
from kuramoto._outputs import require_free
from kuramoto.couplings import Lattice
from kuramoto.lyapunov import Certificate, certify, check_descent
from kuramoto.model import Kuramoto
from kuramoto.observables import standard
from kuramoto.solution import SaveAt, Solution
from kuramoto.solve import solve
from kuramoto.steppers import ProjectedEuler, Splitting, Stepper

if TYPE_CHECKING:
    from kuramoto.plotting import Panel

__all__ = ["Fish", "make", "run", "speeds"]

NAMES = ("fish.h5", "fish.png", "fish.gif")
# Rounding can lift an energy that stands still by this much of its size.
_ROUNDING = 1e-12
# Where water lies on the circle of hues (see kuramoto.plotting.colors): blue.
_WATER_HUE = np.deg2rad(250)


@dataclass(frozen=True)
class Fish:
    """The sizes of the demonstration.

    Attributes
    ----------
    side : int
        Oscillators along each edge of the square.
    steps : int
        Of each run; every one is saved and is a frame of the animation.
    kernel : int
        Width of both kernels, odd.
    """

    side: int = 64
    steps: int = 64
    kernel: int = 9

    @property
    def inside(self) -> np.ndarray:
        """The silhouette, shape (side, side)."""
        return np.asarray(datasets.fish(self.side))

    def gaussian(self) -> Kuramoto:
        """Return the model with a symmetric scalar kernel of sum 1."""
        offset = np.arange(self.kernel) - self.kernel // 2
        profile = np.exp(-(offset**2) / (2 * 2.0**2))
        kernel = np.outer(profile, profile)
        return self._model(kernel / kernel.sum())

    def random(self) -> Kuramoto:
        """Return the model with a kernel of random 4×4 blocks."""
        # The seed was picked for looks: broad waves along the whole body, and a large swing of the
        # energy. Most seeds give finer and slower stripes.
        normal = np.random.default_rng(906).standard_normal((self.kernel, self.kernel, 4, 4))
        return self._model(normal / np.sqrt(4 * self.kernel**2))

    def start(self) -> np.ndarray:
        """Return the disorder from which both begin, shape (side, side, 4)."""
        return np.asarray(sphere.random_points((self.side, self.side, 4), seed=0))

    def _model(self, kernel: np.ndarray) -> Kuramoto:
        stimulus = np.where(self.inside[..., None], 0.0, np.ones(4))
        return Kuramoto(Lattice(kernel), stimulus=stimulus)


def run(
    out_dir: str | Path,
    *,
    force: bool = False,
    progress: bool = True,
    echo: Callable[[str], object] = print,
) -> list[Path]:
    """Run the demonstration and write ``fish.h5``, ``fish.png`` and ``fish.gif``.

    Parameters
    ----------
    out_dir : path
        Folder for the three files; it is created if need be.
    force : bool, default False
        Overwrite files that exist.
    progress : bool, default True
        Show progress bars.
    echo : callable
        Takes each line of the report.

    Returns
    -------
    list of Path
        The three files.

    Raises
    ------
    FileExistsError
        If one of them exists and `force` is not given; nothing has been computed then.
    ImportError
        If matplotlib or Pillow is not installed; likewise.
    """
    return make(Path(out_dir), Fish(), force=force, progress=progress, echo=echo)


def make(
    folder: Path, fish: Fish, *, force: bool, progress: bool, echo: Callable[[str], object]
) -> list[Path]:
    """Run the demonstration at any size."""
    from kuramoto import plotting  # now, so that a missing matplotlib is known before the work

    targets = [folder / name for name in NAMES]
    _require_free(targets, force)
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Beside the targets, so that the finished files need only be renamed.
        with tempfile.TemporaryDirectory(prefix=".fish-", dir=folder) as name:
            parts = [Path(name) / part for part in NAMES]
            panels = _simulate(fish, Path(name), parts[0], progress, echo)
            echo("Drawing fish.png and fish.gif ...")
            figure = plotting.figure_panels(panels, title=_TITLE, caption=_CAPTION)
            figure.savefig(parts[1], format="png", dpi=130)
            plotting.write_animation(
                panels, parts[2], title=_TITLE, caption=_CAPTION, progress=progress
            )
            _require_free(targets, force)
            for part, target in zip(parts, targets, strict=True):
                os.replace(part, target)
    except BaseException:
        if created:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    return targets


def _require_free(targets: list[Path], force: bool) -> None:
    folder = targets[0].parent
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"Output folder {folder} is a file; choose another with --out.")
    for target in targets:
        if folder.exists():  # if not, it is going to be made
            require_free(target, overwrite=True)
        if target.exists() and not force:
            raise FileExistsError(
                f"Output {target} exists already; pass --force to overwrite it, or choose another "
                "folder with --out."
            )


# --- the two runs ---------------------------------------------------------------------------------


def _simulate(
    fish: Fish, folder: Path, out: Path, progress: bool, echo: Callable[[str], object]
) -> list[Panel]:
    """Run both models into one file, say what was found, and return what to draw."""
    ordered, restless = fish.gaussian(), fish.random()
    certificate = certify(ordered)
    echo(f"Left: a Gaussian kernel.\n{certificate}")
    left = _solve(fish, ordered, certificate.max_step, Splitting(), folder / "left.h5", progress)
    echo(_descent(ordered, left, certificate) + "\n")
    echo(f"Right: a random kernel.\n{certify(restless)}")
    # Aligned water answers a disturbance by the factor 1 − dt (λ − μ), where λ = 2.4 is the force
    # that holds it and |μ| ≤ 1.6 are the kernel's waves: at dt = 1 that is up to 2.8 and the water
    # boils (with each of 100 seeds tried); at dt = ½ it is 0.91 at most and the water rests.
    right = _solve(fish, restless, 0.5, ProjectedEuler(), folder / "right.h5", progress)
    echo(_waves(fish, right) + "\n")
    storage.bundle({"gaussian": folder / "left.h5", "random": folder / "right.h5"}, out)
    return [
        _panel(fish, left, "Gaussian kernel: certified, the energy only falls", (0, 2, 4, 8, 16)),
        _panel(fish, right, "Random kernel: no certificate, waves in the fish", (0, 4, 16, -9, -5)),
    ]


def _solve(
    fish: Fish, model: Kuramoto, dt: float, stepper: Stepper, out: Path, progress: bool
) -> Solution:
    return solve(
        model,
        fish.start(),
        t1=fish.steps * dt,
        dt=dt,
        stepper=stepper,
        save=SaveAt(every=1, start=True),
        observe=standard(["energy"], model),
        out=out,
        progress=progress,
    )


def _descent(model: Kuramoto, solution: Solution, certificate: Certificate) -> str:
    """Check the certificate's promise on the run itself, and say how it went."""
    rise = check_descent(model, solution.states)
    energies = solution.observed["energy"]
    fell = f"from {energies[0]:.6g} to {energies[-1]:.6g} in {len(energies) - 1} steps"
    steps = f"of {certificate.max_step:.6g}, the certified one"
    if rise <= _ROUNDING:
        never = "never rose" if rise <= 0 else "never rose beyond rounding"
        return (
            f"The energy fell {fell} {steps}.\n"
            f"It {never}: its largest change from one step to the next is {rise:+.2g} of |E|."
        )
    return f"The energy ROSE by {rise:.2g} of |E| in a step {steps}: please report this as a bug."


def speeds(fish: Fish, states: np.ndarray) -> tuple[float, float]:
    """Return the mean speeds inside and outside the fish, over the second half of a run.

    Parameters
    ----------
    fish : Fish
    states : array, shape (steps + 1, side, side, 4)

    Returns
    -------
    pair of float
        Radians per step.
    """
    late = np.asarray(states[len(states) // 2 :])
    angles = np.asarray(sphere.distance(late[1:], late[:-1])).mean(axis=0)
    return float(angles[fish.inside].mean()), float(angles[~fish.inside].mean())


def _waves(fish: Fish, solution: Solution) -> str:
    inside, outside = speeds(fish, solution.states)
    change = np.diff(solution.observed["energy"])
    return (
        f"The energy rose in {(change > 0).sum()} of {len(change)} steps, by {change.max():.3g} at "
        "the most.\n"
        f"Mean speed in the second half: {inside:.2g} rad a step inside the fish, {outside:.2g} in "
        f"the water ({inside / outside:.0f} times slower)."
    )


# --- the pictures ---------------------------------------------------------------------------------

_TITLE = "Two kernels, one fish"
_CAPTION = (
    "Colour: direction of an oscillator, in the plane in which most moves; dark: away from it.\n"
    "Outside the white line a stimulus holds it. The energies begin near 0, far above the axes."
)


def _panel(fish: Fish, solution: Solution, title: str, picks: tuple[int, ...]) -> Panel:
    """Return what to draw of a run: the time in steps, and the energy once disorder is gone."""
    from kuramoto.plotting import Panel

    states, energies = np.asarray(solution.states), solution.observed["energy"]
    low, high = energies.min(), energies[min(3, len(energies) - 1)]
    return Panel(
        np.arange(len(states)),
        states,
        {"energy E": energies},
        title,
        outline=fish.inside,
        picks=sorted({row % len(states) for row in (*picks, -1)}),
        clock="step {}",
        time_label="step",
        limits=(low - 0.08 * (high - low), high),
        mark_rises=True,
        plane=_plane(fish, states),
    )


def _plane(fish: Fish, states: np.ndarray) -> np.ndarray:
    """Return the plane in which the fish moves most, turned so that the water is blue."""
    from kuramoto.plotting import leading_plane

    axes = leading_plane(states[len(states) // 4 :, fish.inside])
    water = axes @ states[-1][~fish.inside].mean(axis=0)
    turn = _WATER_HUE - np.arctan2(water[1], water[0])
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray(np.array([[cos, -sin], [sin, cos]]) @ axes)
