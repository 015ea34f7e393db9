"""The interval calculus against NumPy arrays that list every input pixel that each element of a tensor sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constraints.receptive_field import Field, interpolated, transposed
from constraints.tracing import reshaping
from constraints.tracing.axes import (
    Cut,
    Digit,
    Shape,
    View,
    Window,
    adaptive_pooled,
    joined,
    moved,
    normal,
    reduced,
    resampled_axis,
    reshaped,
    selected,
    sliced,
    windowed,
    written,
)
from constraints.tracing.values import Call, Flow, Value

Taps = Sequence[Sequence[int]]
"""For each index of a new axis the indices of the old axis that it reads; those outside the axis are padding."""
MOST_PIXELS = 30
MOST_ELEMENTS = 240


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What every element of a tensor sees, pixel by pixel."""

    sees: npt.NDArray[np.bool_]
    """(*shape, pixels)."""
    is_interior: npt.NDArray[np.bool_]
    """(*shape): whether no padding was read on the way, so that no border clips what the element sees."""

    @property
    def shape(self) -> Shape:
        return self.is_interior.shape

    def gather(self, axis: int, taps: Taps) -> Listed:
        """Index ``o`` of the axis reads the indices ``taps[o]``."""
        n = self.shape[axis]
        real = [[t for t in several if 0 <= t < n] for several in taps]
        whole = [len(r) == len(several) for r, several in zip(real, taps, strict=True)]
        sees = [np.take(self.sees, r, axis).any(axis) for r in real]
        interior = [np.take(self.is_interior, r, axis).all(axis) & w for r, w in zip(real, whole, strict=True)]
        return Listed(sees=np.stack(sees, axis), is_interior=np.stack(interior, axis))

    def rearranged(self, how: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]) -> Listed:
        """Every element goes where ``how`` takes its number in an array of this shape."""
        index = how(np.arange(self.is_interior.size).reshape(self.shape))
        flat = self.sees.reshape(-1, self.sees.shape[-1])
        return Listed(sees=flat[index], is_interior=self.is_interior.reshape(-1)[index])

    def __or__(self, other: Listed) -> Listed:
        return Listed(sees=self.sees | other.sees, is_interior=self.is_interior & other.is_interior)


Pair = tuple[View | None, Listed]
"""The same tensor as the calculus and as the list describe it."""


def image(channels: int, pixels: int) -> Pair:
    """A tensor of (channels, pixels) whose every element sees its own pixel."""
    sees = np.broadcast_to(np.eye(pixels, dtype=bool), (channels, pixels, pixels))
    view = View(Field(), (Digit(1, 1, pixels, 1),), extent=pixels)
    return view, Listed(sees=sees, is_interior=np.ones((channels, pixels), dtype=bool))


