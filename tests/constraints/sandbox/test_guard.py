"""The guard says how the checking process ended, and adopts what that leaves behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from constraints.sandbox import guard
from constraints.sandbox.request import Request, Target

pytestmark = pytest.mark.skipif(not guard.LINUX, reason="only Linux lets a process adopt orphans")


@pytest.mark.parametrize(
    ("code", "ended"),
    [("import os; os._exit(5)", 5), ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15)],
)
def test_the_end_is_reported_as_by_subprocess_and_the_orphan_is_adopted(tmp_path: Path, code: str, ended: int) -> None:
    orphan = "import os, time\nif not os.fork():\n    if not os.fork():\n        time.sleep(1000)\n    os._exit(0)\n"
    file = tmp_path / "net.py"
    file.write_text(orphan + "os.wait()\n" + code)
    request = Request(target=Target(text=f"{file}:Net", file=file, module="", name="Net"), require=())
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "constraints.sandbox.guard", str(write)], stdin=subprocess.PIPE, pass_fds=[write]
    )
    os.close(write)
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(request.job().to_line(os.environ))
    try:
        with os.fdopen(read) as answer:
            assert json.loads(answer.readline()) == {"stage": "import"}
            assert json.loads(answer.readline()) == {"ended": ended, "job": 1}
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGKILL)
        assert process.poll() is None, "it waits to be ended, whatever has ended under it"
    finally:
        process.kill()
        process.wait()
