"""Networks of a file that are of the checked class, made with other arguments than the check gives."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from torch import nn


def made_otherwise(tree: ast.Module, name: str, space: Mapping[str, Any], model: nn.Module) -> str:
    """A warning that names a variable which a file makes of the class ``name`` with arguments; empty for none.

    ``model`` is the class without arguments. A variable of the file's ``space`` whose parameters have the same shapes
    is passed over; in a notebook its statement may not have run.
    """
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=variable)], value=made) if call := _call(made, name):
                if _shapes(space.get(variable)) != _shapes(model):
                    what = f"{variable} is {ast.unparse(call)} in the file, and this is {name} without arguments"
                    return f"{what}: to check the former, name {variable}"
    return ""


def _call(made: ast.expr, name: str) -> ast.Call | None:
    """The call of the class with arguments in an expression, as in ``Net(64).to(device)``."""
    calls = [n for n in ast.walk(made) if isinstance(n, ast.Call) and (n.args or n.keywords)]
    return next((c for c in calls if isinstance(c.func, ast.Name) and c.func.id == name), None)


def _shapes(model: object) -> list[tuple[int, ...]] | None:
    return [tuple(p.shape) for p in model.parameters()] if isinstance(model, nn.Module) else None
