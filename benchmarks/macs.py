"""Compares the traced multiply-accumulates of every torchvision classifier with fvcore's count.

Run ``uv run --group bench python -m benchmarks.macs [--quick] [--json] [NAME ...]``, nets with few parameters first,
each line printed as it is known. fvcore counts one operation for each multiply-accumulate of convolutions, linear
layers and matrix products; what it counts for norms, pools and interpolation is no matrix product and left out here.
Three differences have columns or corrections of their own: fvcore counts nothing for fused attention (``attention``,
from the shapes of the calls); it counts products of weights alone, which are the same for every sample (``weights``,
the position tables of swin_v2); it rounds an einsum to four digits (counted here from its labels). ``unexplained`` is
what remains. Exit 1 where that is not 0.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import get_shape
from torch import nn

from benchmarks.receptive_fields import QUICK_SECONDS, Row, built, by_size, input_size, parser_of_nets
from constraints.tracer import trace

_PRODUCTS = ("conv", "addmm", "linear", "matmul", "bmm", "einsum")
_LINE = "{name:<20} {traced:>16} {fvcore:>16} {attention:>14} {weights:>10} {unexplained:>12}  {note}"


def main() -> None:
    """Print the table as it grows, or one JSON object."""
    options = parser_of_nets(__doc__).parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # fvcore names on every net what it does not count
    torch.backends.mha.set_fastpath_enabled(False)  # its one fused operation would hide the layers inside
    rows = _counted(options.names or by_size(), options.quick, is_shown=not options.json)
    if options.json:
        differing = sum(bool(row["unexplained"]) for row in rows)
        print(json.dumps({"macs": {row["name"]: row for row in rows}, "compared": len(rows), "differing": differing}))
    if any(row["unexplained"] for row in rows):
        sys.exit(1)


def _counted(names: list[str], quick: bool, is_shown: bool) -> list[Row]:
    started, rows = time.perf_counter(), []
    if is_shown:
        print(
            _LINE.format(
                **{key: key for key in ("name", "traced", "fvcore", "attention", "weights", "unexplained", "note")}
            )
        )
    for name in names:
        if quick and time.perf_counter() - started > QUICK_SECONDS:
            break
        rows.append(_compared(name))
        if is_shown:
            print(_LINE.format(**rows[-1]), flush=True)
    return rows


def _compared(name: str) -> Row:
    model, size = built(name).eval(), input_size(name)
    traced = trace(model, size).metrics.macs
    count, left_out = by_fvcore(model, size)
    attention, weights = _in_attention(model, size), _of_weights(model)
    note = f"fvcore leaves out {', '.join(left_out)}" if left_out else ""
    counts = {"traced": traced, "fvcore": count, "attention": attention, "weights": weights}
    return {"name": name, **counts, "unexplained": traced - (count + attention - weights), "note": note}


def by_fvcore(model: nn.Module, size: tuple[int, ...]) -> tuple[int, list[str]]:
    """fvcore's count of products, and the products among the operations that it does not support."""
    analysis = FlopCountAnalysis(model, torch.zeros(1, *size))
    analysis.set_op_handle("aten::einsum", _einsum)
    counts = analysis.by_operator()
    unknown = [op.removeprefix("aten::") for op in analysis.unsupported_ops()]
    products = [op for op in unknown if any(word in op for word in ("attention", "mm", "conv", "linear", "einsum"))]
    return int(sum(counts[op] for op in _PRODUCTS)), products


def _einsum(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """One multiply-accumulate per combination of all indices of an einsum of two tensors."""
    terms = inputs[0].toIValue().replace(" ", "").split("->")[0].split(",")
    shapes = [get_shape(v) for v in inputs[1].node().inputs()]
    sizes = {label: n for term, shape in zip(terms, shapes, strict=True) for label, n in zip(term, shape, strict=True)}
    return Counter(einsum=math.prod(sizes.values()))


def _of_weights(model: nn.Module) -> int:
    """MACs of the layers that compute a window's biases from its (2w - 1) x (2w - 1) relative positions."""
    macs = 0
    for module in model.modules():
        table = getattr(module, "relative_coords_table", None)
        if table is not None:
            rows = table.numel() // table.shape[-1]
            layers = (m for m in module.get_submodule("cpb_mlp").modules() if isinstance(m, nn.Linear))
            macs += rows * sum(m.weight.numel() for m in layers)
    return macs


def _in_attention(model: nn.Module, size: tuple[int, ...]) -> int:
    """MACs of attention: queries x keys and weights x values, each L * S * E for L queries, S keys and E channels."""
    macs = 0

    def count(module: nn.Module, args: tuple[torch.Tensor, ...], kwargs: Mapping[str, Any]) -> None:
        nonlocal macs
        given = {**dict(zip(("query", "key"), args, strict=False)), **kwargs}
        query, key = given["query"], given["key"]
        macs += 2 * query.shape[1] * key.shape[1] * query.shape[2]

    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.register_forward_pre_hook(count, with_kwargs=True)
    with torch.no_grad():
        model(torch.zeros(1, *size))
    return macs


if __name__ == "__main__":
    main()
