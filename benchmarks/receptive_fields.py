"""Every torchvision classifier: the traced receptive field, and the one that the gradient probe measures.

Run ``python -m benchmarks.receptive_fields [--quick] [--json] [NAME ...]``. ``--quick`` leaves out nets above 20 M
parameters; a dash stands where the probe has nothing to say (fields that hold the whole map).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from typing import Any

import torchvision
from rich.console import Console
from rich.table import Table

from constraints.errors import UnusableInputError
from constraints.probe import probe
from constraints.trace import trace

_QUICK_PARAMS = 20_000_000
_SIZES = {"inception_v3": 299}
_WHOLE = ("vit_", "swin", "maxvit")
"""Nets whose attention sees the whole map, or whose windows fix the input's size: nothing for a strip to measure."""


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=torchvision.models.list_models(module=torchvision.models))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = [row for name in options.names if (row := _row(name, options.quick))]
    if options.json:
        json.dump({"receptive_fields": {r["name"]: r for r in rows}}, sys.stdout, indent=1)
    else:
        Console().print(_table(rows))
    if any(r["probed"] not in (None, r["traced"]) for r in rows):
        sys.exit(1)


def _row(name: str, quick: bool) -> dict[str, Any] | None:
    """One net: both fields, and the seconds that each took."""
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, **options)
    if quick and sum(p.numel() for p in model.parameters()) > _QUICK_PARAMS:
        return None
    size = _SIZES.get(name, 224)
    start = time.perf_counter()
    found = trace(model, (3, size, size))
    middle = time.perf_counter()
    probed = None
    if not name.startswith(_WHOLE):
        try:
            probed = list(probe(model, (3, 96, 96)))
        except (UnusableInputError, RuntimeError) as error:  # a fixed input size, or a map that a strip makes empty
            print(f"{name}: not probed: {error}", file=sys.stderr)
    field = found.metrics.receptive_field_hw
    return {
        "name": name,
        "traced": None if field is None else list(field),
        "probed": probed,
        "warnings": list(found.warnings),
        "trace_seconds": round(middle - start, 3),
        "probe_seconds": round(time.perf_counter() - middle, 3),
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("net", "traced", "probed", "agree", "trace s", "probe s")
    for row in rows:
        agree = "-" if row["probed"] is None else "yes" if row["probed"] == row["traced"] else "NO"
        cells = (row["name"], row["traced"], row["probed"] or "-", agree, row["trace_seconds"], row["probe_seconds"])
        table.add_row(*map(str, cells))
    return table


if __name__ == "__main__":
    main()
