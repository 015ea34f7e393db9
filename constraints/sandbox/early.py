"""Start the guard of a check before anything else is loaded, so that torch loads while the command line is read."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Sequence
from contextlib import suppress

from constraints.sandbox.guarded import Guarded

_waiting: list[Guarded] = []
"""The one guard that was started and not yet taken; set only at the program's start."""
_NO_CHECK = frozenset({"-h", "--help"})


def begin(words: Sequence[str]) -> None:
    """Start a guard where the command line asks for a check; a guard that is not taken ends with the program."""
    if list(words[:1]) == ["validate"] and len(words) > 1 and not _NO_CHECK & set(words):
        with suppress(OSError):  # the later start of a guard raises it again
            _waiting.append(Guarded())
            atexit.register(_leave)


def taken() -> Guarded | None:
    """The waiting guard, for the first caller, if it would still be started in the same way now; else None."""
    guard = _waiting.pop() if _waiting else None
    if guard is not None and not guard.serves():
        guard.end()
        return None
    return guard


def _leave() -> None:
    """End the guard with the program; an interrupt during this is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end()


def _end() -> None:
    while _waiting:
        _waiting.pop().end()
