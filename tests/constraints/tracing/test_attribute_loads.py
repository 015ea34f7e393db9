from __future__ import annotations

from operator import attrgetter
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracing.attribute_loads import AttributeLoads


class Net(nn.Module):
    """Loads ``seen`` twice, ``far`` in a function that it calls, and ``own`` only where it is made."""

    seen: Any
    far: Any
    stored: Any

    def __init__(self, extra: Any = None) -> None:
        super().__init__()
        self.own = self.own_too = 1
        self.extra = extra

    def forward(self, x: torch.Tensor) -> Any:
        self.stored = True
        return x * self.seen + far(self) if self.seen else x

    def extra_repr(self) -> str:
        return f"{self.own}"


def far(net: Any) -> Any:
    """Also has the text "told"."""
    return (net.far, "told")


def by_a_literal(net: Any) -> Any:
    return getattr(net, "literal")  # noqa: B009


def by_a_getter(net: Any) -> Any:
    return attrgetter("got")(net)


def by_a_made_name(net: Any, number: int) -> Any:
    return getattr(net, f"made{number}")


def test_an_attribute_is_found_in_the_code_that_may_run_and_nowhere_else() -> None:
    loads = AttributeLoads([Net()])
    found = loads("seen")
    assert found is not None
    assert [steps[at].argval for steps, at in found] == ["seen", "seen"]
    (load,) = loads("far") or ()
    assert load.steps[load.at].argval == "far"
    assert [loads(name) for name in ("stored", "own", "told", "absent")] == [()] * 4


@pytest.mark.parametrize(
    ("extra", "name"), [(by_a_literal, "literal"), (by_a_getter, "got"), (by_a_made_name, "made3")]
)
def test_an_attribute_that_may_be_looked_up_by_a_text_is_loaded_somewhere(extra: Any, name: str) -> None:
    assert AttributeLoads([Net(extra)])(name) is None
    assert AttributeLoads([Net()])(name) == ()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_of_a_program_of_torchscript_nothing_is_known() -> None:
    program = torch.jit.trace(nn.ReLU(), torch.zeros(1))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert AttributeLoads([program])("seen") is None
