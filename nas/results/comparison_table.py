"""Two trials side by side: their metrics, stages, layers and curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from constraints.output.tree import merged
from nas.results.card_table import curve_chart, field_text, plain_table, shape_text
from nas.results.network_description import DrawnStage
from nas.results.trial_card import Card
from nas.results.trial_comparison import explanation

_SHARES = {"val_accuracy", "val_balanced_accuracy", "test_accuracy", "test_balanced_accuracy"}


def print_comparison(left: Card, right: Card, console: Console) -> None:
    """Print metrics, stages, layers and curves of two trials side by side."""
    names = [c.name for c in (left, right)]
    console.print(_metrics(left, right, names), Text(explanation(left, right).sentence), sep="\n")
    console.print(_stages_beside(left, right, names))
    console.print(_layers_beside(left, right, names))
    if left.curve or right.curve:
        half = console.width // 2 - 2
        drawn = [Group(Text(n, style="bold"), *curve_chart(c, half)) for n, c in zip(names, (left, right), strict=True)]
        console.print(Columns(drawn, equal=True, expand=True))


def comparison(left: Card, right: Card) -> dict[str, Any]:
    """The JSON document of ``compare --format json``; a difference is right minus left."""
    differences = {
        name: after - before
        for name, (before, after) in _paired(left, right).items()
        if before is not None and after is not None
    }
    explained = explanation(left, right).as_dict()
    return {"left": left.as_dict(), "right": right.as_dict(), "differences": differences, **explained}


def _metrics(left: Card, right: Card, names: Sequence[str]) -> Table:
    table = plain_table("", *names, "difference", right=3)
    for name, (before, after) in _paired(left, right).items():
        known = before is not None and after is not None
        scale, unit = (100, "%") if name in _SHARES else (1, "")
        values = [None if value is None else scale * value for value in (before, after)]
        difference = _signed(scale * (after - before), unit and " points") if known else ""
        table.add_row(name, *(_number(value, unit) for value in values), difference)
    table.add_row("constraints", *("hold" if c.report.ok else "broken" for c in (left, right)), "")
    return table


def _paired(left: Card, right: Card) -> dict[str, tuple[Any, Any]]:
    """The numbers of both by name; None where one of them does not have it, such as a metric of a study alone."""
    a, b = _numbers(left), _numbers(right)
    return {name: (a.get(name), b.get(name)) for name in {**a, **b}}


def _numbers(card: Card) -> dict[str, Any]:
    row, metrics = card.row, card.report.metrics
    names = ("val_accuracy", "val_balanced_accuracy", "test_accuracy", "test_balanced_accuracy", "epochs", "seconds")
    own = {name: getattr(row, name) for name in names} | dict(row.measured)
    return own | {name: v for name, v in metrics.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def _stages_beside(left: Card, right: Card, names: Sequence[str]) -> Table:
    table = plain_table("", *names)
    for a, b in zip_longest(left.stages, right.stages):
        table.add_row((a or b).name, *(_stage_text(s) if s else "" for s in (a, b)))
    table.add_row("head", left.head, right.head)
    return table


def _stage_text(stage: DrawnStage) -> Text:
    metrics = f"{shape_text(stage.output)}, RF {field_text(stage.receptive_field)}, {stage.params:,} params"
    return Text.assemble(" → ".join(stage.blocks), "\n", (metrics, "dim"))


def _layers_beside(left: Card, right: Card, names: Sequence[str]) -> Table:
    table = plain_table(names[0], "params", "RF", names[1], "params", "RF")
    for column in (1, 2, 4, 5):
        table.columns[column].justify = "right"
    for a, b in zip_longest(_layer_cells(left), _layer_cells(right), fillvalue=["", "", ""]):
        table.add_row(*a, *b)
    return table


def _layer_cells(card: Card) -> list[list[str]]:
    """Convolutions, poolings and linear layers, each together with the norm and activation after it."""
    layers = [(one.layer, one.params) for one in merged(tuple(card.report.layers)) if one.layer.kernel or one.macs]
    return [
        [
            f"{layer.name.removeprefix('stages.')} {shape_text(layer.output)}",
            f"{params:,}",
            field_text(layer.receptive_field),
        ]
        for layer, params in layers
    ]


def _number(value: float | None, unit: str = "") -> str:
    """A metric unchanged, or with a ``unit`` (of percentages) rounded to two decimals."""
    if value is None:
        return "-"
    if unit:
        return f"{value:.2f}{unit}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}".rstrip("0").rstrip(".")


def _signed(value: float, unit: str = "") -> str:
    return ("+" if value > 0 else "") + _number(value, unit) if value else "0"
