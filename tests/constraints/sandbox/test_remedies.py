"""Remedies by themselves: what a missing module and a missing GPU lead to, and that all of it is undone."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from constraints.sandbox.cpu_only import WARNING
from constraints.sandbox.remedies import Remedies


def test_a_missing_module_is_found_in_a_folder_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "widths_above.py").write_text("FIRST = 24\n")
    (tmp_path / "nets").mkdir()
    monkeypatch.setattr(sys, "path", sys.path[:])
    told: list[str] = []
    with Remedies(told.append) as remedies:
        found = remedies.applied(lambda: importlib.import_module("widths_above"), tmp_path / "nets" / "net.py")
    del sys.modules["widths_above"]
    assert found.FIRST == 24
    assert told == [f"widths_above is imported from {tmp_path}, a folder above the file"]


def test_a_module_that_is_nowhere_is_replaced_until_the_end(tmp_path: Path) -> None:
    def imported() -> ModuleType:
        return importlib.import_module("plots_of_nobody")

    with Remedies(lambda _: None) as remedies:
        assert remedies.applied(imported, tmp_path / "net.py").__name__ == "plots_of_nobody"
        assert list(remedies.absent.packages) == ["plots_of_nobody"]
    with pytest.raises(ModuleNotFoundError):
        imported()


def test_code_that_asks_for_a_gpu_runs_again_on_the_cpu() -> None:
    runs: list[None] = []

    def weight() -> torch.Tensor:
        runs.append(None)
        if len(runs) == 1:
            raise RuntimeError("Found no NVIDIA driver on your system.")
        return torch.zeros(2, device="cuda")

    with Remedies(lambda _: None) as remedies:
        assert remedies.applied(weight, Path("net.py")).device.type == "cpu"
        assert remedies.warnings() == (WARNING,)
    assert len(runs) == 2


def test_another_error_is_raised_at_once() -> None:
    def broken() -> None:
        runs.append(None)
        raise ValueError("width 0")

    runs: list[None] = []
    with Remedies(lambda _: None) as remedies, pytest.raises(ValueError, match="width 0"):
        remedies.applied(broken, Path("net.py"))
    assert (len(runs), remedies.warnings()) == (1, ())
