"""What differs between array libraries, and nothing else: the only file that asks which one it is.

Everything above this file is written once, on the namespace that `array_namespace` returns.
"""

from __future__ import annotations

import sys
from typing import Any

import array_api_compat
import numpy as np
from array_api_compat import device as device_of

from kuramoto._check import message, wrong_type

Array = Any
"""Any array of the Python array API standard (NumPy, CuPy, PyTorch, array-api-strict, JAX)."""

__all__ = [
    "Array",
    "array_namespace",
    "as_array",
    "device_of",
    "from_numpy",
    "is_array",
    "namespace_name",
    "needs_gradient",
    "require_same",
    "scalar",
    "tiny",
    "to_numpy",
    "version_of",
    "zeros_array",
]


def array_namespace(*arrays: Array) -> Any:
    """Return the array-API namespace that all `arrays` share."""
    # NumPy 2 speaks the standard itself. Asking array-api-compat costs 6 us, dozens of times a
    # step, and a third of the time of `import kuramoto`.
    if len(arrays) == 1 and type(arrays[0]) is np.ndarray:
        return np
    return array_api_compat.array_namespace(*arrays)


def is_array(value: Any) -> bool:
    """Say whether `value` is an array of a library that we can compute with."""
    return array_api_compat.is_array_api_obj(value)


def namespace_name(array: Array) -> str:
    """Return the library's plain name: ``numpy``, ``torch``, ``cupy``, ``array_api_strict``, ..."""
    return str(array_namespace(array).__name__).removeprefix("array_api_compat.").split(".")[0]


def namespace_by_name(name: str) -> Any:
    """Import a library by the name that `namespace_name` gave (for files and experiments)."""
    known = ("numpy", "torch", "cupy", "array_api_strict", "jax")
    if name not in known:
        raise ValueError(message("backend", f"be one of {', '.join(known)}", repr(name)))
    module = {"jax": "jax.numpy"}.get(name, name)
    try:
        __import__(module)
    except ImportError as error:
        remedy = f"install {name} or choose the numpy backend"
        raise ValueError(message("backend", "be installed", f"{name} ({error})", remedy)) from None
    return array_namespace(sys.modules[module].asarray(0.0))


def empty_on(backend: str, dtype: str, device: Any = None) -> Array:
    """Return an empty array that stands for a library, dtype and device given by their names."""
    xp = namespace_by_name(backend)
    return xp.zeros(0, dtype=getattr(xp, dtype), device=device)


def device_by_name(backend: str, name: str) -> str | None:
    """Return the device that ``str(device)`` named; only torch's can be asked for by that name."""
    return name if backend == "torch" else None


def as_array(value: Any, argument: str) -> Array:
    """Return `value` as a real floating-point array; lists and integers become floats.

    Raises
    ------
    TypeError
        If `value` is not an array, a number or nested lists of numbers, or is complex.
    """
    if not is_array(value):
        try:
            value = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise wrong_type(argument, "be an array or nested lists of numbers", value) from None
    xp = array_namespace(value)
    if xp.isdtype(value.dtype, "complex floating"):
        found = f"has dtype {value.dtype}"
        raise TypeError(message(argument, "be real", found, "pass real and imaginary parts apart"))
    if xp.isdtype(value.dtype, "real floating"):
        return value
    return xp.asarray(value, dtype=xp.float64)


def scalar(value: Any, argument: str) -> Any:
    """Return one finite number: a float, or the 0-d array itself where autograd may need it.

    A NumPy scalar becomes a float, so that it never promotes a float32 state.
    """
    array = as_array(value, argument)
    host = to_numpy(array)
    if host.ndim or not np.isfinite(host):
        raise ValueError(message(argument, "be one finite number", f"is {value}"))
    return float(host) if isinstance(array, np.ndarray | np.generic) else array


def require_same(x: Array, other: Array, name: str, other_name: str) -> None:
    """Raise unless two arrays share library, dtype and device; never copies one to the other.

    Python numbers fit everywhere.
    """
    same_kind = type(x) is type(other) and x.dtype == other.dtype
    if same_kind and (type(x) is np.ndarray or device_of(x) == device_of(other)):
        return
    if not is_array(other):
        return
    _compare("library", namespace_name(x), namespace_name(other), name, other_name)
    _compare("dtype", str(x.dtype), str(other.dtype), name, other_name)
    _compare("device", str(device_of(x)), str(device_of(other)), name, other_name)


