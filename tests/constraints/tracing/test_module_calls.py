"""Wrappers that tell which module runs."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from constraints.tracing.module_calls import Here, naming


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
