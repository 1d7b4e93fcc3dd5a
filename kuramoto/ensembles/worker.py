"""What a worker process of a sweep loads when it starts."""

from __future__ import annotations

import logging
import signal
from typing import Any

__all__ = ["dask_setup"]


def dask_setup(_: Any) -> None:
    """Leave Ctrl-C, which a terminal sends to all, and the talking to the coordinating process."""
    logging.getLogger("kuramoto").setLevel(logging.ERROR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