def _compare(what: str, one: str, two: str, name: str, other_name: str) -> None:
    if one != two:
        raise TypeError(
            f"Arguments `{name}` and `{other_name}` must share one {what}, "
            f"but `{name}` has {one} and `{other_name}` has {two}; convert one of them first."
        )


def to_numpy(array: Array) -> np.ndarray:
    """Return a NumPy view or copy of any array (detached from autograd, on the host)."""
    if isinstance(array, np.ndarray):
        return array
    if array_api_compat.is_torch_array(array):
        return np.asarray(array.detach().cpu().numpy())
    if array_api_compat.is_cupy_array(array):
        return np.asarray(array.get())
    if hasattr(array, "__dlpack__") and not array_api_compat.is_jax_array(array):
        return np.from_dlpack(array)
    return np.asarray(array)


def from_numpy(values: Any, like: Array) -> Array:
    """Return host numbers as an array with the library, dtype and device of `like`."""
    xp = array_namespace(like)
    return xp.asarray(np.array(values), dtype=like.dtype, device=device_of(like), copy=True)


def integers_like(values: Any, like: Array) -> Array:
    """Return host integers as an index array on the library and device of `like`."""
    xp = array_namespace(like)
    indices = np.ascontiguousarray(values, dtype=np.int64)
    return xp.asarray(indices, device=device_of(like), copy=True)


def zeros_array(shape: tuple[int, ...], like: Array) -> Array:
    """Return zeros with the library, dtype and device of `like`."""
    return array_namespace(like).zeros(shape, dtype=like.dtype, device=device_of(like))


_SMALLEST: dict[Any, float] = {}


def tiny(array: Array) -> float:
    """Return a number just large enough to be divided by, in the dtype of `array`."""
    key = type(array.dtype), array.dtype  # dtypes of different libraries do not like to be compared
    number = _SMALLEST.get(key)
    if number is None:
        number = 4 * float(array_namespace(array).finfo(array.dtype).smallest_normal)
        _SMALLEST[key] = number
    return number


def inner(x: Array, y: Array) -> Array:
    """Return Σ x y over the last axis."""
    if array_api_compat.is_torch_array(x):
        # Its vecdot multiplies a matrix for every pair: several times slower for short vectors.
        return (x * y).sum(-1)
    return array_namespace(x).vecdot(x, y)


def version_of(array: Array) -> int:
    """Count the changes made in place, where the library does (torch): part of a cache's key."""
    try:
        return int(getattr(array, "_version", 0))
    except RuntimeError:  # an inference tensor: nothing made of it is kept
        return 0


def may_keep(source: Array, derived: Any) -> bool:
    """Say whether a value derived from `source` may be kept for later calls.

    Not while autograd records for the source, nor what torch made in inference mode.
    """
    inference = getattr(derived, "is_inference", None)
    return not needs_gradient(source) and not (callable(inference) and inference())


def needs_gradient(array: Any) -> bool:
    """Say whether autograd is recording for this array (its derived values must not be cached)."""
    return bool(getattr(array, "requires_grad", False))


def from_sparse(matrix: Any) -> tuple[Array, np.ndarray, np.ndarray]:
    """Take a library's sparse matrix apart: values (E,) or (E, N, N), NumPy indices and indptr.

    Raises
    ------
    TypeError
        If it is no sparse matrix of SciPy, PyTorch or CuPy.
    ValueError
        If it is not square.
    """
    shape = tuple(getattr(matrix, "shape", ()))
    torch, sparse = sys.modules.get("torch"), sys.modules.get("scipy.sparse")
    is_torch = torch is not None and isinstance(matrix, torch.Tensor)
    is_torch_sparse = is_torch and str(matrix.layout) != "torch.strided"
    is_scipy = sparse is not None and sparse.issparse(matrix)
    is_cupyx = type(matrix).__module__.startswith("cupyx.scipy.sparse")
    if not (is_scipy or is_cupyx or is_torch_sparse):
        remedy = "wrap it in scipy.sparse.csr_array, or use Dense or Sparse.from_edges"
        must = "be a sparse matrix of SciPy, PyTorch or CuPy"
        raise wrong_type("weights", must, matrix, remedy)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(message("weights", "have shape (M, M)", f"has shape {shape}"))
    if is_torch:
        return _from_torch_sparse(torch, matrix)
    if matrix.format == "bsr" and matrix.blocksize != (1, 1):
        if matrix.blocksize[0] != matrix.blocksize[1]:
            found = f"has blocks of {matrix.blocksize}"
            raise ValueError(message("weights", "have square blocks", found))
        return as_array(matrix.data, "weights"), matrix.indices, matrix.indptr
    rows = matrix.tocsr()
    values = as_array(rows.data, "weights")
    return values, to_numpy(rows.indices), to_numpy(rows.indptr)


