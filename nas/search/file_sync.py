"""The files of a task that is done where the run folder is not: fetched before it, brought back after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from nas import atomic
from nas.search.worker import CHECKPOINT, PROGRESS, TEST, WEIGHTS

FILES = (CHECKPOINT, WEIGHTS, TEST, PROGRESS)
"""What is kept of a task; progress comes last, so that it never runs ahead of the checkpoint."""

Attempt = tuple[int, int]
"""The number of the submission and when it was begun, in nanoseconds: the greatest attempt at a task is its last."""


class SupersededError(Exception):
    """The same task was begun elsewhere meanwhile."""


class Keeper:
    """Keeps the files of tasks below ``root``; an attempt that another one followed can write no more.

    Such an attempt is one on a machine that was cut off, and whose work was given to another.
    """

    def __init__(self, root: Path) -> None:
        """``root`` is the run folder, an absolute path."""
        self._root = root
        self._last: dict[Path, Attempt] = {}

    def begin(self, folder: str, submission: int) -> tuple[Attempt, dict[str, bytes]]:
        """Begin a new attempt at the task whose files are in ``folder``, below the root; it gets what is kept.

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
        """Write files, each one whole or not at all. Raises SupersededError where another attempt followed."""
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
    """A copy of a task's files in ``folder``; what changes there is handed to ``send``."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], send: Callable[[dict[str, bytes]], None]) -> None:
        """Write ``files`` into the folder; they count as sent."""
        self._folder, self._send = folder, send
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self._sent = self._stamps()

    def push(self) -> None:
        """Send the files that changed since they were last sent, if any did."""
        now = self._stamps()
        changed = [name for name, stamp in now.items() if self._sent.get(name) != stamp]
        if changed:
            self._send({name: (self._folder / name).read_bytes() for name in changed})
        self._sent = now

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """What tells a file from the one that replaced it: every writer here replaces whole files."""
        stamps = {}
        for name in FILES:
            with suppress(FileNotFoundError):
                status = (self._folder / name).stat()
                stamps[name] = (status.st_ino, status.st_mtime_ns)
        return stamps
