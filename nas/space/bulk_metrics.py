"""Metrics and verdicts for arrays of encoded candidates, millions per second, by table look-ups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from constraints.errors import UnusableInputError
from constraints.metrics import Metrics
from constraints.rules import Constraint
from nas.space.analytic import SCALED
from nas.space.counting.layer_graph import LayerGraph
from nas.space.layer_tables import ADDED, GREATEST, Slot, Tables
from nas.space.space import Choice, Choices, Encoded, Space
from nas.space.stage_automaton import STRUCTURE, Automaton

CHUNK = 1 << 13
"""Candidates per block, so that a block's arrays stay in the processor's cache."""
ALIASES = {"trainable_params": "params", "receptive_field_hw": "receptive_field", "flash_bytes": "weight_bytes_int8"}
"""Metrics that equal another one in every network of a space."""
CONSTANT = {"global_average_pools": 1, "max_pools": 0}
"""Metrics that are the same in every network of every space."""

Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Vector:
    """A space whose candidates are evaluated in bulk."""

    def __init__(self, space: Space) -> None:
        """Cheap; tables are built on first use."""
        self.space = space
        self.tables = Tables(space)
        self._automata: dict[tuple[Constraint, ...], Automaton] = {}

    @cached_property
    def graphs(self) -> tuple[LayerGraph, ...]:
        """The networks of each form as paths of a graph."""
        return tuple(LayerGraph(self.tables, form) for form in range(len(self.space.forms)))

    def encode(self, several: Sequence[Choices]) -> Encoded:
        """Choices as rows of value indices."""
        return np.array([self.space.encode(c) for c in several], dtype=np.int64).reshape(-1, len(self.space.columns))

    def metrics(self, encoded: Encoded) -> dict[str, npt.NDArray[Any]]:
        """Every metric of every row; per-axis ones are (n, 2), ``convs_per_stage`` (n, most stages) padded with -1."""
        chunks = [self._metrics(encoded[i : i + CHUNK]) for i in range(0, max(len(encoded), 1), CHUNK)]
        widest = max(c["convs_per_stage"].shape[1] for c in chunks)
        for c in chunks:
            counts = c["convs_per_stage"]
            c["convs_per_stage"] = np.pad(counts, ((0, 0), (0, widest - counts.shape[1])), constant_values=-1)
        return {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]}

    def metric(self, encoded: Encoded, name: str) -> Array:
        """One metric of ADDED or GREATEST of every row."""
        chunks = [self._gather(encoded[i : i + CHUNK], {name})[0][name] for i in range(0, max(len(encoded), 1), CHUNK)]
        return np.concatenate(chunks)

    def verdicts(self, encoded: Encoded, constraints: Sequence[Constraint]) -> Mask:
        """(n, constraints): whether each row satisfies each; UnusableInputError for a metric that needs a model."""
        result = np.empty((len(encoded), len(constraints)), dtype=bool)
        for i in range(0, len(encoded), CHUNK):
            result[i : i + CHUNK] = self._verdicts(encoded[i : i + CHUNK], constraints)
        return result

    def feasible(self, encoded: Encoded, constraints: Sequence[Constraint]) -> Mask:
        """Whether each row satisfies every constraint."""
        return np.asarray(self.verdicts(encoded, constraints).all(axis=1))

    def canonical(self, encoded: Encoded) -> Encoded:
        """The rows with every parameter that has no effect set to its first value: equal rows are equal networks."""
        rows = encoded.copy()
        for slot in self.tables.slots:
            if slot.depth is not None:
                rows[self._is_absent(slot, rows), slot.word] = 0
        columns, first = self.space.columns, self.space.stages[0]
        if 2 in first.depth:  # its only body layer is the stem, which is never residual
            rows[rows[:, columns["c1.depth"]] == first.depth.index(2), columns["c1.residual"]] = 0
        return rows

    def metrics_of(self, encoded: Encoded) -> Iterator[Metrics]:
        """What ``nas.space.analytic.metrics`` returns for each row's network."""
        found = self.metrics(encoded)
        columns = {name: values.tolist() for name, values in found.items()}
        for values in zip(*columns.values(), strict=True):
            row: dict[str, Any] = dict(zip(columns, values, strict=True))
            row["convs_per_stage"] = [count for count in row["convs_per_stage"] if count >= 0]
            row = {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
            yield Metrics(**row)

    def choices(self, row: Encoded) -> dict[str, Choice]:
        """The choices of one row."""
        return self.space.choices(row)

    def _is_absent(self, slot: Slot, rows: Encoded) -> Mask:
        depths = np.array(self.space.stages[slot.stage - 1].depth)
        return np.asarray(depths <= slot.layer)[rows[:, slot.depth]]

    def indices(self, columns: Array) -> Iterator[tuple[Slot, Array]]:
        """Each slot with the index of every candidate's layer in its flat tables; ``columns`` is (parameters, n)."""
        form = columns[self.space.columns["form"]]
        for slot in self.tables.slots:
            _, firsts, seconds, words = slot.events.shape
            index = form * firsts + columns[slot.first]
            if slot.second is not None:
                index = index * seconds + columns[slot.second]
            word = columns[slot.word]
            if slot.depth is not None:
                depths = np.array(self.space.stages[slot.stage - 1].depth)
                word = np.where((depths <= slot.layer)[columns[slot.depth]], words - 1, word)
            yield slot, index * words + word

    def _gather(self, encoded: Encoded, wanted: set[str]) -> tuple[dict[str, Array], list[Array]]:
        """The wanted sums and maxima, and the events of every slot where "events" is wanted."""
        columns = np.ascontiguousarray(encoded.T)
        n = len(encoded)
        found = {name: np.zeros(n, dtype=np.int64) for name in wanted if name in (*ADDED, *GREATEST)}
        events = []
        for slot, index in self.indices(columns):
            for name, total in found.items():
                values = slot.metrics[name].ravel().take(index)
                combine = np.maximum if name in GREATEST else np.add
                combine(total, values, out=total)
            if "events" in wanted:
                events.append(slot.events.ravel().take(index))
        if "receptive_field" in found:
            found["receptive_field"] += 1
        return found, events

    def _metrics(self, encoded: Encoded) -> dict[str, npt.NDArray[Any]]:
        found, events = self._gather(encoded, {*ADDED, *GREATEST, "events"})
        result: dict[str, npt.NDArray[Any]] = dict(found)
        n = len(encoded)
        result["trainable_params"] = found["params"]
        result["flash_bytes"] = found["weight_bytes_int8"]
        result |= {n: found[b] * f.numerator // f.denominator for n, (b, f) in SCALED.items()}
        result["receptive_field_hw"] = np.repeat(found["receptive_field"][:, None], 2, axis=1)
        result["global_context"] = found["global_context"].astype(bool)
        result |= {name: np.full(n, value, dtype=np.int64) for name, value in CONSTANT.items()}
        result["downsampled_by"] = self.downsampled[encoded[:, self.space.columns["form"]]]
        result["stages"], result["convs_per_stage"] = self._stages(events, n)
        return result

    @cached_property
    def downsampled(self) -> npt.NDArray[np.float64]:
        """(forms, 2): input size over the size of the last map."""
        _, height, width = self.space.input
        maps = [self.space.map_size(len(self.space.stages) + 1, form) for form in self.space.forms]
        return np.array([[height / h, width / w] for h, w, _ in maps])

    def _stages(self, events: Sequence[Array], n: int) -> tuple[Array, Array]:
        """Number of stages by strides, and the convolutions of each, padded with -1."""
        table = np.array([e.by_stride for e in self.tables.events], dtype=np.int64)
        most = 2 + sum(bool(table[slot.events, 1].any()) for slot in self.tables.slots)
        counts = np.zeros((n, most), dtype=np.int64)
        rows, stage, spatial = np.arange(n), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
        for one in events:
            before, closes, after, is_spatial = table[one].T
            counts[rows, stage] += before
            stage += closes
            counts[rows, stage] += after
            spatial = (spatial & (closes == 0)) | (is_spatial == 1)
        stages = stage + spatial
        counts[np.arange(most)[None, :] >= stages[:, None]] = -1
        return stages, counts[:, : max(1, int(stages.max(initial=1)))]

    def _verdicts(self, encoded: Encoded, constraints: Sequence[Constraint]) -> Mask:
        constraints = [based(c) for c in constraints]
        wanted = {ALIASES.get(c.metric, c.metric) for c in constraints}
        rules = tuple(c for c in constraints if c.metric in STRUCTURE)
        found, events = self._gather(encoded, wanted | ({"events"} if rules else set()))
        structure = self._structure(events, rules)
        result = np.empty((len(encoded), len(constraints)), dtype=bool)
        for i, constraint in enumerate(constraints):
            name = ALIASES.get(constraint.metric, constraint.metric)
            if name in STRUCTURE:
                result[:, i] = structure[:, rules.index(constraint)]
            elif name in found:
                result[:, i] = compare(constraint, found[name])
            elif name in CONSTANT:
                result[:, i] = constraint.holds(CONSTANT[name])
            elif name == "downsampled_by":
                holds = np.array([all(constraint.holds(x) for x in axes) for axes in self.downsampled.tolist()])
                result[:, i] = holds[encoded[:, self.space.columns["form"]]]
            else:
                raise UnusableInputError(f"not known without a model: {name!r}: use a built-in metric in a search")
        return result

    def automaton(self, rules: tuple[Constraint, ...]) -> Automaton:
        """The automaton of the rules on stages among ``rules``."""
        if rules not in self._automata:
            slots, events = self.tables.slots, self.tables.events  # the slots name the events
            sizes = np.array([sum(max(1, s.convs) for s in e.segments) for e in events])  # at most so many stages
            most = sum(int(sizes[slot.events].max()) for slot in slots)
            self._automata[rules] = Automaton(rules, events, most)
        return self._automata[rules]

    def _structure(self, events: Sequence[Array], rules: tuple[Constraint, ...]) -> Mask:
        if not rules:
            return np.empty((0, 0), dtype=bool)
        automaton = self.automaton(rules)
        width = automaton.next.shape[1]
        following = (automaton.next * width).ravel()  # a state is kept as the start of its row
        state = np.zeros(len(events[0]), dtype=np.int64)
        for one in events:
            state = following.take(state + one)
        return np.asarray(automaton.verdicts[state // width])


def based(constraint: Constraint) -> Constraint:
    """The same constraint on the base metric of a SCALED metric; any other constraint unchanged."""
    if constraint.metric not in SCALED:
        return constraint
    base, factor = SCALED[constraint.metric]
    limit = Decimal(constraint.limit) * factor.denominator / factor.numerator  # exact: by a power of two
    return replace(constraint, metric=base, limit=int(limit) if limit == limit.to_integral_value() else limit)


def compare(constraint: Constraint, values: Array) -> Mask:
    """``constraint.holds`` of an integer array: the verdict of very small values, flipped at each turning point."""
    result = np.full(len(values), constraint.holds(-inf))
    for turn in constraint.turns:
        result ^= values >= turn
    return result
