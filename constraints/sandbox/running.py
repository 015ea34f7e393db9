"""Follow one job in the child of a guard: read its answer and output, watch its limits, explain how it ended."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from constraints.errors import (
    ConstraintError,
    KilledError,
    ModelFailedError,
    NoModelError,
    ToolFailedError,
    UnusableInputError,
    shortened,
)
from constraints.sandbox.guarded import Guarded
from constraints.sandbox.processes import resident_bytes
from constraints.sandbox.request import Job

_START_SECONDS = 120.0
_POLL_SECONDS = 0.1
_RECOVERY_SECONDS = 10.0
_MOST_PROCESSES = 64
_MOST_OUTPUT_BYTES = 10_000_000
_KEPT_OUTPUT_BYTES = 64_000
_CHUNK = 65_536
_LONGEST = 200
_WARNING = re.compile(r"^.*:\d+: \w*Warning: .*\n?(?:^ .*\n?)?", re.MULTILINE)
"""A warning as Python prints it: where it is from, its text, and the line of code."""
_ERRORS = {error.__name__: error for error in (UnusableInputError, NoModelError, ModelFailedError, ToolFailedError)}
_ENDED = b'{"ended": '
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "stage": str, "seconds": (int, float), "partial": dict, "ended": int, "error": str,
}  # fmt: skip
"""What a line of the child or of its guard holds; any other line is from the user's code."""


