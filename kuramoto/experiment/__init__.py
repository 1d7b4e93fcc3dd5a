"""An experiment as data: a YAML file that says which model to run, from where, and for how long.

.. code-block:: yaml

    experiment: 1                    # the header: this is an experiment, in format 1
    title: A mean field
    model:
      coupling: {type: mean_field, strength: 2.0}
      frequency: {type: normal, width: 0.5, seed: 1}
    state:
      oscillators: 100
      dimensions: 2
    solve:
      t1: 50.0
      save: {every: 10, start: true}
      observe: [order_parameter, energy]

Every key is listed here; ``key = value`` gives its default, and a key without one is needed unless
the text says otherwise. A part that needs no keys may be written as its bare type, as in ``initial:
random``. *Numbers* stands for a number, nested lists of them, the name of a file (.npy, .csv, or
.npz with one array), or ``{path: file.npz, array: name}``. File names are relative to the
experiment. Nothing in a file is ever run or unpickled. At the top stand ``experiment: 1`` (the
format), ``title`` (optional), ``model``, ``state`` and ``solve``.

**model**: ``coupling``; optionally ``frequency``, ``stimulus``; ``noise = 0``;
``inertia`` with ``mass`` and ``damping = 1`` (*numbers*: one, or one for each site), which makes it
a `kuramoto.inertia.Inertial` model that starts at rest.

``coupling``, by ``type``; ``strength = 1`` multiplies all weights
    * ``mean_field``: ``strength``, the K of J_ij = K/M;
    * ``triadic``, all groups of three: ``strength``, ``form = asymmetric`` (or ``symmetric``);
      ``tetradic``, all groups of four: ``strength``;
    * ``dense``: ``weights`` (*numbers*, ``(M, M)`` or ``(M, M, N, N)``), ``strength``;
    * ``graph``, by ``kind``, as in `kuramoto.graphs`, all with ``strength``:
      ``ring`` (``neighbours = 1``), ``lattice`` (``shape``, ``periodic = true``),
      ``small_world`` (``neighbours``, ``probability``, ``seed = 0``),
      ``random`` (``mean_degree``, ``seed = 0``), ``complete``;
    * ``file``: ``path``, anything that `kuramoto.graphs.read` reads, ``symmetric = true``,
      ``strength``;
    * ``dataset``: ``name`` (``connectome68`` or ``ieee118``), ``strength``;
    * ``lattice``: ``kernel``, ``boundary = periodic`` (or ``zero``, ``reflect``),
      ``method = auto`` (or ``direct``, ``fft``), ``channels = false``, ``strength``;
    * ``frustrated``: ``coupling``, and either ``lag``, a phase lag in radians for N = 2, or
      ``matrix`` (*numbers*, ``(N, N)``), which turns every sender;
    * ``sum``: ``terms``, a list of couplings.

``kernel`` of a lattice, by ``type``; ``size`` is odd, one number or one for each axis
    * ``gaussian``: ``size``, ``width`` (standard deviation in sites); its sum is 1;
    * ``mexican_hat``: ``size``, ``width``; minus the Laplacian of a Gaussian, sizes sum to 1;
    * ``uniform``: ``size``; its sum is 1;
    * ``random_blocks``: ``size``, ``seed = 0``; N×N blocks of standard normal numbers, divided
      by the root of N times the number of blocks;
    * ``inline``: ``values`` (*numbers*), any kernel that `kuramoto.Lattice` takes.

``frequency``, by ``type``, in radians per unit time
    * ``planes``: ``omega`` (*numbers*, ``(N//2,)`` for all alike, or ``(*sites, N//2)``);
    * ``lorentzian``, ``normal``, ``uniform``: ``center = 0``, ``width = 1``, ``seed = 0``,
      ``quantiles = false``: a random rate for each plane of each oscillator, or with
      ``quantiles: true`` the quantile grid in random order, free of sampling noise;
    * ``antisymmetric``: ``weights`` (*numbers*, ``(N, N)`` or ``(*sites, N, N)``);
    * ``dataset``: ``name`` (``ieee118``, for N = 2), ``scale = 1``.

``stimulus``, by ``type``
    * ``constant``: ``value`` (*numbers*: ``(N,)``, or what broadcasts to ``(*sites, N)``, or one
      number for all components);
    * ``fish``: ``outside = 1`` and ``inside = 0`` of a fish on a grid; a number or ``(N,)``;
    * ``file``: ``path``, and ``array``, its name, in an .npz file of several.

**state**, x of shape ``(*batch, *sites, N)``: ``dimensions``, which is N; ``oscillators``, which is
M, or ``sites``, a list for grids (neither where the coupling has a size of its own); optionally
``batch``, a number or list: independent runs; ``backend = numpy`` (or ``torch``, ``cupy``),
``dtype = float64`` (or ``float32``), ``device`` (for torch, such as ``cuda``),
``initial = random``.

``initial``, by ``type``; ``perturbation = 0`` is the size of normal noise that is added
    * ``random``: ``seed = 0``; uniform on the sphere;
    * ``aligned``: ``direction`` (N numbers; the first axis), ``perturbation``, ``seed = 0``;
    * ``twisted``: ``winding = 1`` (turns along each site axis), ``perturbation``, ``seed = 0``;
    * ``phases``: ``theta`` (*numbers*, radians), for N = 2;
    * ``vectors``: ``values`` (*numbers*, unit vectors).

**solve**, as `kuramoto.solve`: ``t1``, ``t0 = 0``; optionally ``dt``, a number, or ``certified``
for the largest step at which the energy provably never rises; ``stepper`` (``projected_euler``,
``splitting``, ``geodesic_euler``, ``runge_kutta4``, ``dormand_prince``, ``stochastic_heun``);
``controller`` (``fixed``, or ``adaptive`` with ``rtol``, ``atol``, ``max_step``, ``safety``,
``shrink``, ``grow``); ``seed``; ``max_steps``; ``save`` with ``times`` (*numbers*), ``every = 0``,
``start = false``, ``end = true``, ``states = true``; ``observe``, a list of names of
`kuramoto.observables.OBSERVABLES`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kuramoto._backend import Array
from kuramoto.experiment.schema import ExperimentError, Part, parse, read_arguments, reseeded
from kuramoto.experiment.sections import experiment_file, model_and_state, read_format
from kuramoto.model import Kuramoto
from kuramoto.solution import Solution
from kuramoto.solve import solve

__all__ = ["Experiment", "ExperimentError", "load", "loads", "title_of"]


@dataclass(frozen=True, eq=False)
class Experiment:
    """A model, an initial state and how to solve: read and checked, built when first asked for.

    Make one with `load` or `loads`.

    Attributes
    ----------
    title : str
    source : str
        What to call it in error messages: the name of its file.
    text : str
        The file itself, as run files keep it.
    base : Path
        The folder that file names are relative to.
    """

    title: str
    source: str
    text: str = field(repr=False)
    base: Path = field(repr=False)
    _parts: dict[str, Part] = field(repr=False)

    def model(self) -> Kuramoto:
        """Return the model.

        Raises
        ------
        ExperimentError
            If a part cannot be built: the message says which key and why.
        """
        return self._built[0]

    def initial_state(self) -> Array:
        """Return x(t0), shape (*batch, *sites, N), on the library, dtype and device asked for."""
        return self._built[1]

    def observers(self) -> dict[str, Any]:
        """Return the observables asked for, as ``{name: f(t, x)}``."""
        return dict(self.settings()["observe"])

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments for `kuramoto.solve`: from t0 to the observers."""
        model = self.model()
        with self._named():
            settings: dict[str, Any] = self._parts["solve"].build((model, self.base))
        return settings

    def solve(
        self, out: str | Path | None = None, progress: bool = False, overwrite: bool = False
    ) -> Solution:
        """Run the experiment.

        Parameters
        ----------
        out : path, optional
            Stream to this HDF5 file, which also keeps the text of the experiment.
        progress : bool, default False
            Show a progress bar.
        overwrite : bool, default False
            Whether `out` may exist.

        Returns
        -------
        Solution

        Raises
        ------
        ExperimentError, ValueError, TypeError
            If a part cannot be built, or the parts do not fit together.
        FileExistsError
            If `out` exists.
        SolveError
            If the state stops being finite or the step size collapses.
        """
        return solve(
            self.model(),
            self.initial_state(),
            **self.settings(),
            out=out,
            overwrite=overwrite,
            progress=progress,
            experiment=self.text,
        )

    def reseeded(self, shift: int) -> Experiment:
        """Return the same experiment with `shift` added to every seed in it.

        Seeds that the file leaves out are at their default, 0; that of the noise too, which
        without a seed would be new in every run.
        """
        parts = {name: reseeded(part, shift) for name, part in self._parts.items()}
        return replace(self, _parts=parts)

    @cached_property
    def _built(self) -> tuple[Kuramoto, Array]:
        with self._named():
            return model_and_state(self.base, self._parts)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Put the name of the file before every complaint."""
        try:
            yield
        except (ValueError, TypeError) as error:
            raise ExperimentError(f"{self.source}: {error}") from error


def load(path: str | Path) -> Experiment:
    """Read an experiment file; its models and data are built later, when asked for.

    Parameters
    ----------
    path : path

    Raises
    ------
    OSError
        If the file cannot be read.
    ExperimentError
        If it is not an experiment: the message names the key, what it must be and what it is.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.experiment.load("mean_field.yaml").solve()  # doctest: +SKIP
    """
    file = Path(path)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise FileNotFoundError(f"Experiment {file} {what}; name a YAML file.")
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ExperimentError(f"{file} is not an experiment file: it is not text.") from None
    return loads(content, file.parent, source=str(file))


def loads(text: str, base: str | Path = ".", *, source: str = "experiment") -> Experiment:
    """Read an experiment from a text.

    Parameters
    ----------
    text : str
        YAML.
    base : path, default "."
        The folder that file names are relative to.
    source : str, default "experiment"
        What to call it in error messages.

    Raises
    ------
    ExperimentError
        As `load`.

    Examples
    --------
    >>> trial = loads('''
    ... experiment: 1
    ... model: {coupling: {type: mean_field, strength: 2.0}}
    ... state: {oscillators: 10, dimensions: 3}
    ... solve: {t1: 20.0, observe: [order_parameter]}
    ... ''')
    >>> trial.solve().observed["order_parameter"].round(6)
    array([1.])
    """
    try:
        content = parse(text)
        if not isinstance(content, dict) or "experiment" not in content:
            raise ExperimentError("is not an experiment file: it lacks the line `experiment: 1`.")
        read_format(content["experiment"], "experiment")  # first: a newer one has other keys
        top = read_arguments(experiment_file, content, "")
    except ExperimentError as error:
        glue = " " if str(error).startswith("is not") else ": "
        raise ExperimentError(f"{source}{glue}{error}") from None
    parts = {name: top[name] for name in ("model", "state", "solve")}
    return Experiment(top.get("title", ""), source, text, Path(base), parts)


def title_of(text: str | None) -> str:
    """Return the title in the text of an experiment; empty if there is none.

    Examples
    --------
    >>> title_of("title: A mean field")
    'A mean field'
    """
    with contextlib.suppress(ExperimentError):
        content = parse(text or "")
        return str(content.get("title") or "") if isinstance(content, dict) else ""
    return ""
