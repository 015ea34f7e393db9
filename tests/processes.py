"""What /proc says of other processes: one that ends while it is looked at is one that has ended, never an error."""

from __future__ import annotations

from pathlib import Path


def numbers() -> list[int]:
    """All processes of this machine, those included that have ended and whose parent has not asked for their end."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def read(pid: int, name: str) -> bytes:
    """A file of /proc/PID; empty where the process has ended or belongs to another user."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def status(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (state, parent, group, session ...); empty where it has ended."""
    fields = read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()
    return [] if fields[:1] in ([], ["Z"], ["X"]) else fields


def is_running(pid: int) -> bool:
    return bool(status(pid))
