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


def test_convolutions_run_in_bfloat16() -> None:
    conv, images = torch.nn.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 8, 8)
    with autocast("bfloat16", CPU):
        assert conv(images).dtype == torch.bfloat16
