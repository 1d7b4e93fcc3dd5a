"""Observables: numbers that say what a state or a run is doing, and those that runs know by name.

An observer, as `solve` takes it, is a function of (t, x). `OBSERVABLES` maps names to makers of
observers for a given model; experiment files and run files refer to these names. Observers that
gather statistics of a run without keeping its states: `RunningMean`, `MeanFrequency`,
`PhaseLocking`, `Correlation`.
"""

from kuramoto.observables.energies import BondEnergies, energy_per_bond, energy_per_oscillator
from kuramoto.observables.locking import (
    Correlation,
    PhaseLocking,
    functional_connectivity,
    phase_locking_value,
)
from kuramoto.observables.named import OBSERVABLES, Standard, standard
from kuramoto.observables.neighbourhood import Neighbourhood
from kuramoto.observables.order import (
    daido_order_parameter,
    local_order_parameter,
    mean_vector,
    nematic_order,
    nematic_tensor,
    order_parameter,
    population_order_parameters,
    weighted_order_parameter,
)
from kuramoto.observables.rates import (
    MeanFrequency,
    angular_velocity,
    frequency_clusters,
    instantaneous_frequency,
    mean_frequencies,
    residual,
)
from kuramoto.observables.running import RunningMean
from kuramoto.observables.space import (
    CorrelationFunction,
    correlation_function,
    correlation_length,
    grid_correlation,
)
from kuramoto.observables.variability import chimera_index, metastability, strength_of_incoherence

__all__ = [
    "OBSERVABLES",
    "BondEnergies",
    "Correlation",
    "CorrelationFunction",
    "MeanFrequency",
    "Neighbourhood",
    "PhaseLocking",
    "RunningMean",
    "Standard",
    "angular_velocity",
    "chimera_index",
    "correlation_function",
    "correlation_length",
    "daido_order_parameter",
    "energy_per_bond",
    "energy_per_oscillator",
    "frequency_clusters",
    "functional_connectivity",
    "grid_correlation",
    "instantaneous_frequency",
    "local_order_parameter",
    "mean_frequencies",
    "mean_vector",
    "metastability",
    "nematic_order",
    "nematic_tensor",
    "order_parameter",
    "phase_locking_value",
    "population_order_parameters",
    "residual",
    "standard",
    "strength_of_incoherence",
    "weighted_order_parameter",
]
