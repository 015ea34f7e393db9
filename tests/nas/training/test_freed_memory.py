from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from nas.training.freed_memory import keep_freed
if sys.argv[1] == "kept":
    assert keep_freed()

def steps(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        blocks = [torch.ones(5_000_000, dtype=torch.uint8) for _ in range(40)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
steps(5)
print(steps(10))
"""


def _faults(way: str) -> int:
    # Where glibc starts with these, it returns every large block; by itself it does so only in some processes.
    env = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    ran = subprocess.run([sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True, env=env)
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_step_gets_the_memory_of_the_last_one_without_asking_for_its_pages_again() -> None:
    assert _faults("kept") * 5 < _faults("returned")
