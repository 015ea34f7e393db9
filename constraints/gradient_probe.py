"""Measure a receptive field by gradients: an independent check that shares with the trace only which map is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from constraints.errors import UnusableInputError
from constraints.judged_call import JudgedCall, function_name, leaves
from constraints.model_state import copied, eager, parts
from constraints.samples import Sample
from constraints.tracing.modes import modes_kept

_POINTWISE = """
    abs alpha_dropout batch_norm celu clamp clamp_max clamp_min clip dropout dropout1d dropout2d dropout3d elu
    feature_alpha_dropout gelu group_norm hardshrink hardsigmoid hardswish hardtanh instance_norm layer_norm leaky_relu
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
_MAXIMA = {"max_pool1d": F.avg_pool1d, "max_pool2d": F.avg_pool2d, "max_pool3d": F.avg_pool3d}
_ADAPTIVE = {
    "adaptive_max_pool1d": F.adaptive_avg_pool1d,
    "adaptive_max_pool2d": F.adaptive_avg_pool2d,
    "adaptive_max_pool3d": F.adaptive_avg_pool3d,
}


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What gradients show of one map along one axis."""

    field: int | None
    """The largest extent of a unit that sees neither end of what the map sees; None where each sees one."""
    units: int
    """How many units the map has along the axis."""


def probe(
    model: nn.Module,
    input_size: Sequence[int] = (3, 64, 64),
    *,
    shortest: int = 0,
    longest: int = 8192,
    units: int = 1,
) -> tuple[int, ...]:
    """Measure the receptive field of the last map before global pooling, per axis, in input pixels.

    For each axis in turn the input is a strip: as long as it takes for no unit's field to touch its ends (doubled
    from ``input_size``, or ``shortest`` where that is longer, up to ``longest``), and ``input_size`` wide. ``units``
    neighbouring units in the middle are measured and the largest counts, which matters where they differ by phase.
    Gates are left aside.

    The copy that is measured is linear and positive, so that no gradient cancels or vanishes: float64, random weights
    of one sign that average, activations and normalisations replaced by the identity, maxima by averages; buffers,
    a kernel's mask say, are kept. Raises UnusableInputError where ``longest`` is too short.
    """
    linear = positive(model)
    strips = []
    for axis in range(len(input_size) - 1):
        strip = list(input_size)
        strip[axis + 1] = max(strip[axis + 1], shortest)
        strips.append(strip)
    return tuple(_grown(linear, strip, axis, longest, units) for axis, strip in enumerate(strips))


def probe_axis(
    model: nn.Module, input_size: Sequence[int], axis: int, units: int | None = None, tolerance: float = 0.0
) -> int | None:
    """The largest field along one axis of those units whose field touches no border; None where each does.

    ``units`` limits the measurement to that many in the middle; gradients up to ``tolerance`` times the largest
    count as nothing.
    """
    return _of_last_map(positive(model), input_size, axis, units, tolerance)


def _grown(model: nn.Module, input_size: Sequence[int], axis: int, longest: int, units: int) -> int:
    size = list(input_size)
    while size[axis + 1] <= longest:
        field = _of_last_map(model, size, axis, units, 0.0)
        if field is not None:
            return field
        size[axis + 1] *= 2
    raise UnusableInputError(
        f"no unit's field fits into a strip of {longest} pixels: give the probe a longer one (longest=...)"
    )


def _of_last_map(
    model: nn.Module, input_size: Sequence[int], axis: int, units: int | None, tolerance: float
) -> int | None:
    drawn = _positive_like(torch.Size([1, *input_size]), 0).requires_grad_()
    with modes_kept(), _Linearised(drawn.dim(), axis + 2) as mode:
        model(drawn)
    if mode.map is None and mode.is_spatial:
        return None  # the strip is too short for more than one unit
    if mode.map is None:
        raise UnusableInputError(
            f"no map to probe: {type(model).__name__} makes no tensor of {drawn.dim()} axes: probe one that does"
        )
    count = mode.map.shape[axis + 2]
    first = 0 if units is None else max((count - units) // 2, 0)
    chosen = range(first, count if units is None else min(first + units, count))
    return _largest(_spans((mode.map, axis + 2), (drawn, axis + 2), chosen, tolerance))


def probe_call(
    model: nn.Module, call: JudgedCall, axis: int, length: int, *, units: Sequence[int] | None, draws: int
) -> Probed:
    """Measure the map that ``call`` gives along one of its axes, on ``draws`` random inputs ``length`` pixels long.

    ``model`` is a positive copy. The forward pass ends at the map, so that a head which needs one size may follow.
    ``units`` are the places that are measured; None measures all. Raises UnusableInputError where the model
    calls other functions on an input of this length.
    """
    seen: list[tuple[int, int] | None] = []
    for draw in range(draws):
        sample, pixels = _strip(call, axis, length, draw)
        found = _map_of(model, call, sample, axis)
        count = found.shape[call.axes[axis]]
        chosen = range(count) if units is None else [u for u in units if u < count]
        has_rows = found.dim() == len(call.axes) + 2 and 0 not in call.axes
        spans = _spans((found, call.axes[axis]), (pixels, call.first + axis), chosen, 0.0, has_rows=has_rows)
        seen = [_hull(a, b) for a, b in zip(seen or spans, spans, strict=True)]
    return Probed(field=_largest(seen), units=count)


def _strip(call: JudgedCall, axis: int, length: int, draw: int) -> tuple[Sample, torch.Tensor]:
    """The sample with everything that is as long as the measured input, along the axis, of another length."""
    measured = call.sample.tensors[call.input]
    pixels: list[torch.Tensor] = []

    def longer(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        shape = list(leaf.shape)
        at = call.first + axis
        if leaf.dim() == measured.dim() and shape[at] == measured.shape[at]:
            shape[at] = length
        if leaf.is_floating_point() and (leaf is measured or shape != list(leaf.shape)):
            drawn = _positive_like(torch.Size(shape), draw)
            pixels[:0] = [drawn.requires_grad_()] if leaf is measured else []
            return drawn
        if shape != list(leaf.shape):
            return torch.ones(shape, dtype=leaf.dtype)
        return leaf.double() if leaf.is_floating_point() else leaf

    args, kwargs = tree_map(longer, (call.sample.args, dict(call.sample.kwargs)))
    return Sample(args=args, kwargs=kwargs), pixels[0]


def _map_of(model: nn.Module, call: JudgedCall, sample: Sample, axis: int) -> torch.Tensor:
    mode = _Linearised(len(call.shape), call.axes[axis], call)
    try:
        with modes_kept(), eager(), mode:
            model(*sample.args, **sample.kwargs)
    except _ReachedError:
        pass
    if mode.reached is None:
        raise UnusableInputError("the model calls other functions on an input of this length")
    return mode.reached


_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]  # its stub is a tensor


class _ReachedError(BaseException):
    """The judged map exists, and what follows it is not needed; no Exception, which a model might catch."""


Along = tuple[torch.Tensor, int]
"""A tensor and one of its axes."""


def _spans(
    found: Along, pixels: Along, units: Iterable[int], tolerance: float, has_rows: bool = False
) -> list[tuple[int, int] | None]:
    """What the whole map sees of the input, then what each of the units does, in each row of the batch by itself."""
    whole, axis = found
    rows = [whole[i : i + 1] for i in range(len(whole))] if has_rows else [whole]
    several = [whole, *(row.select(axis, unit) for unit in units for row in rows)]
    return [_span(part, *pixels, tolerance) for part in several]


def _largest(spans: Sequence[tuple[int, int] | None]) -> int | None:
    """The largest span of a unit that ends before what the whole map sees does, on both sides."""
    ends, *units = spans
    if ends is None:
        return None
    inside = [b - a + 1 for a, b in filter(None, units) if a > ends[0] and b < ends[1]]
    return max(inside, default=None)


def _hull(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    return (min(a[0], b[0]), max(a[1], b[1])) if a and b else a or b


def _span(output: torch.Tensor, sample: torch.Tensor, axis: int, tolerance: float) -> tuple[int, int] | None:
    """The first and the last input position along ``axis`` that the output changes with."""
    if output.is_complex():
        output = torch.view_as_real(output)
    total = (output * _positive_like(output.shape, 1)).sum()
    (gradient,) = torch.autograd.grad(total, sample, retain_graph=True, allow_unused=True)
    if gradient is None:
        return None
    others = [d for d in range(gradient.dim()) if d != axis]
    profile = gradient.abs().sum(others)
    seen = torch.nonzero(profile > tolerance * profile.max()).flatten()
    return (int(seen[0]), int(seen[-1])) if len(seen) else None


def _positive_like(shape: torch.Size, seed: int) -> torch.Tensor:
    """Between 0.5 and 1.5 at random."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5


