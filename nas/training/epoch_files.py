"""Epoch files: made in pieces by all processes that need them, and the least recently read ones deleted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.lib.format import open_memmap

from nas.training.disk import reserve

LOCKS = 64
DAY = 24 * 3600
FEWEST = 2
"""Epochs that are always kept, whatever their size: the one just made and the one being read."""


@dataclass(frozen=True, kw_only=True)
class MadeTogether:
    """A file of images (uint8) that several processes make together.

    Pieces are claimed by file locks, which the system releases when their holder dies. A piece always has the same
    bytes, so that making one twice does no harm.
    """

    place: Path
    """The finished file, an array of numpy's; beside it are the unfinished one, marks of its pieces, and locks."""
    shape: tuple[int, ...]
    piece: int
    """Images of a piece, the unit of work."""
    first_lock: int = 0
    """Which of the locks the first piece takes, so that several files share few of them."""

    def make(self, make_piece: Callable[[int], np.ndarray], finished: Callable[[], None]) -> None:
        """Make each piece that no process has made, then rename the file into place; no-op where it is there.

        The process that renames it calls ``finished`` before others can.
        """
        started = self._start()
        if started is None:
            return
        images, done = started
        for wait in (False, True):  # first the free pieces, then those of other processes, which may have died
            for piece in np.flatnonzero(done == 0):
                lock = self.place.parent / f"piece-{(self.first_lock + piece) % LOCKS:02d}.lock"
                with suppress(Timeout), FileLock(lock, timeout=-1 if wait else 0):
                    if not done[piece]:
                        images[piece * self.piece : (piece + 1) * self.piece] = make_piece(int(piece))
                        done[piece] = 1
        with FileLock(f"{self.place}.lock"):
            if not self.place.exists():
                self._finish()
                finished()

    def _start(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Open the unfinished file and its marks of finished pieces as shared memory maps; None if it is finished."""
        place, pieces = self.place, -(-self.shape[0] // self.piece)
        place.parent.mkdir(parents=True, exist_ok=True)
        part, marks = Path(f"{place}.part"), Path(f"{place}.done")
        with FileLock(f"{place}.lock"):
            if place.exists():
                return None
            if not (part.exists() and marks.exists() and marks.stat().st_size == pieces):
                open_memmap(part, mode="w+", dtype=np.uint8, shape=self.shape)
                reserve(part)
                marks.write_bytes(bytes(pieces))
            images = np.load(part, mmap_mode="r+", allow_pickle=False)
            return images, np.memmap(marks, dtype=np.uint8, mode="r+")

    def _finish(self) -> None:
        """Rename a finished file to where readers look, after fsync, so that a crash leaves no incomplete file."""
        part = Path(f"{self.place}.part")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        Path(f"{self.place}.done").unlink()
        part.replace(self.place)


def drop_oldest(folder: Path, keep_bytes: int) -> None:
    """Delete the least recently read epochs of ``folder`` beyond ``keep_bytes``; memory maps of them stay valid."""
    found = []
    for path in folder.glob("*/epoch-*.npy*"):  # a teacher's logits are beside them
        with suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    room = keep_bytes
    for rank, (_, size, path) in enumerate(sorted((e for e in found if e[2].suffix == ".npy"), reverse=True)):
        room -= size
        if room < 0 and rank >= FEWEST:
            path.unlink(missing_ok=True)
    for touched, _, path in found:
        if path.suffix == ".part" and touched < time.time() - DAY:
            path.unlink(missing_ok=True)  # the processes that were making it died
