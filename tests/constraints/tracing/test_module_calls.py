"""Wrappers that tell which module runs."""

import copy
import inspect
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints.tracer import trace
from constraints.tracing.module_calls import Here, naming
from tests.constraints.written import Written


class Following:
    """Notes which modules run, in a thread that is followed."""

    def __init__(self) -> None:
        self.here, self.is_over = Here(), False

    def follow(self, run: Callable[..., Any]) -> Callable[..., Any]:
        raise AssertionError("this thread is followed")


def test_the_innermost_module_is_last_and_the_wrappers_go() -> None:
    seen: list[list[tuple[str, bool]]] = []
    follower = Following()

    class Looking(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append([(frame.path, frame.is_leaf) for frame in follower.here.stack])
            return x

    inner, looking = nn.Sequential(), Looking()
    inner.append(looking)
    model, own = nn.Sequential(inner), inner.forward
    vars(inner)["forward"] = own
    with naming(dict(model.named_modules()), follower):
        assert list(inspect.signature(looking.forward).parameters) == ["x"]
        follower.is_over = True  # as for a thread that outlives the run
        model(torch.zeros(1))
    assert seen == [[("", False), ("0", False), ("0.0", True)]]
    assert "forward" not in vars(model)
    assert vars(inner)["forward"] is own


def twice_as_wide(model: nn.Module, copied: Callable[[nn.Module], Any]) -> nn.Module:
    """A copy of the layer of ``model``, with twice the dilation."""
    wide = copied(model.get_submodule("a"))
    wide.dilation, wide.padding = (2, 2), (2, 2)
    return wide  # type: ignore[no-any-return]


def by_hand(module: nn.Module) -> nn.Module:
    other = object.__new__(type(module))
    vars(other).update(vars(module))
    return other


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, by_hand])
@pytest.mark.parametrize("has_own", [False, True])
def test_a_copy_that_is_made_on_the_way_runs_itself(copied: Callable[[nn.Module], Any], has_own: bool) -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    if has_own:
        vars(conv)["forward"] = types.MethodType(nn.Conv2d.forward, conv)
    model = Written(lambda m, x: m.a(twice_as_wide(m, copied)(x)), a=conv)
    wide = has_own and copied is not copy.deepcopy  # which keeps the method of the layer that it copies
    assert trace(model, (3, 16, 16)).metrics.receptive_field == (5 if wide else 7)


def test_layers_that_are_run_as_one_by_vmap_all_count() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        weights, buffers = torch.func.stack_module_state(list(m.all))
        base = copy.deepcopy(m.all[0]).to("meta")
        one = lambda w, b, t: torch.func.functional_call(base, (w, b), (t,))  # noqa: E731
        found: torch.Tensor = torch.vmap(one, in_dims=(0, 0, None))(weights, buffers, x).mean(0)
        return found

    model = Written(run, all=nn.ModuleList([nn.Conv2d(3, 4, 3) for _ in range(2)]))
    assert trace(model, (3, 8, 8)).metrics.macs == 2 * 6 * 6 * 4 * 27


class Pooled(nn.Module):
    """A maximum of windows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x, 2)


class PooledTwice(Pooled):
    """The same, and one more of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(super().forward(x), 2)


def test_what_a_class_has_its_base_do_is_its_own() -> None:
    model = nn.Sequential(PooledTwice(), Pooled())
    assert trace(model, (3, 16, 16)).metrics.max_pools == 3
    assert "forward" in vars(Pooled)
    assert [Pooled.forward.__name__, Pooled()(torch.zeros(1, 1, 4, 4)).shape[2]] == ["forward", 2]


def test_a_class_that_inherits_its_method_has_none_of_its_own_afterwards() -> None:
    class Wide(nn.Conv2d):
        pass

    found = trace(nn.Sequential(Wide(3, 3, 5), nn.Conv2d(3, 3, 3)), (3, 16, 16))
    assert [layer.name for layer in found.layers] == ["0", "1"]
    assert "forward" not in vars(Wide)
