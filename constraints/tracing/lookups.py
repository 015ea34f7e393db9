"""The rule of table look-ups by integer indices, such as an embedding of tokens."""

from __future__ import annotations

from constraints.tracing.axes import unknown
from constraints.tracing.flows import fresh, merge_flows
from constraints.tracing.values import Call, Flow, Views


def embedding(call: Call) -> tuple[Views, Flow]:
    """Each index becomes a row of the table: one more axis, at the end."""
    table, indices = call.inputs[:2]
    if table.depends:  # the table is computed from an input: any place may see any row
        why = "a table that is computed from the input is looked up"
        rows = zip(table.views, indices.views, strict=True)
        views: Views = tuple(unknown(why) if a is not None or b is not None else None for a, b in rows)
        return views, fresh(merge_flows([v.flow for v in (table, indices) if v.depends]))
    return indices.views, fresh(indices.flow)


def one_hot(call: Call) -> tuple[Views, Flow] | None:
    """Each index becomes a row of zeros and a one; not known where the largest index decides their number."""
    data = call.inputs[0]
    return (data.views, fresh(data.flow)) if call.arg("num_classes", -1) >= 0 else None
