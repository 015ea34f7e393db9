"""Check a user's file in a child process with limits on time, memory, processes and output; no torch here.

Each job runs in a process of its own, under a guard that outlives it. Its findings come back as lines of JSON over
a separate pipe; what the user's code prints is captured and bounded. These limits protect the machine from
accidents; they are no security sandbox: the user's code may still read and write files and open connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from constraints.errors import ConstraintError
from constraints.report import Report
from constraints.sandbox.early import taken
from constraints.sandbox.guarded import Guarded
from constraints.sandbox.request import Job, Request
from constraints.sandbox.running import RunningJob


@dataclass(frozen=True, kw_only=True)
class CheckOutcome:
    """The outcome of a check."""

    report: Report
    printed: str
    """The first 64 kB that the user's code wrote to its standard streams."""
    follow_ups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The result of each follow-up of the request; one that was cut short has none."""


class Sandbox:
    """Does jobs one after another; close it, or use it as a context manager, in the thread that made it.

    The first one waits for torch to load; those after it start at once, in a process forked from the guard. What a
    job leaves running is ended before the next one, and no process outlives the sandbox, whatever happens.
    """

    def __init__(self, *, sees_gpus: bool = False) -> None:
        """Start no process yet; ``sees_gpus`` makes GPUs visible to the user's code."""
        self._sees_gpus = sees_gpus
        self._guard: Guarded | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the guard; the next job starts another."""
        if self._guard is not None:
            self._guard.end()
            self._guard = None

    def check(self, request: Request) -> CheckOutcome:
        """Check the target that ``request`` describes, under its limits.

        Raises UnusableInputError for input that cannot be used and ModelFailedError when the user's code raised,
        hung, crashed, or outgrew its limits before the verdicts were known; after that the report says what cut it
        short.
        """
        found, printed = self.run(request.job())
        report = Report.from_dict(found["report"], request.require)
        if cut := found.get("cut"):
            report = replace(report, warnings=(*report.warnings, cut))
        return CheckOutcome(report=report, printed=printed, follow_ups=found.get("follow_ups", {}))

    def run(self, job: Job) -> tuple[Any, str]:
        """Do a job; returns its answer and what the user's code printed; raises as ``check`` does.

        Where the child is cut short after it sent ``{"partial": ANSWER}``, that is the answer, with the reason as
        ``cut``.
        """
        if self._guard is not None and not self._guard.serves():
            self.close()
        if self._guard is None:
            self._guard = (None if self._sees_gpus else taken()) or Guarded(sees_gpus=self._sees_gpus)
        running, serves = RunningJob(job, self._guard), False
        try:
            self._guard.send(job)
            found = running.result()
            serves = running.clean or running.recover()
        except ConstraintError:
            serves = running.clean or running.recover()
            raise
        finally:
            if not serves:
                self.close()
        return found, running.printed()


def check_file(request: Request) -> CheckOutcome:
    """Check one target as ``Sandbox.check`` does."""
    with Sandbox() as sandbox:
        return sandbox.check(request)
