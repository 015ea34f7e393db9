"""Propose changes that move a metric in the direction a failing constraint needs, the smallest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf

from torch import nn

from constraints import conv_edits
from constraints.called_convs import Calls
from constraints.conv_sites import Site, sites, told_apart
from constraints.edits import Change, Edit
from constraints.insertions import insert
from constraints.pool_edits import average_everywhere, average_pools, pool_globally, stride_for_pools
from constraints.rules import Constraint
from constraints.stage_additions import added_stages
from constraints.stage_edits import restaged, unstrided
from constraints.stages import Place
from constraints.tracer import Trace
from constraints.verdicts import Verdict

_SMALL_DILATIONS, _LARGER_DILATIONS = (2, 3, 4), (5, 6, 7, 8)
_MOST_INSERTED = 6
_COLOURS = 4
SAME = {
    "receptive_field_hw": "receptive_field",
    "trainable_params": "params",
    "depthwise_convs": "depthwise_separable_convs",
    "weight_bytes": "params",
    "weight_bytes_float16": "params",
    "weight_bytes_int8": "params",
    "flash_bytes": "params",
    "peak_activation_bytes_int8": "peak_activation_bytes",
    "ram_bytes": "peak_activation_bytes",
}
"""Metric -> another metric whose changes move it too."""
_BYTES = {"weight_bytes": 4, "weight_bytes_float16": 2}
"""Metric -> its increase per added parameter, where that is not 1."""


def need(verdict: Verdict) -> float:
    """The change that the metric of a failing verdict needs; 0 if unknown."""
    if verdict.ok or verdict.value is None or verdict.constraint is None:
        return 0
    return verdict.constraint.change(verdict.value)


def changes(
    model: nn.Module, traced: Trace, verdict: Verdict, rules: Sequence[Constraint], calls: Calls = ()
) -> Iterator[Change]:
    """Changes for one failing verdict; ``rules`` are all constraints.

    ``calls`` are the convolutions of the traced forward pass; those called as functions may be changed too.
    """
    by = need(verdict)
    if not by or verdict.name == "classes":
        return iter(())
    found = sites(model, traced.layers, calls)
    path, amount = told_apart(traced.path, traced.layers), abs(by) / _BYTES.get(verdict.name, 1)
    offered = _Offered(model=model, traced=traced, sites=found, path=path, rules=rules, need=amount)
    return (offered.to_raise if by > 0 else offered.to_lower)(SAME.get(verdict.name, verdict.name))


@dataclass(frozen=True, kw_only=True)
class _Offered:
    model: nn.Module
    traced: Trace
    sites: tuple[Site, ...]
    path: tuple[Place, ...]
    rules: Sequence[Constraint]
    need: float

    def to_raise(self, metric: str) -> Iterator[Change]:
        """Changes that raise a metric."""
        found: Iterator[Change] = iter(())
        match metric:
            case "receptive_field":
                found = self._widen()
            case "dilated_convs":
                found = self._several(
                    [e for s in self.sites if max(s.conv.dilation) == 1 for e in conv_edits.dilate(s, 2)]
                )
            case "depthwise_separable_convs":
                found = self._several([e for s in _middle_first(self.sites) for e in _separable(s)])
            case "global_average_pools":
                single = ((edit,) for edit in pool_globally(self.model, self.traced.layers))
                found = chain(single, average_everywhere(self.model, self.traced.responsible["max_pools"]))
            case "stages" | "convs_per_stage":
                pools = list(stride_for_pools(self.sites, self.model, self.traced.layers))
                found = chain(_all_at_once(pools), pools, restaged(self.sites, self.path, self.rules))
                found = chain(
                    found, added_stages(self.model, self.sites, self.traced, self.rules), _sorted(self.sites, insert)
                )
            case "downsampled_by":
                found = _sorted(self.sites, lambda s: conv_edits.restride(s, 2))
            case "convs" | "params":
                found = _sorted(self.sites, insert)
        return found

    def to_lower(self, metric: str) -> Iterator[Change]:
        """Changes that lower a metric."""
        found: Iterator[Change] = iter(())
        match metric:
            case "receptive_field":
                found = _sorted(self.sites, conv_edits.undilate, conv_edits.shrink)
            case "params":
                cheaper = _sorted(self.sites, conv_edits.group, conv_edits.separate, conv_edits.shrink)
                found = (change for change in cheaper if change[0].size >= self.need)
                found = chain(found, separate_several(self.sites, self.need))
            case "macs" | "peak_activation_bytes":
                found = _sorted(
                    self.sites,
                    conv_edits.group,
                    conv_edits.separate,
                    conv_edits.shrink,
                    lambda s: conv_edits.restride(s, 2),
                )
            case "dilated_convs":
                found = self._several([e for s in self.sites for e in conv_edits.undilate(s)])
            case "max_pools":
                single = [(edit,) for edit in average_pools(self.model)]
                every = average_everywhere(self.model, self.traced.responsible["max_pools"])
                strided = list(stride_for_pools(self.sites, self.model, self.traced.layers))
                found = chain(single, every, strided, _all_at_once(strided))
            case "stages" | "convs_per_stage":
                found = chain(
                    unstrided(self.sites, self.path, self.rules),
                    restaged(self.sites, self.path, self.rules),
                )
            case "downsampled_by":
                found = _sorted(self.sites, lambda s: conv_edits.restride(s, 1))
        return found

    def _several(self, found: Sequence[Edit]) -> Iterator[Change]:
        """As many of the edits together as the metric needs, since each moves it by 1."""
        number = max(1, round(self.need))
        return (tuple(found[i : i + number]) for i in range(len(found) - number + 1))

    def _widen(self) -> Iterator[Change]:
        """Small dilations, in one layer or several; then strides, kernels, layers; then larger dilations."""
        yield from chain.from_iterable(widened(self.sites, d, self.need) for d in _SMALL_DILATIONS)
        yield from _sorted(self.sites, lambda s: conv_edits.enlarge(s, self.need))
        yield from _sorted(self.sites, lambda s: conv_edits.restride(s, 2))
        last = max(
            (s for s in self.sites if s.spatial and not s.called), key=lambda s: s.layer.jump or (0.0,), default=None
        )
        if last is not None:
            number = -int(-self.need // (2 * min(last.layer.jump or (inf,))))
            if 0 < number <= _MOST_INSERTED:
                yield from ((edit,) for edit in insert(last, number))
        yield from chain.from_iterable(widened(self.sites, d, self.need) for d in _LARGER_DILATIONS)


def widened(sites: Sequence[Site], dilation: int, growth: float) -> Iterator[Change]:
    """A dilation in just enough layers to widen the receptive field of a chain by ``growth``; then in other layers."""
    gains = [(min(_gains(site, dilation)), site, edit) for site in sites for edit in conv_edits.dilate(site, dilation)]
    left = sorted((g for g in gains if g[0] > 0), key=lambda g: -g[0])
    while left:
        chosen = 0
        while chosen < len(left) and sum(g[0] for g in left[:chosen]) < growth:
            chosen += 1
        if sum(g[0] for g in left[:chosen]) < growth:
            return
        names = {site.name for _, site, _ in left[:chosen]}
        yield tuple(edit for _, site, edit in gains if site.name in names)
        left = left[chosen:]


def _gains(site: Site, dilation: int) -> list[float]:
    """The input pixels by which a dilation widens the field, per axis."""
    conv = site.conv
    axes = zip(site.jump, conv.kernel_size, conv.dilation, strict=True)
    return [j * (k - 1) * max(0, dilation - d) for j, k, d in axes]


def separate_several(sites: Iterable[Site], need: float) -> Iterator[Change]:
    """Replace plain convolutions by depthwise and 1x1 ones, those that save most first, until ``need`` is saved."""
    chosen: list[Edit] = []
    for edit in sorted((e for site in sites for e in conv_edits.separate(site)), key=lambda e: -e.size):
        if edit.size > 0 and sum(e.size for e in chosen) < need:
            chosen.append(edit)
    if len(chosen) > 1 and sum(e.size for e in chosen) >= need:
        yield tuple(chosen)


def _separable(site: Site) -> Iterator[Edit]:
    yield from conv_edits.separate(site)
    yield from conv_edits.follow_pointwise(site)


def _middle_first(sites: Sequence[Site]) -> list[Site]:
    """Inner layers first, then those on the image, whose few channels make a depthwise kernel of little use."""
    return sorted(sites, key=lambda site: (site.conv.in_channels < _COLOURS, site.conv.weight.numel()))


def _all_at_once(found: Sequence[Change]) -> Iterator[Change]:
    """All the changes combined, similar edits next to each other."""
    if len(found) > 1:
        yield tuple(sorted(chain.from_iterable(found), key=lambda edit: edit.text, reverse=True))


def _sorted(sites: Iterable[Site], *makers: Callable[[Site], Iterator[Edit]]) -> Iterator[Change]:
    """Edits of one layer, the smallest first."""
    found = [edit for site in sites for make in makers for edit in make(site)]
    return ((edit,) for edit in sorted(found, key=lambda edit: abs(edit.size)))
