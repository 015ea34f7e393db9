"""A user's file as syntax: the functions and loops around a call, the lists that loops iterate over."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial

from constraints.call_syntax import call_at
from constraints.code_layout import is_bracketed
from constraints.errors import UnusableInputError
from constraints.sandbox.constructions import UserCall
from constraints.sandbox.loops import Loop
from constraints.source_edits import Bytes, Piece

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
_BOM = "\ufeff"
Function = ast.FunctionDef | ast.AsyncFunctionDef
LoopNode = ast.For | ast.comprehension


class UserFile:
    """The syntax of one file."""

    def __init__(self, file: str, text: str) -> None:
        """Parse ``text``; ``file`` is its real path."""
        self.file, self.text = file, text.removeprefix(_BOM)
        self.bytes = Bytes(text)
        self.tree = ast.parse(self.text)

    @cached_property
    def _around(self) -> Mapping[ast.AST, ast.AST]:
        return {inner: node for node in ast.walk(self.tree) for inner in ast.iter_child_nodes(node)}

    def node(self, call: UserCall) -> ast.Call:
        """A call; raises UnusableInputError for one in another file."""
        if os.path.realpath(call.file) != self.file:
            raise UnusableInputError(f"a call in another file makes it: {call.file}:{call.position.line}")
        return call_at(self.tree, call.position)

    def function(self, call: UserCall) -> Function:
        """The function that contains a call; raises UnusableInputError where there is none."""
        scope = self._scope(self.node(call))
        if not isinstance(scope, FUNCTIONS):
            raise UnusableInputError(f"the call at line {call.position.line} is in no function of its own")
        return scope

    def _scope(self, node: ast.AST) -> ast.AST:
        while (node := self._around.get(node, self.tree)) is not self.tree:
            if isinstance(node, _SCOPES):
                break
        return node

    def loops_around(self, call: UserCall) -> Iterator[Loop]:
        """The loops of the same function around a call, the innermost first."""
        node: ast.AST = self.node(call)
        while (node := self._around.get(node, self.tree)) is not self.tree and not isinstance(node, _SCOPES):
            if isinstance(node, ast.For):
                yield node.iter.lineno, node.iter.col_offset
            for inner in reversed(getattr(node, "generators", [])):
                yield inner.iter.lineno, inner.iter.col_offset

    def loop(self, loop: Loop) -> LoopNode:
        """The loop whose iterable is at this place."""
        found = (n for n in ast.walk(self.tree) if isinstance(n, (ast.For, ast.comprehension)))
        return next(n for n in found if (n.iter.lineno, n.iter.col_offset) == loop)

    def literal(self, items: ast.expr) -> list[ast.expr] | None:
        """The elements of a list literal, given directly or by a name that the file assigns once."""
        if isinstance(items, ast.Call) and is_enumerated(items):
            items = items.args[0]
        if isinstance(items, ast.Name):
            made = [n for n in ast.walk(self.tree) if isinstance(n, ast.Assign) and _names(n.targets) == [items.id]]
            items = made[0].value if len(made) == 1 else items
        is_plain = isinstance(items, (ast.List, ast.Tuple)) and not any(isinstance(e, ast.Starred) for e in items.elts)
        return list(items.elts) if is_plain and isinstance(items, (ast.List, ast.Tuple)) else None

    def enumerated(self, loop: Loop, name: str) -> Iterator[Piece]:
        """The edits that add a variable counting a loop's iterations."""
        node = self.loop(loop)
        (start, stop), (first, last) = self.bytes.span(node.target), self.bytes.span(node.iter)
        is_open, is_bare = self._is_bare(node.target), self._is_bare(node.iter)
        yield Piece(start, start, f"{name}, {'(' * is_open}")
        yield Piece(stop, stop, ")" * is_open)
        yield Piece(first, first, f"enumerate({'(' * is_bare}")
        yield Piece(last, last, f"){')' * is_bare}")

    def _is_bare(self, node: ast.expr) -> bool:
        """Whether this is a tuple without brackets of its own."""
        start, stop = self.bytes.span(node)
        inner = self.bytes.data[start:stop].decode()
        return isinstance(node, ast.Tuple) and not is_bracketed(inner)

    def names(self) -> set[str]:
        """All variables and parameters."""
        names = {n.id for n in ast.walk(self.tree) if isinstance(n, ast.Name)}
        return names | {n.arg for n in ast.walk(self.tree) if isinstance(n, ast.arg)}


def variables(*given: ast.expr | None) -> set[str]:
    """The names that expressions read."""
    return {n.id for node in given if node is not None for n in ast.walk(node) if isinstance(n, ast.Name)}


def is_enumerated(items: ast.expr) -> bool:
    """Whether a loop over this counts from 0."""
    return isinstance(items, ast.Call) and ast.unparse(items.func) == "enumerate" and len(items.args) == 1


def default_of(function: Function, parameter: str) -> str:
    """The text of a parameter's default; empty where it has none."""
    arguments = function.args
    named = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    pairs = dict(zip(named[::-1], arguments.defaults[::-1], strict=False))
    pairs |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d}
    return ast.unparse(pairs[parameter]) if parameter in pairs else ""


def _names(targets: Sequence[ast.expr]) -> list[str]:
    return [ast.unparse(target) for target in targets]


def is_constant(node: ast.expr) -> bool:
    """Whether an expression is a literal constant."""
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def partials(tree: ast.Module) -> set[str]:
    """Names that a file binds to a ``partial``: variables, attributes, and parameters by their defaults."""
    made = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and _makes_partial(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            made |= {ast.unparse(target).split(".")[-1] for target in targets}
        elif isinstance(node, ast.arguments):
            named = [*node.posonlyargs, *node.args]
            pairs = [*zip(named[::-1], node.defaults[::-1], strict=False)]
            pairs += [(name, value) for name, value in zip(node.kwonlyargs, node.kw_defaults, strict=True) if value]
            made |= {parameter.arg for parameter, value in pairs if _makes_partial(value)}
    return made


def _makes_partial(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == partial.__name__


def turn_name(node: LoopNode) -> str:
    """The file's own variable that counts a loop: ``for i, x in enumerate(...)``, ``for i in range(n)``."""
    items, target = node.iter, node.target
    if not isinstance(items, ast.Call) or len(items.args) != 1 or items.keywords:
        return ""
    if ast.unparse(items.func) == "range" and isinstance(target, ast.Name) and target.id != "_":
        return target.id
    is_pair = ast.unparse(items.func) == "enumerate" and isinstance(target, ast.Tuple)
    first = target.elts[0] if is_pair and isinstance(target, ast.Tuple) else None
    return first.id if isinstance(first, ast.Name) and first.id != "_" else ""


def element_for(target: ast.expr, element: ast.expr, name: str) -> ast.expr | None:
    """The part of a list's element that a loop binds to a name."""
    if isinstance(target, ast.Tuple) and isinstance(element, (ast.Tuple, ast.List)):
        pairs = zip(target.elts, element.elts, strict=False)
        return next(filter(None, (element_for(t, e, name) for t, e in pairs)), None)
    return element if isinstance(target, ast.Name) and target.id == name else None
