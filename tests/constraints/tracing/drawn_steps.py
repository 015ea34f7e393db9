"""Operations with drawn arguments on what every element of a tensor sees, and chains of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from constraints.tracing import columns, cutting, mixing, resampling, reshaping, windows
from constraints.tracing.axes import Window
from constraints.tracing.calls import Result
from constraints.tracing.joining import joined, reduced
from constraints.tracing.sliding import shifted, windowed
from constraints.tracing.values import Call
from tests.constraints.tracing.seen import Tensor, along, bordered, called, gathered, image, windows_of

MOST_ELEMENTS = 800
Step = Callable[[st.DrawFn, Tensor], Tensor | None]
"""An operation with drawn arguments; None where the tensor does not fit it."""


def _axis(draw: st.DrawFn, t: Tensor) -> int:
    return draw(st.integers(0, len(t.shape) - 1))


def window(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    axis, kernel, stride, dilation = _axis(draw, t), *draw(st.tuples(*[st.integers(1, 3)] * 3))
    placed = Window(kernel, stride, dilation, draw(st.integers(0, 2)))
    taps = windows_of(t.shape[axis], *placed[:4])
    if not taps:
        return None
    placed = placed._replace(size=len(taps))
    view = windowed(t.view, axis, t.shape, placed)
    return view and Tensor(gathered(t.mask, axis, taps), view, (*t.how, f"{placed} along {axis}"))


def convolution(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    if len(t.shape) < 2:
        return None
    kernel, stride, dilation, out = draw(st.tuples(*[st.integers(1, 3)] * 4))
    padding, turned, size = draw(st.integers(0, 1)), draw(st.booleans()), t.shape[-1]
    axis = len(t.shape) - 1
    taps: Sequence[Sequence[int]] = windows_of(size, kernel, stride, dilation, padding)
    if turned:  # input i adds to outputs i * stride - padding + k * dilation
        count = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
        far = range(-9, size + 9)
        landed = [{i * stride - padding + k * dilation for k in range(kernel)} for i in far]
        taps = [[i for i, outputs in zip(far, landed, strict=True) if o in outputs] for o in range(count)]
    if not taps:
        return None
    mixed = np.repeat(np.logical_or.reduce(t.mask, axis - 1, keepdims=True), out, axis - 1)
    return called(
        windows.convolution, "convolution", t, gathered(mixed, axis, taps), (out, t.shape[-2], kernel),
        stride=stride, dilation=dilation, padding=padding, transposed=turned, groups=1,
    )  # fmt: skip


KERNELS: dict[str, Callable[[Fraction], bool]] = {"linear": lambda x: x < 1, "cubic": lambda x: x < 2 and x != 1}
"""Whether a tap at a distance has a weight: the linear kernel vanishes from 1 on, the cubic one at 1 and from 2 on."""


def interpolation_taps(o: int, scale: Fraction, mode: str, align_corners: bool) -> list[int]:
    """The pixels with weight for output ``o``, by the definition of each mode: the nearest or all under a kernel."""
    centre = o * scale if align_corners else (o + Fraction(1, 2)) * scale - Fraction(1, 2)
    if mode in ("nearest", "nearest-exact"):
        return [math.floor(o * scale if mode == "nearest" else centre + Fraction(1, 2))]
    width = max(scale, Fraction(1)) if mode.endswith("-aa") else 1
    near = range(math.floor(centre - 2 * width), math.ceil(centre + 2 * width) + 1)
    return [i for i in near if KERNELS[mode.removesuffix("-aa")](abs(i - centre) / width)]


def _scale(size: int, output: int, align_corners: bool) -> Fraction:
    if align_corners:
        return Fraction(size - 1, output - 1) if output > 1 else Fraction(0)
    return Fraction(size, output)


RESIZES = {
    "upsample_nearest1d": "nearest",
    "_upsample_nearest_exact1d": "nearest-exact",
    "upsample_linear1d": "linear",
    "upsample_bilinear2d": "linear",
    "upsample_bicubic2d": "cubic",
    "_upsample_bilinear2d_aa": "linear-aa",
    "_upsample_bicubic2d_aa": "cubic-aa",
}


def interpolation(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    op = draw(st.sampled_from(sorted(RESIZES)))
    dims = 1 if "1d" in op else 2
    if len(t.shape) < dims:
        return None
    mode, mask = RESIZES[op], t.mask
    aligned = {} if "nearest" in mode else {"align_corners": not mode.endswith("-aa") and draw(st.booleans())}
    for axis in range(len(t.shape) - dims, len(t.shape)):
        size = t.shape[axis]
        output = draw(st.one_of(st.integers(1, 12), st.integers(1, 3).map(size.__mul__)))
        align = aligned.get("align_corners", False)
        scale = _scale(size, output, align)
        mask = gathered(mask, axis, [interpolation_taps(o, scale, mode, align) for o in range(output)])
    return called(resampling.interpolation, op, t, mask, **aligned)


def adaptive(draw: st.DrawFn, t: Tensor) -> Tensor:
    axis, size, output = len(t.shape) - 1, t.shape[-1], draw(st.integers(1, 12))
    ends = [(math.floor(o * size / output), math.ceil((o + 1) * size / output)) for o in range(output)]
    mask = gathered(t.mask, axis, [range(*e) for e in ends])
    return called(windows.adaptive_pool, "adaptive_avg_pool1d", t, mask, output_size=[output])


def pad(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    axis, before, after = _axis(draw, t), draw(st.integers(-3, 3)), draw(st.integers(-3, 3))
    size = t.shape[axis] + before + after
    if min(size, t.shape[axis] + before, t.shape[axis] + after) < 1:
        return None
    view = shifted(t.view, axis, t.shape, before, size)
    return view and Tensor(bordered(t.mask, axis, before, after), view, (*t.how, f"pad {before, after} along {axis}"))


def pad_by_concatenation(draw: st.DrawFn, t: Tensor) -> Tensor:
    axis, after, size = _axis(draw, t), draw(st.booleans()), draw(st.integers(1, 5))
    other = (*t.shape[:axis], size, *t.shape[axis + 1 :])
    mask = bordered(t.mask, axis, *((0, size) if after else (size, 0)))

    def rule(call: Call) -> Result:
        call.inputs = call.inputs if after else call.inputs[::-1]
        return mixing.concatenation(call)

    return called(rule, "cat", t, mask, other, dim=axis)


def part(draw: st.DrawFn, t: Tensor) -> Tensor:
    axis = _axis(draw, t)
    n = t.shape[axis]
    start, step = draw(st.integers(0, n - 1)), draw(st.integers(1, 3))
    mask = t.mask[along(axis, slice(start, draw(st.integers(start + 1, n)), step))]
    return called(cutting.slice_, "slice", t, mask, dim=axis, start=start, step=step)


def select(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    if len(t.shape) < 2:
        return None
    axis = _axis(draw, t)
    index = draw(st.integers(0, t.shape[axis] - 1))
    return called(cutting.select, "select", t, np.moveaxis(t.mask, axis, 0)[index], dim=axis, index=index)


def reduce(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    if len(t.shape) < 2:
        return None
    axis = _axis(draw, t)
    return called(mixing.reduction, "mean", t, np.logical_or.reduce(t.mask, axis), dim=axis)


def permute(draw: st.DrawFn, t: Tensor) -> Tensor:
    order = draw(st.permutations(range(len(t.shape))))
    return called(reshaping.permute, "permute", t, t.mask.transpose(*order, -1), dims=order)


def reshape(draw: st.DrawFn, t: Tensor) -> Tensor:
    shape: list[int] = []
    rest = math.prod(t.shape)
    while len(shape) < 3:
        shape.append(draw(st.sampled_from([d for d in range(1, rest + 1) if rest % d == 0])))
        rest //= shape[-1]
    shape = [*shape, rest] if rest > 1 else shape
    return called(reshaping.reshape, "view", t, t.mask.reshape(*shape, -1))


def split(draw: st.DrawFn, t: Tensor) -> Tensor:
    """One axis made two."""
    axis = _axis(draw, t)
    n = t.shape[axis]
    inner = draw(st.sampled_from([d for d in range(1, n + 1) if n % d == 0]))
    mask = t.mask.reshape(*t.shape[:axis], n // inner, inner, *t.mask.shape[axis + 1 :])
    return called(reshaping.reshape, "view", t, mask)


def merge(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    """Two neighbouring axes made one."""
    if len(t.shape) < 2:
        return None
    axis = draw(st.integers(0, len(t.shape) - 2))
    mask = t.mask.reshape(*t.shape[:axis], t.shape[axis] * t.shape[axis + 1], *t.mask.shape[axis + 2 :])
    return called(reshaping.reshape, "view", t, mask)


def unsqueeze(draw: st.DrawFn, t: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(t.shape)))
    return called(reshaping.unsqueeze, "unsqueeze", t, np.expand_dims(t.mask, axis), dim=axis)


def squeeze(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    if max(t.shape) == 1:
        return None
    gone = tuple(a for a, n in enumerate(t.shape) if n == 1)
    return called(reshaping.squeeze, "squeeze", t, t.mask.squeeze(gone))


def expand(draw: st.DrawFn, t: Tensor) -> Tensor:
    shape = [n if n > 1 else draw(st.integers(1, 3)) for n in t.shape]
    return called(reshaping.expand, "expand", t, np.broadcast_to(t.mask, (*shape, t.mask.shape[-1])))


def flip(draw: st.DrawFn, t: Tensor) -> Tensor:
    axis = _axis(draw, t)
    return called(reshaping.flip, "flip", t, np.flip(t.mask, axis), dims=[axis])


def roll(draw: st.DrawFn, t: Tensor) -> Tensor:
    """What wraps around, the shorter way, counts as a border."""
    axis = _axis(draw, t)
    n = t.shape[axis]
    shift = draw(st.integers(0, n - 1))
    ahead = shift if 2 * shift < n or (2 * shift == n and n % 2) else shift - n
    mask = bordered(t.mask, axis, ahead, -ahead)
    return called(reshaping.roll, "roll", t, mask, dims=[axis], shifts=[shift])


def repeat(draw: st.DrawFn, t: Tensor) -> Tensor:
    times = [draw(st.integers(1, 2)) for _ in t.shape]
    return called(reshaping.repeat, "repeat", t, np.tile(t.mask, (*times, 1)), repeats=times)


def unfold(draw: st.DrawFn, t: Tensor) -> Tensor:
    """Tensor.unfold."""
    axis = _axis(draw, t)
    size, step = draw(st.integers(1, min(t.shape[axis], 4))), draw(st.integers(1, 4))
    taps = windows_of(t.shape[axis], size, step, 1, 0)
    within = [gathered(t.mask, axis, [[row[k]] for row in taps]) for k in range(size)]
    return called(reshaping.windows, "unfold", t, np.stack(within, -2), dimension=axis, size=size, step=step)


def im2col(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    if len(t.shape) < 3:
        return None
    n, (channels, *sizes) = len(t.shape), t.shape[-3:]
    kernel, stride, dilation, padding = ([draw(st.integers(a, 2)) for _ in sizes] for a in (1, 1, 1, 0))
    rows, across = (windows_of(*of) for of in zip(sizes, kernel, stride, dilation, padding, strict=True))
    if not rows or not across:
        return None
    mixed = np.logical_or.reduce(t.mask, -4, keepdims=True)
    taps = [
        gathered(gathered(mixed, n - 2, [[r[i]] for r in rows]), n - 1, [[c[j]] for c in across])
        for i, j in itertools.product(*map(range, kernel))
    ]
    places = np.concatenate(taps * channels, -4)
    mask = places.reshape(*places.shape[:-3], len(rows) * len(across), -1)
    sizes_of = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "padding": padding}
    return called(columns.unfolded, "im2col", t, mask, **sizes_of)


def col2im(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    """Columns added up at the places of their windows."""
    if len(t.shape) < 2:
        return None
    n, (taps, places) = len(t.shape), t.shape[-2:]
    kernel = [draw(st.sampled_from([k for k in (1, 2, 3) if taps % k == 0]))]
    kernel.append(draw(st.sampled_from([k for k in (1, 2, 3) if taps % (kernel[0] * k) == 0])))
    count = [draw(st.sampled_from([c for c in range(1, places + 1) if places % c == 0]))]
    count.append(places // count[0])
    stride, dilation, padding = ([draw(st.integers(a, b)) for _ in kernel] for a, b in ((1, 3), (1, 2), (0, 1)))
    sizes = [
        (c - 1) * s + d * (k - 1) + 1 - 2 * p
        for c, s, d, k, p in zip(count, stride, dilation, kernel, padding, strict=True)
    ]
    if n > 3 or min(sizes) < 1:
        return None
    mask = np.zeros((*t.shape[:-2], taps // math.prod(kernel), *sizes, t.mask.shape[-1]), dtype=bool)
    windows_ = t.mask.reshape(*t.shape[:-2], mask.shape[-4], *kernel, *count, -1)
    for i, j, a, b in itertools.product(*map(range, (*kernel, *count))):
        y, x = a * stride[0] + i * dilation[0] - padding[0], b * stride[1] + j * dilation[1] - padding[1]
        if 0 <= y < sizes[0] and 0 <= x < sizes[1]:
            mask[..., y, x, :] |= windows_[..., i, j, a, b, :]
    sizes_of = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "padding": padding}
    return called(columns.folded, "col2im", t, mask, **sizes_of)


def shuffle(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    r = draw(st.integers(2, 3))
    if len(t.shape) < 3 or t.shape[-3] % r**2:
        return None
    *batch, channels, height, width = t.shape
    mask = np.empty((*batch, channels // r**2, height * r, width * r, t.mask.shape[-1]), dtype=bool)
    for i, j in itertools.product(range(r), repeat=2):
        mask[..., i::r, j::r, :] = t.mask[..., i * r + j :: r**2, :, :, :]
    return called(reshaping.shuffled, "pixel_shuffle", t, mask, upscale_factor=r)


def unshuffle(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    r = draw(st.integers(2, 3))
    if len(t.shape) < 3 or t.shape[-2] % r or t.shape[-1] % r:
        return None
    *batch, channels, height, width = t.shape
    mask = np.empty((*batch, channels * r**2, height // r, width // r, t.mask.shape[-1]), dtype=bool)
    for i, j in itertools.product(range(r), repeat=2):
        mask[..., i * r + j :: r**2, :, :, :] = t.mask[..., i::r, j::r, :]
    return called(reshaping.shuffled, "pixel_unshuffle", t, mask, downscale_factor=r)


def join(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    """The sum of a tensor and of a branch from it, both cropped to one shape."""
    branch = chain(draw, t, 2)
    if len(branch.shape) != len(t.shape):
        return None
    sizes = [min(a, b) for a, b in zip(t.shape, branch.shape, strict=True)]
    a, b = _cropped(t, sizes), _cropped(branch, sizes)
    view = joined(a.view, b.view)
    return view and Tensor(a.mask | b.mask, view, (*a.how, f"join [{'; '.join(b.how[len(t.how) :])}]"))


def _cropped(t: Tensor, sizes: Sequence[int]) -> Tensor:
    for axis, size in enumerate(sizes):
        mask = t.mask[along(axis, slice(size))]
        t = called(cutting.slice_, "slice", t, mask, dim=axis, start=0, step=1)
    return t


def pooled(draw: st.DrawFn, t: Tensor) -> Tensor | None:
    """All of one axis brought together, which stays with size 1."""
    axis = _axis(draw, t)
    view = reduced(t.view, [axis])
    return view and Tensor(np.logical_or.reduce(t.mask, axis, keepdims=True), view, (*t.how, f"reduce {axis}"))


STEPS: list[Step] = [
    window, window, convolution, interpolation, adaptive, pad, pad_by_concatenation, part, part, select, reduce, pooled,
    permute, reshape, split, split, merge, unsqueeze, squeeze, expand, flip, roll, repeat, unfold, im2col, col2im,
    shuffle, unshuffle, join, join,
]  # fmt: skip


def chain(draw: st.DrawFn, t: Tensor, most: int) -> Tensor:
    """Up to ``most`` drawn steps after one another; what the calculus calls unknown is left out."""
    for step in draw(st.lists(st.sampled_from(STEPS), max_size=most)):
        after = step(draw, t)
        if after is not None and not after.view.unknown and after.mask[..., 0].size <= MOST_ELEMENTS:
            t = after
    return t


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    before, behind = draw(st.sampled_from([((), ()), ((), ()), ((4,), ()), ((1, 4), (4,)), ((4, 6), ()), ((2,), (2,))]))
    return chain(draw, image(draw(st.integers(1, 30)), before, behind), 8)
