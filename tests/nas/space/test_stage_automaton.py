"""The rules on stages as an automaton: hand-written events, and every sequence of them against a plain count."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.rules import Constraint, parse_all
from constraints.stages import Place
from nas.space.stage_automaton import Automaton, event
from tests.nas.space.staged import splits

PLAIN = Place(is_spatial=True, is_strided=False, is_dilated=False, counts=True)
POINT = PLAIN._replace(is_spatial=False)
STRIDED, DILATED = PLAIN._replace(is_strided=True), PLAIN._replace(is_dilated=True)
HALF = POINT._replace(counts=False)


@pytest.mark.parametrize(
    ("path", "segments", "totals"),
    [
        ((), (), (0, False, 0, False)),
        ((PLAIN,), ((1, True, ""),), (1, False, 0, True)),
        ((POINT, POINT), ((2, False, ""),), (2, False, 0, False)),
        ((STRIDED,), ((1, True, "stride"),), (1, True, 0, False)),
        ((POINT, STRIDED, POINT), ((2, True, "stride"), (1, False, "")), (2, True, 1, False)),
        ((STRIDED, HALF), ((1, True, "stride"),), (1, True, 0, False)),  # a separable pair is one
        ((STRIDED, PLAIN), ((1, True, "stride"), (1, True, "")), (1, True, 1, True)),
        ((DILATED,), ((1, True, "dilation"),), (1, False, 0, True)),
        ((STRIDED._replace(is_dilated=True),), ((1, True, "stride"),), (1, True, 0, False)),
        ((DILATED, HALF, POINT), ((1, True, "dilation"), (1, False, "")), (2, False, 0, True)),
    ],
)
def test_what_a_layer_does_to_the_stages(
    path: Sequence[Place], segments: tuple[tuple[int, bool, str], ...], totals: tuple[int, bool, int, bool]
) -> None:
    assert event(path).segments == segments
    assert event(path).by_stride == totals


def test_a_layer_ends_one_stage_by_stride_at_most() -> None:
    with pytest.raises(ValueError, match="a layer that ends 2 stages"):
        event((STRIDED, STRIDED))


def walk(automaton: Automaton, sequence: Sequence[int]) -> list[bool]:
    state = 0
    for one in sequence:
        state = int(automaton.next[state, one])
    found: list[bool] = automaton.verdicts[state].tolist()
    return found


BODY, POINTWISE, END, DILATES = 0, 1, 2, 3
PATHS: tuple[tuple[Place, ...], ...] = ((PLAIN,), (POINT,), (STRIDED,), (DILATED,), (STRIDED, POINT, POINT),
                                        (STRIDED, PLAIN), (POINT, DILATED, HALF))  # fmt: skip
EVENTS = tuple(map(event, PATHS))


def test_four_stages_of_three_just_under_at_and_just_over() -> None:
    automaton = Automaton(parse_all(["stages == 4", "convs_per_stage >= 3"]), EVENTS)
    stage, other = (BODY, BODY, END), (BODY, BODY, DILATES)
    assert walk(automaton, stage * 4) == [True, True]
    assert walk(automaton, stage * 3) == [False, True]
    assert walk(automaton, stage * 5) == [False, True]
    assert walk(automaton, (*stage * 3, BODY, END)) == [True, False]
    assert walk(automaton, (*stage * 3, BODY, BODY, BODY)) == [True, True]  # the open stage is one
    assert walk(automaton, (*stage * 4, POINTWISE)) == [True, True]  # 1x1 behind the last end make none
    assert walk(automaton, ()) == [False, False]
    assert walk(automaton, other * 4) == [True, True]
    assert walk(automaton, (*other, *stage, *other, *stage)) == [True, True]
    assert walk(automaton, (*other * 2, DILATES, BODY, DILATES, DILATES, BODY, BODY)) == [True, True]  # 3, 3, 3, 3
    assert walk(automaton, (DILATES, *stage * 3, BODY, BODY, BODY)) == [True, True]  # inside a strided network
    assert walk(automaton, (*other * 2, BODY, BODY)) == [False, True]  # at most 3, 3 and 2: as by strides


def plainly(rule: Constraint, stages: Sequence[int]) -> bool:
    if rule.metric == "stages":
        return rule.holds(len(stages))
    return all(rule.holds(n) for n in stages or [0])


def judged(rules: Sequence[Constraint], path: Sequence[Place]) -> list[bool]:
    every = [[plainly(rule, stages) for rule in rules] for stages in splits(path)]
    return [True] * len(rules) if any(map(all, every)) else every[0]


RULES = [f"{name} {op} {limit}" for name in ("stages", "convs_per_stage") for op in ("<", "<=", ">", ">=", "==", "!=")
         for limit in (0, 1, 2, 3)]  # fmt: skip


@given(st.lists(st.sampled_from(RULES), min_size=1, max_size=3))
def test_every_short_sequence_is_judged_as_a_plain_count_judges_it(expressions: list[str]) -> None:
    rules = parse_all(expressions)
    automaton = Automaton(rules, EVENTS)
    for length in range(4):
        for sequence in itertools.product(range(len(EVENTS)), repeat=length):
            path = [place for one in sequence for place in PATHS[one]]
            assert walk(automaton, sequence) == judged(automaton.rules, path), sequence


def test_constraints_that_are_on_no_stages_are_left_to_others() -> None:
    automaton = Automaton(parse_all(["params < 1k", "stages >= 2", "macs < 1M"]), EVENTS)
    assert [rule.expr for rule in automaton.rules] == ["stages >= 2"]


@pytest.mark.parametrize("rule", ["stages > 1e12", "convs_per_stage >= 1e12", "stages != 1e12"])
def test_a_limit_that_no_chain_reaches_costs_no_states(rule: str) -> None:
    rules = parse_all([rule])
    automaton = Automaton(rules, EVENTS, most=6)
    assert len(automaton.next) == 1, "every chain of so few layers gets the same verdict"
    assert walk(automaton, [BODY, END, DILATES]) == [rules[0].op == "!="]


@pytest.mark.parametrize("rule", ["stages >= 3", "stages == 4", "convs_per_stage != 2"])
def test_saturating_at_what_a_chain_can_have_changes_no_verdict(rule: str) -> None:
    rules = parse_all([rule])
    free, bounded = Automaton(rules, EVENTS), Automaton(rules, EVENTS, most=3 * 3)
    for sequence in itertools.product(range(len(EVENTS)), repeat=3):  # at most three convolutions each
        assert walk(bounded, sequence) == walk(free, sequence)
