"""Exact counts against brute force."""

import itertools
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constraints.rules import ASSIGNMENT, parse_all
from nas.space.analytic import metrics
from nas.space.bulk_metrics import Vector
from nas.space.counting import exact_count, half_paths
from nas.space.counting.tracked_metrics import track
from nas.space.space import Space, load
from nas.space.uniform_draws import draw
from tests.nas.space.staged import keeps
from tests.nas.space.tallied import tally

WORDS = ["c3", "c3d2", "c3g2", "pw", "sep3", "sep3_5", "ir3e2", "gate3", "c3se2", "sep5d2", "2c3", "3sep3d2"]
RULES = [
    "params < 3k", "params > 2500", "params != 2330", "trainable_params <= 4k",
    "receptive_field > 20", "receptive_field < 31",
    "dilated_convs >= 1", "dilated_convs == 2", "depthwise_separable_convs >= 1",
    "convs <= 7", "stages == 2", "stages > 2",
    "convs_per_stage >= 2", "convs_per_stage == 2", "convs_per_stage < 4", "peak_activation_bytes < 150k",
    "global_context == false", "fully_connected == 1", "max_pools == 0", "downsampled_by > 1", "params < 2999.5",
]  # fmt: skip


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Up to some thousand encodings in one or two stages."""

    def some(values: list[Any], most: int = 2) -> list[Any]:
        return draw(st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True))

    def widths() -> dict[str, int]:
        return {"low": 8, "high": draw(st.sampled_from([8, 16])), "step": 8}

    stages = [
        {
            "depth": some([2, 3]), "width": widths(), "body": some(WORDS),
            "down": some(["c3", "sep3", "sep3_5", "ir3e2"]),
            "stem": some(["c3", "c5", "sep3"]), "residual": some([False, True, "scaled"]),
        }
        for _ in range(draw(st.integers(1, 2)))
    ]  # fmt: skip
    return Space.model_validate(
        {
            "forms": some(["strided", "strided-last", "dilated"], 3), "activations": some(["relu", "silu"]),
            "norms": some(["batch", "layer"]), "heads": some(["fc", "conv", "gap"]), "last_width": widths(),
            "stage_dilations": [2] * len(stages), "stages": stages,
        }
    )  # fmt: skip


def brute_force(space: Space, expressions: list[str]) -> Counter[frozenset[int]]:
    """Every encoding decoded, each network judged once by every split of its stages."""
    constraints, named = parse_all(expressions), space.parameters
    networks = {}
    for values in itertools.product(*named.values()):
        network = space.decode(dict(zip(named, values, strict=True)))
        networks[network] = frozenset(i for i, kept in enumerate(keeps(network, constraints)) if not kept)
    return Counter(networks.values())


@settings(max_examples=12)
@given(spaces(), st.lists(st.sampled_from(RULES), min_size=1, max_size=5, unique=True))
def test_counts_equal_brute_force(space: Space, expressions: list[str]) -> None:
    wanted = brute_force(space, expressions)
    vector, constraints = Vector(space), parse_all(expressions)
    assert exact_count.size(vector) == sum(wanted.values())
    found = exact_count.count(vector, constraints)
    assert found is not None
    assert found.feasible == wanted[frozenset()]
    assert list(found.alone) == [wanted[frozenset({i})] for i in range(len(constraints))]
    rejected = [sum(n for broken, n in wanted.items() if i in broken) for i in range(len(constraints))]
    assert [exact_count.rejects(vector, c, constraints) for c in constraints] == rejected
    assert found.metric in ("", "params")
    assert sum(n for _, n in found.histogram) == (found.feasible if found.metric else 0)


def test_three_bounds_of_which_two_are_tracked_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.space.counting.tracked_metrics.MOST_SMALL", 30)
    first = {
        "depth": [2, 3], "width": {"low": 8, "high": 16, "step": 8}, "body": ["c3", "sep5d2"],
        "down": ["c3", "sep3"], "residual": [False, "scaled"],
    }  # fmt: skip
    space = Space.model_validate(
        {
            "forms": ["strided", "dilated"], "activations": ["relu"], "heads": ["fc", "gap"],
            "last_width": {"low": 8, "high": 24, "step": 8}, "stage_dilations": [2, 3],
            "stages": [first, first | {"depth": [2], "residual": [False]}],
        }
    )  # fmt: skip
    first_rules = ["params < 4k", "macs < 1500k", "dilated_convs >= 1"]
    second_rules = ["params >= 3k", "params < 4k", "macs > 1M", "macs < 1500k", "convs != 7"]
    rules = dict.fromkeys([*first_rules, *second_rules])
    judged = brute_force(space, list(rules))  # no rule on stages is among them, so each is kept by itself
    for expressions in (first_rules, second_rules):
        wanted: Counter[frozenset[int]] = Counter()
        for broken, networks in judged.items():
            wanted[
                frozenset(expressions.index(r) for i, r in enumerate(rules) if i in broken and r in expressions)
            ] += networks
        constraints = parse_all(expressions)
        tracked = track(Vector(space), constraints, 0)
        assert tracked is not None
        assert [figure.name for figure in tracked.large] == ["params", "macs"]
        found = exact_count.count(Vector(space), constraints)
        assert found is not None
        assert found.feasible == wanted[frozenset()] > 0
        assert list(found.alone) == [wanted[frozenset({i})] for i in range(len(constraints))]
        assert sum(found.alone) > 0


@pytest.mark.parametrize("op", ["<", "<="])
def test_the_histogram_holds_every_feasible_network_up_to_the_limit(op: str) -> None:
    space = load("tiny")
    params = metrics(space.decode(space.random(random.Random(0)))).params
    found = exact_count.count(Vector(space), parse_all([f"params {op} {params}"]))
    assert found is not None
    assert sum(n for _, n in found.histogram) == found.feasible > 0


@pytest.mark.parametrize("preset", ["tiny"])
def test_a_larger_space_agrees_with_uniform_draws(preset: str) -> None:
    vector, constraints = Vector(load(preset)), parse_all(ASSIGNMENT)
    found = exact_count.count(vector, constraints)
    assert found is not None
    share = found.feasible / exact_count.size(vector)
    drawn = vector.feasible(draw(vector, 40_000, np.random.default_rng(0)), constraints).mean()
    assert abs(drawn - share) < 5 * (share * (1 - share) / 40_000) ** 0.5


def test_the_size_of_a_space_by_hand() -> None:
    # tiny: 2 forms, 2 heads, 3 last widths; of a stage widths, words of layers 1 and 2, of the last, residuals
    first, other = 1 * (1 * 3 * 2 * 2), 2 * (3 * 3 * 2 * 2)
    assert exact_count.size(Vector(load("tiny"))) == 2 * 2 * 3 * first * other**3


def test_parameters_with_macs_are_counted_exactly_in_a_form_of_the_default_space() -> None:
    vector = Vector(load("assignment").model_copy(update={"forms": ("strided",)}))
    constraints = parse_all([*ASSIGNMENT, "macs < 5M"])
    found = exact_count.count(vector, constraints)
    assert found is not None
    share = found.feasible / exact_count.size(vector)
    drawn = vector.feasible(draw(vector, 100_000, np.random.default_rng(0)), constraints).mean()
    assert abs(drawn - share) < 5 * (share * (1 - share) / 100_000) ** 0.5


@pytest.mark.parametrize(("name", "value"), [("BATCH", 50), ("MOST_CELLS", 0)])
def test_how_points_are_merged_changes_nothing(name: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vector, constraints = Vector(load("tiny")), parse_all(["params < 9k", "dilated_convs >= 1", "macs < 1M"])
    usual = exact_count.count(vector, constraints)
    monkeypatch.setattr(half_paths, name, value)
    assert exact_count.count(vector, constraints) == usual
    assert usual is not None
    assert usual.feasible > 0


def test_counts_past_64_bits_are_refused_rather_than_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    vector, constraints = Vector(load("tiny")), parse_all(["params < 9k"])
    monkeypatch.setattr(half_paths, "LARGEST", 1e4)
    assert exact_count.count(vector, constraints) is None


def test_the_cheapest_of_trillions_are_counted_as_by_hand() -> None:
    found = exact_count.count(Vector(load("assignment")), parse_all([*ASSIGNMENT, "params < 6k"]))
    assert found is not None
    assert found.feasible == tally("assignment", below=6000).total() > 10_000


def test_every_network_is_counted_once_whatever_the_constraint() -> None:
    """What keeps a rule and what keeps its opposite make up the space, whose size is a product."""
    vector = Vector(load("assignment"))
    for rule, opposite in (("params < 80k", "params >= 80k"), ("receptive_field > 60", "receptive_field <= 60")):
        halves = [exact_count.count(vector, parse_all([r])) for r in (rule, opposite)]
        assert sum(h.feasible for h in halves if h is not None) == exact_count.size(vector)


def test_what_takes_too_much_is_not_counted() -> None:
    vector = Vector(load("wide"))
    assert exact_count.count(vector, parse_all(ASSIGNMENT)) is None
    three = ["params < 200k", "macs < 10M", "peak_activation_bytes < 300k", "convs < 20", "receptive_field < 300"]
    assert track(vector, parse_all(three), 0) is not None
    assert exact_count.rejects(vector, parse_all(["stages == 4"])[0]) is not None
