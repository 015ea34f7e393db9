"""Networks of a file that are of the checked class, made with other arguments than the check gives."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from torch import nn


def made_otherwise(tree: ast.Module, name: str, space: Mapping[str, Any], model: nn.Module) -> str:
    """A warning that names a variable which a file makes of the class ``name`` with arguments; empty for none.

    ``model`` is the class without arguments. A variable of the file's ``space`` that is an equal network, or none, is
    passed over; in a notebook its statement may not have run.
    """
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=variable)], value=ast.expr() as made)
                | ast.AnnAssign(target=ast.Name(id=variable), value=ast.expr() as made)
            ) if (call := _call(made, name)) and _is_other(space.get(variable, ...), model):
                what = f"{variable} is {ast.unparse(call)} in the file, and this is {name} without arguments"
                return f"{what}: to check the former, name {variable}"
    return ""


def _call(made: ast.expr, name: str) -> ast.Call | None:
    """The call of the class with arguments, also within others: ``Net(64).to(device)``, ``torch.compile(Net(64))``."""
    while isinstance(made, ast.Call):
        match made:
            case ast.Call(func=ast.Name(id=called)) if called == name:
                return made if made.args or made.keywords else None
            case ast.Call(func=ast.Attribute(value=ast.Call() as inner)) | ast.Call(args=[inner, *_]):
                made = inner
            case _:
                return None
    return None


def _is_other(found: object, model: nn.Module) -> bool:
    """Whether a variable, or an ellipsis where it was not made, may be another network than ``model``."""
    found = getattr(found, "_orig_mod", found)  # within torch.compile's
    if not isinstance(found, nn.Module):
        return found is ...
    return (repr(found), _shapes(found)) != (repr(model), _shapes(model))


def _shapes(model: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in model.parameters()]
