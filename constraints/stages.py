"""Split the main path of a network into stages, by the constraints; used for traces and for search spaces.

Convolutions with a stride end a stage, always. Where the strides alone do not satisfy the constraints on ``stages`` and
``convs_per_stage``, dilated convolutions may be further stage ends. No torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

from constraints.rules import Constraint

STRUCTURE = ("stages", "convs_per_stage")


class Place(NamedTuple):
    """A convolution of the main path, or several parallel ones whose results are joined."""

    counts: bool
    """Whether it counts as a convolution; the pointwise half of a depthwise-separable pair does not."""
    is_spatial: bool
    is_strided: bool
    is_dilated: bool
    name: str = ""
    """Name of the layer, for messages."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a main path."""

    first: str
    """Name of its first layer."""
    last: str
    by: str
    """What ends it: ``stride`` or ``dilation``; empty if the path ends first."""
    convs: int

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON; ``by`` is null if the path ends first."""
        return {"first": self.first, "last": self.last, "by": self.by or None, "convs": self.convs}

    def words(self, rules: Iterable[Constraint] = ()) -> str:
        """``3 from c1.0 to c1.2 (stride)``, with the number of convolutions too few or too many for ``rules``."""
        span = f"at {self.first}" if self.first == self.last else f"from {self.first} to {self.last}"
        change = next((c.change(self.convs) for c in rules if not c.holds(self.convs)), 0)
        short = f", {abs(change):g} too {'few' if change > 0 else 'many'}" if change else ""
        return f"{self.convs} {span} ({self.by or 'no end'}{short})"


@dataclass(frozen=True, kw_only=True)
class StageSplit:
    """The main path in stages."""

    path: tuple[Place, ...]
    stand_ins: tuple[int, ...] = ()
    """Indices of the dilated convolutions that end a stage."""

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Indices of the convolutions that end a stage."""
        return tuple(i for i, place in enumerate(self.path) if place.is_strided or i in self.stand_ins)

    @property
    def has_tail(self) -> bool:
        """Whether spatial convolutions after the last end make one more stage; 1x1 ones alone do not."""
        return any(place.is_spatial for place in self.path[self.ends[-1] + 1 if self.ends else 0 :])

    @property
    def places(self) -> tuple[tuple[Place, ...], ...]:
        """The places of each stage, the one that ends it last."""
        bounds = [0, *(end + 1 for end in self.ends), *([len(self.path)] if self.has_tail else [])]
        return tuple(self.path[a:b] for a, b in pairwise(bounds))

    @property
    def convs_per_stage(self) -> tuple[int, ...]:
        """Number of convolutions in each stage."""
        return tuple(sum(place.counts for place in stage) for stage in self.places)

    def keeps(self, constraint: Constraint) -> bool:
        """Whether it satisfies a constraint on ``stages`` or ``convs_per_stage``."""
        counts = self.convs_per_stage
        return all(map(constraint.holds, [len(counts)] if constraint.metric == "stages" else counts or [0]))

    def reasons(self) -> dict[str, str]:
        """Name of each layer that ends a stage -> ``"stride"`` or ``"dilation"``."""
        return {self.path[i].name: "stride" if self.path[i].is_strided else "dilation" for i in self.ends}

    def spans(self) -> tuple[Stage, ...]:
        """The first and last layer of each stage, what ends it, and its number of convolutions."""
        by = [*self.reasons().values(), ""]
        return tuple(
            Stage(first=stage[0].name, last=stage[-1].name, by=reason, convs=sum(p.counts for p in stage))
            for stage, reason in zip(self.places, by, strict=False)
        )

    def words(self, rules: Iterable[Constraint] = ()) -> str:
        """The spans; a stage that violates one of ``rules`` on ``convs_per_stage`` says by how much."""
        rules = [c for c in rules if c.metric == "convs_per_stage"]
        return ", ".join(span.words(rules) for span in self.spans()) or "none"

    @property
    def by_dilation_too(self) -> StageSplit:
        """The split in which every dilated convolution ends a stage."""
        return replace(self, stand_ins=tuple(i for i, p in enumerate(self.path) if p.is_dilated and not p.is_strided))


