"""What is published of the metrics, by their definitions: ``python -m tests.published`` writes it again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

import constraints
from constraints.metrics import Metrics

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
SCHEMA = Path(constraints.__file__).parent / "report.schema.json"
TABLE = re.compile(r"\| metric \| definition \|\n(\|.*\n)+")
METRICS = re.compile(r'(?<=      "required": )\["params"(.*\n)+?(?=      "additionalProperties")')
TYPES = {bool: "boolean", int: "integer", float: "number"}


def page(text: str) -> str:
    """The page of the metrics with the table of their definitions in it."""
    rows = [f"| `{f.name}` | {_definition(f.metadata)} |\n" for f in fields(Metrics)]
    return TABLE.sub(lambda _: "".join(["| metric | definition |\n", "|---|---|\n", *rows]), text, count=1)


def schema(text: str) -> str:
    """The report's JSON schema with the metrics in it, each of which may be unknown; a metric a line."""
    types = get_type_hints(Metrics)
    lines = [f"{json.dumps(f.name)}: {json.dumps(_property(types[f.name], f.metadata))}" for f in fields(Metrics)]
    properties = ",\n        ".join(lines)
    made = f'{json.dumps(list(types))},\n      "properties": {{\n        {properties}\n      }},\n'
    return METRICS.sub(lambda _: made, text, count=1)


def _definition(known: Mapping[str, str]) -> str:
    unit = f" ({known['unit']})" if known["unit"] else ""
    return ". ".join(filter(None, [known["definition"] + unit, known["details"]]))


def _property(kind: Any, known: Mapping[str, str]) -> dict[str, Any]:
    (kind,) = (part for part in (get_args(kind) if isinstance(kind, UnionType) else [kind]) if part is not NoneType)
    entry = next(iter(get_args(kind)), kind)
    least = {} if entry is bool else {"minimum": 0}
    one = {"type": [TYPES[entry], "null"], **least}
    several = {"type": ["array", "null"], "items": {"type": TYPES[entry], **least}}
    return {**(one if entry is kind else several), "description": known["definition"]}


def write() -> None:
    """Write the page and the schema again."""
    for file, made in ((PAGE, page), (SCHEMA, schema)):
        file.write_text(made(file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
