"""
Waves, vortices, spectra
========================

Phases on a grid can order everywhere but at points: vortices, around which they turn once. They can
travel, as plane waves or as spirals. :mod:`kuramoto.waves` finds the points, names the waves, and
measures them.
"""

import matplotlib.pyplot as plt
import numpy as np

import kuramoto as km
from kuramoto import plotting, waves

# %%
# A quench
# --------
# From disorder, with nothing but attraction between neighbours. Black are vortices of charge +1,
# white of −1. They vanish in pairs, and on a torus their charges cancel at all times.

neighbours = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
x0 = km.sphere.random_points((128, 128, 2), seed=0)
save = km.SaveAt(every=5, start=True)
run = km.solve(km.Kuramoto(km.Lattice(neighbours)), x0, t1=60.0, dt=0.1, save=save)
tracks = waves.track_defects(run.states[4:])

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for ax, frame in zip(axes, (10, 60), strict=False):
    plotting.draw_lattice(ax, run.states[frame])
    plotting.draw_defects(ax, waves.defects(run.states[frame]))
    ax.set_title(f"t = {run.times[frame]:g}")
axes[2].loglog(run.times[1:], waves.vortex_count(run.states[1:]), color=plotting.LINE_COLORS[0])
axes[2].set(xlabel="time t", ylabel="vortices", title="They vanish in pairs")
print(f"{len(tracks.births)} pairs born, {len(tracks.annihilations)} annihilated after t = 2")

# %%
# A spiral and a plane wave
# -------------------------
# With a phase lag α, neighbours are drawn to where the others were: coupling by blocks that rotate.
# A vortex then winds up into a spiral. The verdict comes with a p-value, from 199 shuffles.

alpha = 0.6
lag = [[np.cos(alpha), np.sin(alpha)], [-np.sin(alpha), np.cos(alpha)]]
row, column = np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5, indexing="ij")
starts = {
    "periodic": waves.twisted_state((64, 64), (2, 4)),
    "reflect": km.phase.from_phases(np.arctan2(column, row)),
}
figure, axes = plt.subplots(1, 2, figsize=(7.4, 4), layout="constrained")
for ax, (boundary, start) in zip(axes, starts.items(), strict=True):
    lattice = km.Lattice(neighbours[..., None, None] * lag, boundary)
    run = km.solve(km.Kuramoto(lattice), start, t1=100.0, dt=0.1, save=save)
    edges = "periodic" if boundary == "periodic" else "open"
    found = waves.classify(run.states[-32:], 0.5, edges)
    plotting.draw_lattice(ax, run.final)
    ax.set_title(f"{found.label}, p = {found.wave.p_value:g}")
    wave = waves.dominant_wave(run.states[-32:], 0.5)
    print(f"{found.label}: strength {found.wave.strength:.2f}, {found.vortices:.0f} vortices, "
          f"plane wave of speed {wave.speed:.3f} holds {wave.share:.0%}")  # fmt: skip

# %%
# Which waves a medium carries
# ----------------------------
# On a ring, each is drawn to its left neighbour, a > 0, and a little off its right one, b < 0.
# Noise excites waves of every length; linear theory says ω = (a − b) sin k (dashed).

a, b = 1.0, -0.6
ring = km.Kuramoto(km.Lattice([a, 0.0, b]), noise=0.1)
x0 = waves.twisted_state(128, 0)
run = km.solve(ring, x0, t1=400.0, dt=0.05, stepper=km.StochasticHeun(), seed=1, save=save)
spectrum = waves.dispersion(run.states - run.states.mean(axis=0), 0.25, taper="hann")
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
k = spectrum.k[0]
ax.pcolormesh(k, spectrum.omega, np.log10(spectrum.power), vmin=-8, vmax=-4.5, cmap="magma")
ax.plot(k, (a - b) * np.sin(k), "--", color="white", linewidth=1)
ax.set(xlabel="wavevector k", ylabel="frequency ω", ylim=(-3, 3))
plt.show()
