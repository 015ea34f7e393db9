"""Prints a trial in full on a terminal of at least 80 columns."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from constraints.output.console import SafeConsole
from constraints.output.table import print_report
from nas.objective_text import ACCURACY
from nas.results.board_lines import spread
from nas.results.network_description import DrawnStage, Sizes
from nas.results.network_text import NetworkText
from nas.results.numbers import duration, number, percent
from nas.results.sparklines import chart
from nas.results.table_style import styled_table
from nas.results.trial_card import Card
from nas.search.expected_accuracy import standard_error

_LABEL = 8
"""Characters that a chart takes beside its bars."""
_EPOCHS = 12
"""Most epochs in the table of a curve: the first ones and the last one."""


def print_card(card: Card, console: Console) -> None:
    """Print a trial: its stages, its layers with receptive fields, its sizes, its curve and its constraints."""
    console.print(*_head(card), *([_drawing(card)] if card.stages else []), sep="\n")
    print_report(card.report, console)
    if card.sizes:
        console.print(_sizes(card.sizes, card))
    console.print(Group(*_curve(card, console.width)))


def as_plain_text(card: Card, width: int = 100) -> str:
    """The text that ``print_card`` prints, without colour."""
    console = SafeConsole(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        print_card(card, console)
    return captured.get().rstrip("\n")


def _head(card: Card) -> list[RenderableType]:
    row = card.row
    is_trial = not (card.champion or card.label)
    known = [card.title + (f" in {duration(row.seconds)}" if is_trial else "")]
    known += _accuracies(card)
    known += [f"{name} {number(value)}" for name, value in row.measured.items()]
    lines = [*_way(card), *card.why, *([row.reason] if row.reason else [])]
    broken = [Text(f"breaks {', '.join(row.broken)}", style="yellow")] if row.broken else []
    return [Text(", ".join(known), style="bold"), NetworkText(row.network), *map(Text, lines), *broken]


def _accuracies(card: Card) -> Iterator[str]:
    """The known accuracies: validation with standard error, test with standard deviation and number of trainings."""
    row, is_balanced = card.row, card.row.measure != ACCURACY
    error = f" ± {100 * standard_error(row.score, card.images):.2f}" if card.images and row.score is not None else ""
    for name, value, kept in (
        ("validation", row.val_accuracy, "" if is_balanced else error),
        ("balanced validation", row.val_balanced_accuracy, error if is_balanced else ""),
        ("test", row.test_accuracy, "" if is_balanced else spread(row)),
        ("balanced test", row.test_balanced_accuracy, spread(row) if is_balanced else ""),
    ):
        if value is not None:
            yield f"{name} {value:.2%}{kept}"


def _way(card: Card) -> list[str]:
    """How it was trained, if that is known."""
    tuned = "".join(f", {name} {_value(value)}" for name, value in card.tuned.items())
    return [f"recipe {card.recipe}{tuned}; augmentation {card.augmentation}"] if card.recipe else []


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _drawing(card: Card) -> Table:
    """The network from its input to its head, one row per stage."""
    table = plain_table("", "blocks", "output", "RF", "params", "MACs", right=4)
    table.add_row("", "input", shape_text(card.report.input), "", "", "")
    for stage in card.stages:
        table.add_row(Text(stage.name, style="bold"), Text(" → ".join(stage.blocks)), *_stage_cells(stage))
    head = "" if card.head == "gap" else f" → {card.head}"
    table.add_row("", f"global pool{head}", shape_text(card.report.output), "", "", "")
    return table


def _stage_cells(stage: DrawnStage) -> list[str]:
    return [
        shape_text(stage.output),
        field_text(stage.receptive_field),
        f"{stage.params:,}",
        f"{stage.macs / 1e6:.1f}M",
    ]


def _sizes(sizes: Sizes, card: Card) -> Text:
    return Text(
        f"sizes in MB: input {sizes.input:.2f}, forward/backward pass {sizes.forward_backward:.2f}, "
        f"params {sizes.params:.2f}, estimated total {sizes.total:.2f}{_latency(card)}"
    )


def _latency(card: Card) -> str:
    """The measured latency, in a study that uses it; otherwise empty."""
    if card.latency is None:
        return ""
    threads = f"{card.latency.threads} thread{'s' * (card.latency.threads != 1)}"
    return f"\nlatency measured on this machine: {card.latency.milliseconds:.3g} ms (median, {threads})"


def _curve(card: Card, width: int) -> list[RenderableType]:
    if not card.curve:
        return [] if card.champion else [Text("no epoch was trained yet", style="dim")]
    names = ("val %", "balanced val %") if "val_balanced_accuracy" in card.curve[0] else ("val %",)
    table = plain_table("epoch", *names, "loss", "learning rate", "time", right=4 + len(names))
    cut = len(card.curve) > _EPOCHS
    shown = [*card.curve[: _EPOCHS // 2], None, *card.curve[-_EPOCHS // 2 :]] if cut else card.curve
    for epoch in shown:
        table.add_row(*(_epoch_cells(epoch, len(names) > 1) if epoch else ["…"] * (4 + len(names))))
    return [Text(_measure(card), style="bold"), *curve_chart(card, width), table]


def curve_chart(card: Card, width: int) -> list[Text]:
    """The accuracies of all epochs as bars, ``width`` characters wide."""
    lines = chart(card.row.scores, width=width - _LABEL)
    return [Text(line, no_wrap=True, overflow="crop") for line in lines] or [Text("no epoch yet", style="dim")]


def _measure(card: Card) -> str:
    """The name of the accuracy that the chart of a curve shows."""
    return "validation accuracy" if card.row.measure == ACCURACY else "balanced validation accuracy"


def _epoch_cells(epoch: Mapping[str, Any], is_balanced: bool) -> list[str]:
    balanced = epoch.get("val_balanced_accuracy")
    return [
        str(epoch["epoch"]),
        percent(epoch["val_accuracy"]),
        *([percent(balanced)] if is_balanced else []),
        f"{epoch['loss']:.4f}",
        f"{epoch['learning_rate']:.4g}",
        duration(epoch["seconds"]),
    ]


def plain_table(*names: str, right: int = 0) -> Table:
    """A table whose last ``right`` columns are aligned right."""
    table = styled_table()
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i >= len(names) - right else "left", overflow="fold")
    return table


def shape_text(sizes: Sequence[int]) -> str:
    """``3x32x32``."""
    return "x".join(map(str, sizes))


def field_text(field: Sequence[int] | None) -> str:
    """One number where all axes have it, else one for each; empty where it is unknown."""
    return "" if not field else f"{field[0]}" if len(set(field)) == 1 else shape_text(field)
