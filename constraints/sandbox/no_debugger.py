"""Skip the breakpoints of a user's code, since a check has no terminal at which a debugger could be used."""

from __future__ import annotations

import pdb
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

_WARNING = "the code starts a debugger, for which a check has no terminal: its breakpoints were skipped"


@contextmanager
def undebugged(warn: Callable[[str], None]) -> Iterator[None]:
    """While entered, ``breakpoint()`` and ``pdb.set_trace()`` do nothing; ``warn`` gets a warning that says so."""

    def skip(*_: Any, **__: Any) -> None:
        warn(_WARNING)

    with patch.object(sys, "breakpointhook", skip), patch.object(pdb, "set_trace", skip):
        yield
