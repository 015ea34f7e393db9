"""What each edge of a space's graph adds: layers, in the words of edits, and amounts of bounded metrics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.space.counting.layer_graph import Edge, LayerGraph, Node
from nas.space.layer_blocks import layer_blocks
from nas.space.layer_reading import ChainLayer, name
from nas.space.stage_space import Form

Floats = npt.NDArray[np.float64]
Place = tuple[int, int]
"""Stage and layer of a node, without its width and residual."""
Added = ChainLayer | str | None
"""What an edge adds: a layer, the head by its name, or nothing."""
_POST = ("batch_norm", "relu")
"""Any norm and activation: the words of a space's layers do not depend on them."""


class EdgeLayers:
    """The edges of one form by source, with what each of their words adds."""

    def __init__(self, graph: LayerGraph, metrics: tuple[str, ...]) -> None:
        """Work out every edge's layers, and what they add to ``metrics``."""
        self._graph, self._metrics = graph, metrics
        self.by_source: dict[Node, list[Edge]] = {}
        for edge in graph.edges:
            self.by_source.setdefault(edge.source, []).append(edge)
        self._layers = {id(edge): self._layers_of(edge) for edge in graph.edges}
        self._adds = {id(edge): self._adds_of(edge) for edge in graph.edges}
        self._splits: dict[tuple[int, str], tuple[list[int], list[int]]] = {}
        self.words = self._words()

    def layers(self, edge: Edge) -> tuple[Added, ...]:
        """The layer that an edge adds, for each of its words."""
        return self._layers[id(edge)]

    def adds(self, edge: Edge) -> Floats:
        """(words, metrics)."""
        return self._adds[id(edge)]

    def split(self, edge: Edge, wanted: str) -> tuple[list[int], list[int]]:
        """The words of an edge that are ``wanted``, and the others."""
        key = id(edge), wanted
        if key not in self._splits:
            words: tuple[list[int], list[int]] = ([], [])
            for word, layer in enumerate(self.layers(edge)):
                words[not isinstance(layer, ChainLayer) or layer.word != wanted].append(word)
            self._splits[key] = words
        return self._splits[key]

    def _words(self) -> dict[Place, set[tuple[Place, frozenset[str] | None]]]:
        """Place -> the places that follow it and the words that lead there; None where an edge adds nothing."""
        found: dict[Place, set[tuple[Place, frozenset[str] | None]]] = {}
        for edge in self._graph.edges:
            words = [layer.word if isinstance(layer, ChainLayer) else layer for layer in self.layers(edge)]
            known = frozenset(word for word in words if word is not None) if edge.slot is not None else None
            found.setdefault(edge.source[:2], set()).add((edge.target[:2], known))
        return found

    def _layers_of(self, edge: Edge) -> tuple[Added, ...]:
        """The layer that an edge adds, for each of its words."""
        space, slot = self._graph.space, edge.slot
        if slot is None:
            return (None,)
        if slot.stage > len(space.stages):
            return tuple(space.heads)
        form: Form = space.forms[self._graph.form]
        stage, (_, first, second) = space.stages[slot.stage - 1], edge.at
        width = space.scaled(stage.width.values()[first], form)
        is_stem = (slot.stage, slot.layer) == (1, 1)
        channels = space.input[0] if is_stem else width
        if slot.layer == 0:
            out, residual = space.scaled(space.widths_after(slot.stage).values()[second], form), stage.residual[0:0]
            stride, dilation = space.ending(slot.stage, form)
            words = stage.down
        else:
            out, residual, (stride, dilation) = width, [] if is_stem else [stage.residual[second]], (1, None)
            words = stage.stem if is_stem else stage.body
        sums = residual[0] if residual else False
        found = []
        for word in words:
            blocks = layer_blocks(word, channels, out, post=_POST, residual=sums, stride=stride, dilation=dilation)
            components = tuple(component for block in blocks for component in block.components)
            found.append(ChainLayer(name(components, channels, _POST, blocks[0].calls), out, sums))
        return tuple(found)

    def _adds_of(self, edge: Edge) -> Floats:
        """(words, bounded metrics)."""
        columns = [edge.adds(metric) for metric in self._metrics]
        return np.array(columns, dtype=np.float64).T if columns else np.zeros((edge.words, 0))
