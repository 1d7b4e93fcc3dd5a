"""What a worker process of a sweep loads when it starts."""

from __future__ import annotations

import signal
from typing import Any

__all__ = ["dask_setup"]


def dask_setup(_: Any) -> None:
    """Leave Ctrl-C, which a terminal sends to all, to the process that coordinates."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
