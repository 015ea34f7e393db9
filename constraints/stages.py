"""Split the main path of a network into stages by the constraints that are asked; both roads to the metrics share it.

Convolutions with a stride end a stage, always. Where the strides alone do not satisfy the constraints on ``stages`` and
``convs_per_stage``, dilated convolutions may stand in as further ends. No torch.
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
    """A convolution of the main path, or several side by side whose results are joined."""

    counts: bool
    """The pointwise half of a depthwise-separable pair does not."""
    is_spatial: bool
    is_strided: bool
    is_dilated: bool
    name: str = ""
    """Of the layer, for messages."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a main path."""

    first: str
    """Name of the layer with which it begins."""
    last: str
    by: str
    """What ends it: ``stride``, ``dilation``; empty where only the path does."""
    convs: int

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON; ``by`` is null where nothing ends it."""
        return {"first": self.first, "last": self.last, "by": self.by or None, "convs": self.convs}

    def words(self, rules: Iterable[Constraint] = ()) -> str:
        """``3 from c1.0 to c1.2 (stride)``, with by how much it breaks ``rules`` on its convolutions."""
        span = f"at {self.first}" if self.first == self.last else f"from {self.first} to {self.last}"
        change = next((c.change(self.convs) for c in rules if not c.holds(self.convs)), 0)
        short = f", {abs(change):g} too {'few' if change > 0 else 'many'}" if change else ""
        return f"{self.convs} {span} ({self.by or 'no end'}{short})"


@dataclass(frozen=True, kw_only=True)
class Split:
    """The main path in stages."""

    path: tuple[Place, ...]
    stand_ins: tuple[int, ...] = ()
    """Places of the dilated convolutions that end a stage."""

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Places of the convolutions that end a stage."""
        return tuple(i for i, place in enumerate(self.path) if place.is_strided or i in self.stand_ins)

    @property
    def has_tail(self) -> bool:
        """Whether spatial convolutions after the last end make a stage more; 1x1 ones alone do not."""
        return any(place.is_spatial for place in self.path[self.ends[-1] + 1 if self.ends else 0 :])

    @property
    def places(self) -> tuple[tuple[Place, ...], ...]:
        """The places of each stage, the one that ends it last."""
        bounds = [0, *(end + 1 for end in self.ends), *([len(self.path)] if self.has_tail else [])]
        return tuple(self.path[a:b] for a, b in pairwise(bounds))

    @property
    def convs_per_stage(self) -> tuple[int, ...]:
        """Convolutions of each stage."""
        return tuple(sum(place.counts for place in stage) for stage in self.places)

    def keeps(self, constraint: Constraint) -> bool:
        """Whether it satisfies a constraint on ``stages`` or ``convs_per_stage``."""
        counts = self.convs_per_stage
        return all(map(constraint.holds, [len(counts)] if constraint.metric == "stages" else counts or [0]))

    def reasons(self) -> dict[str, str]:
        """Name of each layer that ends a stage -> ``"stride"`` or ``"dilation"``."""
        return {self.path[i].name: "stride" if self.path[i].is_strided else "dilation" for i in self.ends}

    def spans(self) -> tuple[Stage, ...]:
        """Where each stage begins and ends and by what, with its convolutions."""
        by = [*self.reasons().values(), ""]
        return tuple(
            Stage(first=stage[0].name, last=stage[-1].name, by=reason, convs=sum(p.counts for p in stage))
            for stage, reason in zip(self.places, by, strict=False)
        )

    def words(self, rules: Iterable[Constraint] = ()) -> str:
        """The spans; a stage that breaks one of ``rules`` on ``convs_per_stage`` says by how much."""
        rules = [c for c in rules if c.metric == "convs_per_stage"]
        return ", ".join(span.words(rules) for span in self.spans()) or "none"

    @property
    def by_dilation_too(self) -> Split:
        """The split in which every dilated convolution ends a stage."""
        return replace(self, stand_ins=tuple(i for i, p in enumerate(self.path) if p.is_dilated and not p.is_strided))


