"""Choose the statements of a notebook that a model needs, without training, plots and downloads; no torch."""

from __future__ import annotations

import ast
import builtins
import dis
from collections.abc import Iterator, Sequence
from types import CodeType

from constraints.sandbox.code_objects import codes
from constraints.sandbox.source import AWAITING

_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_TRAINING = frozenset({"backward", "step", "fit"})


def needed(statements: Sequence[ast.stmt], name: str) -> list[bool]:
    """For each statement, whether the model ``name`` (any class, where it is empty) needs it.

    Imports and definitions always run. Any other statement runs where it binds or changes a global name on which
    the model depends: the name itself, those that classes read, those that are made of classes with required
    arguments, and those that such statements read.
    """
    facts = [_Facts(s) for s in statements]
    libraries = {n for f in facts if isinstance(f.node, (ast.Import, ast.ImportFrom)) for n in f.binds}
    for f in facts:
        f.changes -= libraries
    roots = {name.split(".", maxsplit=1)[0]} - {""}
    wanted = roots | {n for f in facts if isinstance(f.node, ast.ClassDef) for n in f.loads | f.binds}
    if not wanted:  # a model that is built by calls only
        wanted = {n for f in facts if isinstance(f.node, ast.Assign) for n in f.binds}
    open_classes = {f.node.name for f in facts if isinstance(f.node, ast.ClassDef) and _needs_arguments(f.node)}
    wanted |= {n for f in facts if isinstance(f.node, ast.Assign) and _builds(f.node, open_classes) for n in f.binds}
    grown = True
    while grown:
        used = {n for f in facts if f.serves(wanted) for n in f.loads}
        grown = not used <= wanted
        wanted |= used
    return [isinstance(f.node, _DEFINITIONS) or f.serves(wanted) for f in facts]


def free_names(tree: ast.Module) -> frozenset[str]:
    """The names that a file reads and nowhere binds, other than Python's own."""
    nodes = list(ast.walk(tree))
    names = [n for n in nodes if isinstance(n, ast.Name)]
    bound = {n.id for n in names if not isinstance(n.ctx, ast.Load)} | {n.arg for n in nodes if isinstance(n, ast.arg)}
    bound |= {n.name for n in nodes if isinstance(n, _DEFINITIONS[2:])}
    bound |= {a.asname or a.name.partition(".")[0] for n in nodes if isinstance(n, _DEFINITIONS[:2]) for a in n.names}
    return frozenset({n.id for n in names} - bound - vars(builtins).keys())


def _needs_arguments(node: ast.ClassDef) -> bool:
    """Whether the constructor of a class has parameters without defaults."""
    makers = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    return any(len(m.args.posonlyargs + m.args.args) - 1 > len(m.args.defaults) for m in makers)


def _builds(node: ast.Assign, classes: set[str]) -> bool:
    """Whether a statement calls one of these classes, as ``model = Net(cfg).to(device)`` does."""
    called = (n.func for n in ast.walk(node.value) if isinstance(n, ast.Call))
    return any(isinstance(function, ast.Name) and function.id in classes for function in called)


class _Facts:
    """The global names that a statement reads, binds and changes."""

    def __init__(self, node: ast.stmt) -> None:
        self.node = node
        code = compile(ast.Module(body=[node], type_ignores=[]), "cell", "exec", AWAITING, dont_inherit=True)
        self.loads = {n for c in codes(code) for n in _names(c, "LOAD_NAME", "LOAD_GLOBAL")}
        self.binds = set(_names(code, "STORE_NAME")) | {n for c in codes(code) for n in _names(c, "STORE_GLOBAL")}
        self.changes = set(_changed(node))
        """Names that have a method called are included, since it may change the object."""
        self.imports = any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.walk(node))
        called = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        self.trains = bool(called & _TRAINING)

    def serves(self, wanted: set[str]) -> bool:
        """Whether what it binds or changes is wanted, and it does not train."""
        if isinstance(self.node, ast.ClassDef):
            return True
        if isinstance(self.node, _DEFINITIONS):
            return bool(self.binds & wanted)
        return not self.trains and (self.imports or bool((self.binds | self.changes) & wanted))


def _changed(node: ast.stmt) -> Iterator[str]:
    """Names that have an item or attribute set, or a method called."""
    for inner in ast.walk(node):
        targets: list[ast.expr] = []
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            targets = [inner.func]
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == setattr.__name__:
            targets = inner.args[:1]
        elif isinstance(inner, (ast.Attribute, ast.Subscript)) and not isinstance(inner.ctx, ast.Load):
            targets = [inner]
        for target in targets:
            base = target
            while isinstance(base, (ast.Attribute, ast.Subscript)):
                base = base.value
            if isinstance(base, ast.Name):
                yield base.id


def _names(code: CodeType, *operations: str) -> Iterator[str]:
    return (str(i.argval) for i in dis.get_instructions(code) if i.opname in operations)