def positive(model: nn.Module) -> nn.Module:
    """A float64 copy in eval mode whose weights are positive, random, and average what they read; buffers are kept."""
    copy = copied(model)
    found = parts(copy)  # those too that are registered nowhere, which ``double()`` and ``eval()`` do not reach
    for module in found.registered.values():
        module.training = False
    for module in found.modules.values():
        for kept in (module._buffers, module.__dict__):
            doubled = {k: v.double() for k, v in kept.items() if isinstance(v, torch.Tensor) and _is_single(v)}
            kept.update(doubled)
    parameters = {id(p): p for m in found.modules.values() for p in m._parameters.values() if p is not None}
    for seed, parameter in enumerate(parameters.values()):
        if is_lazy(parameter):
            continue
        parameter.requires_grad_(False)
        if parameter.is_floating_point():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
            parameter.data = _positive_like(parameter.shape, seed) / max(fan_in, 1)
    return copy


def _is_single(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and not is_lazy(tensor)


class _Linearised(TorchFunctionMode):
    """Turns what is not linear into something linear that sees the same, and cuts gates off."""

    def __init__(self, dims: int, axis: int, call: JudgedCall | None = None) -> None:
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
            raise _ReachedError
        if at == call.at:
            self.made = leaves(result)[call.position]
        if self.count == len(call.names):
            self.reached = self.made
            raise _ReachedError

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
        if name in _SUBSTITUTES:
            return _SUBSTITUTES[name](func, args, kwargs)
        if name in _BORDERLESS:
            return _BORDERLESS[name](*args, **kwargs)
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


def _averaged(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """An average over the windows of a max pooling, dilated ones included."""
    name = function_name(func)
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    given.pop("return_indices", None)
    data, n = given.pop("input"), int(name[-2])
    dilation = _tuple(given.pop("dilation", 1), n)
    if all(d == 1 for d in dilation):
        return _MAXIMA[name](data, **{k: v for k, v in given.items() if v is not None})
    kernel = _tuple(given["kernel_size"], n)
    stride = _tuple(given.get("stride") or kernel, n)
    weight = torch.full((data.shape[1], 1, *kernel), 1.0, dtype=data.dtype)
    convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
    padding = _tuple(given.get("padding", 0), n)
    return convolve(data, weight, None, stride, padding, dilation, data.shape[1])  # type: ignore[no-any-return]


def _adaptive(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    kwargs.pop("return_indices", None)
    return _ADAPTIVE[function_name(func)](*args[:2], **kwargs)


def _sum(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The sum of two tensors in place of the larger or smaller one of each place."""
    return args[0] + (args[1] if len(args) > 1 else kwargs["other"])


def _reduced(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The average over an axis in place of its maximum or minimum; of which place that is stays as it is."""
    if len(args) == 1 and "dim" not in kwargs:
        return func(*args, **kwargs)
    axes = args[1] if len(args) > 1 else kwargs["dim"]
    if isinstance(axes, torch.Tensor):
        return args[0] + axes
    keep = bool(args[2] if len(args) > 2 else kwargs.get("keepdim", False))
    mean = args[0].mean(axes, keepdim=keep)
    kind: Any = {"max": torch.return_types.max, "min": torch.return_types.min}.get(function_name(func))
    return kind((mean, args[0].argmax(axes, keepdim=keep))) if kind else mean


_SUBSTITUTES: dict[str, Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]] = {
    **dict.fromkeys(_MAXIMA, _averaged),
    **dict.fromkeys(_ADAPTIVE, _adaptive),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), _sum),
    **dict.fromkeys(("amax", "amin", "max", "min"), _reduced),
}
"""Function -> what is linear in its place."""


def _shifted(input: torch.Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> torch.Tensor:
    """A roll whose wrapped part is zero; one over the flattened tensor as it is."""
    data = input
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if not axes:
        return data.roll(shifts)
    for axis, shift in zip(axes, _tuple(shifts, len(axes)), strict=True):
        size = data.shape[axis]
        by = (shift + size // 2) % size - size // 2  # the shorter way round
        kept = data.narrow(axis, max(-by, 0), size - abs(by))
        zeros = torch.zeros_like(data.narrow(axis, 0, abs(by)))
        data = torch.cat([zeros, kept] if by > 0 else [kept, zeros], axis)
    return data


def _zero_padded(input: torch.Tensor, pad: Sequence[int], mode: str = "", value: float | None = None) -> torch.Tensor:
    return F.pad(input, list(pad))


_BORDERLESS: dict[str, Callable[..., torch.Tensor]] = {"pad": _zero_padded, "roll": _shifted}
"""What reflects or wraps around at a border is no part of an interior unit's field: zeros take its place."""


def _tuple(value: int | Sequence[int], n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)
