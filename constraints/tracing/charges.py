"""Which layer a call belongs to, and the parameters that are charged to it; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from constraints.tracing.recipes import older_sources, recipe
from constraints.tracing.values import Call

if TYPE_CHECKING:
    import torch

    from constraints.tracing.run import Frame


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
        kernel = call.inputs[1] if call.is_conv and not call.inputs[1].depends else None
        # The kernel identifies the layer, with or without a bias: other parts of one parameter are other layers.
        if kernel is not None and not kernel.params:
            call.key = (path, op, recipe(kernel), kernel.shape, older_sources(kernel))
        named = [v for v in call.inputs if v.params]
        if not named:
            return
        weights = named[0].params.union(*(v.params for v in named[1:]))
        if kernel is None:
            call.key = (op, weights, *(recipe(v) if v.params else "" for v in call.inputs))
        elif kernel.params:
            call.key = (op, kernel.params, recipe(kernel), kernel.shape)
        if new := weights - self._charged:
            self._charged |= new
            call.params = sum([self._parameters[name].numel() for name in new])
