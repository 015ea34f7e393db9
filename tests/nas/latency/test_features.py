"""What a network's time depends on, by hand."""

from __future__ import annotations

import pytest

from nas.architecture.spec import parse
from nas.latency.features import features


def test_a_chain_by_hand() -> None:
    found = features(parse("BR/c8-dwk5d2:N-pw16:N/fc"))
    one = 32 * 32 / 1e6
    assert found["network"] == 1
    assert (found["dense calls"], found["dense macs"], found["dense values"]) == (1, 216 * one, pytest.approx(11 * one))
    assert (found["depthwise 5 dilated calls"], found["depthwise 5 dilated macs"]) == (1, pytest.approx(8 * 25 * one))
    assert (found["pointwise macs"], found["pointwise values"]) == (pytest.approx(128 * one), pytest.approx(24 * one))
    assert (found["batch_norm values"], found["relu values"]) == (pytest.approx(16 * one), pytest.approx(16 * one))
    assert (found["pool values"], found["fc values"]) == (16 * one, pytest.approx(160 / 1e6))


def test_parts_gates_and_sums_are_kinds_of_their_own() -> None:
    found = features(parse("BR/c8-mx3_5:N-se4-gl8:N-+c8g4:N/fc"))
    assert (found["depthwise 3 calls"], found["depthwise 5 calls"], found["joined calls"]) == (1, 1, 1)
    assert (found["gate calls"], found["product calls"], found["grouped calls"], found["sum calls"]) == (1, 1, 1, 1)
    assert found["depthwise 3 macs"] == pytest.approx(4 * 9 * 32 * 32 / 1e6)


def test_a_kernel_without_a_time_of_its_own_counts_as_the_nearest() -> None:
    assert features(parse("BR/c8-dwk9:N/fc"))["depthwise 7 calls"] == 1
