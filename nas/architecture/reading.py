"""Reads the graph of a chain model as blocks and a head, with the names of their tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from torch.fx import Node

from nas.architecture.component_reading import is_mean, read_component
from nas.architecture.graph import RESHAPES, Graph, arguments, only, op, refused, shape
from nas.architecture.held_tensors import Held, Tensors, distinct
from nas.architecture.spec import MOST_CALLS, Block, HeadKind

_JOINS = {"add", "iadd"}


@dataclass(kw_only=True)
class GraphReading:
    """The result of reading; ``tensors`` are names of parameters and buffers in a fixed order of the layers."""

    blocks: list[Block] = field(default_factory=list)
    head: HeadKind = "gap"
    softmax: str = ""
    """``softmax`` or ``log_softmax`` where the model ends with it; an architecture has neither."""
    classes: int = 0
    tensors: list[str] = field(default_factory=list)


class _Read(NamedTuple):
    """A block with its tensors and the shapes of its input and result."""

    block: Block
    held: list[Held]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def key(self) -> tuple[Block, tuple[str, ...]]:
        """A key that is equal for two calls of the same block."""
        return self.block, tuple(one.tensor for one in self.held)


def read(graph: Graph) -> GraphReading:
    """Read blocks up to the global pool, then the head; UnusableInputError names a part that no word describes."""
    several, at = list[_Read](), graph.images
    while not _is_global_pool(graph, at):
        block, at = _block(graph, at)
        several.append(block)
    folded = list(_folded(several))
    found, head = GraphReading(blocks=[block for block, _ in folded]), Tensors(graph)
    _head(found, head, only(graph, at))
    found.tensors = distinct([*(one for _, held in folded for one in held), *head.held])
    return found


def _folded(several: Sequence[_Read]) -> Iterator[tuple[Block, list[Held]]]:
    """The blocks with their tensors; repeated calls with the same tensors become one block with a number of calls."""
    at = 0
    while at < len(several):
        length, calls = next(_repeated(several[at:]), (1, 1))
        group = several[at : at + length]
        block = group[0].block
        if calls > 1:
            components = tuple(component for one in group for component in one.block.components)
            block = replace(block, components=components, calls=calls)
        yield block, [held for one in group for held in one.held]
        at += length * calls


def _repeated(several: Sequence[_Read]) -> Iterator[tuple[int, int]]:
    """(blocks, calls) where the first blocks are called repeatedly: one block or several plain ones, fewest first."""
    keys = [one.key for one in several]
    for length in range(1, len(several) // 2 + 1):
        calls, group = 1, several[:length]
        while keys[calls * length : (calls + 1) * length] == keys[:length]:
            calls += 1
        is_one = length == 1 or not any(one.block.residual for one in group)
        has_tensors, keeps_shape = any(one.held for one in group), group[0].before == group[-1].after
        if 1 < calls <= MOST_CALLS and is_one and has_tensors and keeps_shape:
            yield length, calls


def _block(graph: Graph, at: Node) -> tuple[_Read, Node]:
    """The block that takes the value ``at``, and its result."""
    held, skip = Tensors(graph), _skip(graph, at)
    if skip is None:
        component, end = read_component(held, at, None)
        return _Read(Block(components=(component,)), held.held, shape(at), shape(end)), end
    scale = next((a for a in skip.args if graph.tensor(a)), None)
    join = graph.users(skip)[0] if scale else skip
    if scale:
        held.keep(skip, "other" if skip.args[1] is scale else "self")
    components, end = [], at
    while end is at or not graph.takes(join, end):
        component, end = read_component(held, end, skip if end is at else None)
        components.append(component)
    block = Block(components=tuple(components), residual=True, scaled=scale is not None)
    return _Read(block, held.held, shape(at), shape(join)), join


def _skip(graph: Graph, at: Node) -> Node | None:
    """Among the operations on ``at``, the residual block's sum, or the product with its learned scale."""
    users = graph.users(at)
    if len(users) < 2:
        return None
    for user in users:
        if op(user) in _JOINS:
            return user
        scales = [a for a in user.args if graph.tensor(a)] if op(user) == "mul" else []
        after = graph.only_user(user)
        if scales and after is not None and op(after) in _JOINS and shape(scales[0])[-3:] == (shape(at)[1], 1, 1):
            return user
    return None


def _is_global_pool(graph: Graph, at: Node) -> bool:
    user = graph.only_user(at)
    return user is not None and is_mean(user)


def _head(found: GraphReading, held: Tensors, pool: Node) -> None:
    """Read what follows the global pool up to the result."""
    at, graph = pool, held.graph
    found.classes = shape(pool)[1]
    while at is not graph.result:
        at = only(graph, at)
        if op(at) in {"linear", "conv2d"} and found.head == "gap" and not found.softmax:
            found.head = "fc" if op(at) == "linear" else "conv"
            found.classes = shape(at)[1]
            if arguments(at)["bias"] is None or (
                op(at) == "conv2d" and shape(at.args[1])[1:] != (shape(pool)[1], 1, 1)
            ):
                raise refused(at, "the layer after the global pool is 1x1 or linear, with a bias: write it so")
            held.keep(at, "weight", "bias")
        elif op(at) in {"softmax", "log_softmax"} and not found.softmax:
            found.softmax = op(at)
        elif op(at) not in RESHAPES:
            raise refused(at, "after the global pool there is at most one linear or 1x1 layer: leave the rest out")
