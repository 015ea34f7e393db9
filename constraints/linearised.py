"""Make a forward pass linear while it runs, without its gates, up to the measured map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from constraints.judged_call import JudgedCall, function_name, leaves
from constraints.linear_substitutes import BORDERLESS, SUBSTITUTES

_POINTWISE = """
    abs alpha_dropout batch_norm celu dropout dropout1d dropout2d dropout3d elu feature_alpha_dropout gelu group_norm
    hardshrink hardsigmoid hardswish hardtanh instance_norm layer_norm leaky_relu
    logsigmoid mish prelu relu relu6 rms_norm rrelu selu sigmoid silu softplus softshrink softsign tanh tanhshrink
    threshold
"""
_IDENTITIES = frozenset(_POINTWISE.split())
"""Elementwise functions and norms; also with a trailing underscore."""
_LAYOUTS = frozenset(
    ["permute", "transpose", "movedim", "swapaxes", "mT", "layer_norm", "rms_norm", "linear", "view", "reshape"]
)
"""Functions before and after which the spatial axes may be different tensor axes."""
_COMBINING = frozenset(
    [
        "add",
        "add_",
        "sub",
        "sub_",
        "mul",
        "mul_",
        "div",
        "__add__",
        "__radd__",
        "__iadd__",
        "__sub__",
        "__rsub__",
        "__mul__",
        "__rmul__",
        "__imul__",
        "__truediv__",
    ]
)
_DIFFERENCES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("sub", "subtract", "rsub", "__sub__", "__rsub__"), torch.add),
    **dict.fromkeys(("sub_", "subtract_", "__isub__"), torch.Tensor.add_),
}
"""Difference -> the sum that replaces it where both operands are tensors, so that nothing cancels."""
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]  # its type stub says Tensor


class ReachedError(BaseException):
    """The judged map is complete, the rest is not needed; a BaseException, since a model might catch an Exception."""


class Linearised(TorchFunctionMode):
    """Replaces nonlinear functions by linear ones that see the same, and removes gates."""

    def __init__(self, dims: int, axis: int, call: JudgedCall | None = None) -> None:
        """Measure maps of ``dims`` axes along ``axis``; the forward pass ends where ``call`` returns the judged map."""
        super().__init__()
        self.dims, self.axis, self.call = dims, axis, call
        self.count = 0
        """Number of functions called so far."""
        self.made: torch.Tensor | None = None
        """The result of the judged call, which later calls may write to."""
        self.reached: torch.Tensor | None = None
        """The same tensor, once it is complete."""
        self.map: torch.Tensor | None = None
        """The last tensor that is still a map along the probed axis."""
        self.is_spatial = False
        """Whether any tensor had as many axes as the input."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the linear replacement of ``func``."""
        name, kwargs = function_name(func), dict(kwargs or {})
        result = self._called(func, name, args, kwargs)
        if isinstance(result, torch.Tensor) and result.is_floating_point() and result.dtype is not torch.float64:
            result = result.double()  # for example from a norm that computes in its own precision
        if self.call is not None:
            self._look(name, self.call, result)
        if name not in _LAYOUTS and isinstance(result, torch.Tensor) and self._is_map(result):
            self.map = result
        return result

    def _look(self, name: str, call: JudgedCall, result: Any) -> None:
        """End the forward pass when the judged map is complete."""
        at, self.count = self.count, self.count + 1
        if at >= len(call.names) or name != call.names[at]:
            raise ReachedError
        if at == call.at:
            self.made = leaves(result)[call.position]
        if self.count == len(call.names):
            self.reached = self.made
            raise ReachedError

    def _is_map(self, tensor: torch.Tensor) -> bool:
        if not tensor.requires_grad or tensor.dim() != self.dims:
            return False
        self.is_spatial = True
        return tensor.shape[self.axis] > 1

    def _called(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name.removesuffix("_") in _IDENTITIES and not name.endswith("__"):
            return args[0] if args else kwargs["input"]
        if name == "_set_grad_enabled":
            return None  # gradients stay enabled, so that such a forward pass can be measured
        if func == _DATA or name == "detach":
            return args[0]  # a write to it is a write to the tensor
        if name in SUBSTITUTES:
            return SUBSTITUTES[name](func, args, kwargs)
        if name in BORDERLESS:
            return BORDERLESS[name](*args, **kwargs)
        if name in _COMBINING:
            args = tuple(self._without_gate(a, args) for a in args)
        if name in _DIFFERENCES and isinstance(args[-1], torch.Tensor) and len(args) > 1:
            func = _DIFFERENCES[name]
        return func(*args, **kwargs)

    def _without_gate(self, operand: Any, operands: Sequence[Any]) -> Any:
        """The operand, detached if it is a gate: one value along the probed axis, where another operand is a map."""
        tensors = [o for o in operands if isinstance(o, torch.Tensor) and o.dim() == self.dims]
        if not any(operand is t for t in tensors) or operand.shape[self.axis] > 1:
            return operand
        is_gate = any(t.shape[self.axis] > 1 for t in tensors)
        return torch.ones_like(operand) if is_gate else operand
