"""A limit on the time of one statement of a user's file."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from constraints.faults import NO_DOWNLOAD, calls_user_code
from constraints.sandbox.no_network import is_downloading


class TooLongError(BaseException):
    """A statement exceeded its time limit; a BaseException, so that a user's ``except Exception`` misses it."""


@contextmanager
def at_most(seconds: float | None) -> Iterator[Callable[[], float]]:
    """Raise TooLongError in the body after so many seconds, unless None; yields a function that gives those passed."""
    started = time.monotonic()
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield lambda: time.monotonic() - started
        return

    @calls_user_code
    def stop(_: int, frame: FrameType | None) -> NoReturn:
        took = f"{round(seconds, 1 if seconds >= 1 else 2):g} s at import"
        if is_downloading(frame):
            raise TooLongError(f"it was downloading for {took}: {NO_DOWNLOAD}")
        raise TooLongError(f"it ran for {took}: put it under if __name__ == '__main__'")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield lambda: time.monotonic() - started
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
