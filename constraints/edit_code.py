"""Edits as Python code that applies them to a model, with the source of the layers that they insert."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import nn

from constraints.conv_edits import ADJUSTED
from constraints.conv_sites import CONVS
from constraints.edits import Change, Edit, apply, other_names, words
from constraints.errors import UnusableInputError
from constraints.insertions import on_the_input
from constraints.model_state import kept_aside, parts

_INDENT = "    "
_OF_THE_PLACE = ("device", "dtype")
_SIZES = ("kernel_size", "stride", "padding", "dilation")
"""Arguments for which one number applies to all axes."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names in the code: of the model, and of the function that runs layers before the model."""

    model: str = "model"
    on_the_input: str = on_the_input.__name__

    def helper(self) -> str:
        """The definition of that function."""
        return (
            f"def {self.on_the_input}(added, forward, image, *others, **named):\n"
            f'{_INDENT}"""The forward pass behind further layers on the image."""\n'
            f"{_INDENT}return forward(added(image), *others, **named)\n"
        )


def edit_lines(model: nn.Module, change: Change, names: Names) -> list[str]:
    """Statements that apply a change to a model, one for each name of each changed layer.

    Raises UnusableInputError for an edit that is neither of a registered layer nor of layers before the model.
    """
    lines: list[str] = []
    with ExitStack() as undo:
        for edit in change:
            lines += (_of_layer if edit.layer else _of_forward)(model, edit, undo, names)
    return lines


def inserted_lines(model: nn.Module, change: Change) -> tuple[str, ...]:
    """The lines of ``edit_lines`` if an edit inserts layers; empty if none does, or if an edit cannot be written so."""
    if all(edit.rewrite is None and edit.adds is None and not edit.wraps for edit in change):
        return ()
    try:
        lines = edit_lines(model, change, Names())
    except UnusableInputError:
        return ()
    return tuple(line.removeprefix(_INDENT) for statement in lines for line in statement.split("\n"))


def _of_layer(model: nn.Module, edit: Edit, undo: ExitStack, names: Names) -> Iterator[str]:
    found = parts(model)
    before = found.modules[edit.layer]
    aside = () if edit.alone else (kept for owner in found.modules.values() for _, kept in kept_aside(owner))
    if any(kept is before for kept in aside):
        too = " too" if edit.layer in found.registered else ""
        raise UnusableInputError(
            f"layer {edit.layer} is in a plain list, dict or tuple{too}: keep it in an nn.ModuleList"
        )
    others = () if edit.alone else other_names(model).get(edit.layer, ())
    undo.callback(apply(model, edit))
    of_model = names.model
    made = model.get_submodule(edit.layer)
    if (
        isinstance(before, CONVS)
        and set(edit.arguments) <= ADJUSTED
        and before.padding_mode == "zeros"
        and not (edit.rewrite or edit.wraps)
    ):  # every convolution class keeps these as attributes; its weights stay unchanged
        for name in edit.arguments:
            yield f"{of_model}.get_submodule({edit.layer!r}).{name} = {getattr(made, name)!r}"
        return
    new = expression(made, before, f"{of_model}.get_submodule({edit.layer!r})")
    yield f"{of_model}.set_submodule({edit.layer!r}, {new})"
    for name in others:
        yield f"{of_model}.set_submodule({name!r}, {of_model}.get_submodule({edit.layer!r}))"


def _of_forward(model: nn.Module, edit: Edit, undo: ExitStack, names: Names) -> Iterator[str]:
    if edit.make is not on_the_input:
        what = f"not a layer changes, but a call in a forward method: {words((edit,))}"
        raise UnusableInputError(what)
    known = set(model._modules)
    undo.callback(apply(model, edit))
    (name,) = set(model._modules) - known
    of_model = names.model
    yield f"{of_model}.add_module({name!r}, {expression(model._modules[name])})"
    yield f"{of_model}.forward = functools.partial({names.on_the_input}, {of_model}.{name}, {of_model}.forward)"


def expression(made: nn.Module | None, known: nn.Module | None = None, text: str = "", depth: int = 2) -> str:
    """An expression that makes a module of torch's layers; ``known`` is an existing module, written as ``text``.

    Raises UnusableInputError for a module of another class, or one whose arguments cannot be read from its attributes.
    """
    if made is known and made is not None:
        return text
    if type(made) is nn.Sequential:
        inner = "".join(f"{_INDENT * depth}{expression(m, known, text, depth + 1)},\n" for m in made)
        return f"nn.Sequential(\n{inner}{_INDENT * (depth - 1)})"
    kind = type(made)
    if made is None or not kind.__module__.startswith("torch.nn.modules.") or made._modules:
        raise UnusableInputError(f"no call of its constructor makes this {kind.__name__}")
    written = f"nn.{kind.__name__}({', '.join(_arguments(made))})"
    dtype = next((p.dtype for p in made.parameters()), torch.float32)
    return written if dtype is torch.float32 else f"{written}.to({dtype})"


def _arguments(layer: nn.Module) -> Iterator[str]:
    """The constructor arguments of one of torch's layers, from attributes of the same names; defaults are left out."""
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        if name in _OF_THE_PLACE or parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        value = getattr(layer, name, parameter.default)
        if name == "bias":
            value = value is not None and value is not False
        if name in _SIZES and isinstance(value, tuple) and len(set(value)) == 1:
            (value,) = set(value)
        if value is parameter.empty:
            raise UnusableInputError(
                f"no call of its constructor makes this {type(layer).__name__}: {name} is not known"
            )
        if value != parameter.default:
            yield f"{name}={value!r}"
