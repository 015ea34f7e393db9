"""Skip the breakpoints of a user's code, since a check has no terminal at which a debugger could be used."""

from __future__ import annotations

import pdb
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

_WARNING = "the code starts a debugger, for which a check has no terminal: its breakpoints were skipped"


@contextmanager
def undebugged(warn: Callable[[str], None]) -> Iterator[None]:
    """While entered, ``breakpoint()`` and what stops in pdb do nothing; ``warn`` gets a warning that says so.

    Those are ``set_trace``, also that of a debugger that the code makes itself, ``post_mortem`` and ``pm``.
    """

    def skip(*_: Any, **__: Any) -> None:
        warn(_WARNING)

    with ExitStack() as patched:
        patched.enter_context(patch.object(sys, "breakpointhook", skip))
        patched.enter_context(patch.object(pdb.Pdb, "set_trace", skip))
        patched.enter_context(patch.multiple(pdb, set_trace=skip, post_mortem=skip, pm=skip))
        yield
