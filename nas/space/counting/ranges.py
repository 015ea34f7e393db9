"""Which values each metric of a space's networks can have: least and greatest, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from constraints.metrics import Metrics
from nas.space.bulk_metrics import ALIASES, CONSTANT, Vector
from nas.space.layer_tables import ADDED, GREATEST, Slot
from nas.space.stage_automaton import Event

Range = list[int | float]
"""[least, greatest]."""


def ranges(vector: Vector) -> dict[str, Range]:
    """The range of every metric; of ``convs_per_stage`` and per-axis ones that of all entries together."""
    found = {name: _of_figure(vector, name) for name in (*ADDED, *GREATEST)}
    found |= {name: [value, value] for name, value in CONSTANT.items()}
    found["downsampled_by"] = _plain(vector.downsampled.ravel().tolist())
    found["stages"], found["convs_per_stage"] = _of_stages(vector)
    return {name: found[ALIASES.get(name, name)] for name in Metrics.definitions()}


def _plain(values: Iterable[float]) -> Range:
    whole = [int(v) if float(v).is_integer() else v for v in values]
    return [min(whole), max(whole)]


def _of_figure(vector: Vector, name: str) -> Range:
    forms = range(len(vector.space.forms))
    shift = int(name == "receptive_field")
    least = min(_least(vector, name, form, 1) for form in forms)
    return [least + shift, shift - min(_least(vector, name, form, -1) for form in forms)]


def _least(vector: Vector, name: str, form: int, sign: int) -> int:
    """The least of ``sign`` times a metric over all networks of one form: shortest paths over the widths."""
    space = vector.space
    slots = {(s.stage, s.layer): s for s in vector.tables.slots}
    combine = _combine(name, sign)
    best = dict.fromkeys(range(len(space.parameters["c1.width"])), 0)
    for number, stage in enumerate(space.stages, start=1):
        last = slots[number, 0]
        after: dict[int, int] = {}
        for width, value in best.items():
            for residual in range(len(stage.residual)):
                chain = value
                for j in range(1, max(stage.depth)):
                    table = sign * slots[number, j].figures[name][form, width]
                    words = table[min(residual, len(table) - 1), :-1]
                    chain = combine(chain, int(words.min()))
                    for following in range(last.events.shape[2]) if j + 1 in stage.depth else ():
                        end = combine(chain, int((sign * last.figures[name][form, width, following]).min()))
                        after[following] = min(after.get(following, end), end)
        best = after
    heads = sign * slots[len(space.stages) + 1, 0].figures[name][form, :, 0]
    return min(combine(value, int(heads[width].min())) for width, value in best.items())


def _combine(name: str, sign: int) -> Callable[[int, int], int]:
    if name in ADDED:
        return lambda a, b: a + b
    return max if sign > 0 else min


class _StageState(NamedTuple):
    """Stages and convolutions after some layers; as ``stage_automaton.State``, but the counters do not saturate."""

    closed: int
    open_convs: int
    is_spatial: bool


def _of_stages(vector: Vector) -> tuple[Range, Range]:
    """Of the number of stages, and of the convolutions in one."""
    stages, convs = set[int](), set[int]()
    for form in range(len(vector.space.forms)):
        for end in _stage_states(vector, form, convs):
            stages.add(end.closed + end.is_spatial)
            if end.is_spatial:
                convs.add(end.open_convs)
    return _plain(stages), _plain(convs | ({0} if 0 in stages else set()))


def _stage_states(vector: Vector, form: int, convs: set[int]) -> set[_StageState]:
    """Every way in which a network of a form can end; ``convs`` takes up those of every stage closed before."""
    slots = {(s.stage, s.layer): s for s in vector.tables.slots}
    before = {_StageState(0, 0, False)}
    for number, stage in enumerate(vector.space.stages, start=1):
        here, ended = before, set[_StageState]()
        for j in range(1, max(stage.depth)):
            here = _after(here, _events(vector, slots[number, j], form), convs)
            ended |= here if j + 1 in stage.depth else set()
        before = _after(ended, _events(vector, slots[number, 0], form), convs)
    return _after(before, _events(vector, slots[len(vector.space.stages) + 1, 0], form), convs)


def _events(vector: Vector, slot: Slot, form: int) -> list[Event]:
    words = slot.events.shape[-1] - (slot.layer > 0)  # the word after the last means no layer
    return [vector.tables.events[i] for i in set(slot.events[form, ..., :words].ravel().tolist())]


def _after(states: set[_StageState], events: list[Event], convs: set[int]) -> set[_StageState]:
    result = set()
    for e in events:
        for s in states:
            if e.closes:
                convs.add(s.open_convs + e.before)
                result.add(_StageState(s.closed + 1, e.after, e.is_spatial))
            else:
                result.add(_StageState(s.closed, s.open_convs + e.before, s.is_spatial or e.is_spatial))
    return result
