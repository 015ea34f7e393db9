"""The settings of this process are after a run what they were before."""

from __future__ import annotations

import gc
import os
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules import module as modules

from constraints.process_state import process_kept
from constraints.tracer import trace
from tests.constraints.written import Written

Read = Callable[[], Any]
SMALLEST = [5e-324]
BACKENDS = torch.backends
SETTINGS: dict[str, tuple[Read, Callable[[], object]]] = {
    "dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "device": (torch.get_default_device, lambda: torch.set_default_device("meta")),
    "gradients": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(not torch.is_grad_enabled())),
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(torch.get_num_threads() + 1)),
    "deterministic": (
        torch.are_deterministic_algorithms_enabled,
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    ),
    "anomalies": (torch.is_anomaly_enabled, lambda: torch.set_anomaly_enabled(True)),
    "precision": (torch.get_float32_matmul_precision, lambda: torch.set_float32_matmul_precision("medium")),
    "autocast": (lambda: torch.is_autocast_enabled("cpu"), lambda: torch.set_autocast_enabled("cpu", True)),
    "its dtype": (lambda: torch.get_autocast_dtype("cpu"), lambda: torch.set_autocast_dtype("cpu", torch.float16)),
    "subnormal numbers": (lambda: SMALLEST[0] * 1.0, lambda: torch.set_flush_denormal(True)),
    "printing": (lambda: repr(torch.tensor(1 / 3)), lambda: setattr(torch._tensor_str.PRINT_OPTS, "precision", 2)),
    "benchmark": (lambda: BACKENDS.cudnn.benchmark, lambda: setattr(BACKENDS.cudnn, "benchmark", True)),
    "attention": (BACKENDS.cuda.flash_sdp_enabled, lambda: BACKENDS.cuda.enable_flash_sdp(False)),
    "its fast path": (BACKENDS.mha.get_fastpath_enabled, lambda: BACKENDS.mha.set_fastpath_enabled(True)),
    "checks of distributions": (
        lambda: torch.distributions.Distribution._validate_args,
        lambda: torch.distributions.Distribution.set_default_validate_args(False),
    ),
    "hooks of all modules": (
        lambda: list(modules._global_forward_hooks),
        lambda: modules.register_module_forward_hook(lambda *_: None),
    ),
    "environment": (lambda: os.environ.get("OF_A_MODEL"), lambda: os.environ.__setitem__("OF_A_MODEL", "1")),
    "folder": (Path.cwd, lambda: os.chdir("/")),
    "recursion": (sys.getrecursionlimit, lambda: sys.setrecursionlimit(5000)),
    "garbage collection": (gc.isenabled, gc.disable),
    "warnings": (lambda: list(warnings.filters), lambda: warnings.simplefilter("ignore")),
    "import path": (lambda: list(sys.path), lambda: sys.path.append("/nowhere")),
    "numpy's errors": (np.geterr, lambda: np.seterr(all="raise")),
    "torch's seed": (lambda: float(torch.get_rng_state().sum()), lambda: torch.manual_seed(1)),
    "numpy's seed": (lambda: str(np.random.get_state(legacy=False)), lambda: np.random.seed(1)),
    "Python's seed": (random.getstate, lambda: random.seed(1)),
}


@pytest.fixture(autouse=True)
def restored() -> Any:
    """Restore the settings for other tests, even if a test here fails."""
    with process_kept():
        yield
    torch.set_default_device(None)


@pytest.mark.parametrize(("read", "change"), SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_setting_that_the_forward_pass_changes_is_put_back(
    read: Read, change: Callable[[], object], *, fails: bool
) -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.conv(x)
        change()
        if fails:
            raise LookupError("of the model")
        return y

    model = Written(run, conv=nn.Conv2d(3, 4, 3))
    before = read()
    if fails:
        with pytest.raises(LookupError, match="of the model"):
            trace(model, (3, 8, 8))
    else:
        trace(model, (3, 8, 8))
    assert read() == before


def test_a_working_folder_that_is_removed_keeps_nothing_else_from_being_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, inside in enumerate((True, False)):  # removed by the forward pass, and before it
        gone = tmp_path / f"gone {number}"
        gone.mkdir()
        if not inside:
            os.chdir(gone)
            gone.rmdir()
        with process_kept():
            if inside:
                os.chdir(gone)
                gone.rmdir()
            torch.set_default_dtype(torch.float64)
        assert torch.get_default_dtype() == torch.float32
        if inside:
            assert Path.cwd() == tmp_path


def test_a_setting_that_was_changed_before_is_kept() -> None:
    torch.set_float32_matmul_precision("high")
    warnings.simplefilter("ignore", UserWarning)
    filters = list(warnings.filters)
    trace(nn.Conv2d(3, 4, 3), (3, 8, 8))
    assert (torch.get_float32_matmul_precision(), warnings.filters) == ("high", filters)


def test_a_warning_is_given_again_only_if_the_filters_changed() -> None:
    """As Python does: it forgets which warnings were given where its filters change."""

    def warned() -> int:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("error")
            with process_kept():
                warnings.simplefilter("always")
            with pytest.raises(UserWarning, match="once more"):
                warnings.warn("once more", stacklevel=1)
        return len(found)

    assert warned() == 0
