"""Random networks whose stages follow from how they were written, and their split by trying every choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import nn

CHANNELS = 4


@dataclass(frozen=True, kw_only=True)
class Step:
    """A convolution of a chain as the definition has it: what it is, not how it runs."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    is_depthwise: bool = False
    is_second_half: bool = False
    """Whether it is the 1x1 convolution of a depthwise-separable pair."""
    is_also_dilated: bool = False
    """Whether a layer beside it, in a parallel branch, is dilated."""

    @property
    def is_spatial(self) -> bool:
        return self.kernel > 1 or self.is_also_dilated

    @property
    def is_dilated(self) -> bool:
        return self.is_also_dilated or (self.dilation > 1 and self.kernel > 1)


@dataclass(frozen=True, kw_only=True)
class Other:
    """Something between convolutions that ends no stage."""

    kind: str


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Branches that are joined, each of which halves the map as often as the others."""

    branches: tuple[Chain, ...]
    is_concatenation: bool = False


Chain = tuple["Step | Other | Parallel", ...]
_OTHERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "average": lambda x: F.avg_pool2d(x, 2, ceil_mode=True),
    "maximum": lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    "resized": lambda x: F.interpolate(x, scale_factor=2),
    "gate": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "space to depth": lambda x: F.pixel_unshuffle(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)), 2)[:, ::4],
    "relu": F.relu,
}


class Staged(nn.Module):
    """The network of a chain."""

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self.chain = chain
        self.parts = nn.ModuleList(_module(part) for part in chain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part, module in zip(self.chain, self.parts, strict=True):
            x = _OTHERS[part.kind](x) if isinstance(part, Other) else module(x)
        return x


class Joined(nn.Module):
    """Parallel chains, stacked and added, or concatenated and then added."""

    def __init__(self, parallel: Parallel) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Staged(chain) for chain in parallel.branches)
        self.is_concatenation = parallel.is_concatenation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [branch(x) for branch in self.branches]
        if self.is_concatenation:
            joined = torch.cat(maps, 1)
            return joined.reshape(-1, len(maps), CHANNELS, *joined.shape[2:]).sum(1)
        return torch.stack(maps).sum(0)


def _module(part: Step | Other | Parallel) -> nn.Module:
    if isinstance(part, Other):
        return nn.Identity()
    if isinstance(part, Parallel):
        return Joined(part)
    padding, groups = part.kernel // 2 * part.dilation, CHANNELS if part.is_depthwise else 1
    return nn.Conv2d(CHANNELS, CHANNELS, part.kernel, part.stride, padding, part.dilation, groups)


def path_of(chain: Chain) -> tuple[Step, ...]:
    """The convolutions of the main path; of branches the deepest, dilated where another one is, seen from its end."""
    found: list[Step] = []
    for part in chain:
        if isinstance(part, Step):
            found.append(part)
        elif isinstance(part, Parallel):
            paths = [path_of(branch) for branch in part.branches]
            deepest = max(paths, key=_depth)
            main = [*deepest]
            for other in paths:
                for i in range(1, min(len(main), len(other)) + 1):
                    if other[-i].is_dilated and not main[-i].is_dilated:
                        main[-i] = replace(main[-i], is_also_dilated=True)
            found += main
    return tuple(found)


def _depth(path: Sequence[Step]) -> tuple[int, int]:
    return sum(step.kernel > 1 for step in path), len(path)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to end stages."""

    ends: frozenset[int]
    counts: tuple[int, ...]


def counted(path: Sequence[Step], ends: frozenset[int]) -> tuple[int, ...]:
    """The convolutions of each stage, by walking along the path once."""
    counts: list[int] = []
    convs, is_spatial = 0, False
    for i, step in enumerate(path):
        convs += not step.is_second_half
        is_spatial |= step.is_spatial
        if i in ends:
            counts.append(convs)
            convs, is_spatial = 0, False
    return (*counts, convs) if is_spatial else tuple(counts)


def judged_by(path: Sequence[Step], holds: Callable[[tuple[int, ...]], bool]) -> Choice:
    """The split that constraints are judged by, from all choices of dilated convolutions."""
    strided = frozenset(i for i, step in enumerate(path) if step.stride > 1)
    dilated = [i for i, step in enumerate(path) if step.is_dilated and i not in strided]
    for number in range(len(dilated) + 1):
        for chosen in combinations(dilated, number):  # the earliest first
            ends = strided | {*chosen}
            if holds(counts := counted(path, ends)):
                return Choice(ends=ends, counts=counts)
    return Choice(ends=strided, counts=counted(path, strided))


def _is_second_half(parts: Sequence[Step | Other | Parallel]) -> bool:
    return any(isinstance(part, Step) and part.is_second_half for part in parts)


@st.composite
def chains(draw: st.DrawFn, depth: int = 2, most: int = 9, halvings: int | None = None) -> Chain:
    """A chain of convolutions, pairs, pools, gates and branches; with ``halvings``, of exactly so many."""
    parts: list[Step | Other | Parallel] = []
    for _ in range(draw(st.integers(0 if halvings is not None else 1, most))):
        kind = draw(st.sampled_from(["conv", "conv", "conv", "pair", "other", "parallel" if depth else "conv"]))
        stride = 1 if halvings is not None else draw(st.sampled_from([1, 1, 2]))
        dilation = draw(st.sampled_from([1, 1, 2]))
        if kind == "conv":
            parts.append(Step(kernel=draw(st.sampled_from([1, 3, 3])), stride=stride, dilation=dilation))
        elif kind == "pair":
            parts.append(Step(kernel=3, stride=stride, dilation=dilation, is_depthwise=True))
            parts.append(Step(kernel=1, is_second_half=True))
        elif kind == "other":
            names = ["relu", "gate"] if halvings is not None else list(_OTHERS)
            parts.append(Other(kind=draw(st.sampled_from(names))))
        else:
            times = 0 if halvings is not None else draw(st.integers(0, 1))
            inner = st.lists(chains(depth - 1, 3, times), min_size=2, max_size=3)
            parts.append(Parallel(branches=tuple(draw(inner)), is_concatenation=draw(st.booleans())))
    if halvings:
        halved = draw(st.sampled_from(["average", "maximum", "conv", "conv"]))
        step = Step(kernel=draw(st.sampled_from([1, 3])), stride=2) if halved == "conv" else Other(kind=halved)
        places = [i for i in range(len(parts) + 1) if not _is_second_half(parts[i : i + 1])]
        parts.insert(draw(st.sampled_from(places)), step)
    return tuple(parts)
