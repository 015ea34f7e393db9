"""A module in memory: its bytes, and the same module again."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from constraints.sandbox.request import Target
from nas.search.given import Given
from nas.search.given_module import carrying, handed_again, packed, unpacked

GIVEN = Given(target=Target(text="Linear", file=None, module="", name="Linear"))


def made(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 10))


def test_equal_modules_have_the_same_bytes_wherever_their_tensors_are() -> None:
    first, again = made(0), made(0)  # both alive, so that no address is used twice
    assert packed(first) == packed(again)
    assert packed(first) != packed(made(1))


def test_it_comes_back_with_its_weights() -> None:
    module = made(0)
    found = unpacked(carrying(GIVEN, packed(module)))
    known = module.state_dict()
    assert found.state_dict().keys() == known.keys()
    assert all(torch.equal(value, known[name]) for name, value in found.state_dict().items())


def test_the_same_module_is_taken_again() -> None:
    kept = Given.from_dict(carrying(GIVEN, packed(made(0))).as_dict())
    again = handed_again(kept, made(0), 3)
    assert again is not None
    assert (again.memory, bool(again.pickled)) == (kept.memory, True)
    assert handed_again(None, None, 3) is None, "the trial of an architecture"


@pytest.mark.parametrize(
    ("given", "module", "message"),
    [
        (None, made(0), "trial 3 was not given as a module in memory: leave model out"),
        (GIVEN, made(0), "trial 3 was not given as a module in memory: leave model out"),
        (carrying(GIVEN, b"kept"), made(1), "not the module that trial 3 was given: Sequential: "),
        (carrying(GIVEN, b"kept"), "net", "model is no nn.Module: str: "),
        (Given(target=GIVEN.target, memory="0"), None, "Linear was given as a module in memory, which is kept nowhere"),
    ],
)
def test_what_is_not_that_module_is_refused(given: Given | None, module: nn.Module, message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        handed_again(given, module, 3)


class Own(nn.Module):
    """A class that a test says is of the program."""


def test_a_class_of_the_program_itself_is_refused_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Sequential(Own())
    monkeypatch.setattr(Own, "__module__", "__main__")
    with pytest.raises(UnusableInputError, match=r"cannot be sent to the process that trains it: Own: "):
        packed(module)


def test_what_cannot_be_pickled_is_refused() -> None:
    module: Any = nn.Identity()
    module.made_by = lambda: None
    with pytest.raises(UnusableInputError, match=r"cannot be sent to the process that trains it: Identity: .*pickle"):
        packed(module)
