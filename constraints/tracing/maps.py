"""Which values are maps, the latest map on the path to each value, and inputs without a channel axis; no torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from constraints.tracing.assembling import ROWS_APART
from constraints.tracing.axes import Shape, View
from constraints.tracing.values import Call, Flow, Value, Views

_MOST_COLOURS = 4
"""Channels of an image with transparency; a larger first axis may be one that windows slide over."""
_FLAT_AXES = 2
"""The axes of an image: a tensor with two spatial axes is a map, even if a third one was reduced."""


class Maps:
    """The maps of a run."""

    def __init__(self, shapes: Sequence[Shape], flat: Collection[int]) -> None:
        """``shapes`` are those of the inputs; the inputs with the numbers ``flat`` have no channel axis."""
        self.spans = _spans(shapes, flat)
        """For each input, the numbers of its spatial axes, counted over all inputs."""
        self.found_flat: set[int] = set()
        """The inputs whose first windows slide over more axes than a channel axis would leave."""
        self._shapes = shapes
        self._own: list[Value] = []
        """Values whose flow refers to themselves as the latest map."""

    def note(self, value: Value, is_map: bool = False) -> None:
        """Make a value the latest map on its path, if it is a map or nothing is known of it."""
        flow = value.flow
        if not is_map:
            for view in value.views:
                if view is not None and view.unknown:
                    flow = value.flow = flow._replace(poison=flow.poison.union([view.unknown]))
                    is_map = is_map or view.is_lost
            is_map = is_map or self._is_map(value.views)
        if is_map:
            heads = frozenset(h.inside() for h in flow.heads) if flow.heads else flow.heads
            value.flow = flow._replace(heads=heads, map=value)
            self._own.append(value)

    def _is_map(self, views: Views) -> bool:
        """Whether every spatial axis of some input has its own tensor axis, or one unit whose axis was removed.

        Of a volume or of frames, one unit may have been selected: the tensor is a map along the two other axes.
        """
        for span in self.spans:
            axes, units, is_frame = set(), 0, False
            for i in span:
                view = views[i]
                if view is None:
                    break
                if (axis := _own_axis(view)) is not None:
                    axes.add(axis)
                elif view.is_unit:
                    units += 1
                elif view.is_gone:
                    is_frame = True
                elif view.digits or not view.pooled or view.unknown or view.blurred:
                    break
            else:
                least = _FLAT_AXES if is_frame else min(len(span) - units, _FLAT_AXES)
                if len(axes) >= least and axes:
                    return True
        return False

    def note_flat(self, call: Call) -> None:
        """Find inputs without a channel axis: a spectrogram, or a waveform."""
        data, n = call.inputs[0], len(call.kernel)
        if data.flow.path is not None or data.flow.heads:
            return
        for i, span in enumerate(self.spans):
            is_its_own = len(self.spans) == 1 and (not span or any(data.views[at] for at in span))
            _, first, *others = self._shapes[i]
            has_colours = bool(others) and first <= _MOST_COLOURS
            if is_its_own and not has_colours and len(span) < n <= len(self._shapes[i]) - 1:
                self.found_flat.add(i)

    def forget(self) -> None:
        """Break the reference cycles, so that memory is freed at once."""
        for value in self._own:
            value.flow = Flow()


def _own_axis(view: View) -> int | None:
    """The tensor axis that counts a map's places along a spatial axis (ignoring patches in the batch axis), or None."""
    digits = view.digits
    if len(digits) > 1:
        digits = tuple([d for d in digits if d.axis])
    if len(digits) != 1 or view.other or view.swept or (view.blurred and ROWS_APART not in view.blurred):
        return None
    axis, inner, _, _, offset = digits[0]
    return axis if inner == 1 and not offset else None


def _spans(shapes: Sequence[Shape], flat: Collection[int]) -> list[range]:
    spans, at = [], 0
    is_spread = any(max(shape[2:], default=1) > 1 for shape in shapes)
    for i, shape in enumerate(shapes):
        is_point = is_spread and max(shape[2:], default=1) == 1 and i not in flat  # a scale beside an image, e.g.
        n = 0 if is_point else max(len(shape) - (1 if i in flat else 2), 0)
        spans.append(range(at, at + n))
        at += n
    return spans
