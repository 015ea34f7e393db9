"""The parent's side of a guard: start it, send it jobs, end it with all its descendants."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from constraints.sandbox.processes import Family
from constraints.sandbox.request import Job

MARK = "CONSTRAINTS_SANDBOX"
"""Environment variable that every process under one guard inherits; processes that left its session are found by it."""

_READ_AT_START = ("PYTHON", "LD_", "OMP_", "MKL_", "KMP_", "OPENBLAS_", "CUDA", "TORCH", "PYTORCH")
"""Prefixes of environment variables that Python and the libraries read once, when they are loaded."""


class Guarded:
    """A guard in a session of its own: ``process``, its pipe of ``results``, the ``family`` under it.

    ``jobs`` is the number of jobs sent to it.
    """

    def __init__(self, *, sees_gpus: bool = False) -> None:
        """Start the guard; it loads torch before it reads the first job."""
        self._sees_gpus = sees_gpus
        self._mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self._started_with = _read_at_start()
        self.jobs = 0
        results, its_end = os.pipe()
        self.results = os.fdopen(results, "rb", buffering=0)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "constraints.sandbox.guard", str(its_end), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(its_end,),
                start_new_session=True,
                env=self._environment(),
            )
        except BaseException:
            self.results.close()
            raise
        finally:
            os.close(its_end)
        self.family = Family(self.process.pid, f"{MARK}={self._mark}".encode())

    def serves(self) -> bool:
        """Whether it is running, and would still be started in the same way now."""
        return self.process.poll() is None and self._started_with == _read_at_start()

    def send(self, job: Job) -> None:
        """Make it start a child for ``job``."""
        assert self.process.stdin is not None
        self.jobs += 1
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(job.to_line(self._environment()))
            self.process.stdin.flush()

    def end(self) -> None:
        """End it and all its descendants."""
        self.family.end()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.results):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()

    def _environment(self) -> dict[str, str]:
        root = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
        defaults = {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1", "MPLBACKEND": "Agg"}
        hidden = {} if self._sees_gpus else {"CUDA_VISIBLE_DEVICES": ""}
        return defaults | os.environ | {"PYTHONPATH": paths, MARK: self._mark, "WANDB_MODE": "disabled", **hidden}


def _read_at_start() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_READ_AT_START)}
