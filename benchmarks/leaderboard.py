"""Times the leaderboard of a large study, first and repeated, and compares it with reading the study by Optuna.

``uv run --group bench python -m benchmarks.leaderboard [--quick] [--json] [--trials N]``. A journal is written as the
driver writes it, with eight epochs a trial, in the worst case: every trial is on the Pareto front, of accuracy and
parameters (``seconds_N_trials``) and with multiply-accumulates as a third objective (``seconds_N_trials_front``). Each
command is a whole process whose modules were compiled before, measured by its median wall time; ``processor_`` is the
median of its processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nas.architecture.spec import parse
from nas.space.analytic import board_metrics

_ROOT = Path(__file__).parent.parent
_EPOCHS = 8
_OPTUNA = """
import sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
study = optuna.load_study(study_name="large", storage=JournalStorage(JournalFileBackend(sys.argv[1])))
print(max(study.get_trials(deepcopy=False), key=lambda t: t.values[0]).number)
"""
_IMPORT = "import typer, rich.table, numpy"
_STRIDE, _WIDTHS, _STEP = 7_919, 13, 6
"""Widths of the first layer vary, and so multiply-accumulates; the last stage's increases, and so parameters."""
_THREE_OBJECTIVES = {
    "op_code": 2,
    "worker_id": "b",
    "study_id": 0,
    "user_attr": {"identity": {"objective": "accuracy,params,macs"}},
}


def main() -> None:
    """Print one line per command, or one JSON object."""
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
        print(f"{name:<38} {value:,.2f}")


def measure(journal: Path, trials: int, repeats: int) -> dict[str, float]:
    """Write a journal of ``trials`` trials; returns the seconds of each command on it."""
    board = [sys.executable, "search.py", "leaderboard", "--storage", str(journal)]
    write_journal(journal, journal_lines(1), "w")
    median_seconds(board, 1)  # compiles
    write_journal(journal, journal_lines(trials), "w")
    first, _ = median_seconds(board, 1)
    write_journal(journal, _trial(trials), "a")
    again, processor = median_seconds(board, repeats)
    write_journal(journal, [_THREE_OBJECTIVES], "a")
    front, front_processor = median_seconds(board, repeats)
    return {
        "trials": trials,
        "journal_megabytes": journal.stat().st_size / 1e6,
        "seconds_first": first,
        f"seconds_{trials}_trials": again,
        f"processor_seconds_{trials}_trials": processor,
        f"seconds_{trials}_trials_front": front,
        f"processor_seconds_{trials}_trials_front": front_processor,
        "seconds_imports": median_seconds([sys.executable, "-c", _IMPORT], repeats)[0],
        "seconds_optuna": median_seconds([sys.executable, "-c", _OPTUNA, str(journal)], min(3, repeats))[0],
    }


def write_journal(journal: Path, lines: Iterable[dict[str, Any]], mode: str) -> None:
    """Write, or with mode ``a`` append, lines of a journal."""
    with journal.open(mode, encoding="utf-8") as file:
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def journal_lines(trials: int) -> Iterator[dict[str, Any]]:
    """The lines of a study with ``trials`` complete trials."""
    yield {"op_code": 0, "worker_id": "b", "study_name": "large", "directions": [2]}
    for number in range(trials):
        yield from _trial(number)


def _trial(number: int) -> Iterator[dict[str, Any]]:
    """The lines that the driver writes for one trial: metrics, network, and curve and accuracy after each epoch."""
    common = {"worker_id": "b", "trial_id": number}
    yield {"op_code": 4, "worker_id": "b", "study_id": 0, "datetime_start": "2026-01-01T00:00:00.000000+00:00"}
    first, last = 8 + number * _STRIDE % _WIDTHS, 24 + number * _STEP
    network = f"BR/c{first}-c8-c16s2/c16-c16-c16s2/c16-c16-c24s2/c{last}d2-dw-pw24-c32/fc"
    more = {"convs": 13, "stages": 4, "max_pools": 0}
    for name, value in {**board_metrics(parse(network)), **more, "architecture": network}.items():
        yield {"op_code": 8, **common, "user_attr": {name: value}}
    curve: list[dict[str, Any]] = []
    for epoch in range(1, _EPOCHS + 1):
        accuracy = 0.5 + epoch / 20 + number * 1e-7
        curve.append({"epoch": epoch, "loss": 1.0, "val_accuracy": accuracy, "learning_rate": 0.1, "seconds": 9.5})
        yield {"op_code": 8, **common, "user_attr": {"curve": curve}}
        yield {"op_code": 7, **common, "step": epoch, "intermediate_value": accuracy}
    end = {"datetime_complete": "2026-01-01T00:10:00.000000+00:00"}
    yield {"op_code": 6, **common, "state": 1, "values": [curve[-1]["val_accuracy"]], **end}


def median_seconds(command: list[str], repeats: int) -> tuple[float, float]:
    """Median wall and processor time of a process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    walls, processors = [], []
    for _ in range(repeats):
        before, start = _of_children(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=_ROOT, env=environment)
        walls.append(time.perf_counter() - start)
        processors.append(_of_children() - before)
    return statistics.median(walls), statistics.median(processors)


def _of_children() -> float:
    """Processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
