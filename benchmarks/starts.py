"""Measures whether a search that starts from a user's own network finds a better one with equal training.

Run ``python -m benchmarks.starts [START ...] [--data SOURCE] [--space SPACE] [--epochs N] [--trials N] [--seeds K]
[--quick] [--json]``. START is what ``launch --start`` takes: a model in a file, an architecture's text, a known
network's name. Each is trained as a trial of a study of its own, ``launch --start`` searches from it, and the search's
best and the start are confirmed alike: trained from scratch on all training images for as many epochs, by the same K
seeds, none of which chose anything, the test set opened once a training. ``compare`` says by which edits they
differ. A model that cannot be written as an architecture is trained as it is; the search then begins without it, and
the table says so.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

from rich.console import Console

import nas
from benchmarks.verdicts import UNLIMITED
from constraints.errors import UnusableInputError
from nas.results.rows import Row
from nas.results.trial_comparison import explanation
from nas.search.confirmation import Confirmation

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
STARTS = (
    f"{EXAMPLES / 'handmade.py'}:Net",
    f"{EXAMPLES / 'fixed.py'}:Net",
    "BR/c16-c16s2/c32-c32s2/c64/fc",  # docs/train.md
    "BR/c16-c16-c32s2/c32-c32-c64s2/c64-c64-c64/fc",  # docs/start.md
    "tiniest",
)
"""Networks in the documentation."""
QUICK = {"trials": 4, "epochs": 2, "seeds": 1}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The budget of each start."""

    data: str
    space: str
    trials: int
    epochs: int | None
    """Epochs of each training; None means the default for the size of the data."""
    seeds: int
    workers: int


@dataclass(frozen=True, kw_only=True)
class Side:
    """A network and its test accuracy over the seeds."""

    network: str
    params: int
    broken: tuple[str, ...]
    mean: float
    std: float | None
    """Sample standard deviation over the seeds; None for one seed."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a search from a start."""

    start: str
    before: Side
    after: Side
    difference: float
    """Test accuracy of the found network minus that of the start, means over the seeds."""
    standard_error: float | None
    """Standard error of the difference, from the deviations over the seeds (Welch)."""
    why: str
    """The output of ``compare``: the validation accuracies and the edits."""
    beginning: tuple[str, ...]
    """The launch's messages about the start."""
    seconds: float
    """Total wall-clock time."""


def search_from(start: str, budget: Budget, folder: Path) -> Outcome:
    """Train a start, search from it, and confirm both; all files are below ``folder``."""
    began = time.perf_counter()
    place = {"study": "starts", "storage": str(folder / "journal.log")}
    way: dict[str, object] = {"data": budget.data, "workers": budget.workers, **place}
    way |= {} if budget.epochs is None else {"epochs": budget.epochs}
    given = nas.train(start, **way)  # type: ignore[arg-type]
    search, beginning = _searched(start, {**way, "space": budget.space, "trials": budget.trials})
    found = _best(search.board.rows)
    cards = [nas.show(row.trial, **place) for row in (given, found)]
    tested = [
        nas.confirm(row.trial, seeds=budget.seeds, workers=budget.workers, **place)  # type: ignore[arg-type]
        for row in (given, found)
    ]
    before, after = (_side(row, test) for row, test in zip((given, found), tested, strict=True))
    return Outcome(
        start=Path(start).name if ".py" in start else start,
        before=before,
        after=after,
        difference=after.mean - before.mean,
        standard_error=_standard_error(before, after, budget.seeds),
        why=explanation(*cards).sentence,
        beginning=beginning,
        seconds=time.perf_counter() - began,
    )


def _searched(start: str, flags: dict[str, object]) -> tuple[nas.Search, tuple[str, ...]]:
    """The search from a start; where it is not an architecture, a search without it, and the reason."""
    try:
        found = nas.launch(start=[start], **flags)  # type: ignore[arg-type]
    except UnusableInputError as error:
        if "no search can start from" not in str(error):
            raise
        return nas.launch(**flags), (f"begun without it: {error}",)  # type: ignore[arg-type]
    return found, found.beginning


def _best(board: Sequence[Row]) -> Row:
    """The best complete trial of the search itself, excluding the training of the start."""
    return next(row for row in board if row.state == "complete" and row.seed is None)


def _side(row: Row, test: Confirmation) -> Side:
    return Side(
        network=row.network, params=row.params, broken=tuple(row.broken), mean=test.mean,
        std=test.std if len(test.seeds) > 1 else None,
    )  # fmt: skip


def _standard_error(before: Side, after: Side, seeds: int) -> float | None:
    if before.std is None or after.std is None:
        return None
    return sqrt((before.std**2 + after.std**2) / seeds)


def rows(outcomes: Sequence[Outcome]) -> list[str]:
    """A markdown table with one line per start, and how many starts were beaten."""
    lines = [
        "| start | its test % | found, test % | difference | parameters | by which edits |",
        "|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        error = "" if one.standard_error is None else f" ± {100 * one.standard_error:.2f}"
        cells = (
            one.start, _accuracy(one.before), _accuracy(one.after), f"{100 * one.difference:+.2f}{error}",
            f"{one.before.params:,} -> {one.after.params:,}", one.why,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    better = sum(one.difference > 0 for one in outcomes)
    return [*lines, "", f"{better} of {len(outcomes)} starts are beaten"]


def _accuracy(side: Side) -> str:
    spread = "" if side.std is None else f" ± {100 * side.std:.2f}"
    return f"{100 * side.mean:.2f}{spread}{', breaks a rule' if side.broken else ''}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or JSON."""
    options = _parser().parse_args(arguments)
    given = {name: getattr(options, name) for name in Budget.__dataclass_fields__}
    budget = Budget(**{**given, **(QUICK if options.quick else {})})
    outcomes = []
    for start in options.starts or STARTS[: 1 if options.quick else None]:
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(search_from(start, budget, Path(folder)))
    better = sum(one.difference > 0 for one in outcomes)
    if options.json:
        print(json.dumps({"budget": asdict(budget), "better": better, "starts": [asdict(one) for one in outcomes]}))
    else:
        Console(width=UNLIMITED).print("\n".join(rows(outcomes)), markup=False, highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("starts", nargs="*", metavar="START")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--space", default="assignment")
    parser.add_argument("--trials", type=int, default=14)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="the first start alone, on the least that is a search")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
