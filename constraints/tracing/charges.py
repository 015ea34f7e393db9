"""Which layer a call belongs to, and the parameters that are charged to it; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from constraints.tracing.values import Call

if TYPE_CHECKING:
    import torch

    from constraints.tracing.run import Frame

_KEEPING = frozenset(
    ["alias", "clone", "contiguous", "detach", "reshape", "squeeze", "_to_copy", "_unsafe_view", "unsqueeze", "view"]
)
"""Operations whose result has all the elements of their argument, in the same order."""


def recipe(call: Call, which: int) -> str:
    """How a result is computed from parameters: the same for the same computation in another call of its module."""
    weights = [v for v in call.inputs if v.params]
    if not weights or (len(weights) == 1 and call.op in _KEEPING):
        return weights[0].recipe if weights else ""
    named = [(name, _plain(value)) for name, value in sorted(call.kwargs.items())]
    return recipe_of(call.op, which, _plain(call.args), named, *(v.recipe or sorted(v.params) for v in weights))


def recipe_of(*parts: object) -> str:
    """A digest of the parts, so that a recipe is as long after many operations as after one."""
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _plain(argument: Any) -> object:
    """Numbers and texts, also in sequences; None for anything else, such as a tensor."""
    if isinstance(argument, str | int | float):
        return argument
    if isinstance(argument, Sequence):
        return tuple(map(_plain, argument))
    return None


class Charges:
    """The parameters of a model, each charged to the first call that uses it."""

    def __init__(self, parameters: Mapping[str, torch.Tensor]) -> None:
        """Begin with none charged."""
        self._parameters = parameters
        self._charged: set[str] = set()

    def identify(self, call: Call, frame: Frame) -> None:
        """Set the layer that a call belongs to, and charge its parameters to the first call that uses them."""
        op, path, calls = call.op, frame.path, frame.calls
        place = calls[op] = calls.get(op, -1) + 1
        call.key = (path, op, place)
        if not (frame.is_leaf and path):
            call.tags.add("functional")
        named = [v.params for v in call.inputs if v.params]
        if not named:
            return
        weights = named[0].union(*named[1:])
        kernel = call.inputs[1] if call.is_conv and call.inputs[1].params else None
        # The kernel identifies the layer, with or without a bias: other parts of one parameter are other layers.
        call.key = (op, kernel.params, kernel.recipe) if kernel else (op, weights, *(v.recipe for v in call.inputs))
        if new := weights - self._charged:
            self._charged |= new
            call.params = sum([self._parameters[name].numel() for name in new])
