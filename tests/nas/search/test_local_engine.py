from __future__ import annotations

import errno
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType

import pytest

from constraints.errors import UnusableInputError
from nas.search import worker_processes
from nas.search.engine import Placement
from nas.search.local_engine import LocalEngine, _no_interrupts, placements
from nas.search.worker_processes import WorkerContext
from tests.processes import is_running

ROOT = Path(__file__).parents[3]

JOBS = """
import os, signal, time

def place(placement):
    return placement.device, placement.threads, os.environ["OMP_NUM_THREADS"], os.getpid()

def variable(placement, name):
    return os.environ.get(name)

def die(placement):
    os.kill(os.getpid(), signal.SIGKILL)

def fail(placement):
    raise ValueError("as asked")

def server(placement):
    return os.getppid(), os.getpid()

def rest(placement, seconds):
    os.kill(os.getpid(), signal.SIGINT)  # a worker leaves Ctrl-C to the driver
    time.sleep(seconds)
    return os.getpid()
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Functions that a new process can import."""
    (tmp_path / "engine_jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("engine_jobs")


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    engine = LocalEngine([Placement(device="cpu", threads=3), Placement(device="cuda:1", threads=5)])
    yield engine
    engine.shutdown()


def test_each_worker_has_its_place_and_dies_alone(engine: LocalEngine, jobs: ModuleType) -> None:
    resting = engine.submit(jobs.rest, 1.0)
    second = engine.submit(jobs.place)
    with pytest.raises(RuntimeError, match="all 2 workers are busy"):
        engine.submit(jobs.place)
    device, threads, variable, pid = second.result()
    assert (device, threads, variable) == ("cuda:1", 5, "5")
    with pytest.raises(BrokenProcessPool):
        engine.submit(jobs.die).result()
    assert resting.result() not in {pid, os.getpid()}
    with pytest.raises(ValueError, match="as asked"):
        engine.submit(jobs.fail).result()
    engine.submit(jobs.rest, 2.0)
    assert engine.submit(jobs.place).result()[0] == "cuda:1", "the dead worker has a successor"


def test_shutdown_does_not_wait_for_work(engine: LocalEngine, jobs: ModuleType) -> None:
    pid = engine.submit(jobs.place).result()[3]
    engine.submit(jobs.rest, 600.0)
    started = time.monotonic()
    engine.shutdown()
    assert time.monotonic() - started < 300, "half of what the work takes"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(not worker_processes.FORKED, reason="workers are not forked from a server here")
def test_workers_end_with_the_server_that_they_are_forked_from_and_have_successors(
    engine: LocalEngine, jobs: ModuleType
) -> None:
    server, worker = engine.submit(jobs.server).result()
    resting = engine.submit(jobs.rest, 600.0)
    os.kill(server, signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        resting.result()
    successor = engine.submit(jobs.server).result()
    assert successor[0] != server
    assert successor[1] != worker
    deadline = time.monotonic() + 540
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker), "two workers must not train one candidate"


def test_a_worker_sees_the_environment_of_its_driver_now(
    engine: LocalEngine, jobs: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_DATA", "/first")
    assert engine.submit(jobs.variable, "NAS_DATA").result() == "/first"
    monkeypatch.setenv("NAS_DATA", "/second")
    later = LocalEngine([Placement(device="cpu", threads=1)])
    try:
        assert later.submit(jobs.variable, "NAS_DATA").result() == "/second"
    finally:
        later.shutdown()


@pytest.mark.parametrize(
    ("workers", "device", "cores", "gpus", "expected"),
    [
        (None, "auto", 4, 0, [("cpu", 1)] * 4),
        (2, "auto", 4, 0, [("cpu", 2)] * 2),
        (3, "cpu", 4, 2, [("cpu", 1)] * 3),
        (8, "cpu", 4, 0, [("cpu", 1)] * 8),
        (None, "auto", 16, 2, [("cuda:0", 8), ("cuda:1", 8)]),
        (3, "cuda", 16, 2, [("cuda:0", 5), ("cuda:1", 5), ("cuda:0", 5)]),
    ],
)
def test_cores_and_gpus_are_shared_out(
    workers: int | None, device: str, cores: int, gpus: int, expected: list[tuple[str, int]]
) -> None:
    shared = placements(workers=workers, device=device, cores=cores, gpus=gpus)
    assert [(p.device, p.threads) for p in shared] == expected


@pytest.mark.parametrize(("limit", "threads"), [(None, 4), (5, 4), (4, 4), (3, 3), (1, 1)])
def test_no_worker_gets_more_threads_than_it_may(limit: int | None, threads: int) -> None:
    (found,) = placements(workers=1, device="cpu", cores=4, gpus=0, most_threads=limit)
    assert found == Placement(device="cpu", threads=threads)


SCRIPT = """
import time
from multiprocessing import get_context
from nas.search.engine import Placement
from nas.search.local_engine import LocalEngine, _no_interrupts

print("main runs")
other = get_context("fork").Process(target=time.sleep, args=(600,))
other.start()
engine = LocalEngine([Placement(device="cpu", threads=1)])
print(engine.submit(repr).result())
engine.shutdown()
print("other runs" if other.is_alive() else "other was killed")
other.kill()
"""


def test_a_program_needs_no_guard_and_keeps_its_own_children(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-u", tmp_path / "script.py"], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["main runs", "Placement(device='cpu', threads=1)", "other runs"], done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("taken_by", ["this thread", "another thread"])
def test_no_request_to_end_leaves_half_a_worker(number: signal.Signals, taken_by: str) -> None:
    heard: list[int] = []
    waiting = threading.Event()
    other = threading.Thread(target=waiting.wait)  # it blocks no signal, so the system may choose it
    before = signal.signal(number, lambda received, _: heard.append(received))
    taken, tell = socket.socketpair()
    tell.setblocking(False)
    told = signal.set_wakeup_fd(tell.fileno())
    other.start()
    try:
        with _no_interrupts():
            taker = other if taken_by == "another thread" else threading.current_thread()
            assert taker.ident is not None
            signal.pthread_kill(taker.ident, number)
            if taker is other:
                assert taken.recv(1) == bytes([number])  # it waits until that thread has the signal
            time.sleep(0.01)
            assert not heard
        assert heard == [number]
    finally:
        signal.set_wakeup_fd(told)
        signal.signal(number, before)
        waiting.set()
        other.join()
        taken.close()
        tell.close()


def test_requests_that_the_program_ignores_stay_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _no_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_workers_may_start_from_a_thread_that_may_set_no_handler(engine: LocalEngine, jobs: ModuleType) -> None:
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(lambda: engine.submit(jobs.place)).result()
    assert started.result()[0] == "cpu"


def test_full_shared_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nas.search.local_engine.ProcessPoolExecutor", refuse)
    engine = LocalEngine([Placement(device="cpu", threads=1)])
    with pytest.raises(UnusableInputError, match=r"shared memory \(/dev/shm\): No space left on device: make room"):
        engine.submit(os.getpid)
    engine.shutdown()


@pytest.mark.parametrize(("count", "most", "threads"), [(1, None, 8), (3, None, 2), (16, None, 1), (1, 3, 3)])
def test_few_pieces_of_work_share_all_cores(count: int, most: int | None, threads: int) -> None:
    engine = LocalEngine([Placement(device="cpu", threads=1)] * 4, cores=8, most_threads=most)
    assert engine.threads(count) == threads


def test_ctrl_c_reaches_no_start_and_waits_for_no_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's tracker of resources lets it through where it starts, and then the server that loads torch raises."""
    began: list[tuple[str, bool]] = []

    def note(what: str) -> None:
        began.append((what, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])))

    def pool(*_: object) -> ThreadPoolExecutor:
        note("pool")
        return ThreadPoolExecutor(1)

    monkeypatch.setattr(resource_tracker, "ensure_running", lambda: note("tracker"))
    monkeypatch.setattr(WorkerContext, "start_server", lambda _: note("server"))
    monkeypatch.setattr(WorkerContext, "wait_for_server", lambda _: note("loading"))
    monkeypatch.setattr(LocalEngine, "_pool", pool)
    LocalEngine([Placement(device="cpu", threads=1)]).submit(lambda placement: None).result()
    assert began == [("tracker", False), ("pool", True), ("server", True), ("loading", False), ("pool", True)]
