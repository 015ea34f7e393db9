"""Postponed values equal those of a run that postpones nothing, for every reader."""

from __future__ import annotations

import _thread
import copy
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.utils.dlpack
from torch import Tensor, nn
from torch.nn import functional as F

from constraints.tracer import trace
from constraints.tracing import postponed, unfilled

_dlpack: Any = torch.utils.dlpack


class Net(nn.Module):
    """Two convolutions with a norm, and a forward pass to be given, which writes down what it reads."""

    def __init__(self, run: Callable[[Net, Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.run = run
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.last = nn.Conv2d(4, 2, 3, padding=1)
        self.register_buffer("kept", torch.zeros(1, 4, 8, 8))

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other threads, as far as the trace knows: beside some, nothing is put off."""
    monkeypatch.setattr("_thread._count", lambda: 0)


def seen(read: Callable[[Net, Tensor], Any]) -> tuple[list[Any], list[Any]]:
    """What a forward pass reads while it is traced, and what it reads in a plain run on the same sample."""
    found: list[Any] = []

    def run(model: Net, x: Tensor) -> Any:
        found.append(read(model, x))
        return model.last(model.body(x))

    net = Net(run).eval()
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    trace(net, (3, 8, 8))
    with torch.no_grad():
        net(x)
    return found[:1], found[1:]


def _copied_to_a_buffer(m: Net, x: Tensor) -> Any:
    m.get_buffer("kept").copy_(m.body(x))
    return m.get_buffer("kept").tolist()


def _changed_behind_it(m: Net, x: Tensor) -> Any:
    y = m.body(x)
    x.zero_()
    return y.sum().item()


def _of_a_weight_changed_behind_it(m: Net, x: Tensor) -> Any:
    y = m.body(x)
    m.last.weight.data.mul_(0)
    z = m.last(y).sum()
    m.last.weight.data.add_(1)
    return z.item()


def _of_memory_changed_behind_it(m: Net, x: Tensor) -> Any:
    z = x.clone()
    y = m.body(z)
    z.data = torch.zeros_like(z)
    return y.sum().item()


def _in_place_through_a_view(m: Net, x: Tensor) -> Any:
    y = m.body(x)
    y[:, :2].mul_(3.0)
    y[:, 1:].view(-1).add_(1.0)
    return y.sum().item()


def _in_place_twice(m: Net, x: Tensor) -> Any:
    y = m.last(m.body(x))
    y.relu_().mul_(2).add_(y)
    return y.sum().item()


def _in_a_thread(m: Net, x: Tensor) -> Any:
    y, found = m.body(x), []
    thread = threading.Thread(target=lambda: found.append(y.sum().item()))
    thread.start()
    thread.join()
    return found[0]


def _in_a_pool(m: Net, x: Tensor) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda y: float(y.sum()), m.body(x)).result()


def _as_a_file(m: Net, x: Tensor) -> Any:
    file = io.BytesIO()
    torch.save(m.body(x), file)
    file.seek(0)
    return torch.load(file).sum().item()


def _written_through_numpy(m: Net, x: Tensor) -> Any:
    y = m.body(x)
    y.numpy()[:] = 2.0
    return m.last(y).sum().item()


def _of_an_array_written_to(m: Net, x: Tensor) -> Any:
    array = x.clone().numpy() * 0 + 1
    y = m.body(torch.from_numpy(array))
    array[:] = 0
    return y.sum().item()


def _of_swapped_tensors(m: Net, x: Tensor) -> Any:
    y = m.body(x)
    one, other = y * 2, y * 3
    torch.utils.swap_tensors(one, other)  # type: ignore[no-untyped-call]
    return [one.sum().item(), other.sum().item()]


@torch.jit.script
def _sum(y: Tensor) -> float:
    z = y * 2
    return float(z.sum())


def _in_a_bare_thread(m: Net, x: Tensor) -> Any:
    y, found, lock = m.body(x), [], threading.Lock()
    lock.acquire()

    def read() -> None:
        found.append(y.sum().item())
        lock.release()

    _thread.start_new_thread(read, ())
    lock.acquire()
    return found


def _of_statistics(m: Net, x: Tensor) -> Any:
    y = m.body(x)
    mean = torch.zeros(4)
    F.batch_norm(y, mean, torch.ones(4), training=True, momentum=0.5)
    return mean.tolist()


def _of_a_branch(m: Net, x: Tensor) -> Any:
    y = m.last(m.body(x))
    return float(torch.cond(y.sum() > 0, lambda z: z + 1, lambda z: z - 1, (y,)).sum())


READS: dict[str, Callable[[Net, Tensor], Any]] = {
    "item": lambda m, x: m.body(x).mean().item(),
    "truth": lambda m, x: bool((m.body(x) > 0.2).any()),
    "list": lambda m, x: m.last(m.body(x)).tolist(),
    "as array": lambda m, x: m.body(x).numpy().tolist(),
    "text": lambda m, x: str(m.body(x)),
    "deep copy": lambda m, x: copy.deepcopy(m.body(x)).sum().item(),
    "order": lambda m, x: m.body(x).flatten().sort().indices[:5].tolist(),
    "places": lambda m, x: m.body(x).nonzero().sum().item(),
    "mask": lambda m, x: (y := m.body(x))[y > 0.1].numel(),
    "equal": lambda m, x: torch.equal(m.body(x), m.body(x)),
    "largest": lambda m, x: m.body(x).max().item(),
    "attention": lambda m, x: F.scaled_dot_product_attention(*[m.body(x)] * 3).sum().item(),
    "whole numbers": lambda m, x: m.body(x).mul(9).long().sum().item(),
    "random": lambda m, x: torch.rand_like(m.body(x), generator=torch.Generator().manual_seed(1)).sum().item(),
    "max pool": lambda m, x: F.max_pool2d(m.body(x), 2, return_indices=True)[1].tolist(),
    "matrix": lambda m, x: F.linear(m.body(x).flatten(1)[:, :8], torch.ones(2, 8), torch.ones(2)).tolist(),
    "buffer": _copied_to_a_buffer,
    "input changed": _changed_behind_it,
    "weight changed": _of_a_weight_changed_behind_it,
    "memory changed": _of_memory_changed_behind_it,
    "view": _in_place_through_a_view,
    "in place": _in_place_twice,
    "thread": _in_a_thread,
    "pool": _in_a_pool,
    "file": _as_a_file,
    "numpy": _written_through_numpy,
    "array": _of_an_array_written_to,
    "swapped": _of_swapped_tensors,
    "script": lambda m, x: _sum(m.body(x)),
    "dlpack": lambda m, x: _dlpack.from_dlpack(_dlpack.to_dlpack(m.body(x))).sum().item(),
    "bare thread": _in_a_bare_thread,
    "statistics": _of_statistics,
    "branch": _of_a_branch,
}


@pytest.mark.parametrize("way", READS)
def test_a_reader_of_a_value_gets_what_the_model_computes(way: str) -> None:
    traced, plain = seen(READS[way])
    if way == "text":
        assert traced == plain
    else:
        torch.testing.assert_close(torch.tensor(traced), torch.tensor(plain))


def test_a_forward_pass_that_reads_nothing_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []

    def noted(func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        computed.append(func.name())
        return func(*args, **kwargs)

    monkeypatch.setattr(postponed, "ran", noted)
    assert trace(Net(lambda m, x: m.last(m.body(x)).flatten(1)), (3, 8, 8)).metrics.receptive_field_hw == (5, 5)
    assert computed == ["aten::view"]


def test_much_memory_is_filled_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postponed, "_MOST_BYTES", 1000)
    traced, plain = seen(lambda m, x: m.last(m.body(x)).sum().item())
    assert traced == pytest.approx(plain)


def test_what_torch_refuses_is_refused() -> None:
    net = Net(lambda m, x: m.last(x))
    with pytest.raises(RuntimeError, match="to have 4 channels, but got 3"):
        trace(net, (3, 8, 8))
    net = Net(lambda m, x: F.max_pool2d(m.body(x), 2, padding=2))
    with pytest.raises(RuntimeError, match="pad should be at most half"):
        trace(net, (3, 8, 8))
    net = Net(lambda m, x: torch.mm(m.body(x)[0], m.body(x)[0]))
    with pytest.raises(RuntimeError, match="must be a matrix"):
        trace(net, (3, 8, 8))


LAYOUTS: list[Callable[[Tensor], Tensor]] = [
    lambda t: t,
    lambda t: t.to(memory_format=torch.channels_last),
    lambda t: t.transpose(2, 3),
    lambda t: t[:, :, :1, :1],
    lambda t: t[:, :1],
    lambda t: t[:, :1].to(memory_format=torch.channels_last),
    lambda t: t.double(),
    lambda t: t[:, :, :1, :1].to(memory_format=torch.channels_last),
    lambda t: t[..., ::2],
    lambda t: t[:0],
]
_aten = torch.ops.aten


@pytest.mark.parametrize("layout", range(len(LAYOUTS)))
@pytest.mark.parametrize("kernel", [(4, 1), (4, 3), (1, 3), (1, 1)])
def test_memory_is_laid_out_as_torch_lays_it_out(layout: int, kernel: tuple[int, int]) -> None:
    data = LAYOUTS[layout](torch.rand(1, 4, 6, 6))
    channels = data.shape[1]
    weight = LAYOUTS[layout % 2](torch.rand(8, channels // kernel[0] or 1, kernel[1], kernel[1])).to(data.dtype)
    groups = channels // weight.shape[1]
    ones = torch.ones(channels, dtype=data.dtype)
    calls: list[tuple[str, Any, tuple[Any, ...]]] = [
        *(
            ("conv2d", _aten.conv2d.default, (data, weight, None, *numbers, groups))
            for numbers in (([1, 1], [0, 0], [1, 1]), ([2, 1], [1, 2], [1, 2]), ([2, 2], [3, 3], [2, 2]))
        ),
        ("conv2d", _aten.conv2d.default, (data, weight)),
        ("batch_norm", _aten.batch_norm.default, (data, ones, ones, ones, ones, False, 0.1, 1e-5, True)),
        ("relu", _aten.relu.default, (data,)),
        ("add", _aten.add.Tensor, (data, data)),
        ("mul", _aten.mul.Tensor, (data, 2)),
        ("hardtanh", _aten.hardtanh.default, (data, 0, 6)),
        ("max_pool2d_with_indices", _aten.max_pool2d_with_indices.default, (data, [2, 2], [2, 2], [1, 1])),
        ("max_pool2d_with_indices", _aten.max_pool2d_with_indices.default, (data, [3, 2])),
        ("mm", _aten.mm.default, (data[0, 0], data[0, 0].t()) if len(data) else (data, data)),
        ("bmm", _aten.bmm.default, (data[0], data[0].mT) if len(data) else (data, data)),
    ]
    for op, func, args in calls:
        made = unfilled.RULES[op](args, False)
        if made is not None:
            for ours, theirs in zip(*[m if isinstance(m, tuple) else (m,) for m in (made, func(*args))], strict=True):
                assert (ours.shape, ours.stride(), ours.dtype) == (theirs.shape, theirs.stride(), theirs.dtype), op
