"""Edits as Python code that makes them in a model: the layers that they put in, written out."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack

import torch
from torch import nn

from constraints.edits import Change, Edit, apply, other_names
from constraints.errors import UnusableInputError
from constraints.insertions import on_the_input
from constraints.model_state import parts

MODEL = "model"
"""What the code calls the model."""
_INDENT = "    "
ON_THE_INPUT = f'''def {on_the_input.__name__}(added, forward, image, *others, **named):
{_INDENT}"""The forward pass behind further layers on the image."""
{_INDENT}return forward(added(image), *others, **named)
'''
"""What code of layers before the model calls."""


_OF_THE_PLACE = ("device", "dtype")
_SIZES = ("kernel_size", "stride", "padding", "dilation")
"""Arguments of which one number stands for all axes."""


def edit_lines(model: nn.Module, change: Change) -> list[str]:
    """Statements that make a change in ``model``, one for each name of each layer that changes.

    Raises UnusableInputError for an edit that is none of a registered layer, or of layers before the model.
    """
    lines: list[str] = []
    with ExitStack() as undo:
        for edit in change:
            lines += _of_forward(model, edit, undo) if not edit.layer else _of_layer(model, edit, undo)
    return lines


def _of_layer(model: nn.Module, edit: Edit, undo: ExitStack) -> Iterator[str]:
    if edit.layer in parts(model).hidden:
        raise UnusableInputError(f"layer {edit.layer} is in a plain list, dict or tuple: keep it in an nn.ModuleList")
    names = [edit.layer, *other_names(model).get(edit.layer, ())]
    before = model.get_submodule(edit.layer)
    undo.callback(apply(model, edit))
    new = expression(model.get_submodule(edit.layer), before, f"{MODEL}.get_submodule({edit.layer!r})")
    yield f"{MODEL}.set_submodule({names[0]!r}, {new})"
    for name in names[1:]:
        yield f"{MODEL}.set_submodule({name!r}, {MODEL}.get_submodule({names[0]!r}))"


def _of_forward(model: nn.Module, edit: Edit, undo: ExitStack) -> Iterator[str]:
    if edit.make is not on_the_input:
        raise UnusableInputError(f"no layer makes what would change, but a call in a forward method: {edit.text}")
    known = set(model._modules)
    undo.callback(apply(model, edit))
    (name,) = set(model._modules) - known
    yield f"{MODEL}.add_module({name!r}, {expression(model._modules[name])})"
    yield f"{MODEL}.forward = functools.partial({on_the_input.__name__}, {MODEL}.{name}, {MODEL}.forward)"


def expression(made: nn.Module | None, known: nn.Module | None = None, text: str = "", depth: int = 2) -> str:
    """An expression that makes a module of torch's layers; ``text`` stands for a module that is there already.

    Raises UnusableInputError for a module of another class, or one whose arguments its text does not show.
    """
    if made is known and made is not None:
        return text
    if type(made) is nn.Sequential:
        inner = "".join(f"{_INDENT * depth}{expression(m, known, text, depth + 1)},\n" for m in made)
        return f"nn.Sequential(\n{inner}{_INDENT * (depth - 1)})"
    kind = type(made)
    if made is None or not kind.__module__.startswith("torch.nn.modules.") or made._modules:
        raise UnusableInputError(f"no text makes a {kind.__name__} as it is")
    written = f"nn.{kind.__name__}({', '.join(_arguments(made))})"
    dtype = next((p.dtype for p in made.parameters()), torch.float32)
    return written if dtype is torch.float32 else f"{written}.to({dtype})"


def _arguments(layer: nn.Module) -> Iterator[str]:
    """The arguments that make one of torch's layers, by the attributes of the same names; defaults are left out."""
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        if name in _OF_THE_PLACE or parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        value = getattr(layer, name, parameter.default)
        if name == "bias":
            value = value is not None and value is not False
        if name in _SIZES and isinstance(value, tuple) and len(set(value)) == 1:
            (value,) = set(value)
        if value is parameter.empty:
            raise UnusableInputError(f"no text makes a {type(layer).__name__} as it is: {name} is not known")
        if value != parameter.default:
            yield f"{name}={value!r}"
