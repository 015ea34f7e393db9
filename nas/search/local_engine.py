"""The engine ``local``: worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from constraints.errors import UnusableInputError
from nas.search.engine import Placement
from nas.search.worker_processes import WorkerContext

T = TypeVar("T")

_LOOK_SECONDS = 0.5


class LocalEngine:
    """One process per slot, so that a worker's death ends no other; each has its share of cores or a GPU."""

    def __init__(
        self, placements: list[Placement], *, cores: int | None = None, most_threads: int | None = None
    ) -> None:
        """One worker per placement; ``cores`` None sums up their threads; ``most_threads`` is the limit of a task."""
        self.slots = len(placements)
        self._cores = cores or sum(place.threads for place in placements)
        self._most_threads = most_threads
        self._placements = placements
        self._pools: list[ProcessPoolExecutor | None] = [None] * self.slots
        self._busy: list[Future[Any] | None] = [None] * self.slots
        self._context = WorkerContext()

    def threads(self, count: int) -> int:
        """Threads for each of ``count`` tasks that share all cores."""
        return _threads(self._cores, count, self._most_threads)

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call ``function(placement, *args)`` on a free worker; RuntimeError where none is free."""
        slot = next((i for i, busy in enumerate(self._busy) if busy is None or busy.done()), None)
        if slot is None:
            raise RuntimeError(f"all {self.slots} workers are busy")
        resource_tracker.ensure_running()  # if it started inside the block, Ctrl-C would reach the workers' server
        with _no_interrupts():  # a worker inherits this from the server until it ignores Ctrl-C by itself
            self._pool(slot)
            self._context.start_server()
        self._context.wait_for_server()  # it loads torch for seconds; Ctrl-C still works here
        with _no_interrupts():
            try:
                future = self._pool(slot).submit(function, self._placements[slot], *args)
            except BrokenProcessPool:
                self._pools[slot] = None
                future = self._pool(slot).submit(function, self._placements[slot], *args)
        self._busy[slot] = future
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Return when one of ``futures`` is done, or after ``seconds``."""
        wait(futures, timeout=seconds, return_when=FIRST_COMPLETED)

    def shutdown(self) -> None:
        """Kill the workers; their checkpoints are whole, since those are written atomically."""
        with _no_interrupts():
            for worker in self._context.workers:
                worker.kill()
            for pool in self._pools:
                if pool is not None:
                    pool.shutdown(wait=True, cancel_futures=True)

    def _pool(self, slot: int) -> ProcessPoolExecutor:
        pool = self._pools[slot]
        if pool is None:
            try:
                pool = ProcessPoolExecutor(
                    1,
                    mp_context=self._context,
                    initializer=_begin_worker,
                    initargs=(dict(os.environ), self._placements[slot].threads),
                )
            except OSError as error:  # the pool's semaphores are kept in shared memory
                raise UnusableInputError(
                    f"no worker can be started: shared memory (/dev/shm): {error.strerror or error}: make room there, "
                    "or give the container more (docker run --shm-size 256m), and launch again"
                ) from error
            self._pools[slot] = pool
        return pool


_TO_END = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the end of the block, which must not be interrupted; no signal is lost.

    The signals are blocked in this thread, and processes started in the block inherit that. Another thread may still
    receive a signal, whose handler Python then runs in the main thread: so the handlers only record it until the end.
    """
    heard: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TO_END)
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _TO_END} if main else {}
    for number, handler in handlers.items():
        if callable(handler):  # neither ignored nor left to the system, nor unknown to Python
            signal.signal(number, lambda received, _: heard.append(received))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
        for received in heard:
            signal.raise_signal(received)


def placements(
    *, workers: int | None, device: str, cores: int, gpus: int, most_threads: int | None = None
) -> list[Placement]:
    """Divide cores and GPUs, at most ``most_threads`` per worker; ``workers`` None means one per core or per GPU."""
    on_gpu = device == "cuda" or (device == "auto" and gpus > 0)
    count = workers or (gpus if on_gpu else cores)
    threads = _threads(cores, count, most_threads)
    return [Placement(device=f"cuda:{i % gpus}" if on_gpu else "cpu", threads=threads) for i in range(count)]


def _threads(cores: int, count: int, most: int | None) -> int:
    return max(1, min(cores // count, most or cores))


def _begin_worker(environment: Mapping[str, str], threads: int) -> None:
    """Ignore Ctrl-C (the driver handles it), end when the driver is gone, and limit libraries to this worker's threads.

    ``environment`` is the driver's current one; the process that workers are forked from has the one of its own start.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.environ.clear()
    os.environ.update(environment)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    """End this worker soon after its driver or the process it was forked from ends; the driver notices the latter."""
    driver, server = multiprocessing.parent_process(), os.getppid()
    assert driver is not None
    while os.getppid() == server and driver.is_alive():
        driver.join(_LOOK_SECONDS)
    os._exit(1)
