"""The report as an HTML fragment for notebooks: without scripts, every text escaped; no torch."""

from __future__ import annotations

from collections.abc import Iterator

from constraints.findings import FIX_ALL, Findings
from constraints.output.field_drawing import drawing
from constraints.output.numbers import count, exact, shape, sides
from constraints.output.plain import html_text
from constraints.output.summary import outcome
from constraints.output.tree import TreeRow, rows
from constraints.verdicts import Verdict

_INDENT = 'style="margin-left:1.5em"'


def html(report: Findings) -> str:
    """The verdicts as a table, the drawing of receptive fields, the layers as nested ``<details>``, the warnings."""
    parts = [
        f"<div><p><b>{html_text(outcome(report))}</b></p>",
        "<table><thead><tr><th></th><th>Constraint</th><th>Value</th><th>Why</th></tr></thead>",
        *map(_verdict, report.constraints),
        "</table>",
        *(f"<p>{FIX_ALL}: {html_text(f.text)}</p>" for f in [report.fix_all] if f),
        *(f"<pre>{html_text(chr(10).join(f.code))}</pre>" for f in [report.fix_all] if f and f.code),
        drawing(report),
        *_folded(report),
        *(f"<p>warning: {html_text(warning)}</p>" for warning in report.warnings),
        "</div>",
    ]
    return "\n".join(parts)


def _verdict(verdict: Verdict) -> str:
    why = "<br>".join(html_text(line) for line in (verdict.why, *(f"fix: {fix}" for fix in verdict.fix)))
    cells = ("ok" if verdict.ok else "FAIL", html_text(verdict.expr), html_text(exact(verdict.value)), why)
    return ("<tr>" if verdict.ok else '<tr class="fails">') + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _folded(report: Findings) -> Iterator[str]:
    """The rows in order; a module opens a ``<details>``, closed by the next row outside the module."""
    open_depths: list[int] = []
    yield f"<details open {_INDENT}><summary>layers</summary>"
    for row in rows(report.layers):
        while open_depths and open_depths[-1] >= row.depth:
            open_depths.pop()
            yield "</details>"
        if row.layer is None:
            open_depths.append(row.depth)
            yield f"<details {_INDENT}><summary>{_line(row)}</summary>"
        else:
            yield f"<div {_INDENT}>{_line(row)}</div>"
    yield "</details>" * (len(open_depths) + 1)


def _line(row: TreeRow) -> str:
    """``conv  conv2d 3x3, output 16x32x32, params 464, MACs 442k, RF 3``: zero and unknown values are left out."""
    name = f"{row.name} (×{row.times})" if row.times > 1 else row.name  # noqa: RUF001
    metrics = {"params": count(row.params * row.times), "MACs": count(row.macs * row.times)}
    if row.layer is not None:
        metrics = {"output": shape(row.layer.output), **metrics, "RF": sides(row.layer.receptive_field)}
    known = [row.text, *(f"{label} {value}" for label, value in metrics.items() if value)]
    return f"<code>{html_text(name)}</code> {html_text(', '.join(filter(None, known)))}"
