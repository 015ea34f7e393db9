from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from nas.training.freed_memory import with_huge_pages

FAULTS = """
import ctypes, os, resource, torch
from nas.training.freed_memory import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed

# A process of which glibc returns every large block; by itself it does so only in some.
for name in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
    assert ctypes.CDLL(None).mallopt(name, 65536)

def steps(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        blocks = [torch.ones(1_000_000, dtype=torch.uint8) for _ in range(40)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
for is_kept in (True, False):  # each in a process of its own, for which torch is not loaded again
    if os.fork() == 0:
        assert not is_kept or keep_freed()
        steps(3)
        print(steps(5), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_step_gets_the_memory_of_the_last_one_without_asking_for_its_pages_again() -> None:
    ran = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    kept, returned = map(int, ran.stdout.split())
    assert kept * 5 < returned


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.check=3", "glibc.malloc.check=3:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
    ],
)
def test_huge_pages_are_added_to_what_the_user_has_set_for_the_c_library(before: str, after: str) -> None:
    assert with_huge_pages({"GLIBC_TUNABLES": before}) == {"GLIBC_TUNABLES": after}
    assert with_huge_pages({"PATH": "/bin"}) == {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


HUGE = """
import torch
torch.ones(100_000_000, dtype=torch.uint8)
block = torch.ones(100_000_000, dtype=torch.uint8)
print(next(line.split()[1] for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages")))
"""
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or tuple(map(int, platform.libc_ver()[1].split("."))) < (2, 35),
    reason="a setting of glibc 2.35",
)
@pytest.mark.skipif(
    not SETTING.exists() or "[madvise]" not in SETTING.read_text(), reason="all memory is in huge pages, or none"
)
def test_a_process_with_the_variable_has_its_large_blocks_in_huge_pages() -> None:
    usual = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, "-c", HUGE]
    ran = subprocess.run(command, env=usual | with_huge_pages(usual), capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 50_000  # kB; without it there are none, as no block asks for them
