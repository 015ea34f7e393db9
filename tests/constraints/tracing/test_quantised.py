"""Quantised models: every metric is the one that the same model has before, but for its parameters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints.tracer import Trace, trace
from constraints.tracing import quantised
from tests.constraints.written import Written

_ENGINE = next((e for e in ("x86", "qnnpack") if e in torch.backends.quantized.supported_engines), "")
pytestmark = pytest.mark.skipif(not _ENGINE, reason="this build of torch runs no quantised models")
Q: Any = torch.ops.quantized
SCALE = (0.1, 0)


@pytest.fixture(autouse=True)
def engine() -> Iterator[None]:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = _ENGINE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that quantised tensors move to another package
        yield
    torch.backends.quantized.engine = before


def layers(**quantised_ones: Any) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
    """Layers by name, as they are and quantised: each given as its class's name and arguments."""
    made = pytest.importorskip("torch.ao.nn.quantized")
    plain = {name: getattr(nn, kind)(*args) for name, (kind, *args) in quantised_ones.items()}
    return plain, {name: getattr(made, kind)(*args) for name, (kind, *args) in quantised_ones.items()}


def quantise(x: torch.Tensor) -> torch.Tensor:
    return torch.quantize_per_tensor(x, 0.1, 0, torch.quint8)


PLAIN = SimpleNamespace(
    enter=lambda x: x + 0, leave=lambda x: x + 0, add=torch.add, mul=torch.mul, relu6=F.relu6, hardswish=F.hardswish,
    cat=lambda maps: torch.cat(maps, 1), add_relu=torch.add, leaky=F.leaky_relu,
)  # fmt: skip
QUANTISED = SimpleNamespace(
    enter=quantise,
    leave=torch.dequantize,
    add=lambda a, b: Q.add(a, b, *SCALE),
    add_relu=lambda a, b: Q.add_relu(a, b, *SCALE),
    mul=lambda a, b: Q.mul(a, b, *SCALE),
    relu6=Q.relu6,
    hardswish=lambda x: Q.hardswish(x, *SCALE),
    leaky=lambda x: Q.leaky_relu(x, 0.1, False, *SCALE),
    cat=lambda maps: Q.cat(maps, 1, *SCALE),
)


def planes(m: Any, x: torch.Tensor, f: SimpleNamespace) -> torch.Tensor:
    x = m.stem(f.enter(x))
    y = f.hardswish(m.pointwise(m.depthwise(x)))
    x = f.add(x, y)
    x = f.mul(x, torch.sigmoid(m.gate(F.adaptive_avg_pool2d(x, 1))))
    x = f.cat([f.leaky(x), f.add_relu(f.relu6(y), x)])
    x = F.interpolate(m.up(F.max_pool2d(x, 2)), scale_factor=2)
    return f.leave(m.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)))  # type: ignore[no-any-return]


PLANES = {
    "stem": ("Conv2d", 3, 8, 3, 2, 1),
    "depthwise": ("Conv2d", 8, 8, 3, 1, 2, 2, 8),
    "pointwise": ("Conv2d", 8, 8, 1),
    "gate": ("Conv2d", 8, 8, 1),
    "up": ("ConvTranspose2d", 16, 16, 2, 2),
    "head": ("Linear", 16, 10),
}


def line(m: Any, x: torch.Tensor, f: SimpleNamespace) -> torch.Tensor:
    return f.leave(m.rows(m.up(m.stem(f.enter(x)))))  # type: ignore[no-any-return]


LINE = {
    "stem": ("Conv1d", 3, 8, 3, 2, 1, 2),  # 15 units of 32 pixels
    "up": ("ConvTranspose1d", 8, 8, 4, 2, 1),
    "rows": ("Linear", 30, 4),
}


def assert_same(found: Trace, expected: Trace) -> None:
    bytes_ = dict.fromkeys(("weight_bytes", "weight_bytes_float16", "weight_bytes_int8", "flash_bytes"))
    unknown: dict[str, Any] = {"params": None, "trainable_params": None, **bytes_}
    assert found.metrics == replace(expected.metrics, **unknown)
    assert "packs its weights" in found.unknown["params"]
    assert sum("packs its weights" in warning for warning in found.warnings) == 1


