"""The operations of a model's forward pass, as torch.export lists them, with the names of its modules and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from constraints.errors import UnusableInputError, with_type
from constraints.model_state import copied

_PASSING = {"dropout", "feature_dropout", "alpha_dropout", "contiguous", "clone", "alias", "detach", "to"}
"""Operations that change no value in eval mode."""
RESHAPES = frozenset({"flatten", "view", "reshape", "squeeze", "unsqueeze", "_unsafe_view"})
"""Operations that change only the shape of a value."""
CHAIN = "write the model as a chain of convolutions, norms, activations, gates and residual sums"
"""The advice for a model that is not a chain."""


class Graph:
    """One forward pass in eval mode; dead operations and those that change no value are left out."""

    def __init__(self, model: nn.Module, shape: Sequence[int]) -> None:
        """Export ``model`` for a batch of images of ``shape``; UnusableInputError where torch.export cannot follow."""
        judged = copied(model).cpu().float()
        judged.eval()  # which returns nothing where the code overrides train() so
        try:
            program = torch.export.export(judged, (torch.zeros(2, *shape, dtype=torch.float32),))
        except Exception as error:  # torch.export raises errors of many kinds, with no common base
            raise UnusableInputError(
                f"cannot follow the model's forward pass: {with_type(error).rstrip('. :')}: "
                "write it without branches that depend on the values"
            ) from error
        signature = program.graph_signature
        self._names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        outputs = [node for node in program.graph.nodes if node.op == "output"]
        returned = outputs[0].args[0]
        if len(returned) != 1 or len(signature.user_inputs) != 1:
            raise UnusableInputError(
                f"a model of {len(signature.user_inputs)} inputs and {len(returned)} outputs: give one of one each"
            )
        self.images = next(n for n in program.graph.nodes if n.name == signature.user_inputs[0])
        self.result = self._origin(returned[0])
        self._live = _leading_to(returned[0])

    def users(self, node: Node) -> list[Node]:
        """The operations that use a value, skipping those that change nothing."""
        found: list[Node] = []
        for user in node.users:
            if user in self._live:
                found += self.users(user) if op(user) in _PASSING else [user]
        return found

    def only_user(self, node: Node) -> Node | None:
        """The only operation that uses a value; None where there are several, or where the value is the result."""
        users = self.users(node)
        return users[0] if len(users) == 1 and node is not self.result else None

    def takes(self, user: Node, node: Node) -> bool:
        """Whether ``user`` uses the value of ``node``."""
        return any(isinstance(a, Node) and self._origin(a) is node for a in user.args)

    def tensor(self, node: Any) -> str | None:
        """Name of the parameter or buffer that an argument is."""
        return self._names.get(node.name) if isinstance(node, Node) else None

    def _origin(self, node: Node) -> Node:
        while op(node) in _PASSING:
            node = node.args[0]  # type: ignore[assignment]
        return node


def op(node: Node) -> str:
    """The operation's name without its overload and the mark of an in-place operation: ``conv2d``, ``relu``."""
    if node.op != "call_function":
        return node.op
    name = node.target.__name__ if callable(node.target) else str(node.target)
    return name.partition(".")[0].removesuffix("_")


def arguments(node: Node) -> dict[str, Any]:
    """All arguments by name; those that were not given have their defaults."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    given = dict(zip((a.name for a in schema), node.args, strict=False)) | node.kwargs
    return {a.name: given.get(a.name, a.default_value if a.has_default_value() else None) for a in schema}


def defaults(node: Node) -> dict[str, Any]:
    """The optional arguments with their defaults."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    return {a.name: a.default_value for a in schema if a.has_default_value()}


def shape(node: Any) -> tuple[int, ...]:
    """Sizes of the value of a node."""
    return tuple(int(n) for n in node.meta["val"].shape)


def place(node: Node) -> str:
    """The module that an operation belongs to, by its dotted name."""
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    return modules[-1][0] if modules and modules[-1][0] else "the forward pass"


def only(graph: Graph, node: Node) -> Node:
    """The only operation that uses a value; UnusableInputError where there are several or none."""
    user = graph.only_user(node)
    if user is None:
        raise refused(node, f"its result is used by several operations: {CHAIN}")
    return user


def square(node: Node, value: Any, what: str) -> int:
    """The one size of both sides of ``what``; UnusableInputError where they differ."""
    sides = {int(v) for v in value}
    if len(sides) != 1:
        raise refused(node, f"its {what} is {'x'.join(map(str, value))}: make it square")
    return sides.pop()


def refused(node: Node, why: str) -> UnusableInputError:
    """The error for a part that an architecture cannot express."""
    what = "the images" if node.op == "placeholder" else f"{op(node)} in {place(node)}"
    return UnusableInputError(f"no architecture can be written of this model: {what}: {why}")


def _leading_to(node: Node) -> set[Node]:
    found, waiting = set[Node](), [node]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.all_input_nodes
    return found
