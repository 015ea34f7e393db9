"""Keeps memory that a training frees in the process, for its next step, and gets it in large pages.

glibc returns large freed blocks to the system. A training frees all activations after every step, and the next step
would get them back page by page: that took a seventh of the time of a small network. See mallopt(3). Pages of 2 MiB in
place of 4 KiB need fewer lookups of addresses, which saves a further twentieth.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NEVER = -1
LARGEST = 32 * 1024**2
"""Bytes of the largest block that glibc can be set not to map on its own (HEAP_MAX_SIZE / 2 on 64 bits)."""


def keep_freed() -> bool:
    """Keep freed memory in this process from now on; False where the C library has no such setting."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    settings = {M_TRIM_THRESHOLD: NEVER, M_MMAP_THRESHOLD: LARGEST}
    return mallopt is not None and all(mallopt(name, value) for name, value in settings.items())


def with_huge_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """The variable to add to the ``environment`` of a new process whose memory is to be in huge pages.

    Linux gives them where it can, unless they are turned off for the whole machine; other systems, and C libraries
    other than glibc 2.35 and later, ignore the variable. A setting of the user's own is kept. See "Memory Allocation
    Tunables" in the manual of the GNU C Library.
    """
    tunables = environment.get("GLIBC_TUNABLES", "")
    if "glibc.malloc.hugetlb=" in tunables:
        return {"GLIBC_TUNABLES": tunables}
    return {"GLIBC_TUNABLES": ":".join(filter(None, (tunables, "glibc.malloc.hugetlb=1")))}
