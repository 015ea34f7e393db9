"""Start the processes that check users' files, and outlive them, so that every process they leave behind is found.

Run as ``python -m constraints.sandbox.guard FD PARENT``; each line of standard input is one job. A process whose
parent ended is adopted by the nearest ancestor that is a child subreaper (``PR_SET_CHILD_SUBREAPER``). The guard is
that ancestor: it runs none of the users' code and lives until the parent of the checks ends it, so that even a daemon
with an empty environment and a session of its own remains a descendant after the checking process has ended. It has
loaded torch, so that a check starts by a fork. On systems other than Linux the child runs in place of the guard, and
there is one job.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform.startswith("linux")


def main() -> None:
    """Guard the processes that check; on systems other than Linux, be the checking process."""
    pipe = int(sys.argv[1])
    os.set_inheritable(pipe, False)
    if LINUX:
        die_with_parent()
        if sys.argv[2:] and os.getppid() != int(sys.argv[2]):  # the parent ended before ``die_with_parent`` was called
            return
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    from constraints.sandbox import child  # only here, since it loads torch

    for number, job in enumerate(sys.stdin.buffer, 1):
        if LINUX and (checking := os.fork()):
            _report_end(checking, number, pipe)
        else:
            if LINUX:
                die_with_parent()
            child.main(pipe, job)
    while LINUX:
        signal.pause()


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; a fork does not inherit this."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _report_end(checking: int, number: int, pipe: int) -> None:
    """Write ``{"ended": CODE, "job": NUMBER}`` once the checking process has ended; the code is as ``subprocess``'s."""
    ended = 0
    while ended != checking:
        ended, status = os.wait()  # orphans that end in the meantime are reaped here too
    line = {"ended": os.waitstatus_to_exitcode(status), "job": number}
    os.write(pipe, (json.dumps(line) + "\n").encode())


if __name__ == "__main__":
    main()
