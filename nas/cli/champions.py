"""The command ``champions``: the networks that were found and confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from constraints.cli.options import check_format
from constraints.errors import ExitCode
from constraints.output.json_documents import json_text
from nas.cli.common import TABLE_OR_JSON, interruptible, wide_console

if TYPE_CHECKING:
    from nas.champions.registry import Champion


@interruptible("nothing was written")
def list_champions(output_format: str) -> int:
    """Print every champion, the most accurate first."""
    from nas.champions.registry import champions

    check_format(output_format, TABLE_OR_JSON)
    found = sorted(champions().values(), key=lambda one: -one.test_accuracy)
    if output_format == "json":
        print(json_text({"champions": [one.as_dict() for one in found]}))
        return ExitCode.DONE
    _print(found)
    return ExitCode.DONE


def _print(found: Sequence[Champion]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("champion", "test %", "params", "MMACs", "epochs", "seeds", "best under"):
        table.add_column(heading, justify="left" if heading in {"champion", "best under"} else "right", overflow="fold")
    for one in found:
        spread = "" if one.test_std is None else f" ± {100 * one.test_std:.2f}"
        best = ", ".join(f"{limit // 1000}k" for limit in one.as_dict()["best_under"]) or "-"
        cells = (
            one.name, f"{100 * one.test_accuracy:.2f}{spread}", f"{one.params:,}", f"{one.macs / 1e6:.1f}",
            str(one.epochs), str(len(one.seeds)), best,
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    console = wide_console()
    console.print(table)
    for one in found:
        weights = "its weights are included, in half precision" if one.weights else "its weights are not included"
        console.print(Text(f"\n{one.name}  {one.architecture}\n  {one.data}, {one.machine}, {one.date}, {one.commit}"))
        console.print(Text(f"  recipe {one.recipe}; {weights}"))
        console.print(Text(f"  {one.command}"), soft_wrap=True)
