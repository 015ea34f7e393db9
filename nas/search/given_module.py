"""Sends a module from the memory of the user's program to the process that trains it; never stored on disk."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError, with_type
from nas.search.given import Given

if TYPE_CHECKING:
    from torch import nn


def packed(module: nn.Module) -> bytes:
    """The module pickled by torch; equal modules give equal bytes in every process.

    Raises UnusableInputError for one that cannot be pickled, or whose class another process cannot import.
    """
    import torch

    for part in module.modules():
        if type(part).__module__ == "__main__":
            raise _unsendable(part, "its class is defined in the program itself")
    buffer = io.BytesIO()
    try:
        torch.save(module, buffer)
    except Exception as error:
        raise _unsendable(module, with_type(error)) from error
    return buffer.getvalue()


def unpacked(given: Given) -> nn.Module:
    """The module, rebuilt in a process that the packing program started for it."""
    import torch

    sys.path[:] = list(dict.fromkeys([*sys.path, *given.paths]))
    content = io.BytesIO(base64.b64decode(given.pickled))
    module: nn.Module = torch.load(content, weights_only=False)
    return module


def carrying(given: Given, content: bytes) -> Given:
    """A given network together with its module."""
    return replace(
        given,
        memory=hashlib.sha256(content).hexdigest(),
        pickled=base64.b64encode(content).decode(),
        paths=tuple(sys.path),
    )


def handed_again(given: Given | None, module: nn.Module | None, trial: int) -> Given | None:
    """The given network of a ``trial``, with its module where it was a module in memory and is passed again.

    Raises UnusableInputError where the module is another one, is missing, or is passed where none is needed.
    """
    if given is None or not given.memory:
        if module is not None:
            raise UnusableInputError(f"trial {trial} was not given as a module in memory: leave model out")
        return given
    if module is None:
        given.found()  # which says what is missing
    found = carrying(given, packed(_checked(module)))
    if found.memory != given.memory:
        raise UnusableInputError(
            f"not the module that trial {trial} was given: {type(module).__name__}: its weights or attributes are "
            "others: make it as it was then"
        )
    return found


def _checked(module: Any) -> nn.Module:
    from torch import nn

    if not isinstance(module, nn.Module):
        raise UnusableInputError(f"model is no nn.Module: {type(module).__name__}: give the module that was trained")
    return module


def _unsendable(module: nn.Module, why: str) -> UnusableInputError:
    return UnusableInputError(
        f"the module cannot be sent to the process that trains it: {type(module).__name__}: {why}: give its file: "
        "nas.train('file.py:NAME')"
    )
