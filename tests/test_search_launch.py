"""A search that is killed, interrupted and resumed, and one on a database server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import search

SEARCH = Path(__file__).parents[1] / "search.py"
LAUNCH = ("launch", "--data", "digits", "--space", "tiny", "--epochs", "3", "--workers", "2", "--device", "cpu")
ENDLESS = (*LAUNCH, "--trials", "100000")
"""More trials than any machine trains before it is stopped, so that no timing decides a test."""

Captured = pytest.CaptureFixture[str]
Process = subprocess.Popen[str]

pytestmark = pytest.mark.timeout(1200)  # what ends a wait in vain; a quiet machine takes seconds


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start search.py as the leader of a process group; what is left of it ends with the test."""
    started: list[Process] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore Ctrl-C

    def begin(*arguments: str) -> Process:
        command = [sys.executable, str(SEARCH), *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe, start_new_session=True)
        started.append(process)
        return process

    yield begin
    signal.signal(signal.SIGINT, before)
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)


def living(group: int) -> dict[int, bytes]:
    """Processes of a group that have not ended: number -> command line."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group and state != "Z":
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_bytes()
    return found


def workers(driver: Process) -> list[int]:
    return [pid for pid, command in living(driver.pid).items() if b"spawn_main" in command]


def wait_for_epochs(process: Process, count: int) -> None:
    """Read progress up to and with the line of the ``count``-th epoch from now."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        count -= " after " in line
        if not count:
            return
    raise AssertionError("the launch ended early: " + "".join(lines))


def finished_epochs(folder: Path) -> dict[str, int]:
    curves = (folder / "runs" / "search").glob("trial-*/progress.json")
    return {path.parent.name: len(json.loads(path.read_text())) for path in curves}


def document(capsys: Captured, *arguments: str) -> Any:
    """What a command prints as JSON, run in this process."""
    assert search.run([*arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.skipif(not Path("/proc").exists(), reason="the test finds processes in /proc")
def test_no_kill_and_no_ctrl_c_loses_a_finished_epoch_or_a_trial(
    here: Path, start: Callable[..., Process], capsys: Captured
) -> None:
    killed = start(*ENDLESS, "--write-config", "used.toml")
    wait_for_epochs(killed, 2)
    assert len(workers(killed)) == 2
    killed.kill()
    until(lambda: not living(killed.pid))
    before = finished_epochs(here)
    assert sum(before.values()) >= 2

    interrupted = start("launch", "--config", "used.toml")
    wait_for_epochs(interrupted, 1)
    assert search.run(["launch", "--config", "used.toml"]) == 2
    err = capsys.readouterr().err
    assert "study 'search' is held by another process" in err.splitlines()[-1]
    assert err.count("error:") == 1
    os.kill(workers(interrupted)[0], signal.SIGKILL)
    wait_for_epochs(interrupted, 2)
    os.killpg(interrupted.pid, signal.SIGINT)  # what a terminal does: the whole group hears of it
    out, err = interrupted.communicate()
    assert (interrupted.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted: everything finished is kept: launch again to go on"
    assert err.count("error:") == 1
    until(lambda: not living(interrupted.pid))

    rows = document(capsys, "leaderboard", "--top", "100000")["rows"]
    states = Counter(row["state"] for row in rows)
    assert set(states) <= {"complete", "pruned", "running"}
    assert 1 <= states["running"] <= 2
    now = finished_epochs(here)
    assert all(now[trial] >= epochs for trial, epochs in before.items())

    ended = document(capsys, *LAUNCH, "--trials", str(len(rows)))
    again = document(capsys, "leaderboard", "--top", "100000")["rows"]
    assert sorted(row["trial"] for row in again) == list(range(len(rows)))
    assert {row["state"] for row in again} <= {"complete", "pruned"}
    assert {row["trial"]: row["architecture"] for row in again} == {r["trial"]: r["architecture"] for r in rows}
    assert ended["counts"]["proposed"] == len(rows) + sum(ended["rejected"].values())
    for row in again:
        assert len(row["curve"]) == row["epochs"] >= now.get(f"trial-{row['trial']:05d}", 0)
    assert not list((here / "runs").rglob("*.tmp"))


def test_the_leaderboard_command_loads_no_torch(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SEARCH.parent)!r}); import search\n"
        "print(search.run(['leaderboard', '--storage', 'none.log']))\n"
        "print(sorted({'torch', 'albumentations', 'cv2', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["2", "[]"]
    assert done.stderr.startswith("error: no storage at none.log: ")


def test_a_search_on_postgresql(here: Path, database: str, capsys: Captured) -> None:
    launch = (*LAUNCH, "--trials", "1", "--epochs", "1", "--workers", "1", "--storage", database)
    assert search.run([*launch, "--target", "0.999", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert [row["state"] for row in result["rows"]] == ["complete"]
    assert document(capsys, "leaderboard", "--storage", database) == result
    assert (here / "runs" / "search" / "trial-00000" / "weights.safetensors").exists()
    assert "unused" not in err, "the password stays out of what is printed"
