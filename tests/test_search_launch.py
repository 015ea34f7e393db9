"""The command line of the search, in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SEARCH = Path(__file__).parents[1] / "search.py"
TINY = ("--data", "digits", "--space", "tiny")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, str(SEARCH), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, text=True, stdout=pipe, stderr=pipe, env=ENVIRONMENT, **options)


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def board(folder: Path, *arguments: str) -> dict[str, Any]:
    code, out, err = run(folder, "leaderboard", "--format", "json", *arguments)
    assert (code, err) == (0, "")
    return dict(json.loads(out))


def workers(parent: int) -> list[int]:
    """Living worker processes of a driver."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and b"spawn_main" in command:
            found.append(int(stat.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_epochs(process: subprocess.Popen[str], count: int) -> list[str]:
    """Progress lines up to and with the one of the ``count``-th epoch."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if sum(" after " in line for line in lines) >= count:
            return lines
    raise AssertionError("the launch ended early: " + "".join(lines))


def finished_epochs(folder: Path) -> dict[str, int]:
    curves = (folder / "runs" / "search").glob("trial-*/progress.json")
    return {path.parent.name: len(json.loads(path.read_text())) for path in curves}


@pytest.mark.skipif(not Path("/proc").exists(), reason="the test finds workers in /proc")
def test_kills_lose_no_finished_epoch_and_no_trial(tmp_path: Path) -> None:
    launch = ("launch", *TINY, "--trials", "4", "--epochs", "3", "--workers", "2", "--write-config", "used.toml")
    before: dict[str, int] = {}
    for _ in range(2):
        process = start(tmp_path, *launch)
        wait_for_epochs(process, 2)
        children = workers(process.pid)
        assert len(children) == 2
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 20
        while any(alive(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(alive(child) for child in children), "workers of a killed driver end"
        now = finished_epochs(tmp_path)
        assert all(now[trial] >= epochs for trial, epochs in before.items())
        before = now
    process = start(tmp_path, "launch", "--config", "used.toml", "--format", "json")
    wait_for_epochs(process, 1)
    code, _, err = run(tmp_path, "launch", "--config", "used.toml")
    assert code == 2
    assert "study 'search' is held by another process" in err.splitlines()[-1]
    assert err.count("error:") == 1
    for child in workers(process.pid)[:1]:
        os.kill(child, signal.SIGKILL)
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    result = json.loads(out)
    assert sorted(row["trial"] for row in result["rows"]) == [0, 1, 2, 3]
    assert {row["state"] for row in result["rows"]} <= {"complete", "pruned"}
    assert result["counts"]["proposed"] == 4 + sum(result["rejected"].values())
    for row in result["rows"]:
        assert len(row["curve"]) == row["epochs"] >= before.get(f"trial-{row['trial']:05d}", 0)
    assert not list((tmp_path / "runs").rglob("*.tmp"))


def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = start(tmp_path, "launch", *TINY, "--trials", "3", "--epochs", "2", start_new_session=True)
    wait_for_epochs(process, 1)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: the whole group hears of it
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert [line for line in err.splitlines() if not line.startswith("trial ")] == [
        "error: interrupted: everything finished is kept: launch again to go on"
    ]
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    rows = board(tmp_path)["rows"]
    assert max(row["epochs"] for row in rows) >= 1
    assert {row["state"] for row in rows} == {"running"}


def test_the_leaderboard_command_loads_no_torch(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SEARCH.parent)!r}); import search\n"
        "print(search.run(['leaderboard', '--storage', 'none.log']))\n"
        "print(sorted({'torch', 'albumentations', 'cv2', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["2", "[]"]
    assert done.stderr.startswith("error: no storage at none.log: ")


@pytest.fixture
def database() -> Iterator[str]:
    """A PostgreSQL server of its own on a loopback port."""
    pytest.importorskip("psycopg", reason="the PostgreSQL driver (psycopg) is not installed")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(installed[-1]) if installed else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL's server is not installed")
    binaries, data = Path(initdb).parent, Path(tempfile.mkdtemp(prefix="nas-postgresql-"))
    as_root = os.geteuid() == 0
    if as_root:  # the server refuses to run as root
        shutil.chown(data, "nobody")
    user: dict[str, Any] = {"user": "nobody"} if as_root else {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": data, **user}
    subprocess.run([initdb, "-D", str(data / "db"), "-U", "nas", "-A", "trust"], check=True, **quiet)
    options = f"-p {port} -h 127.0.0.1 -k '' -F"
    control = [str(binaries / "pg_ctl"), "-D", str(data / "db"), "-w", "-l", str(data / "log")]
    subprocess.run([*control, "-o", options, "start"], check=True, **quiet)
    try:
        yield f"postgresql://nas:unused@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)
        shutil.rmtree(data, ignore_errors=True)


def test_a_search_on_postgresql(tmp_path: Path, database: str) -> None:
    launch = ("launch", *TINY, "--trials", "1", "--epochs", "1", "--storage", database, "--format", "json")
    code, out, err = run(tmp_path, *launch, "--target", "0.99")
    assert code == 1, err
    result = json.loads(out)
    assert [row["state"] for row in result["rows"]] == ["complete"]
    assert board(tmp_path, "--storage", database) == result
    assert set(result) == {"study", "data", "target", "counts", "rejected", "rows"}
    assert (tmp_path / "runs" / "search" / "trial-00000" / "weights.safetensors").exists()
