"""The nearest feasible networks against every network of a small space, their edits counted by the alignment alone."""

import random
from collections.abc import Callable, Mapping
from functools import cache
from math import log2

import pytest

from constraints.metrics import Metrics
from constraints.rules import parse_all
from nas.architecture.named import MOBILENET
from nas.architecture.spec import Architecture, parse
from nas.space import nearest_networks as module
from nas.space.edit_alignment import edits
from nas.space.encoding import choices_of
from nas.space.feasible import EmptySpaceError, FeasiblePart
from nas.space.nearest_networks import SearchTooLargeError, nearest
from nas.space.space import Choice, Space

SMALL = Space.model_validate(
    {
        "forms": ["strided", "dilated"],
        "activations": ["relu"],
        "heads": ["fc"],
        "stage_dilations": [2, 4],
        "last_width": {"low": 8, "high": 16},
        "stages": [
            {"depth": [2], "width": {"low": 8, "high": 16}, "body": ["c3"], "down": ["c3"]},
            {
                "depth": [2, 3],
                "width": {"low": 8, "high": 16},
                "body": ["c3", "2sep5"],
                "down": ["c3"],
                "residual": [False, True],
            },
        ],
    }
)


def part(*rules: str) -> FeasiblePart:
    return FeasiblePart(SMALL, parse_all(rules or ["params < 1M"]))


@cache
def distances(network: Architecture) -> dict[Architecture, int]:
    """To every network of the space."""
    everything = part().listed
    assert everything is not None
    return {other: len(edits(network, other)) for other in (SMALL.decode(SMALL.choices(row)) for row in everything)}


def least_by_hand(feasible: FeasiblePart, network: Architecture) -> int:
    assert feasible.listed is not None
    kept = {SMALL.decode(SMALL.choices(row)) for row in feasible.listed}
    return min(edits for other, edits in distances(network).items() if other in kept)


@pytest.mark.parametrize(
    "text",
    [
        "BR/c12-c12-c12s2/c12-2dw.pw12-c24/fc",
        "RB/c8-c8s2/+c8-c16-c10/gap",
    ],
)
@pytest.mark.parametrize("rules", [(), ("params < 3k",), ("receptive_field > 12", "macs < 2M")])
def test_no_network_that_keeps_the_rules_is_nearer(text: str, rules: tuple[str, ...]) -> None:
    feasible, network = part(*rules), parse(text)
    found = nearest(feasible, network)
    assert found.edits == least_by_hand(feasible, network)
    for choices in found.choices:
        judged = feasible.judge(choices)
        assert not judged.broken
        assert len(edits(network, judged.architecture)) == found.edits


def test_a_network_of_the_space_that_keeps_the_rules_is_its_own_nearest() -> None:
    feasible, generator = part(), random.Random(0)
    for _ in range(10):
        network = SMALL.decode(SMALL.random(generator))
        found = nearest(feasible, network)
        assert found.edits == 0
        assert network in [SMALL.decode(choices) for choices in found.choices]


def test_of_equally_near_ones_those_come_first_that_cost_about_as_much() -> None:
    feasible, network = part("params != 2770"), parse("BR/c8-c8s2/c8-c16/fc")  # 2,770 of its own
    assert feasible.judge(choices_of(SMALL, network) or {}).broken
    one, several = (nearest(feasible, network, most=most) for most in (1, 500))
    assert one.choices[0] == several.choices[0]
    gaps = [abs(log2(m.params / 2770)) + abs(log2(m.macs / 811168)) for m in map(costs(feasible), several.choices)]
    assert len(gaps) > 1
    assert gaps == sorted(gaps)


def costs(feasible: FeasiblePart) -> Callable[[Mapping[str, Choice]], Metrics]:
    return lambda choices: feasible.judge(choices).metrics


def test_where_nothing_is_feasible_nothing_is_near() -> None:
    with pytest.raises(EmptySpaceError, match="no network keeps all constraints"):
        nearest(part("params < 10"), parse("BR/c8-c8s2/c8-c8/fc"))


def test_a_network_far_from_the_space() -> None:
    feasible = part("receptive_field > 15")
    assert nearest(feasible, MOBILENET).edits == least_by_hand(feasible, MOBILENET)


def test_a_search_that_takes_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PREFIXES", 10)
    with pytest.raises(SearchTooLargeError):
        nearest(part(), MOBILENET)
