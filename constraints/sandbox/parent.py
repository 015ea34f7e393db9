"""Check a user's file in a child process with limits on time, memory, processes and output; no torch here.

The child is a fresh interpreter in its own session, under a guard that outlives it. Its findings come back as
lines of JSON over a pipe of their own; what the user's code prints is caught apart and bounded. These limits keep
an accident from taking the machine down; they are no jail: the user's code may still read and write files and
open connections.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from constraints.errors import ConstraintError, ModelFailedError, NoModelError, UnusableInputError
from constraints.report import Report
from constraints.sandbox.processes import Family, resident_bytes
from constraints.sandbox.request import Job, Request

MARK = "CONSTRAINTS_SANDBOX"
"""Environment variable that every process of one check inherits, by which stray ones are found."""

_START_SECONDS = 120.0
_POLL_SECONDS = 0.1
_MOST_PROCESSES = 64
_MOST_OUTPUT_BYTES = 10_000_000
_KEPT_OUTPUT_BYTES = 64_000
_CHUNK = 65_536


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a check."""

    report: Report
    printed: str
    """What the user's code wrote to its standard streams, at most 64 kB of it."""


def check_file(request: Request) -> Outcome:
    """Check the target that ``request`` describes, under its limits.

    Raises UnusableInputError for input that cannot be used and ModelFailedError when the user's code raised,
    hung, crashed, or outgrew its limits. No process is left behind, whatever happens.
    """
    found, printed = run(request.job())
    return Outcome(report=Report.from_dict(found), printed=printed)


def run(job: Job) -> tuple[Any, str]:
    """Do a job in a child, under its limits: what it came to, and what the user's code printed; raises as above."""
    with _Child(job) as child:
        found = child.result()
    return found, child.printed()


@dataclass
class _Child:
    """A running check: reads its two pipes, watches its limits, ends it and everything that it started.

    ``process`` is the guard; ``code`` is how the process under it ended that runs the user's code.
    """

    job: Job
    stage: str = "start"
    lines: bytearray = field(default_factory=bytearray)
    output: bytearray = field(default_factory=bytearray)
    output_bytes: int = 0
    watched: float = 0.0
    code: int | None = None

    def __enter__(self) -> _Child:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        results, child_end = os.pipe()
        self.results = os.fdopen(results, "rb", buffering=0)
        try:
            self.process = self._launch(child_end)
        except BaseException:
            self.results.close()
            raise
        finally:
            os.close(child_end)
        self.family = Family(self.process.pid, f"{MARK}={self.mark}".encode())
        self.started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.family.end()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.results.close()

    def result(self) -> Any:
        """Wait for the child's answer and its end, or for a limit."""
        answer = self._answer()
        left = self.family.left_behind()
        if answer is None:
            raise ModelFailedError(_ending(self.code, self.stage, self.printed()))
        if "error" in answer:
            raise _error(answer)
        if left:
            raise ModelFailedError(f"the model's code left processes running: {len(left)}: end them before it returns")
        return answer["answer"]

    def printed(self) -> str:
        """The beginning of what the user's code wrote."""
        return self.output.decode("utf-8", "replace")

    def _launch(self, result_pipe: int) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
        environment = {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"} | os.environ
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "constraints.sandbox.guard", str(result_pipe)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(result_pipe,),
            start_new_session=True,
            env=environment | {"PYTHONPATH": paths, MARK: self.mark, "CUDA_VISIBLE_DEVICES": ""},
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(self.job.to_json().encode())
        return process

    def _answer(self) -> dict[str, Any] | None:
        """The child's final message, once it has ended; None where it left none."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.results, selectors.EVENT_READ, self._read_results)
            selector.register(self.process.stdout, selectors.EVENT_READ, self._read_output)
            answer, ended = None, False
            while not ended:
                guard = self.process.poll()  # before the pipes are read: what it wrote is in them
                self._read(selector, _POLL_SECONDS if guard is None else 0)
                answer = self._message() or answer
                if self.code is None:
                    self.code = guard
                ended = self.code is not None
                self._watch()
            self._read(selector, 0)
            return answer

    def _read(self, selector: selectors.BaseSelector, timeout: float) -> None:
        """Take what the pipes hold: at most one buffer of output at a time, so that a flood is noticed."""
        for key, _ in selector.select(timeout):
            if not key.data(key.fileobj):
                selector.unregister(key.fileobj)

    def _read_results(self, pipe: IO[bytes]) -> bool:
        data = pipe.read(_CHUNK)
        self.lines += data
        return bool(data)

    def _read_output(self, pipe: IO[bytes]) -> bool:
        data = os.read(pipe.fileno(), _CHUNK)
        self.output_bytes += len(data)
        self.output += data[: max(0, _KEPT_OUTPUT_BYTES - len(self.output))]
        return bool(data)

    def _message(self) -> dict[str, Any] | None:
        """The answer, where it is among the complete lines; those that tell the stage and the end are noted."""
        answer = None
        while (end := self.lines.find(b"\n")) >= 0:
            line = json.loads(self.lines[:end])
            del self.lines[: end + 1]
            if "stage" in line:
                if self.stage == "start" or self.job.each_stage:
                    self.started = time.monotonic()
                self.stage = line["stage"]
            elif "ended" in line:
                self.code = line["ended"]
            else:
                answer = line
        return answer

    def _watch(self) -> None:
        """Raise ModelFailedError when a limit is passed."""
        now = time.monotonic()
        allowed = self.job.limits.seconds if self.stage != "start" else _START_SECONDS
        if now - self.started > allowed:
            raise self._outgrown("took too long", f"{allowed:g} s: raise --timeout")
        if self.output_bytes > _MOST_OUTPUT_BYTES:
            raise self._outgrown("printed too much", f"over {_MOST_OUTPUT_BYTES // 10**6} MB: print less")
        if self.stage == "start" or now - self.watched < _POLL_SECONDS:
            return
        self.watched = now
        processes = self.family.living() - {self.process.pid}
        if len(processes) > _MOST_PROCESSES:
            raise self._outgrown("started too many processes", f"over {_MOST_PROCESSES}: start fewer")
        if (used := resident_bytes(processes)) > self.job.limits.memory_bytes:
            raise self._outgrown("outgrew its memory", f"{used / 2**30:.1f} GiB: raise --memory")

    def _outgrown(self, what: str, value_and_remedy: str) -> ModelFailedError:
        return ModelFailedError(f"the model's code {what} at {self.stage}: {value_and_remedy}")


def _error(answer: Mapping[str, Any]) -> ConstraintError:
    kinds = {"unusable": UnusableInputError, "no model": NoModelError}
    return kinds.get(answer["error"], ModelFailedError)(answer["message"], traceback=answer.get("traceback", ""))


def _ending(code: int | None, stage: str, printed: str) -> str:
    """Why a child that gave no answer is gone, in one line."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        reason = {"SIGSEGV": " (segmentation fault)", "SIGKILL": " (out of memory?)"}.get(name, "")
        return f"the model's code crashed at {stage}: {name}{reason}: run it alone under python -X faulthandler"
    last = printed.strip().splitlines()[-1:] or ["it printed nothing"]
    what = "the checker could not start" if stage == "start" else f"the model's code ended the process at {stage}"
    return f"{what}: exit status {code}: {last[0][:200]}"
