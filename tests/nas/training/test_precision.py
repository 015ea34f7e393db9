"""Which number format a training runs in."""

import pytest
import torch

from constraints.errors import UnusableInputError
from nas.training import precision
from nas.training.cpu_timing import Timing, timing
from nas.training.precision import Precision, autocast, resolve

CPU = torch.device("cpu")


FASTER, SLOWER = Timing(float32=2.0, bfloat16=1.0), Timing(float32=1.0, bfloat16=16.0)


def measured(monkeypatch: pytest.MonkeyPatch, found: Timing) -> None:
    """Let this machine's CPU be one of these times."""
    monkeypatch.setattr(precision, "timing", lambda: found)


@pytest.mark.parametrize(("found", "wanted"), [(FASTER, "bfloat16"), (SLOWER, "float32")])
def test_auto_is_what_is_faster(found: Timing, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, found)
    assert resolve("auto", CPU) == wanted


def test_auto_is_measured_on_this_machine() -> None:
    assert resolve("auto", CPU) == ("bfloat16" if timing().is_bfloat16_faster else "float32")


@pytest.mark.parametrize("before", ["float32", "bfloat16"])
@pytest.mark.parametrize("found", [FASTER, SLOWER])
def test_what_was_chosen_before_stays(before: Precision, found: Timing, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, found)
    assert resolve("auto", CPU, before) == before


@pytest.mark.parametrize("setting", ["float32", "bfloat16"])
@pytest.mark.parametrize("found", [FASTER, SLOWER])
def test_what_is_asked_for_is_done_whatever_is_faster(
    setting: Precision, found: Timing, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch, found)
    assert resolve(setting, CPU) == resolve(setting, CPU, "bfloat16") == setting


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
