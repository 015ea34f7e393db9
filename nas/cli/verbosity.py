"""How much a command says on stderr: ``--quiet`` and ``--verbose``."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TextIO

_KEPT = re.compile(r"error:|warning:|Traceback|(?:\S.*:\d+: )?\w*Warning: ")
"""How a line begins that is passed on; Python writes of a warning ``file.py:12: UserWarning: ...``."""


@contextmanager
def verbosity(*, quiet: bool, verbose: bool) -> Iterator[None]:
    """Say on stderr only warnings and errors, or also what is done and how long it takes."""
    if verbose:
        with _logged():
            yield
    elif quiet:
        with redirect_stderr(OnlyWarnings(sys.stderr)):
            yield
    else:
        yield


@contextmanager
def _logged() -> Iterator[None]:
    """Write what this tool and the libraries log on stderr."""
    root = logging.getLogger()
    level, handler = root.level, logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


class OnlyWarnings(io.TextIOBase):
    """A stream that passes on lines of warnings and errors, and questions: it is no terminal, so nothing is live."""

    def __init__(self, stream: TextIO) -> None:
        """Pass lines on to ``stream``."""
        self._stream = stream
        self._line = ""
        self._is_traceback = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return self._stream.encoding

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take text, and pass its whole lines on where they are kept."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._is_traceback = line.startswith("Traceback") or (self._is_traceback and not line.startswith("error:"))
            if _KEPT.match(line) or self._is_traceback:
                self._stream.write(f"{line}\n")
        return len(text)

    def flush(self) -> None:
        """Pass a line on that has not ended: it is a question, which waits for an answer beside it."""
        self._stream.write(self._line)
        self._line = ""
        self._stream.flush()
