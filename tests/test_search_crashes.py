"""A search whose processes are killed, whose disk fills up, and whose storage may not be written."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import search

ROOT = Path(__file__).parents[1]
Captured = pytest.CaptureFixture[str]

pytestmark = pytest.mark.timeout(1200)  # what ends a wait in vain; a quiet machine takes seconds


@pytest.mark.skipif(not Path("/proc").exists(), reason="the benchmark finds processes in /proc")
def test_kills_lose_nothing() -> None:
    """Of the driver, of a worker, and of the driver again; ``python -m benchmarks`` kills more."""
    command = [sys.executable, "-m", "benchmarks.crashes", "--kills", "3", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kills_driver"], found["kills_worker"]) == (2, 1)
    for name in ("epochs_lost", "epochs_trained_twice", "trials_lost", "networks_proposed_twice"):
        assert found[name] == 0, name
    assert (found["trials_running"], found["processes_left"]) == (0, 0)
    assert found["same_leaderboard"] is True


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with images of two classes in ``data``."""
    draws = np.random.default_rng(0)
    for part, count in (("train", 80), ("test", 4)):
        for label in ("a", "b"):
            (tmp_path / "data" / part / label).mkdir(parents=True)
            for number in range(count):
                image = draws.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                cv2.imwrite(str(tmp_path / "data" / part / label / f"{number}.png"), image)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


LAUNCH = (
    "launch", "--data", "data", "--space", "tiny", "--epochs", "1", "--workers", "1", "--device", "cpu", "--no-guess",
)  # fmt: skip


@contextmanager
def full(size: int) -> Iterator[None]:
    """Let no file grow over ``size`` bytes, in this process, the server that workers are forked from, and in those."""
    forkserver.ensure_running()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most)) for pid in (os.getpid(), server)}
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def rows(capsys: Captured) -> dict[int, dict[str, Any]]:
    capsys.readouterr()
    assert search.run(["leaderboard", "--format", "json"]) == 0
    return {row["trial"]: row for row in json.loads(capsys.readouterr().out)["rows"]}


def test_a_full_disk_ends_the_launch_with_its_reason_and_the_next_one_resumes(here: Path, capsys: Captured) -> None:
    journal = here / "runs" / "journal.log"
    assert search.run([*LAUNCH, "--trials", "1"]) == 0
    first, (kept,) = journal.read_bytes(), rows(capsys).values()
    checkpoint = (here / "runs" / "search" / "trial-00000" / "checkpoint.pt").stat().st_size

    room = len(first) + 30_000
    assert room < checkpoint, "the journal has room for a trial, and a checkpoint has none"
    with full(room):
        assert search.run([*LAUNCH, "--trials", "2"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert (
        error == "error: cannot continue: the disk: File too large: fix that and launch again, which resumes the study"
    )
    assert {number: row["state"] for number, row in rows(capsys).items()} == {0: "complete", 1: "unfinished"}

    with full(journal.stat().st_size + 100):
        assert search.run([*LAUNCH, "--trials", "3"]) == 2
    assert "File too large: fix that and launch again" in capsys.readouterr().err.splitlines()[-1]
    assert rows(capsys)[0] == kept

    assert search.run([*LAUNCH, "--trials", "3"]) == 0
    assert {number: row["state"] for number, row in rows(capsys).items()} == dict.fromkeys(range(3), "complete")
    assert rows(capsys)[0]["curve"] == kept["curve"]
    assert journal.read_bytes().startswith(first)


def test_a_storage_that_may_only_be_read_is_read_and_never_written(here: Path, capsys: Captured) -> None:
    assert search.run([*LAUNCH, "--timeout", "0.001s"]) == 0
    journal, runs = here / "runs" / "journal.log", here / "runs"
    before, board = journal.read_bytes(), rows(capsys)
    for path, mode in ((journal, 0o444), (Path(f"{journal}.lock"), 0o444), (runs / "search", 0o555), (runs, 0o555)):
        path.chmod(mode)
    try:
        refused = without_privileges("launch", *LAUNCH[1:])
        read = without_privileges("leaderboard", "--format", "json")
    finally:
        for path in (runs, runs / "search"):
            path.chmod(stat.S_IRWXU)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == (
        "error: cannot write runs/journal.log: Permission denied: give --storage a writable path"
    )
    assert read.returncode == 0
    assert {row["trial"]: row for row in json.loads(read.stdout)["rows"]} == board
    assert journal.read_bytes() == before


def without_privileges(*arguments: str) -> subprocess.CompletedProcess[str]:
    """search.py run so that permissions hold, which root otherwise passes over."""
    drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*drop, sys.executable, str(ROOT / "search.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
