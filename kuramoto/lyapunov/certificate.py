"""When must the energy fall? Certificates for eq. 2 and for its discrete step, and checks of them.

The theorem and its proof are in docs/theory. In short: if J is symmetric, [J, Ω] = 0 and
Ω_i c_i = 0, the energy of eq. 3 never rises along eq. 2, nor along `Splitting` steps of size up to
2 / (max_i(‖c_i‖ + Σ_j ‖J_ij‖₂) + max(0, −λ_min(J))).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, to_numpy
from kuramoto._check import wrong_type
from kuramoto.energy import energy
from kuramoto.model import Kuramoto

__all__ = ["Certificate", "certify", "check_descent"]


@dataclass(frozen=True)
class Certificate:
    """What can be promised about a model's energy.

    Attributes
    ----------
    monotone : bool
        Whether the energy provably never rises, in continuous time and for `Splitting` (without
        natural frequencies also `ProjectedEuler`) with dt ≤ `max_step`.
    reasons : tuple of str
        If certified, how each condition holds; else each condition that fails, and by how much.
    max_step : float
        The proven bound on dt; 0 where `monotone` is False, infinite where nothing is coupled.
    """

    monotone: bool
    reasons: tuple[str, ...]
    max_step: float

    def __bool__(self) -> bool:
        """Say whether the model is certified."""
        return self.monotone

    def __str__(self) -> str:
        """Put the certificate into words."""
        if self.monotone:
            head = f"Certified: the energy never rises for steps up to {self.max_step:.6g}"
        else:
            head = "Not certified: the energy may rise"
        return head + "".join(f"\n  - {reason}" for reason in self.reasons)


def certify(model: Kuramoto) -> Certificate:
    """Check the conditions under which the energy of eq. 3 cannot rise, and bound the step.

    Nothing is estimated: every number is a bound (kernel symbols for lattices, Gershgorin's circles
    for large sparse graphs), found without building J where the coupling's type allows.

    Parameters
    ----------
    model : Kuramoto

    Returns
    -------
    Certificate

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, App. F, G.

    Examples
    --------
    >>> import kuramoto as km
    >>> certificate = km.certify(km.Kuramoto(km.MeanField(2.0)))
    >>> certificate.monotone, round(certificate.max_step, 9)
    (True, 1.0)
    """
    if not isinstance(model, Kuramoto):
        raise wrong_type("model", "be a Kuramoto model", model)
    conditions = (_symmetry, _commutation, _stimulus, _noise, _state)
    checks = [condition(model) for condition in conditions]
    failures = tuple(reason for holds, reason in checks if not holds)
    if failures:
        return Certificate(False, failures, 0.0)
    step, words = _step_bound(model)
    return Certificate(True, (*(reason for _, reason in checks if reason), words), step)


def _symmetry(model: Kuramoto) -> tuple[bool, str]:
    if model.state_dependent:
        return False, "the coupling depends on the state: it has no energy of eq. 3"
    if model.coupling.symmetric:
        return True, "J = Jᵀ: the coupling is symmetric"
    defect = model.coupling.asymmetry
    by = f"max |J − Jᵀ| = {defect:.3g}" if np.isfinite(defect) else "as it says itself"
    return False, f"J ≠ Jᵀ: the coupling is not symmetric, {by}"


def _commutation(model: Kuramoto) -> tuple[bool, str]:
    if model.frequency is None:
        return True, "[J, Ω] = 0: there are no natural frequencies"
    defect = 0.0 if model.state_dependent else model.coupling.commutator_bound(model.frequency)
    if defect == 0:
        return True, "[J, Ω] = 0: the coupling commutes with the natural frequencies"
    return (
        False,
        f"[J, Ω] ≠ 0: coupling and natural frequencies do not commute, by blocks of {defect:.3g}",
    )


def _stimulus(model: Kuramoto) -> tuple[bool, str]:
    if model.stimulus is None:
        return True, "Ωc = 0: there is no stimulus"
    if callable(model.stimulus):
        return False, "the stimulus depends on time: it can do work at any moment"
    if model.frequency is None:
        return True, "Ωc = 0: there are no natural frequencies"
    stimulus = model.stimulus
    turned = to_numpy(model.frequency(_at_sites(model, stimulus)))
    size = float(np.abs(to_numpy(stimulus)).max(initial=0.0))
    defect = float(np.sqrt((turned.astype(np.float64) ** 2).sum(axis=-1)).max(initial=0.0))
    largest = float(np.abs(model.frequency.matrices(stimulus.shape[-1])).max(initial=0.0))
    if defect <= 8 * stimulus.shape[-1] * np.finfo(turned.dtype).eps * size * largest:
        return True, "Ωc = 0: the natural frequencies leave the stimulus where it is"
    return False, f"Ωc ≠ 0: the natural frequencies turn the stimulus, max ‖Ω_i c_i‖ = {defect:.3g}"


def _at_sites(model: Kuramoto, stimulus: Array) -> Array:
    """Broadcast a stimulus to the sites that per-oscillator frequencies have."""
    sites = (model.frequency.sites if model.frequency else None) or ()
    shape = np.broadcast_shapes(tuple(stimulus.shape), (*sites, stimulus.shape[-1]))
    return array_namespace(stimulus).broadcast_to(stimulus, shape)


def _noise(model: Kuramoto) -> tuple[bool, str]:
    if model.noise == 0:
        return True, ""
    return False, f"noise of size {model.noise:g} raises the energy at random"


def _state(model: Kuramoto) -> tuple[bool, str]:
    if not model.carries:
        return True, ""
    return False, f"oscillators also carry {model.carries}: the energy of eq. 3 is not all there is"


def _step_bound(model: Kuramoto) -> tuple[float, str]:
    """Return 2 / (max_i(‖c_i‖ + Σ_j ‖J_ij‖₂) + max(0, −λ_min)) and how it came about."""
    pull = np.asarray(to_numpy(as_array(model.coupling.row_bound(), "row_bound")), dtype=np.float64)
    lowest = model.coupling.lowest_eigenvalue_bound()
    if model.stimulus is not None:
        force = to_numpy(model.stimulus).astype(np.float64)
        lengths = np.sqrt((force**2).sum(axis=-1))
        pull = _add_per_site(pull, lengths)
    largest, below = float(pull.max(initial=0.0)), max(0.0, -lowest)
    rate = largest + below
    # The last factor is for rounding: more than the bounds can have lost, less than matters.
    step = 2 / rate * (1 - 1e-12) if rate > 0 else np.inf
    parts = f"max_i(‖c_i‖ + Σ_j ‖J_ij‖) ≤ {largest:.6g} and λ_min ≥ {lowest:.6g}"
    return float(step), f"{parts} give a step of {step:.6g}"


def _add_per_site(pull: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Add bounds that may broadcast over sites; where shapes do not say how, add the largest."""
    try:
        return np.asarray(pull + lengths)
    except ValueError:
        return np.asarray(pull.max() + lengths.max())


def check_descent(model: Kuramoto, states: Array) -> float:
    """Return the largest relative rise of the energy from each state to the next.

    Parameters
    ----------
    model : Kuramoto
    states : array, shape (S, *batch, *sites, N)
        Successive states, such as ``Solution.states``.

    Returns
    -------
    float
        max over s of (E_{s+1} − E_s) / max(1, |E_s|); negative if it falls at every step.
    """
    values = [np.asarray(to_numpy(energy(model, x)), dtype=np.float64) for x in states]
    energies = np.stack(values)
    rises = np.diff(energies, axis=0) / np.maximum(1.0, np.abs(energies[:-1]))
    return float(rises.max(initial=-np.inf))
