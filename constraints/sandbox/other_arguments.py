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

from constraints.sandbox.equal_networks import are_equal
from constraints.sandbox.unreached_models import by_import, for_scripts

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WITHOUT_FLAG = {Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
"""Kinds of parameters to which ``--arg`` gives nothing."""


def made_otherwise(tree: ast.Module, name: str, space: Mapping[str, Any], model: nn.Module) -> str:
    """A warning that names a variable which a file makes of the class ``name`` in another way; empty for none.

    That is with arguments, or with layers that later statements replace. ``model`` is the class without arguments. A
    variable of the file's ``space`` that is an equal network, or none, is passed over; in a notebook its statement may
    not have run, and within a block, as that of an ``if``, it was not to.
    """
    for variable, statements in _assignments(tree).items():
        calls = [call for made in statements if (call := _call(made, name))]
        if not calls:
            continue
        is_run = any(made in _values(tree.body) for made in statements)
        found = _unwrapped(space.get(variable, ... if is_run else None))
        if any(call.args or call.keywords for call in calls):
            is_equal = found is ... and all(_is_equal_call(call, model) for call in calls)
            is_other, how, this = not is_equal and _is_other(found, model), "", f"{name} without arguments"
        else:
            is_other, how, this = _is_changed(found, model, variable, tree), ", changed later", f"{name} itself"
        if is_other:
            made = " or ".join(ast.unparse(_call(made, name) or made) for made in statements)
            return f"{variable} is {made} in the file{how}, and this is {this}: to check the former, name {variable}"
    return ""


def _assignments(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """What may be assigned to each variable of a file in the end: the last value, and those of blocks after it."""
    found: dict[str, list[ast.expr]] = {}
    for statement in _run_by_import(tree.body):
        for variable, value in _assigned(statement):
            found[variable] = [value] if statement in tree.body else [*found.get(variable, []), value]
    return found


def _values(body: Iterable[ast.stmt]) -> list[ast.expr]:
    return [value for statement in body for _, value in _assigned(statement)]


def _run_by_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a file, those of its ``with``, ``if``, ``try`` and ``for`` blocks included."""
    for statement in body:
        yield statement
        if not isinstance(statement, _DEFINITIONS):
            yield from _run_by_import(by_import(statement))


def _assigned(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The variables to which a statement assigns, and the values, except those made of their own, as ``net.cuda()``."""
    pairs: list[tuple[ast.expr, ast.expr]]
    match statement:
        case ast.Assign(targets=targets, value=value):
            pairs = [pair for target in targets for pair in _paired(target, value)]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            pairs = [(target, value)]
        case _:
            pairs = []
    for named, given in pairs:
        if isinstance(named, ast.Name) and not any(
            isinstance(node, ast.Name) and node.id == named.id for node in ast.walk(given)
        ):
            yield named.id, given


def _paired(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Each target and its value, as in ``net, loss = Net(), nn.MSELoss()``."""
    match target, value:
        case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), (ast.Tuple(elts=values) | ast.List(elts=values))) if (
            len(targets) == len(values)
        ):
            return list(zip(targets, values, strict=True))
    return [(target, value)]


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
    return not are_equal(found, model)


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


def made_if_run(tree: ast.Module, name: str, kind: type[nn.Module], model: nn.Module) -> str:
    """A warning that names a line which makes the class ``name`` with other arguments only if the file is run.

    That is under ``if __name__ == "__main__"``, in functions that are named there, or in a function ``main``. Arguments
    count whose values the line itself has, and that make another network than ``model``, the class without arguments.
    Empty for none.
    """
    statements = (node for node in _run_by_scripts(tree) if isinstance(node, ast.stmt))
    calls = (_call(value, name) for statement in statements for _, value in _assigned(statement))
    for call in filter(None, calls):
        given = _other_values(call, kind)
        if given and not _makes_equal(kind, given, model):
            flags = " ".join(f"--arg {shlex.quote(f'{key}={json.dumps(value)}')}" for key, value in given.items())
            what = f"line {call.lineno} makes {ast.unparse(call)} only if the file is run"
            return f"{what}, and this is {name} without arguments: to check the former, give {flags}"
    return ""


def _run_by_scripts(tree: ast.Module) -> Iterator[ast.AST]:
    """The parts of what runs only if the file is run, in their order in the file."""
    functions = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    blocks: list[ast.stmt] = [block for node in tree.body for block in for_scripts(node)]
    blocks += [functions["main"]] if "main" in functions else []
    for block in blocks:  # which grows
        named = {node.id for node in ast.walk(block) if isinstance(node, ast.Name)}
        blocks += [function for name, function in functions.items() if name in named and function not in blocks]
    for block in sorted(blocks, key=lambda block: block.lineno):
        yield from ast.walk(block)


def _is_equal_call(call: ast.Call, model: nn.Module) -> bool:
    """Whether a call of the model's class makes an equal network; not where its arguments are not known here."""
    given = _other_values(call, type(model))
    return given is not None and _makes_equal(type(model), given, model)


def _makes_equal(kind: type[nn.Module], given: Mapping[str, Any], model: nn.Module) -> bool:
    """Whether a class makes an equal network with these arguments; not where it cannot be made with them."""
    try:
        return not given or are_equal(kind(**given), model)
    except (Exception, SystemExit):  # what the user's code raises
        return False


def _other_values(call: ast.Call, kind: type[nn.Module]) -> dict[str, Any] | None:
    """The arguments of a call that are not the defaults; None where one is not known here, or has no flag."""
    try:
        signature = inspect.signature(kind)
        values = [ast.literal_eval(value) for value in call.args]
        named = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg is not None}
        given = signature.bind(*values, **named).arguments
        changed = {key: value for key, value in given.items() if value != signature.parameters[key].default}
        tomllib.loads("\n".join(f"{key}={json.dumps(value)}" for key, value in changed.items()))  # it has no None
    except (ValueError, TypeError, RuntimeError):  # names and calls, not what the class takes, or a tensor as a default
        return None
    return None if any(signature.parameters[key].kind in _WITHOUT_FLAG for key in changed) else changed
