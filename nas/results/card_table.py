"""Prints a trial in full, or two trials side by side, on a terminal of at least 80 columns."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from constraints.output.console import SafeConsole
from constraints.output.table import print_report
from constraints.output.tree import merged
from nas.objective_text import ACCURACY
from nas.results.board_lines import spread
from nas.results.explanation import explanation
from nas.results.network_text import NetworkText
from nas.results.numbers import duration, number, percent
from nas.results.sparklines import chart
from nas.results.trial_card import Card, Sizes, Stage
from nas.search.expectation import standard_error
from nas.words import counted

_SHARES = {"val_accuracy", "val_balanced_accuracy", "test_accuracy", "test_balanced_accuracy"}
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


def print_comparison(left: Card, right: Card, console: Console) -> None:
    """Print metrics, stages, layers and curves of two trials side by side."""
    names = [c.name for c in (left, right)]
    console.print(_metrics(left, right, names), Text(explanation(left, right).sentence), sep="\n")
    console.print(_stages_beside(left, right, names))
    console.print(_layers_beside(left, right, names))
    if left.curve or right.curve:
        half = console.width // 2 - 2
        drawn = [Group(Text(n, style="bold"), *_chart(c, half)) for n, c in zip(names, (left, right), strict=True)]
        console.print(Columns(drawn, equal=True, expand=True))


def comparison(left: Card, right: Card) -> dict[str, Any]:
    """The JSON document of ``compare --format json``; a difference is right minus left."""
    a, b = _numbers(left), _numbers(right)
    differences = {k: b[k] - a[k] for k in a if a[k] is not None and b[k] is not None}
    explained = explanation(left, right).as_dict()
    return {"left": left.as_dict(), "right": right.as_dict(), "differences": differences, **explained}


def _head(card: Card) -> list[RenderableType]:
    row = card.row
    known = [
        f"study {card.study}, trial {row.trial}: {row.state}",
        f"{counted(row.epochs, 'epoch')} in {duration(row.seconds)}",
    ]
    if card.champion:
        known = [f"{card.champion}: {counted(row.epochs, 'epoch')}"]
    elif not card.study:
        known = [f"{card.label}: no study holds it"]
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
    table = _plain("", "blocks", "output", "RF", "params", "MACs", right=4)
    table.add_row("", "input", _shape(card.report.input), "", "", "")
    for stage in card.stages:
        table.add_row(Text(stage.name, style="bold"), Text(" → ".join(stage.blocks)), *_stage_cells(stage))
    table.add_row("", f"global pool → {card.head}", _shape(card.report.output), "", "", "")
    return table


def _stage_cells(stage: Stage) -> list[str]:
    return [_shape(stage.output), _field(stage.receptive_field), f"{stage.params:,}", f"{stage.macs / 1e6:.1f}M"]


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
    table = _plain("epoch", *names, "loss", "learning rate", "time", right=4 + len(names))
    cut = len(card.curve) > _EPOCHS
    shown = [*card.curve[: _EPOCHS // 2], None, *card.curve[-_EPOCHS // 2 :]] if cut else card.curve
    for epoch in shown:
        table.add_row(*(_epoch_cells(epoch, len(names) > 1) if epoch else ["…"] * (4 + len(names))))
    return [Text(_measure(card), style="bold"), *_chart(card, width), table]


def _chart(card: Card, width: int) -> list[Text]:
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


def _metrics(left: Card, right: Card, names: Sequence[str]) -> Table:
    a, b = _numbers(left), _numbers(right)
    table = _plain("", *names, "difference", right=3)
    for name, before in a.items():
        after = b[name]
        known = before is not None and after is not None
        scale, unit = (100, "%") if name in _SHARES else (1, "")
        values = [None if value is None else scale * value for value in (before, after)]
        difference = _signed(scale * (after - before), unit and " points") if known else ""
        table.add_row(name, *(_number(value, unit) for value in values), difference)
    table.add_row("constraints", *("hold" if c.report.ok else "broken" for c in (left, right)), "")
    return table


def _numbers(card: Card) -> dict[str, Any]:
    row, metrics = card.row, card.report.metrics
    names = ("val_accuracy", "val_balanced_accuracy", "test_accuracy", "test_balanced_accuracy", "epochs", "seconds")
    own = {name: getattr(row, name) for name in names} | dict(row.measured)
    return own | {name: v for name, v in metrics.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def _stages_beside(left: Card, right: Card, names: Sequence[str]) -> Table:
    table = _plain("", *names)
    for a, b in zip_longest(left.stages, right.stages):
        table.add_row((a or b).name, *(_stage_text(s) if s else "" for s in (a, b)))
    table.add_row("head", left.head, right.head)
    return table


def _stage_text(stage: Stage) -> Text:
    metrics = f"{_shape(stage.output)}, RF {_field(stage.receptive_field)}, {stage.params:,} params"
    return Text.assemble(" → ".join(stage.blocks), "\n", (metrics, "dim"))


def _layers_beside(left: Card, right: Card, names: Sequence[str]) -> Table:
    table = _plain(names[0], "params", "RF", names[1], "params", "RF")
    for column in (1, 2, 4, 5):
        table.columns[column].justify = "right"
    for a, b in zip_longest(_layer_cells(left), _layer_cells(right), fillvalue=["", "", ""]):
        table.add_row(*a, *b)
    return table


def _layer_cells(card: Card) -> list[list[str]]:
    """Convolutions, poolings and linear layers, each together with the norm and activation after it."""
    layers = [(one.layer, one.params) for one in merged(tuple(card.report.layers)) if one.layer.kernel or one.macs]
    return [
        [f"{layer.name.removeprefix('stages.')} {_shape(layer.output)}", f"{params:,}", _field(layer.receptive_field)]
        for layer, params in layers
    ]


def _plain(*names: str, right: int = 0) -> Table:
    """A table whose last ``right`` columns are aligned right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False, header_style="bold")
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i >= len(names) - right else "left", overflow="fold")
    return table


def _number(value: float | None, unit: str = "") -> str:
    """A metric unchanged, or with a ``unit`` (of percentages) rounded to two decimals."""
    if value is None:
        return "-"
    if unit:
        return f"{value:.2f}{unit}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}".rstrip("0").rstrip(".")


def _signed(value: float, unit: str = "") -> str:
    return ("+" if value > 0 else "") + _number(value, unit) if value else "0"


def _shape(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def _field(field: Sequence[int] | None) -> str:
    return "" if not field else f"{field[0]}" if len(set(field)) == 1 else _shape(field)
