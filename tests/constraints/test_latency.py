"""How long a model takes: the median of repeats, by torch and by onnxruntime, and constraints on it."""

from __future__ import annotations

import inspect
import os
import sys
import time
from types import SimpleNamespace
from typing import Any, ClassVar

import onnx
import pytest
import torch
from torch import nn

from constraints import check, latency
from constraints.errors import UnusableInputError
from constraints.latency import REPEATS, WARM_UP, milliseconds, onnx_milliseconds
from constraints.metrics import LATENCY, ONNX_LATENCY
from constraints.processors import usable_processors


class Sleeps(nn.Module):
    """Takes a known time, and counts its calls."""

    calls: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.seen = nn.Buffer(torch.zeros(()))
        type(self).calls = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The first call is slow."""
        self.calls.append(torch.get_num_threads())
        time.sleep(0.5 if len(self.calls) == 1 else 0.002)
        self.seen.add_(1)
        assert not self.training
        assert image.shape[1:] == (3, 4, 5)
        found: torch.Tensor = self.conv(image).mean((2, 3))
        return found


class Net(nn.Module):
    """A chain that ONNX can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits."""
        found: torch.Tensor = self.conv(image).mean((2, 3))
        return found


def test_the_median_leaves_the_slow_first_call_out() -> None:
    model, before = Sleeps(), torch.get_num_threads()
    assert 2 <= milliseconds(model, (3, 4, 5), threads=1, seconds=0.0) < 400
    assert (len(model.calls), set(model.calls)) == (WARM_UP + REPEATS, {1})
    assert torch.get_num_threads() == before
    assert model.training
    assert model.seen == 0  # a copy ran


def test_a_constraint_on_the_latency_is_measured_and_says_how() -> None:
    report = check(Sleeps(), (3, 4, 5), ["latency_ms < 1", "latency_ms >= 2"], fixes=False)
    broken, kept = report.constraints
    assert (broken.ok, kept.ok) == (False, True)
    assert broken.value == kept.value == report.metrics[LATENCY]
    assert 2 <= report.metrics[LATENCY] < 400
    assert broken.why.endswith(
        "; median of 15 runs or more of one sample by torch with 1 thread, float32, on this machine"
    )


def test_nothing_is_measured_where_no_constraint_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "milliseconds", lambda *_: pytest.fail("measured"))
    assert LATENCY not in check(Net(), require=["params < 1k"]).metrics


def exported(monkeypatch: pytest.MonkeyPatch, *nodes: onnx.NodeProto, **weights: torch.Tensor) -> None:
    """Make torch export these nodes, from ``x`` to ``y``, for any model: its own exporter takes seconds."""
    signature = inspect.signature(torch.onnx.export)
    places = [onnx.helper.make_tensor_value_info(*of) for of in (("x", 1, [1, 3, 8, 8]), ("y", 1, [1, 4]))]
    known = [onnx.numpy_helper.from_array(t.detach().numpy(), name) for name, t in weights.items()]
    graph = onnx.helper.make_graph(nodes, "net", places[:1], places[1:], known)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)

    def export(*args: Any, **kwargs: Any) -> SimpleNamespace:
        signature.bind(*args, **kwargs)
        return SimpleNamespace(model_proto=model)

    monkeypatch.setattr("torch.onnx.export", export)


def test_onnxruntime_measures_beside_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, axes = Net(), torch.tensor([2, 3])
    conv = onnx.helper.make_node("Conv", ["x", "w", "b"], ["map"], pads=[1, 1, 1, 1])
    mean = onnx.helper.make_node("ReduceMean", ["map", "axes"], ["y"], keepdims=0)
    assert model.conv.bias is not None
    exported(monkeypatch, conv, mean, w=model.conv.weight, b=model.conv.bias, axes=axes)
    report = check(model, (3, 8, 8), [f"{ONNX_LATENCY} > 0", f"{LATENCY} > 0"])
    assert report.ok, report
    assert 0 < report.metrics[ONNX_LATENCY] < 1000
    assert "by onnxruntime with 1 thread" in report.constraints[0].why


def test_what_onnxruntime_cannot_run_is_unknown_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(*_: Any, **__: Any) -> None:
        raise ValueError("no such operator\nand more")

    monkeypatch.setattr("torch.onnx.export", export)
    report = check(Net(), (3, 8, 8), [f"{ONNX_LATENCY} > 0", f"{LATENCY} > 0"], fixes=False)
    assert report.metrics[ONNX_LATENCY] is None
    assert report.constraints[0].why.startswith(f"{ONNX_LATENCY} is unknown: onnxruntime cannot run the model: no such")
    assert report.constraints[1].ok


def test_another_network_is_not_measured_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    value = onnx.numpy_helper.from_array(torch.ones(1, 4).numpy())
    exported(monkeypatch, onnx.helper.make_node("Constant", [], ["y"], value=value))
    report = check(Net(), (3, 8, 8), [f"{ONNX_LATENCY} > 0"], fixes=False)
    assert "onnxruntime cannot run the model: it computes something else" in report.constraints[0].why


def test_a_missing_onnxruntime_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UnusableInputError, match="not installed: onnxruntime: install the extra onnx"):
        onnx_milliseconds(Net(), (3, 8, 8))


def test_a_model_that_does_not_run_has_no_latency() -> None:
    report = check(Net(), (5, 8, 8), ["latency_ms < 5"])
    assert not report.ok
    assert report.metrics[LATENCY] is None
    assert report.constraints[0].why == "latency_ms is unknown: the model does not run"


def test_no_more_threads_than_processors() -> None:
    before, most = torch.get_num_threads(), usable_processors()
    assert milliseconds(Net(), (3, 4, 5), threads=most, seconds=0.0) > 0
    for count in (0, most + 1, 100_000):
        with pytest.raises(
            UnusableInputError,
            match=rf"^no usable number of threads: {count}: this process may use {_in_words(most)}$",
        ):
            milliseconds(Net(), (3, 4, 5), threads=count, seconds=0.0)
    assert torch.get_num_threads() == before


def _in_words(most: int) -> str:
    return "1 processor: give 1" if most == 1 else f"{most} processors: give 1 to {most}"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to processors")
def test_processors_that_this_process_may_not_use_do_not_count() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        with pytest.raises(UnusableInputError, match=r"threads: 2: this process may use 1 processor: give 1$"):
            milliseconds(Net(), (3, 4, 5), threads=2, seconds=0.0)
    finally:
        os.sched_setaffinity(0, allowed)
