"""Ott and Antonsen's reduction: Lorentzian frequencies in one complex equation, exactly.

For N = 2, a mean field and infinitely many oscillators whose rates have a Lorentzian density with
center ω₀ and half width Δ, z = mean of e^{iθ} obeys, once the phases of every rate are distributed
by a Poisson kernel (an attracting manifold for Δ > 0),

    ż = (iω₀ − Δ) z + ½ (H − H̄ z²),    H = K e^{−iα} z + c.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._check import invalid, real_number, whole_number
from kuramoto.theory.critical import require_lag

__all__ = ["OttAntonsen", "poisson_phases"]


class OttAntonsen:
    """The Ott-Antonsen equation for θ̇_i = ω_i + (K/M) Σ_j sin(θ_j − θ_i − α) + Im(c e^{−iθ_i}).

    In vector form: ``Kuramoto(MeanField(K), Rotation(omega), stimulus)`` with Lorentzian rates, and
    the stimulus (Re c, Im c) for all. A force F sin(σt − θ) is c = F in the frame that turns at σ:
    take ω₀ − σ for the center (Childs and Strogatz).

    Parameters
    ----------
    coupling : float
        K, of either sign.
    width : float
        Δ > 0, the density's half width.
    center : float, default 0.0
        ω₀.
    lag : float, default 0.0
        α, |α| < π/2.
    stimulus : complex, default 0
        c.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    Ott, Antonsen (2008), Chaos 18, 037113, eq. 9-11; Childs, Strogatz (2008), Chaos 18, 043128;
    Ott, Antonsen (2009), Chaos 19, 023117 (that the manifold attracts).

    Examples
    --------
    >>> OttAntonsen(2.0, 0.5).order_parameter()
    0.7071067811865476
    """

    def __init__(
        self,
        coupling: float,
        width: float,
        *,
        center: float = 0.0,
        lag: float = 0.0,
        stimulus: complex = 0.0,
    ) -> None:
        self.coupling = real_number("coupling", coupling)
        self.width = real_number("width", width, positive=True)
        self.center = real_number("center", center)
        self.lag = require_lag(lag)
        self.stimulus = complex(stimulus)
        if not np.isfinite(self.stimulus):
            raise invalid("stimulus", "be a finite complex number", f"{stimulus}")

    def velocity(self, z: Any) -> np.ndarray:
        """Return ż, of the shape of z."""
        z = np.asarray(z, dtype=np.complex128)
        H = self.coupling * np.exp(-1j * self.lag) * z + self.stimulus
        return np.asarray((1j * self.center - self.width) * z + 0.5 * (H - np.conj(H) * z**2))

    def critical_coupling(self) -> float:
        """Return K_c = 2Δ / cos α, for no stimulus."""
        return float(2 * self.width / np.cos(self.lag))

    def order_parameter(self) -> float:
        """Return r = √(1 − K_c/K) of the state that attracts without a stimulus; 0 up to K_c."""
        self._require_free("order_parameter")
        K_c = self.critical_coupling()
        return float(np.sqrt(1 - K_c / self.coupling)) if self.coupling > K_c else 0.0

    def rate(self) -> float:
        """Return the rate Ω = ω₀ − ½ K (1 + r²) sin α at which that state turns."""
        r = self.order_parameter()
        return float(self.center - 0.5 * self.coupling * (1 + r**2) * np.sin(self.lag))

    def trajectory(self, z0: complex, times: Any) -> np.ndarray:
        """Return z at the given ascending times, from z₀ with |z₀| ≤ 1 at the first of them.

        Integrated to a relative tolerance of 1e-10.

        Examples
        --------
        >>> model = OttAntonsen(2.0, 0.5)
        >>> abs(model.trajectory(0.1, [0.0, 40.0])).round(6)
        array([0.1     , 0.707107])
        """
        from scipy.integrate import solve_ivp

        t = np.asarray(times, dtype=np.float64)
        if t.ndim != 1 or t.size < 2 or not (np.diff(t) > 0).all():
            raise invalid("times", "be at least two ascending numbers", f"{times}")
        if not abs(z0) <= 1:
            raise invalid("z0", "have a modulus of at most 1", f"{z0}")
        run = solve_ivp(
            lambda _, z: self.velocity(z),
            (t[0], t[-1]),
            np.array([z0], dtype=np.complex128),
            t_eval=t,
            method="DOP853",
            rtol=1e-10,
            atol=1e-12,
        )
        return np.asarray(run.y[0])

    def fixed_points(self) -> np.ndarray:
        """Return all z with ż = 0 and |z| < 1, by ascending |z|.

        With a stimulus they are the roots of a polynomial of degree five in |z|², and all are found
        (double roots, at a saddle-node bifurcation, to about eight digits). Without one: 0 and,
        above K_c, r > 0, of the circle of states that turn at `rate`.
        """
        if self.stimulus == 0:
            r = self.order_parameter()
            return np.array([0.0, r] if r > 0 else [0.0], dtype=np.complex128)
        c, turn = abs(self.stimulus), self.stimulus / abs(self.stimulus)
        squared = self._squared_moduli(c)
        A = self._slope(squared)
        x = -2 * A.real * squared / (c * (1 - squared))
        y = 2 * A.imag * squared / (c * (1 + squared))
        return np.asarray(turn * (x + 1j * y))

    def eigenvalues(self, z: complex) -> np.ndarray:
        """Return the two eigenvalues of the linearisation at z: both real parts < 0 is stable."""
        k = self.coupling * np.exp(-1j * self.lag)
        H = k * z + self.stimulus
        by_z = 1j * self.center - self.width + 0.5 * k - np.conj(H) * z
        by_conjugate = -0.5 * np.conj(k) * z**2
        pair = np.array([[by_z, by_conjugate], [np.conj(by_conjugate), np.conj(by_z)]])
        return np.asarray(np.linalg.eigvals(pair))

    def _slope(self, squared: Any) -> Any:
        """Return A(s): ż = A(|z|²) z + ½ (c − c̄ z²)."""
        k = self.coupling * np.exp(-1j * self.lag)
        return 1j * self.center - self.width + 0.5 * k - 0.5 * np.conj(k) * squared

    def _squared_moduli(self, c: float) -> np.ndarray:
        """Return the roots s in (0, 1) of 4s[A_r²(1+s)² + A_i²(1−s)²] = c²(1−s²)²."""
        s = np.polynomial.Polynomial([0.0, 1.0])
        first, second = self._slope(0.0), self._slope(1.0)
        real = first.real + (second - first).real * s
        imaginary = first.imag + (second - first).imag * s
        left = 4 * s * ((real * (1 + s)) ** 2 + (imaginary * (1 - s)) ** 2)
        roots = (left - c**2 * (1 - s**2) ** 2).roots()
        # A double root splits into a complex pair, about √eps apart.
        held = roots.real[(np.abs(roots.imag) < 1e-7) & (roots.real > 0) & (roots.real < 1)]
        return np.sort(held)

    def _require_free(self, method: str) -> None:
        if self.stimulus != 0:
            remedy = "see fixed_points"
            raise invalid("stimulus", f"be 0 for {method}", f"{self.stimulus}", remedy)


def poisson_phases(z: complex, count: int) -> np.ndarray:
    """Return phases on the Ott-Antonsen manifold: quantiles of the Poisson kernel with mean z.

    Identical oscillators that start there stay on a Poisson kernel's quantiles, the images of even
    spacing under Möbius maps, with the moments z^n up to |z|^count (Watanabe and Strogatz): the
    reduced equations then hold for finitely many oscillators too, to that accuracy.

    Parameters
    ----------
    z : complex
        |z| < 1.
    count : int
        Number of oscillators.

    Returns
    -------
    array, shape (count,)
        Radians.

    References
    ----------
    Marvel, Mirollo, Strogatz (2009), Chaos 19, 043104.

    Examples
    --------
    >>> import numpy as np
    >>> complex(np.exp(1j * poisson_phases(0.5j, 64)).mean().round(12))
    0.5j
    """
    M = whole_number("count", count, least=1)
    if not abs(z) < 1:
        raise invalid("z", "have a modulus below 1", f"{z}")
    even = np.exp(2j * np.pi * (np.arange(M) + 0.5) / M)
    return np.asarray(np.angle((even + z) / (1 + np.conj(z) * even)))
