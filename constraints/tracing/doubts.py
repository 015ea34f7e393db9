"""The metrics of a run in which it is unclear whether numbers are constants or computed from read values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from constraints.metrics import Layer, Metrics
from constraints.tracing.propagation import propagated
from constraints.tracing.run import Run
from constraints.tracing.summary import Summary, summarise


def summarised(run: Run) -> Summary:
    """The summary of a run; where numbers are in doubt, what is the same whether all or none of them are constants."""
    known = propagated(run)
    summary, doubts = summarise(known), [*known.read.doubts]
    known.forget()
    if not doubts:
        return summary
    known = propagated(run, suspects=True)
    other = summarise(known)
    known.forget()
    return _agreed(summary, other, doubts)


def _agreed(summary: Summary, other: Summary, doubts: Iterable[str]) -> Summary:
    """The summary with what differs between the two marked unknown, for the reasons ``doubts``."""
    names = [f.name for f in fields(Metrics)]
    differ = [n for n in names if getattr(summary.metrics, n) != getattr(other.metrics, n)]
    if not differ:
        return summary
    why = "; ".join(doubts)
    unknown: dict[str, Any] = {name: None for name in differ}  # noqa: C420  # mypy does not infer its type otherwise
    return replace(
        summary,
        metrics=replace(summary.metrics, **unknown),
        layers=_agreed_layers(summary.layers, other.layers),
        with_pool=summary.with_pool if summary.with_pool == other.with_pool else (),
        warnings=(*doubts, *summary.warnings),
        unknown={**dict.fromkeys(differ, why), **summary.unknown},
    )


def _agreed_layers(layers: Iterable[Layer], others: Iterable[Layer]) -> tuple[Layer, ...]:
    """The layers; where the two summaries differ, without receptive fields."""
    same = set(others)
    return tuple(a if a in same else replace(a, receptive_field=None, jump=None, offset=None) for a in layers)
