"""The feasible part of a space."""

import random

import pytest

from constraints.rules import ASSIGNMENT, parse_all
from nas.space.analytic import metrics
from nas.space.feasible import EmptySpaceError, FeasiblePart
from nas.space.space import load


def part(*expressions: str, preset: str = "tiny", tries: int = 2_000) -> FeasiblePart:
    return FeasiblePart(load(preset), parse_all(expressions), tries=tries)


def test_samples_keep_every_constraint() -> None:
    feasible = part(*ASSIGNMENT, preset="assignment")
    generator = random.Random(0)
    for _ in range(50):
        figures = metrics(feasible.space.decode(feasible.sample(generator)))
        assert figures.receptive_field is not None
        assert figures.receptive_field > 44
        assert figures.params < 200_000
        assert figures.dilated_convs >= 1
        assert figures.depthwise_separable_convs >= 1
        assert (figures.stages, min(figures.convs_per_stage) >= 3) == (4, True)


def test_a_judged_network_names_the_constraints_it_breaks_in_order() -> None:
    feasible = part("params < 1k", "max_pools == 0", "receptive_field > 1k")
    judged = feasible.judge(feasible.space.random(random.Random(0)))
    assert judged.broken == ("params < 1000", "receptive_field > 1000")


def test_the_limits_are_exact() -> None:
    choices = load("tiny").random(random.Random(0))
    params = metrics(load("tiny").decode(choices)).params
    assert part(f"params < {params}").judge(choices).broken == (f"params < {params}",)
    assert part(f"params < {params + 1}").judge(choices).broken == ()
    assert part(f"params <= {params}").judge(choices).broken == ()


def test_an_empty_space_names_the_constraint_to_relax_and_how_far() -> None:
    with pytest.raises(
        EmptySpaceError, match=r"params < 100 turns them away: relax it .* has params [\d,]+\)"
    ) as error:
        part("receptive_field > 44", "params < 100").sample(random.Random(0))
    assert "\n" not in str(error.value)


def test_constraints_that_exclude_each_other_are_named_together() -> None:
    with pytest.raises(EmptySpaceError, match=r"params < 100 \(100%\), macs < 1000 \(100%\): relax several"):
        part("params < 100", "macs < 1k").sample(random.Random(0))
