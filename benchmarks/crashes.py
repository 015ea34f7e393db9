"""Measures what SIGKILL costs: a real search's driver and workers are killed at random, and it is launched again.

``python -m benchmarks.crashes [--quick] [--json] [--kills 50] [--workers 1]``. The data are 240 of scikit-learn's
digits. The same search is run undisturbed first. Then driver and worker are killed in turn: after a random part of the
time that a launch takes to its first epoch, or in the middle of an epoch. At the end the study, the files of its
candidates and the processes are searched for what a kill must not leave.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from nas.search.storage import open_storage

_SEARCH = Path(__file__).parent.parent / "search.py"
_STUDY = Path("runs") / "search"
EPOCHS = 4
TRIALS_A_KILL = 1
EPOCHS_SHARE = 0.5
"""Largest share of the search's epochs that may be trained before the last kill."""
LEFT_SECONDS = 60.0
"""A process that still exists this long after the end of its launch counts as left behind."""
_WAIT_SECONDS = 0.05


def make_data(folder: Path) -> None:
    """Write 20 training and 4 test images of each digit, 32x32 pixels."""
    from PIL import Image

    from nas.training.datasets import digits_table

    images, labels = digits_table()
    for label in range(10):
        for number, index in enumerate((labels == label).nonzero()[0][:24]):
            place = folder / ("train" if number < 20 else "test") / str(label)
            place.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray((images[index] * 15.9).astype("uint8"))
            image.resize((32, 32)).save(place / f"{number}.png")


@dataclass(kw_only=True)
class Search:
    """One search in its own folder, launched as often as necessary."""

    folder: Path
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    launches: int = 0

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it, or start it again, as a session leader."""
        self.launches += 1
        command = [sys.executable, str(_SEARCH), "launch", *self.arguments]
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder.parent / "cache"), "OMP_NUM_THREADS": "1"}
        with (self.folder / f"launch-{self.launches}.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        return self.process

    def processes(self) -> list[int]:
        """Processes of the launch that exist, the driver first; includes zombies whose parent is gone."""
        found = []
        for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            with suppress(OSError):  # it has ended
                state, parent, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
                if self.process is not None and int(session) == self.process.pid and (state != "Z" or parent == "1"):
                    found.append(pid)
        return sorted(found)

    def workers(self) -> list[int]:
        """The launch's processes that train."""
        return [pid for pid in self.processes() if is_worker(pid)]

    def files(self) -> dict[str, list[dict[str, Any]]]:
        """Candidate -> the epochs in its files."""
        places = sorted((self.folder / _STUDY).glob("trial-*/progress.json"))
        return {place.parent.name: json.loads(place.read_text()) for place in places}

    def stored(self) -> dict[tuple[int, int], float]:
        """(trial, epoch) -> accuracy, for every epoch in the study."""
        journal = self.folder / "runs" / "journal.log"
        if not journal.exists() or not optuna.get_all_study_names(storage := open_storage(str(journal))):
            return {}
        trials = optuna.load_study(storage=storage, study_name=None).get_trials(deepcopy=False)
        return {(t.number, epoch): value for t in trials for epoch, value in t.intermediate_values.items()}

    def leaderboard(self) -> dict[str, Any]:
        """The output of the command, without seconds."""
        command = [sys.executable, str(_SEARCH), "leaderboard", "--top", "100000", "--format", "json"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, check=True)
        board: dict[str, Any] = json.loads(done.stdout)
        for row in board["rows"]:
            del row["seconds"]
        return board


def is_worker(pid: int) -> bool:
    """Whether a process is a worker of ``nas.search.local_engine``, forked from a server of the same name."""
    with suppress(OSError):
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        return all(b"forkserver" in Path(f"/proc/{one}/cmdline").read_bytes() for one in (pid, parent))
    return False


@dataclass(kw_only=True)
class Found:
    """The epochs that existed at the kills; those missing at a later look are lost."""

    stored: dict[tuple[int, int], float] = field(default_factory=dict)
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lost: int = 0
    repeated: int = 0

    def look(self, search: Search) -> None:
        """Compare with the look before; an epoch that was trained again has other seconds."""
        stored, files = search.stored(), search.files()
        self.lost += sum(stored.get(key) != value for key, value in self.stored.items())
        for name, epochs in self.files.items():
            now = files.get(name, [])
            self.lost += max(0, len(epochs) - len(now))
            self.repeated += sum(before != after for before, after in zip(epochs, now, strict=False))
        self.stored, self.files = stored, files


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The undisturbed search's time from its launch to the first epoch, and its number of epochs."""

    start_seconds: float
    epochs: int


