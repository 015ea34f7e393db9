"""Reads one component in the graph of a model: a convolution, a gated or mixed one, a gate, an unshuffle."""

from __future__ import annotations

from typing import Any

from torch.fx import Node

from nas.architecture.components import Component, Conv, Excite, Gated, Mixed, MixedPart, Unshuffle
from nas.architecture.errors import ArchitectureError
from nas.architecture.graph import CHAIN, RESHAPES, Graph, arguments, only, op, refused, shape, square
from nas.architecture.held_tensors import Tensors
from nas.architecture.post_reading import read_activation, read_post

_SPLITS = {"split", "chunk", "split_with_sizes"}


def read_component(held: Tensors, at: Node, skip: Node | None) -> tuple[Component, Node]:
    """The component that takes ``at``, apart from the operation ``skip``, and its result."""
    users = [user for user in held.graph.users(at) if user is not skip]
    if not users:
        raise refused(at, f"its result is not pooled globally: {CHAIN}")
    first = users[0]
    try:
        if len(users) == 1 and op(first) == "conv2d":
            return _conv(held, first)
        if len(users) == 1 and op(first) in _SPLITS:
            return _mixed(held, first)
        if len(users) == 1 and op(first) == "pixel_unshuffle":
            return Unshuffle(factor=arguments(first)["downscale_factor"]), first
        if len(users) == 2 and {is_mean(u) or op(u) for u in users} == {True, "mul"}:
            return _excite(held, at, *sorted(users, key=lambda u: op(u) == "mul"))
    except ArchitectureError as error:
        raise refused(first, str(error)) from None
    if len(users) > 1:
        raise refused(at, f"{len(users)} operations take its result, and they are not a residual block: {CHAIN}")
    raise refused(first, CHAIN)


