"""How many networks of a space keep which constraints, exactly, without enumerating them.

A network is a chain of layers, and what the constraints ask for is carried along it: one figure in full (the one with
the largest limit, usually parameters), the others only up to where they decide nothing more, the stages as a state of
an automaton. Chains are counted from the start to the middle and from the end to the middle, by value; where they meet,
the pairs are counted by a product of histograms. Counts stay whole numbers throughout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, floor, gcd, prod

import numpy as np
import numpy.typing as npt

from constraints.rules import Constraint
from nas.space.structure import STRUCTURE, Automaton
from nas.space.tables import ADDED, GREATEST, Slot
from nas.space.vector import ALIASES, Vector

MOST_CELLS = 1 << 25
"""Cells of the largest histogram (256 MiB); a space that needs more is not counted exactly."""
MOST_WORK = 4 * 10**11
"""Chains that may be moved in all, by an estimate that ignores how many fall together."""
_EXACT = 2**53
"""Whole numbers below are exact in float64, which the products are computed in."""

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many networks break exactly which constraints."""

    broken: Counter[frozenset[int]]
    """Places of the broken constraints in the order given -> networks."""
    histogram: tuple[tuple[int, int], ...]
    """(upper end of the bin, not included; feasible networks in it), of the figure carried in full."""
    metric: str
    """The figure carried in full; empty where none was needed."""

    @property
    def size(self) -> int:
        """All networks."""
        return sum(self.broken.values())

    @property
    def feasible(self) -> int:
        """Those that break nothing."""
        return self.broken[frozenset()]


def size(vector: Vector) -> int:
    """Number of different networks in the space."""
    p = vector.space.parameters
    shared = [len(p[name]) for name in ("form", "norm", "activation", "head", "last.width")]
    return prod(shared) * prod(stage_size(vector, i) * len(p[f"c{i}.width"]) for i in _stages(vector))


def stage_size(vector: Vector, number: int) -> int:
    """Number of different layers in a row that one stage can have at given widths."""
    return sum(depth_sizes(vector, number))


def depth_sizes(vector: Vector, number: int) -> list[int]:
    """The same for each depth; a residual that no layer takes part in makes no difference."""
    stage = vector.space.stages[number - 1]
    first = len(stage.stem) if number == 1 else len(stage.body)
    return [
        first * len(stage.body) ** (depth - 2) * len(stage.down)
        * (1 if (number, depth) == (1, 2) else len(stage.residual))
        for depth in stage.depth
    ]  # fmt: skip


def count(vector: Vector, constraints: Sequence[Constraint], *, bins: int = 20) -> Count | None:
    """Count exactly; None where the space, or a second large figure beside the first, makes that too much work."""
    figures = _Figures.of(vector, constraints)
    if figures is None:
        return None
    chains = [
        _Chain(vector, constraints, figures, form, head, times)
        for form in range(len(vector.space.forms))
        for head, times in _heads(vector, figures)
    ]
    if any(c.cells > MOST_CELLS for c in chains) or sum(c.work() for c in chains) > MOST_WORK:
        return None
    edges = _edges(constraints, figures.metric, bins)
    broken: Counter[frozenset[int]] = Counter()
    histogram = [0] * max(len(edges), 1)
    for chain in chains:
        if not chain.count(broken, histogram, edges):
            return None
    alike = len(vector.space.norms) * len(vector.space.activations)
    return Count(
        broken=Counter({pattern: n * alike for pattern, n in broken.items() if n}),
        histogram=tuple((edge, n * alike) for edge, n in zip(edges, histogram, strict=False)),
        metric=figures.metric,
    )


