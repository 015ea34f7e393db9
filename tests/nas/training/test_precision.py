"""Which number format a training runs in."""

import threading

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.training import precision
from nas.training.cpu_timing import PrecisionTiming, timing
from nas.training.precision import Precision, autocast, resolve

CPU = torch.device("cpu")


FASTER, SLOWER = PrecisionTiming(float32=2.0, bfloat16=1.0), PrecisionTiming(float32=1.0, bfloat16=16.0)


def measured(monkeypatch: pytest.MonkeyPatch, found: PrecisionTiming) -> None:
    """Let this machine's CPU be one of these times."""
    monkeypatch.setattr(precision, "timing", lambda: found)


@pytest.mark.parametrize(("found", "wanted"), [(FASTER, "bfloat16"), (SLOWER, "float32")])
def test_auto_is_what_is_faster(found: PrecisionTiming, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, found)
    assert resolve("auto", CPU) == wanted


def test_auto_is_measured_on_this_machine() -> None:
    assert resolve("auto", CPU) == ("bfloat16" if timing().is_bfloat16_faster else "float32")


@pytest.mark.parametrize("before", ["float32", "bfloat16"])
@pytest.mark.parametrize("found", [FASTER, SLOWER])
def test_what_was_chosen_before_stays(
    before: Precision, found: PrecisionTiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch, found)
    assert resolve("auto", CPU, before) == before


@pytest.mark.parametrize("setting", ["float32", "bfloat16"])
@pytest.mark.parametrize("found", [FASTER, SLOWER])
def test_what_is_asked_for_is_done_whatever_is_faster(
    setting: Precision, found: PrecisionTiming, monkeypatch: pytest.MonkeyPatch
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


def test_convolutions_run_in_bfloat16() -> None:
    conv, images = torch.nn.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 8, 8)
    with autocast("bfloat16", CPU):
        assert conv(images).dtype == torch.bfloat16


@pytest.mark.parametrize("is_disturbed", [False, True])
def test_gradient_of_a_weight_used_twice_does_not_depend_on_other_threads(*, is_disturbed: bool) -> None:
    """256 + 1: bfloat16, of 8 bits, has no 257, so that the two are added in float32."""

    def elsewhere() -> None:
        with autocast("bfloat16", CPU):
            nn.functional.linear(torch.ones(1, 1), nn.Parameter(torch.ones(1, 1)))

    weight = nn.Parameter(torch.ones(1, 1))
    with autocast("bfloat16", CPU):
        assert not torch.is_autocast_cache_enabled()
        found = nn.functional.linear(torch.full((1, 1), 256.0), weight)
        if is_disturbed:
            other = threading.Thread(target=elsewhere)
            other.start()
            other.join()
        assert not torch.is_autocast_cache_enabled()
        found = found + nn.functional.linear(torch.ones(1, 1), weight)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert weight.grad.item() == 257