def _conv(held: Tensors, node: Node) -> tuple[Conv | Gated, Node]:
    values = _convolution(held, node)
    post, end = read_post(held, node)
    gate = held.graph.only_user(end)
    gated = _gate(held, gate) if gate is not None and op(gate) in _SPLITS else None
    if gated is None:
        return Conv(**values, post=post), end
    activation, end = gated
    if (values["kernel"], values["stride"], values["groups"], values["padding"]) != (1, 1, 1, 0):
        raise refused(node, "a gated convolution is 1x1 without stride, padding or groups: make it so")
    return Gated(out=values["out"] // 2, bias=values["bias"], post=post + activation), end


def _convolution(held: Tensors, node: Node) -> dict[str, Any]:
    """The arguments of Conv, except what follows it."""
    given = arguments(node)
    out, kernel = shape(given["weight"])[0], square(node, list(shape(given["weight"])[2:]), "kernel")
    dilation = square(node, given["dilation"], "dilation") if kernel > 1 else 1
    held.keep(node, "weight", *(["bias"] if given["bias"] is not None else []))
    return {
        "out": out,
        "kernel": kernel,
        "stride": square(node, given["stride"], "stride"),
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
    return square(node, given, "padding")


def _gate(held: Tensors, split: Node) -> tuple[tuple[str, ...], Node] | None:
    """The activation and the result of a gated product; None where the halves are used otherwise."""
    halves = sorted(held.graph.users(split), key=lambda item: item.args[1])  # type: ignore[arg-type,return-value]
    if len(halves) != 2 or len({shape(half)[1] for half in halves}) > 1:
        return None
    product = held.graph.only_user(halves[1])
    activation = read_activation(held.graph, halves[0])
    first = activation[1] if activation else halves[0]
    if product is None or op(product) != "mul" or not held.graph.takes(product, first):
        return None
    return ((activation[0],) if activation else ()), product


def _mixed(held: Tensors, split: Node) -> tuple[Mixed, Node]:
    shares = sorted(held.graph.users(split), key=lambda item: item.args[1])  # type: ignore[arg-type,return-value]
    if len({shape(share)[1] for share in shares}) > 1:
        raise refused(split, "its shares of the channels differ: make them equal")
    read_parts = [_part(held, share) for share in shares]
    strides, biases = {p[1] for p in read_parts}, {p[2] for p in read_parts if p[2] is not None}
    join = held.graph.only_user(read_parts[0][3])
    if join is None or op(join) != "cat" or list(join.args[0]) != [p[3] for p in read_parts]:  # type: ignore[arg-type]
        raise refused(split, f"its shares are not concatenated in their order: {CHAIN}")
    if len(strides) > 1 or len(biases) > 1:
        raise refused(split, "its parts differ in stride or bias: make them agree")
    post, end = read_post(held, join)
    parts = tuple(p[0] for p in read_parts)
    return Mixed(parts=parts, stride=strides.pop(), bias=bool(biases and biases.pop()), post=post), end


def _part(held: Tensors, share: Node) -> tuple[MixedPart, int, bool | None, Node]:
    """One share of a mixed convolution: its part, stride, bias (None: it passes unchanged), and result."""
    user, pool = held.graph.only_user(share), 1
    if user is not None and op(user) == "avg_pool2d":
        given = arguments(user)
        pool = square(user, given["kernel_size"], "kernel")
        if given["stride"] not in ([1, 1], [1]) or square(user, given["padding"], "padding") != pool // 2:
            raise refused(user, "it changes the size of the map: take stride 1 and pad by half the kernel")
        user = held.graph.only_user(user)
    if user is None or (op(user) != "conv2d" and (pool > 1 or op(user) != "cat")):
        raise refused(share, f"a share of the channels goes through no depthwise convolution: {CHAIN}")
    if op(user) == "cat":
        return MixedPart(1), 1, None, share
    made = _convolution(held, user)
    if made["groups"] != shape(share)[1] or made["out"] != shape(share)[1]:
        raise refused(user, "a share of the channels goes through a convolution that is not depthwise: make it so")
    if made["padding"] != made["dilation"] * (made["kernel"] - 1) // 2:
        raise refused(user, "it changes the size of the map: pad it by half its reach")
    return MixedPart(made["kernel"], made["dilation"], pool), made["stride"], made["bias"], user


def _excite(held: Tensors, at: Node, mean: Node, product: Node) -> tuple[Excite, Node]:
    squeeze = _after(held.graph, mean)
    relu = _after(held.graph, squeeze)
    expand = _after(held.graph, relu)
    sigmoid = _after(held.graph, expand)
    if [op(n) for n in (squeeze, relu, expand, sigmoid)] != ["linear", "relu", "linear", "sigmoid"]:
        raise refused(mean, "it computes its gate by other layers than linear, ReLU, linear, sigmoid: use these")
    if _after(held.graph, sigmoid) is not product:
        raise refused(sigmoid, f"it does not scale the map that it was computed from: {CHAIN}")
    for layer in (squeeze, expand):
        held.keep(layer, "weight", "bias")
    channels, hidden = shape(at)[1], shape(squeeze)[1]
    for reduction in (4, channels // hidden):  # several may give this width: 4 is the usual one
        if reduction and Excite(reduction=reduction).hidden(channels) == hidden:
            return Excite(reduction=reduction), product
    why = f"no reduction gives {hidden} values between the linear layers for {channels} channels"
    raise refused(squeeze, f"{why}: take {channels // 4}")


def _after(graph: Graph, node: Node) -> Node:
    """The operations that use a value, skipping changes of its shape."""
    user = only(graph, node)
    return _after(graph, user) if op(user) in RESHAPES else user


def is_mean(node: Node) -> bool:
    """Whether an operation averages over the whole map."""
    sides = list(shape(node.args[0])[2:]) if op(node) in {"mean", "avg_pool2d", "adaptive_avg_pool2d"} else []
    if len(sides) != 2:
        return False
    if op(node) == "mean":
        return sorted(d % 4 for d in arguments(node).get("dim") or ()) == [2, 3]
    size = arguments(node)["output_size" if op(node) == "adaptive_avg_pool2d" else "kernel_size"]
    return list(size) == [1, 1] if op(node) == "adaptive_avg_pool2d" else list(size) in (sides, sides[:1])
