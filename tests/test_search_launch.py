"""A search that is killed, interrupted and resumed, and one on a database server."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from PIL import Image

import search
from benchmarks.crashes import is_worker
from nas.search.storage import open_storage
from nas.search.study import CURVE
from nas.space.attributes import ARCHITECTURE
from tests.nas.results.known import known_study
from tests.processes import numbers, read, status

SEARCH = Path(__file__).parents[1] / "search.py"
LAUNCH = ("launch", "--data", "digits", "--space", "tiny", "--epochs", "3", "--workers", "2", "--device", "cpu")
ENDLESS = (*LAUNCH, "--trials", "100000")
"""More trials than any machine trains before it is stopped, so that no timing decides a test."""

LAPSE = 6.0
SHORT_LEASE = """
import functools, sys
sys.path.insert(0, {folder!r})
import search
from nas.search import search_launch
if __name__ == "__main__":
    search_launch.prepare = functools.partial(search_launch.prepare, lapse={lapse})
    sys.exit(search.run(sys.argv[1:]))
"""

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
    """Start search.py as the leader of a process group; what is left of it ends with the test.

    In a ``folder`` of its own, as on another machine, it takes a lease that lapses soon.
    """
    started: list[Process] = []

    def begin(*arguments: str, folder: Path | None = None) -> Process:
        short = [sys.executable, "-c", SHORT_LEASE.format(folder=str(SEARCH.parent), lapse=LAPSE)]
        command = [*(short if folder else [sys.executable, str(SEARCH)]), *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe, start_new_session=True, cwd=folder)
        started.append(process)
        return process

    yield begin
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
    for pid in numbers():
        if status(pid)[2:3] == [str(group)] and (command := read(pid, "cmdline")):
            found[pid] = command
    return found


def workers(driver: Process) -> list[int]:
    return [pid for pid in living(driver.pid) if is_worker(pid)]


def wait_for_epochs(process: Process, count: int) -> str:
    """Read progress up to and with the line of the ``count``-th epoch from now."""
    return wait_for(process, " after ", count)


def wait_for(process: Process, text: str, count: int = 1) -> str:
    """Read progress up to and with the ``count``-th line from now that has ``text``."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        count -= text in line
        if not count:
            return "".join(lines)
    raise AssertionError("the launch ended early: " + "".join(lines))


def finished_epochs(folder: Path) -> dict[str, int]:
    curves = (folder / "runs" / "search").glob("trial-*/progress.json")
    return {path.parent.name: len(json.loads(path.read_text())) for path in curves}


