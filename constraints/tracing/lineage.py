"""Which results of layers a tensor is a function of: shifted copies of one map, or different maps; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from constraints.tracing.handles import Handle
from constraints.tracing.neighbours import are_neighbours
from constraints.tracing.values import CONVOLUTIONS, Call, Lineage, Value

_PRODUCTS = frozenset(["mm", "addmm", "bmm", "baddbmm", "addmv", "mv", "dot", "addbmm", "_addmm_activation"])
_LAYERS = _PRODUCTS | frozenset(CONVOLUTIONS)
_CUTTING = """
    select slice split split_with_sizes unsafe_split unsafe_split_with_sizes unbind glu index_select index
"""
_CUTS = frozenset(_CUTTING.split())
_COMBINING = """
    mean sum amax amin max min prod var std var_mean std_mean norm linalg_vector_norm logsumexp any all argmax argmin
    count_nonzero aminmax median nansum nanmean _softmax _log_softmax cumsum cumprod logcumsumexp cummax cummin sort
    topk kthvalue mode gather scatter scatter_add _cdist_forward _euclidean_dist cat stack embedding
"""
_MIXING = frozenset(_COMBINING.split())
_OF_WINDOWS = ("pool", "upsample", "scaled_dot_product", "lstm", "gru", "rnn_")
"""Parts of the names of further operations that combine elements of several places."""
_ANYTHING = -1
_MOST_PAIRED = 32
"""Most tensors of which each is compared with each; of more, those next to each other are."""
Relation = Literal["same", "different", "unclear"]


@runtime_checkable
class Kernel(Protocol):
    """The elements of a kernel that is not trained."""

    def pattern(self) -> int | None:
        """A number that is the same for equal kernels; None for one that shifted may be another one of its size."""


class _Pending(NamedTuple):
    value: Value
    is_ready: bool


def relation(a: Value, b: Value) -> Relation:
    """Whether two tensors hold elements of one map, or of maps that no layer has in common, as far as is known."""
    one, other = lineage(a), lineage(b)
    if one.name == other.name and one.is_whole:
        return "same"
    layers = one.layers & other.layers
    return "unclear" if layers or _ANYTHING in one.layers | other.layers else "different"


def may_be_shifted(a: Value, b: Value) -> bool:
    """Whether one of two tensors may be the other one, shifted by a kernel that is not trained."""
    return any(lineage(v).may_be_shifted for v in (a, b)) and relation(a, b) == "unclear"


def is_of_neighbours(value: Value) -> bool:
    """Whether a tensor may have neighbouring places of one map side by side along an axis that is not spatial."""
    return lineage(value).of_neighbours


def lineage(value: Value) -> Lineage:
    """Of which layers' results a tensor is made; worked out once for each tensor, from the inputs on."""
    waiting = [_Pending(value, is_ready=False)]
    while waiting:
        now, is_ready = waiting.pop()
        if now.lineage is not None:
            continue
        call = now.made_by
        if call is None:
            now.lineage = Lineage(id(now), frozenset([_ANYTHING]), is_whole=False, root=id(now))
            continue
        sources = [v for v in call.inputs if v.depends]
        if is_ready:
            now.lineage = _after(call, sources, [v.lineage for v in sources if v.lineage is not None])
        else:
            waiting.append(_Pending(now, is_ready=True))
            waiting += [_Pending(v, is_ready=False) for v in sources]
    assert value.lineage is not None
    return value.lineage


def entered(handle: object) -> Lineage:
    """The lineage of an input."""
    name = id(handle)
    return Lineage(name, frozenset([name]), root=name)


def _after(call: Call, sources: Sequence[Value], before: Sequence[Lineage]) -> Lineage:
    layers = frozenset[int]().union(*(b.layers for b in before))
    weights = frozenset[str]().union(*(v.params for v in call.inputs if v.params and v.fill is None))
    if len(before) == 1 and weights and call.op in _LAYERS:  # what is trained makes a map of its own
        name, root = (hash((call.op, weights, call.stride, call.dilation, n)) for n in (before[0].name, before[0].root))
        return Lineage(name, frozenset([name, root]), may_be_shifted=before[0].may_be_shifted, root=root)
    if len(before) == 1 and (pattern := _pattern(call)) is not None:  # of which no shifted copy has this size
        name = hash((call.op, pattern, call.stride, call.dilation, before[0].name))
        of_neighbours = before[0].of_neighbours and call.groups > 1
        mixes_kernels = before[0].name != before[0].root and not call.is_depthwise  # whose ends may cancel out
        shifted = before[0].may_be_shifted or mixes_kernels
        return before[0]._replace(
            name=name, layers=layers | {name}, of_neighbours=of_neighbours, may_be_shifted=shifted
        )
    if len(before) == 1 and not _mixes(call):  # elementwise, or elements that are moved
        is_cut = call.op in _CUTS and bool(sources[0].parts)  # of which part is not distinguished
        return before[0]._replace(is_whole=False) if is_cut else before[0]
    name = hash((call.op, str(_numbers(call)), tuple(b.name for b in before)))
    is_kernel = len(before) == 1 and (call.op in _LAYERS or "avg_pool" in call.op)
    root = before[0].root if is_kernel else hash((call.op, str(_numbers(call)), tuple(b.root for b in before)))
    shifts = call.op in _LAYERS and max(call.kernel, default=1) > 1
    puts_together = call.op in ("cat", "stack") and _have_neighbours(sources)
    return Lineage(
        name,
        layers,
        is_whole=all(b.is_whole for b in before),
        may_be_shifted=shifts or any(b.may_be_shifted for b in before),
        of_neighbours=puts_together
        or (shifts and call.inputs[1].shape[0] > call.groups)  # its output channels may be shifted differently
        or any(b.of_neighbours for b in before),
        root=root,
    )


def _have_neighbours(sources: Sequence[Value]) -> bool:
    """Whether some tensors hold neighbouring places of what may be one map."""
    several = combinations(sources, 2) if len(sources) <= _MOST_PAIRED else pairwise(sources)
    return any(are_neighbours(a.views, b.views) and relation(a, b) != "different" for a, b in several)


def _pattern(call: Call) -> int | None:
    """What tells the kernel of a convolution from others, if it is not trained and cannot be one of them, shifted."""
    kernel = call.arg("weight") if call.op in CONVOLUTIONS and not call.is_transposed else None
    if not isinstance(kernel, Handle) or not isinstance(kernel.number, Kernel) or max(call.kernel) == 1:
        return None
    was_written = kernel.value is None or kernel.value.index > 0
    return None if was_written else kernel.number.pattern()


def _mixes(call: Call) -> bool:
    return call.op in _MIXING or call.op in _LAYERS or any(part in call.op for part in _OF_WINDOWS)


def _numbers(call: Call) -> list[object]:
    """The arguments other than tensors, and the weights among the tensors, by which two calls of a kind differ."""
    fixed = [id(v) for v in call.inputs if not v.depends]
    given = (*call.args, *call.kwargs.values())
    plain = [a for a in given if a is None or isinstance(a, (int, float, str))]
    lists = [a for a in given if isinstance(a, (list, tuple)) and all(isinstance(n, (int, float)) for n in a)]
    return [*fixed, *plain, *lists]
