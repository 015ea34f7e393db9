"""A forward pass made linear while it runs, its gates cut off, up to the map that is measured."""

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
"""Functions that keep every place to itself; with an underscore at their end too."""
_LAYOUTS = frozenset(
    ["permute", "transpose", "movedim", "swapaxes", "mT", "layer_norm", "rms_norm", "linear", "view", "reshape"]
)
"""Functions around which the spatial axes may be other tensor axes than in the input."""
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
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]  # its stub is a tensor


class ReachedError(BaseException):
    """The judged map exists, and what follows it is not needed; no Exception, which a model might catch."""


class Linearised(TorchFunctionMode):
    """Turns what is not linear into something linear that sees the same, and cuts gates off."""

    def __init__(self, dims: int, axis: int, call: JudgedCall | None = None) -> None:
        """Measure maps of ``dims`` axes along one; the forward pass ends where ``call`` gives the judged map."""
        super().__init__()
        self.dims, self.axis, self.call = dims, axis, call
        self.count = 0
        """Functions called so far."""
        self.made: torch.Tensor | None = None
        """What the judged call gave, which later ones may write to."""
        self.reached: torch.Tensor | None = None
        """The same, once it is what was judged."""
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
        """Call the linear substitute for ``func``."""
        name, kwargs = function_name(func), dict(kwargs or {})
        result = self._called(func, name, args, kwargs)
        if isinstance(result, torch.Tensor) and result.is_floating_point() and result.dtype is not torch.float64:
            result = result.double()  # a norm, say, that works in a precision of its own
        if self.call is not None:
            self._look(name, self.call, result)
        if name not in _LAYOUTS and isinstance(result, torch.Tensor) and self._is_map(result):
            self.map = result
        return result

    def _look(self, name: str, call: JudgedCall, result: Any) -> None:
        """End the forward pass where the judged map is there."""
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
            return None  # a forward pass that is written without gradients is measured all the same
        if func == _DATA or name == "detach":
            return args[0]  # what is written to it is written to the tensor
        if name in SUBSTITUTES:
            return SUBSTITUTES[name](func, args, kwargs)
        if name in BORDERLESS:
            return BORDERLESS[name](*args, **kwargs)
        if name in _COMBINING:
            args = tuple(self._without_gate(a, args) for a in args)
        return func(*args, **kwargs)

    def _without_gate(self, operand: Any, operands: Sequence[Any]) -> Any:
        """An operand that is one value along the probed axis, where another is a map, counts as a constant."""
        tensors = [o for o in operands if isinstance(o, torch.Tensor) and o.dim() == self.dims]
        if not any(operand is t for t in tensors) or operand.shape[self.axis] > 1:
            return operand
        is_gate = any(t.shape[self.axis] > 1 for t in tensors)
        return torch.ones_like(operand) if is_gate else operand
