"""CRC-32C (Castagnoli), compiled with numba; imported on first use."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._kernels.jit import driver

__all__ = ["crc32c"]

_POLYNOMIAL = 0x82F63B78


@functools.cache
def _tables() -> Array:
    """Return what eight bytes at a distance of 0..7 from the end contribute, (8, 256)."""
    tables = np.zeros((8, 256), np.uint32)
    tables[0] = np.arange(256)
    for _ in range(8):
        odd = (tables[0] & 1).astype(bool)
        tables[0] = (tables[0] >> 1) ^ np.where(odd, np.uint32(_POLYNOMIAL), np.uint32(0))
    for k in range(1, 8):
        tables[k] = (tables[k - 1] >> 8) ^ tables[0][tables[k - 1] & 255]
    return tables


@driver
def _run(data: Any, tables: Any) -> Any:
    crc = np.uint32(0xFFFFFFFF)
    eights = len(data) // 8 * 8
    for k in range(0, eights, 8):
        crc = (
            tables[7, data[k] ^ np.uint8(crc & 255)]
            ^ tables[6, data[k + 1] ^ np.uint8((crc >> 8) & 255)]
            ^ tables[5, data[k + 2] ^ np.uint8((crc >> 16) & 255)]
            ^ tables[4, data[k + 3] ^ np.uint8(crc >> 24)]
            ^ tables[3, data[k + 4]]
            ^ tables[2, data[k + 5]]
            ^ tables[1, data[k + 6]]
            ^ tables[0, data[k + 7]]
        )
    for k in range(eights, len(data)):
        crc = tables[0, data[k] ^ np.uint8(crc & 255)] ^ np.uint32(crc >> 8)
    return crc


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes.

    References
    ----------
    Satran et al. (2004), Internet small computer systems interface, RFC 3720, appendix B.4.

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    return int(_run(np.frombuffer(data, np.uint8), _tables())) ^ 0xFFFFFFFF
