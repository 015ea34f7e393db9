"""Random networks for the tests that drive the trace against the gradient probe."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import nn

CHANNELS = 4


class Function(nn.Module):
    """A module around a function of one tensor."""

    def __init__(self, name: str, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.name, self.function = name, function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return self.name


class Sum(nn.Module):
    """Branches cropped to the smallest and added."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total, *rest = _cropped([b(x) for b in self.branches])
        for branch in rest:
            total = total + branch
        return total


class Concat(nn.Module):
    """Branches cropped to the smallest, concatenated over channels and mixed."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.mix = nn.Conv2d(CHANNELS * len(branches), CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = self.mix(torch.cat(_cropped([b(x) for b in self.branches]), 1))
        return mixed


def _cropped(maps: list[torch.Tensor]) -> list[torch.Tensor]:
    """The maps cropped to the smallest; one of another resolution gives way to the first."""
    first = maps[0]
    maps = [m if all(0.7 < m.shape[a] / first.shape[a] < 1.4 for a in (2, 3)) else first for m in maps]
    height, width = (min(m.shape[axis] for m in maps) for axis in (2, 3))
    return [m[:, :, :height, :width] for m in maps]


def _gate(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


def _patched(x: torch.Tensor) -> torch.Tensor:
    b, c, h, w = x.shape
    h, w = h // 2, w // 2
    tokens = x[:, :, : 2 * h, : 2 * w].reshape(b, c, h, 2, w, 2).permute(0, 2, 4, 3, 5, 1).reshape(b, h * w, 4 * c)
    mixed = tokens @ torch.full((4 * c, c), 0.25, dtype=x.dtype)
    return mixed.transpose(1, 2).reshape(b, c, h, w)


def _unfolded(x: torch.Tensor) -> torch.Tensor:
    columns = F.unfold(x, (3, 1), padding=(1, 0), dilation=(2, 1), stride=(1, 2))
    height, width = x.shape[2] - 2, (x.shape[3] - 1) // 2 + 1
    mixed = torch.full((CHANNELS, columns.shape[1]), 0.1, dtype=x.dtype) @ columns
    return mixed.reshape(1, CHANNELS, height, width)


def _shift_by_writing(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(x)
    out[:, :2, 1:] = x[:, :2, :-1]
    out[:, 2:, :, :-2] = x[:, 2:, :, 2:]
    return out.sum(1, keepdim=True).expand(-1, CHANNELS, -1, -1)


FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu,
    "swish by hand": lambda x: x * torch.sigmoid(x),
    "max_pool2d": lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    "max_pool2d 3/1": lambda x: F.max_pool2d(x, 3, 1, 1),
    "max_pool2d dilated": lambda x: F.max_pool2d(x, 2, 1, dilation=2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, (3, 2), (1, 2)),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "nearest 1.5": lambda x: F.interpolate(x, scale_factor=1.5),
    "nearest-exact": lambda x: F.interpolate(x, scale_factor=(2, 3), mode="nearest-exact"),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "bilinear x3": lambda x: F.interpolate(x, scale_factor=3, mode="bilinear"),
    "bilinear down": lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear"),
    "bilinear antialias": lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True),
    "bicubic": lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"),
    "corners": lambda x: F.interpolate(x, size=(x.shape[2] * 2, x.shape[3]), mode="bilinear", align_corners=True),
    "pixel unshuffle": lambda x: (
        F.pixel_unshuffle(x[:, :, : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2], 2)
        .reshape(1, CHANNELS, 4, x.shape[2] // 2, x.shape[3] // 2)
        .sum(2)
    ),
    "pixel shuffle": lambda x: F.pixel_shuffle(x.repeat(1, 4, 1, 1), 2),
    "slice": lambda x: x[:, :, 1:, :-1],
    "strided slice": lambda x: x[:, :, 1::2, ::2],
    "pad": lambda x: F.pad(x, (2, 1, 0, 3)),
    "reflect": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "roll": lambda x: x + torch.roll(x, (1, -2), (2, 3)),
    "chunk": lambda x: (
        torch.cat([F.avg_pool2d(a, 3, 1, 1) if i else a for i, a in enumerate(x.chunk(2, 1))], 1).sum(1, keepdim=True)
        + x
    ),
    "gate": _gate,
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (CHANNELS,)).permute(0, 3, 1, 2),
    "einsum": lambda x: torch.einsum("bchw,dc->bdhw", x, torch.ones(CHANNELS, CHANNELS, dtype=x.dtype)),
    "patches": _patched,
    "unfold": _unfolded,
    "writes": _shift_by_writing,
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (x.shape[2] * 2 // 3, x.shape[3] // 2)),
}


@st.composite
def convolutions(draw: st.DrawFn) -> nn.Module:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 2), (3, 1)]))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3)]))
    groups = draw(st.sampled_from([1, 1, CHANNELS]))
    if draw(st.integers(0, 4)) == 0:
        return nn.ConvTranspose2d(
            CHANNELS, CHANNELS, kernel, stride, dilation=dilation, padding=draw(st.integers(0, 1)), groups=groups
        )
    if stride == (1, 1) and draw(st.booleans()):
        return nn.Conv2d(CHANNELS, CHANNELS, kernel, padding="same", dilation=dilation, groups=groups)
    return nn.Conv2d(CHANNELS, CHANNELS, kernel, stride, draw(st.integers(0, 2)), dilation, groups)


def functions() -> st.SearchStrategy[nn.Module]:
    return st.sampled_from(sorted(FUNCTIONS)).map(lambda name: Function(name, FUNCTIONS[name]))


def layers() -> st.SearchStrategy[nn.Module]:
    return st.one_of(convolutions(), functions())


def networks() -> st.SearchStrategy[nn.Module]:
    """Chains, sums and concatenations of convolutions and functions, from 3 channels to a map of CHANNELS."""
    chain = st.lists(layers(), min_size=1, max_size=4).map(lambda ls: nn.Sequential(*ls))
    branch = st.one_of(
        st.just(nn.Identity()), st.lists(layers(), min_size=1, max_size=2).map(lambda ls: nn.Sequential(*ls))
    )
    joins = st.one_of(st.builds(Sum, branch, branch), st.builds(Concat, branch, branch))
    body = st.lists(st.one_of(chain, joins), min_size=1, max_size=2)
    last = Function("scale", lambda x: x * 2.0)
    return body.map(lambda parts: nn.Sequential(nn.Conv2d(3, CHANNELS, 1), *parts, last))
