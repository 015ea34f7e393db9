"""Reads what follows a convolution in the graph of a model: its norm and its activation."""

from __future__ import annotations

from torch.fx import Node

from nas.architecture.graph import CHAIN, Graph, arguments, defaults, op, refused
from nas.architecture.held_tensors import Tensors
from nas.architecture.norm_act import TABLE, activations, is_norm

_EPSILON = 1e-5
_LAST, _FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
"""The permutations that move the channels to the end and back."""


def read_post(held: Tensors, node: Node) -> tuple[tuple[str, ...], Node]:
    """The norm and the activation that follow ``node``, at most one of each, and the result of the last one."""
    post: tuple[str, ...] = ()
    while (following := _norm(held, node) or read_activation(held.graph, node)) is not None:
        name, end = following
        if is_norm(name) in map(is_norm, post):
            raise refused(end, "a second norm or activation follows one convolution: leave one out")
        post, node = (*post, name), end
        if is_norm(name):
            _keep_norm(held, end)
    return post, node


def _norm(held: Tensors, node: Node) -> tuple[str, Node] | None:
    user = held.graph.only_user(node)
    if user is not None and op(user) == "batch_norm":
        return "batch_norm", user
    if user is None or op(user) != "permute" or list(user.args[1]) != _LAST:  # type: ignore[arg-type]
        return None
    norm = held.graph.only_user(user)
    back = held.graph.only_user(norm) if norm is not None and op(norm) == "layer_norm" else None
    if back is None or op(back) != "permute" or list(back.args[1]) != _FIRST:  # type: ignore[arg-type]
        raise refused(user, f"it is not a layer norm over the channels of each pixel: {CHAIN}")
    return "layer_norm", back


def _keep_norm(held: Tensors, end: Node) -> None:
    """Add the tensors of a norm, after checking that an architecture can express it."""
    norm = end if op(end) == "batch_norm" else end.all_input_nodes[0]
    given = arguments(norm)
    if given["eps"] != _EPSILON:
        raise refused(norm, f"its epsilon is {given['eps']:g}: make it {_EPSILON:g}")
    if given["weight"] is None or given["bias"] is None:
        raise refused(norm, "it has no learned scale and shift: give it both")
    if op(norm) == "batch_norm" and given["training"]:
        raise refused(norm, "it keeps no running statistics: let it track them")
    statistics = ("running_mean", "running_var") if op(norm) == "batch_norm" else ()
    held.keep(norm, "weight", "bias", *statistics)


def read_activation(graph: Graph, node: Node) -> tuple[str, Node] | None:
    """The activation applied to ``node``, by its name in the table, and its result; None where there is none."""
    for name in activations():
        end = _chained(graph, node, TABLE[name].operations or (name,))
        if end is not None:
            return name, end
    return None


def _chained(graph: Graph, node: Node, operations: tuple[str, ...]) -> Node | None:
    """The last of the ``operations`` that follow ``node`` in a chain; the last of several also takes ``node``."""
    users = graph.users(node)
    at = next((user for user in users if op(user) == operations[0]), None)
    for wanted in operations[1:]:
        at = graph.only_user(at) if at is not None else None
        at = at if at is not None and op(at) == wanted else None
    is_joined = len(operations) == 1 or (at is not None and graph.takes(at, node))
    if at is None or not is_joined or len(users) != min(2, len(operations)):
        return None
    for argument, usual in defaults(at).items():
        if arguments(at)[argument] != usual:
            raise refused(at, f"its {argument} is {arguments(at)[argument]}: leave it at {usual}")
    return at