class State(NamedTuple):
    """What the rules have to know of a beginning; counters saturate where all constraints agree."""

    open_convs: int
    is_spatial: bool
    closed: int
    holds: tuple[bool, ...]
    """For each rule on convs_per_stage, whether every closed stage keeps it."""


class StageRules:
    """The rules among ``constraints`` on ``stages`` and ``convs_per_stage``, step by step along a path."""

    def __init__(self, constraints: Iterable[Constraint], most: int | None = None) -> None:
        """Take the rules that are on stages; no path has more than ``most`` stages, or convolutions, where it is given.

        Counters then saturate at the latest just above ``most``, however far off a limit is.
        """
        self.rules = tuple(c for c in constraints if c.metric in STRUCTURE)
        self._per_stage = [c for c in self.rules if c.metric == "convs_per_stage"]
        self._stages = [c for c in self.rules if c.metric == "stages"]
        self._most_convs, self._most_stages = (
            cap if most is None else min(cap, most + 1) for cap in (_cap(self._per_stage), _cap(self._stages))
        )
        self._last = min((c.hull.high for c in self._stages), default=inf)
        self.start = State(0, False, 0, (True,) * len(self._per_stage))

    def step(self, state: State, convs: int, *, is_spatial: bool, closes: bool) -> State:
        """The state after so many convolutions, the last of which ends the stage where it ``closes``."""
        convs = min(state.open_convs + convs, self._most_convs)
        if not closes:
            return state._replace(open_convs=convs, is_spatial=state.is_spatial or is_spatial)
        return State(0, False, min(state.closed + 1, self._most_stages), self._kept(state, convs))

    def verdict(self, state: State) -> tuple[bool, ...]:
        """Which of the rules hold where the path ends."""
        stages = min(state.closed + state.is_spatial, self._most_stages)
        holds = self._kept(state, state.open_convs) if state.is_spatial else state.holds
        if not stages:
            holds = tuple(c.holds(0) for c in self._per_stage)
        kept = iter(holds)
        return tuple(c.holds(stages) if c.metric == "stages" else next(kept) for c in self.rules)

    def may_hold(self, state: State) -> bool:
        """Whether some continuation may keep every rule."""
        return state.closed <= self._last and all(state.holds)

    def _kept(self, state: State, convs: int) -> tuple[bool, ...]:
        return tuple(kept and c.holds(convs) for kept, c in zip(state.holds, self._per_stage, strict=True))


def split(path: Sequence[Place], constraints: Iterable[Constraint] = ()) -> Split:
    """The split that ``constraints`` are judged by.

    That is the one by strides where it satisfies those on stages or none does; else the satisfying one with the fewest
    stand-ins, of these the one with the earliest.
    """
    rules = StageRules(constraints)
    if not rules.rules:
        return Split(path=tuple(path))
    best: dict[State, tuple[int, tuple[int, ...]]] = {rules.start: (0, ())}
    for i, place in enumerate(path):
        following: dict[State, tuple[int, tuple[int, ...]]] = {}
        for state, (number, chosen) in best.items():
            for closes in _choices(place):
                new = rules.step(state, place.counts, is_spatial=place.is_spatial, closes=closes)
                stands_in = closes and not place.is_strided
                found = (number + 1, (*chosen, i)) if stands_in else (number, chosen)
                if rules.may_hold(new) and found < following.get(new, (len(path) + 1, ())):
                    following[new] = found
        best = following
    _, chosen = min((b for state, b in best.items() if all(rules.verdict(state))), default=(0, ()))
    return Split(path=tuple(path), stand_ins=chosen)


def _choices(place: Place) -> Collection[bool]:
    """Whether a place ends a stage: a strided one does, a dilated one may."""
    if place.is_strided:
        return (True,)
    return (False, True) if place.is_dilated else (False,)


def _cap(rules: Sequence[Constraint]) -> int:
    """The least number from which on all constraints agree; at least 1, which tells one stage from none."""
    return max([1, *(turn for c in rules for turn in c.turns)])
