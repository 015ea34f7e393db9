"""Processor seconds of commands that a user waits for: help, and those that read a study of 100 trials.

``uv run --group bench python -m benchmarks.startup [--quick] [--json]``. Each command is a whole process that ran once
before; the median of its processor time counts, which other work on the machine disturbs less than its wall time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.leaderboard import journal_lines, median_seconds, write_journal
from constraints.rules import ASSIGNMENT
from nas.space.space import load

_TRIALS = 100


def commands(journal: str, folder: Path) -> dict[str, list[str]]:
    """Name of the figure -> the arguments of ``search.py``."""
    study = ["--storage", journal]
    return {
        "help": ["--help"],
        "launch_help": ["launch", "--help"],
        "leaderboard": ["leaderboard", *study],
        "show": ["show", "best", *study],
        "compare": ["compare", "0", "1", *study],
        "report": ["report", *study, "--to", str(folder / "report.html")],
    }


def identity() -> dict[str, Any]:
    """The study's identity: the default space and constraints, which the report counts."""
    space = {"name": "assignment", "hash": load("assignment").fingerprint}
    return {"identity": {"space": space, "constraints": list(ASSIGNMENT), "objective": "accuracy"}}


def measure(folder: Path, repeats: int) -> dict[str, float]:
    """Write a study; returns the processor seconds of each command on it."""
    journal = folder / "journal.log"
    write_journal(journal, journal_lines(_TRIALS), "w")
    write_journal(journal, [{"op_code": 2, "worker_id": "b", "study_id": 0, "user_attr": identity()}], "a")
    found = {}
    for name, arguments in commands(str(journal), folder).items():
        command = [sys.executable, "search.py", *arguments]
        median_seconds(command, 1)  # compiles
        found[f"processor_seconds_{name}"] = median_seconds(command, repeats)[1]
    return found


def main() -> None:
    """Print one line per command, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three repeats")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), repeats=3 if options.quick else 11)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<32} {value:.2f}")


if __name__ == "__main__":
    main()
