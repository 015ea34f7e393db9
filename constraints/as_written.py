"""A model without the wrappers of ``torch.compile``, which would add generated names to layer paths."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from torch import nn

from constraints.model_state import parts
from constraints.replacing import replace_module


@contextmanager
def as_written(model: nn.Module) -> Iterator[nn.Module]:
    """While entered, each compiled module replaces its wrapper in the model; undone afterwards.

    A wrapper that has hooks of its own, which are a part of the forward pass, stays.
    """
    dynamo: Any = sys.modules.get("torch._dynamo.eval_frame")
    if dynamo is None:  # nothing was compiled so far; importing it takes seconds
        yield model
        return

    def only_wraps(module: nn.Module) -> bool:
        is_wrapper = isinstance(module, dynamo.OptimizedModule)
        return is_wrapper and not (module._forward_hooks or module._forward_pre_hooks)

    while only_wraps(model):
        model = cast("nn.Module", model._orig_mod)
    with ExitStack() as undo:
        for wrapper in filter(only_wraps, list(parts(model).modules.values())):
            undo.callback(replace_module(model, wrapper, cast("nn.Module", wrapper._orig_mod)))
        yield model
