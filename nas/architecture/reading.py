"""The graph of a chain model -> blocks and a head, with the names of the tensors that they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch.fx import Node

from nas.architecture.errors import ArchitectureError
from nas.architecture.graph import Graph, arguments, defaults, op, refused, shape
from nas.architecture.norm_act import TABLE, activations, is_norm
from nas.architecture.spec import Block, HeadKind
from nas.architecture.units import Conv, Excite, Gated, Mixed, Part, Unit, Unshuffle

_RESHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "_unsafe_view"}
_SPLITS = {"split", "chunk", "split_with_sizes"}
_JOINS = {"add", "iadd"}
_EPSILON = 1e-5
_CHAIN = "write the model as a chain of convolutions, norms, activations, gates and residual sums"
_LAST, _FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
"""The permutations that put the channels last, and back."""


@dataclass(kw_only=True)
class Reading:
    """What was read so far; ``tensors`` are names of parameters and buffers in a fixed order of the layers."""

    graph: Graph
    blocks: list[Block] = field(default_factory=list)
    head: HeadKind = "gap"
    softmax: str = ""
    """``softmax`` or ``log_softmax`` where the model ends with it, which an architecture does not."""
    classes: int = 0
    tensors: list[str] = field(default_factory=list)


def read(graph: Graph) -> Reading:
    """Read blocks up to the global pool, then the head; UnusableInputError names the part that has no word."""
    found, at = Reading(graph=graph), graph.images
    while not _is_global_pool(graph, at):
        at = _block(found, at)
    _head(found, _only(graph, at))
    return found


def _block(found: Reading, at: Node) -> Node:
    """Read the block that begins with the value ``at``; returns the value that it ends with."""
    skip = _skip(found.graph, at)
    if skip is None:
        unit, end = _unit(found, at, None)
        found.blocks.append(Block(units=(unit,)))
        return end
    scale = next((name for a in skip.args if (name := found.graph.tensor(a))), None)
    join = found.graph.users(skip)[0] if scale else skip
    if scale:
        found.tensors.append(scale)
    units, end = [], at
    while end is at or not found.graph.takes(join, end):
        unit, end = _unit(found, end, skip if end is at else None)
        units.append(unit)
    found.blocks.append(Block(units=tuple(units), residual=True, scaled=scale is not None))
    return join


def _skip(graph: Graph, at: Node) -> Node | None:
    """Of the operations that take ``at``, the sum, or the product by a learned scale, that a residual block ends in."""
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


def _unit(found: Reading, at: Node, skip: Node | None) -> tuple[Unit, Node]:
    """The unit that takes ``at`` beside ``skip``, and the value that it ends with."""
    users = [user for user in found.graph.users(at) if user is not skip]
    if not users:
        raise refused(at, f"its result is not pooled globally: {_CHAIN}")
    first = users[0]
    try:
        if len(users) == 1 and op(first) == "conv2d":
            return _conv(found, first)
        if len(users) == 1 and op(first) in _SPLITS:
            return _mixed(found, first)
        if len(users) == 1 and op(first) == "pixel_unshuffle":
            return Unshuffle(factor=arguments(first)["downscale_factor"]), first
        if len(users) == 2 and {_is_mean(u) or op(u) for u in users} == {True, "mul"}:
            return _excite(found, at, *sorted(users, key=lambda u: op(u) == "mul"))
    except ArchitectureError as error:
        raise refused(first, str(error)) from None
    if len(users) > 1:
        raise refused(at, f"{len(users)} operations take its result, and they are no residual block: {_CHAIN}")
    raise refused(first, _CHAIN)


def _conv(found: Reading, node: Node) -> tuple[Conv | Gated, Node]:
    values = _convolution(found, node)
    post, end = _post(found, node)
    gate = found.graph.only_user(end)
    gated = _gate(found, gate) if gate is not None and op(gate) in _SPLITS else None
    if gated is None:
        return Conv(**values, post=post), end
    activation, end = gated
    if (values["kernel"], values["stride"], values["groups"], values["padding"]) != (1, 1, 1, 0):
        raise refused(node, "a gated convolution is 1x1 without stride, padding or groups: make it so")
    return Gated(out=values["out"] // 2, bias=values["bias"], post=post + activation), end


def _convolution(found: Reading, node: Node) -> dict[str, Any]:
    """What Conv is made with, but for what follows."""
    given = arguments(node)
    out, kernel = shape(given["weight"])[0], _square(node, list(shape(given["weight"])[2:]), "kernel")
    dilation = _square(node, given["dilation"], "dilation") if kernel > 1 else 1
    _keep(found, node, "weight", *(["bias"] if given["bias"] is not None else []))
    return {
        "out": out,
        "kernel": kernel,
        "stride": _square(node, given["stride"], "stride"),
        "padding": _padding(node, given["padding"], kernel, dilation),
        "dilation": dilation,
        "groups": given["groups"],
        "bias": given["bias"] is not None,
    }


def _padding(node: Node, given: Any, kernel: int, dilation: int) -> int:
    if given == "valid":
        return 0
    if given == "same":
        if dilation * (kernel - 1) % 2:
            raise refused(node, "its padding differs from side to side: take an odd kernel")
        return dilation * (kernel - 1) // 2
    return _square(node, given, "padding")


def _post(found: Reading, node: Node) -> tuple[tuple[str, ...], Node]:
    """The norm and the activation that follow, at most one of each."""
    post: tuple[str, ...] = ()
    while (following := _norm(found, node) or _activation(found.graph, node)) is not None:
        name, end = following
        if is_norm(name) in map(is_norm, post):
            raise refused(end, "a second norm or activation follows one convolution: leave one out")
        post, node = (*post, name), end
        if is_norm(name):
            _keep_norm(found, end)
    return post, node


def _norm(found: Reading, node: Node) -> tuple[str, Node] | None:
    user = found.graph.only_user(node)
    if user is not None and op(user) == "batch_norm":
        return "batch_norm", user
    if user is None or op(user) != "permute" or list(user.args[1]) != _LAST:  # type: ignore[arg-type]
        return None
    norm = found.graph.only_user(user)
    back = found.graph.only_user(norm) if norm is not None and op(norm) == "layer_norm" else None
    if back is None or op(back) != "permute" or list(back.args[1]) != _FIRST:  # type: ignore[arg-type]
        raise refused(user, f"it is no layer norm over the channels of each pixel: {_CHAIN}")
    return "layer_norm", back


def _keep_norm(found: Reading, end: Node) -> None:
    """Note the tensors of a norm, once it is known to be as an architecture has it."""
    norm = end if op(end) == "batch_norm" else end.all_input_nodes[0]
    given = arguments(norm)
    if given["eps"] != _EPSILON:
        raise refused(norm, f"its epsilon is {given['eps']:g}: make it {_EPSILON:g}")
    if given["weight"] is None or given["bias"] is None:
        raise refused(norm, "it has no learned scale and shift: give it both")
    if op(norm) == "batch_norm" and given["training"]:
        raise refused(norm, "it keeps no running statistics: let it track them")
    statistics = ("running_mean", "running_var") if op(norm) == "batch_norm" else ()
    _keep(found, norm, "weight", "bias", *statistics)


def _activation(graph: Graph, node: Node) -> tuple[str, Node] | None:
    for name in activations():
        end = _chained(graph, node, TABLE[name].operations or (name,))
        if end is not None:
            return name, end
    return None


def _chained(graph: Graph, node: Node, operations: tuple[str, ...]) -> Node | None:
    """The last of the operations that follow ``node`` one after another; of several it takes ``node`` as well."""
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


def _gate(found: Reading, split: Node) -> tuple[tuple[str, ...], Node] | None:
    """The activation and the end of a gated product; None where the halves go other ways."""
    halves = sorted(found.graph.users(split), key=lambda item: item.args[1])  # type: ignore[arg-type,return-value]
    if len(halves) != 2 or len({shape(half)[1] for half in halves}) > 1:
        return None
    product = found.graph.only_user(halves[1])
    activation = _activation(found.graph, halves[0])
    first = activation[1] if activation else halves[0]
    if product is None or op(product) != "mul" or not found.graph.takes(product, first):
        return None
    return ((activation[0],) if activation else ()), product


def _mixed(found: Reading, split: Node) -> tuple[Mixed, Node]:
    shares = sorted(found.graph.users(split), key=lambda item: item.args[1])  # type: ignore[arg-type,return-value]
    if len({shape(share)[1] for share in shares}) > 1:
        raise refused(split, "its shares of the channels differ: make them equal")
    read_parts = [_part(found, share) for share in shares]
    strides, biases = {p[1] for p in read_parts}, {p[2] for p in read_parts if p[2] is not None}
    join = found.graph.only_user(read_parts[0][3])
    if join is None or op(join) != "cat" or list(join.args[0]) != [p[3] for p in read_parts]:  # type: ignore[arg-type]
        raise refused(split, f"its shares are not concatenated in their order: {_CHAIN}")
    if len(strides) > 1 or len(biases) > 1:
        raise refused(split, "its parts differ in stride or bias: make them agree")
    post, end = _post(found, join)
    parts = tuple(p[0] for p in read_parts)
    return Mixed(parts=parts, stride=strides.pop(), bias=bool(biases and biases.pop()), post=post), end


def _part(found: Reading, share: Node) -> tuple[Part, int, bool | None, Node]:
    """One share of a mixture: the part, its stride, whether it has a bias (None: it passes), and where it ends."""
    user, pool = found.graph.only_user(share), 1
    if user is not None and op(user) == "avg_pool2d":
        given = arguments(user)
        pool = _square(user, given["kernel_size"], "kernel")
        if given["stride"] not in ([1, 1], [1]) or _square(user, given["padding"], "padding") != pool // 2:
            raise refused(user, "it changes the size of the map: take stride 1 and pad by half the kernel")
        user = found.graph.only_user(user)
    if user is None or (op(user) != "conv2d" and (pool > 1 or op(user) != "cat")):
        raise refused(share, f"a share of the channels goes through no depthwise convolution: {_CHAIN}")
    if op(user) == "cat":
        return Part(1), 1, None, share
    made = _convolution(found, user)
    if made["groups"] != shape(share)[1] or made["out"] != shape(share)[1]:
        raise refused(user, "a share of the channels goes through a convolution that is not depthwise: make it so")
    if made["padding"] != made["dilation"] * (made["kernel"] - 1) // 2:
        raise refused(user, "it changes the size of the map: pad it by half its reach")
    return Part(made["kernel"], made["dilation"], pool), made["stride"], made["bias"], user


def _excite(found: Reading, at: Node, mean: Node, product: Node) -> tuple[Excite, Node]:
    squeeze = _after(found.graph, mean)
    relu = _after(found.graph, squeeze)
    expand = _after(found.graph, relu)
    sigmoid = _after(found.graph, expand)
    if [op(n) for n in (squeeze, relu, expand, sigmoid)] != ["linear", "relu", "linear", "sigmoid"]:
        raise refused(mean, "it gates by something else than linear, ReLU, linear, sigmoid: write it so")
    if _after(found.graph, sigmoid) is not product:
        raise refused(sigmoid, f"it does not scale the map that it was made of: {_CHAIN}")
    for layer in (squeeze, expand):
        _keep(found, layer, "weight", "bias")
    channels, hidden = shape(at)[1], shape(squeeze)[1]
    for reduction in (4, channels // hidden):  # 4 is the usual one, where several give as many units
        if reduction and Excite(reduction=reduction).hidden(channels) == hidden:
            return Excite(reduction=reduction), product
    raise refused(squeeze, f"{hidden} units for {channels} channels are no whole share of them: take {channels // 4}")


def _after(graph: Graph, node: Node) -> Node:
    """What takes a value, past changes of its shape."""
    user = _only(graph, node)
    return _after(graph, user) if op(user) in _RESHAPES else user


def _is_mean(node: Node) -> bool:
    """Whether an operation averages over the whole map."""
    sides = list(shape(node.args[0])[2:]) if op(node) in {"mean", "avg_pool2d", "adaptive_avg_pool2d"} else []
    if len(sides) != 2:
        return False
    if op(node) == "mean":
        return sorted(d % 4 for d in arguments(node).get("dim") or ()) == [2, 3]
    size = arguments(node)["output_size" if op(node) == "adaptive_avg_pool2d" else "kernel_size"]
    return list(size) == [1, 1] if op(node) == "adaptive_avg_pool2d" else list(size) in (sides, sides[:1])


def _is_global_pool(graph: Graph, at: Node) -> bool:
    user = graph.only_user(at)
    return user is not None and _is_mean(user)


def _head(found: Reading, pool: Node) -> None:
    """Read what follows the global pool up to the result."""
    at, graph = pool, found.graph
    found.classes = shape(pool)[1]
    while at is not graph.result:
        at = _only(graph, at)
        if op(at) in {"linear", "conv2d"} and found.head == "gap" and not found.softmax:
            found.head = "fc" if op(at) == "linear" else "conv"
            found.classes = shape(at)[1]
            if arguments(at)["bias"] is None or (
                op(at) == "conv2d" and shape(at.args[1])[1:] != (shape(pool)[1], 1, 1)
            ):
                raise refused(at, "the layer after the global pool is 1x1 or linear, with a bias: write it so")
            _keep(found, at, "weight", "bias")
        elif op(at) in {"softmax", "log_softmax"} and not found.softmax:
            found.softmax = op(at)
        elif op(at) not in _RESHAPES:
            raise refused(at, "after the global pool there is at most one linear or 1x1 layer: leave the rest out")


def _only(graph: Graph, node: Node) -> Node:
    user = graph.only_user(node)
    if user is None:
        raise refused(node, f"its result goes more than one way: {_CHAIN}")
    return user


def _keep(found: Reading, node: Node, *names: str) -> None:
    """Note the names of an operation's tensors; one that an earlier operation holds cannot be written down."""
    given = arguments(node)
    for name in names:
        tensor = found.graph.tensor(given[name])
        if tensor is None:
            raise refused(node, f"its {name} is computed: make it a parameter of its own")
        if tensor in found.tensors:
            raise refused(node, f"it shares {tensor} with an earlier layer: give it a {name} of its own")
        found.tensors.append(tensor)


def _square(node: Node, value: Any, what: str) -> int:
    """The one size of both sides."""
    sides = {int(v) for v in value}
    if len(sides) != 1:
        raise refused(node, f"its {what} is {'x'.join(map(str, value))}: make it square")
    return sides.pop()
