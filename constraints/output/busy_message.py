"""The message that a command shows on a terminal while it works."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

CHECKING = "checking what is asked for"
"""What a command that trains does first."""


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal's stderr what is being done; with ``--verbose`` also log how long it took.

    Elsewhere nothing is printed, so that an error of the block is the one line on stderr.
    """
    from rich.text import Text

    from constraints.output.console import SafeConsole

    console, start = SafeConsole(stderr=True), time.perf_counter()
    with console.status(Text(what)) if console.is_terminal else nullcontext():
        yield
    logging.getLogger("nas").info("%s: %.2f s", what, time.perf_counter() - start)
