"""What the trial of a given network stores of it: its source, and the report of its check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constraints.metrics import Metrics
from nas.objective_text import SEVERAL
from nas.search.stored_kinds import Kind, Misfit, either, items, mapping, number, optional, table, text, truth, whole

_SIZE = whole(1)
_SHAPE = items(_SIZE)
_PER_AXIS = optional(items(_SIZE))
_NAMES = items(text())
_NUMBER = number(is_finite=True)


def anything(_: Any) -> None:
    """A value of any kind."""
    return None


def _metrics(value: Any) -> Misfit | None:
    """The metrics of a report: lists, truth values or numbers by their names; null where unknown."""
    others = {name: optional(_OF_USER) for name in value if name not in _BUILT_IN} if isinstance(value, dict) else {}
    return table(dict.fromkeys(_SHOWN, optional(whole())), {**_BUILT_IN, **others})(value)


_SHOWN = ("params", "macs", "receptive_field")
_LISTS = dict.fromkeys(SEVERAL, optional(items(number(0, is_finite=True))))
_COUNTS = dict.fromkeys((*Metrics.definitions(), "receptive_field_with_pool", "before_last_pool"), optional(whole()))
_BUILT_IN: Mapping[str, Kind] = {**_COUNTS, **_LISTS, "global_context": optional(truth())}
_OF_USER = either(_NUMBER, truth(), items(_NUMBER), wanted="a finite number")

_LAYER = table(
    {"name": text(), "op": text(), "output": items(whole()), "params": whole(), "macs": whole()},
    {
        "receptive_field": _PER_AXIS, "jump": optional(items(number(0, is_finite=True))), "kernel": _SHAPE,
        "offset": optional(items(optional(whole(-1e15)))), "stride": _SHAPE, "dilation": _SHAPE, "groups": _SIZE,
    },
)  # fmt: skip
_VERDICT = table(
    {"name": text(), "expr": text(), "value": optional(either(number(), truth(), wanted="a number")), "ok": truth(),
     "why": text()},
    {"fix": _NAMES, "layers": _NAMES},
)  # fmt: skip
_REPORT = table(
    {
        "target": text(), "input": _SHAPE, "output": items(whole()), "metrics": _metrics, "layers": items(_LAYER),
        "constraints": items(_VERDICT), "warnings": _NAMES,
        "inputs": items(table({"shape": items(whole()), "dtype": text(), "name": text()})),
        "stage_ends": items(table({"layer": text(), "by": text()})),
        "stage_spans": items(
            table({"first": text(), "last": text(), "by": optional(text()), "convs": whole()})
        ),
        "fix_all": optional(table({"text": text(), "edits": _NAMES, "code": _NAMES})),
        "verified": optional(mapping(anything)), "location": optional(table({"file": text(), "line": whole()})),
        "failed": optional(text()),
    },
    {"ok": truth()},
)  # fmt: skip
_SIZES = table(dict.fromkeys(("input", "forward_backward", "params"), number(0, is_finite=True)))
_TARGET = {"text": text(), "name": text()}

GIVEN_NETWORK: Kind = table(
    {
        "key": text(),
        "target": table(_TARGET, {"file": optional(text()), "module": text(), "input": text()}),
        "arguments": mapping(anything), "files": mapping(text()),
        "limits": table({"seconds": number(0), "memory_bytes": whole()}, {"is_hard": truth()}),
        "is_finished": truth(), "is_architecture": truth(), "memory": text(),
    },
    {
        "shown": table({}, {"report": _REPORT, "sizes": optional(_SIZES)})
    },
)  # fmt: skip
"""What the attribute ``given`` of a trial must be."""
