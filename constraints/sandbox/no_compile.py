"""Make ``torch.compile`` in a user's code do nothing, since compiling takes long and changes no metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch


@contextmanager
def uncompiled() -> Iterator[None]:
    """While entered, ``torch.compile`` returns its argument unchanged, as a call and as a decorator."""
    with patch.object(torch, "compile", _as_written):
        yield


def _as_written(model: Callable[..., Any] | None = None, **_: Any) -> Any:
    return model if model is not None else _as_written
