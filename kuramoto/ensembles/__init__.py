"""Many runs at once: ensembles batched in one array, sweeps over parameters on many processes.

* `ensemble` runs one model from many initial states, in one call of `kuramoto.solve`;
* `sweep` runs an experiment at every point of a grid of parameters and seeds, on Dask;
* `open_sweep` reads the file that a sweep writes, `is_sweep` tells it from others.
"""

from kuramoto.ensembles.batch import ensemble
from kuramoto.ensembles.grid import parse_axes
from kuramoto.ensembles.result import Sweep, is_sweep, open_sweep
from kuramoto.ensembles.sweep import sweep

__all__ = ["Sweep", "ensemble", "is_sweep", "open_sweep", "parse_axes", "sweep"]
