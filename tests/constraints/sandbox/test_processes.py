import os
import subprocess
import sys

import pytest

from constraints.sandbox.processes import Family, resident_bytes
from tests.processes import is_running

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found through /proc")
LEAVE = "os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0)"
STAY = "print(os.getpid(), flush=True); time.sleep(1000)"


def started(code: str, mark: str = "") -> tuple[subprocess.Popen[bytes], int]:
    """A leader of a session of its own, and the process that printed its number."""
    leader = subprocess.Popen(
        [sys.executable, "-c", f"import os, sys, time; {code}"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        env=os.environ | ({"FAMILY": mark} if mark else {}),
    )
    assert leader.stdout is not None
    with leader.stdout:
        return leader, int(leader.stdout.readline())


def test_a_process_that_left_the_session_and_its_parents_is_found_by_its_mark() -> None:
    leader, stray = started(f"{LEAVE}; {STAY}", "test-mark")
    family = Family(leader.pid, b"FAMILY=test-mark")
    leader.wait()
    assert family.living() == set()
    assert family.left_behind() == {stray}
    family.end()
    assert not is_running(stray)


def test_one_without_mark_is_found_by_its_parents_and_remembered_when_they_are_gone() -> None:
    leader, stray = started(f"\nif os.fork(): time.sleep(1000)\nos.setsid(); {STAY}")
    family = Family(leader.pid, b"FAMILY=none")
    assert stray in family.living()
    leader.kill()
    leader.wait()
    assert family.living() == {stray}
    family.end()
    assert not is_running(stray)


def test_a_later_process_of_the_same_number_is_no_member() -> None:
    leader, _ = started(STAY)
    family = Family(leader.pid, b"FAMILY=none", known={os.getpid(): 1})  # this process started later than at boot
    assert family.living() == {leader.pid}
    family.end()
    leader.wait()
    assert family.living() == set()


def test_memory_counts_every_process() -> None:
    leader, _ = started(STAY)
    alone = resident_bytes({leader.pid})
    assert 2**20 < alone < resident_bytes({leader.pid, os.getpid()})
    Family(leader.pid, b"FAMILY=none").end()
    leader.wait()
    assert resident_bytes(set()) == resident_bytes({leader.pid}) == 0
