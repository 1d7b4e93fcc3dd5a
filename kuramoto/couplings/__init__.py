"""Couplings: every way to say Σ_j J_ij x_j, each with the bounds that a certificate needs."""

from kuramoto.couplings.attention import Attention
from kuramoto.couplings.base import Coupling, Linear, Scaled, Sum
from kuramoto.couplings.dense import Dense, MeanField
from kuramoto.couplings.frustrated import Frustrated
from kuramoto.couplings.lattice import Lattice
from kuramoto.couplings.sparse import Sparse
from kuramoto.couplings.triadic import Tetradic, Triadic, Triangles

__all__ = [
    "Attention",
    "Coupling",
    "Dense",
    "Frustrated",
    "Lattice",
    "Linear",
    "MeanField",
    "Scaled",
    "Sparse",
    "Sum",
    "Tetradic",
    "Triadic",
    "Triangles",
]
