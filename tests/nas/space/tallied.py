"""How many networks a preset has of each number of parameters, by arithmetic on the preset's file alone.

It holds for presets of three layers a stage, batch norm, and the words of ``_REACH``. The assignment's rules then say:
the field exceeds 44, something is dilated, something is separable. Every network has four stages of three: where
nothing strides, the dilated last layers of the stages stand in, whatever else is dilated.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nas.space.space

_REACH = {"c3": 2, "c3d2": 4, "c3g4": 2, "sep3": 2, "sep5": 4, "sep3d2": 4, "pw": 0}
"""(kernel - 1) * dilation."""
_FIELD = 45
"""The field that is enough; larger ones count as this."""


class _Part(NamedTuple):
    """The beginning of a network."""

    width: int
    params: int = 0
    field: int = 1
    is_dilated: bool = False
    is_separable: bool = False


def weights(word: str, channels: int, out: int) -> int:
    """Parameters of a layer with its batch norms: two a channel."""
    if word.startswith("sep"):
        return int(word[3]) ** 2 * channels + 2 * channels + channels * out + 2 * out
    if word == "pw":
        return channels * out + 2 * out
    return 9 * channels * out // (4 if "g4" in word else 1) + 2 * out


def tally(preset: str, below: int) -> Counter[int]:
    """Number of networks by their parameters, of those with fewer than ``below`` that keep the assignment's rules."""
    table = tomllib.loads((Path(nas.space.space.__file__).parent / "presets" / f"{preset}.toml").read_text())
    found: Counter[int] = Counter()
    for form in table["forms"]:
        for part, times in _networks(table, form, below).items():
            if part.field == _FIELD and part.is_dilated and part.is_separable:
                for head in table["heads"]:
                    params = part.params + part.width * 10 + (0 if head == "gap" else 10)
                    found[params] += times * len(table["activations"]) * (params < below)
    return +found


class _Step(NamedTuple):
    """A layer of every network of a form."""

    words: list[str]
    after: list[int]
    """Channels that it may make; empty where it keeps the width."""
    jump: int
    dilation: int = 1
    channels: int = 0
    """Channels that it gets where that is not the width."""
    times: int = 1
    """How many residuals the stage that it ends may have."""
    least: int = 0
    """Parameters that no network goes without, from this layer on."""


def _networks(table: dict[str, Any], form: str, below: int) -> Counter[_Part]:
    scale = table["dilated_widths"] if form == "dilated" else 1
    parts = Counter({_Part(width): 1 for width in _widths(table["stages"][0]["width"], scale)})
    for step in _with_least(list(_steps(table, form, scale)), min(part.width for part in parts)):
        found: Counter[_Part] = Counter()
        for part, times in parts.items():
            if part.params + step.least < below:
                for longer in _longer(part, step):
                    found[longer] += times * step.times
        parts = found
    return parts


def _steps(table: dict[str, Any], form: str, scale: float) -> Iterator[_Step]:
    stages, jump = table["stages"], 1
    for number, stage in enumerate(stages, start=1):
        last = number == len(stages)
        body = stage["body"]
        yield _Step(stage["stem"], [], jump, channels=3) if number == 1 else _Step(body, [], jump)
        yield _Step(body, [], jump)
        after = _widths(table["last_width"] if last else stages[number]["width"], scale)
        dilation = table["stage_dilations"][number - 1] if form == "dilated" else 1
        yield _Step(stage["down"], after, jump, dilation, times=len(stage["residual"]))
        jump *= 1 if form == "dilated" or (last and form == "strided") else 2


def _with_least(steps: list[_Step], width: int) -> list[_Step]:
    """The steps with the sum of the cheapest words at the narrowest widths from each on."""
    costs = []
    for step in steps:
        out = min(step.after, default=width)
        costs.append(min(weights(word, step.channels or width, out) for word in step.words))
        width = out
    return [step._replace(least=sum(costs[i:])) for i, step in enumerate(steps)]


def _widths(choice: dict[str, int], scale: float) -> list[int]:
    return [round(width * scale) for width in range(choice["low"], choice["high"] + 1, choice["step"])]


def _longer(part: _Part, step: _Step) -> Iterator[_Part]:
    for word in step.words:
        for out in step.after or [part.width]:
            yield _Part(
                out,
                part.params + weights(word, step.channels or part.width, out),
                min(_FIELD, part.field + _REACH[word] * step.dilation * step.jump),
                part.is_dilated or step.dilation > 1 or "d2" in word,
                part.is_separable or word.startswith("sep"),
            )
