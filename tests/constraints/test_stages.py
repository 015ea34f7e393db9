"""The split of a main path into stages, by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from constraints import check
from constraints.rules import parse_all
from constraints.stages import Place, split
from tests.constraints.staged import Chain, Staged, Step, chains, counted, judged_by, path_of

ASSIGNED = ("stages == 4", "convs_per_stage >= 3")


def path(text: str) -> list[Place]:
    """``c`` a 3x3 convolution, ``s`` strided, ``d`` dilated, ``b`` both, ``p`` 1x1, ``h`` the half of a pair."""
    return [Place(c != "h", c not in "ph", c in "sb", c in "db", f"{i}") for i, c in enumerate(text)]


@pytest.mark.parametrize(
    ("text", "rules", "convs", "ends"),
    [
        ("ccscc", (), (3, 2), {"2": "stride"}),
        ("ccdcc", (), (5,), {}),
        ("ccdccdccsccc", ASSIGNED, (3, 3, 3, 3), {"2": "dilation", "5": "dilation", "8": "stride"}),
        ("ccsccdcsccsccc", ASSIGNED, (3, 5, 3, 3), {"2": "stride", "7": "stride", "10": "stride"}),
        ("dddccdccdccc", ASSIGNED, (3, 3, 3, 3), {"2": "dilation", "5": "dilation", "8": "dilation"}),
        ("cdcdcc", ("stages == 2",), (2, 4), {"1": "dilation"}),  # the earliest
        ("cdcdcc", ("stages == 2", "convs_per_stage <= 4", "convs_per_stage >= 2"), (2, 4), {"1": "dilation"}),
        ("cdcdc", ("stages == 2", "convs_per_stage <= 4", "convs_per_stage != 3"), (4, 1), {"3": "dilation"}),
        ("cdc", ("stages == 3",), (3,), {}),  # nothing satisfies it
        ("csds", ("stages == 1",), (2, 2), {"1": "stride", "3": "stride"}),  # a strided end is never given up
        ("cbc", ("stages == 2",), (2, 1), {"1": "stride"}),
        ("cdhc", ("stages == 2",), (2, 1), {"1": "dilation"}),
        ("cdp", ("stages == 1", "convs_per_stage < 3"), (2,), {"1": "dilation"}),  # 1x1 behind the end make no stage
        ("", ASSIGNED, (), {}),
    ],
)
def test_the_split_that_constraints_are_judged_by(
    text: str, rules: tuple[str, ...], convs: tuple[int, ...], ends: dict[str, str]
) -> None:
    found = split(path(text), parse_all(rules))
    assert (found.convs_per_stage, found.reasons()) == (convs, ends)


def test_many_dilated_convolutions_take_no_time() -> None:
    found = split(path("d" * 300), parse_all(["stages == 100", "convs_per_stage == 3"]))
    assert found.convs_per_stage == (3,) * 100


def conv(i: int, o: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(i, o, 3, stride=stride, padding=dilation, dilation=dilation)


def test_a_report_says_where_stages_end_and_what_ends_none() -> None:
    net = nn.Sequential(conv(3, 4), conv(4, 4, dilation=2), nn.AvgPool2d(2), conv(4, 4, stride=2), conv(4, 4))
    kept, failed = (check(net, require=[f"stages == {n}"], fixes=False) for n in (3, 5))
    assert kept.stage_ends == (("1", "dilation"), ("3", "stride"))
    assert kept.metrics["convs_per_stage"] == [2, 1, 1]
    assert kept.constraints[0].layers == ("1", "3")
    assert kept.constraints[0].why.endswith(
        "convolutions of the stages: 2 from 0 to 1 (dilation), 1 at 3 (stride), 1 at 4 (no end)"
    )
    assert failed.metrics["stages"] == 2
    assert failed.constraints[0].why == (
        "2 is 3 below 5, must be == 5; convolutions of the stages: 3 from 0 to 3 (stride), 1 at 4 (no end); "
        "one more needs a stride or a dilated convolution as its end; "
        "with every dilated one as an end: 2 from 0 to 1 (dilation), 1 at 3 (stride), 1 at 4 (no end); "
        "average pools end no stage: 2"
    )
    assert check(net, require=["params > 1"], fixes=False).metrics["stages"] == 2


def test_a_stage_that_is_short_says_by_how_much() -> None:
    net = nn.Sequential(conv(3, 4), conv(4, 4, stride=2), conv(4, 4, stride=2))
    stages, per_stage = check(net, require=["stages == 3", "convs_per_stage >= 2"], fixes=False).constraints
    spans = "convolutions of the stages: 2 from 0 to 1 (stride), 1 at 2 (stride, 1 too few)"
    assert per_stage.why == f"1 is 1 below 2, must be >= 2; {spans}"
    ends = "one more needs a stride or a dilated convolution as its end, or spatial convolutions after 2"
    assert stages.why == f"2 is 1 below 3, must be == 3; {spans}; {ends}"


def drawn_rules(path: Sequence[Step], draw: random.Random) -> list[str]:
    """Constraints near those that some choice of ends satisfies."""
    ends = {i for i, step in enumerate(path) if step.stride > 1 or (step.is_dilated and draw.random() < 0.5)}
    counts = counted(path, frozenset(ends))
    rules = [f"stages {draw.choice(['==', '==', '>=', '<=', '!='])} {max(0, len(counts) + draw.choice([0, 0, 1, -1]))}"]
    if counts:
        rules.append(f"convs_per_stage >= {min(counts) + draw.choice([0, 0, 1])}")
        rules += draw.choice([[], [f"convs_per_stage <= {max(counts)}"], [f"convs_per_stage != {draw.randint(0, 4)}"]])
    return rules


def expected(path: Sequence[Step], rules: list[str]) -> tuple[tuple[int, ...], list[str], bool]:
    """The counts of the split, what ends each stage, and whether the constraints hold, by trying every choice."""

    def holds(counts: tuple[int, ...]) -> bool:
        per_stage = counts or (0,)
        return all(all(map(c.holds, [len(counts)] if c.metric == "stages" else per_stage)) for c in parse_all(rules))

    choice = judged_by(path, holds)
    by = ["stride" if path[i].stride > 1 else "dilation" for i in sorted(choice.ends)]
    return choice.counts, by, holds(choice.counts)


@given(chains(), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_a_trace_has_the_stages_that_its_network_was_written_with(chain: Chain, draw: random.Random) -> None:
    written = path_of(chain)
    rules = drawn_rules(written, draw)
    report = check(Staged(chain), input_size=(4, 45, 38), require=rules, fixes=False)
    found = (tuple(report.metrics["convs_per_stage"]), [by for _, by in report.stage_ends], report.ok)
    assert found == expected(written, rules)


def test_no_choice_of_ends_is_better() -> None:
    draw = random.Random(0)
    stand_ins = 0
    for _ in range(2000):
        written = [
            Step(kernel=draw.choice([1, 3, 3]), stride=draw.choice([1, 1, 1, 1, 2]), dilation=draw.choice([1, 2]))
            for _ in range(draw.randint(0, 12))
        ]
        rules = drawn_rules(written, draw)
        places = [Place(True, s.is_spatial, s.stride > 1, s.is_dilated, f"{i}") for i, s in enumerate(written)]
        found = split(places, parse_all(rules))
        counts, by, _ = expected(written, rules)
        assert (found.convs_per_stage, [*found.reasons().values()]) == (counts, by)
        stand_ins += "dilation" in by
    assert stand_ins > 200
