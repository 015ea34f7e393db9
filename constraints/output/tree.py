"""Arrange the layers of a report as a tree, with norms and activations merged and repetitions folded; no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from constraints.metrics import Layer

_SHORT = {"batch_norm": "bn", "layer_norm": "ln", "group_norm": "gn", "instance_norm": "in"}


@dataclass(frozen=True, kw_only=True)
class TreeRow:
    """One line of the table: a layer with the norms and activations after it, or a container's heading."""

    depth: int
    name: str
    """The last part of the dotted path."""
    path: str
    text: str
    """The layer's operation in short form; empty for a container."""
    layer: Layer | None
    params: int = 0
    macs: int = 0
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class MergedLayer:
    """A layer together with the operations right after it that change neither the shape nor the receptive field."""

    layer: Layer
    text: str
    params: int
    macs: int

    @property
    def parts(self) -> tuple[str, ...]:
        """The dotted path of the layer, in parts."""
        return tuple(self.layer.name.split("."))

    @property
    def alike(self) -> tuple[object, ...]:
        """The properties that must be equal in a repetition: all but the name and the offset in the image."""
        return (self.parts[-1], self.text, self.layer.output, self.params, self.macs)


def merged(layers: tuple[Layer, ...]) -> tuple[MergedLayer, ...]:
    """The layers, each with its followers."""
    found: list[MergedLayer] = []
    for layer in layers:
        if found and _follows(found[-1].layer, layer):
            last = found[-1]
            found[-1] = replace(
                last,
                text=f"{last.text} + {_SHORT.get(layer.op, layer.op)}",
                params=last.params + layer.params,
                macs=last.macs + layer.macs,
            )
        else:
            found.append(MergedLayer(layer=layer, text=describe(layer), params=layer.params, macs=layer.macs))
    return tuple(found)


def describe(layer: Layer) -> str:
    """``conv2d 3x3 s2 d2 g16``: the operation with all settings that differ from the usual."""
    marks = [layer.op]
    if layer.kernel:
        marks.append("x".join(map(str, layer.kernel)))
    for letter, sizes in (("s", layer.stride), ("d", layer.dilation)):
        if sizes and max(sizes) > 1:
            marks.append(letter + _short(sizes))
    return " ".join(marks + ([f"g{layer.groups}"] if layer.groups > 1 else []))


def rows(layers: tuple[Layer, ...], begins: Collection[str] = ()) -> tuple[TreeRow, ...]:
    """The whole tree, top to bottom, adjacent repetitions folded; each layer in ``begins`` has its own row."""
    return tuple(_tree(merged(layers), 0, begins))


def _follows(first: Layer, layer: Layer) -> bool:
    same = (layer.output, layer.receptive_field, layer.jump) == (
        first.output,
        first.receptive_field,
        first.jump,
    )
    return same and not layer.kernel and not layer.macs


def _tree(group: tuple[MergedLayer, ...], depth: int, begins: Collection[str]) -> Iterator[TreeRow]:
    """Rows of steps that share the first ``depth`` parts of their paths."""
    blocks = list(_blocks(group, depth))
    position = 0
    while position < len(blocks):
        times = _repeats(blocks, position, begins)
        last = blocks[position + times - 1]  # the last repetition has the final receptive field
        yield from _block(last, depth, times, begins)
        position += times


def _blocks(group: tuple[MergedLayer, ...], depth: int) -> Iterator[tuple[MergedLayer, ...]]:
    """Groups of adjacent layers with the same next part of the path."""
    run: list[MergedLayer] = []
    for step in group:
        if run and step.parts[: depth + 1] != run[0].parts[: depth + 1]:
            yield tuple(run)
            run = []
        run.append(step)
    if run:
        yield tuple(run)


def _repeats(blocks: list[tuple[MergedLayer, ...]], start: int, begins: Collection[str]) -> int:
    """The number of equal blocks from ``start``; only blocks of several layers, none of them in ``begins``, fold."""
    first = blocks[start]
    if len(first) == 1 or _holds(first[1:], begins):  # it may begin with one, whose heading is then above the fold
        return 1
    shape = _shape(first)
    end = start + 1
    while end < len(blocks) and _shape(blocks[end]) == shape and not _holds(blocks[end], begins):
        end += 1
    return end - start


def _holds(block: tuple[MergedLayer, ...], begins: Collection[str]) -> bool:
    return any(step.layer.name in begins for step in block)


def _shape(block: tuple[MergedLayer, ...]) -> tuple[object, ...]:
    return tuple(step.alike for step in block)


def _block(block: tuple[MergedLayer, ...], depth: int, times: int, begins: Collection[str]) -> Iterator[TreeRow]:
    first, name = block[0], block[0].parts[min(depth, len(block[0].parts) - 1)]
    if len(block) == 1:
        path = ".".join(first.parts[depth:]) or name
        yield _row(first, depth, path, times)
        return
    if all(len(step.parts) <= depth + 1 for step in block):  # one module with several calls
        for step in block:
            yield _row(step, depth, name, times)
        return
    params, macs = sum(s.params for s in block), sum(s.macs for s in block)
    path = ".".join(first.parts[: depth + 1])
    yield TreeRow(depth=depth, name=name, path=path, text="", layer=None, params=params, macs=macs, times=times)
    yield from _tree(block, depth + 1, begins)


def _row(step: MergedLayer, depth: int, name: str, times: int) -> TreeRow:
    return TreeRow(
        depth=depth,
        name=name,
        path=step.layer.name,
        text=step.text,
        layer=step.layer,
        params=step.params,
        macs=step.macs,
        times=times,
    )


def _short(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))
