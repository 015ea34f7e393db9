"""Start the child that checks the user's file, and outlive it, so that whatever it leaves behind is found.

Run as ``python -m constraints.sandbox.guard FD``. A process whose parent has ended moves to the nearest ancestor
that asked for orphans. The guard is that ancestor: it runs none of the user's code and stays until the parent of
the check ends it, so that even a daemon with an empty environment and a session of its own remains a descendant
after the checking process has ended. On systems other than Linux the child runs in place of the guard.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import NoReturn

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform.startswith("linux")


def main() -> None:
    """Guard the process that checks, or on systems other than Linux be it."""
    pipe = int(sys.argv[1])
    os.set_inheritable(pipe, False)
    if LINUX:
        die_with_parent()
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
        if checking := os.fork():
            _report_end(checking, pipe)
        die_with_parent()
    from constraints.sandbox import child  # only here, since it loads torch

    child.main(pipe)


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; a fork does not inherit this."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _report_end(checking: int, pipe: int) -> NoReturn:
    """Write ``{"ended": CODE}`` once the checking process has ended, as ``subprocess`` would give it; then wait."""
    ended = 0
    while ended != checking:
        ended, status = os.wait()  # orphans that end meanwhile are taken off the process table
    os.write(pipe, (json.dumps({"ended": os.waitstatus_to_exitcode(status)}) + "\n").encode())
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
