"""What tests of several packages use: the order of the files, and a real PostgreSQL server."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How fast a machine is, or how busy, decides no test.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")
# Tests start many processes that load torch: where none may keep what it compiles, each of them takes seconds more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Several tests run at once: libraries whose threads wait for each other on busy cores take many times as long.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# Ray's workers have a low priority: while other tests run they get little time.
os.environ.setdefault("RAY_worker_niceness", "0")

# A shell lets what it starts in the background ignore Ctrl-C, and so would the programs that tests start and interrupt.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
LONGEST = (
    "nas/search/test_ray_engine.py",
    "test_docs.py",
    "test_search_launch.py",
    "test_search_crashes.py",
    "nas/results/report/test_browser.py",
    "nas/space/counting/test_exact_count.py",
    "nas/space/test_sampler.py",
    "nas/search/test_driver.py",
    "constraints/sandbox/test_patching.py",
    "nas/training/test_datasets.py",
    "nas/architecture/test_module_import.py",
    "nas/training/test_training_run.py",
    "nas/architecture/test_formats.py",
    "test_notebook.py",
    "constraints/sandbox/test_parent.py",
    "constraints/test_known_networks.py",
    "constraints/test_fixes.py",
    "nas/search/test_postgres_lease.py",
    "nas/cli/test_training.py",
    "nas/api/test_searching.py",
    "constraints/test_random_networks.py",
    "nas/results/report/test_page.py",
    "test_growth.py",
    "test_outputs.py",
    "nas/training/test_cpu_timing.py",
    "nas/search/test_local_engine.py",
    "nas/search/test_worker_processes.py",
    "nas/search/test_trial_store.py",
    "nas/search/test_tracked_store.py",
    "nas/search/test_search_launch.py",
    "nas/search/test_early_check.py",
)
"""Files that begin first, so that no worker is left alone with one of them at the end."""


def pytest_xdist_auto_num_workers() -> int:
    """Four workers more than there are cores, up to six: many tests wait for processes that they start."""
    return min(6, (os.cpu_count() or 1) + 4)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile once what every worker of the whole suite would compile for itself, where nothing is compiled yet."""
    config = session.config
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and "PYTEST_XDIST_WORKER" not in os.environ
    if not is_whole or not config.getoption("tx", None) or _is_compiled():
        return
    command = [sys.executable, "-m", "pytest", "-n0", "--collect-only", "-q"]
    others = [*TESTS.glob("test_*.py"), TESTS / "constraints", TESTS / "benchmarks"]
    halves = [[*command, *map(str, paths)] for paths in ([TESTS / "nas"], others)]
    for process in [subprocess.Popen(half, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for half in halves]:
        process.wait()


def _is_compiled() -> bool:
    """Whether torch was imported from this environment before, and tests from this folder."""
    torch = importlib.util.find_spec("torch")
    has_torch = torch is None or Path(importlib.util.cache_from_source(str(torch.origin))).exists()
    return has_torch and any(Path(importlib.util.cache_from_source(str(TESTS / "_.py"))).parent.glob("test_*.pyc"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector leave alone what every worker imports and collects, none of which is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture
def one_core() -> Iterator[None]:
    """Let this process run on one core only."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system binds no process to cores")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


@pytest.fixture(autouse=True, scope="session")
def patient() -> Iterator[None]:
    """Let no load cut the search for fixes short: its ten seconds are those of this thread's own work."""
    from constraints import fixes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixes, "monotonic", time.thread_time)
        yield


class Server:
    """A PostgreSQL server of its own on a loopback port, to be stopped and started."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        as_root = os.geteuid() == 0
        if as_root:  # the server refuses to run as root
            shutil.chown(folder, "nobody")
        user: dict[str, Any] = {"user": "nobody"} if as_root else {}
        self._quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder, **user}
        data = str(folder / "db")
        self._control = [str(binaries / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log")]
        self._numbers = count()
        self._run(str(binaries / "initdb"), "-D", data, "-U", "nas", "-A", "trust", "-N")
        self.start()

    def start(self) -> None:
        self._run(*self._control, "-o", f"-p {self._port} -h 127.0.0.1 -k '' -F", "start")

    def stop(self) -> None:
        self._run(*self._control, "-m", "fast", "stop")

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, **self._quiet)

    def new_database(self) -> str:
        """URL of an empty database."""
        import psycopg

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://nas:unused@127.0.0.1:{self._port}/{name}"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = str(installed[-1]) if installed else shutil.which("initdb")
    if initdb is None or importlib.util.find_spec("psycopg") is None:
        missing = "PostgreSQL's server (initdb) or its driver (psycopg) is not installed"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    folder = Path(tempfile.mkdtemp(prefix="nas-postgresql-"))
    try:
        server = Server(Path(initdb).parent, folder)
        yield server
        with suppress(subprocess.CalledProcessError):  # a test that failed may have left it stopped
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(postgresql: Server) -> str:
    """URL of an empty database on a PostgreSQL server."""
    return postgresql.new_database()
