"""Numba by hand: what a competent user writes in an afternoon, and this library has to beat.

Unit vectors, no sine or cosine, the Runge-Kutta stages fused, every buffer allocated once, plain
loops on one thread. A state is (2, M), or (N, rows, columns) on the lattice.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from contestants import Contestant
from numba import njit
from workloads import DT, KERNEL_SIZE, System, Workload, coordinates_first, coordinates_last

# How far a stage reaches for the next one, and its share of the sum, in units of dt.
REACH = (0.5, 0.5, 1.0, 0.0)
SHARE = (1 / 6, 1 / 3, 1 / 3, 1 / 6)


@njit(fastmath=True, cache=True)
def stage(number, dt, omega, force, x, state, total):
    """Finish a stage in the plane, all forces known: the state becomes that of the next one."""
    share, reach = dt * SHARE[number], dt * REACH[number]
    (fa, fb), (xa, xb), (sa, sb), (ta, tb) = rows(force), rows(x), rows(state), rows(total)
    for i in range(omega.size):
        rate = omega[i] + sa[i] * fb[i] - sb[i] * fa[i]
        ka, kb = -rate * sb[i], rate * sa[i]
        ta[i] = share * ka + (xa[i] if number == 0 else ta[i])
        tb[i] = share * kb + (xb[i] if number == 0 else tb[i])
        sa[i], sb[i] = xa[i] + reach * ka, xb[i] + reach * kb


@njit(fastmath=True, cache=True, inline="always")
def rows(x):
    return x[0], x[1]


@njit(fastmath=True, cache=True)
def normalize(total, x):
    """Put the end of a step back on the sphere."""
    for i in range(x.shape[1]):
        scale = 1 / np.sqrt(total[0, i] ** 2 + total[1, i] ** 2)
        x[0, i], x[1, i] = scale * total[0, i], scale * total[1, i]


@njit(fastmath=True, cache=True)
def dense(J, omega, x, buffers, dt, steps):
    force, state, total = buffers
    for _ in range(steps):
        state[:] = x
        for number in range(4):
            a, b = state[0], state[1]
            for i in range(omega.size):
                row, fa, fb = J[i], 0.0, 0.0
                for j in range(row.size):
                    fa += row[j] * a[j]
                    fb += row[j] * b[j]
                force[0, i], force[1, i] = fa, fb
            stage(number, dt, omega, force, x, state, total)
        normalize(total, x)


@njit(fastmath=True, cache=True)
def sparse(values, columns, starts, omega, x, buffers, dt, steps):
    force, state, total = buffers
    for _ in range(steps):
        state[:] = x
        for number in range(4):
            for i in range(omega.size):
                fa = fb = 0.0
                for entry in range(starts[i], starts[i + 1]):
                    fa += values[entry] * state[0, columns[entry]]
                    fb += values[entry] * state[1, columns[entry]]
                force[0, i], force[1, i] = fa, fb
            stage(number, dt, omega, force, x, state, total)
        normalize(total, x)


@njit(fastmath=True, cache=True)
def mean_field(K, omega, x, buffers, dt, steps):
    """One pass per stage: it adds up the next stage's field while writing its state."""
    _, state, total = buffers
    a, b = np.sum(x[0]), np.sum(x[1])
    K = K / omega.size
    for _ in range(steps):
        a, b = field_first(K * a, K * b, omega, x, state, total, dt)
        a, b = field_between(K * a, K * b, omega, x, state, total, dt, dt / 2)
        a, b = field_between(K * a, K * b, omega, x, state, total, dt, dt)
        a, b = field_last(K * a, K * b, omega, x, state, total, dt)


@njit(fastmath=True, cache=True)
def field_first(fa, fb, omega, x, state, total, dt):
    (xa, xb), (sa, sb), (ta, tb), a, b = rows(x), rows(state), rows(total), 0.0, 0.0
    for i in range(omega.size):
        rate = omega[i] + xa[i] * fb - xb[i] * fa
        ka, kb = -rate * xb[i], rate * xa[i]
        ta[i], tb[i] = xa[i] + dt / 6 * ka, xb[i] + dt / 6 * kb
        sa[i], sb[i] = xa[i] + dt / 2 * ka, xb[i] + dt / 2 * kb
        a, b = a + sa[i], b + sb[i]
    return a, b


@njit(fastmath=True, cache=True)
def field_between(fa, fb, omega, x, state, total, dt, reach):
    (xa, xb), (sa, sb), (ta, tb), a, b = rows(x), rows(state), rows(total), 0.0, 0.0
    for i in range(omega.size):
        rate = omega[i] + sa[i] * fb - sb[i] * fa
        ka, kb = -rate * sb[i], rate * sa[i]
        ta[i], tb[i] = ta[i] + dt / 3 * ka, tb[i] + dt / 3 * kb
        sa[i], sb[i] = xa[i] + reach * ka, xb[i] + reach * kb
        a, b = a + sa[i], b + sb[i]
    return a, b


