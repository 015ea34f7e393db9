"""Which metrics of a finished run are unknown, and why; the warnings about it."""

from __future__ import annotations

from collections.abc import Mapping

from constraints.metrics import Metrics
from constraints.tracing.assembling import of_rows
from constraints.tracing.pooled_parts import maxima_of_parts
from constraints.tracing.propagation import Propagation
from constraints.tracing.remarks import few, remarks, uncounted
from constraints.tracing.structure import distinct, global_pools, partial_pools
from constraints.tracing.values import Value

_NO_MAP = "no map with spatial axes leads from the input to the output"
_NO_TENSOR = "the forward method returns no tensor: return the output"
_OF_POOLS = frozenset(["global_average_pools", "max_pools", "fully_connected"])


def unknown_metrics(known: Propagation, judged: Value | None, field: tuple[int, ...] | None) -> dict[str, str]:
    """Metric -> why it cannot be known; ``judged`` is the map whose receptive field is reported, ``field`` that."""
    reasons: dict[str, str] = {}
    lost = [v for v in judged.views if v is not None and (v.unknown or v.blurred)] if judged else []
    if field is None:
        is_another = any(v.is_lost or v.blurred for v in lost)
        of_map = Metrics.needing("field", "map") if is_another else Metrics.needing("field")
        is_empty = not (known.run.outputs or known.run.closed or known.run.numbers)
        no_map = _NO_TENSOR if is_empty else _NO_MAP
        reasons.update(dict.fromkeys(of_map, "; ".join(sorted({v.unknown or v.blurred for v in lost})) or no_map))
    for reason, hidden in known.outcomes.hidden.items():
        if hidden == "maxima" and known.used.isdisjoint(known.outcomes.picking[reason]):
            continue
        for name in Metrics.needing(hidden):
            reasons.setdefault(name, reason)
        if hidden == "averages" and all(h.left_out for h in global_pools(known.outputs)):  # it may be the only one
            reasons.setdefault("fully_connected", reason)
    if parts := maxima_of_parts(distinct(known.maxima)):
        why = f"{parts[0].name_and_label}: the maxima of {len(parts)} parts of one map may be one of the map"
        reasons.update((name, reasons.get(name, why)) for name in Metrics.needing("maxima"))
    for call, name in known.kept_maxima.items():
        why = f"{call}: its maximum is kept in the attribute {name}, from which a later run may read it"
        reasons.update((name, reasons.get(name, why)) for name in Metrics.needing("maxima"))
    if known.run.uncounted:
        reasons.update(dict.fromkeys(Metrics.needing("parameters"), "; ".join(uncounted(known.run))))
    return reasons


def warnings(known: Propagation, judged: Value | None, unknown: Mapping[str, str]) -> tuple[str, ...]:
    """What is unknown and why, decisions of the code by values, pools that are not global, remarks on parameters."""
    return (
        *_reasons(known, unknown),
        *sorted({v.blurred for v in judged.views if v is not None and v.blurred} if judged else ()),
        *(_decision(path) for path in known.read.decided[:1]),
        *partial_pools(known.outputs, are_decided=_OF_POOLS.isdisjoint(unknown)),
        *remarks(known.run),
    )


def _reasons(known: Propagation, unknown: Mapping[str, str]) -> list[str]:
    """The reasons that operations left something unknown, and those that only reached an output; one for each place.

    If every metric is known in the end (as after an average over places that cannot be distinguished), only those for
    which a convolution's own field is unknown, with the convolutions.
    """
    of_params = Metrics.needing("parameters")  # the remarks report those
    of_calls = [reason for name, reason in unknown.items() if name not in of_params]
    if not of_calls:
        return _of_convolutions(known)
    named = {reason.split(": ")[0] for reason in known.outcomes.reasons}
    handed_on = (reason for reason in of_calls if reason.split(": ")[0] not in named)
    return list(dict.fromkeys([*known.outcomes.reasons, *handed_on]))


def _of_convolutions(known: Propagation) -> list[str]:
    names: dict[str, list[str]] = {}
    for call in distinct(c for c in known.calls if c.is_conv and c.out is not None):
        for view in of_rows(call.out) if call.out else ():
            if view is not None and view.unknown and call.name_or_label not in names.setdefault(view.unknown, []):
                names[view.unknown].append(call.name_or_label)
    return [f"{reason}; it makes only the receptive field of {few(found)} unknown" for reason, found in names.items()]


def _decision(path: str) -> str:
    place = f"{path or 'the forward pass'} reads a value that depends on the input, and may decide by it what runs"
    return f"{place}: the metrics are those of what ran on this sample"
