"""Which number format a training runs in."""

from types import MappingProxyType

import pytest
import torch

from constraints.errors import UnusableInputError
from nas.training.precision import autocast, is_native, resolve

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),  # it would be emulated
        ({"architecture": "aarch64"}, "float32"),
    ],
)
def test_auto_follows_the_processor(features: dict[str, bool], wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(features))
    assert resolve("auto", CPU) == wanted
    assert is_native(CPU) == (wanted == "bfloat16")


@pytest.mark.parametrize("setting", ["float32", "bfloat16"])
def test_what_is_asked_for_is_done_whatever_the_processor(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert resolve(setting, CPU) == setting  # type: ignore[arg-type]


def test_another_precision_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="no such precision: 'float16': choose one of auto, float32, bfloat16"):
        resolve("float16", CPU)  # type: ignore[arg-type]


def test_a_forward_pass_runs_in_it() -> None:
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast("bfloat16", CPU):
        assert layer(x).dtype == torch.bfloat16
    with autocast("float32", CPU):
        assert layer(x).dtype == torch.float32


@pytest.mark.parametrize("groups", [1, 4, 16])
def test_gradients_of_dilated_convolutions_are_those_of_float32(groups: int) -> None:
    """In bfloat16 they are noise on some processors, and other noise every time."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=groups).to(memory_format=torch.channels_last)
    images = torch.randn(4, 16, 32, 32).contiguous(memory_format=torch.channels_last)
    conv(images).square().sum().backward()
    wanted = [parameter.grad.clone() for parameter in conv.parameters() if parameter.grad is not None]
    conv.zero_grad()
    with autocast("bfloat16", CPU):
        answer = conv(images.bfloat16().float())
        assert answer.dtype == torch.float32
    answer.square().sum().backward()
    for parameter, gradient in zip(conv.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0.02, atol=0.02 * float(gradient.abs().max()))


def test_other_convolutions_run_in_bfloat16() -> None:
    conv, images = torch.nn.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 8, 8)
    with autocast("bfloat16", CPU):
        assert conv(images).dtype == torch.bfloat16
