"""A model without the wrappers of ``torch.compile``, which would add generated names to layer paths."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from torch import nn

from constraints.model_state import Parts, parts
from constraints.replacing import replace_module


@contextmanager
def as_written(found: Parts) -> Iterator[Parts]:
    """The parts of a model with each compiled module in place of its wrapper; undone afterwards.

    A wrapper that has hooks of its own, which are a part of the forward pass, stays.
    """
    dynamo: Any = sys.modules.get("torch._dynamo.eval_frame")
    if dynamo is None:  # nothing was compiled so far; importing it takes seconds
        yield found
        return

    def only_wraps(module: nn.Module) -> bool:
        is_wrapper = isinstance(module, dynamo.OptimizedModule)
        return is_wrapper and not (module._forward_hooks or module._forward_pre_hooks)

    wrappers = [module for module in found.modules.values() if only_wraps(module)]
    if not wrappers:
        yield found
        return
    model = found.model
    while only_wraps(model):
        model = cast("nn.Module", model._orig_mod)
    with ExitStack() as undo:
        for wrapper in wrappers:
            undo.callback(replace_module(model, wrapper, cast("nn.Module", wrapper._orig_mod)))
        yield parts(model)
