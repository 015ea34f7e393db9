"""Copies the files of a task on another machine: fetched before it starts, sent back after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from nas import atomic
from nas.search.worker import CHECKPOINT, PROGRESS, TEST, WEIGHTS

FILES = (CHECKPOINT, WEIGHTS, TEST, PROGRESS)
"""Files of a task that are copied; PROGRESS is last, so that it is never ahead of the checkpoint."""

Attempt = tuple[int, int]
"""(number of the submission, start time in nanoseconds): the greatest attempt at a task is the latest."""


class SupersededError(Exception):
    """The same task was started elsewhere in the meantime."""


class Keeper:
    """Stores the files of tasks below ``root``; an attempt that was superseded by a later one cannot write any more.

    That happens when a machine was disconnected and its task was given to another.
    """

    def __init__(self, root: Path) -> None:
        """``root`` is the run folder, an absolute path."""
        self._root = root
        self._last: dict[Path, Attempt] = {}

    def begin(self, folder: str, submission: int) -> tuple[Attempt, dict[str, bytes]]:
        """Start a new attempt at the task whose files are in ``folder`` below the root; returns the stored files.

        Raises SupersededError for a submission that a later one has replaced.
        """
        attempt = (submission, time.time_ns())
        place, files = self._open(folder, attempt), dict[str, bytes]()
        self._last[place] = attempt
        for name in FILES:
            with suppress(FileNotFoundError):
                files[name] = (place / name).read_bytes()
        return attempt, files

    def keep(self, folder: str, attempt: Attempt, files: Mapping[str, bytes]) -> None:
        """Write files, each atomically. Raises SupersededError where a later attempt has started."""
        place = self._open(folder, attempt)
        place.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if name in files:
                atomic.write(place / name, files[name])

    def _open(self, folder: str, attempt: Attempt) -> Path:
        place = (self._root / folder).resolve()
        if not place.is_relative_to(self._root.resolve()):
            raise ValueError(f"not below the run folder: {folder}")
        if attempt < self._last.get(place, attempt):
            raise SupersededError(f"{folder} was begun again elsewhere")
        return place


class Mirror:
    """A copy of a task's files in ``folder``; changed files are passed to ``send``."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], send: Callable[[dict[str, bytes]], None]) -> None:
        """Write ``files`` into the folder; they count as sent."""
        self._folder, self._send = folder, send
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self._sent = self._stamps()

    def push(self) -> None:
        """Send the files that changed since they were last sent, if any."""
        now = self._stamps()
        changed = [name for name, stamp in now.items() if self._sent.get(name) != stamp]
        if changed:
            self._send({name: (self._folder / name).read_bytes() for name in changed})
        self._sent = now

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """Values that change when a file is replaced; every writer here replaces whole files."""
        stamps = {}
        for name in FILES:
            with suppress(FileNotFoundError):
                status = (self._folder / name).stat()
                stamps[name] = (status.st_ino, status.st_mtime_ns)
        return stamps
