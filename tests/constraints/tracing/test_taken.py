"""Places that units of a tensor hold, held against lists that are cut, turned and joined place by place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from constraints.tracing.taken import Taken, all_of, side_by_side

Held = list[frozenset[int]]
"""The places that each unit holds."""
MADE = 7


def held(taken: Taken) -> Held:
    places: list[set[int]] = [set() for _ in range(taken.units)]
    for run in taken.runs:
        for unit, place in zip(run.units, run.places, strict=True):
            places[unit].add(place)
    return [frozenset(p) for p in places]


def lacking(units: Held) -> int:
    return MADE - len(frozenset[int]().union(*units))


@given(st.data())
def test_cuts_turns_and_joins_hold_what_lists_of_places_do(data: st.DataObject) -> None:
    taken, units = all_of(MADE), [frozenset([i]) for i in range(MADE)]
    for _ in range(data.draw(st.integers(1, 6))):
        n = len(units)
        match data.draw(st.sampled_from(["cut", "turn", "join", "interleave"])):
            case "cut":
                start, step, size = (data.draw(st.integers(*ends)) for ends in ((-3, n), (1, 3), (1, 9)))
                at = [start + step * j for j in range(size)]
                taken, units = taken.cut(start, step, size), [units[i] if 0 <= i < n else frozenset() for i in at]
            case "turn":
                taken, units = taken.turned(), units[::-1]
            case "join":
                taken, units = taken.joined(taken.turned()), [a | b for a, b in zip(units, units[::-1], strict=True)]
            case _:
                ends = [(taken.cut(1, 1, n), range(0, 2 * n, 2)), (taken, range(1, 2 * n, 2))]
                pairs = zip([*units[1:], frozenset[int]()], units, strict=True)
                taken, units = side_by_side(ends, 2 * n), [u for pair in pairs for u in pair]
        assert (held(taken), taken.left_out) == (units, lacking(units))
        assert taken.has_border == any(not u for u in units)


def test_what_padding_made_is_not_left_out_at_the_end_where_it_is() -> None:
    causal = all_of(12, padding=4, extra=4)  # of 8 places, with 4 more at the end
    assert causal.cut(0, 1, 8).left_out == 0
    assert causal.cut(0, 1, 7).left_out == 1
    both = all_of(16, padding=4, extra=8)
    assert [both.cut(at, 1, 8).left_out for at in (4, 8, 0)] == [0, 4, 4]
    assert both.cut(4, 1, 8).turned().left_out == 0


def test_of_two_maps_the_one_counts_that_lacks_fewer_places() -> None:
    one, other = all_of(8).cut(2, 1, 6), all_of(9).cut(0, 1, 6)
    assert (one.left_out, other.left_out, one.joined(other).left_out, other.joined(one).left_out) == (2, 3, 2, 2)
    assert all_of(8).without(3, 5).joined(all_of(8).cut(0, 1, 5).without(1, 5)).left_out == 3


def test_many_runs_become_a_number() -> None:
    joined = all_of(4000).cut(0, 1, 3000)
    for start in range(1, 400):
        joined = joined.joined(all_of(4000).cut(start, 1, 3000))
    assert joined.left_out >= 4000 - 3399  # places 0 to 3398 are held; at most so many are known to be
    assert len(joined.runs) <= 257
