"""Two populations of identical phase oscillators: chimera states (Abrams et al., 2008).

θ̇_i^σ = ω + Σ_σ' (K_σσ'/M) Σ_j sin(θ_j^σ' − θ_i^σ − α) with K = μ within a population and ν across,
μ + ν = 1, A = μ − ν and β = π/2 − α. In a chimera one population is in step while the other is not.
On the Ott-Antonsen manifold the second has the order parameter r and lags by ψ behind the first:

    ṙ = ½ (1 − r²) [μ r cos α + ν cos(ψ − α)]
    ψ̇ = (1 + r²)/(2r) [μ r sin α − ν sin(ψ − α)] − μ sin α − ν r sin(ψ + α)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kuramoto._check import invalid, real_number

__all__ = ["Breathing", "Chimera", "TwoPopulations", "chimera_boundaries"]


class Chimera(NamedTuple):
    """A stationary chimera: r and ψ of the incoherent population, and its two eigenvalues."""

    order: float
    phase: float
    eigenvalues: np.ndarray

    @property
    def stable(self) -> bool:
        """Whether it attracts, on the manifold."""
        return bool((self.eigenvalues.real < 0).all())


class Breathing(NamedTuple):
    """A breathing chimera: (r, ψ) somewhere on its cycle, the period, and the range of r."""

    order: float
    phase: float
    period: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class TwoPopulations:
    """The reduced equations of two populations, in the paper's parameters.

    Parameters
    ----------
    disparity : float
        A = μ − ν, in (0, 1).
    beta : float
        β = π/2 − α, in (0, π/2).

    References
    ----------
    Abrams, Mirollo, Strogatz, Wiley (2008), Phys. Rev. Lett. 101, 084103, eq. 1-12.

    Examples
    --------
    >>> states = TwoPopulations(0.2, 0.1).chimeras()
    >>> [(round(state.order, 4), state.stable) for state in states]
    [(0.7291, True), (0.8834, False), (0.996, False)]
    """

    disparity: float
    beta: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, value, end in (("disparity", self.disparity, 1), ("beta", self.beta, np.pi / 2)):
            if not 0 < real_number(name, value) < end:
                raise invalid(name, f"be in (0, {end:.4g})", f"{value:g}")

    @property
    def lag(self) -> float:
        """α = π/2 − β."""
        return float(np.pi / 2 - self.beta)

    @property
    def within(self) -> float:
        """μ = (1 + A)/2."""
        return 0.5 * (1 + self.disparity)

    @property
    def across(self) -> float:
        """ν = (1 − A)/2."""
        return 0.5 * (1 - self.disparity)

    def velocity(self, z: np.ndarray) -> np.ndarray:
        """Return ż of both populations' complex order parameters, shape (2,), at ω = 0.

        The general equations: neither population need be in step.
        """
        z = np.asarray(z, dtype=np.complex128)
        H = np.exp(-1j * self.lag) * (self.within * z + self.across * z[::-1])
        return np.asarray(0.5 * (H - np.conj(H) * z**2))

    def reduced_velocity(self, r: float, psi: float) -> np.ndarray:
        """Return (ṙ, ψ̇) with the first population in step, shape (2,)."""
        mu, nu, alpha = self.within, self.across, self.lag
        growth = mu * r * np.cos(alpha) + nu * np.cos(psi - alpha)
        own = mu * r * np.sin(alpha) - nu * np.sin(psi - alpha)
        other = mu * np.sin(alpha) + nu * r * np.sin(psi + alpha)
        return np.array([0.5 * (1 - r**2) * growth, (1 + r**2) / (2 * r) * own - other])

    def jacobian(self, r: float, psi: float) -> np.ndarray:
        """Return the derivatives of (ṙ, ψ̇) by r and ψ, shape (2, 2)."""
        mu, nu, alpha = self.within, self.across, self.lag
        growth = mu * r * np.cos(alpha) + nu * np.cos(psi - alpha)
        own = mu * r * np.sin(alpha) - nu * np.sin(psi - alpha)
        half, ratio = 0.5 * (1 - r**2), (1 + r**2) / (2 * r)
        by_r = (
            half * mu * np.cos(alpha) - r * growth,
            0.5 * (1 - 1 / r**2) * own + ratio * mu * np.sin(alpha) - nu * np.sin(psi + alpha),
        )
        by_psi = (
            -half * nu * np.sin(psi - alpha),
            -ratio * nu * np.cos(psi - alpha) - nu * r * np.cos(psi + alpha),
        )
        return np.array([by_r, by_psi]).T

    def chimeras(self) -> list[Chimera]:
        """Return all stationary chimeras (0 < r < 1), by ascending r.

        They lie on one curve, r² = sin(2α − ψ) / (2 sin ψ + sin(ψ + 2α)), along which A follows.
        """
        from scipy.optimize import brentq

        def excess(psi: float) -> float:
            return float(_on_curve(psi, self.lag)[1]) - self.disparity

        found = [float(brentq(excess, *ends, xtol=1e-15)) for ends in self._brackets()]
        states = [(float(_on_curve(psi, self.lag)[0]), psi) for psi in found]
        return [Chimera(r, p, np.linalg.eigvals(self.jacobian(r, p))) for r, p in sorted(states)]

    def trajectory(self, r0: float, psi0: float, times: np.ndarray) -> np.ndarray:
        """Return (r, ψ) of the reduced equations at ascending times, shape (2, times)."""
        from scipy.integrate import solve_ivp

        run = solve_ivp(
            lambda _, y: self.reduced_velocity(*y),
            (times[0], times[-1]),
            [r0, psi0],
            t_eval=times,
            method="DOP853",
            rtol=1e-10,
            atol=1e-12,
        )
        return np.asarray(run.y)

    def breathing(self, *, longest: float = 1000.0) -> Breathing:
        """Return the breathing chimera: the limit cycle round an unstable stationary one.

        The cycle is the fixed point of the first return to the stationary chimera's ψ.

        Parameters
        ----------
        longest : float, default 1000.0
            Time within which the motion must return.

        Raises
        ------
        ValueError
            If the stationary chimera is stable or absent, or no cycle is left (both populations
            then end in step).

        Examples
        --------
        >>> round(TwoPopulations(0.28, 0.1).breathing().period, 2)
        33.87
        """
        from scipy.optimize import brentq

        states = self.chimeras()
        if len(states) < 2 or states[0].stable:
            found = "stable" if len(states) > 1 else "absent"
            raise invalid("disparity", "give an unstable chimera", f"{self.disparity} ({found})")
        (inner, psi, _), outer = states[0], states[1].order

        def gain(r: float) -> float:
            return self._first_return(r, psi, longest)[0] - r

        # Cycles are small just past the Hopf bifurcation, and end on the saddle outside.
        near, far = np.geomspace(1e-3, 0.5, 12), np.geomspace(0.5, 1e-4, 24)[1:]
        trial = np.concatenate([inner + (outer - inner) * near, outer - (outer - inner) * far])
        gains = [gain(trial[0])]
        for before, after in itertools.pairwise(trial):
            gains.append(gain(after))
            if gains[-2] > 0 >= gains[-1]:
                r = float(brentq(gain, before, after, xtol=1e-12))
                period = self._first_return(r, psi, longest)[1]
                path = self.trajectory(r, psi, np.linspace(0, period, 2001))[0]
                return Breathing(r, psi, period, float(path.min()), float(path.max()))
        raise invalid("disparity", "leave the chimera a limit cycle", f"{self.disparity}")

    def _first_return(self, r: float, psi: float, longest: float) -> tuple[float, float]:
        """Return r at the next passage through ψ in the same direction, and the time; or NaN."""
        from scipy.integrate import solve_ivp

        def through(_: float, y: np.ndarray) -> float:
            return float(y[1] - psi)

        setattr(through, "direction", np.sign(self.reduced_velocity(r, psi)[1]))  # noqa: B010
        setattr(through, "terminal", 2)  # noqa: B010  # the first is the start itself
        run = solve_ivp(
            lambda _, y: self.reduced_velocity(*y),
            (0.0, longest),
            [r, psi],
            method="DOP853",
            events=through,
            rtol=1e-10,
            atol=1e-12,
        )
        if len(run.t_events[0]) < 2:
            return np.nan, np.nan
        return float(run.y_events[0][1][0]), float(run.t_events[0][1])

    def _brackets(self) -> list[tuple[float, float]]:
        psi = _scan(self.lag)
        excess = _on_curve(psi, self.lag)[1] - self.disparity
        with np.errstate(invalid="ignore"):
            crossing = np.isfinite(excess[:-1] + excess[1:]) & (excess[:-1] * excess[1:] <= 0)
        return [(float(psi[i]), float(psi[i + 1])) for i in np.flatnonzero(crossing)]


def chimera_boundaries(beta: float) -> dict[str, float]:
    """Return the A at which chimeras appear and begin to breathe, for one β.

    Returns
    -------
    dict of float
        ``"saddle_node"``: below it there is no stationary chimera; ``"hopf"``: above it the chimera
        of smaller r is unstable and breathes at first. Missing where it is not found.

    Examples
    --------
    >>> {name: round(A, 4) for name, A in chimera_boundaries(0.1).items()}
    {'saddle_node': 0.1783, 'hopf': 0.2778}
    """
    lag = TwoPopulations(0.5, beta).lag
    psi = _scan(lag)
    A = _on_curve(psi, lag)[1]
    found = {}
    for i in range(1, psi.size - 1):
        if A[i] < min(A[i - 1], A[i + 1]):
            found["saddle_node"] = _fold(psi[i - 1], psi[i + 1], lag)
        if np.isfinite(A[i] + A[i + 1]) and _trace(psi[i], lag) * _trace(psi[i + 1], lag) < 0:
            found |= _hopf(psi[i], psi[i + 1], lag)
    return found


def _fold(low: float, high: float, lag: float) -> float:
    from scipy.optimize import minimize_scalar

    def disparity(psi: float) -> float:
        return float(_on_curve(psi, lag)[1])

    found = minimize_scalar(disparity, bounds=(low, high), options={"xatol": 1e-12})
    return float(found.fun)


def _hopf(low: float, high: float, lag: float) -> dict[str, float]:
    from scipy.optimize import brentq

    psi = float(brentq(_trace, low, high, args=(lag,), xtol=1e-14))
    # A zero trace is a pair on the imaginary axis only where the determinant is positive.
    is_pair = np.linalg.det(_jacobian_on_curve(psi, lag)) > 0
    return {"hopf": float(_on_curve(psi, lag)[1])} if is_pair else {}


def _trace(psi: float, lag: float) -> float:
    return float(np.trace(_jacobian_on_curve(psi, lag)))


def _jacobian_on_curve(psi: float, lag: float) -> np.ndarray:
    r, A = _on_curve(psi, lag)
    return TwoPopulations(float(A), np.pi / 2 - lag).jacobian(float(r), psi)


def _scan(lag: float) -> np.ndarray:
    """Return the angles ψ among which chimeras are looked for: most lie within a few β of 0."""
    everywhere = np.linspace(-np.pi, np.pi, 4001)[:-1]
    near = (np.pi / 2 - lag) * np.linspace(-4, 0, 4001)
    return np.asarray(np.unique(np.concatenate([everywhere, near])) + 1e-9)


def _on_curve(psi: np.ndarray | float, lag: float) -> tuple[np.ndarray, np.ndarray]:
    """Return r and A of the stationary chimera whose phase is ψ; NaN where there is none.

    ṙ = 0 gives μ/ν = −cos(ψ − α)/(r cos α); with it, ψ̇ = 0 gives r².
    """
    psi = np.asarray(psi, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        squared = np.sin(2 * lag - psi) / (2 * np.sin(psi) + np.sin(psi + 2 * lag))
        r = np.sqrt(np.where((squared > 0) & (squared < 1), squared, np.nan))
        ratio = -np.cos(psi - lag) / (r * np.cos(lag))
    return r, np.where(ratio > 1, (ratio - 1) / (ratio + 1), np.nan)
