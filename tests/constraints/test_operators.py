"""User-defined operators: unknown without a registered function, and known with one."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints import UnusableInputError, register_operator, trace
from constraints.operators import _registered
from tests.constraints.written import Written

PIXELS = 16 * 16


def blurred(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, weight, padding=2)


def sharpen(x: torch.Tensor) -> None:
    x.sub_(F.avg_pool2d(x, 7, 1, 3))


LIBRARY: Any = torch.library.Library("constraintstest", "DEF")  # type: ignore[no-untyped-call]
LIBRARY.define("blurred(Tensor x, Tensor weight) -> Tensor")
LIBRARY.define("sharpen(Tensor(a!) x) -> ()")
LIBRARY.impl("blurred", blurred, "CompositeExplicitAutograd")
LIBRARY.impl("sharpen", sharpen, "CompositeExplicitAutograd")


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("blurred", "sharpen"):
        monkeypatch.setitem(_registered, f"constraintstest::{name}", None)
        monkeypatch.delitem(_registered, f"constraintstest::{name}")


def model() -> nn.Module:
    conv, weight = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Parameter(torch.ones(4, 4, 5, 5))

    def run(m: Written, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = torch.ops.constraintstest.blurred(m.get_submodule("conv")(x), m.weight)
        return result.mean((2, 3))

    return Written(run, conv=conv, weight=weight)


def test_without_a_stand_in_what_depends_on_an_operator_is_unknown() -> None:
    found = trace(model(), (3, 16, 16))
    why = "constraintstest::blurred: what it does to the receptive field is not known"
    assert found.warnings == (why,)
    assert found.unknown["receptive_field"] == found.unknown["global_average_pools"] == why
    assert found.metrics.as_dict()["macs"] is None
    assert found.unknown["convs"] == "constraintstest::blurred: how many multiplications it takes is not known"
    assert found.metrics.params == 4 * 27 + 4 * 100


def test_a_stand_in_says_what_the_operator_sees_and_costs() -> None:
    register_operator("constraintstest::blurred", lambda x, weight: F.conv2d(x, weight, padding=2))
    found = trace(model(), (3, 16, 16))
    assert (found.warnings, found.unknown) == ((), {})
    assert found.metrics.receptive_field_hw == (3 + 4, 3 + 4)
    assert found.metrics.macs == PIXELS * (27 * 4 + 100 * 4)
    assert (found.metrics.convs, found.metrics.global_average_pools) == (2, 1)


def test_an_operator_that_writes_in_place_changes_its_argument() -> None:
    def run(m: Written, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = m.get_submodule("conv")(x)
        torch.ops.constraintstest.sharpen(y)
        return y

    in_place = Written(run, conv=nn.Conv2d(3, 4, 3, padding=1))
    assert trace(in_place, (3, 16, 16)).metrics.receptive_field_hw is None
    register_operator("constraintstest::sharpen", lambda x: x.sub_(F.avg_pool2d(x, 7, 1, 3)))
    assert trace(in_place, (3, 16, 16)).metrics.receptive_field_hw == (9, 9)


@pytest.mark.parametrize("name", ["blurred", "a::b::c", "::blurred", "mylib::"])
def test_a_name_without_a_namespace_is_refused(name: str) -> None:
    with pytest.raises(UnusableInputError, match=f"not the name of an operator: '{name}': write namespace::name"):
        register_operator(name, F.relu)


def test_what_stands_in_must_be_a_function() -> None:
    with pytest.raises(UnusableInputError, match=r"not a function: 3: give one that takes the arguments of a::b"):
        register_operator("a::b", 3)  # type: ignore[arg-type]


def test_an_operator_that_is_made_of_torchs_own_is_followed() -> None:
    LIBRARY.define("twice(Tensor x, Tensor weight) -> Tensor")
    LIBRARY.impl("twice", lambda x, weight: blurred(blurred(x, weight), weight), "CompositeImplicitAutograd")
    twice = Written(
        lambda m, x: torch.ops.constraintstest.twice(x, m.weight), weight=nn.Parameter(torch.ones(3, 3, 5, 5))
    )
    found = trace(twice, (3, 16, 16))
    assert (found.metrics.receptive_field, found.metrics.macs, found.warnings) == (9, PIXELS * 2 * 225, ())
