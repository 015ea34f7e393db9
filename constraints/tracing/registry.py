"""The parameters and buffers of a model with their handles, and those that cannot be counted or are not registered."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, cached_property
from hashlib import blake2b
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from constraints.tracing.axes import Shape
from constraints.tracing.handles import Handle, HandleCopier

_FLOAT32_BYTES = 4
_MOST_DIGESTED_BYTES = 2**26
"""Largest constant that is compared by its elements, which takes about a tenth of a second."""
_storage = torch._C.TensorBase.untyped_storage  # the original, not the watched one


def new_handle(run: HandleCopier, tensor: torch.Tensor, shape: Shape, name: str | None = None) -> Handle:
    """A handle for a tensor of a run."""
    if tensor.dtype.is_floating_point or tensor.is_quantized:
        return Handle(run, shape, _FLOAT32_BYTES, "real", name)
    kind = "truth" if tensor.dtype is torch.bool else "real" if tensor.is_complex() else "integer"
    return Handle(run, shape, tensor.element_size(), kind, name)


def memory_of(tensor: torch.Tensor) -> int:
    """Its memory address; 0 where it has none."""
    return _storage(tensor).data_ptr() if tensor.layout is torch.strided else 0


def is_readable(tensor: torch.Tensor) -> bool:
    """Whether a tensor has elements, and has them in its own memory."""
    return not tensor.is_meta and type(tensor) in (torch.Tensor, nn.Parameter, nn.Buffer)


def uniform(tensor: torch.Tensor) -> float | None:
    """The number that all elements are; None where they differ, NaN where they cannot be read."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex() or not tensor.numel():
        return None
    if not is_readable(tensor):
        return math.nan
    first = tensor.detach()[(0,) * tensor.dim()]
    return float(first) if bool((tensor == first).all()) else None


class Fixed:
    """The elements of a tensor that is not trained, which are read only where a rule asks for them."""

    __slots__ = ("_tensor", "is_older")

    def __init__(self, tensor: torch.Tensor, *, is_older: bool = True) -> None:
        """Read nothing yet; ``is_older`` says whether the tensor existed before the run."""
        self._tensor, self.is_older = tensor, is_older

    def __call__(self) -> float | None:
        """The number that all elements are, as ``uniform`` finds it."""
        return uniform(self._tensor)

    def digest(self) -> str:
        """The same for tensors with the same elements in the same order; of one that cannot be read, its identity."""
        tensor = self._tensor
        is_plain = is_readable(tensor) and tensor.layout is torch.strided and not tensor.is_quantized
        if not is_plain or tensor.nbytes > _MOST_DIGESTED_BYTES:
            return str(id(tensor))
        flat = tensor.detach().cpu().resolve_conj().resolve_neg().reshape(-1)
        return f"{tensor.dtype} {blake2b(flat.view(torch.uint8).numpy().tobytes(), digest_size=16).hexdigest()}"

    def pattern(self) -> int | None:
        """A number that is the same for equal kernels; None for one that shifted may be another one of its size.

        That is one that has only zeros at an end, for some output channel.
        """
        kernel = self._tensor.detach()
        if kernel.layout is not torch.strided or kernel.is_quantized or kernel.is_meta or kernel.is_complex():
            return None
        kernel = kernel.cpu()
        used = (kernel != 0).any(1)  # output channels, then the spatial axes
        ends = [used.select(a, at).reshape(len(used), -1).any(1).all() for a in range(1, used.dim()) for at in (0, -1)]
        return hash((kernel.shape, kernel.double().numpy().tobytes())) if all(ends) else None


class Registry:
    """What a model's modules register, except modules at the paths ``hidden``."""

    def __init__(self, modules: Mapping[str, nn.Module], hidden: Collection[str], run: HandleCopier) -> None:
        """Collect from the modules; ``run`` is the recorder of the handles."""
        self.parameters: dict[str, torch.Tensor] = {}
        self.uncounted: dict[str, str] = {}
        self.handles: dict[int, Handle] = {}
        """``id`` of a parameter or buffer -> its handle, which is not attached to the tensor itself."""
        self._run = run
        self._buffers: list[torch.Tensor] = []
        self._hidden = {path: modules[path] for path in hidden}
        registered = {path: module for path, module in modules.items() if path not in self._hidden}
        self._note_packed(registered)
        for path, module in registered.items():
            if module._parameters:
                self._add_parameters(path, module._parameters)
            if module._buffers:
                self._add_buffers(module._buffers.values())

    def _note_packed(self, modules: Mapping[str, nn.Module]) -> None:
        kinds: set[Any] = {type(m) for m in modules.values()}
        if any(any(_kind(kind)) for kind in kinds):
            whys = {path or type(module).__name__: _packed(module) for path, module in modules.items()}
            self.uncounted = {path: why for path, why in whys.items() if why}

    def _add_parameters(self, path: str, parameters: Mapping[str, nn.Parameter | None]) -> None:
        for name, parameter in parameters.items():
            if parameter is None or id(parameter) in self.handles:
                continue
            full = f"{path}.{name}" if path else name
            if parameter.__class__ is not nn.Parameter and is_lazy(parameter):
                self.uncounted[full] = "the forward pass has given it no shape"
            else:
                self.parameters[full] = parameter
                handle = self.handles[id(parameter)] = new_handle(self._run, parameter, tuple(parameter.shape), full)
                if not parameter.requires_grad:
                    handle.number = Fixed(parameter)

    def _add_buffers(self, buffers: Iterable[torch.Tensor | None]) -> None:
        for buffer in buffers:
            if buffer is None or id(buffer) in self.handles:
                continue
            if buffer.__class__ is torch.Tensor or not is_lazy(buffer):
                self._buffers.append(buffer)
                handle = self.handles[id(buffer)] = new_handle(self._run, buffer, tuple(buffer.shape), "")
                handle.number = handle.content = Fixed(buffer)

    @cached_property
    def memories(self) -> Mapping[int, Sequence[torch.Tensor]]:
        """Parameters and buffers by memory address; needed only for a model that writes in place."""
        places: dict[int, list[torch.Tensor]] = {}
        for tensor in (*self.parameters.values(), *self._buffers):
            places.setdefault(memory_of(tensor), []).append(tensor)
        places.pop(0, None)  # a tensor on the meta device has no memory
        return places

    def unregistered(self, outside: Iterable[torch.Tensor]) -> Mapping[str, int]:
        """Modules that are not registered -> how many of their parameters are among the tensors that a run used."""
        owners = {id(p): path for path, m in self._hidden.items() for p in m._parameters.values() if p is not None}
        found: dict[str, int] = {}
        for tensor in outside:
            if isinstance(tensor, nn.Parameter):
                owner = owners.get(id(tensor), "")
                found[owner] = found.get(owner, 0) + tensor.numel()
        return found


def _packed(module: nn.Module) -> str:
    """Why a module's weights are not parameters, where they are stored in another form; else empty."""
    kind: Any = type(module)
    is_quantised, is_script = _kind(kind)
    if is_quantised and not any(p is not None for p in module._parameters.values()):
        return "a quantised module packs its weights, which are no parameters any more"
    if is_script and not hasattr(module, "training"):
        return "a frozen program holds its weights as constants, which are no parameters any more"
    return ""


@cache
def _kind(kind: Any) -> tuple[bool, bool]:
    """Whether a class of modules packs its weights, and whether it is a TorchScript program."""
    is_quantised = "quantized" in kind.__module__.split(".") and (
        hasattr(kind, "weight") or hasattr(kind, "get_weight")
    )
    return is_quantised, issubclass(kind, torch.jit.ScriptModule)
