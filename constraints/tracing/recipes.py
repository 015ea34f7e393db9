"""How weights and constants were computed, by which two computed kernels are known to be the same; no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from constraints.tracing.content import Content

if TYPE_CHECKING:
    from constraints.tracing.axes import Shape
    from constraints.tracing.values import Call, Origin, Value

_KEEPING_ORDER = """
    alias clone contiguous detach lift_fresh reshape squeeze _to_copy _unsafe_view unsqueeze view
"""
_KEEPING = frozenset(_KEEPING_ORDER.split())
"""Operations whose result has all the elements of their argument, in the same order, unless they change its dtype."""
_RANDOM = """
    rand randn randint randperm rand_like randn_like randint_like bernoulli multinomial normal uniform random poisson
    exponential cauchy geometric log_normal
"""
_DRAWING = frozenset(_RANDOM.split())
"""Operations that draw random numbers."""


def recipe(value: Value) -> str:
    """A digest of how a weight or a constant was computed from parameters and from the elements of constants.

    It is the same for the same computation in another call of its module, empty for a parameter itself, in whatever
    shape, and as long after many operations as after one. Random numbers of one kind count as the same.
    """
    waiting = [(value, False)]
    while waiting:
        now, is_ready = waiting.pop()
        if now.recipe is not None:
            continue
        origin = now.origin
        if origin is None or is_ready or not origin.sources:
            now.recipe = _digest(now, origin)
        else:
            waiting.append((now, True))
            waiting += [(v, False) for v in origin.sources if not v.depends]
    return value.recipe or ""


def older_sources(value: Value) -> frozenset[int]:
    """The tensors from before the run that a constant is computed from: two with the same elements are two kernels."""
    steps = ((source, origin.step) for source, origin in _origins(value))
    return frozenset(id(source) for source, step in steps if isinstance(step, Content) and step.is_older)


def is_drawn(value: Value) -> bool:
    """Whether a constant is computed from random numbers that the run drew, which are others in the next one."""
    steps = (origin.step for _, origin in _origins(value))
    return any((s[0] if isinstance(s, tuple) else s.op) in _DRAWING for s in steps if not isinstance(s, Content))


def _origins(value: Value) -> Iterator[tuple[Value, Origin]]:
    """A weight or a constant, and all that it is computed from, each with its last step."""
    waiting, seen = [value], set[int]()
    while waiting:
        now = waiting.pop()
        if id(now) not in seen and now.origin is not None:
            seen.add(id(now))
            yield now, now.origin
            waiting += now.origin.sources


def _digest(value: Value, origin: Origin | None) -> str:
    if origin is None:
        return "" if value.params else _of(id(value))  # of whose elements nothing is known
    step, sources, which = origin
    if isinstance(step, tuple):
        return _of(step, which, *map(_as_source, sources))
    if isinstance(step, Content):
        return step.digest()
    if len(sources) == 1 and _keeps(step):
        return sources[0].recipe or ""
    return _of(step_of(step.op, step.args, step.kwargs), which, *map(_as_source, sources))


def _keeps(step: Call) -> bool:
    """Whether a result has the elements of its argument, as real numbers."""
    dtype = step.arg("dtype")
    if step.op not in _KEEPING or dtype is None:
        return step.op in _KEEPING
    is_reinterpreted = step.op == "view"
    return not is_reinterpreted and (dtype.is_floating_point or dtype.is_complex)


def _as_source(value: Value) -> tuple[object, ...]:
    """What tells a tensor from others where it is an operand: its elements, and the axes along which they are."""
    return value.recipe, sorted(value.params), without_leading_ones(value.shape)


def without_leading_ones(shape: Shape) -> Shape:
    """A shape without the first axes of size 1, which a tensor that is broadcast may have or lack."""
    first = next((axis for axis, n in enumerate(shape) if n != 1), len(shape))
    return shape[first:]


def place_of(steps: Iterable[Call]) -> tuple[object, ...]:
    """The place of a view in its base, from the calls that made it."""
    return tuple([step_of(call.op, call.args, call.kwargs) for call in steps])


def step_of(op: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[object, ...]:
    """What tells an operation from others, its tensors left out."""
    return op, _plain(args), *((name, _plain(argument)) for name, argument in sorted(kwargs.items()))


def _of(*parts: object) -> str:
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _plain(argument: Any) -> object:
    """Numbers, texts and dtypes, also in sequences; None for anything else, such as a tensor."""
    if isinstance(argument, str | int | float | complex):
        return argument
    if isinstance(argument, Sequence):
        return tuple(map(_plain, argument))
    return str(argument) if type(argument).__name__ == "dtype" else None
