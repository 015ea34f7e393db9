"""The rules on stages as an automaton: hand-written events, and every sequence of them against a plain count."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.rules import Constraint, parse_all
from nas.space.analytic import MainPathConv
from nas.space.stage_automaton import Automaton, Event, event

PLAIN = MainPathConv(is_spatial=True, is_strided=False, is_dilated=False, counts=True)
POINT = PLAIN._replace(is_spatial=False)
STRIDED, DILATED = PLAIN._replace(is_strided=True), PLAIN._replace(is_dilated=True)


@pytest.mark.parametrize(
    ("path", "by_stride", "expected"),
    [
        ((), True, Event()),
        ((PLAIN,), True, Event(before=1, is_spatial=True)),
        ((POINT, POINT), True, Event(before=2)),
        ((STRIDED,), True, Event(before=1, closes=True)),
        ((POINT, STRIDED, POINT), True, Event(before=2, closes=True, after=1)),
        ((STRIDED, POINT._replace(counts=False)), True, Event(before=1, closes=True)),  # a separable pair is one
        ((STRIDED, PLAIN), True, Event(before=1, closes=True, after=1, is_spatial=True)),
        ((DILATED,), True, Event(before=1, is_spatial=True)),
        ((DILATED,), False, Event(before=1, closes=True)),
        ((STRIDED,), False, Event(before=1, is_spatial=True)),
    ],
)
def test_what_a_layer_does_to_the_stages(path: Sequence[MainPathConv], by_stride: bool, expected: Event) -> None:
    assert event(path, by_stride=by_stride) == expected


def test_a_layer_ends_one_stage_at_most() -> None:
    with pytest.raises(ValueError, match="a layer that ends 2 stages"):
        event((STRIDED, STRIDED), by_stride=True)


def walk(automaton: Automaton, sequence: Sequence[int]) -> list[bool]:
    state = 0
    for one in sequence:
        state = int(automaton.next[state, one])
    found: list[bool] = automaton.verdicts[state].tolist()
    return found


BODY, POINTWISE, END = 0, 1, 2
EVENTS = (Event(before=1, is_spatial=True), Event(before=1), Event(before=1, closes=True), Event(before=1, closes=True,
          after=2), Event(before=1, closes=True, after=1, is_spatial=True))  # fmt: skip


def test_four_stages_of_three_just_under_at_and_just_over() -> None:
    automaton = Automaton(parse_all(["stages == 4", "convs_per_stage >= 3"]), EVENTS)
    stage = (BODY, BODY, END)
    assert walk(automaton, stage * 4) == [True, True]
    assert walk(automaton, stage * 3) == [False, True]
    assert walk(automaton, stage * 5) == [False, True]
    assert walk(automaton, (*stage * 3, BODY, END)) == [True, False]
    assert walk(automaton, (*stage * 3, BODY, BODY, BODY)) == [True, True]  # the open stage is one
    assert walk(automaton, (*stage * 4, POINTWISE)) == [True, True]  # 1x1 behind the last end make none
    assert walk(automaton, ()) == [False, False]


def counted(sequence: Sequence[int]) -> list[int]:
    """Convolutions of each stage, by walking the events with no state but lists."""
    stages, is_spatial = [0], False
    for one in (EVENTS[i] for i in sequence):
        stages[-1] += one.before
        if one.closes:
            stages.append(one.after)
        is_spatial = one.is_spatial or (is_spatial and not one.closes)
    return stages if is_spatial else stages[:-1]


def plainly(rule: Constraint, stages: Sequence[int]) -> bool:
    if rule.metric == "stages":
        return rule.holds(len(stages))
    return all(rule.holds(n) for n in stages or [0])


RULES = [f"{name} {op} {limit}" for name in ("stages", "convs_per_stage") for op in ("<", "<=", ">", ">=", "==", "!=")
         for limit in (0, 1, 2, 3)]  # fmt: skip


@given(st.lists(st.sampled_from(RULES), min_size=1, max_size=3))
def test_every_short_sequence_is_judged_as_a_plain_count_judges_it(expressions: list[str]) -> None:
    rules = parse_all(expressions)
    automaton = Automaton(rules, EVENTS)
    for length in range(4):
        for sequence in itertools.product(range(len(EVENTS)), repeat=length):
            stages = counted(sequence)
            assert walk(automaton, sequence) == [plainly(rule, stages) for rule in automaton.rules], sequence


def test_constraints_that_are_on_no_stages_are_left_to_others() -> None:
    automaton = Automaton(parse_all(["params < 1k", "stages >= 2", "macs < 1M"]), EVENTS)
    assert [rule.expr for rule in automaton.rules] == ["stages >= 2"]
