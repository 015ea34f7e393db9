"""Random networks for the tests that drive the trace against the gradient probe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


class Shared(nn.Module):
    """One module called several times."""

    def __init__(self, part: nn.Module, times: int) -> None:
        super().__init__()
        self.part, self.times = part, times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            x = self.part(x)
        return x


class Bare(nn.Module):
    """A convolution written as a function with parameters of the module."""

    def __init__(self, kernel: tuple[int, ...], stride: int, padding: int) -> None:
        super().__init__()
        self.kernels = nn.Parameter(torch.ones(CHANNELS, CHANNELS, *kernel))
        self.scale = nn.Parameter(torch.ones(CHANNELS, *(1 for _ in kernel)))
        self.stride, self.padding = stride, padding
        self.convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[len(kernel) - 1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.convolve(x * self.scale, self.kernels, None, self.stride, self.padding)
        return result

    def extra_repr(self) -> str:
        return f"{tuple(self.kernels.shape[2:])}, stride={self.stride}, padding={self.padding}"


class Gate(nn.Module):
    """Squeeze-and-excitation."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.pool: nn.Module = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[dims - 1](1)
        convolution: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
        self.down, self.up = convolution(CHANNELS, 2, 1), convolution(2, CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale: torch.Tensor = self.up(F.relu(self.down(self.pool(x))))
        return x * scale.sigmoid()


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
        self.mix = nn.Parameter(torch.ones(CHANNELS, CHANNELS * len(branches)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bc...,dc->bd...", torch.cat(_cropped([b(x) for b in self.branches]), 1), self.mix)


class Skip(nn.Module):
    """A branch resized to its input and added to it, as a decoder joins its encoder."""

    def __init__(self, branch: nn.Module, mode: str) -> None:
        super().__init__()
        self.branch, self.mode = branch, mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deep: torch.Tensor = self.branch(x)
        return x + F.interpolate(deep, size=x.shape[2:], mode=self.mode)

    def extra_repr(self) -> str:
        return self.mode


def _cropped(maps: list[torch.Tensor]) -> list[torch.Tensor]:
    """The maps cropped to the smallest; the first replaces one of another resolution."""
    first = maps[0]
    axes = range(2, first.dim())
    maps = [m if all(0.7 < m.shape[a] / first.shape[a] < 1.4 for a in axes) else first for m in maps]
    smallest = [slice(min(m.shape[a] for m in maps)) for a in axes]
    return [m[:, :, *smallest] for m in maps]


def _gate(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


def _branches_on_data(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x, 3, 1) if x.square().sum() >= 0 else x


def _split_in_space(x: torch.Tensor) -> torch.Tensor:
    top, bottom = torch.split(x, [x.shape[2] // 2, x.shape[2] - x.shape[2] // 2], 2)
    return F.avg_pool2d(torch.cat([top, bottom], 2), (1, 3), 1)


def _shifted_channels(x: torch.Tensor) -> torch.Tensor:
    a, b, c, d = x.chunk(4, 1)
    moved = [a.roll(1, 2), b.roll(-1, 2), F.pad(c, (1, 0))[..., :-1], F.pad(d, (0, 2))[..., 2:]]
    return torch.cat(moved, 1).mean(1, keepdim=True).expand(-1, CHANNELS, -1, -1)


def _windowed_attention(x: torch.Tensor) -> torch.Tensor:
    b, c, h, w = x.shape
    h, w = h // 4, w // 2
    cut = x[:, :, : 4 * h, : 2 * w].reshape(b, c, h, 4, w, 2)
    tokens = cut.permute(0, 2, 4, 3, 5, 1).reshape(b * h * w, 8, c)
    seen = F.scaled_dot_product_attention(tokens, tokens, tokens)
    return seen.reshape(b, h, w, 4, 2, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, 4 * h, 2 * w)


def _space_to_depth(x: torch.Tensor) -> torch.Tensor:
    even = x[:, :, : x.shape[2] // 2 * 2, : x.shape[3] // 3 * 3]
    focus = torch.cat([even[:, :, i::2, j::3] for i in (0, 1) for j in (0, 2)], 1)
    return focus.reshape(1, 4, CHANNELS, *focus.shape[2:]).sum(1)


def _linear_over_channels(x: torch.Tensor) -> torch.Tensor:
    return F.linear(x.movedim(1, -1), torch.ones(CHANNELS, CHANNELS, dtype=x.dtype)).movedim(-1, 1)


def _unfold_method(x: torch.Tensor) -> torch.Tensor:
    return x.unfold(2, 3, 2).unfold(3, 2, 1).mean((-2, -1))


def _stacked(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x[:, :, 1:], x[:, :, :-1]], 2).mean(2)


def _narrowed(x: torch.Tensor) -> torch.Tensor:
    return x.narrow(2, 1, x.shape[2] - 3) + x[:, :, 3:].clone()


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
    "upsampling by hand": lambda x: (
        x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 3).reshape(1, CHANNELS, 2 * x.shape[2], 3 * x.shape[3])
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
    "data-dependent": _branches_on_data,
    "split in space": _split_in_space,
    "shifted channels": _shifted_channels,
    "windowed attention": _windowed_attention,
    "space to depth": _space_to_depth,
    "linear over channels": _linear_over_channels,
    "unfold method": _unfold_method,
    "stack": _stacked,
    "narrow": _narrowed,
    "flip twice": lambda x: F.avg_pool2d(x.flip(2), (2, 1), 1).flip(2),
    "lp_pool2d": lambda x: F.lp_pool2d(x, 2, (2, 3), 2),
    "amax of windows": lambda x: x.unfold(2, 2, 2).amax(-1),
    "area": lambda x: F.interpolate(x, size=(x.shape[2] // 2, x.shape[3]), mode="area"),
    "crop": lambda x: F.pad(x, (-1, 2, 0, -1)),
    "replicate": lambda x: F.pad(x, (2, 0, 0, 1), mode="replicate"),
    "circular": lambda x: F.pad(x, (1, 2, 2, 1), mode="circular"),
    "group norm": lambda x: F.group_norm(x, 2),
    "difference": lambda x: x[:, :, 1:] + x[:, :, :-1],
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (x.shape[2] * 2 // 3, x.shape[3] // 2)),
}


def _per_axis(values: st.SearchStrategy[int], dims: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*(values for _ in range(dims)))


@st.composite
def convolutions(draw: st.DrawFn, dims: int = 2) -> nn.Module:
    """Asymmetric kernels, strides and dilations, even kernels, "same", groups, shared and bare ones."""
    kind: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    kernel = draw(_per_axis(st.integers(1, 5), dims))
    stride = draw(_per_axis(st.sampled_from([1, 1, 1, 2, 3]), dims))
    dilation = draw(_per_axis(st.sampled_from([1, 1, 1, 2, 3]), dims))
    groups = draw(st.sampled_from([1, 1, 2, CHANNELS]))
    how = draw(st.sampled_from(["plain", "plain", "same", "shared", "bare"]))
    if how == "bare":
        return Bare(kernel, draw(st.integers(1, 2)), draw(st.integers(0, 1)))
    if how == "same":
        return kind(CHANNELS, CHANNELS, kernel, padding="same", dilation=dilation, groups=groups)  # type: ignore[no-any-return]
    if how == "shared":
        small = tuple(min(k, 3) for k in kernel)
        return Shared(kind(CHANNELS, CHANNELS, small, padding="same", groups=groups), draw(st.integers(2, 3)))
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"]))
    padding = draw(_per_axis(st.integers(0, 2), dims))
    made: nn.Module = kind(CHANNELS, CHANNELS, kernel, stride, padding, dilation, groups, padding_mode=mode)
    return made


@st.composite
def transposed(draw: st.DrawFn, dims: int = 2) -> nn.Module:
    """Transposed convolutions with output padding, whose windows meet so that no unit sees nothing."""
    kind: Any = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 1]
    stride, padding = draw(_per_axis(st.integers(1, 3), dims)), draw(st.integers(0, 1))
    kernel = tuple(draw(st.integers(s, 4)) for s in stride)
    dilation = draw(st.integers(1, 2)) if max(stride) == 1 else 1
    extra = draw(st.integers(0, 1)) if all(s > 1 for s in stride) else 0
    made: nn.Module = kind(
        CHANNELS, CHANNELS, kernel, stride, padding, extra, draw(st.sampled_from([1, CHANNELS])), dilation=dilation
    )
    return made


@st.composite
def pools(draw: st.DrawFn, dims: int = 2) -> nn.Module:
    """Average, maximum and adaptive pooling with every option."""
    kernel = draw(_per_axis(st.integers(1, 3), dims))
    stride, ceil_mode = draw(_per_axis(st.integers(1, 3), dims)), draw(st.booleans())
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    how = draw(st.sampled_from(["average", "maximum", "adaptive average", "adaptive maximum"]))
    if how == "average":
        average: Any = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[dims - 1]
        return average(kernel, stride, padding, ceil_mode, draw(st.booleans()))  # type: ignore[no-any-return]
    if how == "maximum":
        maximum: Any = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[dims - 1]
        dilation = draw(st.sampled_from([1, 1, 2])) if not ceil_mode else 1
        return maximum(kernel, stride, padding, dilation, False, ceil_mode)  # type: ignore[no-any-return]
    size: Any = draw(_per_axis(st.integers(16, 24), dims))
    kinds: Any = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
    if how == "adaptive maximum":
        kinds = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
    return kinds[dims - 1](size)  # type: ignore[no-any-return]


@st.composite
def upsampling(draw: st.DrawFn, dims: int = 2) -> nn.Module:
    """Interpolation up and down, by a factor or to a size."""
    mode = draw(st.sampled_from(["nearest", "nearest-exact", ("linear", "bilinear", "trilinear")[dims - 1]]))
    aligned = {} if mode.startswith("nearest") else {"align_corners": draw(st.booleans())}
    if draw(st.booleans()):
        return nn.Upsample(size=draw(_per_axis(st.integers(40, 80), dims)), mode=mode, **aligned)
    factor: Any = draw(st.tuples(*(st.sampled_from([0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0]) for _ in range(dims))))
    recompute = draw(st.sampled_from([None, True]))
    return nn.Upsample(scale_factor=factor, mode=mode, recompute_scale_factor=recompute, **aligned)


def functions() -> st.SearchStrategy[nn.Module]:
    """The two-dimensional functions by their names."""
    return st.sampled_from(sorted(FUNCTIONS)).map(lambda name: Function(name, FUNCTIONS[name]))


def layers(dims: int = 2) -> st.SearchStrategy[nn.Module]:
    """Any layer of CHANNELS channels."""
    every = [convolutions(dims), convolutions(dims), pools(dims), upsampling(dims), transposed(dims)]
    every += [st.builds(Gate, st.just(dims)), *([functions()] * 4 if dims == 2 else [])]
    return st.one_of(every)


def networks(dims: int = 2) -> st.SearchStrategy[nn.Module]:
    """Chains, sums, concatenations and skips of any layers, from 3 channels to a map of CHANNELS."""
    chain = st.lists(layers(dims), min_size=1, max_size=4).map(lambda ls: nn.Sequential(*ls))
    short = st.lists(layers(dims), min_size=1, max_size=2).map(lambda ls: nn.Sequential(*ls))
    branch = st.one_of(st.just(nn.Identity()), short)
    joins = st.one_of(
        st.builds(Sum, branch, branch),
        st.builds(Concat, branch, branch),
        st.builds(Concat, branch, branch, branch),
        st.builds(Skip, short, st.sampled_from(["nearest", ("linear", "bilinear", "trilinear")[dims - 1]])),
    )
    body = st.lists(st.one_of(chain, joins), min_size=1, max_size=2)
    first: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    last = Function("scale", lambda x: x * 2.0)
    return body.map(lambda parts: nn.Sequential(first(3, CHANNELS, 1), *parts, last))


def strips(dims: int) -> list[tuple[int, ...]]:
    """For each axis an input size that is long along it."""
    long, across = {1: (96, 96), 2: (64, 20), 3: (40, 10)}[dims]
    return [(3, *(long if a == axis else across for a in range(dims))) for axis in range(dims)]
