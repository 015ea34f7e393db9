"""The command line of this process; empty where a user's program imports this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_WORDS: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


def present() -> tuple[str, ...]:
    """The name of the program and its arguments; empty outside of a command, where ``sys.argv`` is the host's."""
    return _WORDS.get()


@contextmanager
def running(words: Sequence[str]) -> Iterator[None]:
    """Make ``words`` the current command line until the end of the block."""
    token = _WORDS.set(tuple(words))
    try:
        yield
    finally:
        _WORDS.reset(token)
