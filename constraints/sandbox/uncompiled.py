"""Leave models as they are written where a user's code has them compiled, which takes long and changes no metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch


@contextmanager
def uncompiled() -> Iterator[None]:
    """While entered, ``torch.compile`` gives back what it is given, as a call and as a decorator."""
    with patch.object(torch, "compile", _as_written):
        yield


def _as_written(model: Callable[..., Any] | None = None, **_: Any) -> Any:
    return model if model is not None else _as_written
