"""Start the guard of a check before anything else is loaded, so that torch loads while the command line is read."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Sequence
from contextlib import suppress

from constraints.sandbox.guarded import Guarded

_waiting: list[Guarded] = []
"""The one guard that was started and not yet taken; this is the program's start, which nothing else shares."""
_NO_CHECK = frozenset({"-h", "--help"})


def begin(words: Sequence[str]) -> None:
    """Start a guard where the words of a command line ask for a check; one that is not taken ends with the program."""
    if list(words[:1]) == ["validate"] and len(words) > 1 and not _NO_CHECK & set(words):
        with suppress(OSError):  # which whoever needs a guard meets again
            _waiting.append(Guarded())
            atexit.register(_leave)


def taken() -> Guarded | None:
    """The guard that waits, for the first who asks, where it would be started in the same way now."""
    guard = _waiting.pop() if _waiting else None
    if guard is not None and not guard.serves():
        guard.end()
        return None
    return guard


def _leave() -> None:
    """End the guard with the program; an interrupt that comes meanwhile changes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end()


def _end() -> None:
    while _waiting:
        _waiting.pop().end()
