"""The interval arithmetic of receptive fields along one spatial axis; pure, no torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

Bound = int | float
"""A pixel index; infinite only in the interval of a unit that sees nothing, ``(inf, -inf)``."""

_MOST_PHASES = 4096


class Field(NamedTuple):
    """The receptive fields of all units along one axis: ``at(i)`` is the first and the last pixel that unit ``i`` sees.

    Units repeat with a period: ``at(i + period)`` is ``at(i)`` moved by ``jump`` pixels. A chain of convolutions has
    one phase; a transposed convolution, an interpolation or an uneven adaptive pooling has several, which see
    fields of different sizes. The axis is unbounded: nothing is clipped at borders (Araujo, Norris, Sim, "Computing
    Receptive Fields of Convolutional Neural Networks", Distill 2019, give the one-phase case).
    """

    jump: int = 1
    lo: tuple[Bound, ...] = (0,)
    hi: tuple[Bound, ...] = (0,)

    @property
    def period(self) -> int:
        """The number of units (phases) after which the pattern repeats."""
        return len(self.lo)

    @property
    def size(self) -> int:
        """Pixels that the unit with the largest field sees (0 where no unit sees anything)."""
        if len(self.lo) == 1:
            return int(max(self.hi[0] - self.lo[0] + 1, 0))
        return int(max(max(h - low + 1, 0) for low, h in zip(self.lo, self.hi, strict=True)))

    def at(self, i: int) -> tuple[Bound, Bound]:
        """The first and the last pixel that unit ``i`` sees."""
        turns, phase = divmod(i, len(self.lo))
        shift = self.jump * turns
        return self.lo[phase] + shift, self.hi[phase] + shift

    def window(self, kernel: int, dilation: int = 1, offset: int = 0) -> Field:
        """Unit ``i`` sees what units ``i + offset + k * dilation`` saw, k from 0 to ``kernel - 1``."""
        if len(self.lo) == 1:
            shift, reach = self.jump * offset, self.jump * (kernel - 1) * dilation
            before, after = (0, reach) if reach > 0 else (reach, 0)
            return Field(self.jump, (self.lo[0] + shift + before,), (self.hi[0] + shift + after,))
        ends = (offset, offset + (kernel - 1) * dilation)
        taps: Sequence[int] = range(offset, offset + kernel * dilation, dilation) if kernel > 1 else ends[:1]
        if kernel > 2 and self._is_monotone():
            taps = ends
        return self._gather(lambda i: [i + t for t in taps], self.period)

    def every(self, step: int) -> Field:
        """Unit ``i`` sees what unit ``i * step`` saw (``step`` above 0)."""
        if step == 1:
            return self
        if len(self.lo) == 1:
            return Field(self.jump * step, self.lo, self.hi)
        return self.resample(lambda i: [i * step], outputs=1, inputs=step)

    def resample(
        self, taps: Callable[[int], Sequence[int]], outputs: int, inputs: int, units: int | None = None
    ) -> Field:
        """Unit ``i`` sees what the units ``taps(i)`` saw.

        ``outputs`` and ``inputs`` give the period: taps(i + outputs) are taps(i) moved by ``inputs`` units. If the
        period is longer than a map of ``units`` units, every unit is listed instead: resamplings by unrelated factors
        multiply their periods.
        """
        turns = self.period // math.gcd(self.period, inputs)
        period, jump = outputs * turns, self.jump * inputs * turns // self.period
        if units is not None and period > units:
            listed = self._gather(taps, units, 0)
            return explicit([listed.at(i) for i in range(units)])
        return self._gather(taps, period, jump)

    def hull(self, other: Field) -> Field | None:
        """Unit ``i`` sees the hull of what it sees in both fields; ``None`` where that is not a field.

        That is where their mean jumps per unit differ, or their common period has more than _MOST_PHASES units.
        """
        if self.jump * other.period != other.jump * self.period:
            return None
        if len(self.lo) == len(other.lo) == 1:
            return Field(self.jump, (min(self.lo[0], other.lo[0]),), (max(self.hi[0], other.hi[0]),))
        period = math.lcm(self.period, other.period)
        if period > _MOST_PHASES:
            return None
        pairs = [(self.at(i), other.at(i)) for i in range(period)]
        return _reduced(
            self.jump * period // self.period,
            [min(a[0], b[0]) for a, b in pairs],
            [max(a[1], b[1]) for a, b in pairs],
        )

    def _gather(self, taps: Callable[[int], Sequence[int]], period: int, jump: int | None = None) -> Field:
        seen = [[self.at(t) for t in taps(i)] for i in range(period)]
        low = [min((s[0] for s in unit), default=math.inf) for unit in seen]
        high = [max((s[1] for s in unit), default=-math.inf) for unit in seen]
        return _reduced(self.jump if jump is None else jump, low, high)

    def _is_monotone(self) -> bool:
        rows = [self.at(i) for i in range(self.period + 1)]
        return all(a[0] <= b[0] and a[1] <= b[1] for a, b in itertools.pairwise(rows))


def explicit(intervals: Sequence[tuple[Bound, Bound]]) -> Field:
    """A field that lists every unit of a map of ``len(intervals)`` units.

    Beyond the map it repeats its period if it has one; otherwise it continues with its mean jump, so that a border
    stays a border.
    """
    low, high = [i[0] for i in intervals], [i[1] for i in intervals]
    n = len(intervals)
    for period in range(1, n // 2 + 1):
        step = low[period] - low[0]
        rest = range(n - period)
        if all(low[i + period] - low[i] == step == high[i + period] - high[i] for i in rest):
            return Field(int(step), tuple(low[:period]), tuple(high[:period]))
    pace = (low[-1] - low[0] + high[-1] - high[0]) / 2 / (n - 1) if n > 1 else 0
    return Field(round(pace * n) if math.isfinite(pace) else 0, tuple(low), tuple(high))


def _reduced(jump: int, low: Sequence[Bound], high: Sequence[Bound]) -> Field:
    """The same field with the shortest period."""
    n = len(low)
    for period in range(1, n):
        if n % period or jump * period % n:
            continue
        step = jump * period // n
        rest = range(n - period)
        if all(low[i + period] == low[i] + step and high[i + period] == high[i] + step for i in rest):
            return Field(step, tuple(low[:period]), tuple(high[:period]))
    return Field(jump, tuple(low), tuple(high))


def transposed(
    field: Field, kernel: int, stride: int, dilation: int, padding: int, *, units: int | None = None
) -> Field:
    """The field after a transposed convolution: ``o`` sees the ``i`` with o = i * stride - padding + k * dilation."""

    def taps(o: int) -> list[int]:
        reached = (o + padding - k * dilation for k in range(kernel))
        return [i // stride for i in reached if i % stride == 0]

    return field.resample(taps, stride, 1, units)


def adaptive(field: Field, size: int, output: int) -> Field:
    """The field after an adaptive pooling of n = ``size`` units to m = ``output``: floor(o*n/m) to ceil((o+1)*n/m)."""
    g = math.gcd(size, output)
    return field.resample(
        lambda o: range(o * size // output, -(-(o + 1) * size // output)),
        outputs=output // g,
        inputs=size // g,
        units=output,
    )


def interpolated(field: Field, scale: Fraction, mode: str, align_corners: bool, units: int | None = None) -> Field:
    """The field after an interpolation; ``scale`` is input units per output unit.

    ``mode`` is one of nearest, nearest-exact, linear, cubic, linear-aa, cubic-aa (-aa: antialiased), with the
    meaning of torch.nn.functional.interpolate; taps whose weight is exactly zero do not count.
    """
    taps = _TAPS[mode]
    return field.resample(
        lambda o: taps(_source(o, scale, mode, align_corners), scale),
        outputs=scale.denominator,
        inputs=scale.numerator,
        units=units,
    )


def _source(o: int, scale: Fraction, mode: str, align_corners: bool) -> Fraction:
    if align_corners or mode == "nearest":
        return o * scale
    centre = (o + Fraction(1, 2)) * scale
    return centre if mode == "nearest-exact" or mode.endswith("aa") else centre - Fraction(1, 2)


def _nearest(source: Fraction, scale: Fraction) -> list[int]:
    return [math.floor(source)]


def _linear(source: Fraction, scale: Fraction) -> list[int]:
    first = math.floor(source)
    return [first] if source == first else [first, first + 1]


def _cubic(source: Fraction, scale: Fraction) -> list[int]:
    first = math.floor(source)
    return [first] if source == first else list(range(first - 1, first + 3))


def _antialiased(half_width: int) -> Callable[[Fraction, Fraction], list[int]]:
    def taps(centre: Fraction, scale: Fraction) -> list[int]:
        stretch = max(scale, Fraction(1))
        support = half_width * stretch
        first = math.floor(centre - support + Fraction(1, 2))
        last = math.floor(centre + support + Fraction(1, 2))
        zeros = set(range(1, half_width + 1))  # both kernels are zero at integer distances other than 0
        distances = ((i, abs(i - centre + Fraction(1, 2)) / stretch) for i in range(first, last))
        return [i for i, distance in distances if distance < half_width and distance not in zeros]

    return taps


_TAPS: dict[str, Callable[[Fraction, Fraction], list[int]]] = {
    "nearest": _nearest,
    "nearest-exact": _nearest,
    "linear": _linear,
    "cubic": _cubic,
    "linear-aa": _antialiased(1),
    "cubic-aa": _antialiased(2),
}
