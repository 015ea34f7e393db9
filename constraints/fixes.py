"""Find the smallest changes that fix a failing constraint, each proved by tracing the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from time import monotonic

import torch
from torch import nn

from constraints import edits
from constraints.edits import Change, Edit, Site
from constraints.model_state import copied
from constraints.rules import Verdict
from constraints.tracer import Trace

Judged = Callable[[nn.Module], tuple[Trace, tuple[Verdict, ...]]]

_FIXES_PER_RULE = 3
_TRACES = 64
_CUT = "the search for fixes was cut after {:g} s: --fixes-timeout, in Python fixes_timeout=, allows it more"
_UNTRIED = "untried: "
_ADVICE: Mapping[str, tuple[str, str]] = {
    "receptive_field": (
        "stride earlier, dilate, or use larger kernels",
        "stride later, dilate less, or use smaller kernels",
    ),
    "params": (
        "widen layers or add some",
        "narrow the widest layers, or split them into depthwise and 1x1 convolutions",
    ),
    "macs": ("widen layers or stride later", "stride earlier, or narrow the layers on the largest maps"),
    "peak_activation_bytes": (
        "widen the layers on the largest maps",
        "narrow or stride the layers on the largest maps",
    ),
    "dilated_convs": ("give a convolution larger than 1x1 a dilation of 2", "set dilations back to 1"),
    "depthwise_convs": ("set groups to in_channels in a convolution", "set groups back to 1"),
    "depthwise_separable_convs": (
        "replace a convolution by a depthwise one and a 1x1 right after it",
        "replace a depthwise convolution and its 1x1 by one plain convolution",
    ),
    "global_average_pools": (
        "average the last map over both spatial axes (AdaptiveAvgPool2d(1)) before the output",
        "keep one average over the whole map and take the others out",
    ),
    "max_pools": ("add a max-pool", "replace each max-pool by a stride of 2 in the convolution before it"),
    "fully_connected": (
        "add a linear layer after the global pool",
        "end in a 1x1 convolution in place of linear layers",
    ),
    "stages": ("give further convolutions a stride of 2", "set strides back to 1"),
    "convs_per_stage": (
        "add convolutions to the stages that are short of them",
        "take convolutions out of the longest stages",
    ),
    "convs": ("add convolutions", "take convolutions out"),
    "downsampled_by": ("give further convolutions a stride of 2", "set strides back to 1"),
    "global_context": ("add a squeeze-and-excitation gate", "take gates and attention over the whole map out"),
    "classes": ("give the last layer more outputs", "give the last layer fewer outputs"),
}
"""Metric -> what raises it and what lowers it, used where no change that was tried fixes it."""
_SAME = {"receptive_field_hw": "receptive_field", "trainable_params": "params"}


@dataclass(frozen=True, kw_only=True)
class Fixes:
    """What a search for fixes has found so far."""

    sentences: Mapping[int, tuple[str, ...]]
    """Index of a failing verdict -> at most three changes that fix it, smallest first, or one untried advice."""
    cut: str = ""
    """Why the search ended before its time, for people; empty where it did not."""


def suggest(
    model: nn.Module, traced: Trace, verdicts: tuple[Verdict, ...], judged: Judged, seconds: float
) -> Iterator[Fixes]:
    """Changes that fix the failing verdicts, told anew whenever one is found, and at the end.

    Where nothing that was tried helps, there is one general sentence instead, marked as untried. A change counts when
    the constraint then holds, no other that held breaks, and the output keeps its shape (a global pool, which
    changes it on purpose, aside). Each is tried on a copy by ``judged``, those for one rule in turn with those for the
    others; 64 of one layer are tried in all, and at most as many of several layers, so that the advice is the same on
    every machine; none after ``seconds``. On a model that cannot be copied, none.
    """
    failing = [i for i, v in enumerate(verdicts) if not v.ok and v.value is not None]
    if not failing:
        return
    advice = {i: _advice(verdicts[i]) for i in failing}
    yield Fixes(sentences=advice)
    if (spare := _copy(model)) is None:
        return
    tries = max(_TRACES // len(failing), _FIXES_PER_RULE)
    search = _Search(model=spare, traced=traced, verdicts=verdicts, judged=judged, tries=tries)
    found: dict[int, tuple[str, ...]] = {}
    ends, cut = monotonic() + seconds, ""
    with torch.random.fork_rng(devices=[]):  # fresh layers draw weights
        for index, sentence in _in_turn({i: search.tried(i) for i in failing}):
            if sentence:
                found[index] = (*found.get(index, ()), sentence)
                yield Fixes(sentences=advice | found)
            if monotonic() > ends:
                cut = _CUT.format(seconds)
                break
    yield Fixes(sentences=advice | found, cut=cut)


def _in_turn(searches: Mapping[int, Iterator[str]]) -> Iterator[tuple[int, str]]:
    """One step of each search after the other, until each has found enough or has come to its end."""
    left, found = dict(searches), dict.fromkeys(searches, 0)
    while left:
        for index, search in list(left.items()):
            sentence = next(search, None)
            found[index] += bool(sentence)
            if sentence is None or found[index] == _FIXES_PER_RULE:
                del left[index]
            if sentence is not None:
                yield index, sentence


@dataclass(frozen=True, kw_only=True)
class _Search:
    model: nn.Module
    traced: Trace
    verdicts: tuple[Verdict, ...]
    judged: Judged
    tries: int

    def tried(self, index: int) -> Iterator[str]:
        """What each change for one verdict does, the smallest first; empty where it does not fix it."""
        found = _candidates(self.model, self.traced, self.verdicts[index])
        single = sorted(((edit,) for edit in found), key=lambda change: abs(change[0].size))
        several = islice(_together(self.model, self.traced, self.verdicts[index]), self.tries)
        return (self._tried(change, index) for change in chain(single[: self.tries], several))

    def _tried(self, change: Change, index: int) -> str:
        """What the change does; empty when the changed model does not run or breaks something."""
        with _edited(self.model, change) as changed:
            try:
                after, now = self.judged(changed)
            except Exception:  # the user's code on shapes that it was not written for
                return ""
        kept = after.output == self.traced.output or change[0].layer == ""
        unharmed = all(n.ok for n, v in zip(now, self.verdicts, strict=True) if v.ok)
        return _sentence(change, now[index], self.traced, after) if kept and unharmed and now[index].ok else ""


def _copy(model: nn.Module) -> nn.Module | None:
    try:
        return copied(model)
    except Exception:  # a user's model may refuse to be copied in any way it likes; then nothing is tried
        return None


@contextmanager
def _edited(model: nn.Module, change: Change) -> Iterator[nn.Module]:
    if not change[0].layer:
        yield change[0].build()
        return
    with ExitStack() as edits_made:
        for edit in change:
            edits_made.enter_context(_replaced(model, edit))
        yield model


@contextmanager
def _replaced(model: nn.Module, edit: Edit) -> Iterator[None]:
    replacement = edit.build()
    parent, _, leaf = edit.layer.rpartition(".")
    owner, original = model.get_submodule(parent), model.get_submodule(edit.layer)
    setattr(owner, leaf, replacement.train(original.training))
    try:
        yield
    finally:
        setattr(owner, leaf, original)


def _sentence(edits_made: Change, verdict: Verdict, before: Trace, after: Trace) -> str:
    old, new = before.metrics.params, after.metrics.params
    aside = ""
    if verdict.name != "params" and old is not None and new is not None:
        aside = f", params {f'{new:,} ({new - old:+,})' if new != old else 'unchanged'}"
    return f"{edits_made[0].text} makes {verdict.name} {verdict.value:,}{aside}"


def _advice(verdict: Verdict) -> tuple[str, ...]:
    """What to change, in words; nothing for a metric of the user's own or one that just has to be another."""
    words = _ADVICE.get(_SAME.get(verdict.name, verdict.name))
    need = _need(verdict)
    return (_UNTRIED + words[need < 0],) if words and need else ()


