"""Custom operators: register functions that a trace runs in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from constraints.errors import UnusableInputError

StandIn = Callable[..., Any]
_registered: dict[str, StandIn] = {}
STAND_INS: Mapping[str, StandIn] = MappingProxyType(_registered)
"""Operator -> the function that a trace runs in its place; per process, like torch's own registry of operators."""


def register_operator(name: str, stand_in: StandIn) -> StandIn:
    """Let a trace run ``stand_in`` where a model calls the operator ``name``, such as ``"mylib::blur"``.

    ``stand_in`` takes the operator's arguments, returns tensors of the same shapes and consists of torch's operations.
    Their receptive field and costs count as the operator's: these must be right, the values need not be. Without it a
    trace assumes nothing, and the metrics that may depend on the operator are unknown. A later call
    replaces an earlier one. Returns ``stand_in``. Raises UnusableInputError for a name without a namespace.
    """
    if name.count("::") != 1 or not all(name.split("::")):
        raise UnusableInputError(f"not the name of an operator: {name!r}: write namespace::name, as in mylib::blur")
    if not callable(stand_in):
        raise UnusableInputError(f"not a function: {stand_in!r}: give one that takes the arguments of {name}")
    _registered[name] = stand_in
    return stand_in
