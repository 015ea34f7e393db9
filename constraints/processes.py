"""Find and end the processes of a sandboxed check, those that left its session or its parent included.

It reads /proc, so on systems other than Linux only the process group of the check is ended and nothing is
counted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SESSION = 3
_ROUNDS = 500
_PAUSE_SECONDS = 0.01
_HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")


def in_session(leader: int) -> set[int]:
    """The live processes of the session that ``leader`` opened."""
    return {pid for pid in _all() if _session(pid) == leader}


def left_behind(leader: int, mark: bytes) -> set[int]:
    """Live processes of the check beside its leader, the helpers that multiprocessing itself starts aside."""
    return {pid for pid in _living(leader, mark) - {leader} if not any(h in _read(pid, "cmdline") for h in _HELPERS)}


def resident_bytes(processes: set[int]) -> int:
    """Memory that the processes hold in all; what forked copies share counts once, with the largest."""
    sizes = sorted(_resident(pid) for pid in processes)
    return (sizes[-1][0] if sizes else 0) + sum(own for _, own in sizes[:-1])


def end_all(leader: int, mark: bytes) -> None:
    """Kill the leader's process group at once, then whatever escaped it, until none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for _ in range(_ROUNDS):
        left = _living(leader, mark) or _living(leader, mark)  # one look may miss a copy made while it lasts
        if not left:
            return
        for number in (
            signal.SIGSTOP,
            signal.SIGKILL,
        ):  # stopped first, so that none forks while others are killed
            for pid in left:
                _send(pid, number)
        time.sleep(_PAUSE_SECONDS)


def _living(leader: int, mark: bytes) -> set[int]:
    """The live processes of the leader's session, or with ``mark`` in the environment that they inherited."""
    return {
        pid for pid in _all() if (s := _session(pid)) == leader or (s and mark in _read(pid, "environ").split(b"\0"))
    }


def _all() -> set[int]:
    return {int(p.name) for p in _PROC.iterdir() if p.name.isdigit()} if _PROC.is_dir() else set()


def _session(pid: int) -> int:
    """Session of a live process; 0 for one that has ended (a zombie included)."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[_SESSION]) if fields and fields[0] not in {b"Z", b"X"} else 0


def _resident(pid: int) -> tuple[int, int]:
    """Resident bytes of one process: all of them, and those that belong to no file."""
    fields = [int(f) * _PAGE for f in _read(pid, "statm").split()[1:3]]
    return (fields[0], fields[0] - fields[1]) if fields else (0, 0)


def _read(pid: int, name: str) -> bytes:
    """A file of /proc/PID; empty where the process has ended meanwhile or belongs to somebody else."""
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