def _need(verdict: Verdict) -> float:
    """By how much the metric of a failing verdict has to change."""
    if verdict.value is None or verdict.constraint is None:
        return 0
    return verdict.constraint.change(verdict.value)


def _candidates(model: nn.Module, traced: Trace, verdict: Verdict) -> Iterator[Edit]:
    """Edits that move the metric of a failing verdict the way it has to go."""
    if verdict.value is None or verdict.name == "classes":
        return iter(())
    need = _need(verdict)
    found = edits.sites(model, traced.layers)
    return _raise(model, traced, verdict.name, need, found) if need > 0 else _lower(model, verdict.name, -need, found)


def _together(model: nn.Module, traced: Trace, verdict: Verdict) -> Iterator[Change]:
    """Changes of several layers at once, for what no change of a single layer can fix."""
    need, found = _need(verdict), edits.sites(model, traced.layers)
    changes: Iterator[Change] = iter(())
    match verdict.name:
        case "stages" if need:
            changes = edits.restrides(found, 2 if need > 0 else 1, round(abs(need)))
        case "params" | "trainable_params" if need < 0:
            changes = edits.separate_several(found, -need)
        case "max_pools" if need < 0:
            changes = edits.average_everywhere(model, traced.responsible["max_pools"])
    return changes


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
