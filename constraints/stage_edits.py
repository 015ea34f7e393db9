"""Edits of strides and dilations, and added convolutions, that give a network the required stages, by arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations, islice, pairwise, zip_longest
from math import inf
from typing import Any

from constraints.conv_edits import dilate, restride
from constraints.conv_sites import Site
from constraints.edits import Change, Edit
from constraints.insertions import insert
from constraints.rules import Constraint
from constraints.stages import STRUCTURE, Place, StageSplit, split

_MOST_LAYERS, _MOST_CHOICES, _MOST_JUDGED, _MOST_OF_A_KIND = 4, 2000, 120, 3
_MOST_INSERTED = 9
_STRIDED, _DILATED = "is_strided", "is_dilated"
Ends = Sequence[tuple[int, Edit]]
"""Places of the main path, each with its edit."""
Choice = tuple[tuple[int, Edit], ...]


def restaged(sites: Sequence[Site], path: Sequence[Place], rules: Sequence[Constraint]) -> Iterator[Change]:
    """Changes after which, by arithmetic, all ``rules`` on stages hold; those of the fewest layers first.

    Strides before dilations, evenly spread ones first; then added convolutions in stages that have too few.
    """
    rules = [c for c in rules if c.metric in STRUCTURE]
    ends = {mark: _edits(sites, path, mark) for mark in (_STRIDED, _DILATED)}
    kept = {mark: _kept(edits, path, rules, **{mark: True}) for mark, edits in ends.items()}
    for found in zip_longest(*kept.values(), fillvalue=()):
        yield from filter(None, found)
    yield from _filled(sites, path, rules, ends)


def unstrided(sites: Sequence[Site], path: Sequence[Place], rules: Sequence[Constraint]) -> Iterator[Change]:
    """Changes that set strides to 1, after which, by arithmetic, all ``rules`` on stages hold."""
    rules = [c for c in rules if c.metric in STRUCTURE]
    by_name = {site.name: site for site in sites}
    strided = [(i, by_name[p.name]) for i, p in enumerate(path) if p.is_strided and p.name in by_name]
    found = [(i, edit) for i, site in strided for edit in restride(site, 1)]
    return _kept(found, path, rules, is_strided=False)


def _kept(edits: Ends, path: Sequence[Place], rules: Sequence[Constraint], **marks: bool) -> Iterator[Change]:
    """The smallest choices of edits after which the rules hold, a few of each size; none contains unnecessary edits."""
    found: list[set[int]] = []
    strided = sum(p.is_strided for p in path)
    highest = min((c.hull.high for c in rules if c.metric == "stages"), default=inf)
    most = min(_MOST_LAYERS, highest - strided) if any(marks.values()) else _MOST_LAYERS
    for number in range(1, int(most) + 1):  # more ends would make too many stages
        choices = (c for c in _spread(edits, number, len(path)) if _hold(_changed(path, c, **marks), rules))
        for choice in islice(choices, _MOST_OF_A_KIND):
            places = {i for i, _ in choice}
            if not any(fewer < places for fewer in found):
                yield tuple(edit for _, edit in choice)
            found.append(places)


def _edits(sites: Sequence[Site], path: Sequence[Place], mark: str) -> Ends:
    """Places where a stride or a dilation can make a new stage end."""
    by_name = {site.name: site for site in sites}
    free = [(i, by_name[p.name]) for i, p in enumerate(path) if p.name in by_name and p.is_spatial and not p.is_strided]
    if mark == _STRIDED:
        return [(i, edit) for i, site in free for edit in restride(site, 2)]
    return [(i, edit) for i, site in free if not path[i].is_dilated for edit in dilate(site, 2)]


def _spread(edits: Ends, number: int, length: int) -> Iterator[Choice]:
    """Choices of ``number`` edits, the most evenly spread ones first."""

    def unevenness(choice: Choice) -> int:
        gaps = [b - a for a, b in pairwise([-1, *(i for i, _ in choice), length - 1])]
        return max(gaps) - min(gaps)

    choices = islice(combinations(edits, number), _MOST_CHOICES)
    return islice(sorted(choices, key=unevenness), _MOST_JUDGED)


def _changed(path: Sequence[Place], choice: Choice, **marks: Any) -> list[Place]:
    places = {i for i, _ in choice}
    return [p._replace(**marks) if i in places else p for i, p in enumerate(path)]


def _hold(path: Sequence[Place], rules: Sequence[Constraint]) -> bool:
    return all(map(split(path, rules).keeps, rules))


def _filled(
    sites: Sequence[Site], path: Sequence[Place], rules: Sequence[Constraint], ends: Mapping[str, Ends]
) -> Iterator[Change]:
    """Changes that add convolutions to stages that have too few, with as few new stage ends as necessary."""
    least = least_convs(rules)
    by_name, others = {site.name: site for site in sites}, [c for c in rules if c.metric == "stages"]
    for number in range(_MOST_LAYERS if least else 0):
        found = [
            change
            for mark, edits in ends.items()
            for choice in _spread(edits, number, len(path))
            for made in [split(_changed(path, choice, **{mark: True}), others)]
            for change in _completed(made, [edit for _, edit in choice], by_name, least, others)
        ]
        if found:
            yield from sorted(found, key=_size)[:_MOST_OF_A_KIND]
            return


def least_convs(rules: Iterable[Constraint]) -> int:
    """The smallest number of convolutions per stage that satisfies every rule; 0 if none does, or it is too large."""
    per_stage = [c for c in rules if c.metric == "convs_per_stage"]
    return next((n for n in range(1, _MOST_INSERTED) if all(c.holds(n) for c in per_stage)), 0)


def _completed(
    made: StageSplit, edits: Sequence[Edit], by_name: Mapping[str, Site], least: int, rules: Sequence[Constraint]
) -> Iterator[Change]:
    """The edits with the missing convolutions of each stage of ``made``, and a last stage if one is missing."""
    counts = made.convs_per_stage
    needs_last = not all(c.holds(len(counts)) for c in rules)
    if needs_last and (made.has_tail or not made.path or not all(c.holds(len(counts) + 1) for c in rules)):
        return
    inserted = [
        into(places, least - n, by_name, is_ended=i < len(made.ends))
        for i, (places, n) in enumerate(zip(made.places, counts, strict=True))
        if n < least
    ]
    if needs_last:
        ends = [p.name for p in made.path if p.is_spatial and p.name in by_name]
        inserted.append(list(insert(by_name[ends[-1]], least)) if ends else [])
    missing = sum(max(0, least - n) for n in counts) + (least if needs_last else 0)
    if all(inserted) and inserted and missing <= _MOST_INSERTED:
        yield (*edits, *chain.from_iterable(inserted))


def into(places: Sequence[Place], number: int, by_name: Mapping[str, Site], *, is_ended: bool) -> list[Edit]:
    """Add ``number`` convolutions to a stage, after one that does not end it or before the one that does."""
    inner = places[:-1] if is_ended else places
    whole = [p for p, after in zip(inner, [*places[1:], None], strict=False) if after is None or after.counts]
    known = [p for p in whole if p.is_spatial and p.name in by_name]
    if known:
        return list(insert(by_name[known[-1].name], number))
    return list(insert(by_name[places[-1].name], number, before=True)) if places[-1].name in by_name else []


def _size(change: Change) -> tuple[int, float]:
    return len(change), sum(abs(edit.size) for edit in change)