def disturbed(search: Search, kills: int, pace: Pace, seed: int) -> dict[str, Any]:
    """Kill driver and workers in turn until ``kills`` are done or the search has ended; then let it end."""
    draw, found = random.Random(seed), Found()
    done, longest, left = {"driver": 0, "worker": 0}, 0.0, 0
    process = search.launch()
    while sum(done.values()) < kills and process.poll() is None:
        whom = min(done, key=lambda name: done[name])
        if not _moment(search, process, draw, pace, EPOCHS_SHARE * pace.epochs / kills):
            break
        victims = [process.pid] if whom == "driver" else _workers(search, process)
        if not victims:
            break
        with suppress(ProcessLookupError):
            os.kill(draw.choice(victims), signal.SIGKILL)
            done[whom] += 1
        if whom == "driver":
            process.wait()
            longest = max(longest, _gone(search))
            left += len(search.processes())
            found.look(search)
            process = search.launch()
    while (code := process.wait()) not in {0, 1}:
        if code not in {-signal.SIGKILL, 0, 1}:
            raise RuntimeError(f"a launch ended with {code}: see {search.folder}/launch-{search.launches}.log")
        process = search.launch()
    longest = max(longest, _gone(search))
    found.look(search)
    return {
        "kills_driver": done["driver"],
        "kills_worker": done["worker"],
        "launches": search.launches,
        "epochs_lost": found.lost,
        "epochs_trained_twice": found.repeated,
        "seconds_until_workers_end": longest,
        "processes_left": left + len(search.processes()),
    }


def _moment(
    search: Search, process: subprocess.Popen[bytes], draw: random.Random, pace: Pace, most_epochs: float
) -> bool:
    """Wait for the moment of a kill; False where the search ends before it.

    The moment is at most ``most_epochs`` and a part of another epoch from now, with the duration of the fastest epoch
    so far, so that all kills are done before the search ends even if the machine becomes faster.
    """
    in_start = time.monotonic() + (draw.uniform(0, pace.start_seconds) if draw.random() < 0.5 else math.inf)
    wanted = _trained(search) + draw.uniform(0, most_epochs)
    while time.monotonic() < in_start and _trained(search) < wanted and process.poll() is None:
        time.sleep(_WAIT_SECONDS)
    until = time.monotonic() + draw.uniform(0, _epoch_seconds(search))
    while time.monotonic() < until and process.poll() is None:
        time.sleep(_WAIT_SECONDS)
    return process.poll() is None


def _epoch_seconds(search: Search) -> float:
    return min((epochs[-1]["seconds"] for epochs in search.files().values() if epochs), default=0.0)


def _workers(search: Search, process: subprocess.Popen[bytes]) -> list[int]:
    """Its workers, as soon as there are any; empty where the search ends first."""
    while not (found := search.workers()) and process.poll() is None:
        time.sleep(_WAIT_SECONDS)
    return found


def _trained(search: Search) -> int:
    return sum(map(len, search.files().values()))


def _gone(search: Search) -> float:
    """Seconds until no process of the launch is left; LEFT_SECONDS where one remains."""
    began = time.monotonic()
    while search.processes() and time.monotonic() - began < LEFT_SECONDS:
        time.sleep(_WAIT_SECONDS)
    return time.monotonic() - began


def measure(root: Path, kills: int, workers: int, seed: int) -> dict[str, Any]:
    """Run the search undisturbed and disturbed; returns how they differ."""
    make_data(root / "data")
    trials = max(4, round(kills * TRIALS_A_KILL))
    arguments = ["--data", "../data", "--space", "tiny", "--epochs", str(EPOCHS), "--trials", str(trials)]
    arguments += ["--workers", str(workers), "--device", "cpu", "--seed", "0", "--timeout", "24h"]
    searches = []
    for name in ("undisturbed", "killed"):
        (root / name).mkdir()
        searches.append(Search(folder=root / name, arguments=arguments))
    quiet, killed = searches
    began = time.monotonic()
    process = quiet.launch()
    while not quiet.files() and process.poll() is None:
        time.sleep(_WAIT_SECONDS)
    start_seconds = time.monotonic() - began
    if process.wait() not in {0, 1}:
        raise RuntimeError(f"the undisturbed launch ended with {process.returncode}: see {quiet.folder}/launch-1.log")
    seconds, board = time.monotonic() - began, quiet.leaderboard()
    epochs = sum(row["epochs"] for row in board["rows"])
    pace = Pace(start_seconds=start_seconds, epochs=epochs)
    began = time.monotonic()
    found = disturbed(killed, kills, pace, seed)
    after = time.monotonic() - began
    rows = (now := killed.leaderboard())["rows"]
    return {
        "trials": trials,
        "workers": workers,
        **found,
        "trials_lost": len(set(range(trials)) - {row["trial"] for row in rows}),
        "trials_running": sum(row["state"] in {"running", "unfinished"} for row in rows),
        "networks_proposed_twice": len(rows) - len({row["architecture"] for row in rows}),
        "same_leaderboard": now == board,
        "seconds_to_first_epoch": start_seconds,
        "seconds_undisturbed": seconds,
        "seconds_killed": after,
    }


def main() -> None:
    """Print one line per figure, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten kills")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--workers", type=int, default=1, help="of the search; with one it is repeatable")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kills = options.kills or (10 if options.quick else 50)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), kills, options.workers, options.seed)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<26} {value:,.1f}" if isinstance(value, float) else f"{name:<26} {value}")


if __name__ == "__main__":
    main()
