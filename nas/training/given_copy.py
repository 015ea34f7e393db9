"""Copies of a user's own model: its average and its evaluation need one that does not depend on the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from constraints.errors import UnusableInputError, with_type
from constraints.model_state import copied
from nas.training.given_model import GivenModel


def model_copy(model: GivenModel) -> GivenModel:
    """A copy; UnusableInputError where there can be none."""
    try:
        return copied(model)
    except Exception as error:
        raise UnusableInputError(
            f"the model cannot be copied: {with_type(error)}: the average of "
            "its weights needs a copy: keep in it what copy.deepcopy takes"
        ) from error


@contextmanager
def not_called(model: GivenModel) -> Iterator[None]:
    """Raise UnusableInputError where a copy of the model, run in the block, called parts of the model itself."""
    names = {id(module): name.removeprefix("model.") for name, module in model.named_modules()}
    called: list[str] = []

    def note(module: nn.Module, _: Any) -> None:
        if id(module) in names:
            called.append(names[id(module)])

    noting = register_module_forward_pre_hook(note)
    try:
        yield
    finally:
        noting.remove()
    if called:
        raise UnusableInputError(
            f"the model cannot be copied: its copy calls {called[0]} of the model itself, by a global variable or an "
            "object that no copy is made of: the average of its weights needs a copy: let it call its own parts"
        )
