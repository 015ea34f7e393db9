"""The class of this machine's processor by its vector instructions, which determine how fast networks train."""

from __future__ import annotations

import platform
from pathlib import Path

_FEATURES = Path("/proc/cpuinfo")
_CLASSES = (
    ("AVX-512 with bfloat16", {"avx512f", "avx512_bf16"}),
    ("AVX-512", {"avx512f"}),
    ("AVX2", {"avx2"}),
)


def cpu_class() -> str:
    """``AVX-512 with bfloat16``, ``AVX-512`` or ``AVX2``; elsewhere what ``platform.machine()`` says.

    Read from ``/proc/cpuinfo``, so on systems other than Linux it is always the latter.
    """
    try:
        features = _features(_FEATURES.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        features = set()
    return next((name for name, needed in _CLASSES if needed <= features), platform.machine())


def _features(text: str) -> set[str]:
    """The flags of the first processor in the text of ``/proc/cpuinfo``."""
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())