@pytest.mark.parametrize(
    ("run", "parts", "size", "macs"),
    [
        # 8 x 8 units; the gate sees one; the transposed convolution reads 4 x 4
        (planes, PLANES, (3, 16, 16), 64 * 8 * (27 + 9 + 8) + 64 + 16 * 16 * 16 * 4 + 160),
        (line, LINE, (3, 32), 15 * 8 * 9 + 15 * 8 * 8 * 4 + 8 * 30 * 4),
    ],
)
def test_a_quantised_model_has_the_metrics_of_the_model(run: Any, parts: Any, size: tuple[int, ...], macs: int) -> None:
    plain, packed = layers(**parts)
    expected = trace(Written(lambda m, x: run(m, x, PLAIN), **plain), size)
    assert expected.metrics.macs == macs
    assert_same(trace(Written(lambda m, x: run(m, x, QUANTISED), **packed), size), expected)


def test_the_layers_say_what_they_represent() -> None:
    _, packed = layers(**PLANES)
    found = trace(Written(lambda m, x: planes(m, x, QUANTISED), **packed), (3, 16, 16))
    kinds = [layer.op for layer in found.layers[:5]]
    assert kinds == [
        "quantize_per_tensor",
        "conv2d",
        "conv2d",
        "conv2d",
        "hardswish",
    ]
    assert found.layers[2].dilation == (2, 2)
    assert found.metrics.depthwise_separable_convs == 1


def test_linear_layers_that_are_quantised_on_the_way() -> None:
    dynamic = pytest.importorskip("torch.ao.nn.quantized.dynamic")
    parts = [nn.Conv2d(3, 4, 3), nn.Flatten(2)]
    expected = trace(nn.Sequential(*parts, nn.Linear(36, 5)), (3, 8, 8))
    assert expected.metrics.macs == 4 * 36 * 27 + 4 * 36 * 5
    assert_same(trace(nn.Sequential(*parts, dynamic.Linear(36, 5)), (3, 8, 8)), expected)


def test_what_is_not_known_stays_named() -> None:
    dynamic = pytest.importorskip("torch.ao.nn.quantized.dynamic")
    found = trace(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(2), dynamic.LSTM(16, 4)), (3, 4, 4))
    assert found.metrics.macs is None
    assert "quantized_lstm" in found.unknown["macs"]
    assert "packs its weights" in found.unknown["params"]


@pytest.mark.parametrize(
    ("op", "known"),
    [
        ("quantized::conv2d", True), ("quantized::conv2d_relu", True), ("quantized::conv_transpose3d", True),
        ("quantized::conv2d_add", False), ("quantized::conv2d_stride", False), ("quantized::linear_prepack", False),
        ("quantized::linear_relu_dynamic", True), ("quantized::cat_out", False), ("mine::relu6", False),
        ("quantized::relu6", True), ("quantized::embedding_byte", False),
    ],
)  # fmt: skip
def test_known_by_the_whole_name(op: str, known: bool) -> None:
    assert quantised.is_known(op) is known


def test_a_run_leaves_nothing_on_tensors_that_live_longer() -> None:
    _, parts = layers(conv=("Conv2d", 3, 4, 3))
    conv: Any = parts["conv"]
    conv.set_weight_bias(conv.weight(), nn.Parameter(torch.ones(4)))
    made = pytest.importorskip("torch.ao.nn.quantized.dynamic")
    constant = torch.ones(1, 8)

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.conv(quantise(x)).dequantize().mean() + m.linear(constant)  # type: ignore[no-any-return]

    network = Written(run, conv=conv, linear=made.Linear(8, 4))
    assert [trace(network, (3, 8, 8)).metrics.macs for _ in range(2)] == [36 * 4 * 27] * 2
    assert vars(constant) == {}
