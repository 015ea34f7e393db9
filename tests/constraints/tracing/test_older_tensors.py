"""Tensors that a model can reach before a run: in plain attributes, globals, closures and default values."""

import torch
from torch import nn

from constraints.tracing.older_tensors import kept_by, known_to

GLOBAL = torch.zeros(1)


class Holding(nn.Module):
    """A module with tensors outside its parameters and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)
        self.listed = [torch.zeros(2), "text", {"deeper": torch.zeros(3)}]
        self.teacher = [nn.Linear(4, 4, bias=False)]  # in a list, so that it is not registered

    def forward(self, x: torch.Tensor, scale: torch.Tensor = torch.ones(5)) -> torch.Tensor:  # noqa: B008
        return x * scale + GLOBAL


def test_attributes_are_searched_through_lists_and_modules_that_are_not_registered() -> None:
    model = Holding()
    assert [tuple(t.shape) for t in kept_by([model])] == [(2,), (3,), (4, 4)]


def test_modules_of_torch_hold_nothing_besides_what_they_register() -> None:
    layer = nn.Conv2d(1, 1, 1)
    layer.note = torch.zeros(1)
    assert kept_by([layer]) == []


def test_globals_and_default_values_of_the_forward_pass_are_known_to_it() -> None:
    shapes = [tuple(t.shape) for t in known_to([Holding()])]
    assert shapes[0] == (5,)
    assert any(t is GLOBAL for t in known_to([Holding()]))


def test_a_closure_is_known_even_where_one_of_its_variables_is_not_set_yet() -> None:
    inner = torch.zeros(6)
    model = nn.Identity()

    def closing(x: torch.Tensor) -> torch.Tensor:
        return x + inner + later

    vars(model)["forward"] = closing  # as wrappers do
    assert [tuple(t.shape) for t in known_to([model]) if t is not GLOBAL] == [(6,)]
    later = torch.zeros(7)
    assert (7,) in [tuple(t.shape) for t in known_to([model])]
