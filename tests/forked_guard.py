"""Guards that are forked from the process of the tests, which has loaded torch, in place of a new Python each.

For tests of the result of a job. How a guard starts, and what it hides from the user's code and from this
process, is what tests/constraints/sandbox is about, with guards of a Python of their own.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import pytest
import torch

from constraints.owners import is_users
from constraints.sandbox import guard, guarded

EXPORT = "torch.export._trace"
"""What writes a model as an architecture; it loads torch's compiler."""

torch.ones(1, requires_grad=True).backward()  # type: ignore[no-untyped-call]
"""The first one starts a thread for each device that is seen, of which no fork can go on. Where ``torch.export`` came
before it there seems to be a card, so it runs here, which is before any test."""


def fork_guards(patch: pytest.MonkeyPatch, *loaded: str) -> None:
    """Spare each sandbox the two seconds in which its guard loads torch, and each job those for ``loaded`` modules."""
    if guard.LINUX:  # elsewhere a guard is its only child, and a fork breaks libraries
        for name in loaded:
            importlib.import_module(name)
        patch.setattr(
            guarded,
            "subprocess",
            SimpleNamespace(PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT, Popen=ForkedGuard),
        )


class ForkedGuard:
    """What ``subprocess.Popen`` gives a ``Guarded``, for a child that continues from here."""

    def __init__(self, command: Sequence[str], *, pass_fds: Sequence[int], env: Mapping[str, str], **_: object) -> None:
        jobs, to_it = os.pipe()
        from_it, printed = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become_guard(command, jobs, printed, pass_fds[0], env)
        os.close(jobs)
        os.close(printed)
        self.stdin, self.stdout = os.fdopen(to_it, "wb"), os.fdopen(from_it, "rb")
        self._ended = False

    def poll(self) -> int | None:
        """0 once it has ended."""
        if not self._ended:
            self._ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return 0 if self._ended else None

    def wait(self) -> None:
        if not self._ended:
            os.waitpid(self.pid, 0)
        self._ended = True


def _become_guard(command: Sequence[str], jobs: int, printed: int, pipe: int, env: Mapping[str, str]) -> None:
    """Run the guard in this copy of the process of the tests, without what that one holds; never returns."""
    try:
        os.setsid()
        gc.freeze()  # what is closed below by number must not be closed again by an object of the tests
        faulthandler.disable()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream, number in ((jobs, 0), (printed, 1), (printed, 2)):
            os.dup2(stream, number)
        os.closerange(3, pipe)
        os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(i, mode) for i, mode in enumerate(("r", "w", "w")))
        for name, module in list(sys.modules.items()):
            if is_users(getattr(module, "__file__", None) or "<"):
                del sys.modules[name]  # tests and plugins would be taken for files of the person's
        sys.argv = ["guard", *command[command.index("-m") + 2 :]]
        os.environ.clear()
        os.environ.update(env)
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        guard.main()
    finally:
        os._exit(70)