def _edges(constraints: Sequence[Constraint], metric: str, bins: int) -> list[int]:
    """Ends, not included, of the histogram's bins, up to the largest value that the limits on ``metric`` allow."""
    limits = [
        ceil(c.limit) if c.op == "<" else floor(c.limit) + 1
        for c in constraints
        if ALIASES.get(c.metric, c.metric) == metric and c.limit > 0
    ]
    top = max(limits, default=0)
    return sorted({top * (i + 1) // bins for i in range(bins)} - {0})


def _heads(vector: Vector, figures: _Figures) -> list[tuple[int, int]]:
    """Heads that differ in what is carried, and how many are like each."""
    last = vector.tables.slots[-1]
    names = (*figures.small, *([figures.metric] if figures.metric else []))
    tables = [last.events, *(last.figures[n] for n in names)]
    looks = [tuple(t[..., head].tobytes() for t in tables) for head in range(len(vector.space.heads))]
    return [(looks.index(look), times) for look, times in Counter(looks).items()]


def _stages(vector: Vector) -> range:
    return range(1, len(vector.space.stages) + 1)


@dataclass(frozen=True, kw_only=True)
class _Figures:
    """Which figures are carried: one in full, others up to a cap."""

    metric: str
    small: tuple[str, ...]
    caps: tuple[int, ...]
    """The largest level of each small figure."""
    units: tuple[int, ...]
    """What an added small figure counts in."""
    points: tuple[tuple[int, ...], ...]
    """Of a greatest figure: where its levels begin."""

    @classmethod
    def of(cls, vector: Vector, constraints: Sequence[Constraint]) -> _Figures | None:
        names = {ALIASES.get(c.metric, c.metric) for c in constraints} & {*ADDED, *GREATEST}
        limits = {n: [c for c in constraints if ALIASES.get(c.metric, c.metric) == n] for n in names}
        units = {n: _unit(vector, n) for n in names if n in ADDED}
        caps = {n: _cap(max(map(_decided, limits[n])) - (n == "receptive_field"), units[n]) for n in units}
        metric = max(caps, key=lambda n: (caps[n], n), default="")
        small = tuple(sorted(names - {metric}))
        points = {
            n: tuple(sorted({p for c in limits[n] for p in (ceil(c.limit), floor(c.limit) + 1)}))
            for n in names & {*GREATEST}
        }
        if prod(caps[n] + 1 for n in small if n in caps) > 1 << 14:
            return None
        return cls(
            metric=metric,
            small=small,
            caps=tuple(caps[n] if n in caps else len(points[n]) for n in small),
            units=tuple(units.get(n, 1) for n in small),
            points=tuple(points.get(n, ()) for n in small),
        )


def _decided(c: Constraint) -> int:
    """The least value from which on all values are judged alike."""
    return ceil(c.limit) if c.op in ("<", ">=") else floor(c.limit) + 1


def _cap(value: int, unit: int) -> int:
    return max(0, -(-value // unit))


def _unit(vector: Vector, name: str) -> int:
    values = np.unique(np.concatenate([slot.figures[name].ravel() for slot in vector.tables.slots]))
    return gcd(*values.tolist()) or 1


@dataclass(frozen=True)
class _Part:
    """Chains by class and value: parallel arrays."""

    classes: Array
    values: Array
    counts: Array

    def total(self) -> int:
        return int(self.counts.sum())


_Parts = dict[int, _Part]
"""By the automaton's state: the one in which chains from the start end, or those to the end begin."""


@dataclass
class _Layer:
    """The words of one slot at given widths: what each does to class, value and state."""

    steps: Array
    """(words, classes): class -> class."""
    values: list[int]
    events: list[int]
    times: list[int] = field(default_factory=list)


class _Chain:
    """All chains of one form and one head."""

    def __init__(  # noqa: PLR0917
        self,
        vector: Vector,
        constraints: Sequence[Constraint],
        figures: _Figures,
        form: int,
        head: int,
        times: int,
    ) -> None:
        self.vector, self.space, self.times = vector, vector.space, times
        self.constraints, self.figures = constraints, figures
        self.form, self.head = form, head
        rules = tuple(c for c in constraints if c.metric in STRUCTURE)
        self.automaton: Automaton = vector.automaton(rules)
        self.slots = {(s.stage, s.layer): s for s in vector.tables.slots}
        self.last = self.slots[len(self.space.stages) + 1, 0]
        self.levels = [range(cap + 1) for cap in figures.caps]
        self.classes = prod(len(level) for level in self.levels)
        self.endings = sorted({tuple(v) for v in self.automaton.verdicts.tolist()})
        self.offset, self.unit = self._grid()
        limits = [c.limit for c in constraints if ALIASES.get(c.metric, c.metric) == figures.metric]
        self.top = max((max(0, floor(m) - self._start) // self.unit + 1 for m in limits), default=0)
        self.middle = len(self.space.stages) // 2 + 1
        self.reached = self._reached()

    @property
    def _start(self) -> int:
        """What the carried figure is where every layer adds nothing but multiples of the unit."""
        return self.offset + (self.figures.metric == "receptive_field")

    @property
    def cells(self) -> int:
        return self.classes * len(self.endings) * (self.top + 1)

    def _grid(self) -> tuple[int, int]:
        """The head's least value, and the common divisor of all that can come on top of it."""
        if not self.figures.metric:
            return 0, 1
        heads = self.last.figures[self.figures.metric][self.form, :, 0, self.head]
        values = [heads - heads.min()]
        values += [s.figures[self.figures.metric][self.form].ravel() for s in self.vector.tables.slots[:-1]]
        return int(heads.min()), gcd(*np.unique(np.concatenate(values)).tolist()) or 1

    def work(self) -> int:
        """Chains that are moved in all steps, by an estimate that ignores how many of them fall together."""
        total = 0
        before = [s for s in self.slots.values() if s.stage < self.middle]
        after = [s for s in reversed(self.slots.values()) if s.stage >= self.middle]
        for half in (before, after):
            chains = 1
            for slot in half:
                _, first, second, words = slot.events.shape
                chains = min(self.cells, chains * words * (1 if slot.layer else second))
                total += chains * first * len(self.reached[slot.stage, slot.layer])
        return total

    def count(self, broken: Counter[frozenset[int]], histogram: list[int], edges: Sequence[int]) -> bool:
        """Add this chain's networks; False where a count outgrows what is exact."""
        before, after = self._from_start(), self._to_end()
        for width, parts in before.items():
            for state, part in parts.items():
                other = after[width][state]
                if max(part.total(), other.total()) >= _EXACT:
                    return False
                self._meet(part, other, broken, histogram, edges)
        return True

    def _reached(self) -> dict[tuple[int, int], set[int]]:
        """The automaton's states that can stand before each slot."""
        result = {}
        before = {0}
        for number, stage in enumerate(self.space.stages, start=1):
            here, ended = before, set[int]()
            for j in range(1, max(stage.depth)):
                result[number, j] = here
                here = self._after(here, self.slots[number, j])
                ended |= here if j + 1 in stage.depth else set()
            result[number, 0] = ended
            before = self._after(ended, self.slots[number, 0])
        result[len(self.space.stages) + 1, 0] = before
        return result

    def _after(self, states: set[int], slot: Slot) -> set[int]:
        words = slot.events.shape[-1] - (slot.layer > 0)
        events = np.unique(slot.events[self.form, ..., :words])
        return set(self.automaton.next[sorted(states)][:, events].ravel().tolist())

    def _residuals(self, slot: Slot) -> list[tuple[int, int]]:
        """Choices of the residual that differ in what is carried, and how many are like each."""
        names = (*self.figures.small, *([self.figures.metric] if self.figures.metric else []))
        tables = [slot.events[self.form], *(slot.figures[n][self.form] for n in names)]
        looks = [tuple(t[:, r].tobytes() for t in tables) for r in range(slot.events.shape[2])]
        return [(looks.index(look), times) for look, times in Counter(looks).items()]

    def _layer(self, slot: Slot, first: int, second: int) -> _Layer:
        at = self.form, first, second
        words = slot.events.shape[-1] - (slot.layer > 0)
        chosen = [self.head] if slot is self.last else range(words)
        steps, values = [], []
        for word in chosen:
            steps.append(self._step([int(slot.figures[n][(*at, word)]) for n in self.figures.small]))
            value = int(slot.figures[self.figures.metric][(*at, word)]) if self.figures.metric else 0
            values.append((value - (self.offset if slot is self.last else 0)) // self.unit)
        return _Layer(np.array(steps), values, [int(slot.events[(*at, word)]) for word in chosen])

    def _step(self, adds: Sequence[int]) -> Array:
        """Class -> class of a layer that adds (or is at least) these small figures; the ending stays."""
        axes = []
        for name, add, cap, unit, points in zip(
            self.figures.small, adds, self.figures.caps, self.figures.units, self.figures.points, strict=True
        ):
            levels = np.arange(cap + 1)
            if name in GREATEST:
                axes.append(np.maximum(levels, sum(add >= p for p in points)))
            else:
                axes.append(np.minimum(levels + add // unit, cap))
        shape = [len(level) for level in self.levels]
        if not shape:
            one = np.zeros(1, dtype=np.int64)
        else:
            one = np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), shape).ravel()
        return np.concatenate([one + ending * self.classes for ending in range(len(self.endings))])

    def _merge(self, pieces: Sequence[tuple[Array, Array, Array]]) -> _Part:
        if not pieces:
            none = np.zeros(0, dtype=np.int64)
            return _Part(none, none, none)
        classes, values, counts = (np.concatenate(several) for several in zip(*pieces, strict=True))
        key = classes * (self.top + 1) + values
        if len(key) * 8 > self.cells and counts.sum(dtype=np.float64) < _EXACT / 2:
            dense = np.bincount(key, weights=counts)
            key = np.flatnonzero(dense)
            return _Part(key // (self.top + 1), key % (self.top + 1), dense[key].astype(np.int64))
        order = np.argsort(key, kind="stable")
        key, counts = key[order], counts[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        key = key[starts]
        return _Part(key // (self.top + 1), key % (self.top + 1), np.add.reduceat(counts, starts))

    def _moved(self, part: _Part, layer: _Layer, word: int) -> tuple[Array, Array, Array]:
        values = np.minimum(part.values + layer.values[word], self.top)
        return layer.steps[word][part.classes], values, part.counts

    def _forward(self, parts: _Parts, layer: _Layer) -> _Parts:
        pieces: dict[int, list[tuple[Array, Array, Array]]] = {}
        for state, part in parts.items():
            for word, e in enumerate(layer.events):
                after = int(self.automaton.next[state, e])
                pieces.setdefault(after, []).append(self._moved(part, layer, word))
        return {state: self._merge(several) for state, several in pieces.items()}

    def _backward(self, parts: _Parts, layer: _Layer, states: set[int]) -> _Parts:
        result = {}
        for state in states:
            following = [int(self.automaton.next[state, e]) for e in layer.events]
            pieces = [self._moved(parts[s], layer, word) for word, s in enumerate(following)]
            result[state] = self._merge(pieces)
        return result

    def _joined(self, several: Sequence[_Parts]) -> _Parts:
        """The same states of several, added up."""
        states = set[int]().union(*several)
        return {s: self._merge([(p[s].classes, p[s].values, p[s].counts) for p in several if s in p]) for s in states}

    def _from_start(self) -> dict[int, _Parts]:
        """By width of the middle stage."""
        one = np.zeros(1, dtype=np.int64)
        start = {0: _Part(one, one, one + 1)}
        current = dict.fromkeys(range(len(self.space.parameters["c1.width"])), start)
        for number in range(1, self.middle):
            collected: dict[int, list[_Parts]] = {}
            for width, parts in current.items():
                for after, done in self._through(number, width, parts):
                    collected.setdefault(after, []).append(done)
            current = {after: self._joined(several) for after, several in collected.items()}
        return current

    def _through(self, number: int, width: int, parts: _Parts) -> Iterator[tuple[int, _Parts]]:
        """Every way through one stage: (index of the next width, chains)."""
        stage, last = self.space.stages[number - 1], self.slots[number, 0]
        for r, times in self._kinds(number):
            chains = parts
            for j in range(1, max(stage.depth)):
                slot = self.slots[number, j]
                chains = self._forward(chains, self._layer(slot, width, min(r, slot.events.shape[2] - 1)))
                if share := self._ends(number, j, r, times):
                    ended = _multiplied(chains, share)
                    for after in range(last.events.shape[2]):
                        yield after, self._forward(ended, self._layer(last, width, after))

    def _kinds(self, number: int) -> list[tuple[int, int]]:
        """Residuals of a stage that differ, and how many are like each."""
        bodies = [s for (stage, j), s in self.slots.items() if stage == number and j and s.events.shape[2] > 1]
        return self._residuals(bodies[0]) if bodies else [(0, len(self.space.stages[number - 1].residual))]

    def _ends(self, number: int, body: int, residual: int, times: int) -> int:
        """How many networks end a stage after so many body layers: none, or one for each of the residuals alike.

        The stem is never residual, so alone it makes one.
        """
        if body + 1 not in self.space.stages[number - 1].depth:
            return 0
        return int(residual == 0) if (number, body) == (1, 1) else times

    def _to_end(self) -> dict[int, _Parts]:
        """By width of the middle stage, and by the state that is met there."""
        current = {}
        for width in range(self.last.events.shape[1]):
            zero = np.zeros(1, dtype=np.int64)
            ends = [self.endings.index(tuple(v)) for v in self.automaton.verdicts.tolist()]
            leaves = {s: _Part(zero + e * self.classes, zero, zero + 1) for s, e in enumerate(ends)}
            current[width] = self._backward(leaves, self._layer(self.last, width, 0), self.reached[self.last.stage, 0])
        for number in reversed(range(self.middle, len(self.space.stages) + 1)):
            widths = range(len(self.space.parameters[f"c{number}.width"]))
            current = {width: self._before(number, width, current) for width in widths}
        return current

    def _before(self, number: int, width: int, following: dict[int, _Parts]) -> _Parts:
        """Every way from the start of one stage to the end."""
        stage, last = self.space.stages[number - 1], self.slots[number, 0]
        before = self.reached[number, 0]
        ended = self._joined(
            [self._backward(parts, self._layer(last, width, after), before) for after, parts in following.items()]
        )
        ways = []
        for r, times in self._kinds(number):
            chains: _Parts = {}
            for j in reversed(range(1, max(stage.depth))):
                share = self._ends(number, j, r, times)
                here = self._joined([chains, _multiplied(ended, share)] if share else [chains])
                slot = self.slots[number, j]
                layer = self._layer(slot, width, min(r, slot.events.shape[2] - 1))
                chains = self._backward(here, layer, self.reached[number, j])
            ways.append(chains)
        return self._joined(ways)

    def _meet(
        self,
        part: _Part,
        other: _Part,
        broken: Counter[frozenset[int]],
        histogram: list[int],
        edges: Sequence[int],
    ) -> None:
        """Count the pairs of one chain to the middle and one from it, by the constraints that they break."""
        a, b = np.unique(part.classes), np.unique(other.classes)
        left, right = self._dense(part, a), self._dense(other, b)
        sums = np.cumsum(right, axis=1)
        points = self._points()
        verdicts = self._verdicts(a, b)
        below = [np.zeros((len(a), len(b)), dtype=object)]
        below += [self._pairs(left, sums, point) for point in points]
        below.append(_times(left.sum(1, keepdims=True), sums[:, -1:].T))
        for i, high in enumerate(below[1:]):
            pairs = high - below[i]
            inside = points[i] - 1 if i < len(points) else self.top
            for pattern, where in self._patterns(verdicts, inside):
                broken[pattern] += int(pairs[where].sum()) * self.times
        self._fill(left, sums, verdicts, points, histogram, edges)

    def _dense(self, part: _Part, classes: Array) -> npt.NDArray[np.float64]:
        rows = np.searchsorted(classes, part.classes)
        table = np.zeros((len(classes), self.top + 1))
        table[rows, part.values] = part.counts
        return table

    def _points(self) -> list[int]:
        """Values of the carried figure, in units, at which some verdict changes."""
        points = set()
        for c in self.constraints:
            if self.figures.metric and ALIASES.get(c.metric, c.metric) == self.figures.metric:
                for limit in (ceil(c.limit), floor(c.limit) + 1):
                    points.add(-((self._start - limit) // self.unit))
        return sorted(p for p in points if 0 < p <= self.top)

    def _pairs(
        self, left: npt.NDArray[np.float64], sums: npt.NDArray[np.float64], point: int
    ) -> npt.NDArray[np.object_]:
        """(classes, classes): pairs whose values add up to less than ``point``."""
        return _times(left[:, :point], sums[:, :point][:, ::-1].T)

    def _verdicts(self, a: Array, b: Array) -> dict[int, npt.NDArray[np.bool_]]:
        """Place of a constraint that the classes decide -> (classes, classes)."""
        joined = [self._digits(a % self.classes), self._digits(b % self.classes)]
        result = {}
        rules = iter(range(len(self.automaton.rules)))
        for i, c in enumerate(self.constraints):
            name = ALIASES.get(c.metric, c.metric)
            if c.metric in STRUCTURE:
                rule = next(rules)
                holds = np.array([self.endings[int(x) // self.classes][rule] for x in b], dtype=bool)
                result[i] = np.broadcast_to(holds[None, :], (len(a), len(b)))
            elif name in self.figures.small:
                k = self.figures.small.index(name)
                levels = self._together(k, joined[0][k][:, None], joined[1][k][None, :])
                result[i] = np.array([c.holds(v) for v in self._representatives(k)], dtype=bool)[levels]
            elif name != self.figures.metric:
                result[i] = np.full((len(a), len(b)), self._constant(c))
        return result

    def _digits(self, classes: Array) -> tuple[Array, ...]:
        shape = [len(level) for level in self.levels]
        return tuple(np.unravel_index(classes, shape)) if shape else ()

    def _together(self, k: int, a: Array, b: Array) -> Array:
        if self.figures.small[k] in GREATEST:
            return np.asarray(np.maximum(a, b))
        return np.asarray(np.minimum(a + b, self.figures.caps[k]))

    def _representatives(self, k: int) -> list[int]:
        """A value of each level of a small figure."""
        name, points = self.figures.small[k], self.figures.points[k]
        if name in GREATEST:
            return [points[0] - 1, *points] if points else [0]
        return [level * self.figures.units[k] + (name == "receptive_field") for level in self.levels[k]]

    def _constant(self, c: Constraint) -> bool:
        row = np.zeros((1, len(self.space.columns)), dtype=np.int64)
        row[0, self.space.columns["form"]] = self.form
        row[0, self.space.columns["head"]] = self.head
        return bool(self.vector.verdicts(row, [c])[0, 0])

    def _patterns(
        self, verdicts: dict[int, npt.NDArray[np.bool_]], value: int
    ) -> Iterator[tuple[frozenset[int], npt.NDArray[np.bool_]]]:
        """Which constraints pairs break whose carried figure lies with ``value``, and which pairs."""
        carried = self._carried_broken(value)
        shape = next(iter(verdicts.values())).shape if verdicts else None
        code = np.zeros(shape if shape else (1, 1), dtype=np.int64)
        for i, holds in verdicts.items():
            code = code + (~holds).astype(np.int64) * (1 << i)
        for one in np.unique(code).tolist():
            pattern = carried | {i for i in verdicts if one >> i & 1}
            where = code == one
            yield frozenset(pattern), where if shape else np.ones((1, 1), dtype=bool)

    def _carried_broken(self, value: int) -> set[int]:
        figure = value * self.unit + self._start
        return {
            i for i, c in enumerate(self.constraints)
            if self.figures.metric and ALIASES.get(c.metric, c.metric) == self.figures.metric and not c.holds(figure)
        }  # fmt: skip

    def _fill(  # noqa: PLR0917
        self,
        left: npt.NDArray[np.float64],
        sums: npt.NDArray[np.float64],
        verdicts: dict[int, npt.NDArray[np.bool_]],
        points: Sequence[int],
        histogram: list[int],
        edges: Sequence[int],
    ) -> None:
        """Add the feasible pairs to the bins of the carried figure."""
        if not edges:
            return
        fine = (
            np.logical_and.reduce(list(verdicts.values())) if verdicts else np.ones((len(left), len(sums)), dtype=bool)
        )
        if not fine.any():
            return
        good = fine.astype(np.float64) @ sums
        if left.sum() * good[:, -1].max(initial=0) >= _EXACT:
            raise OverflowError("a histogram past 2^53")  # MOST_WORK keeps spaces far below
        before = 0
        spans = [0, *points, self.top]
        for k, edge in enumerate(edges):
            end = min(max(0, -((self._start - edge) // self.unit)), self.top)
            for low, high in pairwise(spans):
                a, b = max(low, before), min(high, end)
                if a < b and not self._carried_broken(a):
                    histogram[k] += int(_below(left, good, b) - _below(left, good, a)) * self.times
            before = end


def _multiplied(parts: _Parts, times: int) -> _Parts:
    return {s: _Part(p.classes, p.values, p.counts * times) for s, p in parts.items()}


def _below(left: npt.NDArray[np.float64], sums: npt.NDArray[np.float64], point: int) -> float:
    return float(np.einsum("av,av->", left[:, :point], sums[:, :point][:, ::-1])) if point else 0.0


def _times(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
    """A matrix product of whole numbers below 2^53, exact however large its entries get."""
    if a.sum(1).max(initial=0) * b.max(initial=0) < _EXACT:
        return np.asarray((a @ b).astype(np.int64).astype(object))
    width = 2.0**18
    result = np.zeros((a.shape[0], b.shape[1]), dtype=object)
    for i, x in enumerate(_limbs(a, width)):
        for j, y in enumerate(_limbs(b, width)):
            result = result + (x @ y).astype(np.int64).astype(object) * (1 << 18 * (i + j))
    return result


def _limbs(a: npt.NDArray[np.float64], width: float) -> Iterator[npt.NDArray[np.float64]]:
    for _ in range(3):  # 54 bits
        rest = np.floor(a / width)
        yield a - rest * width
        a = rest
