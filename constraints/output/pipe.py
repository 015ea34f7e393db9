"""Handle output pipes whose reader has ended, as ``head`` does after its lines, and streams that were never open."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import IO


def is_closed(stream: IO[str]) -> bool:
    """Whether the reader of a stream has ended; False for anything but a pipe, and where the system cannot tell."""
    try:
        watched = select.poll()
        watched.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))
    except (AttributeError, OSError, ValueError):  # no poll on this system, or a stream without a file, or a closed one
        return False


def let_go(*streams: IO[str]) -> bool:
    """Discard the remaining output to closed streams, so that Python prints no error at exit.

    Returns whether any stream was closed.
    """
    closed = [stream for stream in streams if is_closed(stream)]
    for stream in closed:
        discard(stream)
    return bool(closed)


def open_closed() -> None:
    """Open those of stdin, stdout and stderr that the caller closed (``>&-``) on the null device.

    To be called before any file is opened, which would get their numbers and what others write there. Programs that are
    started have them open too.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode))  # noqa: PTH123, SIM115 (a number; stays open)


def discard(stream: IO[str]) -> None:
    """Discard the remaining output to a stream, and everything written to it later."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
