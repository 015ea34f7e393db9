"""The guard says how the checking process ended, and adopts what that leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from constraints.sandbox import guard
from constraints.sandbox.request import Request, Target
from tests.processes import is_running, read

pytestmark = pytest.mark.skipif(not guard.LINUX, reason="only Linux lets a process adopt orphans")


ORPHAN = (
    "import os, time\nif not os.fork():\n    if not os.fork():\n        time.sleep(1000)\n    os._exit(0)\nos.wait()\n"
)
ENDINGS = {"import os; os._exit(5)": 5, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)": -15}


def living_children(pid: int) -> list[int]:
    return [child for child in map(int, read(pid, f"task/{pid}/children").split()) if is_running(child)]


def test_the_end_is_reported_as_by_subprocess_and_the_orphan_is_adopted(tmp_path: Path) -> None:
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "constraints.sandbox.guard", str(write)], stdin=subprocess.PIPE, pass_fds=[write]
    )
    os.close(write)
    assert process.stdin is not None
    try:
        with process.stdin, os.fdopen(read) as answer:
            for number, (code, ended) in enumerate(ENDINGS.items(), start=1):
                file = tmp_path / f"net_{number}.py"
                file.write_text(ORPHAN + code)
                request = Request(target=Target(text=f"{file}:Net", file=file, module="", name="Net"), require=())
                process.stdin.write(request.job().to_line(os.environ))
                process.stdin.flush()
                assert json.loads(answer.readline()) == {"stage": "import"}
                assert json.loads(answer.readline()) == {"ended": ended, "job": number}
                (orphan,) = living_children(process.pid)
                os.kill(orphan, signal.SIGKILL)
                while living_children(process.pid):
                    time.sleep(0.01)
                assert process.poll() is None, "it waits to be ended, whatever has ended under it"
    finally:
        process.kill()
        process.wait()
