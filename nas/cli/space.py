"""The command ``space``: describes a space in numbers, or lists the neighbours of one of its networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from constraints.cli.options import check_format
from constraints.errors import ExitCode, UnusableInputError
from constraints.metrics import LATENCY
from constraints.output.busy_message import working
from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from constraints.rules import ASSIGNMENT, Constraint, parse_all
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Limits
from nas.architecture.spec import Architecture
from nas.cli.common import TABLE_OR_JSON, expressions, interruptible
from nas.latency.predictor import load as load_predictor
from nas.results.table_style import styled_table
from nas.space.bulk_metrics import Vector
from nas.space.description import OwnMetrics, describe, relaxation
from nas.space.feasible import FeasiblePart
from nas.space.neighbourhood import neighbours_of
from nas.space.space import load
from nas.user_metrics import UserMetrics, read_metrics

_BAR = 40
_READABLE = 10**18


@interruptible("nothing was written")
def space(
    source: str,
    require: Sequence[str] | None,
    file: Path | None,
    output_format: str,
    *,
    metrics: Path | None = None,
    limits: Limits,
    neighbours: str | None = None,
) -> int:
    """Describe a space or, with ``neighbours``, print the feasible networks one edit away from one of its networks."""
    check_format(output_format, TABLE_OR_JSON)
    with Sandbox() as sandbox:
        by_user = read_metrics(metrics, sandbox, limits) if metrics is not None else None
        names = by_user.names if by_user is not None else ()
        constraints = parse_all(expressions(require, file) or ASSIGNMENT, (*names, LATENCY))
        if neighbours is None:
            own = _own(by_user, [c.metric for c in constraints])
            return _show_space(source, constraints, output_format, own)
    if theirs := [c.expr for c in constraints if c.metric in (*names, LATENCY)]:
        raise UnusableInputError(f"neighbours are judged by arithmetic: {theirs[0]!r}: leave it out with --neighbours")
    return _show_neighbours(source, neighbours, constraints, output_format)


def _own(by_user: UserMetrics | None, asked: Sequence[str]) -> OwnMetrics | None:
    """The metrics that must be measured: the user's, and the latency where it is ``asked`` for."""
    latency = load_predictor() if LATENCY in asked else None
    if by_user is None and latency is None:
        return None

    def measure(networks: Sequence[Architecture]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{} for _ in networks]
        if by_user is not None and {*by_user.names} & {*asked}:
            found = [dict(metrics) for metrics in by_user.measure(networks)]
        if latency is not None:
            for metrics, value in zip(found, latency.predict(networks).tolist(), strict=True):
                metrics[LATENCY] = value
        return found

    names = (*(by_user.names if by_user is not None else ()), *([LATENCY] if latency is not None else ()))
    return OwnMetrics(names=names, measure=measure)


def _show_space(source: str, constraints: Sequence[Constraint], output_format: str, own: OwnMetrics | None) -> int:
    """Describe the space ``source`` under the constraints; returns 1 where nothing is feasible."""
    vector = Vector(load(source))
    with working("counting the space"):
        found = describe(vector, constraints, own=own)
    found["relaxation"] = "" if found["feasible"] or own else relaxation(FeasiblePart(vector.space, tuple(constraints)))
    if output_format == "json":
        print(json_text(found, indent=None))
    else:
        _print_space(source, found, SafeConsole())
    return ExitCode.DONE if found["feasible"] else ExitCode.FAILED


def _show_neighbours(source: str, text: str, constraints: Sequence[Constraint], output_format: str) -> int:
    """Print the feasible networks one edit away from ``text``; 1 where there is none."""
    feasible = FeasiblePart(load(source), tuple(constraints))
    found = neighbours_of(feasible, text, source)
    if output_format == "json":
        print(json_text(found, indent=None))
    else:
        _print_neighbours(found, SafeConsole())
    return ExitCode.DONE if found["neighbours"] else ExitCode.FAILED


def _print_space(source: str, found: dict[str, Any], console: Console) -> None:
    how = f"estimated from {found['draws']:,} draws, ± {found['share_error']:.2%}"
    console.print(
        f"space {source}: {_count(found['size'])} networks; feasible: {_count(found['feasible'])} "
        f"({found['share']:.2%}, {'counted exactly' if found['exact'] else how})",
        highlight=False,
    )
    if found["relaxation"]:
        console.print(found["relaxation"], highlight=False)
    table = _table("constraint", "rejects", "rejects alone")
    for row in found["constraints"]:
        rejects, alone = _count(row["rejects"]), _count(row["rejects_alone"])
        table.add_row(
            row["expr"], rejects if row["rejects_exact"] else f"~{rejects}", alone if found["exact"] else f"~{alone}"
        )
    console.print(table)
    console.print()
    reach = _table("metric", "from", "to")
    for name, (low, high) in found["ranges"].items():
        reach.add_row(name, f"{low:,}", f"{high:,}")
    console.print(reach)
    if found["histogram"]:
        console.print()
        console.print(_histogram(found))


def _table(*headers: str) -> Table:
    return styled_table(*headers, is_narrow=False)


def _histogram(found: dict[str, Any]) -> Table:
    how = "" if found["histogram_exact"] else " (estimated)"
    table = _table(f"{found['histogram_of']} below", f"feasible networks{how}", "")
    most = max(b["networks"] for b in found["histogram"])
    for b in found["histogram"]:
        end = "more" if b["below"] is None else f"{b['below']:,}"
        table.add_row(end, _count(b["networks"]), "█" * round(_BAR * b["networks"] / max(1, most)))
    return table


def _count(networks: int) -> str:
    """A number in full if it is short enough to read; the JSON document always has all digits."""
    return f"{networks:,}" if networks < _READABLE else f"{networks:.4g}"


def _print_neighbours(found: dict[str, Any], console: Console) -> None:
    state = f"breaks {', '.join(found['broken'])}" if found["broken"] else "keeps every constraint"
    console.print(f"{found['architecture']}: {state}; {len(found['neighbours'])} feasible neighbours", highlight=False)
    table = _table()
    for header in ("change", "params", "macs", "field"):
        table.add_column(header, no_wrap=True)
    table.add_column("architecture", overflow="fold")
    for one in found["neighbours"]:
        change = ", ".join(f"{name}: {_value(a)} to {_value(b)}" for name, (a, b) in one["change"].items())
        metrics = (f"{one['params']:,}", f"{one['macs']:,}", f"{one['receptive_field']:,}")
        table.add_row(change, *metrics, one["architecture"])
    console.print(table)


def _value(choice: object) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)
