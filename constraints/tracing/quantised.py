"""Quantised operators: recorded as the operations on real numbers that they represent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

_ATEN: Any = torch.ops.aten
_OF_PACKED = 2
"""Arguments of a convolution whose options are packed with its weights; after these, a scale and a zero point."""
Restated = tuple[Any, tuple[Any, ...]]
"""An operator of torch's on real numbers, and its arguments; weights are tensors."""


def _convolved(found: re.Match[str], args: Sequence[Any]) -> Restated:
    data, packed, *rest = args
    weight, bias = packed.unpack()
    n = int(found["dims"])
    if weight.dim() > n + 2:  # a 1d convolution, packed as a 2d one
        weight = weight.squeeze(2)
    is_given = len(rest) > _OF_PACKED
    options = rest[:3] if is_given else (packed.stride(), packed.padding(), packed.dilation())
    sizes = [list(option)[-n:] for option in options]
    output_padding = list(packed.output_padding())[-n:]
    is_transposed = bool(found["transposed"])
    made = None if bias is None else bias.detach()  # the packed bias outlives the run
    taken = (data, _real(weight), made, *sizes, is_transposed, output_padding, packed.groups())
    return _ATEN.convolution.default, taken


def _multiplied(found: re.Match[str], args: Sequence[Any]) -> Restated:
    weight, _ = args[1].unpack()
    return _ATEN.mm.default, (args[0], _real(weight).t())


def _real(weight: torch.Tensor) -> torch.Tensor:
    return weight.dequantize() if weight.is_quantized else weight.float()


_RULES: Mapping[str, Callable[[re.Match[str], Sequence[Any]], Restated]] = {
    r"conv(?P<transposed>_transpose)?(?P<dims>[123])d(_relu)?(_dynamic)?": _convolved,
    r"linear(_relu|_leaky_relu|_tanh)?(_dynamic)?(_fp16)?": _multiplied,
    r"add(_relu)?": lambda found, args: (_ATEN.add.Tensor, tuple(args[:2])),
    r"mul(_relu)?": lambda found, args: (_ATEN.mul.Tensor, tuple(args[:2])),
    r"matmul": lambda found, args: (_ATEN.bmm.default, tuple(args[:2])),
    r"softmax": lambda found, args: (_ATEN._softmax.default, (*args[:2], False)),
    r"cat(_relu)?": lambda found, args: (_ATEN.cat.default, tuple(args[:2])),
    r"(add|mul)_scalar(_relu)?|batch_norm([123]d)?(_relu)?|(group|instance|layer)_norm|"
    r"(leaky_)?relu6?|prelu|c?elu|clamp|dropout|hardswish|sigmoid|tanh|threshold": lambda found, args: (
        _ATEN.relu.default,
        tuple(args[:1]),
    ),
}
"""Name -> the operation that it represents; a fused activation is left out, since it works element by element."""


def is_known(op: str) -> bool:
    """Whether an operator, by its full name, is one that ``restated`` takes."""
    return op.startswith("quantized::") and any(re.fullmatch(pattern, _name(op)) for pattern in _RULES)


def restated(op: str, args: Sequence[Any]) -> Restated:
    """The operation that a quantised operator represents: except for rounding, it sees and multiplies the same."""
    matches = ((re.fullmatch(pattern, _name(op)), rule) for pattern, rule in _RULES.items())
    return next(rule(found, args) for found, rule in matches if found)


def _name(op: str) -> str:
    return op.removeprefix("quantized::")
