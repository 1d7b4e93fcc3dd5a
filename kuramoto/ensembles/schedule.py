"""Where the points of a sweep run: in this process, on workers of its own, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kuramoto._check import invalid
from kuramoto.ensembles.point import Outcome, Point, run_point

__all__ = ["Runner", "runner"]

Runner = Callable[[Iterable[Point]], Iterator[Outcome]]

_SECONDS_TO_CONNECT = 5.0
_SECONDS_TO_REPLACE = 15
_SECONDS_WITHOUT_WORKERS = 60
# Dask itself takes others too, and finds what is wrong with them when a client is half made.
_ADDRESS = re.compile(r"(tcp|tls|ucx|wss?)://\S+:\d+|inproc://\S+")
_ONE_THREAD = {"NUMBA_NUM_THREADS": 1, "OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1}
_POINTS_AHEAD = 2  # per thread of the cluster: one runs, one is at hand


@contextlib.contextmanager
def runner(scheduler: str | None, workers: int | None, retries: int) -> Iterator[Runner]:
    """Yield the function that runs points and returns their outcomes in the order of their ends.

    Raises
    ------
    ValueError
        If `scheduler` is no address.
    ConnectionError
        If there is no scheduler at its address, or it has no workers.
    """
    if scheduler == "synchronous":
        yield lambda points: map(run_point, points)
        return
    if scheduler is not None and not _ADDRESS.fullmatch(scheduler):
        must = "be synchronous or an address such as tcp://127.0.0.1:8786"
        raise invalid("scheduler", must, repr(scheduler))
    with contextlib.ExitStack() as stack:
        cluster = None
        if scheduler is None:
            cluster = stack.enter_context(_local_cluster(workers, retries))
        client = stack.enter_context(_connected(cluster or scheduler))
        yield lambda points: _on_cluster(client, cluster, points)


def _connected(scheduler: Any) -> Any:
    """Return a client of a cluster or an address."""
    distributed = _distributed()
    try:
        return distributed.Client(scheduler, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except Exception:  # nobody is there, or somebody who speaks another language
        remedy = "start one with `dask scheduler`, or leave the address out"
        raise ConnectionError(f"No Dask scheduler answers at {scheduler}; {remedy}.") from None


@contextlib.contextmanager
def _local_cluster(workers: int | None, retries: int) -> Iterator[Any]:
    """Start worker processes of one thread each; a worker that dies is replaced."""
    distributed = _distributed()  # first: it brings the settings that are changed here
    import dask

    settings = {
        "distributed.nanny.pre-spawn-environ": _ONE_THREAD,
        "distributed.scheduler.allowed-failures": retries,
        # A worker is given one point at a time: a death tells which point was to blame.
        "distributed.scheduler.worker-saturation": 1.0,
    }
    with dask.config.set(settings), _explained():
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # or its port would be 8787, dashboard or not
            scheduler_kwargs={"dashboard": False},
            memory_limit=None,
            preload=["kuramoto.ensembles.worker"],
            silence_logs=logging.CRITICAL,
        )
    with cluster:
        yield cluster


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say what most likely keeps workers from starting: they import the script that starts them."""
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            f"The workers could not be started ({error}); in a script, call this under "
            '`if __name__ == "__main__":`, or pass scheduler="synchronous".'
        ) from error


def _on_cluster(client: Any, cluster: Any, points: Iterable[Point]) -> Iterator[Outcome]:
    """Keep a few points ahead on the cluster; yield what has ended."""
    waiting, pending = iter(points), dict[Any, Point]()
    while True:
        room = _POINTS_AHEAD * max(1, sum(client.nthreads().values())) - len(pending)
        for point in itertools.islice(waiting, max(0, room)):
            pending[client.submit(run_point, point, pure=False)] = point
        if not pending:
            return
        for future in _ended(client, cluster, pending):
            yield _outcome(future, pending.pop(future))


def _ended(client: Any, cluster: Any, futures: Iterable[Any]) -> Iterable[Any]:
    """Wait until a future has ended; raise if nobody is there to work on it."""
    wait, seconds = _distributed().wait, 0
    while True:
        with contextlib.suppress(TimeoutError), client.as_current():
            return list(wait(list(futures), timeout=1.0, return_when="FIRST_COMPLETED").done)
        seconds = 0 if client.nthreads() else seconds + 1
        if seconds == _SECONDS_TO_REPLACE and cluster is not None:
            # A worker that dies while it is being started is not replaced by its nanny.
            cluster.scale(2 * len(cluster.worker_spec))
        if seconds > _SECONDS_WITHOUT_WORKERS:
            words = f"The Dask scheduler has had no workers for {_SECONDS_WITHOUT_WORKERS} s"
            raise ConnectionError(f"{words}; start some, then start the same sweep again.")


def _outcome(future: Any, point: Point) -> Outcome:
    distributed = _distributed()
    try:
        outcome: Outcome = future.result()
    except distributed.KilledWorker:
        words = "its worker died, each time it was tried (out of memory?)"
        return Outcome(point.number, f"{point.source}: {words}.")
    except distributed.CancelledError:
        words = "The Dask scheduler was lost; finished points are safe"
        raise ConnectionError(f"{words}: start the same sweep again.") from None
    except Exception as error:  # the point could not even be sent or loaded
        return Outcome(point.number, point.complaint(error))
    finally:
        future.release()
    return outcome


def _distributed() -> Any:
    """Load Dask's scheduler, which is an extra."""
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        remedy = 'pip install "kuramoto-spheres[sweep]", or pass scheduler="synchronous"'
        words = f"Dask's {error.name} is not installed; install it: {remedy}"
        raise ImportError(words, name=error.name) from None
