"""What the numbers were measured on: processor, caches, memory, system, date, and who else ran."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def describe() -> dict[str, Any]:
    """Return the machine and the state it is in."""
    return {
        "processor": processor(),
        "cores": cores(),
        "caches": caches(),
        "memory": memory(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }


class Neighbours:
    """How much of the machine others use, from now until asked: the quality of all timings.

    Counts what this process and those that it started and has seen end have used as its own.
    """

    def __init__(self) -> None:
        self.begun, self.busy, self.own = time.monotonic(), _busy_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """Return how many cores others kept busy on average; None where the system is silent."""
        if self.busy is None:
            return None
        busy, own = _busy_seconds() - self.busy, _own_seconds() - self.own
        return round(max(0.0, busy - own) / (time.monotonic() - self.begun), 2)


def _busy_seconds() -> float | None:
    """Return what all processes of the machine have used so far, stolen time included."""
    counters = Path("/proc/stat")
    if not counters.exists():
        return None
    user, nice, system, _, _, *others = map(int, counters.read_text().split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])


def processor() -> str:
    """Return the model's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    found = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    name = found.get("model name") or platform.processor() or platform.machine()
    model = [found[key] for key in ("cpu family", "model", "stepping") if key in found]
    return f"{name} (family {model[0]}, model {model[1]})" if len(model) > 1 else name


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def caches() -> dict[str, str]:
    """Return the caches of the first core."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_line(folder / name) for name in ("level", "type", "size"))
        found[f"L{level} {kind.lower()}"] = size
    return found


def memory() -> str:
    """Return the size of the memory."""
    info = Path("/proc/meminfo")
    if not info.exists():
        return "unknown"
    kilobytes = int(info.read_text().split()[1])
    return f"{kilobytes / 2**20:.1f} GiB"


def commit() -> str:
    """Return the commit of this checkout, with a mark if files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _line(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