def document(capsys: Captured, *arguments: str) -> Any:
    """What a command prints as JSON, run in this process."""
    assert search.run([*arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_ctrl_c_while_confirming_leaves_the_leaderboard_and_the_next_commands(
    here: Path, start: Callable[..., Process], capsys: Captured
) -> None:
    launch = (*LAUNCH, "--trials", "1", "--confirm", "1")
    interrupted = start(*launch)
    wait_for(interrupted, "confirm trial 0, seed 0: ")
    os.killpg(interrupted.pid, signal.SIGINT)
    out, err = interrupted.communicate()
    assert (interrupted.returncode, out) == (130, "")
    assert "1 proposed, 0 rejected; trials: 1 complete" in err
    assert err.splitlines()[-2:] == [
        "next: search.py show best · confirm best · export best --to net.py",
        "error: interrupted: everything finished is kept: launch again to continue",
    ]
    (row,) = document(capsys, *launch)["rows"]
    assert (row["trial"], row["state"], row["test_accuracy"] is not None) == (0, "complete", True)


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
    assert err.splitlines()[-1] == "error: interrupted: everything finished is kept: launch again to continue"
    assert err.count("error:") == 1
    until(lambda: not living(interrupted.pid))

    rows = document(capsys, "leaderboard", "--top", "100000")["rows"]
    states = Counter(row["state"] for row in rows)
    assert set(states) <= {"complete", "pruned", "unfinished"}
    assert states["unfinished"] >= 1  # those under training, and those that pause at a rung
    now = finished_epochs(here)
    assert all(now[trial] >= epochs for trial, epochs in before.items())

    held = len(trials_of("runs/journal.log"))  # one more where the end came before a trial had its network
    assert len(rows) <= held <= len(rows) + 1
    ended = document(capsys, *LAUNCH, "--trials", str(held))
    again = document(capsys, "leaderboard", "--top", "100000")["rows"]
    assert sorted(row["trial"] for row in again) == list(range(held))
    assert {row["state"] for row in again} <= {"complete", "pruned"}
    assert {(r["trial"], r["architecture"]) for r in rows} <= {(r["trial"], r["architecture"]) for r in again}
    assert ended["counts"]["proposed"] == held + sum(ended["rejected"].values())
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


def test_the_leaderboard_of_a_journal_loads_no_optuna_and_no_numpy(tmp_path: Path) -> None:
    known_study(tmp_path / "journal.log")
    code = (
        f"import sys; sys.path.insert(0, {str(SEARCH.parent)!r}); import search\n"
        "search.run(['leaderboard', '--storage', 'journal.log', '--format', 'csv'])\n"
        "print(sorted({'optuna', 'sqlalchemy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1].startswith("1,1,complete,0.86,")
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_search_on_postgresql(here: Path, database: str, capsys: Captured) -> None:
    launch = (*LAUNCH, "--trials", "1", "--epochs", "1", "--workers", "1", "--storage", database)
    assert search.run([*launch, "--target", "0.999", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert [row["state"] for row in result["rows"]] == ["complete"]
    assert document(capsys, "leaderboard", "--storage", database) == result
    assert (here / "runs" / "search" / "trial-00000" / "weights.safetensors").exists()
    assert "unused" not in err, "the password stays out of what is printed"


@pytest.fixture
def few(tmp_path: Path) -> tuple[str, ...]:
    """A launch on so few images that an epoch takes a moment."""
    draw = np.random.default_rng(0)
    for part, label, number in product(("train", "test"), "ab", range(100)):
        file = tmp_path / "few" / part / label / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 200, (32, 32, 3)) + (50 if label == "b" else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(file)
    return (*LAUNCH, "--data", str(tmp_path / "few"))


def trials_of(database: str) -> dict[int, tuple[str, Any, Any]]:
    """What a study holds of each trial: state, network, and its curve with the seconds that each epoch took.

    An epoch whose value is not stored yet, as when its machine is suspended between both, is not finished.
    """
    study = optuna.load_study(storage=open_storage(database), study_name="search")
    return {
        t.number: (
            t.state.name,
            t.user_attrs.get(ARCHITECTURE),
            t.user_attrs.get(CURVE, [])[: len(t.intermediate_values)],
        )
        for t in study.trials
    }


def curves(folder: Path) -> dict[int, Any]:
    files = (folder / "runs" / "search").glob("trial-*/progress.json")
    return {int(path.parent.name[len("trial-") :]): json.loads(path.read_text()) for path in files}


def leases(database: str) -> int:
    import psycopg

    with psycopg.connect(database) as connection:
        query = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'nas %' AND datname = current_database()"
        return len(connection.execute(query).fetchall())


def test_a_second_machine_takes_over_and_the_first_one_writes_no_more(
    here: Path,
    few: tuple[str, ...],
    start: Callable[..., Process],
    database: str,
    capsys: Captured,
    *,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    one, two = (here / "one", here / "two")
    one.mkdir()
    two.mkdir()
    endless = (*few, "--trials", "100000", "--storage", database)
    first = start(*endless, folder=one)
    wait_for_epochs(first, 3)
    assert search.run([*endless]) == 2
    refusal = f"error: study 'search' is held by another driver: {platform.node()} (process {first.pid}, 127.0.0.1, "
    assert refusal in capsys.readouterr().err

    os.killpg(first.pid, signal.SIGSTOP)  # a machine that is suspended
    until(lambda: not leases(database))
    before = trials_of(database)
    second = start(*endless, folder=two)
    said = wait_for_epochs(second, 3)
    os.killpg(first.pid, signal.SIGCONT)
    out, err = first.communicate()
    assert (first.returncode, out) == (2, "")
    takeover = f"error: study 'search' was taken over by another driver: {platform.node()} (process {second.pid}, "
    assert err.splitlines()[-1].startswith(takeover)
    assert err.count("error:") == 1
    os.killpg(second.pid, signal.SIGINT)
    said += second.communicate()[1]
    assert second.returncode == 130

    after, by_two = trials_of(database), curves(two)
    assert by_two
    for number, (state, network, curve) in before.items():
        assert network in {None, after[number][1]}, "one that was suspended before it had a network gets one"
        if state == "RUNNING":
            again = f"trial {number} is trained from scratch: its {len(curve)} finished epochs are not in runs/search/"
            assert not curve or number not in by_two or again in said  # it may have been stopped before its turn
        else:
            assert after[number] == (state, network, curve)
            assert number not in by_two, "no candidate is trained twice"
    for number, curve in by_two.items():  # the seconds of an epoch tell whose it is
        stored = after[number][2]
        assert stored == curve[: len(stored)]

    capsys.readouterr()
    monkeypatch.chdir(two)
    search.run([*few, "--storage", database, "--trials", str(len(after)), "--format", "json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    ended = trials_of(database)
    assert list(ended) == list(range(len(after)))
    assert len({network for _, network, _ in ended.values()}) == len(ended)
    assert all([e["epoch"] for e in curve] == [*range(1, len(curve) + 1)] for *_, curve in ended.values())


def test_a_server_stopped_and_started_in_mid_search_changes_nothing(
    here: Path,
    few: tuple[str, ...],
    start: Callable[..., Process],
    postgresql: Any,
    capsys: Captured,
    *,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = (*few, "--workers", "1", "--trials", "3", "--format", "json", "--storage")
    (here / "one").mkdir()
    (here / "two").mkdir()
    process = start(*short, postgresql.new_database(), folder=here / "one")
    wait_for_epochs(process, 1)
    postgresql.stop()
    try:
        wait_for(process, "note: the storage does not answer: the search resumes when it does")
    finally:
        postgresql.start()
    wait_for(process, "note: the storage answers again")
    out, err = process.communicate()
    assert process.returncode == 0, err
    board = json.loads(out)
    assert {row["state"] for row in board["rows"]} <= {"complete", "pruned"}
    monkeypatch.chdir(here / "two")
    assert search.run([*short, "runs/journal.log"]) == 0
    assert story(board) == story(json.loads(capsys.readouterr().out)), "as if nothing had happened"
    assert losses(here / "one") == losses(here / "two")


def losses(folder: Path) -> dict[int, list[float]]:
    return {number: [epoch["loss"] for epoch in curve] for number, curve in curves(folder).items()}


def story(board: dict[str, Any]) -> Any:
    """A search without the times that it took."""
    rows = [{key: row[key] for key in row if key not in {"seconds", "curve"}} for row in board["rows"]]
    return {**board, "rows": rows}
