"""The end of a pipe: what is written for a program that has ended, as ``head`` does after its lines."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from typing import IO


def is_closed(stream: IO[str]) -> bool:
    """Whether the reader of a stream has ended; False for what is no pipe, and where the system cannot say."""
    try:
        watched = select.poll()
        watched.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))
    except (AttributeError, OSError, ValueError):  # no poll on this system; a stream of no file, or that was closed
        return False


def let_go(*streams: IO[str]) -> bool:
    """Let what is still to be written to closed streams go nowhere, so that Python's end says nothing of it.

    Returns whether one was closed.
    """
    closed = [stream for stream in streams if is_closed(stream)]
    for stream in closed:
        discard(stream)
    return bool(closed)


def discard(stream: IO[str]) -> None:
    """Let what is still to be written to a stream go nowhere, and whatever comes after it."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
