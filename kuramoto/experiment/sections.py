"""The sections of an experiment file: model, state, solve; `kuramoto.experiment` explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from kuramoto import lyapunov, observables, steppers
from kuramoto._backend import Array
from kuramoto._check import invalid
from kuramoto.controllers import AdaptiveStep, FixedStep
from kuramoto.experiment.parts import COUPLINGS, FREQUENCIES, INITIAL, STIMULI
from kuramoto.experiment.schema import (
    ExperimentError,
    Part,
    Registry,
    Section,
    each,
    number,
    one_of,
    wrong,
)
from kuramoto.experiment.setting import AnyNumbers, Numbers, Setting, Sizes, make_setting
from kuramoto.inertia import Inertial
from kuramoto.model import Kuramoto
from kuramoto.solution import SaveAt

FORMAT = 1
STEPPERS, CONTROLLERS = Registry(), Registry()
_RANDOM = INITIAL("random", "state.initial")
_UNIT = Numbers("damping", np.ones(()))


def model_and_state(base: Path, parts: dict[str, Part]) -> tuple[Kuramoto, Array]:
    """Build the model and x(t0), and see that they fit."""
    setting, initial = parts["state"].build(base)
    model: Kuramoto = parts["model"].build(setting)
    x = initial.build(setting.fitted(model.coupling))
    if isinstance(model, Inertial):
        x = model.state(x)
    return model, model.require_state(x, "state", parts["solve"].arguments.get("t0", 0.0))


def _inertia(setting: Setting, *, mass: AnyNumbers, damping: AnyNumbers = _UNIT) -> tuple[Any, Any]:
    values = (numbers.load(setting.base) for numbers in (mass, damping))
    m, gamma = (setting.array(value) if value.ndim else float(value) for value in values)
    return m, gamma


def _model(
    setting: Setting,
    *,
    coupling: Annotated[Part, COUPLINGS],
    frequency: Annotated[Part | None, FREQUENCIES] = None,
    stimulus: Annotated[Part | None, STIMULI] = None,
    noise: float = 0.0,
    inertia: Annotated[Part | None, Section(_inertia)] = None,
) -> Kuramoto:
    coupled = coupling.build(setting)
    setting = setting.fitted(coupled)
    rates = None if frequency is None else frequency.build(setting)
    field = None if stimulus is None else stimulus.build(setting)
    if inertia is None:
        return Kuramoto(coupled, rates, field, noise)
    if noise:
        raise invalid("model.noise", "be 0 with inertia", f"{noise:g}")
    mass, damping = inertia.build(setting)
    return Inertial(coupled, rates, field, mass=mass, damping=damping)


def _positive(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise wrong(where, "be a whole number of at least 1", value)
    return value


def _state(
    base: Path,
    *,
    dimensions: Annotated[int, _positive],
    oscillators: Annotated[int | None, _positive] = None,
    sites: Sizes | None = None,
    batch: Sizes = (),
    backend: Literal["numpy", "torch", "cupy"] = "numpy",
    dtype: Literal["float64", "float32"] = "float64",
    device: str | None = None,
    initial: Annotated[Part, INITIAL] = _RANDOM,
) -> tuple[Setting, Part]:
    if oscillators is not None:
        if sites is not None:
            raise ExperimentError("`state` must have `oscillators` or `sites`, not both.")
        sites = (oscillators,)
    return make_setting(base, backend, dtype, device, dimensions, sites, batch), initial


def _step(value: Any, where: str) -> float | str:
    if value == "certified":
        return "certified"
    if isinstance(value, str):
        raise wrong(where, "be a positive number or the word certified", value)
    return number(value, where)


def _save(
    base: Path,
    *,
    times: AnyNumbers | None = None,
    every: int = 0,
    start: bool = False,
    end: bool = True,
    states: bool = True,
) -> SaveAt:
    return SaveAt(None if times is None else times.load(base), every, start, end, states)


def _plain(kind: type) -> Any:
    def build(_: Any) -> Any:
        return kind()

    return build


for _name, _kind in (
    ("projected_euler", steppers.ProjectedEuler),
    ("splitting", steppers.Splitting),
    ("geodesic_euler", steppers.GeodesicEuler),
    ("runge_kutta4", steppers.RungeKutta4),
    ("dormand_prince", steppers.DormandPrince),
    ("stochastic_heun", steppers.StochasticHeun),
):
    STEPPERS.add(_name, _plain(_kind))
CONTROLLERS.add("fixed", _plain(FixedStep))


@CONTROLLERS.entry("adaptive")
def _adaptive(
    _: Any,
    *,
    rtol: float = AdaptiveStep.rtol,
    atol: float = AdaptiveStep.atol,
    max_step: float = AdaptiveStep.max_step,
    safety: float = AdaptiveStep.safety,
    shrink: float = AdaptiveStep.shrink,
    grow: float = AdaptiveStep.grow,
) -> AdaptiveStep:
    return AdaptiveStep(rtol, atol, max_step, safety, shrink, grow)


def _solve(
    ground: tuple[Kuramoto, Path],
    *,
    t1: float,
    t0: float = 0.0,
    dt: Annotated[float | str | None, _step] = None,
    stepper: Annotated[Part | None, STEPPERS] = None,
    controller: Annotated[Part | None, CONTROLLERS] = None,
    save: Annotated[Part | None, Section(_save)] = None,
    observe: Annotated[tuple[str, ...], each(one_of(observables.OBSERVABLES), "names")] = (),
    seed: int | None = None,
    max_steps: int | None = None,
) -> dict[str, Any]:
    model, base = ground
    chosen = None if stepper is None else stepper.build(base)
    if isinstance(dt, str):
        chosen = steppers.Splitting() if chosen is None else chosen
        dt = _certified_step(model, chosen, t1 - t0)
    return {
        "t0": t0,
        "t1": t1,
        "dt": dt,
        "stepper": chosen,
        "controller": None if controller is None else controller.build(base),
        "save": None if save is None else save.build(base),
        "observe": observables.standard(observe, model),
        "seed": seed,
        "max_steps": max_steps,
    }


def _certified_step(model: Kuramoto, stepper: Any, span: float) -> float:
    """Return the largest step at which the energy provably never rises, within the run's span."""
    proven = isinstance(stepper, steppers.Splitting) or (
        isinstance(stepper, steppers.ProjectedEuler) and model.frequency is None
    )
    if not proven:
        must = "be splitting for dt: certified (or projected_euler without natural frequencies)"
        raise invalid("solve.stepper", must, type(stepper).__name__)
    certificate = lyapunov.certify(model)
    if not certificate:
        must = "be a number for a model without a certificate"
        raise invalid("solve.dt", must, f"is certified, but {'; '.join(certificate.reasons)}")
    return min(certificate.max_step, span) if span > 0 else certificate.max_step


def read_format(value: Any, where: str) -> int:
    """Read the number of the format."""
    if isinstance(value, int) and not isinstance(value, bool) and value > FORMAT:
        remedy = "upgrade kuramoto-spheres"
        raise wrong(
            where, f"be at most {FORMAT}, the format that this version reads", value, remedy
        )
    if value != FORMAT or isinstance(value, bool):
        raise wrong(where, f"be {FORMAT}", value)
    return FORMAT


def experiment_file(
    _: Any,
    *,
    experiment: Annotated[int, read_format],
    title: str = "",
    model: Annotated[Part, Section(_model)],
    state: Annotated[Part, Section(_state)],
    solve: Annotated[Part, Section(_solve)],
) -> None:
    """Say which keys the whole file has; their order is that in which complaints come."""
