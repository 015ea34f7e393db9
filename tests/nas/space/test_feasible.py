"""The feasible part of a space."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from constraints.rules import ASSIGNMENT, parse_all
from nas.space import uniform
from nas.space.analytic import metrics
from nas.space.feasible import EmptySpaceError, FeasiblePart
from nas.space.space import Space, load
from tests.nas.space.by_hand import Small, assignment_networks_below, macs, params, small_networks


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
    choices: dict[str, bool | int | str] = {"c1.width": 16, "c2.width": 8, "last.width": 16, "c1.layer1": "c5"}
    params = Small(16, 8, 16, "c5", "c3", False).params
    assert params == (75 * 16 + 32) + (144 * 8 + 16) + (72 * 8 + 16) + (72 * 16 + 32) + 170
    for expression, broken in ((f"< {params}", True), (f"< {params + 1}", False), (f"<= {params}", False)):
        judged = FeasiblePart(small(), parse_all([f"params {expression}"])).judge(choices)
        assert judged.broken == ((f"params {expression}",) if broken else ())


def test_an_empty_space_names_the_smallest_relaxation_of_one_constraint() -> None:
    feasible = FeasiblePart(small(), parse_all(["receptive_field > 10", "params < 100"]))
    # Every field is over 10: at least 1 + 2 + 2, then 2 x (2 + 2) behind the stride.
    least = min(network.params for network in small_networks())
    message = rf"relax params < 100 \(to let params be {least:,}\): the smallest change that makes it non-empty"
    with pytest.raises(EmptySpaceError, match=message) as error:
        feasible.sample(random.Random(0))
    assert "\n" not in str(error.value)


TINIEST = params("c3", 3, 8) + 10 * params("sep3", 8, 8) + params("sep3", 8, 16)
"""Parameters of the stages of the preset ``tiny`` where every layer is the cheapest at the smallest widths.

The field is over 44 all the same: 1 + 3 x 2 x (1 + 2 + 4 + 8) = 91.
"""


def test_a_large_space_names_the_smallest_relaxation_too() -> None:
    feasible = part("params < 2k", "receptive_field > 44", tries=50)
    # Forms, heads, last widths; words of the stem's stage, then widths, words and residuals of three more.
    size = 2 * 2 * 3 * (1 * 3 * 2 * 2) * (2 * (3 * 3 * 2 * 2)) ** 3
    least = TINIEST + 16 * 10  # no bias behind the global pool
    message = rf"network in {size:,}: relax params < 2000 \(to let params be {least:,}\): the smallest change that"
    with pytest.raises(EmptySpaceError, match=message):
        feasible.sample(random.Random(0))
    assert part(f"params < {least}", "receptive_field > 44").listed is not None
    assert not len(part(f"params < {least}", "receptive_field > 44").listed)  # type: ignore[arg-type]  # as just said
    assert len(part(f"params <= {least}", "receptive_field > 44").sample_rows(3, np.random.default_rng(0))) == 3


def test_a_rare_feasible_part_is_listed_and_drawn_from_uniformly() -> None:
    feasible = part(*ASSIGNMENT, "params < 5410", preset="assignment")
    assert feasible.listed is not None
    several = assignment_networks_below(5410)
    assert 1 < len(feasible.listed) == several < 1_000
    rows = feasible.sample_rows(200 * several, np.random.default_rng(0))
    counts = Counter(r.tobytes() for r in feasible.vector.canonical(rows))
    assert len(counts) == several
    assert chi_square_is_likely(list(counts.values()))


def test_constraints_that_exclude_each_other_are_named_together() -> None:
    # The fewest multiply-accumulates: strided to the end, so that stages work on maps of sides 32, 16, 8 and 4.
    fewest = macs("c3", 3, 8, 32) + macs("sep3", 8, 8, 32) + macs("sep3", 8, 16, 2) + 16 * 10
    fewest += sum(macs("sep3", 8, 8, side) for side in [16, 16, 16, 8, 8, 8, 4, 4, 4])
    with pytest.raises(
        EmptySpaceError, match=r"relax params < 100 .* and macs < 1000 .*: the smallest change found"
    ) as e:
        part("params < 100", "macs < 1k").sample(random.Random(0))
    found = [int(n.replace(",", "")) for n in re.findall(r"to let \w+ be ([\d,]+)", str(e.value))]
    assert TINIEST + 16 * 10 <= found[0] < 3_000
    assert fewest <= found[1] < 1.1 * fewest


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
    ("expressions", "keeps"),
    [
        (["params < 2800"], lambda network: network.params < 2800),
        (
            ["params >= 2000", "params < 3k", "macs < 1M"],
            lambda network: 2000 <= network.params < 3000 and network.macs < 10**6,
        ),
        (["stages >= 0"], lambda network: True),
    ],
)
def test_draws_are_uniform_over_exactly_the_feasible_networks(
    expressions: list[str], keeps: Callable[[Small], bool]
) -> None:
    feasible = FeasiblePart(small(), parse_all(expressions))
    good = {network.text for network in small_networks() if keeps(network)}
    drawn, _ = uniform.draw_feasible(
        feasible.vector, feasible.constraints, 200 * len(good), np.random.default_rng(1), tries=10**6
    )
    counts = Counter(str(feasible.space.decode(feasible.space.choices(r))) for r in drawn)
    assert set(counts) == good
    assert len(good) > 1
    assert chi_square_is_likely(list(counts.values()))
    listed = Counter(r.tobytes() for r in feasible.sample_rows(200 * len(good), np.random.default_rng(2)))
    assert len(listed) == len(good)
    assert chi_square_is_likely(list(listed.values()))


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
    rows = uniform.draw(vector, 7_000, np.random.default_rng(0))
    counts = Counter(str(space.decode(space.choices(r))) for r in rows)
    assert len(counts) == 1 + 3 * 2  # the stem alone, or with one of three layers, plain or residual
    assert chi_square_is_likely(list(counts.values()))


def test_conditioned_draws_keep_the_condition() -> None:
    feasible = part(*ASSIGNMENT, "params > 150k", "macs < 10M", preset="assignment")
    for row in feasible.sample_rows(50, np.random.default_rng(0)):
        figures = metrics(feasible.space.decode(feasible.space.choices(row)))
        assert 150_000 < figures.params < 200_000
        assert figures.macs < 10_000_000
