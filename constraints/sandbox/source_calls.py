"""Calls in a user's source: their arguments, whether these are constants, and which calls pass them on."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from constraints.call_syntax import call_at
from constraints.conv_sites import CONVS, one
from constraints.errors import UnusableInputError
from constraints.model_state import parts
from constraints.sandbox.child import Checked
from constraints.sandbox.constructions import UserCall
from constraints.sandbox.notebooks import tree_of
from constraints.sandbox.passed_on import SELF, given, parameters_of
from constraints.sandbox.user_file import is_constant, partials


@dataclass(frozen=True, kw_only=True)
class SourceCalls:
    """The calls that made a model's modules, as syntax in the user's files."""

    checked: Checked
    trees: dict[str, ast.Module] = field(default_factory=dict)

    def parameters(self, module: nn.Module, call: UserCall, used: Set[str]) -> tuple[str, ...]:
        """The parameters of a module's constructor; raises UnusableInputError where a ``used`` one is set elsewhere."""
        node, signature = self.node(call), inspect.signature(called_by(module, call)).parameters
        is_lazy = ast.unparse(node.func).endswith(f"Lazy{type(module).__name__}")  # lazy layers have no in_channels
        parameters = tuple(name for name in signature if name not in SELF)[1 if is_lazy else 0 :]
        for name in sorted(used & set(signature)) if isinstance(module, CONVS) else ():
            if given(call, node, parameters, name) is None and one(getattr(module, name)) != signature[name].default:
                raise UnusableInputError(f"{name} is also set outside of {ast.unparse(node)} at line {node.lineno}")
        return parameters

    def node(self, call: UserCall) -> ast.Call:
        """A call in the source; raises UnusableInputError where a ``partial`` is called."""
        tree = self.tree(call.file)
        node = call_at(tree, call.position)
        callee = ast.unparse(node.func)
        module = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == call.file), None)
        called = vars(module).get(callee) if module else None
        if isinstance(called, partial) or callee.split(".")[-1] in partials(tree):
            place = f"{Path(call.file).name}:{node.lineno}"
            raise UnusableInputError(f"{callee}, which {place} calls, is a partial: write the call out")
        return node

    def unsettled(self, call: UserCall, parameters: Sequence[str], depends: Mapping[str, set[str]]) -> str:
        """Why new values may hold for this run only: an argument that they depend on is not a constant."""
        node = self.node(call)
        for name in sorted(set().union(*depends.values())):
            value = given(call, node, parameters, name)
            if value is not None and not is_constant(value):
                return f"{name} is {ast.unparse(value)}, not a constant: {Path(call.file).name}:{node.lineno}"
        return ""

    def made_by(self, calls: Sequence[UserCall]) -> set[str]:
        """Names of the model's modules that were made by these calls, the innermost first."""
        made = self.checked.made
        return {
            name
            for name, module in parts(self.checked.model).modules.items()
            if made.calls(module)[: len(calls)] == tuple(calls)
        }

    def handed_on(
        self,
        call: UserCall,
        parameters: Sequence[str],
        wanted: Mapping[str, Any],
        depends: Mapping[str, set[str]],
        layer: str,
    ) -> tuple[dict[str, Any], dict[str, set[str]]]:
        """The parameters of the function that contains a call which set the wanted arguments of the call.

        Two dictionaries: parameter -> value, and parameter -> the parameters that its value depends on.

        An argument computed from several others, such as a padding, is left as it is, since it follows them.
        """
        node, found, others = self.node(call), dict[str, Any](), dict[str, set[str]]()
        known = self.passed_on(call, parameters)
        where = f"{Path(call.file).name}:{call.position.line}"
        for name, value in wanted.items():
            argument = given(call, node, parameters, name)
            if isinstance(argument, ast.Name) and argument.id in known:
                if found.setdefault(argument.id, value) != value:
                    raise UnusableInputError(
                        f"layer {layer}: {argument.id} would be {found[argument.id]} and {value}: {where}"
                    )
                others.setdefault(argument.id, set()).update(self._names(call, parameters, depends[name], where))
            elif argument is None or isinstance(argument, ast.Constant):
                reason = f"the call that makes it makes others too, and none of its parameters sets {name}"
                raise UnusableInputError(f"layer {layer}: {reason}: {where}")
        if not found:
            raise UnusableInputError(f"layer {layer} is made by a call that makes others too: {where}")
        return found, others

    def passed_on(self, call: UserCall, parameters: Sequence[str]) -> tuple[str, ...]:
        """The parameters of the function that contains a call, with those that its ``*args`` and ``**kwargs`` hold."""
        return parameters_of(call, self.node(call), parameters)

    def _names(self, call: UserCall, parameters: Sequence[str], names: set[str], where: str) -> Iterator[str]:
        """The parameters of the function that contains a call which set these arguments of it, without constants."""
        node, known = self.node(call), self.passed_on(call, parameters)
        for name in names:
            value = given(call, node, parameters, name)
            if isinstance(value, ast.Name) and value.id in known:
                yield value.id
            elif value is not None and not is_constant(value):
                raise UnusableInputError(f"{name} is {ast.unparse(value)}, not a constant: {where}")

    def tree(self, file: str) -> ast.Module:
        """The syntax of a file; raises UnusableInputError for one that only a cell of a notebook contains."""
        if file not in self.trees:
            try:
                self.trees[file] = tree_of(Path(file))
            except FileNotFoundError as error:
                what = "run the cell that writes it, and name that file"
                raise UnusableInputError(f"a file that is not there makes the layers: {file}: {what}") from error
        return self.trees[file]


def called_by(module: nn.Module, call: UserCall) -> Any:
    """The constructor that a call runs for a module: that of its class, or, inside it, that of a base class."""
    kinds = type(module).__mro__
    for at, kind in enumerate(kinds):
        if getattr(vars(kind).get("__init__"), "__code__", None) is call.code:
            return next(vars(base)["__init__"] for base in kinds[at + 1 :] if "__init__" in vars(base))
    return type(module)
