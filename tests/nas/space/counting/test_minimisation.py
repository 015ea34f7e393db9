"""States merged: every network keeps its outcome, and no more states are left than the constraints need."""

from collections import Counter

import pytest

from nas.space.counting.minimisation import DEAD, Merged
from tests.nas.space.counting.test_layer_graph import STAGE
from tests.nas.space.counting.test_projection import projection


def outcomes(merged: Merged) -> Counter[frozenset[int]]:
    """Number of networks by the constraints that they break, walked along the moves."""
    found: Counter[tuple[object, int]] = Counter({(merged.projection.start, 0): 1})
    for place, several in merged.moves.items():
        for moves in several:
            for move in moves.moves:
                for one, after in enumerate(move.after.tolist()):
                    if after != DEAD:
                        found[moves.target, after] += found[place, one] * move.times
    ends = range(len(merged.outcomes))
    return +Counter({merged.outcomes[one]: found[merged.projection.end, one] for one in ends})


NONE, FIRST, SECOND, BOTH = frozenset[int](), frozenset({0}), frozenset({1}), frozenset({0, 1})


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (2, {FIRST: 7}),
        (3, {NONE: 1, FIRST: 6}),  # two convolutions without a body layer, three with one
        (4, {NONE: 7}),
    ],
)
def test_networks_by_outcome_under_at_and_over_a_limit(limit: int, expected: dict[frozenset[int], int]) -> None:
    assert outcomes(Merged(projection(f"convs < {limit}"), most_broken=1)) == expected


def test_networks_that_break_more_than_asked_are_left_out() -> None:
    # Fields at the stem 3, behind c3 5, behind c5 7, and 2 more behind the last layer; each a layer plain or residual.
    rules = ("convs >= 3", "receptive_field > 7")
    both = {NONE: 2, SECOND: 4, BOTH: 1}  # c5 passes; c3 (7) and pw (5) do not; the stem alone has two and sees 5
    assert outcomes(Merged(projection(*rules), most_broken=2)) == both
    assert outcomes(Merged(projection(*rules), most_broken=1)) == {NONE: 2, SECOND: 4}
    assert outcomes(Merged(projection(*rules), most_broken=0)) == {NONE: 2}


def test_a_part_that_no_network_keeps_is_dead() -> None:
    dead = Merged(projection("convs < 2"), most_broken=0)
    assert dead.is_dead
    assert not Merged(projection("convs < 2"), most_broken=1).is_dead
    assert not Merged(projection("convs < 3"), most_broken=0).is_dead


def test_states_that_no_continuation_distinguishes_are_one() -> None:
    deep = [STAGE | {"depth": [5]}]
    for limit, classes in ((3, 1), (100, 1)):  # always over the limit, and never
        merged = Merged(projection(f"receptive_field > {limit}", stages=deep), most_broken=1)
        assert {merged.count(place) for place in merged.moves} == {classes}
    merged = Merged(projection("receptive_field > 7", stages=deep), most_broken=1)
    # The last layer adds 2, so before it the field is over 5 or not: 3 (three 1x1) and 5 (one 3x3), or more.
    assert merged.count(max(place for place in merged.moves if place.stage == 1)) == 2
