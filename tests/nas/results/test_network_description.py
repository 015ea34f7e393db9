"""What can be computed about a network without training it."""

import pytest

from constraints.rules import parse_all
from nas.architecture.spec import parse
from nas.results.network_description import described
from tests.nas.results.known import PLAIN

RULES = ("receptive_field > 44", "params < 200000", "max_pools == 0")


def test_a_description_has_the_stages_as_arithmetic_has_them() -> None:
    found = described(parse(PLAIN), parse_all(RULES, None), "plain")
    assert [s.name for s in found.stages] == ["C1", "C2", "C3", "C4"]
    assert found.stages[0].blocks == ("c8", "c8", "c16s2")
    assert [s.output for s in found.stages] == [(16, 16, 16), (16, 8, 8), (24, 4, 4), (32, 4, 4)]
    # 3x3 each: 1 + 2 + 2 + 2, then jump 2: +4 +4 +4, jump 4: +8 +8 +8, jump 8: dilated 32, 16 and 16
    assert [s.receptive_field for s in found.stages] == [(7, 7), (19, 19), (43, 43), (107, 107)]
    # 3*8*9 + 8*8*9 + 8*16*9 weights, batch norm twice 8 + 8 + 16
    assert found.stages[0].params == 216 + 576 + 1152 + 64
    assert found.stages[0].macs == (216 + 576) * 32 * 32 + 1152 * 16 * 16
    assert found.report.ok
    assert [v.expr for v in found.report.constraints] == [
        "receptive_field > 44",
        "params < 200000",
        "max_pools == 0",
    ]


def test_sizes_are_torchinfos() -> None:
    found = described(parse(PLAIN), parse_all(RULES, None), "plain")
    assert found.sizes.input == pytest.approx(3 * 32 * 32 * 4 / 1e6, abs=1e-4)
    assert found.sizes.params == pytest.approx(4 * found.report.metrics["params"] / 1e6)
    assert found.sizes.total == pytest.approx(found.sizes.input + found.sizes.forward_backward + found.sizes.params)
