"""Check the output for one sample: its number of rows, and whether it is logits; no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from constraints.tracing.axes import Shape
from constraints.tracing.values import Call

_SOFTMAX = {"_softmax": "softmax", "_safe_softmax": "softmax", "_log_softmax": "log_softmax"}


def rows(output: Shape) -> int:
    """The number of rows for one sample: 1, unless other axes were merged into the batch axis or that was dropped."""
    return output[0] if output else 1


def warnings(output: Shape, calls: Sequence[Call]) -> Iterator[str]:
    """Warnings about the output (``output`` is its shape with the batch axis): several rows, a softmax at the end."""
    if (count := rows(output)) != 1:
        shape = "x".join(map(str, output))
        yield f"one sample gives {count} rows ({shape}): the first axis of the output {_reason(output)}"
    last = calls[-1] if calls else None
    if last is not None and last.op in _SOFTMAX and prod(last.shape) == prod(output):
        label = _SOFTMAX[last.op]
        yield f"the network ends in {label} ({last.name_or_label}): a loss such as cross_entropy expects logits"


def _reason(output: Shape) -> str:
    """Why the first axis is longer than the batch."""
    if len(output) > 1:
        return "is not the batch alone"
    return "is not the batch, which squeeze() without an axis takes away where it is 1: use flatten(1)"
