"""An exception is the model's or the tool's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints import check
from constraints.errors import ExitCode, ModelFailedError, ToolFailedError
from constraints.faults import failed, is_ours
from constraints.tracer import trace
from constraints.tracing.values import Call
from tests.constraints.written import Written


def caught(run: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as error:  # noqa: PT011 (of any kind)
        run()
    return error.value


def refused(m: Any, x: torch.Tensor) -> torch.Tensor:
    return x.nothing  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    "model",
    [
        Written(refused),
        Written(lambda m, x: m.a(x), a=nn.Conv2d(4, 4, 1)),
        nn.Sequential(nn.Conv2d(4, 4, 1)),
        Written(lambda m, x: torch.cat([x, x[:, :, :3]], 1)),
        Written(lambda m, x: m.a(x, x, x, x), a=nn.ReLU()),
    ],
    ids=["attribute", "kernel", "kernel-in-torch", "operator", "arguments"],
)
def test_what_the_model_does_is_the_models(model: nn.Module) -> None:
    error = caught(lambda: trace(model))
    assert not is_ours(error)
    assert isinstance(failed("forward", error), ModelFailedError)


def test_a_line_of_the_models_own_is_named() -> None:
    error = failed("forward", caught(lambda: trace(Written(refused))))
    line = refused.__code__.co_firstlineno + 1
    assert str(error).endswith(f"({__file__}:{line})")
    assert "recorder" not in str(error)


def test_the_layer_that_raised_is_named() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(9, 8, 3)))
    assert str(failed("forward", caught(lambda: trace(layers)))).endswith(", in layer 1.1)")
    own = Written(lambda m, x: m.a(x), a=layers)
    assert re.search(r"\.py:\d+, in layer a\.1\.1\)$", str(failed("forward", caught(lambda: trace(own)))))


@pytest.mark.parametrize(
    ("forward", "hint"),
    [
        (
            lambda m, x: x.mean((2, 3)).squeeze().log_softmax(1),
            "in a batch of 1, which squeeze() without an axis takes away too: use flatten(1)",
        ),
        (
            lambda m, x: x.mean((2, 3)).view(128, 3),
            "so that a fixed batch size does not fit: use x.view(x.size(0), -1)",
        ),
    ],
)
def test_code_that_needs_a_larger_batch_gets_a_hint(forward: Any, hint: str) -> None:
    error = failed("forward", caught(lambda: trace(Written(forward))))
    assert str(error).partition(": one sample is traced, ")[2] == hint


def test_what_the_tools_own_code_raises_is_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Call, "arg")  # so that the rule of a convolution raises
    error = caught(lambda: check(nn.Conv2d(3, 4, 3), require=[]))
    assert is_ours(error)
    fault = failed("forward", error)
    assert isinstance(fault, ToolFailedError)
    assert fault.exit_code == ExitCode.TOOL_FAILED
    assert str(fault).startswith("a fault of this tool: AttributeError: ")
    assert str(fault).endswith("run it again with --debug, and report what that prints")
    assert "Traceback" in fault.traceback


def test_a_norm_over_the_batch_gets_a_hint() -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3, track_running_stats=False))
    assert "one sample is traced, and a norm takes its statistics over the batch" in check(model, require=[]).failed


def test_gradients_that_a_forward_pass_leaves_to_its_caller_get_a_hint() -> None:
    def slope(m: Any, x: torch.Tensor) -> torch.Tensor:
        at = x.detach().requires_grad_()
        return torch.autograd.grad(at.pow(2).sum(), at)[0]

    def enabled(m: Any, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            return slope(m, x)

    assert check(Written(slope), require=[]).failed.endswith("put that into a block: with torch.enable_grad():")
    assert not check(Written(enabled), require=[]).failed


def test_an_image_of_other_channels_than_the_model_takes_is_said() -> None:
    error = failed("forward", caught(lambda: nn.Conv2d(1, 4, 3)(torch.rand(1, 3, 28, 28))))
    assert str(error).endswith("if the model is made for images of 1 channel: --input 1,28,28")
    inner = failed("forward", caught(lambda: nn.Conv2d(8, 4, 3)(torch.rand(1, 16, 28, 28))))
    assert "--input" not in str(inner)


def test_a_linear_layer_for_another_number_of_inputs_is_said_with_the_number() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Flatten(), nn.Linear(16, 10))  # 16 maps of 30x30 have 14,400 values
    assert check(model, require=[]).failed.endswith("(3, 224, 224); else make that layer for 14400 inputs")
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Linear(16, 10))  # of each row of a map
    assert check(model, require=[]).failed.endswith("(3, 224, 224)")


def test_an_error_that_says_nothing_is_shown_by_its_line() -> None:
    def checked(m: Any, x: torch.Tensor) -> torch.Tensor:
        raise ValueError

    error = failed("forward", caught(lambda: trace(Written(checked))))
    assert "ValueError: raise ValueError (" in str(error)


def test_a_forward_method_without_a_result_is_named() -> None:
    report = check(Written(lambda m, x: None), require=["receptive_field > 3"])
    (verdict,) = report.constraints
    assert "the forward method returns no tensor: return the output" in verdict.why


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (AttributeError("module 'albumentations' has no attribute 'Cutout'"), "CoarseDropout took the place of Cutout"),
        (ImportError("cannot import name 'Cutout' from 'albumentations' (/a.py)"), "CoarseDropout took the place of"),
        (AttributeError("module 'albumentations' has no attribute 'IAAFliplr'"), "the installed version has no such"),
    ],
)
def test_a_transform_that_is_gone_names_what_took_its_place(error: Exception, remedy: str) -> None:
    assert remedy in str(failed("construction of the augmentation", error))


def test_a_map_with_its_channels_last_is_asked_about() -> None:
    model = Written(lambda m, x: m.a(x.permute(0, 2, 3, 1)), a=nn.Conv2d(3, 4, 3))
    assert check(model, require=[]).failed.endswith("channels last, put them first: x.permute(0, 3, 1, 2)")


def test_a_square_map_in_torchs_order_is_not_asked_about() -> None:
    model = Written(lambda m, x: m.b(m.a(x)), a=nn.Conv2d(3, 16, 1), b=nn.Conv2d(32, 4, 1))  # 16x32x32, 32 expected
    failure = check(model, require=[]).failed
    assert "to have 32 channels" in failure
    assert "channels last" not in failure


def on_a_gpu(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if not x.is_cuda:
        raise AssertionError("input is not on cuda")
    return x


def test_an_assertion_that_asks_for_a_gpu_says_where_checks_run() -> None:
    failure = check(Written(on_a_gpu), require=[]).failed
    assert "input is not on cuda" in failure
    assert failure.endswith("checks run on the CPU: take this condition out, or let it hold there")
