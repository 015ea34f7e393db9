"""Settings of this process that a forward pass may change, put back after a run."""

from __future__ import annotations

import ctypes
import gc
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch import distributions
from torch.nn.modules import module as modules

_UNKNOWN = object()
_SUBNORMAL = [5e-324]
_MT19937_BYTES = 625 * 4
"""624 words and a position."""
_CPU = "cpu"


class _Setting(NamedTuple):
    """A setting: how it is read, and how it is set to what was read."""

    get: Callable[[], Any]
    put: Callable[[Any], object]

    def now(self) -> Any:
        """Its value; _UNKNOWN where the system does not tell it, as of a working folder that was removed."""
        try:
            return self.get()
        except OSError:
            return _UNKNOWN

    def put_back(self, before: Any) -> None:
        """Give it its value again, if it has another one now and the system allows it."""
        if before is not _UNKNOWN and self.now() != before:
            with suppress(OSError):
                self.put(before)


def _of(owner: Any, name: str) -> _Setting:
    return _Setting(lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def _copied(owner: Any) -> _Setting:
    """A list or a dict that is filled again."""

    def put(before: Any) -> None:
        owner.clear()
        owner.extend(before) if isinstance(owner, list) else owner.update(before)

    return _Setting(owner.copy, put)


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _environment() -> Mapping[Any, Any]:
    """The encoded environment variables; a copy of the decoded ones takes ten times as long."""
    return dict(vars(os.environ).get("_data", os.environ))


def _set_environment(before: Mapping[Any, Any]) -> None:
    os.environ.clear()
    os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in before.items()})


def _flushes() -> bool:
    """Whether the processor takes the smallest numbers for zero, which torch can set but not tell."""
    return _SUBNORMAL[0] * 1.0 == 0


def _printing() -> dict[str, Any]:
    return dict(vars(torch._tensor_str.PRINT_OPTS))


_OF_HOOKS = [v for name, v in vars(modules).items() if name.startswith("_global_") and isinstance(v, dict)]
_SETTINGS = (
    _Setting(torch.get_default_dtype, torch.set_default_dtype),
    _Setting(torch.get_default_device, lambda value: torch.set_default_device(None if value.type == _CPU else value)),
    _Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    _Setting(torch.get_num_threads, torch.set_num_threads),
    _Setting(_deterministic, _set_deterministic),
    _Setting(
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda value: torch.set_anomaly_enabled(*value),
    ),
    _Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    _Setting(lambda: torch.is_autocast_enabled(_CPU), lambda value: torch.set_autocast_enabled(_CPU, value)),
    _Setting(lambda: torch.get_autocast_dtype(_CPU), lambda value: torch.set_autocast_dtype(_CPU, value)),
    _Setting(_flushes, torch.set_flush_denormal),
    _Setting(_printing, lambda value: vars(torch._tensor_str.PRINT_OPTS).update(value)),
    _Setting(torch.is_warn_always_enabled, torch.set_warn_always),
    _of(torch.backends.cudnn, "enabled"),
    _of(torch.backends.cudnn, "benchmark"),
    _of(torch.backends.cudnn, "deterministic"),
    _Setting(torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    _Setting(torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp),
    _Setting(torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
    _of(distributions.Distribution, "_validate_args"),
    _Setting(
        torch.__future__.get_swap_module_params_on_conversion, torch.__future__.set_swap_module_params_on_conversion
    ),
    *map(_copied, _OF_HOOKS),
    _Setting(os.getcwd, os.chdir),
    _Setting(_environment, _set_environment),
    _Setting(sys.getrecursionlimit, sys.setrecursionlimit),
    _Setting(gc.isenabled, lambda value: gc.enable() if value else gc.disable()),
)


@contextmanager
def process_kept() -> Iterator[None]:
    """Put back, at the end, the settings of torch and of Python, and the random number generators.

    Not put back is what has no setting to read: global variables of the model's files, open files, other processes.
    """
    settings = [(setting, setting.now()) for setting in (*_SETTINGS, *_of_this_run())]
    draws, of_python, of_numpy = torch.get_rng_state(), random.getstate(), _numpy_draws()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]  # torch leaves it untyped
    try:
        yield
    finally:
        for setting, before in settings:
            setting.put_back(before)
        torch.set_rng_state(draws)
        random.setstate(of_python)
        of_numpy()
        if devices:
            torch.cuda.set_rng_state_all(devices)


def _of_this_run() -> list[_Setting]:
    """The settings that may be other objects from run to run."""
    found = [_Setting(lambda: list(warnings.filters), _set_filters), _copied(sys.path)]
    if (numpy := sys.modules.get("numpy")) is not None:
        found.append(_Setting(numpy.geterr, lambda value: numpy.seterr(**value)))
    return found


def _set_filters(before: list[Any]) -> None:
    warnings.resetwarnings()  # which has Python forget what it found with the filters before
    warnings.filters.extend(before)  # type: ignore[attr-defined]  # its stub takes it for a sequence


def _numpy_draws() -> Callable[[], object]:
    """How to put back numpy's global generator."""
    generator: Any = sys.modules.get("numpy.random")  # numpy imports it on first use
    if generator is None:
        return lambda: None
    before, memory = generator.get_state(legacy=False), _memory_of(generator)
    is_half_used = bool(before.get("has_gauss"))

    def put() -> None:
        if is_half_used or memory is None or _memory_of(generator) != memory:  # setting it takes a while
            generator.set_state(before)

    return put


def _memory_of(generator: Any) -> bytes | None:
    """The memory of numpy's usual generator; None for another one."""
    bits = generator.get_bit_generator()
    if type(bits) is not generator.MT19937:
        return None
    return ctypes.string_at(bits.ctypes.state_address, _MT19937_BYTES)
