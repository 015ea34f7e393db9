"""Waiting for a storage that is out of reach."""

from __future__ import annotations

import time
from collections.abc import Callable

from nas.search.storage import is_outage

TRY_SECONDS = 0.25
"""Time between two tries to reach it."""
OUTAGE_SECONDS = 600.0
"""How long it is waited for."""


def outlast(error: Exception, resume: Callable[[], None], *, notes: list[str], clock: Callable[[], float]) -> None:
    """Try to ``resume`` until the storage answers again, after it failed with ``error``.

    ``notes`` gets a line at the start and at the end. Raises what is no outage at once, and the last error where the
    storage stays away for OUTAGE_SECONDS.
    """
    until = clock() + OUTAGE_SECONDS
    if is_outage(error):
        notes.append("the storage does not answer: the search resumes when it does")
    while is_outage(error) and clock() < until:
        time.sleep(TRY_SECONDS)
        try:
            resume()
        except Exception as again:
            error = again
        else:
            notes.append("the storage answers again")
            return
    raise error
