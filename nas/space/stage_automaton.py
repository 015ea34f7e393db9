"""The rules on stages as a finite automaton over layers, which judging and counting share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constraints.rules import Constraint
from nas.space.analytic import MainPathConv

STRUCTURE = ("stages", "convs_per_stage")


class Event(NamedTuple):
    """What one layer does to the count of stages and of the convolutions in each."""

    before: int = 0
    """Convolutions up to the one that ends a stage, it included; all of them where none does."""
    closes: bool = False
    after: int = 0
    """Convolutions after the one that ends a stage."""
    is_spatial: bool = False
    """Whether a convolution larger than 1x1 is left in the open stage."""


def event(path: Sequence[MainPathConv], *, by_stride: bool) -> Event:
    """The event of a layer's convolutions on the main path.

    Stages end by stride, or, where a network strides nowhere, by dilation.
    """
    ends = [i for i, conv in enumerate(path) if (conv.is_strided if by_stride else conv.is_dilated)]
    if len(ends) > 1:
        raise ValueError(f"a layer that ends {len(ends)} stages")  # no word of a space makes one
    cut = ends[0] + 1 if ends else len(path)
    left = path[cut:] if ends else path
    return Event(
        before=sum(conv.counts for conv in path[:cut]),
        closes=bool(ends),
        after=sum(conv.counts for conv in path[cut:]),
        is_spatial=any(conv.is_spatial for conv in left),
    )


class State(NamedTuple):
    """State of the stage automaton; counters saturate where all constraints agree."""

    open_convs: int
    is_spatial: bool
    closed: int
    holds: tuple[bool, ...]
    """For each rule on convs_per_stage, whether every closed stage keeps it."""


class Automaton:
    """The rules among ``constraints`` on ``stages`` and ``convs_per_stage``, step by step over events.

    ``next[state, event]`` is the state after an event, ``verdicts[state]`` which of ``rules`` hold where the chain
    ends. State 0 is the start.
    """

    def __init__(self, constraints: Sequence[Constraint], events: Sequence[Event]) -> None:
        """Enumerate every state that the events reach."""
        self.rules = tuple(c for c in constraints if c.metric in STRUCTURE)
        self._per_stage = [c for c in self.rules if c.metric == "convs_per_stage"]
        self._most_convs = _cap(self._per_stage)
        self._most_stages = _cap([c for c in self.rules if c.metric == "stages"])
        states = [State(0, False, 0, (True,) * len(self._per_stage))]
        index = {states[0]: 0}
        rows = []
        for state in states:  # grows while it is walked
            following = [self._step(state, e) for e in events]
            for new in following:
                if new not in index:
                    index[new] = len(states)
                    states.append(new)
            rows.append([index[new] for new in following])
        self.next: npt.NDArray[np.int64] = np.array(rows, dtype=np.int64).reshape(len(states), len(events))
        verdicts = [self._verdict(state) for state in states]
        self.verdicts: npt.NDArray[np.bool_] = np.array(verdicts, dtype=bool).reshape(len(states), len(self.rules))

    def _step(self, state: State, e: Event) -> State:
        convs = min(state.open_convs + e.before, self._most_convs)
        if not e.closes:
            return state._replace(open_convs=convs, is_spatial=state.is_spatial or e.is_spatial)
        return State(
            min(e.after, self._most_convs),
            e.is_spatial,
            min(state.closed + 1, self._most_stages),
            self._kept(state, convs),
        )

    def _kept(self, state: State, convs: int) -> tuple[bool, ...]:
        return tuple(kept and c.holds(convs) for kept, c in zip(state.holds, self._per_stage, strict=True))

    def _verdict(self, state: State) -> list[bool]:
        stages = min(state.closed + state.is_spatial, self._most_stages)
        holds = self._kept(state, state.open_convs) if state.is_spatial else state.holds
        if not stages:
            holds = tuple(c.holds(0) for c in self._per_stage)
        kept = iter(holds)
        return [c.holds(stages) if c.metric == "stages" else next(kept) for c in self.rules]


def _cap(rules: Sequence[Constraint]) -> int:
    """The least number from which on all constraints agree; at least 1, which tells one stage from none."""
    return max([1, *(turn for c in rules for turn in c.turns)])
