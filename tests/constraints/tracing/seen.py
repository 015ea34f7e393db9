"""What every element of a tensor sees, as NumPy masks, beside what the interval calculus says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, Shape, View
from constraints.tracing.calls import Result, Results
from constraints.tracing.values import Call, Flow, Value

Mask = npt.NDArray[np.bool_]


class Tensor(NamedTuple):
    """``mask[element]`` has a flag for each pixel that the element sees; the last flag says that it sees a border."""

    mask: Mask
    view: View
    how: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        return self.mask.shape[:-1]

    def __repr__(self) -> str:
        return f"{'; '.join(self.how)}: {self.view}"


def image(pixels: int, before: Shape = (), behind: Shape = ()) -> Tensor:
    """The input: pixel ``i`` sees itself, in each channel, say, before and each column behind its axis."""
    mask = np.eye(pixels, pixels + 1, dtype=bool).reshape(pixels, *(1 for _ in behind), pixels + 1)
    view = View(Field(), (Digit(len(before), 1, pixels, 1),), extent=pixels)
    shape = (*before, pixels, *behind)
    return Tensor(np.broadcast_to(mask, (*shape, pixels + 1)), view, (f"{shape}, axis {len(before)}",))


def called(
    rule: Callable[[Call], Result | Results], op: str, t: Tensor, mask: Mask, *others: Shape, **arguments: Any
) -> Tensor:
    """The mask beside what a rule says of a call of ``op``; ``others`` are shapes of weights or constants."""
    inputs = [Value(t.shape, (t.view,), Flow(object()), None), *(Value(s, (None,), Flow(), None) for s in others)]
    call = Call(0, op, op, (op,), (), arguments, dict.fromkeys(arguments, 0), inputs, mask.shape[:-1])
    result = rule(call)
    (view,), _ = result[0] if isinstance(result, list) else result
    assert view is not None
    return Tensor(mask, view, (*t.how, f"{op}{arguments} to {mask.shape[:-1]}"))


def border(mask: Mask, axis: int, size: int) -> Mask:
    """``size`` indices that see nothing but the border."""
    border = np.zeros((*mask.shape[:axis], size, *mask.shape[axis + 1 :]), dtype=bool)
    border[..., -1] = True
    return border


def bordered(mask: Mask, axis: int, before: int, after: int) -> Mask:
    """Padded along an axis, or cropped where an amount is negative."""
    whole = np.concatenate([border(mask, axis, max(before, 0)), mask, border(mask, axis, max(after, 0))], axis)
    return whole[along(axis, slice(max(-before, 0), whole.shape[axis] - max(-after, 0)))]


def along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*[slice(None)] * axis, part)


def gathered(mask: Mask, axis: int, taps: Sequence[Sequence[int]]) -> Mask:
    """New index ``o`` of an axis sees all that the old indices ``taps[o]`` saw; those outside are border."""
    n, rows = mask.shape[axis], np.moveaxis(mask, axis, 0)
    outside = border(rows, 0, 1)[0]
    nothing = np.zeros_like(outside)
    made = [np.logical_or.reduce([nothing, *(rows[i] if 0 <= i < n else outside for i in row)]) for row in taps]
    return np.moveaxis(np.stack(made), 0, axis)


def windows_of(size: int, kernel: int, stride: int, dilation: int, padding: int) -> list[range]:
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return [range(o * stride - padding, o * stride - padding + kernel * dilation, dilation) for o in range(count)]
