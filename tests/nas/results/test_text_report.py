"""The report by arithmetic is that of a trace of the built network, key for key."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torchinfo

from constraints import check
from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.model import build
from nas.architecture.named import NAMED
from nas.architecture.spec import parse
from nas.results.text_report import report_of, sizes_of

OTHERS = (
    "BG/c32-+c32g4-c48s2/+dw.pw48-+c48d2-c32s2/+c32g4-+c32-dws2-pw96/+pw96-+c96d2-dws2-pw128-pw10:N/gap",
    "bL/c16-c16-c16s2/c24-c24d2-c24d2/c32-c32-c32s2/c48-dw-pw48:bS/conv",
    "BH/c16-c16-c16s2/c24-c24-c24d2/c32-+dw.pw32-c32s2/c48-dwd2-pw48:N/fc",
)
"""Sums, dilated convolutions as ends of stages, norms of both kinds, each head."""


@pytest.mark.parametrize("text", [str(NAMED["mobilenet"]), str(NAMED["seed"]), *OTHERS])
@pytest.mark.parametrize("require", [ASSIGNMENT, ("params < 10M", "stages >= 1")])
def test_both_roads_give_one_report(text: str, require: tuple[str, ...]) -> None:
    architecture, rules = parse(text), parse_all(require)
    traced = check(build(architecture), architecture.input, rules, target="trial 3", fixes=False)
    found = report_of(architecture, rules, {}, "trial 3")
    if not traced.ok:
        assert found is None
        return
    assert found is not None
    assert found.to_dict() == replace(traced, location=None).to_dict()


def test_sizes_are_those_of_torchinfo_but_for_what_python_adds_to_the_input() -> None:
    architecture = parse(OTHERS[0])
    counted = torchinfo.summary(build(architecture), (1, *architecture.input), verbose=0)
    report = report_of(architecture, (), {}, "")
    assert report is not None
    sizes = sizes_of(report)
    assert sizes == (4 * 3 * 32 * 32, counted.total_output_bytes, counted.total_param_bytes)


def test_what_only_a_trace_knows_is_left_to_it() -> None:
    assert report_of(NAMED["tiniest"], (), {}, "") is None
    assert report_of(parse("BR/c8-2c8/fc"), (), {}, "") is None
    assert report_of(parse(OTHERS[0]), parse_all(["params < 3"]), {}, "") is None
