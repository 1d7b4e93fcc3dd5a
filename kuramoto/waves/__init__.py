"""Waves: phase gradients, winding numbers, vortices, spectra, and whether a wave travels.

States on a grid have shape ``(*batch, *grid, N)``, runs ``(S, *grid, N)``. Lengths are counted in
sites and components follow the grid's axes. See the page "Waves" of the documentation.
"""

from __future__ import annotations

from kuramoto.waves.classification import Classification, classify
from kuramoto.waves.defects import Defects, defect_charges, defects, vortex_count
from kuramoto.waves.detection import TravellingWave, detect_travelling_wave
from kuramoto.waves.flux import WaveFlux, mean_turns, wave_flux
from kuramoto.waves.gradient import (
    angle_between,
    frequency_between,
    geodesic_gradient,
    gradient_norm,
    local_wavevector,
    phase_gradient,
    phase_velocity,
)
from kuramoto.waves.projection import leading_plane, to_plane
from kuramoto.waves.spectrum import PlaneWave, Spectrum, dispersion, dominant_wave
from kuramoto.waves.tracking import DefectEvent, DefectTracks, track_defects
from kuramoto.waves.winding import (
    Windings,
    twist_order,
    twisted_state,
    winding_number,
    winding_numbers,
)

__all__ = [
    "Classification",
    "DefectEvent",
    "DefectTracks",
    "Defects",
    "PlaneWave",
    "Spectrum",
    "TravellingWave",
    "WaveFlux",
    "Windings",
    "angle_between",
    "classify",
    "defect_charges",
    "defects",
    "detect_travelling_wave",
    "dispersion",
    "dominant_wave",
    "frequency_between",
    "geodesic_gradient",
    "gradient_norm",
    "leading_plane",
    "local_wavevector",
    "mean_turns",
    "phase_gradient",
    "phase_velocity",
    "to_plane",
    "track_defects",
    "twist_order",
    "twisted_state",
    "vortex_count",
    "wave_flux",
    "winding_number",
    "winding_numbers",
]
