"""How much a command prints on stderr: ``--quiet`` and ``--verbose``."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TextIO

_KEPT = re.compile(r"error:|warning:|Traceback|(?:\S.*:\d+: )?\w*Warning: ")
"""Beginnings of lines that are passed on; Python prints warnings as ``file.py:12: UserWarning: ...``."""


@contextmanager
def verbosity(*, quiet: bool, verbose: bool) -> Iterator[None]:
    """Limit stderr to warnings and errors, or add what is being done and how long it takes."""
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
    """Write the logs of this tool and of the libraries to stderr."""
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
    """A stream that passes on only warnings, errors and questions; it is not a terminal, so nothing is live."""

    def __init__(self, stream: TextIO) -> None:
        """Pass lines on to ``stream``."""
        self._stream = stream
        self._line = ""
        self._is_traceback = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self._stream.encoding

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str) -> int:
        """Collect text, and pass on its complete lines that are warnings or errors."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._is_traceback = line.startswith("Traceback") or (self._is_traceback and not line.startswith("error:"))
            if _KEPT.match(line) or self._is_traceback:
                self._stream.write(f"{line}\n")
        return len(text)

    def flush(self) -> None:
        """Pass on an incomplete line: it is a question that waits for an answer."""
        self._stream.write(self._line)
        self._line = ""
        self._stream.flush()
