"""Code that asks for a graphics card, on a machine that need not have one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from constraints.sandbox.cpu_only import CpuOnly, asks_for_accelerator


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(2, device="cuda"),
        lambda: torch.tensor([1.0], device=torch.device("cuda", 0)),
        lambda: torch.ones(2).cuda(),
        lambda: torch.ones(2).to("cuda:1"),
        lambda: torch.ones(2).to(0),
        lambda: torch.ones(2).to(device="mps"),
        lambda: torch.arange(3, device=0),
        lambda: nn.Linear(2, 2, device="cuda").weight,
        lambda: nn.Linear(2, 2).cuda().weight,
        lambda: nn.Linear(2, 2).to("cuda", torch.float64).weight,
    ],
)
def test_tensors_stay_on_the_processor(make: Callable[[], torch.Tensor]) -> None:
    with CpuOnly():
        torch.set_default_device("cuda")
        torch.cuda.set_device(0)
        assert make().device.type == "cpu"


def test_a_default_of_the_code_before_is_undone() -> None:
    torch.set_default_device("cuda")
    try:
        with CpuOnly():
            assert torch.zeros(2).device.type == "cpu"
            assert nn.Linear(2, 2).weight.device.type == "cpu"
    finally:
        torch.set_default_device(None)


def test_the_precision_is_still_changed_and_meta_stays_meta() -> None:
    with CpuOnly():
        assert torch.ones(2).to("cuda", torch.float64).dtype == torch.float64
        assert torch.ones(2, device="meta").device.type == "meta"


def test_weights_of_a_graphics_card_are_loaded(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3)}, tmp_path / "w.pt")
    with CpuOnly():
        assert torch.load(tmp_path / "w.pt", map_location="cuda")["w"].sum() == 3


def test_only_what_speaks_of_a_graphics_card_is_tried_again() -> None:
    assert asks_for_accelerator("Found no NVIDIA driver on your system")
    assert asks_for_accelerator("Torch not compiled with CUDA enabled")
    assert not asks_for_accelerator("size mismatch")