@njit(fastmath=True, cache=True)
def field_last(fa, fb, omega, x, state, total, dt):
    (xa, xb), (sa, sb), (ta, tb), a, b = rows(x), rows(state), rows(total), 0.0, 0.0
    for i in range(omega.size):
        rate = omega[i] + sa[i] * fb - sb[i] * fa
        ua, ub = ta[i] - dt / 6 * rate * sb[i], tb[i] + dt / 6 * rate * sa[i]
        scale = 1 / np.sqrt(ua * ua + ub * ub)
        xa[i], xb[i] = scale * ua, scale * ub
        a, b = a + xa[i], b + xb[i]
    return a, b


@njit(cache=True)
def each(integrate, weights, omega, x, one, buffers, dt, steps):
    """Run system after system to the end: each stays in the nearest cache."""
    for system in range(x.shape[1]):
        one[:] = x[:, system]
        integrate(weights, omega, one, buffers, dt, steps)
        x[:, system] = one


@njit(fastmath=True, cache=True)
def lattice(kernel, x, padded, force, along, state, total, dt, steps):
    for _ in range(steps):
        state[:] = x
        for number in range(4):
            wrap(state, padded)
            for i in range(x.shape[1]):
                correlate(kernel, padded, i, force)
                project(padded, i, force, along)
                finish_row(number, dt, force, x[:, i], state[:, i], total[:, i])
        normalize_grid(total, x)


@njit(fastmath=True, cache=True)
def wrap(state, padded):
    """Copy a state into the middle of a larger one, and round its edges."""
    N, count, columns = state.shape
    half = KERNEL_SIZE // 2
    for c in range(N):
        for i in range(count + 2 * half):
            row, source = padded[c, i], state[c, (i - half) % count]
            row[half : half + columns] = source
            row[:half], row[half + columns :] = source[columns - half :], source[:half]


@njit(fastmath=True, cache=True)
def correlate(kernel, padded, i, force):
    """Fill (N, columns) with the force on row i; KERNEL_SIZE is known when this is compiled."""
    force[:] = 0.0
    for c in range(force.shape[0]):
        out = force[c]
        for p in range(KERNEL_SIZE):
            row, weights = padded[c, i + p], kernel[p]
            for j in range(out.size):
                along_row = 0.0
                for q in range(KERNEL_SIZE):
                    along_row += weights[q] * row[j + q]
                out[j] += along_row


@njit(fastmath=True, cache=True)
def project(padded, i, force, along):
    """Take from the force on row i what points along the state."""
    half, columns = KERNEL_SIZE // 2, force.shape[1]
    along[:] = 0.0
    for c in range(force.shape[0]):
        row, own = padded[c, i + half, half : half + columns], force[c]
        for j in range(columns):
            along[j] += row[j] * own[j]
    for c in range(force.shape[0]):
        row, own = padded[c, i + half, half : half + columns], force[c]
        for j in range(columns):
            own[j] -= along[j] * row[j]


@njit(fastmath=True, cache=True)
def finish_row(number, dt, force, x, state, total):
    """Finish a stage of one row, (N, columns), in any dimension."""
    share, reach = dt * SHARE[number], dt * REACH[number]
    for c in range(force.shape[0]):
        k, start, after, end = force[c], x[c], state[c], total[c]
        for j in range(k.size):
            end[j] = share * k[j] + (start[j] if number == 0 else end[j])
            after[j] = start[j] + reach * k[j]


@njit(fastmath=True, cache=True)
def normalize_grid(total, x):
    N, count, columns = x.shape
    for i in range(count):
        for j in range(columns):
            length = 0.0
            for c in range(N):
                length += total[c, i, j] ** 2
            for c in range(N):
                x[c, i, j] = total[c, i, j] / np.sqrt(length)


class ByHand(Contestant):
    """Numba by hand."""

    def __init__(self, workload: Workload, system: System) -> None:
        self.x0 = coordinates_first(system.x0)
        if workload.kind == "sparse":
            # Neighbours are met at random: their two coordinates should share a cache line.
            self.x0 = np.asfortranarray(self.x0)
        self.kernel, self.before, self.after = self._call(workload, system.weights, system.omega)

    def _call(self, workload: Workload, weights: Any, omega: Any) -> tuple[Any, Any, Any]:
        """Return a kernel, then its arguments before the state and after it."""
        one = self.x0[:, 0].copy() if workload.batch else self.x0
        buffers = tuple(np.empty_like(one) for _ in range(3))
        if workload.kind == "lattice":
            margin = (0, KERNEL_SIZE - 1, KERNEL_SIZE - 1)
            padded = np.empty(np.add(self.x0.shape, margin))
            force = self.x0[:, 0].copy()
            return lattice, (weights,), (padded, force, force[0].copy(), *buffers[1:])
        if workload.kind == "sparse":
            return sparse, (weights.data, weights.indices, weights.indptr, omega), (buffers,)
        kernel = dense if workload.kind == "dense" else mean_field
        if workload.batch:
            return each, (kernel, weights, omega), (one, buffers)
        return kernel, (weights, omega), (buffers,)

    def advance(self, steps: int) -> float:
        """Take RK4 steps."""
        self.x = self.x0.copy(order="K")
        self.kernel(*self.before, self.x, *self.after, DT, steps)
        return 4.0 * steps

    def state(self) -> np.ndarray:
        """Return the final state."""
        return coordinates_last(self.x)

    def versions(self) -> dict[str, str]:
        """Return numba's."""
        return {"numba": version("numba")}
