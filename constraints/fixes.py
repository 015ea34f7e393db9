"""Find the smallest single changes that mend a failing constraint, each proved by tracing the result."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import nn

from constraints import edits
from constraints.edits import Edit, Site
from constraints.errors import ConstraintError
from constraints.rules import Verdict, parse
from constraints.trace import Trace

Judged = Callable[[nn.Module], tuple[Trace, tuple[Verdict, ...]]]

_FIXES_PER_RULE = 3
_SECONDS = 2.0
_FEWEST, _MOST = 8, 64


def suggest(
    model: nn.Module, traced: Trace, verdicts: tuple[Verdict, ...], judged: Judged, seconds_per_trace: float
) -> Mapping[int, tuple[str, ...]]:
    """Sentences by the index of the failing verdict that they mend, at most three, smallest change first.

    A change counts when the constraint then holds, no other that held breaks, and the output keeps its shape
    (a global pool, which changes it on purpose, aside). Every one is tried on a copy by ``judged``; how many
    are tried follows from what one trace costs, about two seconds in all. A model that cannot be copied gets
    none.
    """
    failing = [i for i, v in enumerate(verdicts) if not v.ok and v.value is not None]
    if not failing or (spare := _copy(model)) is None:
        return {}
    tries = round(min(_MOST, max(_FEWEST, _SECONDS / max(seconds_per_trace, 1e-4))) / len(failing))
    search = _Search(model=spare, traced=traced, verdicts=verdicts, judged=judged, tries=max(tries, _FIXES_PER_RULE))
    with torch.random.fork_rng(devices=[]):  # fresh layers draw weights
        return {i: tuple(search.confirmed(i)) for i in failing}


@dataclass(frozen=True, kw_only=True)
class _Search:
    model: nn.Module
    traced: Trace
    verdicts: tuple[Verdict, ...]
    judged: Judged
    tries: int

    def confirmed(self, index: int) -> Iterator[str]:
        """The changes that mend one verdict, the smallest first."""
        candidates = sorted(_candidates(self.model, self.traced, self.verdicts[index]), key=lambda e: abs(e.size))
        sentences = (self._tried(edit, index) for edit in candidates[: self.tries])
        return islice(filter(None, sentences), _FIXES_PER_RULE)

    def _tried(self, edit: Edit, index: int) -> str:
        """What the change does; empty when the changed model does not run or breaks something."""
        with _edited(self.model, edit) as changed:
            try:
                after, now = self.judged(changed)
            except (ConstraintError, RuntimeError, ValueError):
                return ""
        kept = after.output == self.traced.output or edit.layer == ""
        unharmed = all(n.ok for n, v in zip(now, self.verdicts, strict=True) if v.ok)
        return _sentence(edit, now[index], self.traced, after) if kept and unharmed and now[index].ok else ""


def _copy(model: nn.Module) -> nn.Module | None:
    try:
        return copy.deepcopy(model)
    except Exception:  # a user's model may refuse to be copied in any way it likes; then nothing is tried
        return None


@contextmanager
def _edited(model: nn.Module, edit: Edit) -> Iterator[nn.Module]:
    replacement = edit.build()
    if not edit.layer:
        yield replacement
        return
    parent, _, leaf = edit.layer.rpartition(".")
    owner, original = model.get_submodule(parent), model.get_submodule(edit.layer)
    setattr(owner, leaf, replacement.train(original.training))
    try:
        yield model
    finally:
        setattr(owner, leaf, original)


def _sentence(edit: Edit, verdict: Verdict, before: Trace, after: Trace) -> str:
    old, new = before.metrics.params, after.metrics.params
    change = "unchanged" if new == old else f"{new:,} ({new - old:+,})"
    aside = f", params {change}" if verdict.name != "params" else ""
    return f"{edit.text} makes {verdict.name} {verdict.value:,}{aside}"


def _candidates(model: nn.Module, traced: Trace, verdict: Verdict) -> Iterator[Edit]:
    """Edits that move the metric of a failing verdict the way it has to go."""
    if verdict.value is None or verdict.name == "classes":
        return iter(())
    rule = parse(verdict.expr, [verdict.name])
    need = edits.gap(verdict.value, rule.limit, rule.op)
    found = edits.sites(model, traced.layers)
    return _raise(model, traced, verdict.name, need, found) if need > 0 else _lower(model, verdict.name, -need, found)


def _raise(model: nn.Module, traced: Trace, metric: str, need: float, sites: tuple[Site, ...]) -> Iterator[Edit]:
    found: Iterator[Edit] = iter(())
    match metric:
        case "receptive_field" | "receptive_field_hw":
            found = _each(sites, lambda s: edits.dilate(s, need), lambda s: edits.enlarge(s, need))
        case "dilated_convs":
            found = _each((s for s in sites if max(s.conv.dilation) == 1), edits.dilate)
        case "depthwise_convs" | "depthwise_separable_convs":
            found = _each(sites, edits.separate, edits.follow_pointwise)
        case "global_average_pools":
            found = edits.pool_globally(model, traced.layers)
        case "stages" | "downsampled_by":
            found = _each(sites, lambda s: edits.restride(s, 2))
        case "convs" | "convs_per_stage" | "params" | "trainable_params":
            found = _each(sites, edits.insert)
    return found


def _lower(model: nn.Module, metric: str, need: float, sites: tuple[Site, ...]) -> Iterator[Edit]:
    found: Iterator[Edit] = iter(())
    match metric:
        case "receptive_field" | "receptive_field_hw":
            found = _each(sites, edits.undilate, edits.shrink)
        case "params" | "trainable_params":
            cheaper = _each(sites, edits.group, edits.separate, edits.shrink)
            found = (edit for edit in cheaper if edit.size >= need)
        case "macs" | "peak_activation_bytes":
            found = _each(sites, edits.group, edits.separate, edits.shrink, lambda s: edits.restride(s, 2))
        case "dilated_convs":
            found = _each(sites, edits.undilate)
        case "max_pools":
            found = edits.average_pools(model)
        case "stages" | "downsampled_by":
            found = _each(sites, lambda s: edits.restride(s, 1))
    return found


def _each(sites: Iterable[Site], *makers: Callable[[Site], Iterator[Edit]]) -> Iterator[Edit]:
    return chain.from_iterable(make(site) for site in sites for make in makers)
