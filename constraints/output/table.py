"""The report as tables on a terminal; below 80 columns, less is beside each other; no torch."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from math import inf

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from constraints.findings import FIX_ALL, Findings
from constraints.metrics import Layer
from constraints.output.console import SafeConsole
from constraints.output.numbers import count, exact, shape, sides
from constraints.output.ruled import Heading, ruled_table
from constraints.output.summary import outcome
from constraints.output.tree import TreeRow, rows
from constraints.verdicts import Verdict

_LAYER = ("Output", "Params", "MACs", "RF", "Jump")
"""The columns of a layer after its name."""
_WIDTH = 100
"""Columns of the report where there are as many; more only where the layers need them."""
_LEFT_OUT = ("Jump", "MACs", "Output", "Params")
"""The columns that a narrow terminal has no room for, the first one first."""
_LEAST = 16
"""Least width of a layer's name and of a reason."""
_LONGEST_RULE = 32
"""Width of a constraint; a longer one, such as a rule in words, takes several lines."""


def print_report(report: Findings, console: Console) -> None:
    """Print the layers with their fields and costs, the totals, each constraint with its reason, the warnings."""
    marked = _passing(report)
    ascii_only = _ascii(console)
    layers = _layers(report, marked, ascii_only, console.width)
    width = min(console.width, max(_WIDTH, Measurement.get(console, console.options, layers).maximum))
    rule = Text("=" * width)
    parts: list[RenderableType] = [rule, layers, rule, Text(_totals(report))]
    if marked is not None:
        layer, limit = marked
        parts.append(Text(f"{_mark(ascii_only)} the receptive field passes {limit} in layer {layer.name}"))
    parts += [rule, _verdicts(report, width), rule]
    if report.fix_all:
        parts += [Text(FIX_ALL, style="bold"), _fixes([report.fix_all.text], ascii_only)]
        parts += [Text(_wrapped(f"    {line}", width), style="cyan") for line in report.fix_all.code]
    for verdict in report.constraints:
        if not verdict.ok and (verdict.layers or verdict.fix):
            parts += _help(verdict, ascii_only)
    parts += [_hanging([(Text("warning:", style="yellow"), Text(warning))]) for warning in report.warnings]
    console.print(*parts, _summary(report), sep="\n", width=width)


def _wrapped(code: str, width: int) -> str:
    """A line of code, wrapped with its continuation lines indented one step more."""
    deeper = " " * (len(code) - len(code.lstrip()) + 4)
    return "\n".join(textwrap.wrap(code, width, subsequent_indent=deeper, break_long_words=False))


def text(report: Findings, width: int = _WIDTH) -> str:
    """The report as plain text, without colour."""
    console = SafeConsole(
        file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False
    )
    with console.capture() as captured:
        print_report(report, console)
    return captured.get().rstrip("\n")


def _layers(report: Findings, marked: tuple[Layer, str] | None, ascii_only: bool, width: int) -> Group:
    """The layers, with a separate table between every two headings, so that a heading has the whole width.

    Columns for which ``width`` has no room are left out, and named below the table.
    """
    sections = _sections(report)
    found = rows(report.layers, {name for name, _ in sections})
    marked_path = _row_of(found, report, marked[0]) if marked else None
    lines = []
    for row, branch in zip(found, _branches(found, ascii_only), strict=True):
        mark = f" {_mark(ascii_only)}" if row.layer is not None and row.path == marked_path else ""
        lines.append((_label(row, branch, ascii_only), _cells(row, mark), "bold" if mark else ""))
    columns = zip(_LAYER, *(cells for _, cells, _ in lines), strict=True)
    widths = {column[0]: max(map(cell_len, column)) for column in columns}
    left_out = _without_room(widths, width)
    kept = [i for i, name in enumerate(_LAYER) if name not in left_out]
    table = _layer_table(widths, ascii_only)
    parts: list[RenderableType] = [table]
    headings = _headings(found, report, sections)
    for i, (label, cells, style) in enumerate(lines):
        if i in headings:
            table = _layer_table(widths, ascii_only, show_header=False)
            parts += [*(Heading(text) for text in headings[i]), table]
        table.add_row(label, *(cells[i] for i in kept), style=style)
    if left_out:
        parts.append(Text(f"left out, as the terminal is narrow: {', '.join(left_out)}", style="dim"))
    return Group(*parts)


