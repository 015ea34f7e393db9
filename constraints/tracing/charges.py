"""Which layer a call belongs to, and the parameters that are charged to it; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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
        named = [v.params for v in call.inputs if v.params]
        if not named:
            return
        weights = named[0].union(*named[1:])
        kernel = call.inputs[1].params if call.is_conv else None  # it identifies the layer, with or without a bias
        call.key = (op, kernel or weights)
        if new := weights - self._charged:
            self._charged |= new
            call.params = sum([self._parameters[name].numel() for name in new])
