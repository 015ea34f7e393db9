"""Neighbourhood moves."""

import random

from constraints.rules import ASSIGNMENT, parse_all
from nas.space.feasible import FeasiblePart
from nas.space.neighbourhood import neighbours
from nas.space.space import load


def test_neighbours_are_all_feasible_networks_one_parameter_away() -> None:
    feasible = FeasiblePart(load("tiny"), parse_all(ASSIGNMENT))
    here = feasible.sample(random.Random(0))
    wanted = set()
    for name, values in feasible.space.parameters.items():
        for value in values:
            judged = feasible.judge({**here, name: value})
            if not judged.broken:
                wanted.add(str(judged.architecture))
    wanted.discard(str(feasible.space.decode(here)))
    found = [str(feasible.space.decode(c)) for c in neighbours(feasible, here)]
    assert len(set(found)) == len(found)
    assert set(found) == wanted
    assert found


def test_a_parameter_that_changes_nothing_makes_no_neighbour() -> None:
    feasible = FeasiblePart(load("wide"), ())
    here = {**feasible.space.random(random.Random(1)), "c1.depth": 3}
    own = str(feasible.space.decode(here))
    assert all(str(feasible.space.decode(c)) != own for c in neighbours(feasible, here))