def _without_room(widths: dict[str, int], width: int) -> list[str]:
    """The columns to leave out, which are removed from ``widths``, so that names of layers have a least width."""
    left_out = []
    for name in _LEFT_OUT:
        if width - sum(column + 2 for column in widths.values()) < _LEAST:
            left_out.append(name)
            del widths[name]
    return left_out


def _layer_table(widths: Mapping[str, int], ascii_only: bool, *, show_header: bool = True) -> Table:
    table = ruled_table(show_header=show_header)
    table.add_column("Layer (operation)", ratio=1, no_wrap=True, overflow="crop" if ascii_only else "ellipsis")
    for heading, width in widths.items():
        table.add_column(heading, justify="right", no_wrap=True, width=width)
    return table


def _cells(row: TreeRow, mark: str) -> tuple[str, ...]:
    params, macs = count(row.params * row.times), count(row.macs * row.times)
    if row.layer is None:
        return "", params, macs, "", ""
    layer = row.layer
    return shape(layer.output), params, macs, sides(layer.receptive_field) + mark, sides(layer.jump)


def _label(row: TreeRow, branch: str, ascii_only: bool) -> Text:
    times = f" ({'x' if ascii_only else '×'}{row.times})" if row.times > 1 else ""  # noqa: RUF001
    name = "" if row.text.split(" ")[0] == row.name else row.name  # a function is named like its operation
    return Text.assemble((branch, "dim"), name, (times, "cyan"), "  " if name and row.text else "", row.text)


def _branches(found: Sequence[TreeRow], ascii_only: bool) -> list[str]:
    """The tree lines in front of each row, as torchinfo draws them."""
    bar, tee, end = ("| ", "|-", "`-") if ascii_only else ("│ ", "├─", "└─")
    drawn, open_below = [], set[int]()
    for row in reversed(found):
        deeper = {depth for depth in open_below if depth < row.depth}
        trunk = "".join(bar if depth in deeper else "  " for depth in range(row.depth))
        drawn.append(trunk + (tee if row.depth in open_below else end))
        open_below = deeper | {row.depth}
    return drawn[::-1]


def _sections(report: Findings) -> list[tuple[str, str]]:
    """The first layer of each stage, and of the part after the last stage, with its heading."""
    spans, found = report.stage_spans, []
    for number, stage in enumerate(spans, 1):
        convs = f"{stage.convs} convolution{'s' * (stage.convs != 1)}"
        place = f" to {stage.last}" if stage.by else ""
        found.append((stage.first, f"stage {number} ({stage.by or 'no end'}): {convs}{place}"))
    if spans:
        names = [layer.name for layer in report.layers]
        behind = len(names) - names[::-1].index(spans[-1].last) if spans[-1].last in names else len(names)
        rest = (layer.name for layer in report.layers[behind:] if layer.kernel or layer.macs or not _is_map(layer))
        new = (name for name in rest if name not in names[:behind])  # a layer that runs again is listed above
        found += [(name, "after the stages") for name in new][:1]
    return found


def _headings(found: Sequence[TreeRow], report: Findings, sections: Sequence[tuple[str, str]]) -> dict[int, list[str]]:
    """The headings above each row."""
    headings: dict[int, list[str]] = {}
    for name, heading in sections:
        headings.setdefault(_row_at(found, report, name), []).append(heading)
    return headings


def _row_at(found: Sequence[TreeRow], report: Findings, name: str) -> int:
    """Index of the row that shows a layer, or the outermost container that begins with it; -1 if there is none."""
    layer = next((layer for layer in report.layers if layer.name == name), None)
    path = _row_of(found, report, layer) if layer is not None else None
    at = next((i for i, row in enumerate(found) if row.layer is not None and row.path == path), -1)
    while at > 0 and found[at - 1].layer is None:
        at -= 1
    return at


