from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource, sys, torch
from nas.training.freed_memory import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed

# A process of which glibc returns every large block; by itself it does so only in some.
for name in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
    assert ctypes.CDLL(None).mallopt(name, 65536)
if sys.argv[1] == "kept":
    assert keep_freed()

def steps(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        blocks = [torch.ones(1_000_000, dtype=torch.uint8) for _ in range(40)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
steps(3)
print(steps(5))
"""


def _faults(way: str) -> int:
    ran = subprocess.run([sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_step_gets_the_memory_of_the_last_one_without_asking_for_its_pages_again() -> None:
    assert _faults("kept") * 5 < _faults("returned")
