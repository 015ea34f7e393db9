"""Postpone arithmetic until a value is read: most forward passes read none, and a trace needs shapes only.

An operation with a rule in ``unfilled`` returns uninitialised memory of the right shape and is put on a list. An
operation on such memory is listed too, and runs on whatever the memory contains, if its shapes do not depend on values.
As soon as anything else may read such memory, or something that a listed operation reads is changed, all of them run in
order and fill the memory: a reader gets the value that the model computes.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from constraints.faults import calls_user_code
from constraints.tracing.handles import Handle
from constraints.tracing.unfilled import RULES

if TYPE_CHECKING:
    from constraints.tracing.overloads import Operator

_MOST_BYTES = 2**28
"""Limit on the bytes of memory that waits for its values."""
_ARITHMETIC = frozenset(["conv2d", "addmm", "mm", "bmm"])
"""Operations that are postponed in any case; all others only where a tensor waits for its values."""
_OF_ANY_VALUES = """
    conv1d conv2d conv3d convolution batch_norm native_batch_norm native_layer_norm native_group_norm
    mm addmm bmm baddbmm mul add sub rsub div neg abs exp log sqrt rsqrt pow maximum minimum clamp clamp_min clamp_max
    relu sigmoid tanh silu gelu elu softplus mish hardswish hardsigmoid hardtanh leaky_relu _softmax _log_softmax
    mean sum amax amin var var_mean avg_pool2d max_pool2d_with_indices _adaptive_avg_pool2d
    cat stack clone _to_copy _reshape_copy constant_pad_nd reflection_pad2d replication_pad2d roll flip repeat
    upsample_nearest2d _upsample_nearest_exact2d upsample_bilinear2d upsample_bicubic2d
    pixel_shuffle pixel_unshuffle index index_select
"""
_ANY_VALUES = frozenset(_OF_ANY_VALUES.split())
"""Operations whose shapes and errors do not depend on the real numbers that they are given."""
_OF_SHAPE = "zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty new_full"
_SHAPE_ALONE = frozenset(_OF_SHAPE.split())
"""Operations that read no value of their tensor."""
_IS_TRAINING = 5
"""The position of the argument that makes a batch normalisation write to its running statistics."""
_unseen = torch.utils._python_dispatch._disable_current_modes  # the original, not the watched one
_storage = torch._C.TensorBase.untyped_storage


class Postponed:
    """The postponed operations of a run."""

    def __init__(self, *, is_open: bool) -> None:
        """Begin with none; nothing is postponed if ``is_open`` is false or another thread is running."""
        self._is_open = is_open and not _thread._count()
        self._waiting: list[tuple[Any, tuple[Any, ...], Mapping[str, Any], Any]] = []
        """Operations, their arguments, and the results that were given before they ran."""
        self._bytes = 0
        self.round = 1
        """Handles with this number of ``round`` wait for their values."""
        self._lock = threading.RLock()

    def close(self) -> None:
        """Postpone nothing from here on: memory may be read or written by code that is not seen."""
        self._is_open = False
        self.fill()

    def met(self, tensor: torch.Tensor) -> None:
        """Postpone nothing from here on if something else (an array, say) owns a tensor's memory: it may write."""
        if self._is_open and tensor.layout is torch.strided and not _storage(tensor).resizable():
            self.close()

    def fill(self) -> None:
        """Run the postponed operations, so that all memory contains its values."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            if waiting:
                self.round, self._bytes = self.round + 1, 0
                with torch.no_grad(), _unseen():
                    for func, args, kwargs, given in waiting:
                        _fill(given, ran(func, args, kwargs))

    def ran(
        self,
        operator: Operator,
        func: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        inputs: Sequence[Handle],
    ) -> tuple[Any, int]:
        """The result of an operation on ``inputs``, and the round in which its memory waits for values, or 0."""
        if not self._is_open:
            return ran(func, args, kwargs), 0
        now = self.round
        waiting = [h for h in inputs if h.round == now]
        if waiting or (operator.op in _ARITHMETIC and any(h.name is None for h in inputs)):
            is_own = not operator.writes or inputs[0].round == now
            rule = None if kwargs or not is_own else RULES.get(operator.op)
            result = rule(args, bool(operator.writes)) if rule else None
            if result is not None:
                return self._noted(func, args, kwargs, result)
        if _may_change(operator, args):
            self.fill()
        elif waiting:
            if operator.is_view:
                return ran(func, args, kwargs), now
            if operator.op in _ANY_VALUES and all(h.kind == "real" for h in waiting):
                return self._noted(func, args, kwargs, ran(func, args, kwargs))
            if operator.op not in _SHAPE_ALONE:
                self.fill()
        return ran(func, args, kwargs), 0

    def _noted(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], given: Any) -> tuple[Any, int]:
        now = self.round
        self._waiting.append((func, args, kwargs, given))
        if given.__class__ is torch.Tensor:
            self._bytes += given.nbytes
        if self._bytes > _MOST_BYTES:
            self.fill()
        return given, now


@calls_user_code
def ran(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result of an operation that runs now."""
    return func(*args, **kwargs) if kwargs else func(*args)


def _fill(given: Any, made: Any) -> None:
    if not isinstance(given, torch.Tensor):
        for one, other in zip(given, made, strict=True):
            _fill(one, other)
    elif given is not made:  # the same tensor if the operation is in place
        given.copy_(made)


def _may_change(operator: Operator, args: Sequence[Any]) -> bool:
    """Whether an operation may write to memory that postponed operations read."""
    return bool(operator.writes) or operator.hides_writes or bool(operator.keeps_statistics and args[_IS_TRAINING])
