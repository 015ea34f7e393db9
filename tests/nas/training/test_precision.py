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
