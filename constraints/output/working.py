"""The message that a command shows while it works, on a terminal and elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from constraints.output.plain import say

CHECKING = "checking what is asked for"
"""What a command that trains does first."""


@contextmanager
def working(what: str, *, told_after: float | None = None) -> Iterator[None]:
    """Show on a terminal's stderr what is being done; with ``--verbose`` also log how long it took.

    Elsewhere than on a terminal, print it once the block has lasted ``told_after`` seconds, unless None.
    """
    from rich.text import Text

    from constraints.output.console import SafeConsole

    console, start = SafeConsole(stderr=True), time.perf_counter()
    elsewhere = nullcontext() if told_after is None else _told(what, told_after)
    with console.status(Text(what)) if console.is_terminal else elsewhere:
        yield
    logging.getLogger("nas").info("%s: %.2f s", what, time.perf_counter() - start)


@contextmanager
def _told(what: str, seconds: float) -> Iterator[None]:
    """Print ``what`` on stderr if the block lasts so many seconds; never after it."""
    lock, is_over = threading.Lock(), False

    def tell() -> None:
        with lock:
            if not is_over:
                say(what, sys.stderr)

    timer = threading.Timer(seconds, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            is_over = True
