"""Processes that time contestants: one per interpreter and number of threads."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PATIENCE = 600.0
"""Seconds after which a silent worker is given up."""


def environment(threads: int, *, ours: bool) -> dict[str, str]:
    """Return the environment of a worker: every library is told how many threads to use."""
    count = str(threads)
    names = ("OMP", "MKL", "OPENBLAS", "NUMBA", "VECLIB", "BLIS")
    limits = {f"{name}_NUM_THREADS": count for name in names}
    xla = f"--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads={count}"
    settings = {**os.environ, **limits, "XLA_FLAGS": xla, "JAX_ENABLE_X64": "1"}
    # A package of PyPI has our import name: a peer's interpreter must not see this checkout.
    settings.pop("PYTHONPATH", None)
    return {**settings, "PYTHONPATH": str(ROOT)} if ours else settings


def cores_for(threads: int) -> list[int]:
    """Return the cores to pin to: the last ones, since the first serves the system's interrupts."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[-threads:]


class Worker:
    """A process under some interpreter. One that dies says so, and is started anew to load."""

    def __init__(self, python: str = sys.executable, threads: int = 1, *, ours: bool = True):
        self.python, self.threads = python, threads
        self.environment = environment(threads, ours=ours)
        self.process: subprocess.Popen[str] | None = None
        self.log: Any = None

    def ask(self, task: str, **details: Any) -> dict[str, Any]:
        """Return the answer to a request."""
        try:
            if self.process is None:
                self._start()
        except OSError as error:
            self.log.close()
            return {"problem": "failed", "why": f"{self.python}: {error.strerror}"}
        plain = {k: asdict(v) if is_dataclass(v) else v for k, v in details.items()}
        alarm = threading.Timer(PATIENCE, self.process.kill)
        alarm.start()
        try:
            line = self._exchange(json.dumps({"do": task, **plain}))
        finally:
            alarm.cancel()
        return json.loads(line) if line else self._died()

    def _start(self) -> None:
        cores = ",".join(map(str, cores_for(self.threads)))
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed with it)
        self.process = subprocess.Popen(
            [self.python, str(HERE / "worker.py"), cores],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=self.environment,
            cwd=HERE,
        )

    def _exchange(self, request: str) -> str:
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
            return self.process.stdout.readline()
        except BrokenPipeError:
            return ""

    def _died(self) -> dict[str, Any]:
        self.log.seek(0)
        last = self.log.read().strip().splitlines()[-1:]
        self.close()
        return {"problem": "failed", "why": " ".join(["its process died;", *last])}

    def close(self) -> None:
        """End the process."""
        if self.process is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.process = None
