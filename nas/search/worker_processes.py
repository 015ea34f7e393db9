"""Starts workers: forked from one server process that has loaded torch, without the program's main module."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import context, forkserver
from types import ModuleType
from typing import Any

from nas.training.freed_memory import with_huge_pages

PRELOADED = "nas.search.preload"
"""The module that the server imports before it forks: everything that training needs, but no data."""

FORKED = sys.platform.startswith("linux")
"""On other systems, libraries break in a forked process, so every worker is a new Python process."""

_PAUSES = (0.05, 0.2, 1.0, 5.0)

if FORKED:
    _Base: type[context.ForkServerProcess | context.SpawnProcess] = context.ForkServerProcess
    _BaseContext: type[context.ForkServerContext | context.SpawnContext] = context.ForkServerContext
else:
    _Base, _BaseContext = context.SpawnProcess, context.SpawnContext


class WorkerProcess(_Base):  # type: ignore[valid-type,misc]
    """A worker process that does not run the program's main module again.

    So it can start from a notebook, which has no such file, and from a script without ``if __name__ == "__main__"``.
    """

    def start(self) -> None:
        """Start the process while ``__main__`` is an empty module."""
        with _without_main(), _environment(_variables()):
            self._start()

    def _start(self) -> None:
        for seconds in _PAUSES:
            try:
                super().start()
            except (ConnectionError, EOFError):  # the server was killed, and multiprocessing has not noticed yet
                time.sleep(seconds)
            else:
                return
        super().start()


class WorkerContext(_BaseContext):  # type: ignore[valid-type,misc]
    """Creates the workers of one engine and tracks them, since a program may have other child processes."""

    def __init__(self) -> None:
        """Start no process yet."""
        self.workers: list[WorkerProcess] = []
        self._is_ready = False
        multiprocessing.set_forkserver_preload([PRELOADED])

    def start_server(self) -> None:
        """Start the server that workers are forked from, without waiting; does nothing on systems without one."""
        if FORKED:
            with _without_main(), _environment(_variables()):
                forkserver.ensure_running()

    def wait_for_server(self) -> None:
        """Return when the server can fork; unlike starting a worker, waiting can be interrupted safely."""
        if FORKED and not self._is_ready:
            probe = WorkerProcess(target=int)
            probe.start()
            probe.join()
            self._is_ready = True

    def Process(self, *args: Any, **kwargs: Any) -> WorkerProcess:
        """A worker process, not started yet."""
        self.workers = [worker for worker in self.workers if worker.is_alive()]
        self.workers.append(WorkerProcess(*args, **kwargs))
        return self.workers[-1]


def _variables() -> Mapping[str, str]:
    """Environment variables that give the server this process's ``sys.path``, which Python 3.11 does not pass on."""
    imports = {"PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path), "PYTHONSAFEPATH": "1"}
    return imports | with_huge_pages(os.environ)


@contextmanager
def _without_main() -> Iterator[None]:
    """Replace the program's main module with an empty one in the block, so that a child has nothing to run."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
