"""The rules on stages as a finite automaton over layers, which judging and counting share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constraints.rules import Constraint
from constraints.stages import STRUCTURE, Place, PrefixState, StageRules

__all__ = ["STRUCTURE", "Automaton", "Segment", "StageEvent", "event"]


class Segment(NamedTuple):
    """Convolutions in a row, of which only the last may end a stage."""

    convs: int
    is_spatial: bool
    end: str = ""
    """``"stride"``: the last one ends a stage; ``"dilation"``: it may."""


class StageEvent(NamedTuple):
    """What one layer does to the count of stages and of the convolutions in each."""

    segments: tuple[Segment, ...] = ()

    @property
    def by_stride(self) -> Totals:
        """What it does where strides alone end stages."""
        closing = [i for i, s in enumerate(self.segments) if s.end == "stride"]
        cut = closing[0] + 1 if closing else len(self.segments)
        left = self.segments[cut:] if closing else self.segments
        return Totals(
            before=sum(s.convs for s in self.segments[:cut]),
            closes=bool(closing),
            after=sum(s.convs for s in self.segments[cut:]),
            is_spatial=any(s.is_spatial for s in left),
        )


class Totals(NamedTuple):
    """What one layer does to stages that end by stride."""

    before: int
    """Convolutions up to the one that ends a stage, it included; all of them where none does."""
    closes: bool
    after: int
    """Convolutions after the one that ends a stage."""
    is_spatial: bool
    """Whether a convolution larger than 1x1 is left in the open stage."""


def event(path: Sequence[Place]) -> StageEvent:
    """The event of a layer's convolutions on the main path."""
    strided = sum(place.is_strided for place in path)
    if strided > 1:
        raise ValueError(f"a layer that ends {strided} stages")  # no word of a space makes one
    segments: list[Segment] = []
    convs, is_spatial = 0, False
    for place in path:
        convs, is_spatial = convs + place.counts, is_spatial or place.is_spatial
        if place.is_strided or place.is_dilated:
            segments.append(Segment(convs, is_spatial, "stride" if place.is_strided else "dilation"))
            convs, is_spatial = 0, False
    return StageEvent((*segments, Segment(convs, is_spatial)) if convs or is_spatial else tuple(segments))


class _States(NamedTuple):
    """Where a chain of layers leaves the rules."""

    by_stride: PrefixState
    choices: frozenset[PrefixState]
    """With each choice of stand-ins that may still keep every rule."""


class Automaton:
    """The rules among ``constraints`` on ``stages`` and ``convs_per_stage``, step by step over events.

    ``next[state, event]`` is the state after an event, ``verdicts[state]`` which of ``rules`` hold where the chain
    ends: all of them where some choice of stand-ins keeps all, else those that the split by strides keeps. State 0 is
    the start. A subset construction over the choices, then minimised (Moore, Gedanken-experiments on sequential
    machines, 1956).
    """

    def __init__(
        self, constraints: Sequence[Constraint], events: Sequence[StageEvent], most: int | None = None
    ) -> None:
        """Enumerate every state that the events reach; no chain makes more than ``most`` stages, or convolutions."""
        self._stages = StageRules(constraints, most)
        self._followers: dict[tuple[PrefixState, Segment], tuple[PrefixState, ...]] = {}
        self.rules = self._stages.rules
        start = self._stages.start
        states = [_States(start, frozenset(self._may_hold([start])))]
        index = {states[0]: 0}
        rows = []
        for state in states:  # grows while it is walked
            following = [self._after(state, e) for e in events]
            for new in following:
                if new not in index:
                    index[new] = len(states)
                    states.append(new)
            rows.append([index[new] for new in following])
        moves = np.array(rows, dtype=np.int64).reshape(len(states), len(events))
        verdicts = np.array([self._verdict(s) for s in states], dtype=bool).reshape(len(states), len(self.rules))
        first, same = _minimal(moves, verdicts)
        self.next: npt.NDArray[np.int64] = same[moves[first]]
        self.verdicts: npt.NDArray[np.bool_] = verdicts[first]

    def _after(self, state: _States, e: StageEvent) -> _States:
        by_stride, choices = state
        for s in e.segments:
            by_stride = self._stages.step(by_stride, s.convs, is_spatial=s.is_spatial, closes=s.end == "stride")
            choices = frozenset(found for choice in choices for found in self._after_choice(choice, s))
        return _States(by_stride, choices)

    def _after_choice(self, choice: PrefixState, s: Segment) -> tuple[PrefixState, ...]:
        """What one choice becomes: few of them make up the many sets, so each is stepped once."""
        known = self._followers.get((choice, s))
        if known is None:
            ends = {"": (False,), "stride": (True,), "dilation": (False, True)}[s.end]
            steps = (self._stages.step(choice, s.convs, is_spatial=s.is_spatial, closes=closes) for closes in ends)
            known = self._followers[choice, s] = tuple(self._may_hold(steps))
        return known

    def _may_hold(self, choices: Sequence[PrefixState] | Iterator[PrefixState]) -> Iterator[PrefixState]:
        return (choice for choice in choices if self._stages.may_hold(choice))

    def _verdict(self, state: _States) -> tuple[bool, ...]:
        if any(all(self._stages.verdict(choice)) for choice in state.choices):
            return (True,) * len(self.rules)
        return self._stages.verdict(state.by_stride)


def _minimal(
    moves: npt.NDArray[np.int64], verdicts: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """One state of each class of equivalent ones, in the order of their first, and the class of every state."""
    classes = _numbered(verdicts)
    while True:
        finer = _numbered(np.column_stack([classes, classes[moves]]))
        if finer.max() == classes.max():
            return np.unique(finer, return_index=True)[1], finer
        classes = finer


def _numbered(rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Equal rows get equal numbers, from 0 in the order in which they first appear."""
    if not rows.shape[1]:
        return np.zeros(len(rows), dtype=np.int64)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse.ravel()])
