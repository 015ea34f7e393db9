"""How long a leaderboard of a large study takes, first and again, beside reading the same study with Optuna.

``uv run --group bench python -m benchmarks.leaderboard [--quick] [--json] [--trials N]``. A journal is written as the
driver writes it, with eight epochs a trial; each command is a whole process, told by its median wall time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
_EPOCHS = 8
_OPTUNA = """
import sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
study = optuna.load_study(study_name="large", storage=JournalStorage(JournalFileBackend(sys.argv[1])))
print(max(study.get_trials(deepcopy=False), key=lambda t: t.values[0]).number)
"""
_IMPORT = "import optuna, rich.table"


def main() -> None:
    """Print a line a command, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three repeats")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--trials", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder) / "journal.log", options.trials, repeats=3 if options.quick else 11)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<24} {value:,.2f}")


def measure(journal: Path, trials: int, repeats: int) -> dict[str, float]:
    """Seconds of each command on a journal of so many trials."""
    with journal.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in _lines(trials))
    board = [sys.executable, "search.py", "leaderboard", "--storage", str(journal)]
    first = _seconds(board)
    with journal.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in _trial(trials))
    return {
        "trials": trials,
        "journal_megabytes": journal.stat().st_size / 1e6,
        "seconds_first": first,
        f"seconds_{trials}_trials": statistics.median(_seconds(board) for _ in range(repeats)),
        "seconds_imports": statistics.median(_seconds([sys.executable, "-c", _IMPORT]) for _ in range(repeats)),
        "seconds_optuna": statistics.median(
            _seconds([sys.executable, "-c", _OPTUNA, str(journal)]) for _ in range(min(3, repeats))
        ),
    }


def _lines(trials: int) -> Iterator[dict[str, Any]]:
    yield {"op_code": 0, "worker_id": "b", "study_name": "large", "directions": [2]}
    for number in range(trials):
        yield from _trial(number)


def _trial(number: int) -> Iterator[dict[str, Any]]:
    """What the driver writes of one trial: figures, network, and after each epoch its curve and its accuracy."""
    common = {"worker_id": "b", "trial_id": number}
    yield {"op_code": 4, "worker_id": "b", "study_id": 0, "datetime_start": "2026-01-01T00:00:00.000000+00:00"}
    network = f"BR/c8-c8-c16s2/c16-c16-c16s2/c16-c16-c24s2/c{24 + number}d2-dw-pw24-c32/fc"
    figures = dict.fromkeys(("params", "macs", "receptive_field", "convs", "stages", "max_pools"), 1000 + number)
    for name, value in {**figures, "architecture": network}.items():
        yield {"op_code": 8, **common, "user_attr": {name: value}}
    curve: list[dict[str, Any]] = []
    for epoch in range(1, _EPOCHS + 1):
        accuracy = 0.5 + epoch / 20 + number * 1e-7
        curve.append({"epoch": epoch, "loss": 1.0, "val_accuracy": accuracy, "learning_rate": 0.1, "seconds": 9.5})
        yield {"op_code": 8, **common, "user_attr": {"curve": curve}}
        yield {"op_code": 7, **common, "step": epoch, "intermediate_value": accuracy}
    end = {"datetime_complete": "2026-01-01T00:10:00.000000+00:00"}
    yield {"op_code": 6, **common, "state": 1, "values": [curve[-1]["val_accuracy"]], **end}


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=_ROOT)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
