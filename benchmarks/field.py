"""Runs ``validate`` on a folder of other people's files: verdict, seconds beyond ``import torch``, and fixes of each.

``uv run --group bench python -m benchmarks.field [--files DIR] [--quick] [--json]``. Without ``--files`` it is the
folder that ``$NAS_FIELD`` names, or else the documentation's examples. Each model of each file is checked in a process
of its own, in turn with one that only imports torch, with every limit and search at its default; the median of three,
with ``--quick`` one. ``processor_`` is processor time, which hardly depends on what else the machine does.
``twelve_layers_seconds_over_torch`` is what the example of 12 layers takes on the clock, the least of three, as
the shortest run is the one that other work disturbed least; ``load`` is how many processes ran or waited meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from constraints.cli.targets import expand, may_hold_model
from constraints.errors import NoModelError, UnusableInputError
from constraints.sandbox.request import Target

_ROOT = Path(__file__).parents[1]
_EXAMPLES = _ROOT / "docs" / "examples"
_TORCH = (sys.executable, "-c", "import torch")
_SEVERAL = re.compile(r"several models in (?P<place>.*): (?P<names>[\w, ]+): name one")
_REPEATS = 3
_TWELVE_LAYERS = _EXAMPLES / "handmade.py"


class Took(NamedTuple):
    """Times and output of a process."""

    seconds: float
    processor_seconds: float
    out: str


def main() -> None:
    """Print one line per model, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, help="a folder of .py and .ipynb files")
    parser.add_argument("--quick", action="store_true", help="each once")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    folder = options.files or Path(os.environ.get("NAS_FIELD") or _EXAMPLES)
    try:
        targets = [t.text for t in expand([str(folder)]).targets if _is_for_validate(t)]
    except UnusableInputError as error:
        sys.exit(f"error: {error}")
    document = measure(targets, 1 if options.quick else _REPEATS)
    print(json.dumps(document)) if options.json else _show(document)


def _is_for_validate(target: Target) -> bool:
    """Whether ``validate`` in a folder has a line for a file: an error too, but not that it has no model."""
    try:
        return may_hold_model(target)
    except NoModelError:
        return False
    except UnusableInputError:
        return True


def measure(targets: Sequence[str], repeats: int) -> dict[str, Any]:
    """The row of each model, and their sums."""
    rows: dict[str, dict[str, Any]] = {}
    left = list(targets)
    while left:
        target = left.pop(0)
        row = _row(target, repeats)
        several = _SEVERAL.match(row["error"] or "")
        if several:
            left = [f"{several['place']}:{name}" for name in several["names"].split(", ")] + left
        else:
            rows[target] = row
    failing = [row for row in rows.values() if row["verdict"] == "fails"]
    return {
        "files": rows,
        "with_verdict": sum(row["verdict"] != "refused" for row in rows.values()),
        "failing": len(failing),
        "fixed_at_once": sum(bool(row["fix_all"]) for row in failing),
        "most_processor_seconds_over_torch": max((r["processor_seconds_over_torch"] for r in rows.values()), default=0),
        "twelve_layers_seconds_over_torch": twelve_layers(),
        "load": os.getloadavg()[0],
    }


def twelve_layers() -> float:
    """Wall seconds of ``validate`` of the example of 12 layers, minus those of ``import torch``."""
    command = _validated(str(_TWELVE_LAYERS))
    turns = [(_took(_TORCH), _took(command)) for _ in range(_REPEATS)]
    return min(ours.seconds for _, ours in turns) - min(torch.seconds for torch, _ in turns)


def _validated(target: str) -> Sequence[str]:
    return (sys.executable, "search.py", "validate", target, "--format", "jsonl")


def _row(target: str, repeats: int) -> dict[str, Any]:
    command = _validated(target)
    turns = [(_took(_TORCH), _took(command)) for _ in range(repeats)]
    document = json.loads(turns[-1][1].out or "{}")
    broken = [v for v in document.get("constraints", ()) if not v["ok"]]
    refused = "error" in document or not document
    return {
        "verdict": "refused" if refused else "fails" if broken else "holds",
        "error": document.get("error"),
        "seconds": statistics.median(ours.seconds for _, ours in turns),
        "seconds_over_torch": statistics.median(ours.seconds - torch.seconds for torch, ours in turns),
        "processor_seconds_over_torch": statistics.median(
            ours.processor_seconds - torch.processor_seconds for torch, ours in turns
        ),
        "broken": [v["expr"] for v in broken],
        "fixes": sum(" makes " in fix for v in broken for fix in v["fix"]),
        "without_fix": [v["expr"] for v in broken if not any(" makes " in fix for fix in v["fix"])],
        "fix_all": (document.get("fix_all") or {}).get("text"),
    }


def _took(command: Sequence[str]) -> Took:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=_ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(time.perf_counter() - start, spent, done.stdout)


def _show(document: dict[str, Any]) -> None:
    table = Table(
        "model", "verdict", "s", "s over torch", "processor s over torch", "fixes", "every constraint at once"
    )
    for target, row in document["files"].items():
        seconds = (row["seconds"], row["seconds_over_torch"], row["processor_seconds_over_torch"])
        verdict = row["verdict"] + (f": {', '.join(row['broken'])}" if row["broken"] else "")
        table.add_row(
            target, verdict, *(f"{s:.2f}" for s in seconds), str(row["fixes"]), row["fix_all"] or row["error"] or ""
        )
    console = Console()
    console.print(table)
    console.print(
        f"{document['with_verdict']} of {len(document['files'])} with a verdict; "
        f"{document['fixed_at_once']} of {document['failing']} that fail with edits that fix every constraint; "
        f"12 layers take {document['twelve_layers_seconds_over_torch']:.2f} s beyond torch, at a load of "
        f"{document['load']:.1f}"
    )


if __name__ == "__main__":
    main()
