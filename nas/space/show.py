"""What ``space`` prints: the numbers of a space, or the neighbours of one of its networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from constraints.errors import UnusableInputError
from constraints.rules import Constraint
from nas.space.bulk_metrics import Vector
from nas.space.describe import OwnMetrics, describe
from nas.space.encoding import choices_of
from nas.space.feasible import EmptySpaceError, FeasiblePart
from nas.space.neighbours import neighbour_rows
from nas.space.space import load

FORMATS = ("table", "json")
_BAR = 40
_READABLE = 10**18


def show_space(source: str, constraints: Sequence[Constraint], form: str, own: OwnMetrics | None = None) -> int:
    """Print what the space ``source`` holds under the constraints; 1 where nothing is feasible."""
    check_format(form)
    space = load(source)
    found = describe(Vector(space), constraints, own=own)
    found["relaxation"] = "" if found["feasible"] or own else _relaxation(FeasiblePart(space, tuple(constraints)))
    if form == "json":
        print(json.dumps(found))
    else:
        _print_space(source, found, Console())
    return 0 if found["feasible"] else 1


def _relaxation(feasible: FeasiblePart) -> str:
    """What would let some network pass; empty where one does."""
    try:
        feasible.sample_rows(1, np.random.default_rng(0))
    except EmptySpaceError as error:
        return str(error)
    return ""


def show_neighbours(source: str, text: str, constraints: Sequence[Constraint], form: str) -> int:
    """Print the feasible networks one edit away from ``text``; 1 where there is none."""
    check_format(form)
    feasible = FeasiblePart(load(source), tuple(constraints))
    found = neighbours_of(feasible, text, source)
    if form == "json":
        print(json.dumps(found))
    else:
        _print_neighbours(found, Console())
    return 0 if found["neighbours"] else 1


def check_format(form: str) -> None:
    """Raise UnusableInputError for a format that ``space`` does not have."""
    if form not in FORMATS:
        raise UnusableInputError(f"unknown format: {form!r}: use {', '.join(FORMATS)}")


def neighbours_of(feasible: FeasiblePart, text: str, source: str) -> dict[str, Any]:
    """The document of ``space --neighbours --format json``: each neighbour with what it changes, and its metrics.

    Raises UnusableInputError where ``text`` is no network, or none of the space.
    """
    space = feasible.space
    here = choices_of(space, text)
    if here is None:
        raise UnusableInputError(f"not a network of the space {source}: {text!r}: take one that the space can make")
    before = space.choices(feasible.vector.canonical(feasible.vector.encode([here]))[0])
    judged = feasible.judge(before)
    found = []
    for row in neighbour_rows(feasible, before):
        choices = space.choices(row)
        other = feasible.judge(choices)
        found.append(
            {
                "architecture": str(other.architecture),
                "change": {name: [before[name], value] for name, value in choices.items() if before[name] != value},
                "params": other.metrics.params,
                "macs": other.metrics.macs,
                "receptive_field": other.metrics.receptive_field,
            }
        )
    return {"architecture": str(judged.architecture), "broken": list(judged.broken), "neighbours": found}


def _print_space(source: str, found: dict[str, Any], console: Console) -> None:
    how = f"estimated from {found['draws']:,} draws, ± {found['share_error']:.2%}"
    console.print(
        f"space {source}: {_count(found['size'])} networks; feasible: {_count(found['feasible'])} "
        f"({found['share']:.2%}, {'counted exactly' if found['exact'] else how})",
        highlight=False,
    )
    if found["relaxation"]:
        console.print(found["relaxation"], highlight=False)
    table = Table("constraint", "rejects", "rejects alone")
    for row in found["constraints"]:
        rejects, alone = _count(row["rejects"]), _count(row["rejects_alone"])
        table.add_row(
            row["expr"], rejects if row["rejects_exact"] else f"~{rejects}", alone if found["exact"] else f"~{alone}"
        )
    console.print(table)
    reach = Table("metric", "from", "to")
    for name, (low, high) in found["ranges"].items():
        reach.add_row(name, f"{low:,}", f"{high:,}")
    console.print(reach)
    if found["histogram"]:
        console.print(_histogram(found))


def _histogram(found: dict[str, Any]) -> Table:
    how = "" if found["histogram_exact"] else " (estimated)"
    table = Table(f"{found['histogram_of']} below", f"feasible networks{how}", "")
    most = max(b["networks"] for b in found["histogram"])
    for b in found["histogram"]:
        end = "more" if b["below"] is None else f"{b['below']:,}"
        table.add_row(end, _count(b["networks"]), "█" * round(_BAR * b["networks"] / max(1, most)))
    return table


def _count(networks: int) -> str:
    """All digits of a number that can be read; the JSON document has them always."""
    return f"{networks:,}" if networks < _READABLE else f"{networks:.4g}"


def _print_neighbours(found: dict[str, Any], console: Console) -> None:
    state = f"breaks {', '.join(found['broken'])}" if found["broken"] else "keeps every constraint"
    console.print(f"{found['architecture']}: {state}; {len(found['neighbours'])} feasible neighbours", highlight=False)
    table = Table()
    for header in ("change", "params", "macs", "field"):
        table.add_column(header, no_wrap=True)
    table.add_column("architecture", overflow="fold")
    for one in found["neighbours"]:
        change = ", ".join(f"{name}: {_value(a)} to {_value(b)}" for name, (a, b) in one["change"].items())
        figures = (f"{one['params']:,}", f"{one['macs']:,}", f"{one['receptive_field']:,}")
        table.add_row(change, *figures, one["architecture"])
    console.print(table)


def _value(choice: object) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)
