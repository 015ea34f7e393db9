"""The fewest edits that turn one network into another, by an exact alignment of their layers.

A layer that only one network has is an edit, and so is a different word for a layer. The same change of width in
successive layers (32 to 48 in all of C2) is one edit; so is the same change of residuals. The alignment is that of
Wagner and Fischer (The String-to-String Correction Problem, 1974), with the change of the last aligned pair as part of
the state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from nas.architecture import norm_act
from nas.architecture.spec import Architecture
from nas.space.layer_reading import ChainLayer, ChainReading, NetworkFrame, read
from nas.space.stage_space import Residual

Change = tuple[Any, Any] | None


class EditRun(NamedTuple):
    """How the last aligned pair differs in width and residual; the next pair may differ equally at no cost."""

    out: Change = None
    residual: Change = None


@dataclass(frozen=True, kw_only=True)
class NetworkEdit:
    """One edit."""

    kind: str
    """One of layer, added, removed, width, residual, head, norm, activation, order, input, classes."""
    stage: str
    """Such as ``C3`` or ``C2-C3``; empty for an edit of the whole network."""
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        """The fields by name and the edit in words, ready for JSON."""
        return asdict(self) | {"text": str(self)}

    def __str__(self) -> str:
        """In words: ``sep3 instead of c3 in C2``."""
        where = f" in {self.stage}" if self.stage else ""
        match self.kind:
            case "added":
                return f"{self.after} added{where}"
            case "removed":
                return f"{self.before} removed{where}"
            case "residual":
                return f"{_residual(self.after)} instead of {_residual(self.before)}{where}"
            case "layer":
                return f"{self.after} instead of {self.before}{where}"
        return f"{self.kind} {self.after} instead of {self.before}{where}"


@dataclass(frozen=True)
class _Alignment:
    """The cheapest way to a point of the alignment; the first of equally cheap ones."""

    cost: int
    before: tuple[int, int, EditRun] | None


def edits(first: Architecture, second: Architecture) -> tuple[NetworkEdit, ...]:
    """The fewest edits that turn the first network into the second, in order from the input."""
    a, b = read(first), read(second)
    return (*frame_edits(a.frame, b.frame), *_chain_edits(a, b))


def frame_edits(a: NetworkFrame, b: NetworkFrame) -> tuple[NetworkEdit, ...]:
    """The edits that are not of layers."""
    before, after = _facts(a), _facts(b)
    return tuple(
        NetworkEdit(kind=kind, stage="", before=value, after=after[kind])
        for kind, value in before.items()
        if value != after[kind]
    )


def paired(a: ChainLayer, b: ChainLayer, run: EditRun) -> tuple[int, EditRun]:
    """The number of edits from layer ``a`` to ``b`` after a pair that changed by ``run``, and this pair's change."""
    out: Change = (a.out, b.out) if a.out != b.out else None
    residual: Change = (a.residual, b.residual) if a.residual != b.residual else None
    news = (out is not None and out != run.out) + (residual is not None and residual != run.residual)
    return (a.word != b.word) + news, EditRun(out, residual)


def _chain_edits(a: ChainReading, b: ChainReading) -> Iterator[NetworkEdit]:
    steps = _aligned(a.layers, b.layers)
    end = min((p for p in steps if p[:2] == (len(a.layers), len(b.layers))), key=lambda p: steps[p].cost)
    path = [end]
    while (before := steps[path[-1]].before) is not None:
        path.append(before)
    found: list[NetworkEdit] = []
    for (i, j, run), (to_i, to_j, _) in zip(path[::-1], path[-2::-1], strict=False):
        if to_j == j:
            found.append(NetworkEdit(kind="removed", stage=f"C{a.stages[i]}", before=a.layers[i].word, after=None))
        elif to_i == i:
            found.append(NetworkEdit(kind="added", stage=f"C{b.stages[j]}", before=None, after=b.layers[j].word))
        else:
            _add_pair(found, a.layers[i], b.layers[j], run, f"C{b.stages[j]}")
    yield from found


def _add_pair(found: list[NetworkEdit], a: ChainLayer, b: ChainLayer, run: EditRun, stage: str) -> None:
    """Add the edits of a pair; one that continues a change extends that edit to its stage."""
    if a.word != b.word:
        found.append(NetworkEdit(kind="layer", stage=stage, before=a.word, after=b.word))
    _, now = paired(a, b, run)
    for kind, last, change in (("width", run.out, now.out), ("residual", run.residual, now.residual)):
        if change is None:
            continue
        if change == last:
            at = max(i for i, edit in enumerate(found) if edit.kind == kind)
            found[at] = NetworkEdit(kind=kind, stage=_span(found[at].stage, stage), before=change[0], after=change[1])
        else:
            found.append(NetworkEdit(kind=kind, stage=stage, before=change[0], after=change[1]))


def _aligned(a: tuple[ChainLayer, ...], b: tuple[ChainLayer, ...]) -> dict[tuple[int, int, EditRun], _Alignment]:
    """(layers of ``a`` used, of ``b`` used, change of the last pair) -> the cheapest way there."""
    steps = {(0, 0, EditRun()): _Alignment(0, None)}
    by_place: dict[tuple[int, int], list[EditRun]] = {(0, 0): [EditRun()]}

    def reach(place: tuple[int, int, EditRun], cost: int, before: tuple[int, int, EditRun]) -> None:
        if place not in steps:
            by_place.setdefault(place[:2], []).append(place[2])
        if place not in steps or cost < steps[place].cost:
            steps[place] = _Alignment(cost, before)

    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            for run in by_place.get((i, j), ()):
                here, cost = (i, j, run), steps[i, j, run].cost
                if i < len(a) and j < len(b):
                    more, now = paired(a[i], b[j], run)
                    reach((i + 1, j + 1, now), cost + more, here)
                if i < len(a):
                    reach((i + 1, j, run), cost + 1, here)
                if j < len(b):
                    reach((i, j + 1, run), cost + 1, here)
    return steps


def _facts(frame: NetworkFrame) -> dict[str, Any]:
    names = {norm_act.is_norm(name): name.removesuffix("_norm") for name in frame.post}
    return {
        "input": "x".join(map(str, frame.input)),
        "classes": frame.classes,
        "norm": names.get(True, "none"),
        "activation": names.get(False, "none"),
        "order": "activation first" if len(names) > 1 and not norm_act.is_norm(frame.post[0]) else "norm first",
        "head": frame.head,
    }


def _span(stage: str, last: str) -> str:
    first = stage.partition("-")[0]
    return first if first == last else f"{first}-{last}"


def _residual(value: Residual) -> str:
    return {False: "no residual", True: "a residual", "scaled": "a scaled residual"}[value]
