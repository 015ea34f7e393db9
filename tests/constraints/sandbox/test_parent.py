"""Whatever the user's code does, the check ends soon, says why in one line, and leaves no process behind."""

import os
import sys
from pathlib import Path

import pytest

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.parent import MARK, Outcome, check_file
from constraints.sandbox.request import Limits, Request, Target

NET = """
import torch.nn as nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)
    def forward(self, x):
        return self.c(x).mean((2, 3))
"""
LIMITS = Limits(seconds=60, memory_bytes=2 * 2**30)
SLEEPER = "sleep\0" + "86399\0"
DAEMON = (
    "import os\nif not os.fork():\n    os.setsid()\n    if not os.fork():\n"
    "        os.execve('/bin/sleep', ['sleep', '86399'], {})\n    os._exit(0)\nos.wait()\n"
)
"""An orphan with a session of its own and no environment: only its parent tells whose it is."""
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory and strays are watched through /proc")


def checked(tmp_path: Path, code: str, limits: Limits = LIMITS) -> Outcome:
    file = tmp_path / "net.py"
    file.write_text(code + NET)
    target = Target(text=f"{file}:Net", file=file, module="", name="Net")
    return check_file(Request(target=target, require=("params > 1",), limits=limits))


def strays() -> list[str]:
    """Command lines of live processes that a check of this test run started."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit():
                continue
            command = (folder / "cmdline").read_text()
            marked = f"{MARK}={os.getpid()}-".encode() in (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            found += [command] if (marked or command == SLEEPER) and state not in "ZX" else []
        except OSError:
            continue
    return found


def test_a_good_model_is_reported_and_its_output_kept_apart(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = checked(tmp_path, "import sys; print('hello'); print('there', file=sys.stderr)")
    assert outcome.report.ok
    assert outcome.report.metrics["params"] == 3 * 8 * 9 + 8
    assert outcome.report.location == (str(tmp_path / "net.py"), 3)
    assert outcome.printed.split() == ["hello", "there"]
    assert capfd.readouterr().out == ""


@LINUX
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; print('bye'); os._exit(0)", r"ended the process at import: exit status 0: bye"),
        ("import torch; torch.empty(25 * 10**9)", r"outgrew its memory at import: "),
        ("while True: print('x' * 10000)", r"printed too much at import: over 10 MB"),
        ("import ctypes; ctypes.string_at(0)", r"crashed at import: SIGSEGV \(segmentation fault\)"),
        ("import os\nwhile True: os.fork()", r"(outgrew its memory|started too many processes) at import: "),
        ("import os; os.fork()", r"left processes running: 1"),
        (
            "import subprocess; subprocess.Popen(['sleep', '86399'], start_new_session=True)",
            r"left processes running: 1",
        ),
        (
            "import subprocess; subprocess.Popen(['sleep', '86399'], start_new_session=True, env={})",
            r"left processes running: 1",
        ),
        (DAEMON, r"left processes running: 1"),
        (DAEMON + "os._exit(7)", r"ended the process at import: exit status 7: it printed nothing"),
        (DAEMON + "os.kill(os.getpid(), 9)", r"crashed at import: SIGKILL \(out of memory\?\)"),
        ("import os; os.kill(os.getppid(), 9)\nwhile True: pass", r"crashed at import: SIGKILL \(out of memory\?\)"),
    ],
    ids=[
        *("os-exit", "allocation", "flood", "segfault", "fork-bomb", "fork", "session", "no-mark"),
        *("daemon", "daemon-and-exit", "daemon-and-kill", "parent-killed"),
    ],
)
def test_misbehaviour_ends_with_its_reason_and_no_process(tmp_path: Path, code: str, reason: str) -> None:
    with pytest.raises(ModelFailedError, match=reason) as caught:
        checked(tmp_path, code + "\n", Limits(seconds=30, memory_bytes=2 * 2**30))
    assert "\n" not in str(caught.value)
    assert strays() == []


@LINUX
def test_an_endless_loop_ends_at_its_time(tmp_path: Path) -> None:
    forever = "import torch\ndef forever(self):\n    while True: pass\ntorch.nn.Module.__init__ = forever\n"
    with pytest.raises(ModelFailedError, match=r"took too long at construction: 1 s: raise --timeout"):
        checked(tmp_path, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{forever}", Limits(seconds=1))
    assert strays() == []


def test_what_is_raised_names_the_place_and_keeps_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(
        ModelFailedError, match=r"raised at construction: ZeroDivisionError: division by zero .*net.py:3\)"
    ) as caught:
        checked(tmp_path, "import torch\ndef broken(self):\n    1 / 0\ntorch.nn.Module.__init__ = broken\n")
    assert "Traceback" in caught.value.traceback


def test_what_the_model_does_not_need_may_fail_and_is_named(tmp_path: Path) -> None:
    report = checked(tmp_path, "1 / 0\nwhile True: pass\nraise SystemExit(2)\n", Limits(seconds=3)).report
    assert report.ok
    assert report.warnings == (
        f"{tmp_path}/net.py:1: left out, because it failed: ZeroDivisionError: division by zero",
        f"{tmp_path}/net.py:2: left out, because it failed: TooLongError: it ran for 1 s at import: "
        "put it under if __name__ == '__main__'",
        f"{tmp_path}/net.py:3: left out, because it failed: SystemExit: 2",
    )


@LINUX
def test_a_memory_limit_below_torch_itself_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"memory limit too small: 1,000,000 bytes: torch alone takes"):
        checked(tmp_path, "", Limits(memory_bytes=10**6))
