"""Find and end the processes of a sandboxed check, including those that left its session or its environment.

It reads /proc, so on systems other than Linux only the process group of the check is ended and nothing is
counted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PARENT, _SESSION, _STARTED = 1, 3, 19
_ROUNDS = 500
_PAUSE_SECONDS = 0.01
_HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")


class _Stat(NamedTuple):
    """The kernel's data of a live process; ``started`` distinguishes it from a later process with the same PID."""

    parent: int
    session: int
    started: int


@dataclass
class Family:
    """A check's leader, all its descendants, and all processes with its mark in their environment.

    A member is recognised by its parents (the leader adopts orphans, and runs until it is ended), by the leader's
    session, by ``mark`` in the environment that it inherited, or because it was seen before.
    """

    leader: int
    mark: bytes
    known: dict[int, int] = field(default_factory=dict)
    """PID -> start time of every member ever seen."""

    def __post_init__(self) -> None:
        """Record the leader's start time, so that a later process with its PID is not taken for it."""
        if stat := _stat(self.leader):
            self.known[self.leader] = stat.started

    def living(self) -> set[int]:
        """The live processes, found by parents, by session, and among those seen before."""
        stats = _all()
        found = {pid for pid, stat in stats.items() if self._belongs(pid, stat)}
        while more := {pid for pid, stat in stats.items() if stat.parent in found} - found:
            found |= more
        self.known |= {pid: stats[pid].started for pid in found}
        return found

    def left_behind(self) -> set[int]:
        """Live processes other than the leader and the helper processes of multiprocessing."""
        return {p for p in self._all_living() - {self.leader} if not any(h in _read(p, "cmdline") for h in _HELPERS)}

    def end(self) -> None:
        """Suspend all members, so that none forks while others are killed; kill them, and repeat until none is left."""
        self._end(spared=frozenset())
        if not _PROC.is_dir():
            self._signal_group(signal.SIGKILL)

    def end_others(self) -> None:
        """As ``end``, for all but the leader."""
        self._end(spared=frozenset({self.leader}))
        _send({self.leader}, signal.SIGCONT)

    def _end(self, spared: frozenset[int]) -> None:
        self._signal_group(signal.SIGSTOP)  # at once, so that few processes can still fork
        for _ in range(_ROUNDS):
            left = (self._all_living() or self._all_living()) - spared  # one scan may miss a process forked during it
            if not left:
                return
            _send(left, signal.SIGSTOP)
            _send((left | self._all_living()) - spared, signal.SIGKILL)
            time.sleep(_PAUSE_SECONDS)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.leader, number)

    def _belongs(self, pid: int, stat: _Stat) -> bool:
        return stat.session == self.leader or self.known.get(pid) == stat.started

    def _all_living(self) -> set[int]:
        """As ``living``, with processes known only by their mark, for which every environment is read."""
        marked = {pid: s for pid, s in _all().items() if self.mark in _read(pid, "environ").split(b"\0")}
        self.known |= {pid: stat.started for pid, stat in marked.items()}
        return self.living()


def resident_bytes(processes: Iterable[int]) -> int:
    """Total resident memory of the processes; what forked processes share is counted once, with the largest."""
    sizes = sorted(_resident(pid) for pid in processes)
    return (sizes[-1][0] if sizes else 0) + sum(own for _, own in sizes[:-1])


def _all() -> Mapping[int, _Stat]:
    """All live processes, zombies excluded."""
    numbers = [int(p.name) for p in _PROC.iterdir() if p.name.isdigit()] if _PROC.is_dir() else []
    return {pid: stat for pid in numbers if (stat := _stat(pid)) is not None}


def _stat(pid: int) -> _Stat | None:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    if not fields or fields[0] in {b"Z", b"X"}:
        return None
    return _Stat(int(fields[_PARENT]), int(fields[_SESSION]), int(fields[_STARTED]))


def _resident(pid: int) -> tuple[int, int]:
    """Resident bytes of one process: all, and those not backed by a file."""
    fields = [int(f) * _PAGE for f in _read(pid, "statm").split()[1:3]]
    return (fields[0], fields[0] - fields[1]) if fields else (0, 0)


def _read(pid: int, name: str) -> bytes:
    """A file of /proc/PID; empty where the process has ended or belongs to another user."""
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _send(processes: Iterable[int], number: signal.Signals) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