def interval(view: View, index: Sequence[int]) -> tuple[float, float]:
    """What the element at ``index`` sees, by the definition of a view and of its digits."""
    at = sum((index[d.axis] - d.offset) // d.inner % d.size * d.stride for d in view.digits)
    return view.field.at(at)


def hull(pixels: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """First and last pixel; the interval of an element that sees nothing is empty."""
    found = np.flatnonzero(pixels)
    return (int(found[0]), int(found[-1])) if len(found) else (np.inf, -np.inf)


def agree(pair: Pair) -> None:
    """An interior element sees exactly its interval; one at a border nothing outside its interval."""
    view, listed = pair
    assert view is not None
    for index in np.ndindex(listed.shape):
        low, high = interval(view, index)
        first, last = hull(listed.sees[index])
        if listed.is_interior[index]:
            assert (low, high) == (first, last), index
        assert low <= first, index
        assert last <= high, index


# Each operation twice: by the calculus, and by the indices that it reads.


def window(pair: Pair, axis: int, w: Window) -> Pair:
    view, listed = pair
    taps = [[o * w.stride + k * w.dilation - w.padding for k in range(w.kernel)] for o in range(w.size)]
    return windowed(view, axis, listed.shape, w), listed.gather(axis, taps)


def resampled(pair: Pair, axis: int, taps: Taps, change: Callable[[Field], Field]) -> Pair:
    view, listed = pair
    ready, after = resampled_axis(view, axis, listed.shape), listed.gather(axis, taps)
    if ready is None or not any(d.axis == axis for d in ready.digits):
        return ready, after
    return normal(ready._replace(field=change(ready.field), digits=(Digit(axis, 1, len(taps), 1),))), after


def transpose(pair: Pair, axis: int, w: Window) -> Pair:
    """Index ``i`` is spread over ``i * stride - padding + k * dilation``, on an axis without borders."""
    kernel, stride, dilation, padding, size = w
    taps: list[list[int]] = [[] for _ in range(size)]
    for i in range(-MOST_PIXELS, pair[1].shape[axis] + MOST_PIXELS):
        for o in (i * stride - padding + k * dilation for k in range(kernel)):
            if 0 <= o < size:
                taps[o].append(i)
    return resampled(pair, axis, taps, lambda f: transposed(f, kernel, stride, dilation, padding, units=size))


def interpolate(pair: Pair, axis: int, output: int, mode: str, align: bool) -> Pair:
    n = pair[1].shape[axis]
    scale = Fraction(n - 1, output - 1) if align else Fraction(n, output)
    centres = [o * scale if align else (o + Fraction(1, 2)) * scale - Fraction(1, 2) for o in range(output)]
    if mode == "nearest":
        taps = [[o * n // output] for o in range(output)]
    else:
        taps = [sorted({math.floor(c), math.ceil(c)}) for c in centres]
    return resampled(pair, axis, taps, lambda f: interpolated(f, scale, mode, align, units=output))


def adapt(pair: Pair, axis: int, output: int) -> Pair:
    view, listed = pair
    n = listed.shape[axis]
    taps = [[i for i in range(n) if (i + 1) * output > o * n and i * output < (o + 1) * n] for o in range(output)]
    return adaptive_pooled(view, axis, listed.shape, output), listed.gather(axis, taps)


def cut(pair: Pair, c: Cut) -> Pair:
    view, listed = pair
    return sliced(view, listed.shape, c), listed.gather(c.axis, [[c.start + i * c.step] for i in range(c.size)])


def write(pair: Pair, c: Cut, size: int) -> Pair:
    """The tensor written into a larger one at ``c.start``: what it does not fill is a border."""
    view, listed = pair
    shape = (*listed.shape[: c.axis], size, *listed.shape[c.axis + 1 :])
    return written(view, c, shape), listed.gather(c.axis, [[i - c.start] for i in range(size)])


def pick(pair: Pair, axis: int, index: int) -> Pair:
    return selected(pair[0], axis, index), pair[1].gather(axis, [[index]])


def pool(pair: Pair, axis: int) -> Pair:
    return reduced(pair[0], [axis]), pair[1].gather(axis, [range(pair[1].shape[axis])])


def reshape(pair: Pair, shape: Shape) -> Pair:
    view, listed = pair
    return reshaped(view, listed.shape, shape), listed.rearranged(lambda index: index.reshape(shape))


def permute(pair: Pair, order: Sequence[int]) -> Pair:
    axes = [list(order).index(a) for a in range(len(order))]
    return moved(pair[0], axes), pair[1].rearranged(lambda index: index.transpose(order))


def call(op: str, pair: Pair, shape: Shape, **arguments: object) -> Call:
    value = Value(pair[1].shape, (pair[0],), Flow(origin=object()), None)
    return Call(1, op, "", (), (), arguments, {}, [value], shape)


def flip(pair: Pair, axis: int) -> Pair:
    views, _ = reshaping.flip(call("flip", pair, pair[1].shape, dims=[axis]))
    return views[0], pair[1].rearranged(lambda index: np.flip(index, axis))


def unfold(pair: Pair, axis: int, size: int, step: int) -> Pair:
    def windows(index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        every = np.lib.stride_tricks.sliding_window_view(index, size, axis)
        return np.take(every, range(0, every.shape[axis], step), axis)

    listed = pair[1].rearranged(windows)
    views, _ = reshaping.windows(call("unfold", pair, listed.shape, dimension=axis, size=size, step=step))
    return views[0], listed


def join(a: Pair, b: Pair) -> Pair:
    return joined(a[0], b[0]), a[1] | b[1]


# Random operations that fit the tensor at hand.


def any_window(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    n = pair[1].shape[axis]
    kernel, dilation = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    stride, padding = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 3))
    size = (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return window(pair, axis, Window(kernel, stride, dilation, padding, size)) if size > 0 else pair


def any_transposed(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    if pair[0] is None or not any(d.axis == axis for d in pair[0].digits):
        return pair  # a bound only: the holes that it makes in an axis without pixels are not told
    kernel, dilation = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 2))
    stride, padding = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 2))
    size = (pair[1].shape[axis] - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
    is_usual = 0 < size <= 2 * MOST_PIXELS
    return transpose(pair, axis, Window(kernel, stride, dilation, padding, size)) if is_usual else pair


def any_interpolation(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    output, mode = data.draw(st.integers(2, MOST_PIXELS)), data.draw(st.sampled_from(["nearest", "linear"]))
    return interpolate(pair, axis, output, mode, mode == "linear" and data.draw(st.booleans()))


def any_adaptive(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    return adapt(pair, axis, data.draw(st.integers(1, 9)))


def any_cut(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    n = pair[1].shape[axis]
    start, step = data.draw(st.integers(0, n - 1)), data.draw(st.integers(1, 3))
    size = data.draw(st.integers(1, -(-(n - start) // step)))
    return cut(pair, Cut(axis, start, step, size))


def any_write(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    n, start, rest = pair[1].shape[axis], data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    return write(pair, Cut(axis, start, 1, n), start + n + rest)


def any_pick(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    return pick(pair, axis, data.draw(st.integers(0, pair[1].shape[axis] - 1)))


def any_pool(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    return pool(pair, axis)


def any_split(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    shape = pair[1].shape
    part = data.draw(st.sampled_from([p for p in range(1, shape[axis] + 1) if shape[axis] % p == 0]))
    return reshape(pair, (*shape[:axis], shape[axis] // part, part, *shape[axis + 1 :]))


def any_merge(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    shape = pair[1].shape
    if axis + 1 == len(shape):
        return pair
    return reshape(pair, (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def any_permutation(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    return permute(pair, data.draw(st.permutations(range(len(pair[1].shape)))))


def any_flip(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    return flip(pair, axis)


def any_unfold(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    size = data.draw(st.integers(1, min(4, pair[1].shape[axis])))
    return unfold(pair, axis, size, data.draw(st.integers(1, 3)))


def any_join(data: st.DataObject, pair: Pair, axis: int) -> Pair:
    """The sum of the tensor and of what a second branch of one operation that keeps its shape makes of it."""
    other = data.draw(st.sampled_from(ALONG_AN_AXIS))(data, pair, axis)
    if other[0] is None or other[0].unknown or other[1].shape != pair[1].shape:
        return pair
    return join(pair, other)


def spatial_first(pair: Pair) -> list[int]:
    """Every axis, and once more each that carries pixels: what is done to the others matters less."""
    carrying = {d.axis for d in pair[0].digits} if pair[0] else set()
    return [*sorted(carrying), *range(len(pair[1].shape))]


Operation = Callable[[st.DataObject, Pair, int], Pair]
ALONG_AN_AXIS: list[Operation] = [any_window, any_transposed, any_interpolation, any_adaptive, any_flip, any_cut]
OPERATIONS: list[Operation] = [
    *ALONG_AN_AXIS, any_join, any_write, any_pick, any_pool, any_split, any_merge, any_permutation, any_unfold,
    any_split, any_merge, any_join,
]  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_every_element_sees_what_its_indices_list(data: st.DataObject) -> None:
    pixels = data.draw(st.sampled_from([24, 30, 16, 12, 18]) | st.integers(1, MOST_PIXELS))
    pair = image(data.draw(st.integers(1, 3)), pixels)
    for _ in range(data.draw(st.integers(1, 7))):
        operation = data.draw(st.sampled_from(OPERATIONS))
        after = operation(data, pair, data.draw(st.sampled_from(spatial_first(pair))))
        assert after[0] is not None
        if after[0].unknown or after[1].is_interior.size > MOST_ELEMENTS:
            break
        pair = after
        agree(pair)


def test_windows_over_a_map_that_repeats_are_not_known() -> None:
    view, _ = reshape(image(3, 2), (6,))  # pixels 0 1 0 1 0 1
    assert view is not None
    assert [interval(view, [i])[0] for i in range(6)] == [0, 1, 0, 1, 0, 1]
    pair = reshape(image(3, 2), (6,))
    after, _ = unfold(pair, 0, 2, 1)
    assert after is not None
    assert "parts of several axes" in after.unknown
    assert "parts of several axes" in (window(pair, 0, Window(kernel=2, size=5))[0] or view).unknown


STEPS = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 3))
FAR = 600
"""Pixels on either side of the image: more than six windows of the largest reach and stride take in."""


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(STEPS, min_size=1, max_size=6), st.booleans())
def test_no_border_clips_a_chain_of_windows(chain: list[tuple[int, int, int, int]], is_upsampled: bool) -> None:
    """What padded units see of an image is what they see on an axis that goes on in both directions."""
    view: View | None = View(Field(), (Digit(0, 1, 16, 1),), extent=16)
    size, lows, highs = 16, np.arange(-FAR, FAR), np.arange(-FAR, FAR)
    origin = FAR  # where unit 0 is in the two arrays
    if is_upsampled:  # every unit twice, as nearest interpolation repeats them
        assert view is not None
        field = interpolated(view.field, Fraction(1, 2), "nearest", False, units=32)
        view, size = view._replace(field=field, digits=(Digit(0, 1, 32, 1),)), 32
        lows, highs, origin = np.repeat(lows, 2), np.repeat(highs, 2), 2 * FAR
    for kernel, stride, dilation, padding in chain:
        reach = dilation * (kernel - 1)
        after = (size + 2 * padding - reach - 1) // stride + 1
        if after < 1:
            break
        view = windowed(view, 0, (size,), Window(kernel, stride, dilation, padding, after))
        first = (origin - padding) % stride
        lows, highs = lows[: len(lows) - reach][first::stride], highs[reach:][first::stride]
        size, origin = after, (origin - padding) // stride
    assert view is not None
    assert view.units == size
    for unit in range(size):
        assert interval(view, [unit]) == (lows[origin + unit], highs[origin + unit])
    assert view.start == lows[origin]


@pytest.mark.parametrize(
    ("field", "units", "size"),
    [
        (Field(2, (0,), (4,)), 8, 5),  # one phase: 0 to 4
        (Field(1, (0, -1), (0, 3)), 4, 5),  # two phases that come round in four units: the larger, -1 to 3
        (Field(9, (0, 2, 5), (3, 7, 9)), 3, 6),  # the rhythm does not come round: 2 to 7, clear of pixels 0 and 9
        (Field(9, (0, 0), (9, 9)), 2, 10),  # no unit is clear of both: all count
    ],
)
def test_the_size_of_a_map_is_that_of_its_largest_interior_unit(field: Field, units: int, size: int) -> None:
    assert View(field, (Digit(0, 1, units, 1),), extent=10).size == size


def test_the_jump_is_the_distance_between_neighbours_in_pixels() -> None:
    assert View(Field(4), (Digit(0, 1, 8, 1),)).jump == 4
    assert View(Field(1, (0, 0), (0, 0)), (Digit(0, 1, 8, 1),)).jump == 0.5
    assert View(Field(), (Digit(0, 1, 4, 3), Digit(1, 1, 3, 1))).jump == 1


def test_where_a_view_does_not_reach_nothing_changes() -> None:
    view = View(Field(), (Digit(1, 1, 8, 1),))
    assert windowed(view, 0, (4, 8), Window(kernel=3, size=2)) is view
    assert sliced(view, (4, 8), Cut(0, 1, 1, 2)) is view
    assert reduced(view, [0]) is view
    assert joined(None, view) is view
    assert joined(view, None) is view
    assert windowed(None, 0, (4,), Window(kernel=3, size=2)) is None


def test_a_slice_takes_its_share_of_a_spatial_axis_only() -> None:
    view = View(Field(), (Digit(1, 1, 8, 1),))
    assert Cut(1, 2, 1, 6).share((4, 8), [view]) == 6 / 8
    assert Cut(0, 0, 1, 1).share((4, 8), [view]) == 1
    assert Cut(1, 2, 1, 1, is_select=True).share((4, 8), [view]) == 1


def test_what_a_reduction_of_a_whole_axis_was_is_remembered() -> None:
    view = View(Field(), (Digit(0, 1, 4, 1), Digit(1, 1, 3, 4)))
    part = reduced(view, [0], "mean")
    assert part is not None
    assert (part.pooled, part.is_live) == ("", True)
    whole = reduced(part, [1], "mean")
    assert whole is not None
    assert (whole.pooled, whole.is_live, whole.field.at(0)) == ("mean", False, (0, 11))
