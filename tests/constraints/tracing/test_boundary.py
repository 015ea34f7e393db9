"""What crosses the border of a recorded run: numbers, arrays, threads, subclasses, outputs of any type."""

import _thread
import threading
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from io import BytesIO
from multiprocessing.pool import ThreadPool
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints.tracer import Trace, trace
from tests.constraints.traits import _elsewhere
from tests.constraints.written import Written

Run = Callable[[Any, torch.Tensor], Any]
CONSTANT = torch.ones(4, 1, 1)


def traced(run: Run) -> Trace:
    parts = {"a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(3, 4, 9, padding=4), "f": nn.Linear(4, 4)}
    return trace(Written(run, **parts), (3, 16, 16))


def numpy_changes(m: Any, x: torch.Tensor) -> Any:
    y: torch.Tensor = m.a(x)
    array = y.numpy()
    array[:, :, 1:] += array[:, :, :-1].copy()
    return y


def numpy_fills(m: Any, x: torch.Tensor) -> Any:
    y = torch.zeros(1, 4, 16, 16)
    y.numpy()[...] = np.roll(m.a(x).numpy(), 1, 2)
    return y + m.a(x)


def saved_and_loaded(m: Any, x: torch.Tensor) -> Any:
    file = BytesIO()
    torch.save(m.b(x), file)
    file.seek(0)
    return torch.load(file)


def rows_of_numbers(m: Any, x: torch.Tensor) -> Any:
    return torch.stack([torch.full((16,), row.mean().item()) for row in m.a(x)[0, 0].flip(0)])[None, None]


def places_one_by_one(m: Any, x: torch.Tensor) -> Any:
    y, z = m.a(x), torch.zeros(1, 4, 16, 16)
    for at in range(0, 16, 4):
        z[0, 0, at] = y[0, 0, 15 - at, 3].item()
    return z


def a_function_of_each_element(m: Any, x: torch.Tensor) -> Any:
    values = iter(m.b(x).flatten().tolist())
    return m.a(x).apply_(lambda _: next(values))


LEAVING: dict[str, Run] = {
    "an array": lambda m, x: m.a(x) + torch.from_numpy(m.b(x).numpy().clip(-3, 3)),
    "a list": lambda m, x: m.a(x) + torch.tensor(m.b(x).tolist()),
    "a number": lambda m, x: m.a(x) * (1 + m.b(x)[0, 0, 3, 3].item()),
    "a whole number": lambda m, x: m.a(x) * (int(m.b(x)[0, 0, 3, 3] * 1000) + 1),
    "a file": lambda m, x: m.a(x) + saved_and_loaded(m, x),
    "a filled tensor": lambda m, x: m.a(x) + torch.full((1,), float(m.b(x)[0, 0, 3, 3])),
    "rows of numbers": rows_of_numbers,
    "places one by one": places_one_by_one,
    "a list of places": lambda m, x: torch.tensor([[v.item() for v in row] for row in m.a(x)[0, 0].flip(0)])[
        None, None
    ],
    "a function of each element": a_function_of_each_element,
    "a function of elements of two": lambda m, x: m.a(x).map_(m.b(x), lambda _, b: b),
    "an array that is written to": numpy_changes,
    "memory that NumPy fills": numpy_fills,
    "a thread that ran before": lambda m, x: m.a(x) + _elsewhere(m.a(x)),
}


@pytest.mark.parametrize("run", LEAVING.values(), ids=LEAVING.keys())
def test_what_leaves_the_run_and_comes_back_makes_unknown_what_it_may_touch(run: Run) -> None:
    found = traced(run)
    assert found.metrics.receptive_field_hw is None
    assert found.unknown["receptive_field"]
    assert found.metrics.params == 4 * (27 + 1) + 4 * (243 + 1) + 4 * 5


@pytest.mark.parametrize("run", [LEAVING["an array"], LEAVING["a list"]])
def test_multiplications_are_known_where_only_numbers_left(run: Run) -> None:
    assert traced(run).metrics.macs == 256 * 4 * (27 + 243)


def test_of_a_tensor_that_another_thread_made_nothing_is_known() -> None:
    found = traced(LEAVING["a thread that ran before"])
    assert {"macs", "convs", "receptive_field"} <= set(found.unknown)
    assert found.unknown["macs"].startswith("a tensor that no recorded operation made: ")


def test_a_gate_that_leaves_as_numbers_is_a_gate_when_it_is_back() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        scale = torch.tensor(m.f(y.mean((2, 3))).sigmoid().tolist())
        return y * scale[:, :, None, None]

    found = traced(run).metrics
    assert (found.receptive_field_hw, found.global_context, found.macs) == ((3, 3), True, 256 * 4 * 27 + 16)


def logged(m: Any, x: torch.Tensor) -> Any:
    y: torch.Tensor = m.a(x)
    m.norm = float(y.norm())
    return F.leaky_relu(y * 0.5, 0.01)


@pytest.mark.parametrize(
    "run",
    [
        logged,
        lambda m, x: m.a(x) * torch.tensor([0.5, 1.0, 2.0, 3.0])[:, None, None],
        lambda m, x: m.a(x) + torch.from_numpy(np.hanning(16)).float(),
        lambda m, x: m.a(x) * CONSTANT,
        lambda m, x: m.a(x)[:, [0, 2]] if bool(x.sum() > -1e9) else x,
        lambda m, x: deepcopy(m.a(x)) * 1.0,
    ],
)
def test_constants_and_what_is_only_looked_at_change_nothing(run: Run) -> None:
    assert traced(run).metrics.receptive_field_hw == (3, 3)


def test_a_value_that_decides_what_runs_is_named() -> None:
    found = traced(lambda m, x: m.a(x) if x.max() > 1e9 else m.b(x))
    assert found.metrics.receptive_field_hw == (9, 9)
    assert any("value" in w for w in found.warnings)


class Plane(torch.Tensor):
    """A subclass without a rule of its own."""


class Wrapped(torch.Tensor):
    """A subclass that holds a tensor and does its operations on it."""

    held: Any

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        result = func(*(a.held if isinstance(a, Wrapped) else a for a in args), **(kwargs or {}))
        return wrapped(result) if isinstance(result, torch.Tensor) else result


def averaged(x: torch.Tensor) -> Any:
    made: Any = F.avg_pool2d(wrapped(x), 1)
    return made.held


def wrapped(held: torch.Tensor) -> Wrapped:
    made: Wrapped = torch.Tensor._make_subclass(Wrapped, torch.zeros_like(held))
    made.held = held
    return made


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: m.b(x.as_subclass(Plane)).as_subclass(torch.Tensor) + m.a(x),
        lambda m, x: averaged(m.b(x)) + m.a(x),
    ],
)
def test_subclasses_are_followed(run: Run) -> None:
    assert traced(run).metrics.receptive_field_hw == (9, 9)


