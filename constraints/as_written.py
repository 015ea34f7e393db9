"""A model without the wrappers of ``torch.compile``, whose names are none that anybody wrote."""

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
    """The model with each compiled module as it was before, in place of its wrapper; afterwards as it was."""
    dynamo: Any = sys.modules.get("torch._dynamo.eval_frame")
    if dynamo is None:  # nothing was compiled so far, and its import takes seconds
        yield model
        return
    while isinstance(model, dynamo.OptimizedModule):
        model = cast("nn.Module", model._orig_mod)
    with ExitStack() as undo:
        for wrapper in [m for m in parts(model).modules.values() if isinstance(m, dynamo.OptimizedModule)]:
            undo.callback(replace_module(model, wrapper, cast("nn.Module", wrapper._orig_mod)))
        yield model
