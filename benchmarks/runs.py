"""Runs one benchmark in its own process; its JSON, or the reason why there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from constraints.sandbox.processes import Family

_ROOT = Path(__file__).parents[1]
_MARK = "NAS_BENCHMARK"
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The outcome of a benchmark: its JSON, or the reason why there is none."""

    document: Mapping[str, Any] | None
    reason: str = ""


def run(benchmark: str, timeout_seconds: float, *, package: str = "benchmarks", root: Path = _ROOT) -> Run:
    """Run a benchmark (a module of ``package`` and its arguments) with --quick; end one that hangs, with its children.

    If a benchmark exits with 1 and without a traceback, it has found a difference, which its figures show.
    """
    module, *arguments = benchmark.split()
    command = [sys.executable, "-m", f"{package}.{module}", *arguments, "--quick", "--json"]
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, cwd=root, env={**os.environ, _MARK: mark}, stdout=out, stderr=err, start_new_session=True
        )
        family = Family(process.pid, f"{_MARK}={mark}".encode())
        try:
            code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return Run(document=None, reason=f"not done after {timeout_seconds:g} s")
        finally:
            family.end()
            process.wait()
        return _outcome(code, _text(out), _text(err))


def _outcome(code: int, out: str, err: str) -> Run:
    last = (err.strip().splitlines() or [f"exit code {code} without a message"])[-1].strip()
    if code not in {0, 1} or (code and _TRACEBACK in err):
        return Run(document=None, reason=last)
    try:
        document = json.loads(out)
    except ValueError:
        return Run(document=None, reason=last if code else "its output is not JSON")
    return (
        Run(document=document) if isinstance(document, dict) else Run(document=None, reason="its JSON is not an object")
    )


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
