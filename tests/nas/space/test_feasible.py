"""The feasible part of a space."""

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from constraints.rules import ASSIGNMENT, judge, parse_all
from nas.architecture.spec import parse
from nas.space import uniform_draws
from nas.space.analytic import metrics
from nas.space.counting import exact_count
from nas.space.feasible import EmptySpaceError, FeasiblePart
from nas.space.space import Space, load


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


def test_an_empty_space_names_the_smallest_relaxation_of_one_constraint() -> None:
    feasible = FeasiblePart(small(), parse_all(["receptive_field > 10", "params < 100"]))
    rows = uniform_draws.enumerate_all(feasible.vector)
    networks = [metrics(feasible.space.decode(feasible.space.choices(row))) for row in rows]
    least = min(m.params for m in networks if (m.receptive_field or 0) > 10)
    message = rf"relax params < 100 \(to let params be {least:,}\): the smallest change that makes it non-empty"
    with pytest.raises(EmptySpaceError, match=message) as error:
        feasible.sample(random.Random(0))
    assert "\n" not in str(error.value)


def test_a_large_space_names_the_smallest_relaxation_too() -> None:
    feasible = part("params < 2k", "receptive_field > 44", tries=50)
    message = (
        r"no feasible network in 53,747,712: relax params < 2000 \(to let params be [\d,]+\): the smallest change that"
    )
    with pytest.raises(EmptySpaceError, match=message) as error:
        feasible.sample(random.Random(0))
    least = int(str(error.value).split("params be ")[1].split(")")[0].replace(",", ""))
    assert part(f"params < {least}", "receptive_field > 44").listed is not None
    assert not len(part(f"params < {least}", "receptive_field > 44").listed)  # type: ignore[arg-type]  # as just said
    assert len(part(f"params <= {least}", "receptive_field > 44").sample_rows(3, np.random.default_rng(0))) == 3


def test_a_rare_feasible_part_is_listed_and_drawn_from_uniformly() -> None:
    feasible = part(*ASSIGNMENT, "params < 5410", preset="assignment")
    assert feasible.listed is not None
    count = exact_count.count(feasible.vector, feasible.constraints)
    assert count is not None
    assert 1 < len(feasible.listed) == count.feasible < 1_000
    rows = feasible.sample_rows(200 * count.feasible, np.random.default_rng(0))
    counts = Counter(r.tobytes() for r in feasible.vector.canonical(rows))
    assert len(counts) == count.feasible
    assert chi_square_is_likely(list(counts.values()))


def test_constraints_that_exclude_each_other_are_named_together() -> None:
    with pytest.raises(EmptySpaceError, match=r"relax params < 100 \(to let .*\) and macs < 1000 \(to let .* be 49"):
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
    rows = uniform_draws.enumerate_all(feasible.vector)
    known = {str(feasible.space.decode(feasible.space.choices(r))) for r in rows}
    good = {t for t in known if not any(v for v in broken(feasible, t))}
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


def broken(feasible: FeasiblePart, text: str) -> list[bool]:
    return [not v.ok for v in judge(feasible.constraints, metrics(parse(text)).as_dict())]


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
    feasible = part(*ASSIGNMENT, "params > 150k", "macs < 10M", preset="assignment")
    for row in feasible.sample_rows(50, np.random.default_rng(0)):
        figures = metrics(feasible.space.decode(feasible.space.choices(row)))
        assert 150_000 < figures.params < 200_000
        assert figures.macs < 10_000_000
