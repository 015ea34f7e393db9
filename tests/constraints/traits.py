"""Random networks with traits that hide what they do: partial writes, views, threads, odd outputs, unknown operators.

``python -m tests.constraints.traits N [SEED]`` draws N networks and holds each trace against float64 gradients.
An unknown operator is put into every second network: what comes of it must be unknown. Every network is drawn from its
own number, so that ``python -m tests.constraints.traits 1 SEED`` shows one again.
"""

from __future__ import annotations

import math
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from constraints.tracer import trace
from tests.constraints.compared import along
from tests.constraints.drawn import CHANNELS, Concat, Function, Gate, Shared, Sum

Step = Callable[[torch.Tensor], torch.Tensor]
_STRIPS = ((3, 48, 16), (3, 16, 48))
"""For each axis an input size that is long along it."""
_POOL = ThreadPoolExecutor(1)
"""A thread that runs before any trace begins."""


def _wide(x: torch.Tensor, kernel: int = 5) -> torch.Tensor:
    return F.avg_pool2d(x, kernel, 1, kernel // 2)


def _tall(x: torch.Tensor, kernel: int = 5) -> torch.Tensor:
    return F.avg_pool2d(x, (kernel, 1), 1, (kernel // 2, 0))


def _mixed(x: torch.Tensor) -> torch.Tensor:
    return x.mean(1, keepdim=True).expand(-1, CHANNELS, -1, -1)


def _half_of_channels(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, 2:] = _wide(x)[:, 2:]
    return _mixed(y)


def _hidden_channels(x: torch.Tensor) -> torch.Tensor:
    y = _wide(x, 7)  # of which nothing is left
    y[:, :2] = x[:, 2:]
    y[:, 2:] = _wide(x, 3)[:, :2]
    return _mixed(y)


def _every_other_channel(x: torch.Tensor) -> torch.Tensor:
    y = _wide(x, 3)
    y[:, ::2].copy_(_wide(x)[:, 1::2])
    return _mixed(y)


def _interlaced(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros_like(x)
    y[:, :, ::2] = x[:, :, ::2]
    y[:, :, 1::2] = _tall(x)[:, :, 1::2]
    return y


def _two_pieces(x: torch.Tensor) -> torch.Tensor:
    cut = x.shape[3] * 5 // 8
    y = x.new_empty(x.shape)
    y[..., :cut] = _wide(x, 3)[..., :cut]
    y[..., cut:] = _wide(x)[..., cut:]
    return y


def _inner_box(x: torch.Tensor) -> torch.Tensor:
    h, w = x.shape[2] // 4, x.shape[3] // 4
    y = x.clone()
    y[:, :, h:-h, w:-w] = _wide(x)[:, :, h:-h, w:-w]
    return y


def _row_by_row(x: torch.Tensor) -> torch.Tensor:
    y, wide = torch.empty_like(x), _tall(x, 3)
    for i in range(x.shape[2]):
        y[:, :, i] = (wide if i % 3 else x)[:, :, i]
    return y


def _rows_unbound(x: torch.Tensor) -> torch.Tensor:
    rows = [row * 2 for row in x.unbind(2)]
    return _wide(torch.stack(rows, 2), 3)


def _rows_of_two(x: torch.Tensor) -> torch.Tensor:
    wide = _tall(x)
    return torch.cat([(x if i % 2 else wide)[:, :, i : i + 1] for i in range(x.shape[2])], 2)


def _stale_view(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    left, right = y[:, :2], y[:, 2:]
    y += _wide(x)
    return _mixed(torch.cat([right, left], 1))


def _through_views(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.permute(0, 2, 3, 1)[..., 1:3].add_(_wide(x).permute(0, 2, 3, 1)[..., 1:3])
    y.view(1, CHANNELS, -1)[:, 3] *= 2
    return _mixed(y)


def _turned_view(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros_like(x)
    y.transpose(2, 3).copy_(_wide(x).transpose(2, 3))
    return y


def _channels_apart(x: torch.Tensor) -> torch.Tensor:
    y = torch.cat([_wide(x), x], 1).relu()
    return y[:, CHANNELS:] + F.avg_pool2d(y[:, CHANNELS:], 3, 1, 1)


def _coupled(x: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, 1)
    y = torch.cat([a, b + _wide(a)], 1)
    a, b = y.chunk(2, 1)
    return torch.cat([a + _wide(a, 3), a], 1)


def _with_summand(x: torch.Tensor) -> torch.Tensor:
    b, c, h, w = x.shape
    rest = _wide(x).permute(0, 2, 3, 1).reshape(-1, c)
    y = torch.addmm(rest, x.permute(0, 2, 3, 1).reshape(-1, c), torch.ones(c, c, dtype=x.dtype))
    return y.view(b, h, w, c).permute(0, 3, 1, 2)


def _patches_in_batch(x: torch.Tensor) -> torch.Tensor:
    b, c, h, w = x.shape
    h, w = h // 4, w // 4
    y = x[:, :, : 4 * h, : 4 * w].reshape(b, c, h, 4, w, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, c, 4, 4)
    y = _wide(_wide(y, 3), 3)
    return y.reshape(b, h, w, c, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(b, c, 4 * h, 4 * w)


def _given_out(x: torch.Tensor) -> torch.Tensor:
    if x.requires_grad:  # autograd takes no out=
        return torch.cat([_wide(x)[:, :2], x[:, 2:]], 1).mean(1, keepdim=True).expand(-1, CHANNELS, -1, -1)
    y = torch.empty_like(x)
    torch.cat([_wide(x)[:, :2], x[:, 2:]], 1, out=y)
    return _mixed(y)


def _indexed_write(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, [0, 3]] = _wide(x)[:, [1, 2]]
    return _mixed(y)


def _scattered_slice(x: torch.Tensor) -> torch.Tensor:
    return _mixed(torch.slice_scatter(x, _wide(x)[:, 1:3], 1, 0, 2))


def _zeroed(x: torch.Tensor) -> torch.Tensor:
    y = _wide(x)
    y[:, 2:] = 0
    return _mixed(y)


def _copied(x: torch.Tensor) -> torch.Tensor:
    return _wide(x) if x.requires_grad else deepcopy(_wide(x)) * 1.0


def _set_data(x: torch.Tensor) -> torch.Tensor:
    if x.requires_grad:
        return _wide(x)
    y = torch.empty_like(x)
    y.data = _wide(x)
    return y * 1.0


def _gated_linear(x: torch.Tensor) -> torch.Tensor:
    return F.glu(torch.cat([x, _wide(x, 3)], 1), 1)


class _Plane(torch.Tensor):
    pass


def _subclassed(x: torch.Tensor) -> torch.Tensor:
    if x.requires_grad:
        return _wide(x)
    return _wide(x.as_subclass(_Plane)).as_subclass(torch.Tensor) * 1.0


def _groups_apart(x: torch.Tensor) -> torch.Tensor:
    groups = x.unflatten(1, (2, CHANNELS // 2))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    y = groups.clone()
    y[:, 0] = _wide(groups[:, 0])
    first, rest = torch.tensor_split(y.flatten(1, 2), [1], 1)
    return _mixed(torch.cat([rest, first], 1))


def _weighed(x: torch.Tensor) -> torch.Tensor:
    return torch.lerp(x, _wide(x, 3), x.sigmoid())


def _larger(x: torch.Tensor) -> torch.Tensor:
    return torch.max(x, _wide(x, 3))


def _bounded(x: torch.Tensor) -> torch.Tensor:
    return x.clamp(min=_tall(x, 3))


def _rectified(x: torch.Tensor) -> torch.Tensor:
    return x + F.relu(_wide(x, 3) - x)


def _of_two(x: torch.Tensor) -> torch.Tensor:
    """Two channels of a map and two of another one, shifted by three rows."""
    return torch.cat([x[:, :2], x.roll(3, 2)[:, 2:]], 1)


def _slice_of_a_stack(x: torch.Tensor) -> torch.Tensor:
    y = _of_two(x)
    return _mixed(torch.stack([y, y.roll(-2, 3)], 2).flatten(1, 2)[:, 1:4])


def _slice_of_a_batch(x: torch.Tensor) -> torch.Tensor:
    return _mixed(_of_two(x).expand(2, -1, -1, -1)[1:, 2:])


def _slice_of_tiles(x: torch.Tensor) -> torch.Tensor:
    return _mixed(_of_two(x).repeat(1, 2, 1, 1)[:, 2:5])


def _repeated_channels(x: torch.Tensor) -> torch.Tensor:
    return _mixed(_of_two(x).repeat_interleave(2, 1)[:, 4:7])


def _channels_in_turns(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros_like(x).repeat(1, 2, 1, 1)
    y[:, ::2], y[:, 1::2] = x, x.roll(3, 2)
    return _mixed(_tall(y, 3)[:, 1::2])


def _channels_as_rows(x: torch.Tensor) -> torch.Tensor:
    return _mixed(F.avg_pool2d(_of_two(x).transpose(0, 1), (1, 3), 1, (0, 1)).transpose(0, 1)[:, 1:3])


FUNCTIONS: dict[str, Step] = {
    f.__name__.strip("_").replace("_", " "): f
    for f in (
        _half_of_channels, _hidden_channels, _every_other_channel, _interlaced, _two_pieces, _inner_box, _row_by_row,
        _rows_unbound, _rows_of_two, _stale_view, _through_views, _turned_view, _channels_apart, _coupled,
        _with_summand, _patches_in_batch, _given_out, _indexed_write, _scattered_slice, _zeroed, _set_data, _copied,
        _gated_linear, _subclassed, _groups_apart, _weighed, _larger, _bounded, _rectified,
    )
}  # fmt: skip
"""What the trace follows."""


REARRANGED: dict[str, Step] = {
    f.__name__.strip("_").replace("_", " "): f
    for f in (
        _slice_of_a_stack, _slice_of_a_batch, _slice_of_tiles, _repeated_channels, _channels_in_turns,
        _channels_as_rows,
    )
}  # fmt: skip
"""Whole maps put together, repeated or moved, of which some channels are left: networks from ``REARRANGING`` on."""
REARRANGING = 500_000


def _blur(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x, 3, 1, 1)


def _blur_in_place(x: torch.Tensor) -> None:
    x.copy_(F.avg_pool2d(x, 3, 1, 1))


_LIBRARY: Any = torch.library.Library("drawn", "DEF")  # type: ignore[no-untyped-call]
_LIBRARY.define("blur(Tensor x) -> Tensor")
_LIBRARY.define("blur_(Tensor(a!) x) -> ()")
_LIBRARY.impl("blur", _blur, "CompositeExplicitAutograd")
_LIBRARY.impl("blur_", _blur_in_place, "CompositeExplicitAutograd")


def _custom_in_place(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    torch.ops.drawn.blur_(y)
    return y


def _numpy(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.roll(x.detach().numpy(), 3, 2))


def _numpy_in_place(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    array = y.numpy()
    array[:, :, 1:] += array[:, :, :-1].copy()
    return y


def _numpy_into_memory(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    y.numpy()[...] = np.roll(x.numpy(), 2, 3)
    return y * 1.0


def _python_numbers(x: torch.Tensor) -> torch.Tensor:
    return torch.tensor(x.tolist()).roll(2, 2)


def _one_number(x: torch.Tensor) -> torch.Tensor:
    return x * (1 + x[0, 0, -1, -1].item())


def _filled(x: torch.Tensor) -> torch.Tensor:
    return x + torch.full((1, 1, 1, 1), float(x[0, 0, 0, 0]) + 1.5)


def _elsewhere(x: torch.Tensor) -> torch.Tensor:
    """In a thread that no trace knows of."""
    found: list[torch.Tensor] = []
    done = threading.Event()
    _WORK.append((lambda: found.append(F.avg_pool2d(x, 3, 1, 1)), done))
    _READY.release()
    done.wait()
    return found[0]


_WORK: list[tuple[Callable[[], None], threading.Event]] = []
_READY = threading.Semaphore(0)


def _serve() -> None:
    while True:
        _READY.acquire()
        work, done = _WORK.pop()
        work()
        done.set()


threading.Thread(target=_serve, daemon=True).start()


def _permuted_rows(x: torch.Tensor) -> torch.Tensor:
    return x[:, :, torch.randperm(x.shape[2], generator=torch.Generator().manual_seed(1))]


def _wherever_positive(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros_like(x)
    y[x > 0] = x[x > 0]
    return y


def _sampled(x: torch.Tensor) -> torch.Tensor:
    grid = F.affine_grid(torch.eye(2, 3)[None] * 0.7, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def _side_by_side(x: torch.Tensor) -> torch.Tensor:
    x = F.pad(x, (0, 3))  # turned round is another map than before, however narrow it is
    return torch.cat([x, x.flip(3)], 3)


def _as_strided(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous().as_strided(x.shape, (0, x.shape[2] * x.shape[3], 0, 1)).clone()


def _through_a_diagonal(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.diagonal(0, 2, 3).mul_(_wide(x).diagonal(0, 2, 3))
    return y


def _of_a_number_alone(x: torch.Tensor) -> torch.Tensor:
    return x * torch.linspace(1, 2 + float(x[0, 0, 0, 0]) * 1.1, CHANNELS)[:, None, None]


def _by_its_own_places(x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, x[:, :, 2:5, 2:5].expand(CHANNELS, -1, -1, -1), padding=1)


def _seeded(x: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(int(x[0, 0, 0, 0] * 100))
    return x + torch.randn_like(x)


def _whole_part(x: torch.Tensor) -> torch.Tensor:
    return x + torch.full(x.shape, math.modf(float(x[0, 0, 0, 0]))[1])


def _mixture_of_columns(x: torch.Tensor) -> torch.Tensor:
    return x + x @ torch.linspace(-1, 1, x.shape[3] ** 2).view(x.shape[3], -1)


UNKNOWN: dict[str, Step] = {
    "custom": torch.ops.drawn.blur, "custom in place": _custom_in_place, "numpy": _numpy,
    "numpy in place": _numpy_in_place, "numpy into memory": _numpy_into_memory, "python numbers": _python_numbers,
    "one number": _one_number, "filled": _filled, "elsewhere": _elsewhere, "permuted rows": _permuted_rows,
    "sampled": _sampled, "side by side": _side_by_side, "as_strided": _as_strided, "diagonal": _through_a_diagonal,
    "of a number alone": _of_a_number_alone, "by its own places": _by_its_own_places, "seeded": _seeded,
    "whole part": _whole_part, "mixture of columns": _mixture_of_columns,
    "cumsum": lambda x: x.cumsum(2), "sort": lambda x: x.sort(3).values, "topk": lambda x: x.topk(x.shape[2], 2).values,
    "fft": lambda x: torch.fft.ifft2(torch.fft.fft2(x)).real, "wherever positive": _wherever_positive,
    "gather": lambda x: x.gather(2, torch.arange(x.shape[2]).flip(0)[None, None, :, None].expand_as(x)),
    "pinv": torch.linalg.pinv,
    "take": lambda x: x.take(torch.arange(x.numel()).flip(0)).reshape(x.shape),
    "logcumsumexp": lambda x: torch.logcumsumexp(x, 3),
    "renorm": lambda x: torch.renorm(x, 2, 1, 5.0),
}  # fmt: skip
"""What the trace does not follow along some axis."""
_OF_ANOTHER_SHAPE = ("side by side", "pinv")


class Threads(nn.Module):
    """Branches in threads, concatenated and mixed."""

    def __init__(self, branches: list[nn.Module], how: str) -> None:
        super().__init__()
        self.branches, self.how = nn.ModuleList(branches), how
        self.mix = nn.Parameter(torch.ones(CHANNELS, CHANNELS * len(branches)))
        self.is_plain = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.is_plain:
            maps = [b(x) for b in self.branches]
        elif self.how == "pool":
            with ThreadPoolExecutor(2) as pool:
                maps = list(pool.map(lambda b: b(x), self.branches))
        elif self.how == "running":
            maps = list(_POOL.map(lambda b: b(x), self.branches))
        else:
            maps = _in_threads(list(self.branches), x)
        return torch.einsum("bchw,dc->bdhw", torch.cat(maps, 1), self.mix)


def _in_threads(branches: list[nn.Module], x: torch.Tensor) -> list[torch.Tensor]:
    maps: dict[int, torch.Tensor] = {}
    threads = [threading.Thread(target=lambda i, b: maps.update({i: b(x)}), args=a) for a in enumerate(branches)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return [maps[i] for i in range(len(branches))]


class Written(nn.Module):
    """Some channels of a map written over by those of a branch."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, z = x.clone(), self.branch(x)
        if z.shape == y.shape:
            y[:, 1:3] = z[:, 1:3]
        return _mixed(y)


class Copied(nn.Module):
    """A copy of a layer by its attributes alone, whose taps are further apart."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        copy = object.__new__(nn.Conv2d)
        vars(copy).update(vars(self.conv), dilation=(2, 2), padding=tuple(2 * p for p in self.conv.padding))
        return copy(x)  # type: ignore[no-any-return]


@dataclass
class Answer:
    """An output that is no container."""

    scores: torch.Tensor
    note: str = "scores"


class Opaque:
    """An output of a user's class."""

    def __init__(self, scores: torch.Tensor) -> None:
        self.scores = scores


def _yielded(x: torch.Tensor) -> Iterator[torch.Tensor]:
    yield x * 2.0


OUTPUTS: dict[str, Callable[[torch.Tensor], Any]] = {
    "tensor": lambda x: x, "dict": lambda x: {"scores": x}, "dataclass": Answer, "object": Opaque,
    "generator": _yielded, "distribution": lambda x: torch.distributions.Normal(x, 1.0),
    "tuple": lambda x: (x, None, "scores"),
}  # fmt: skip


class Drawn(nn.Module):
    """A trunk, an early head in some, a last head or none, and an output of any type."""

    def __init__(self, trunk: list[nn.Module], early: int | None, head: nn.Module | None, output: str) -> None:
        super().__init__()
        self.first, self.trunk = nn.Conv2d(3, CHANNELS, 1), nn.ModuleList(trunk)
        self.early, self.head, self.output = early, head, output
        self.aside = nn.Linear(CHANNELS, 2)

    def forward(self, x: torch.Tensor) -> Any:
        x, early = self.first(x), []
        for i, step in enumerate(self.trunk):
            x = step(x)
            if i == self.early:
                early.append(self.aside(x.mean((2, 3))))
        x = x * 2.0
        if self.head is not None:
            x = self.head(x)
        made = OUTPUTS[self.output](x)
        return (made, *early) if early else made

    def extra_repr(self) -> str:
        return f"early={self.early}, output={self.output}"

    def plain(self) -> nn.Module:
        """The same up to its last map, without threads."""
        whole = deepcopy(self)
        for module in whole.modules():
            if isinstance(module, Threads):
                module.is_plain = True
        whole.early = whole.head = None
        whole.output = "tensor"
        return whole


def _convolution(draw: random.Random) -> nn.Module:
    kernel = (draw.randint(1, 5), draw.randint(1, 5))
    stride = (draw.choice([1, 1, 1, 2]), draw.choice([1, 1, 1, 2]))
    dilation = (draw.choice([1, 1, 2]), draw.choice([1, 1, 2]))
    padding = (draw.randint(0, 2), draw.randint(0, 2))
    return nn.Conv2d(CHANNELS, CHANNELS, kernel, stride, padding, dilation, draw.choice([1, 1, CHANNELS]))


def _same(draw: random.Random) -> nn.Conv2d:
    kernel = (draw.choice([1, 3, 5]), draw.choice([1, 3, 5]))
    return nn.Conv2d(CHANNELS, CHANNELS, kernel, padding=(kernel[0] // 2, kernel[1] // 2))


def _function(draw: random.Random) -> nn.Module:
    name = draw.choice(sorted(FUNCTIONS))
    return Function(name, FUNCTIONS[name])


def _step(draw: random.Random) -> nn.Module:
    how = draw.choice(
        ["function"] * 5
        + ["conv"] * 3
        + ["pool", "up", "sum", "cat", "threads", "write", "gate", "relu", "shared", "copied"]
    )
    branches = [draw.choice([_same, _function])(draw) for _ in range(2)]
    makers: dict[str, Callable[[], nn.Module]] = {
        "function": lambda: _function(draw),
        "conv": lambda: _convolution(draw),
        "pool": lambda: draw.choice([nn.MaxPool2d, nn.AvgPool2d])(draw.randint(2, 3), draw.randint(1, 2)),
        "up": lambda: nn.Upsample(scale_factor=2, mode=draw.choice(["nearest", "bilinear"])),
        "sum": lambda: Sum(*branches),
        "cat": lambda: Concat(*branches),
        "threads": lambda: Threads(branches, draw.choice(["pool", "running", "threads"])),
        "write": lambda: Written(branches[0]),
        "gate": lambda: Gate(2),
        "relu": lambda: nn.ReLU(inplace=True),
        "shared": lambda: Shared(_same(draw), 2),
        "copied": lambda: Copied(_same(draw)),
    }
    return makers[how]()


def _unknown_step(draw: random.Random) -> nn.Module:
    name = draw.choice(sorted(UNKNOWN))
    unknown: nn.Module = nn.Sequential(_same(draw), Function(name, UNKNOWN[name]))
    how = "path" if name in _OF_ANOTHER_SHAPE else draw.choice(["path", "path", "sum", "cat", "write", "threads"])
    if how == "sum":
        return Sum(_same(draw), unknown)
    if how == "cat":
        return Concat(_same(draw), unknown)
    if how == "write":
        return Written(unknown)
    return Threads([_same(draw), unknown], "pool") if how == "threads" else unknown


def drawn(number: int) -> tuple[Drawn, bool]:
    """The network of a number, and whether it holds an unknown operator."""
    draw = random.Random(number)
    trunk = [_step(draw) for _ in range(draw.randint(1, 4))]
    has_unknown = number % 2 == 1
    if has_unknown:
        trunk.insert(draw.randint(0, len(trunk)), _unknown_step(draw))
    for _ in range(draw.randint(1, 2) if number >= REARRANGING else 0):
        name = draw.choice(sorted(REARRANGED))
        trunk.insert(draw.randint(0, len(trunk)), Function(name, REARRANGED[name]))
    early = draw.choice([None, None, draw.randrange(len(trunk))])
    heads = [None, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 5))]
    head = draw.choice(heads if early is None else heads[1:])
    return Drawn(trunk, early, head, draw.choice(sorted(OUTPUTS))).eval(), has_unknown


def judged(number: int) -> tuple[str, str]:
    """What came of one network: its kind, and a text where the trace is wrong."""
    torch.manual_seed(number)
    model, has_unknown = drawn(number)
    if has_unknown:
        return _of_unknown(number, model)
    kinds = []
    for axis, size in enumerate(_STRIPS):
        outcome = along(model, axis, size, model.plain())
        if outcome.kind == "differ" and ": traced None," in outcome.text:
            return "unknown without need", f"network {number}: {outcome.text.splitlines()[0]} {named(model)}"
        if outcome.kind == "differ":
            return "differs", f"network {number}: {outcome.text.splitlines()[0]} {named(model)}"
        kinds.append(outcome.kind)
    return ("agrees" if "agree" in kinds else kinds[0]), ""


def named(model: Drawn) -> str:
    """The network in one line."""
    kind = " ".join(str(model.trunk).replace("\n", " ").split())
    return f"early={model.early} head={model.head is not None} output={model.output} {kind}"


def _of_unknown(number: int, model: Drawn) -> tuple[str, str]:
    try:
        found = trace(model, (3, 24, 20))
    except (RuntimeError, ValueError) as error:
        return f"unknown put in, cannot run: {type(error).__name__}", str(error)[:0]
    field = found.metrics.receptive_field_hw
    if field is not None or not found.unknown.get("receptive_field"):
        return "unknown does not spread", f"network {number}: {field} in spite of an unknown operator {named(model)}"
    return "unknown spreads", ""


def main(count: int, first: int) -> int:
    """Print how many of ``count`` networks agree, from number ``first`` on; 1 where any is wrong."""
    outcomes: Counter[str] = Counter()
    for number in range(first, first + count):
        kind, text = judged(number)
        outcomes[kind] += 1
        if text:
            print(text, flush=True)
        if (number + 1 - first) % 500 == 0:
            print(number + 1 - first, dict(outcomes), flush=True)
    print(dict(outcomes))
    return int(outcomes["differs"] + outcomes["unknown does not spread"] > 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
