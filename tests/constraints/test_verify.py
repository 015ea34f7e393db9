"""The probe's verdict on a traced field: it agrees, contradicts, or says why it cannot tell."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import nn

from constraints import Report, check
from constraints.verify import verify
from tests.constraints.written import Written


def plain() -> nn.Sequential:
    """Sees 3 + 2 * 2 = 7 pixels: a 3x3, then one of dilation 2."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=2, dilation=2))


def report(model: nn.Module, *fields: int, shape: tuple[int, ...] = (3, 8, 8)) -> Report:
    found = check(model, shape, require=[], fixes=False)
    metrics = dict(found.metrics) | ({"receptive_field_hw": list(fields)} if fields else {})
    return replace(found, metrics=MappingProxyType(metrics))


def test_a_field_that_gradients_confirm() -> None:
    found = verify(plain(), report(plain(), 7, 7), (3, 8, 8))
    (verdict,) = found.constraints
    assert (verdict.name, verdict.expr, verdict.ok) == ("verified", "receptive_field_hw == gradients", True)
    assert found.verified is not None
    # A strip is doubled until it holds twice the field, 14 pixels, along its axis.
    assert found.verified["input"] == [[3, 16, 8], [3, 8, 16]]
    assert found.verified["receptive_field_hw"] == [7, 7]
    assert verdict.why == "gradients measure 7x7 on inputs of 3x16x8 and 3x8x16, the trace says 7x7"


@pytest.mark.parametrize("fields", [(6, 7), (7, 6), (8, 7), (9, 9)])
def test_a_field_that_gradients_contradict(fields: tuple[int, int]) -> None:
    found = verify(plain(), report(plain(), *fields), (3, 8, 8))
    assert not found.ok
    assert found.verified is not None
    assert found.verified["agrees"] is False
    assert found.constraints[-1].why.endswith(f"the trace says {fields[0]}x{fields[1]}")


def test_each_axis_is_measured_by_itself() -> None:
    model = nn.Conv2d(3, 4, (3, 5), padding=(1, 2))
    assert verify(model, report(model), (3, 8, 8)).verified is not None
    assert verify(model, report(model, 3, 5), (3, 8, 8)).ok
    assert not verify(model, report(model, 5, 3), (3, 8, 8)).ok


def test_a_model_of_one_input_size_gets_a_warning_instead() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 5, padding=2), nn.Flatten(), nn.Linear(4 * 64, 10))
    found = verify(model, report(model), (3, 8, 8))
    assert (found.ok, found.constraints, found.verified) == (True, (), None)
    assert found.warnings[-1].startswith("the receptive field could not be verified: RuntimeError: ")
    assert "\n" not in found.warnings[-1]


def test_an_error_without_a_text_is_named() -> None:
    def run(model: Any, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-2:] != (8, 8):
            raise ValueError
        return model.body(x)  # type: ignore[no-any-return]

    model = Written(run, body=nn.Conv2d(3, 4, 5, padding=2))
    assert verify(model, report(model), (3, 8, 8)).warnings == ("the receptive field could not be verified: ValueError: ",)


def test_an_unknown_field_gets_a_warning() -> None:
    before = report(plain())
    unknown = replace(before, metrics=MappingProxyType({"receptive_field_hw": None}))
    (warning,) = verify(plain(), unknown, (3, 8, 8)).warnings
    assert warning == "the receptive field could not be verified: the traced receptive field is unknown"


def test_neighbours_that_see_differently_are_all_asked() -> None:
    """Nearest upsampling by 2, then a kernel of 2: every second unit sees two pixels, the others one."""
    model = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 2))
    found = report(model)
    assert found.metrics["receptive_field_hw"] == [2, 2]
    assert verify(model, found, (3, 8, 8)).ok