def _from_torch_sparse(torch: Any, matrix: Any) -> tuple[Array, np.ndarray, np.ndarray]:
    if matrix.layout == torch.sparse_coo:
        # Not to_sparse_csr(): coalescing keeps the gradient's way to the values.
        matrix = matrix.coalesce()
        rows, columns = to_numpy(matrix.indices())
        indptr = np.searchsorted(rows, np.arange(matrix.shape[0] + 1))
        return as_array(matrix.values(), "weights"), columns, indptr
    if matrix.layout not in (torch.sparse_csr, torch.sparse_bsr):
        matrix = matrix.to_sparse_csr()
    values = as_array(matrix.values(), "weights")
    return values, to_numpy(matrix.col_indices()), to_numpy(matrix.crow_indices())


def csr_matrix(values: Array, indices: np.ndarray, indptr: np.ndarray) -> Any:
    """Return compressed rows as what the library multiplies fastest: sparse where it can."""
    builders = {"numpy": _scipy_matrix, "torch": _torch_matrix, "cupy": _cupyx_matrix}
    return builders.get(namespace_name(values), _dense_matrix)(values, indices, indptr)


def _scipy_matrix(values: Array, indices: np.ndarray, indptr: np.ndarray) -> Any:
    from scipy import sparse

    shape = (len(indptr) - 1,) * 2
    narrow = np.int32 if max(len(indices), shape[0]) < 2**31 else np.int64
    return sparse.csr_array((values, indices.astype(narrow), indptr.astype(narrow)), shape=shape)


def _torch_matrix(values: Array, indices: np.ndarray, indptr: np.ndarray) -> Any:
    import warnings

    import torch

    shape = (len(indptr) - 1,) * 2
    columns = integers_like(indices, values)
    if needs_gradient(values):  # only the COO product differentiates towards the values
        rows = integers_like(np.repeat(np.arange(shape[0]), np.diff(indptr)), values)
        pairs = torch.stack([rows, columns])
        return torch.sparse_coo_tensor(pairs, values, shape, check_invariants=False)
    with warnings.catch_warnings():  # "Sparse CSR tensor support is in beta state"
        warnings.simplefilter("ignore", UserWarning)
        pointers = integers_like(indptr, values)
        return torch.sparse_csr_tensor(pointers, columns, values, shape, check_invariants=False)


def _cupyx_matrix(values: Array, indices: np.ndarray, indptr: np.ndarray) -> Any:
    import cupy
    from cupyx.scipy import sparse

    shape = (len(indptr) - 1,) * 2
    parts = (values, cupy.asarray(indices, dtype="int32"), cupy.asarray(indptr, dtype="int32"))
    return sparse.csr_matrix(parts, shape=shape)


def _dense_matrix(values: Array, indices: np.ndarray, indptr: np.ndarray) -> Array:
    """Write the rows out in full, for libraries without a sparse product: right, not lean."""
    xp = array_namespace(values)
    size = len(indptr) - 1
    rows = np.repeat(np.arange(size), np.diff(indptr))
    hits = integers_like(rows * size + indices, values)
    cells = xp.arange(size * size, dtype=hits.dtype, device=device_of(values))
    chosen = xp.astype(cells[:, None] == hits[None, :], values.dtype)
    return xp.reshape(xp.matmul(chosen, values[:, None]), (size, size))
