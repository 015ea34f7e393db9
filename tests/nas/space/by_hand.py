"""Figures of networks of plain layers, written down from their formulas alone: nothing of the tool computes them."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache
from typing import NamedTuple


def params(word: str, channels: int, out: int) -> int:
    """Weights of a layer and two numbers a channel for every norm, of which each convolution has one."""
    if word == "pw":
        return channels * out + 2 * out
    if word.startswith("sep"):
        return int(word[3]) ** 2 * channels + 2 * channels + channels * out + 2 * out
    groups = 4 if word.endswith("g4") else 1
    return int(word[1]) ** 2 * channels * out // groups + 2 * out


def macs(word: str, channels: int, out: int, side: int) -> int:
    """Weights times the places of the result, a square map."""
    norms = 2 * out + 2 * channels * word.startswith("sep")
    return side**2 * (params(word, channels, out) - norms)


def reach(word: str, dilation: int = 1) -> int:
    """What a layer adds to the receptive field at jump 1."""
    kernel = 1 if word == "pw" else int(word.removeprefix("sep").removeprefix("c")[0])
    return (kernel - 1) * (2 if "d2" in word else dilation)


class Small(NamedTuple):
    """A network of the space of two strided stages in tests/nas/space/test_feasible.py."""

    first: int
    second: int
    last: int
    stem: str
    body: str
    is_residual: bool

    @property
    def params(self) -> int:
        """Of two stages of two layers and a linear layer to ten classes."""
        layers = params(self.stem, 3, self.first) + params("c3", self.first, self.second)
        layers += params(self.body, self.second, self.second) + params("c3", self.second, self.last)
        return layers + 10 * self.last + 10

    @property
    def macs(self) -> int:
        """The first stage ends with a stride, so the maps have sides of 32 and then 16."""
        layers = macs(self.stem, 3, self.first, 32) + macs("c3", self.first, self.second, 16)
        layers += macs(self.body, self.second, self.second, 16) + macs("c3", self.second, self.last, 16)
        return layers + 10 * self.last

    @property
    def text(self) -> str:
        """In the notation of an architecture."""
        stem = f"c{self.first}" + "k5" * (self.stem == "c5")
        parts = ["dwd2", f"pw{self.second}"] if self.body == "sep3d2" else [f"c{self.second}"]
        body = "+" + ".".join(parts) if self.is_residual else "-".join(parts)
        return f"BR/{stem}-c{self.second}s2/{body}-c{self.last}/fc"


def small_networks() -> list[Small]:
    """All 64."""
    widths, words, residuals = (8, 16), (("c3", "c5"), ("c3", "sep3d2")), (False, True)
    return [Small(*choice) for choice in itertools.product(widths, widths, widths, *words, residuals)]


BODY = ("c3", "c3d2", "c3g4", "sep3", "sep5", "sep3d2", "pw")
DOWN = ("c3", "sep3", "sep5")
LOWEST = (16, 24, 32, 48, 64)
"""Smallest width of each stage of the preset ``assignment``, and of the last map; ``HIGHEST`` the largest."""
HIGHEST = (32, 64, 96, 128, 160)
STEPS = (8, 8, 8, 8, 16)
ENDS = (2, 2, 4, 8)
ACTIVATIONS = 4


class _Chain(NamedTuple):
    """What the layers so far add up to."""

    params: int
    field: int
    dilated: int
    separable: int
    closing: int
    """Layers that end a stage where nothing strides."""


def assignment_networks_below(limit: int) -> int:
    """Networks of the preset ``assignment`` that keep the assignment's rules with fewer than ``limit`` parameters."""
    return ACTIVATIONS * sum(_below(limit, form) for form in ("strided", "strided-last", "dilated"))


def _below(limit: int, form: str) -> int:
    """Chains are followed as long as the cheapest rest, of the smallest widths, keeps them below the limit."""
    chains = Counter({(width, _Chain(0, 1, 0, 0, 0)): 1 for width in _widths(0, form)})
    for i in range(len(ENDS)):
        longer: Counter[tuple[int, _Chain]] = Counter()
        for (width, chain), times in chains.items():
            for after in _widths(i + 1, form):
                left = limit - chain.params - _cheapest(i + 1, after, form)
                for stage in _stages(i, form, width, after) if _cheapest(i, width, form, after) < left else ():
                    if stage.params < left:
                        added = _Chain(*(a + b for a, b in zip(chain, stage, strict=True)))
                        longer[after, added] += 2 * times  # plain or residual
        chains = longer
    return sum(times * _heads(limit, form, *end) for end, times in chains.items())


def _heads(limit: int, form: str, width: int, chain: _Chain) -> int:
    """How many heads end a chain that keeps the rules: linear, 1x1, and a last 1x1 without a bias."""
    stages = chain.closing if form == "dilated" else 4
    keeps = chain.field > 44 and chain.dilated >= 1 and chain.separable >= 1 and stages == 4
    return sum(chain.params + head < limit for head in (10 * width + 10, 10 * width + 10, 10 * width)) if keeps else 0


def _cheapest(i: int, width: int, form: str, after: int | None = None) -> int:
    """The fewest parameters of stage ``i`` and, where it is not said what follows, of all after it."""
    if i == len(ENDS):
        return 10 * width
    rest = 0 if after else _cheapest(i + 1, _widths(i + 1, form)[0], form)
    after = after or _widths(i + 1, form)[0]
    first = params("c3", 3, width) if i == 0 else params("pw", width, width)
    return first + params("pw", width, width) + params("sep3", width, after) + rest


def _widths(i: int, form: str) -> list[int]:
    return [w // 2 if form == "dilated" else w for w in range(LOWEST[i], HIGHEST[i] + 1, STEPS[i])]


@cache
def _stages(i: int, form: str, width: int, after: int) -> list[_Chain]:
    """What each choice of three layers adds."""
    found = []
    jump = 1 if form == "dilated" else 2**i
    end = ENDS[i] if form == "dilated" else 1
    for words in itertools.product(("c3",) if i == 0 else BODY, BODY, DOWN):
        first, second, down = words
        dilated = sum("d2" in w for w in words[:2])
        weights = params(first, 3 if i == 0 else width, width)
        weights += params(second, width, width) + params(down, width, after)
        field = jump * (reach(first) + reach(second) + reach(down, end))
        separable = sum(w.startswith("sep") for w in words)
        found.append(_Chain(weights, field, dilated + (end > 1), separable, dilated + (end > 1)))
    return found