class PrefixState(NamedTuple):
    """What the rules need to know of a prefix of a path; counters saturate where all constraints agree."""

    open_convs: int
    is_spatial: bool
    closed: int
    holds: tuple[bool, ...]
    """For each rule on convs_per_stage, whether every closed stage satisfies it."""


class StageRules:
    """Evaluates the constraints on ``stages`` and ``convs_per_stage`` step by step along a path."""

    def __init__(self, constraints: Iterable[Constraint], most: int | None = None) -> None:
        """Keep the constraints on stages; if ``most`` is given, no path has more stages or convolutions than that.

        Counters then saturate just above ``most`` at the latest, even if a limit is larger.
        """
        self.rules = tuple(c for c in constraints if c.metric in STRUCTURE)
        self._per_stage = [c for c in self.rules if c.metric == "convs_per_stage"]
        self._stages = [c for c in self.rules if c.metric == "stages"]
        self._most_convs, self._most_stages = (
            cap if most is None else min(cap, most + 1) for cap in (_cap(self._per_stage), _cap(self._stages))
        )
        self._last = min((c.hull.high for c in self._stages), default=inf)
        self.start = PrefixState(0, False, 0, (True,) * len(self._per_stage))

    def step(self, state: PrefixState, convs: int, *, is_spatial: bool, closes: bool) -> PrefixState:
        """The state after ``convs`` more convolutions, the last of which ends the stage if it ``closes``."""
        convs = min(state.open_convs + convs, self._most_convs)
        if not closes:
            return state._replace(open_convs=convs, is_spatial=state.is_spatial or is_spatial)
        return PrefixState(0, False, min(state.closed + 1, self._most_stages), self._kept(state, convs))

    def verdict(self, state: PrefixState) -> tuple[bool, ...]:
        """Which of the rules hold if the path ends here."""
        stages = min(state.closed + state.is_spatial, self._most_stages)
        holds = self._kept(state, state.open_convs) if state.is_spatial else state.holds
        if not stages:
            holds = tuple(c.holds(0) for c in self._per_stage)
        kept = iter(holds)
        return tuple(c.holds(stages) if c.metric == "stages" else next(kept) for c in self.rules)

    def may_hold(self, state: PrefixState) -> bool:
        """Whether some continuation may satisfy every rule."""
        return state.closed <= self._last and all(state.holds)

    def _kept(self, state: PrefixState, convs: int) -> tuple[bool, ...]:
        return tuple(kept and c.holds(convs) for kept, c in zip(state.holds, self._per_stage, strict=True))


def split(path: Sequence[Place], constraints: Iterable[Constraint] = ()) -> StageSplit:
    """The split that ``constraints`` are judged by.

    It is the split by strides, if that satisfies those on stages or no split does; else the satisfying split with the
    fewest ends by dilation, and among these the one with the earliest.
    """
    rules = StageRules(constraints)
    if not rules.rules:
        return StageSplit(path=tuple(path))
    best: dict[PrefixState, tuple[int, tuple[int, ...]]] = {rules.start: (0, ())}
    for i, place in enumerate(path):
        following: dict[PrefixState, tuple[int, tuple[int, ...]]] = {}
        for state, (number, chosen) in best.items():
            for closes in _choices(place):
                new = rules.step(state, place.counts, is_spatial=place.is_spatial, closes=closes)
                stands_in = closes and not place.is_strided
                found = (number + 1, (*chosen, i)) if stands_in else (number, chosen)
                if rules.may_hold(new) and found < following.get(new, (len(path) + 1, ())):
                    following[new] = found
        best = following
    _, chosen = min((b for state, b in best.items() if all(rules.verdict(state))), default=(0, ()))
    return StageSplit(path=tuple(path), stand_ins=chosen)


def _choices(place: Place) -> Collection[bool]:
    """Whether a place ends a stage: a strided one does, a dilated one may."""
    if place.is_strided:
        return (True,)
    return (False, True) if place.is_dilated else (False,)


def _cap(rules: Sequence[Constraint]) -> int:
    """The smallest number from which on all constraints agree; at least 1, to distinguish one stage from none."""
    return max([1, *(turn for c in rules for turn in c.turns)])
