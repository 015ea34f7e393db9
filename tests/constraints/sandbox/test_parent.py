"""The check ends soon for any user code, says why in one line, and leaves no process behind."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.rules import parse_all
from constraints.sandbox.guarded import MARK
from constraints.sandbox.parent import CheckOutcome, Sandbox, check_file
from constraints.sandbox.request import Limits, Request, Target
from tests.processes import numbers, read, status

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
Check = Callable[..., CheckOutcome]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory and strays are watched through /proc")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One for the whole file: what one check does to it must not show in the next."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def checked(tmp_path: Path, sandbox: Sandbox) -> Callable[..., CheckOutcome]:
    """Check ``code`` with a network behind it."""

    def check(code: str, limits: Limits = LIMITS) -> CheckOutcome:
        return sandbox.check(request(tmp_path, code, limits))

    return check


def request(folder: Path, code: str, limits: Limits = LIMITS) -> Request:
    file = folder / "net.py"
    file.write_text(code + NET)
    target = Target(text=f"{file}:Net", file=file, module="", name="Net")
    return Request(target=target, require=parse_all(["params > 1"]), limits=limits)


def strays() -> list[str]:
    """Command lines of live processes that a check of this test run started, guards aside."""
    found = []
    for pid in numbers():
        command = read(pid, "cmdline").decode(errors="replace")
        is_marked = f"{MARK}={os.getpid()}-".encode() in read(pid, "environ")
        fields = status(pid)
        is_guard = "constraints.sandbox.guard" in command and fields[1:2] == [str(os.getpid())]
        found += [command] if (is_marked or command == SLEEPER) and fields and not is_guard else []
    return found


def test_a_good_model_is_reported_and_its_output_kept_apart(
    tmp_path: Path, checked: Check, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = checked("import sys; print('hello'); print('there', file=sys.stderr)")
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
def test_misbehaviour_ends_with_its_reason_and_no_process(checked: Check, code: str, reason: str) -> None:
    with pytest.raises(ModelFailedError, match=reason) as caught:
        checked(code + "\n", Limits(seconds=30, memory_bytes=2 * 2**30))
    assert "\n" not in str(caught.value)
    assert strays() == []


@LINUX
def test_an_endless_loop_ends_at_its_time(checked: Check) -> None:
    forever = "import torch\ndef forever(self):\n    while True: pass\ntorch.nn.Module.__init__ = forever\n"
    with pytest.raises(ModelFailedError, match=r"took too long at construction: 1 s: raise --timeout"):
        checked(f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{forever}", Limits(seconds=1))
    assert strays() == []


def test_what_is_raised_names_the_place_and_keeps_the_traceback(checked: Check) -> None:
    with pytest.raises(
        ModelFailedError, match=r"raised at construction: ZeroDivisionError: division by zero .*net.py:3\)"
    ) as caught:
        checked("import torch\ndef broken(self):\n    1 / 0\ntorch.nn.Module.__init__ = broken\n")
    assert "Traceback" in caught.value.traceback


def test_what_the_model_does_not_need_may_fail_and_is_named(checked: Check, tmp_path: Path) -> None:
    report = checked("1 / 0\nwhile True: pass\nraise SystemExit(2)\n", Limits(seconds=15)).report
    assert report.ok
    assert report.warnings == (
        f"{tmp_path}/net.py:1: left out, because it failed: ZeroDivisionError: division by zero",
        f"{tmp_path}/net.py:2: left out, because it failed: TooLongError: it ran for 5 s at import: "
        "put it under if __name__ == '__main__'",
        f"{tmp_path}/net.py:3: left out, because it failed: SystemExit: 2",
    )


def test_a_file_may_leave_the_process_in_a_folder_that_is_deleted(checked: Check) -> None:
    assert checked("import os, tempfile\nwith tempfile.TemporaryDirectory() as folder: os.chdir(folder)\n").report.ok


@LINUX
def test_a_memory_limit_below_torch_itself_is_unusable(checked: Check) -> None:
    with pytest.raises(UnusableInputError, match=r"memory limit too small: 1,000,000 bytes: torch alone takes"):
        checked("", Limits(memory_bytes=10**6))


@LINUX
def test_what_is_known_when_the_time_is_over_is_reported(tmp_path: Path, sandbox: Sandbox) -> None:
    """The forward pass never ends from its second call on, which is the first that tries a fix."""
    hanging = "CALLS.append(1)\n        import time; time.sleep(99 * (len(CALLS) > 1))\n        return self"
    file = tmp_path / "net.py"
    file.write_text(NET.replace("return self", hanging) + "CALLS = []\n")
    target = Target(text=f"{file}:Net", file=file, module="", name="Net")
    outcome = sandbox.check(Request(target=target, require=parse_all(["params > 1k"]), limits=Limits(seconds=3)))
    assert outcome.report.metrics["macs"] == 30 * 30 * 27 * 8
    assert not outcome.report.ok
    why = "the model's code took too long at the search for fixes: 3 s: raise --timeout"
    assert outcome.report.warnings == (f"the search for fixes was cut short: {why}",)
    assert strays() == []


@LINUX
@pytest.mark.parametrize("ending", ["os._exit(0)", "sys.exit(0)", "raise KeyboardInterrupt", "raise ValueError"])
def test_verdicts_outlive_what_an_edit_makes_the_model_do(tmp_path: Path, sandbox: Sandbox, ending: str) -> None:
    code = f"""
