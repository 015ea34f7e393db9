"""The stand-in for Lightning's base class, where Lightning is not installed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from torch import nn

from constraints.sandbox.argument_tables import ArgumentTable


class LightningModule(nn.Module):
    """A stand-in for Lightning's base class: an nn.Module with hyperparameters and a ``log`` method."""

    def save_hyperparameters(self, *given: Any, ignore: str | Sequence[str] = (), **_: Any) -> None:
        """Store as ``hparams`` all arguments of its running constructors, or the named ones, or one object's."""
        found = _constructor_arguments(self, inspect.currentframe())
        objects = [thing for thing in given if not isinstance(thing, str)]
        if len(objects) == 1:
            found = dict(objects[0] if isinstance(objects[0], Mapping) else vars(objects[0]))
        elif given:
            found = {n: value for n, value in found.items() if n in given}
        left_out = (ignore,) if isinstance(ignore, str) else ignore
        kept = self.__dict__.setdefault("hparams", ArgumentTable())  # each call adds to those of the calls before
        dict.update(kept, {n: v for n, v in found.items() if n not in left_out})  # an entry may be named ``update``

    @property
    def device(self) -> Any:
        """The device of its first parameter."""
        return next((p.device for p in self.parameters()), "cpu")

    def log(self, *_: Any, **__: Any) -> None:
        """Log nothing."""

    log_dict = log


def _constructor_arguments(module: nn.Module, frame: FrameType | None) -> dict[str, Any]:
    """The arguments of the constructors of a module that are running; those of a derived class override its base's."""
    found: dict[str, Any] = {}
    while (frame := frame.f_back if frame else None) is not None:
        names, _varargs, keywords, values = inspect.getargvalues(frame)
        if frame.f_code.co_name == "__init__" and names and values.get(names[0]) is module:
            found |= {n: values[n] for n in names[1:] if n in values} | dict(values.get(keywords or "", {}))
    return found