@dataclass
class RunningJob:
    """A job that was sent to its guard.

    ``code`` is the exit code of the process that runs the user's code.
    """

    job: Job
    guard: Guarded
    stage: str = "start"
    lines: bytearray = field(default_factory=bytearray)
    output: bytearray = field(default_factory=bytearray)
    output_bytes: int = 0
    watched: float = 0.0
    started: float = field(default_factory=time.monotonic)
    allowed: float = _START_SECONDS
    """Seconds allowed from ``started`` on; a stage may set another number than the job's limit."""
    code: int | None = None
    partial: dict[str, Any] | None = None
    """The latest partial answer."""
    clean: bool = False
    """Whether the child ended by itself and left no processes, so that its guard can be used again."""

    def result(self) -> Any:
        """Wait for the child's answer and its end; where a limit cuts it short, return the partial answer."""
        try:
            with self._pipes() as pipes:
                answer = self._answer(pipes)
        except ModelFailedError as error:
            return self._cut(error)
        left = self.guard.family.left_behind()
        self.clean = self._guard_is_alone() and self._wrote_no_more()
        if answer is None:
            kind = KilledError if self.code == -signal.SIGKILL else ModelFailedError
            return self._cut(kind(_ending(self.code, self.stage, self.printed())))
        if "error" in answer:
            if isinstance(fault := _error(answer), ModelFailedError):
                return self._cut(fault)
            raise fault
        if left:
            raise ModelFailedError(f"the model's code left processes running: {len(left)}: end them before it returns")
        return answer["answer"]

    def _cut(self, error: ModelFailedError) -> Any:
        """The partial answer, with the reason that cut it short; raises the error where there is none."""
        if self.partial is None:
            raise error
        return {**self.partial, "cut": f"{self.stage} was cut short: {error}"}

    def recover(self) -> bool:
        """End all processes under the guard and empty the pipes; returns whether the guard can be used again."""
        self.guard.family.end_others()
        until = time.monotonic() + _RECOVERY_SECONDS
        with self._pipes() as pipes:
            while self.code is None and self.guard.process.poll() is None and time.monotonic() < until:
                self._read(pipes, _POLL_SECONDS)
                _, mark, rest = self.lines.rpartition(_ENDED)  # an unfinished line of the child may precede it
                if mark and b"\n" in rest:
                    self._note_end(_parsed(mark + rest))
        self._drain()
        return self.code is not None and self._guard_is_alone()

    def _guard_is_alone(self) -> bool:
        return self.guard.family.living() == {self.guard.process.pid}

    def _wrote_no_more(self) -> bool:
        """Whether ended processes left nothing in the pipe of answers, which the next check would read as its own."""
        self._drain()
        return not self.lines

    def _drain(self) -> None:
        """Read what is in the pipes now."""
        with self._pipes() as pipes:
            while pipes.get_map() and pipes.select(0):
                self._read(pipes, 0)

    def printed(self) -> str:
        """The beginning of the user's code's output."""
        return self.output.decode("utf-8", "replace")

    @contextmanager
    def _pipes(self) -> Iterator[selectors.BaseSelector]:
        assert self.guard.process.stdout is not None
        with selectors.DefaultSelector() as pipes:
            pipes.register(self.guard.results, selectors.EVENT_READ, self._read_results)
            pipes.register(self.guard.process.stdout, selectors.EVENT_READ, self._read_output)
            yield pipes

    def _answer(self, pipes: selectors.BaseSelector) -> dict[str, Any] | None:
        """The child's final message, once it has ended; None where it sent none."""
        answer, ended = None, False
        while not ended:
            guard = self.guard.process.poll()  # polled before the pipes are read, so that they contain all its output
            self._read(pipes, _POLL_SECONDS if guard is None else 0)
            answer = self._message() or answer
            if self.code is None:
                self.code = guard
            ended = self.code is not None
            self._watch()
        while self.output_bytes <= _MOST_OUTPUT_BYTES and pipes.select(0):
            self._read(pipes, 0)
        return answer

    def _read(self, pipes: selectors.BaseSelector, timeout: float) -> None:
        """Read from the pipes: at most one buffer of output at a time, so that excessive output is noticed."""
        for key, _ in pipes.select(timeout):
            if not key.data(key.fileobj):
                pipes.unregister(key.fileobj)

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
        """The answer, if it is among the complete lines; lines with a stage or the end are recorded."""
        answer = None
        while (end := self.lines.find(b"\n")) >= 0:
            line = _parsed(self.lines[:end])
            del self.lines[: end + 1]
            if "stage" in line:
                if self.stage == "start" or self.job.each_stage:
                    self.started = time.monotonic()
                self.stage, self.allowed = line["stage"], line.get("seconds", self.job.limits.seconds)
            elif "partial" in line:
                self.partial = line["partial"]
            elif "ended" in line:
                self._note_end(line)
            elif "answer" in line or "error" in line:
                answer = line
        return answer

    def _note_end(self, line: Mapping[str, Any]) -> None:
        if line.get("job") == self.guard.jobs:  # not that of an earlier job, sent twice
            self.code = line["ended"]

    def _watch(self) -> None:
        """Raise ModelFailedError when a limit is exceeded."""
        now = time.monotonic()
        if now - self.started > self.allowed:
            raise self._outgrown("took too long", f"{self.allowed:g} s: raise --timeout")
        if self.output_bytes > _MOST_OUTPUT_BYTES:
            raise self._outgrown("printed too much", f"over {_MOST_OUTPUT_BYTES // 10**6} MB: print less")
        if self.stage == "start" or now - self.watched < _POLL_SECONDS:
            return
        self.watched = now
        processes = self.guard.family.living() - {self.guard.process.pid}
        if len(processes) > _MOST_PROCESSES:
            raise self._outgrown("started too many processes", f"over {_MOST_PROCESSES}: start fewer")
        if (used := resident_bytes(processes)) > self.job.limits.memory_bytes:
            raise self._outgrown("outgrew its memory", f"{used / 2**30:.1f} GiB: raise --memory")

    def _outgrown(self, what: str, value_and_remedy: str) -> ModelFailedError:
        return ModelFailedError(f"the model's code {what} at {self.stage}: {value_and_remedy}")


def _parsed(line: bytes | bytearray) -> dict[str, Any]:
    """A parsed line of the answer; empty for an incomplete one, or one that the user's code wrote into the pipe."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    is_known = isinstance(found, dict) and all(isinstance(found[name], _KINDS[name]) for name in found.keys() & _KINDS)
    return found if is_known else {}


def _error(answer: Mapping[str, Any]) -> ConstraintError:
    kind = _ERRORS.get(str(answer["error"]), ModelFailedError)
    return kind(str(answer.get("message", "")), traceback=str(answer.get("traceback", "")))


def _ending(code: int | None, stage: str, printed: str) -> str:
    """Why a child ended without an answer, in one line."""
    if code is not None and code < 0:
        name = _name_of(-code)
        reason = {"SIGSEGV": " (segmentation fault)", "SIGKILL": " (out of memory?)"}.get(name, "")
        return f"the model's code crashed at {stage}: {name}{reason}: run it alone under python -X faulthandler"
    printed = _WARNING.sub("", printed).strip()
    last = printed.splitlines()[-1:] or ["it printed nothing"]
    what = "the checker could not start" if stage == "start" else f"the model's code ended the process at {stage}"
    return f"{what}: exit status {code}: {shortened(last[0], _LONGEST)}"


def _name_of(number: int) -> str:
    """The name of a signal; most real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
