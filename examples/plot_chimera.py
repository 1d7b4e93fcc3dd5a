"""
A chimera that breathes
=======================

Two populations of identical oscillators, coupled more strongly within (μ) than across (ν), with a
phase lag α close to a quarter turn. One population falls into step; the other does not, although
nothing tells them apart. Abrams, Mirollo, Strogatz and Wiley (2008) solved this chimera exactly:
infinitely many oscillators follow two equations for the order parameter r of the second population
and its phase. Here 2 × 128 oscillators are set beside them, for three values of A = μ − ν.
"""

import matplotlib.pyplot as plt
import numpy as np

import kuramoto as km
from kuramoto import phase, theory

M, beta = 128, 0.1
same = np.kron(np.eye(2), np.ones((M, M)))  # 1 within a population, 0 across


def simulate(A, r, psi, t1):
    """Return times, states and the theory, from the start (r, ψ) of the second population."""
    system = theory.TwoPopulations(A, beta)
    weights = (system.within * same + system.across * (1 - same)) / M
    theta = np.concatenate([np.zeros(M), theory.poisson_phases(r * np.exp(-1j * psi), M)])
    run = km.solve(
        phase.PhaseModel(weights, lag=system.lag).as_kuramoto(),
        phase.from_phases(theta),
        t1=t1,
        dt=0.1,
        save=km.SaveAt(every=10, start=True),
    )
    return run, system


runs = {A: simulate(A, 0.7, -0.2, 300.0) for A in (0.2, 0.28, 0.35)}

# %%
# The second population's order parameter: simulation (lines) over the two reduced equations (dots).
# At A = 0.2 it settles; at 0.28 it breathes; at 0.35 more slowly and more deeply. Before A = 0.355
# the cycle meets a saddle and is gone, and both populations end in step.

figure, axes = plt.subplots(3, 1, figsize=(7, 5.5), layout="constrained", sharex=True, sharey=True)
for ax, (A, (run, system)) in zip(axes, runs.items(), strict=True):
    r = km.observables.order_parameter(run.states[:, M:])
    reduced = system.trajectory(0.7, -0.2, run.times)[0]
    ax.plot(
        run.times, km.observables.order_parameter(run.states[:, :M]), color="0.6", label="in step"
    )
    ax.plot(run.times, r, color="#0072B2", label="not in step")
    ax.plot(run.times[::8], reduced[::8], ".", color="#D55E00", label="theory")
    ax.set(ylabel=f"r at A = {A:g}", ylim=(0, 1.05), xlim=(0, run.times[-1]))
axes[0].legend(loc="lower right", ncols=3, frameon=False)
axes[-1].set_xlabel("time t")

# %%
# Which states exist where
# ------------------------
# The chimera appears in a saddle-node bifurcation and begins to breathe in a Hopf bifurcation; the
# two curves meet at β ≈ 0.224, beyond which no chimera is stable.

betas = np.linspace(0.005, 0.2235, 40)
borders = [theory.chimera_boundaries(b) for b in betas]
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, label, color in (("saddle_node", "saddle-node", "#0072B2"), ("hopf", "Hopf", "#D55E00")):
    ax.plot(betas, [b.get(name, np.nan) for b in borders], color=color, label=label)
ax.plot([beta] * 3, list(runs), "k+", markersize=9, label="the three runs above")
ax.set(xlabel="β = π/2 − α", ylabel="A = μ − ν", xlim=(0, 0.24), ylim=(0, 0.4))
ax.legend(loc="lower right", frameon=False)
plt.show()
