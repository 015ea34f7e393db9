"""What a network's time depends on, by hand."""

from __future__ import annotations

import pytest

from nas.architecture.spec import parse
from nas.latency.network_features import features


def test_a_chain_by_hand() -> None:
    one = 32 * 32 / 1e6
    expected = {
        "network": 1, "dense calls": 1, "dense macs": 216 * one, "dense values": 11 * one,
        "depthwise 5 dilated calls": 1, "depthwise 5 dilated macs": 200 * one, "depthwise 5 dilated values": 16 * one,
        "pointwise calls": 1, "pointwise macs": 128 * one, "pointwise values": 24 * one,
        "batch_norm calls": 1, "batch_norm macs": 0, "batch_norm values": 16 * one,
        "relu calls": 1, "relu macs": 0, "relu values": 16 * one,
        "pool calls": 1, "pool values": 16 * one, "fc calls": 1, "fc values": 160 / 1e6,
    }  # fmt: skip
    assert dict(features(parse("BR/c8-dwk5d2:N-pw16:N/fc"))) == pytest.approx(expected)


def test_what_is_no_convolution_has_a_time_too() -> None:
    found = features(parse("BR/u2-c8/fc"))
    assert (found["unshuffle calls"], found["unshuffle values"]) == (1, 2 * 3 * 32 * 32 / 1e6)


def test_parts_gates_and_sums_are_kinds_of_their_own() -> None:
    found = features(parse("BR/c8-mx3_5:N-se4-gl8:N-+c8g4:N/fc"))
    assert (found["depthwise 3 calls"], found["depthwise 5 calls"], found["joined calls"]) == (1, 1, 1)
    assert (found["gate calls"], found["product calls"], found["grouped calls"], found["sum calls"]) == (1, 1, 1, 1)
    assert found["depthwise 3 macs"] == pytest.approx(4 * 9 * 32 * 32 / 1e6)


def test_what_is_called_again_takes_its_time_again() -> None:
    once, thrice = features(parse("BR/c8-+c8/fc")), features(parse("BR/c8-3+c8/fc"))
    first = features(parse("BR/c8/fc"))
    assert dict(thrice) == pytest.approx(
        {name: first[name] + 3 * (value - first[name]) for name, value in once.items()}
    )


def test_a_kernel_without_a_time_of_its_own_counts_as_the_nearest() -> None:
    assert features(parse("BR/c8-dwk9:N/fc"))["depthwise 7 calls"] == 1
