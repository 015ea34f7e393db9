"""What every unit of an unbounded axis sees, as a function that lists pixels, beside what the calculus says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from hypothesis import strategies as st

from constraints.receptive_field import Field, interpolated, transposed
from constraints.tracing.axes import Cut, Digit, View, Window
from constraints.tracing.joining import joined
from constraints.tracing.sliding import resampled_axis, shifted, sliced, windowed
from tests.constraints.tracing.drawn_steps import interpolation_taps

Sees = Callable[[int], frozenset[int]]


class Line(NamedTuple):
    """A map of ``size`` units; ``sees`` continues beyond them, as if the image had no end."""

    size: int
    sees: Sees
    view: View
    how: tuple[str, ...]

    def __repr__(self) -> str:
        return f"{'; '.join(self.how)}: {self.view}"

    def then(self, size: int, taps: Callable[[int], Iterable[int]], view: View | None, how: str) -> Line:
        """Unit ``i`` of the next map sees what the units ``taps(i)`` of this one see."""
        assert view is not None
        sees = cache(lambda i: frozenset[int]().union(*map(self.sees, taps(i))))
        return Line(size, sees, view, (*self.how, how))


Step = Callable[[st.DrawFn, Line], Line | None]


def window(draw: st.DrawFn, line: Line) -> Line | None:
    kernel, stride, dilation, padding = draw(st.tuples(*[st.integers(1, 4)] * 3, st.integers(0, 3)))
    size = (line.size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if size < 1:
        return None
    placed = Window(kernel, stride, dilation, padding, size)
    view = windowed(line.view, 0, (line.size,), placed)
    return line.then(size, lambda i: [i * stride - padding + k * dilation for k in range(kernel)], view, f"{placed}")


def pad(draw: st.DrawFn, line: Line) -> Line | None:
    before, after = draw(st.tuples(*[st.integers(-3, 3)] * 2))
    size = line.size + before + after
    if size < 1:
        return None
    return line.then(
        size, lambda i: [i - before], shifted(line.view, 0, (line.size,), before, size), f"pad {before, after}"
    )


def part(draw: st.DrawFn, line: Line) -> Line:
    start, step = draw(st.integers(0, line.size - 1)), draw(st.integers(1, 3))
    size = len(range(start, line.size, step))
    cut = Cut(0, start, step, size)
    return line.then(size, lambda i: [start + i * step], sliced(line.view, (line.size,), cut), f"{cut}")


def _resampled(line: Line, size: int, resize: Callable[[Field], Field]) -> View | None:
    view = resampled_axis(line.view, 0, (line.size,))
    return view and view._replace(field=resize(view.field), digits=(Digit(0, 1, size, 1),))


def transposition(draw: st.DrawFn, line: Line) -> Line | None:
    """Input i adds to the outputs i * stride - padding + k * dilation."""
    kernel, stride, dilation, padding = draw(st.tuples(*[st.integers(1, 3)] * 3, st.integers(0, 2)))
    size = (line.size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
    if size < 1:
        return None

    def taps(o: int) -> list[int]:
        near = range((o - 9) // stride - 2, (o + 9) // stride + 2)
        return [i for i in near if o in range(i * stride - padding, i * stride - padding + kernel * dilation, dilation)]

    view = _resampled(line, size, lambda f: transposed(f, kernel, stride, dilation, padding))
    return line.then(size, taps, view, f"transposed {kernel, stride, dilation, padding}")


def interpolation(draw: st.DrawFn, line: Line) -> Line | None:
    modes = ["nearest", "nearest-exact", "linear", "cubic", "linear-aa", "cubic-aa"]
    mode, scale = draw(st.sampled_from(modes)), Fraction(*draw(st.tuples(*[st.integers(1, 4)] * 2)))
    align = not (mode.startswith("nearest") or mode.endswith("-aa")) and draw(st.booleans())
    size = int(line.size / scale)
    if size < 1:
        return None
    view = _resampled(line, size, lambda f: interpolated(f, scale, mode, align))
    return line.then(size, lambda o: interpolation_taps(o, scale, mode, align), view, f"{mode} {scale} {align}")


def join(draw: st.DrawFn, line: Line) -> Line | None:
    """The sum with a branch of the same pace, both cropped to one size."""
    branch = chain(draw, line, 3)
    size = min(line.size, branch.size)
    a, b = (x.then(size, lambda i: [i], sliced(x.view, (x.size,), Cut(0, 0, 1, size)), "") for x in (line, branch))
    assert a.view.digits == b.view.digits
    if a.view.field.hull(b.view.field) is None:
        return None
    how = f"join [{'; '.join(branch.how[len(line.how) :])}]"
    return Line(size, cache(lambda i: a.sees(i) | b.sees(i)), joined(a.view, b.view) or a.view, (*line.how, how))


STEPS: list[Step] = [window, window, window, pad, part, transposition, interpolation, join, join]


def chain(draw: st.DrawFn, line: Line, most: int) -> Line:
    for step in draw(st.lists(st.sampled_from(STEPS), max_size=most)):
        after = step(draw, line)
        if after is not None and after.size <= 200 and after.view.field.period <= 64:
            line = after
    return line


@st.composite
def lines(draw: st.DrawFn) -> Line:
    size = draw(st.integers(1, 30))
    view = View(Field(), (Digit(0, 1, size, 1),), extent=size)
    return chain(draw, Line(size, lambda i: frozenset([i]), view, (f"{size} pixels",)), 6)
