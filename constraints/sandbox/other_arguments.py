"""Networks of a file that are of the checked class, made with other arguments than here, or changed later."""

from __future__ import annotations

import ast
import inspect
import json
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from inspect import Parameter
from operator import attrgetter
from typing import Any

from torch import nn

from constraints.sandbox.layer_settings import have_equal_layers
from constraints.sandbox.unreached_models import is_for_scripts

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WITHOUT_FLAG = {Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
"""Kinds of parameters to which ``--arg`` gives nothing."""


def made_otherwise(tree: ast.Module, name: str, space: Mapping[str, Any], model: nn.Module) -> str:
    """A warning that names a variable which a file makes of the class ``name`` in another way; empty for none.

    That is with arguments, or with layers that later statements replace. ``model`` is the class without arguments. A
    variable of the file's ``space`` that is an equal network, or none, is passed over; in a notebook its statement may
    not have run, and within a block, as that of an ``if``, it was not to.
    """
    for statement in _run_by_import(tree.body):
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=variable)], value=ast.expr() as made)
                | ast.AnnAssign(target=ast.Name(id=variable), value=ast.expr() as made)
            ) if call := _call(made, name):
                found = _unwrapped(space.get(variable, ... if statement in tree.body else None))
                if call.args or call.keywords:
                    is_other, how, this = _is_other(found, model), "", f"{name} without arguments"
                else:
                    is_other, how, this = _is_changed(found, model, variable, tree), ", changed later", f"{name} itself"
                if is_other:
                    what = f"{variable} is {ast.unparse(call)} in the file{how}, and this is {this}"
                    return f"{what}: to check the former, name {variable}"
    return ""


def _run_by_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a file, those of its ``with``, ``if``, ``try`` and ``for`` blocks included."""
    for statement in body:
        yield statement
        if not is_for_scripts(statement) and not isinstance(statement, _DEFINITIONS):
            yield from _run_by_import(node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt))


def _call(made: ast.expr, name: str) -> ast.Call | None:
    """The call of the class, also within others: ``Net(64).to(device)``, ``torch.compile(Net(64))``."""
    while isinstance(made, ast.Call):
        match made:
            case ast.Call(func=ast.Name(id=called)) if called == name:
                return made
            case ast.Call(func=ast.Attribute(value=ast.Call() as inner)) | ast.Call(args=[inner, *_]):
                made = inner
            case _:
                return None
    return None


def _unwrapped(found: object) -> object:
    """The network within torch.compile's wrapper or that for several devices."""
    found = getattr(found, "_orig_mod", found)
    return found.module if isinstance(found, nn.DataParallel) else found


def _is_other(found: object, model: nn.Module) -> bool:
    """Whether a variable, or an ellipsis where it was not made, may be another network than ``model``."""
    if not isinstance(found, nn.Module):
        return found is ...
    return not have_equal_layers(found, model)


def _is_changed(found: object, model: nn.Module, variable: str, tree: ast.Module) -> bool:
    """Whether a variable is a network of ``model``'s class with other layers.

    Where its statement did not run, whether a later statement of the file sets a layer that ``model`` has.
    """
    if found is ...:
        return any(_replaces_layer(statement, variable, model) for statement in tree.body)
    return type(found) is type(model) and _is_other(found, model)


def _replaces_layer(statement: ast.stmt, variable: str, model: nn.Module) -> bool:
    """Whether a statement is ``VARIABLE.LAYER = ...`` or ``VARIABLE.LAYER[...] = ...`` for a layer of ``model``."""
    for target in statement.targets if isinstance(statement, ast.Assign) else ():
        while isinstance(target, ast.Subscript):
            target = target.value  # noqa: PLW2901 (the outermost attribute)
        root, _, path = ast.unparse(target).partition(".")
        if root == variable and path and "[" not in path and isinstance(_at(model, path), nn.Module):
            return True
    return False


def _at(model: nn.Module, path: str) -> object:
    try:
        return attrgetter(path)(model)
    except AttributeError:
        return None


def made_if_run(tree: ast.Module, name: str, kind: type[nn.Module]) -> str:
    """A warning that names a line which makes the class ``name`` with other arguments only if the file is run.

    That is under ``if __name__ == "__main__"`` or in a function ``main``; arguments count whose values the line itself
    has. Empty for none.
    """
    for block in tree.body:
        if not (is_for_scripts(block) or (isinstance(block, ast.FunctionDef) and block.name == "main")):
            continue
        for node in ast.walk(block):
            call = _call(node.value, name) if isinstance(node, ast.Assign) else None
            if call and (flags := _other_values(call, kind)):
                what = f"line {call.lineno} makes {ast.unparse(call)} only if the file is run"
                return f"{what}, and this is {name} without arguments: to check the former, give {flags}"
    return ""


def _other_values(call: ast.Call, kind: type[nn.Module]) -> str:
    """The flags for the arguments of a call that are not the defaults; empty where one is not known here."""
    try:
        signature = inspect.signature(kind)
        values = [ast.literal_eval(value) for value in call.args]
        named = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg is not None}
        given = signature.bind(*values, **named).arguments
        changed = {key: value for key, value in given.items() if value != signature.parameters[key].default}
        pairs = [f"{key}={json.dumps(value)}" for key, value in changed.items()]
        tomllib.loads("\n".join(pairs))  # --arg takes TOML, which has no None
    except (ValueError, TypeError, RuntimeError):  # names and calls, not what the class takes, or a tensor as a default
        return ""
    if any(signature.parameters[key].kind in _WITHOUT_FLAG for key in changed):
        return ""
    return " ".join(f"--arg {shlex.quote(pair)}" for pair in pairs)
