"""Read the parameters of a class or function from the source of its file, where that is possible."""

from __future__ import annotations

import ast
from inspect import Parameter

Definition = ast.ClassDef | ast.FunctionDef


def parameters_of(tree: ast.Module, name: str) -> list[Parameter] | None:
    """The parameters of a call of ``name``; None where only running the file can tell.

    Only running can tell for decorated names, names bound more than once, classes with bases other than ``nn.Module``
    or without their own ``__init__``, and names that are not a class or function defined in the file.
    """
    found = [node for node in tree.body if isinstance(node, Definition) and node.name == name]
    if len(found) != 1 or found[0].decorator_list or _is_bound_otherwise(tree, name):
        return None
    definition = found[0]
    if isinstance(definition, ast.FunctionDef):
        return _parameters(definition.args)
    makers = [n for n in definition.body if isinstance(n, ast.FunctionDef) and n.name in {"__init__", "__new__"}]
    is_plain = not definition.keywords and all(_last(base) == "Module" for base in definition.bases)
    if not is_plain or [node.name for node in makers] != ["__init__"] or makers[0].decorator_list:
        return None
    return _parameters(makers[0].args)[1:]


def _last(base: ast.expr) -> str:
    return ast.unparse(base).rpartition(".")[2]


def _is_bound_otherwise(tree: ast.Module, name: str) -> bool:
    nodes = list(ast.walk(tree))
    assigned = any(isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in nodes)
    defined = sum(isinstance(node, Definition) and node.name == name for node in nodes)
    imported = any(name in {a.asname, a.name} for node in nodes if isinstance(node, ast.ImportFrom) for a in node.names)
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    changed = any(isinstance(node.value, ast.Name) and node.value.id == name for node in attributes)
    return assigned or imported or changed or defined > 1


def _parameters(args: ast.arguments) -> list[Parameter]:
    """The parameters as ``inspect.signature`` gives them, with None for every default."""
    places = [*args.posonlyargs, *args.args]
    required, positional = len(places) - len(args.defaults), len(args.posonlyargs)
    found = [
        Parameter(
            one.arg,
            Parameter.POSITIONAL_ONLY if number < positional else Parameter.POSITIONAL_OR_KEYWORD,
            default=Parameter.empty if number < required else None,
        )
        for number, one in enumerate(places)
    ]
    found += [Parameter(args.vararg.arg, Parameter.VAR_POSITIONAL)] if args.vararg else []
    for one, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        found.append(Parameter(one.arg, Parameter.KEYWORD_ONLY, default=Parameter.empty if default is None else None))
    return found + ([Parameter(args.kwarg.arg, Parameter.VAR_KEYWORD)] if args.kwarg else [])
