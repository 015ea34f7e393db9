"""Keeps memory that a training frees in the process, for its next step.

glibc returns large freed blocks to the system. A training frees all activations after every step, and the next step
would get them back page by page: that took a seventh of the time of a small network. See mallopt(3).
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NEVER = -1
LARGEST = 32 * 1024**2
"""Bytes of the largest block that glibc can be told not to map on its own (HEAP_MAX_SIZE / 2 on 64 bits)."""


def keep_freed() -> bool:
    """Keep freed memory in this process from now on; False where the C library has no such setting."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    settings = {M_TRIM_THRESHOLD: NEVER, M_MMAP_THRESHOLD: LARGEST}
    return mallopt is not None and all(mallopt(name, value) for name, value in settings.items())