def _row_of(found: Sequence[TreeRow], report: Findings, layer: Layer) -> str | None:
    """Path of the row that shows a layer, or of the next row if the layer is inside a fold."""
    shown = {row.path for row in found if row.layer is not None}
    position = report.layers.index(layer)
    return next((layer.name for layer in report.layers[position:] if layer.name in shown), None)


def _passing(report: Findings) -> tuple[Layer, str] | None:
    """The first layer at which the receptive field satisfies the required lower limit, and that limit."""
    rules = (v.constraint for v in report.constraints if v.name == "receptive_field" and v.constraint is not None)
    rule = next((r for r in rules if r.hull.low > -inf and r.hull.high == inf), None)
    if rule is None:
        return None
    seeing = (s for s in report.layers if s.receptive_field and _is_map(s))
    layer = next((s for s in seeing if rule.holds(min(s.receptive_field or ()))), None)
    return (layer, f"{rule.limit:,}") if layer else None


def _is_map(layer: Layer) -> bool:
    """Whether the result still has spatial extent, unlike the pooled values of a gate."""
    return max(layer.output[1:], default=1) > 1


def _totals(report: Findings) -> str:
    m = report.metrics
    peak = m["peak_activation_bytes"]
    return (
        f"params {exact(m['params'])} ({exact(m['trainable_params'])} trainable), MACs {exact(m['macs'])}\n"
        f"{_given(report)}, output {shape(report.output) or '1'}, "
        f"receptive field {sides(m['receptive_field_hw']) or 'unknown'}, "
        f"peak activations {'unknown' if peak is None else f'{peak / 1e6:,.2f} MB'}"
    )


def _given(report: Findings) -> str:
    several = " and ".join(map(str, report.inputs))
    return f"inputs {several}" if len(report.inputs) > 1 else f"input {shape(report.input)}"


def _verdicts(report: Findings, width: int) -> Table:
    """Each constraint with its value and reason, which a narrow terminal shows below it."""
    found = [(Text(v.expr), exact(v.value), Text(v.why), v.ok) for v in report.constraints]
    left = max((min(len(rule), _LONGEST_RULE) + len(value) for rule, value, _, _ in found), default=0)
    is_below = width - left - 4 * 2 - len("FAIL") < _LEAST
    table = ruled_table()
    table.add_column("", no_wrap=True)
    table.add_column(
        "Constraint", overflow="fold", ratio=1 if is_below else None, max_width=None if is_below else _LONGEST_RULE
    )
    table.add_column("Value", justify="right", no_wrap=True)
    if not is_below:
        table.add_column("Why", ratio=1, overflow="fold")
    for rule, value, why, is_ok in found:
        state = Text("ok", style="green") if is_ok else Text("FAIL", style="bold red")
        table.add_row(state, rule, value, *([] if is_below else [why]))
        if is_below and why:
            table.add_row("", Padding(why, (0, 0, 0, 2)), "")
    return table


def _help(verdict: Verdict, ascii_only: bool) -> list[Table]:
    """The layers that cause a failure, and the fixes."""
    layers = Text(f" layers: {_few(verdict.layers)}" if verdict.layers else "")
    heading = _hanging([(Text(verdict.expr, style="bold"), layers)])
    return [heading, _fixes(verdict.fix, ascii_only)] if verdict.fix else [heading]


def _fixes(sentences: Sequence[str], ascii_only: bool) -> Table:
    arrow = Text(f"  {'->' if ascii_only else '→'}", style="cyan")
    return _hanging([(arrow, Text(sentence, style="cyan")) for sentence in sentences])


def _hanging(lines: Sequence[tuple[Text, Text]]) -> Table:
    """Lines that begin with a mark; wrapped text is indented to the position after the mark."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(overflow="fold", max_width=_LONGEST_RULE)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(*line)
    return grid


def _few(names: tuple[str, ...], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _summary(report: Findings) -> Text:
    return Text(outcome(report), style="green" if report.ok else "bold red")


def _ascii(console: Console) -> bool:
    return not console.encoding.lower().replace("-", "").startswith("utf")


def _mark(ascii_only: bool) -> str:
    return "<" if ascii_only else "◄"