def in_a_pool(m: Any, x: torch.Tensor) -> Any:
    with ThreadPoolExecutor(2) as pool:
        return torch.cat(list(pool.map(lambda c: c(x), [m.a, m.b])), 1)


RUNNING = ThreadPoolExecutor(1)


def in_a_running_pool(m: Any, x: torch.Tensor) -> Any:
    return m.a(x) + RUNNING.submit(lambda: F.avg_pool2d(m.b(x), 1)).result()


def in_a_thread(m: Any, x: torch.Tensor) -> Any:
    found: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: found.append(F.relu(m.b(x))))
    thread.start()
    thread.join()
    return found[0] + m.a(x)


class Raw(nn.Module):
    """Writes to a map in a thread that threading does not know, by a name that its file imported."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 9, padding=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.a(x)
        done = allocate_lock()
        done.acquire()

        def write() -> None:
            y.add_(self.b(x))
            done.release()

        start_new_thread(write, ())
        done.acquire()
        return y


def test_writes_of_a_thread_without_threading_are_followed() -> None:
    found = trace(Raw(), (3, 16, 16)).metrics
    assert (found.receptive_field_hw, found.macs) == ((9, 9), 256 * 4 * (27 + 243))
    assert start_new_thread is _thread.start_new_thread


@pytest.mark.parametrize("run", [in_a_pool, in_a_running_pool, in_a_thread])
def test_threads_are_followed_and_left_alone_afterwards(run: Run) -> None:
    found = traced(run)
    assert (found.metrics.receptive_field_hw, found.metrics.macs) == ((9, 9), 256 * 4 * (27 + 243))
    assert RUNNING.submit(lambda: torch.ones(1, requires_grad=True) * 2).result().requires_grad


def test_writes_by_a_running_pool_of_multiprocessing_are_followed() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        pool.map(lambda c: y.add_(c(x)), [m.b])
        return y

    with ThreadPool(1) as pool:
        found = traced(run).metrics
    assert (found.receptive_field_hw, found.macs) == ((9, 9), 256 * 4 * (27 + 243))


def test_an_exception_leaves_nothing_changed() -> None:
    before = (torch.Tensor.numpy, torch.Tensor.as_subclass, threading.Thread.start, ThreadPoolExecutor.submit)
    with pytest.raises(ZeroDivisionError):
        traced(lambda m, x: 1 / 0)
    assert (torch.Tensor.numpy, torch.Tensor.as_subclass, threading.Thread.start, ThreadPoolExecutor.submit) == before
    assert "numpy" not in torch.Tensor.__dict__


def test_a_view_of_a_parameter_is_that_parameter() -> None:
    bank = nn.Parameter(torch.ones(4 * 27))
    model = Written(lambda m, x: F.conv2d(x, m.kernel), bank=bank, kernel=bank.detach().view(4, 3, 3, 3))
    found = trace(model, (3, 16, 16))
    assert (found.warnings, found.metrics.receptive_field_hw, found.metrics.convs) == ((), (3, 3), 1)


def test_a_printed_tensor_hides_no_layers() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.a(x)
        str(y)
        return m.a(y)  # type: ignore[no-any-return]

    found = trace(Written(run, a=nn.Conv2d(3, 3, 3)), (3, 8, 8)).metrics
    assert (found.receptive_field, found.macs) == (5, 81 * (36 + 16))
