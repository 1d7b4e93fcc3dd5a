"""Artificial Kuramoto oscillatory neurons: the home of trainable layers, on PyTorch.

Trainable layers, networks and tasks built on the core's couplings and steppers will live here.
The folder `nn/` is imported as ``kuramoto.nn``; dependencies point one way only, from
`kuramoto.nn` to `kuramoto`.
"""

if __name__ != "kuramoto.nn":
    raise ImportError("import kuramoto.nn, not nn")