import os, sys
from torch import nn
class Ends(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
    def forward(self, x):
        if self.a.dilation != (1, 1):
            {ending}
        return self.a(x).mean((2, 3))
"""
    asked = request(tmp_path, code)
    asked = replace(asked, target=replace(asked.target, name="Ends"), require=parse_all(["dilated_convs >= 1"], None))
    report = sandbox.check(asked).report
    assert [v.ok for v in report.constraints] == [False]
    assert report.metrics["params"] == 3 * 4 * 9 + 4
    # A KeyboardInterrupt asks for the end. An edit on which the model ends its process has failed; others are tried.
    is_cut = ending == "raise KeyboardInterrupt"
    assert ["the search for fixes was cut short" in w for w in report.warnings] == [True] * is_cut


def test_a_clean_check_lets_the_next_one_start_at_once_with_nothing_of_it(tmp_path: Path) -> None:
    report = "import os, sys\nprint(os.getppid(), os.getpid(), 'net_was' in sys.modules, input('never'))\n"
    with Sandbox() as sandbox:
        first = sandbox.check(request(tmp_path, "import sys; sys.modules['net_was'] = sys; print('x' * 63_000)"))
        assert "EOFError" in sandbox.check(request(tmp_path, report)).report.warnings[0]
        outcomes = [sandbox.check(request(tmp_path, report.replace(", input('never')", ""))) for _ in range(2)]
        guard = sandbox._guard
        assert guard is not None
        assert guard.process.poll() is None
    assert first.printed == "x" * 63_000 + "\n"
    (one, two) = (outcome.printed.split() for outcome in outcomes)
    assert one[0] == two[0] == str(guard.process.pid)
    assert one[1] != two[1]
    assert (one[2], two[2]) == ("False", "False")
    assert guard.process.poll() is not None, "it ends with the sandbox"


@LINUX
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("class Forever:\n    while True: pass", "took too long"),
        ("class Flood:\n    while True: print('x' * 10_000)", "printed too much"),
        ("import os; os.fork()", "left processes running"),
        ("import os; os._exit(3)", "exit status 3"),
        (
            "import json, os\nwords = open('/proc/self/cmdline').read().split(chr(0))\n"
            "pipe = int(words[words.index('constraints.sandbox.guard') + 1])\nfor job in range(99):\n"
            "    os.write(pipe, json.dumps({'ended': 3, 'job': job}).encode() + b'\\n')\n"
            "os.write(pipe, b'5\\n{\"ended\": 0'); os._exit(0)",
            "exit status 3",
        ),
    ],
    ids=["time", "flood", "fork", "exit", "forged"],
)
def test_after_misbehaviour_the_same_guard_serves_and_nothing_of_it_shows(
    tmp_path: Path, sandbox: Sandbox, code: str, reason: str
) -> None:
    sandbox.check(request(tmp_path, ""))
    guard = sandbox._guard
    with pytest.raises(ModelFailedError, match=reason):
        sandbox.check(request(tmp_path, code + "\n", Limits(seconds=1) if reason == "took too long" else LIMITS))
    assert strays() == []
    for _ in range(2):
        outcome = sandbox.check(request(tmp_path, "print('next')"))
        assert (outcome.printed, outcome.report.ok) == ("next\n", True)
    assert sandbox._guard is guard


@LINUX
def test_an_answer_written_after_a_forged_end_is_not_that_of_the_next_check(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code says that it has ended, writes an answer, and ends before its processes are counted."""
    sandbox.check(request(tmp_path, ""))
    guard = sandbox._guard
    assert guard is not None
    counted = guard.family.left_behind

    def counted_once_it_has_ended() -> set[int]:
        while guard.family.living() != {guard.process.pid}:
            time.sleep(0.01)
        return counted()

    monkeypatch.setattr(guard.family, "left_behind", counted_once_it_has_ended)
    forged = (
        "import json, os, time\nwords = open('/proc/self/cmdline').read().split(chr(0))\n"
        "pipe = int(words[words.index('constraints.sandbox.guard') + 1])\n"
        f'os.write(pipe, b\'{{"ended": 3, "job": {guard.jobs + 1}}}\\n\')\ntime.sleep(1)\n'
        f'os.write(pipe, b\'{{"ended": 0, "job": {guard.jobs + 2}}}\\n\')\nos._exit(0)\n'
    )
    with pytest.raises(ModelFailedError, match="exit status 3"):
        sandbox.check(request(tmp_path, forged))
    monkeypatch.undo()
    outcome = sandbox.check(request(tmp_path, "print('next')"))
    assert (outcome.printed, outcome.report.ok) == ("next\n", True)


@LINUX
def test_a_guard_that_was_killed_between_checks_is_replaced(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.check(request(tmp_path, ""))
    assert sandbox._guard is not None
    sandbox._guard.process.kill()
    sandbox._guard.process.wait()
    assert sandbox.check(request(tmp_path, "print('again')")).printed == "again\n"


@LINUX
def test_a_check_runs_in_the_folder_and_with_the_environment_of_its_time(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os; print(os.getcwd(), os.environ.get('MINE'), os.getppid())"
    sandbox.check(request(tmp_path, code))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINE", "now")
    folder, mine, guard = sandbox.check(request(tmp_path, code)).printed.split()
    assert (folder, mine) == (str(tmp_path), "now")
    monkeypatch.setenv("PYTHONHASHSEED", "1")  # which Python reads when it starts
    assert sandbox.check(request(tmp_path, code)).printed.split()[2] != guard


def test_one_check_alone_leaves_no_guard(tmp_path: Path) -> None:
    (guard,) = check_file(request(tmp_path, "import os; print(os.getppid())")).printed.split()
    assert not Path("/proc", guard).exists()
