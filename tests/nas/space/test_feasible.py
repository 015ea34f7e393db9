"""The feasible part of a space."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from constraints import check
from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.model import build
from nas.space import uniform_draws
from nas.space.feasible import EmptySpaceError, FeasiblePart
from nas.space.space import Space, load
from tests.nas.space.tallied import tally, weights


def part(*expressions: str, preset: str = "tiny", tries: int = 2_000) -> FeasiblePart:
    return FeasiblePart(load(preset), parse_all(expressions), tries=tries)


def test_samples_keep_every_constraint() -> None:
    feasible = part(*ASSIGNMENT, preset="assignment")
    generator = random.Random(0)
    for _ in range(12):
        report = check(build(feasible.space.decode(feasible.sample(generator))), fixes=False)
        assert report.ok, report


def test_a_judged_network_names_the_constraints_it_breaks_in_order() -> None:
    feasible = part("params < 1k", "max_pools == 0", "receptive_field > 1k")
    judged = feasible.judge(feasible.space.random(random.Random(0)))
    assert judged.broken == ("params < 1000", "receptive_field > 1000")


def test_the_limits_are_exact() -> None:
    # Every parameter at its first value: 3x3 convolutions of 8 channels, the last to 16, each with a batch norm.
    choices = {name: values[0] for name, values in load("tiny").parameters.items()}
    params = (27 * 8 + 16) + 10 * (72 * 8 + 16) + (72 * 16 + 32) + (16 * 10 + 10)
    assert part(f"params < {params}").judge(choices).broken == (f"params < {params}",)
    assert part(f"params < {params + 1}").judge(choices).broken == ()
    assert part(f"params <= {params}").judge(choices).broken == ()


def test_an_empty_space_names_the_smallest_relaxation_of_one_constraint() -> None:
    feasible = FeasiblePart(small(), parse_all(["receptive_field > 10", "params < 100"]))
    # Each field is at least 3 + 2 + 2 * 2 + 2 * 2 = 13; the fewest parameters are those of sep3d2 at 8 channels.
    least = (27 * 8 + 16) + 2 * (72 * 8 + 16) + (72 + 16 + 64 + 16) + (8 * 10 + 10)
    message = rf"relax params < 100 \(to let params be {least:,}\): the smallest change that makes it non-empty"
    with pytest.raises(EmptySpaceError, match=message) as error:
        feasible.sample(random.Random(0))
    assert "\n" not in str(error.value)


def test_a_large_space_names_the_smallest_relaxation_too() -> None:
    feasible = part("params < 2k", "receptive_field > 44", tries=50)
    # The narrowest widths with sep3 everywhere, and a 1x1 to the classes; its field, 1 + 6 + 12 + 24 + 24, is enough.
    least = weights("c3", 3, 8) + 10 * weights("sep3", 8, 8) + weights("sep3", 8, 16) + 16 * 10
    networks = 2 * 2 * 3 * (3 * 2 * 2) * (2 * 3**2 * 2 * 2) ** 3
    message = (
        rf"no feasible network in {networks:,}: relax params < 2000 \(to let params be {least:,}\): the smallest change"
    )
    with pytest.raises(EmptySpaceError, match=message):
        feasible.sample(random.Random(0))
    assert part(f"params < {least}", "receptive_field > 44").listed is not None
    assert not len(part(f"params < {least}", "receptive_field > 44").listed)  # type: ignore[arg-type]  # as above
    assert len(part(f"params <= {least}", "receptive_field > 44").sample_rows(3, np.random.default_rng(0))) == 3


def test_a_rare_feasible_part_is_listed_and_drawn_from_uniformly() -> None:
    feasible = part(*ASSIGNMENT, "params < 5410", preset="assignment")
    assert feasible.listed is not None
    networks = tally("assignment", below=5410).total()
    assert 1 < len(feasible.listed) == networks < 1_000
    rows = feasible.sample_rows(200 * networks, np.random.default_rng(0))
    counts = Counter(r.tobytes() for r in feasible.vector.canonical(rows))
    assert len(counts) == networks
    assert chi_square_is_likely(list(counts.values()))


def test_constraints_that_exclude_each_other_are_named_together() -> None:
    # Both least in one network: strided and sep3 everywhere, on maps of 32, 16, 8, 4 and at last 2 pixels a side.
    params = weights("c3", 3, 8) + 10 * weights("sep3", 8, 8) + weights("sep3", 8, 16) + 16 * 10 + 10
    sep = 72 + 64
    macs = 32**2 * (27 * 8 + sep) + 16**2 * 3 * sep + 8**2 * 3 * sep + 4**2 * 3 * sep + 2**2 * (72 + 128) + 160
    message = rf"relax params < 100 \(to let params be {params:,}\) and macs < 1000 \(to let macs be {macs:,}\)"
    with pytest.raises(EmptySpaceError, match=message):
        part("params < 100", "macs < 1k").sample(random.Random(0))


def small() -> Space:
    """64 networks of two stages."""
    widths = {"low": 8, "high": 16, "step": 8}
    stage = {"depth": [2], "width": widths, "body": ["c3", "sep3d2"], "down": ["c3"], "residual": [False, True]}
    return Space.model_validate(
        {
            "forms": ["strided"], "activations": ["relu"], "heads": ["fc"], "stage_dilations": [2, 2],
            "last_width": widths, "stages": [{**stage, "stem": ["c3", "c5"]}, stage],
        }
    )  # fmt: skip


def chi_square_is_likely(counts: Sequence[int]) -> bool:
    """Whether counts are those of a uniform draw: within five standard deviations of the mean of chi-square."""
    expected = sum(counts) / len(counts)
    statistic = sum((n - expected) ** 2 / expected for n in counts)
    freedom = len(counts) - 1
    return bool(abs(statistic - freedom) < 5 * (2 * freedom) ** 0.5)


@pytest.mark.parametrize(
    "expressions", [["params < 2800"], ["params >= 2000", "params < 3k", "macs < 1M"], ["stages >= 0"]]
)
def test_draws_are_uniform_over_exactly_the_feasible_networks(expressions: list[str]) -> None:
    feasible = FeasiblePart(small(), parse_all(expressions))
    figures = {str(feasible.space.decode(one)): by_hand(one) for one in every_choice(feasible.space)}
    assert len(figures) == 64
    good = {t for t, known in figures.items() if all(c.holds(known[c.metric]) for c in feasible.constraints)}
    drawn, _ = uniform_draws.draw_feasible(
        feasible.vector, feasible.constraints, 200 * len(good), np.random.default_rng(1), tries=10**6
    )
    counts = Counter(str(feasible.space.decode(feasible.space.choices(r))) for r in drawn)
    assert set(counts) == good
    assert len(good) > 1
    assert chi_square_is_likely(list(counts.values()))
    listed = Counter(r.tobytes() for r in feasible.sample_rows(200 * len(good), np.random.default_rng(2)))
    assert len(listed) == len(good)
    assert chi_square_is_likely(list(listed.values()))


def every_choice(space: Space) -> list[dict[str, Any]]:
    named = {name: values for name, values in space.parameters.items() if name != "c1.residual"}  # of a lone stem
    return [dict(zip(named, values, strict=True)) for values in itertools.product(*named.values())]


def by_hand(choices: dict[str, Any]) -> dict[str, int]:
    """Metrics of a network of ``small``: maps of 32 pixels a side in the first layer, of 16 after it."""
    first, second, last = (choices[name] for name in ("c1.width", "c2.width", "last.width"))
    stem = 3 * first * int(choices["c1.layer1"][1]) ** 2
    body = 9 * second + second**2 if choices["c2.layer1"] == "sep3d2" else 9 * second**2
    norms = 2 * (first + second + second + last + second * (choices["c2.layer1"] == "sep3d2"))
    others = 9 * first * second + body + 9 * second * last
    macs = 32**2 * stem + 16**2 * others + last * 10
    return {"params": stem + others + norms + last * 10 + 10, "macs": macs, "stages": 2}


def test_depths_are_drawn_by_the_networks_that_they_have() -> None:
    one = {"low": 8, "high": 8, "step": 8}
    stage = {"depth": [2, 3], "width": one, "body": ["c3", "c5", "pw"], "down": ["c3"], "residual": [False, True]}
    space = Space.model_validate(
        {
            "forms": ["strided"], "activations": ["relu"], "heads": ["fc"], "stage_dilations": [2],
            "last_width": one, "stages": [stage],
        }
    )  # fmt: skip
    vector = FeasiblePart(space, ()).vector
    rows = uniform_draws.draw(vector, 7_000, np.random.default_rng(0))
    counts = Counter(str(space.decode(space.choices(r))) for r in rows)
    assert len(counts) == 1 + 3 * 2  # the stem alone, or with one of three layers, plain or residual
    assert chi_square_is_likely(list(counts.values()))


def test_conditioned_draws_keep_the_condition() -> None:
    rules = [*ASSIGNMENT, "params > 150k", "macs < 10M"]
    feasible = part(*rules, preset="assignment")
    for row in feasible.sample_rows(12, np.random.default_rng(0)):
        report = check(build(feasible.space.decode(feasible.space.choices(row))), require=rules, fixes=False)
        assert report.ok, report
