"""Calls in a forward pass give what the functions in their place give."""

import copy

import torch
import torch.nn.functional as F

from constraints.forward_edits import ForwardEdit, noting

IMAGE = torch.arange(16.0).reshape(1, 1, 4, 4)
AVERAGE = ForwardEdit(functions={"max_pool2d": "avg_pool2d"})


def test_the_function_in_place_takes_the_arguments_that_it_has() -> None:
    pooled = AVERAGE.around()(lambda x: F.max_pool2d(x, 2, stride=2, padding=0, dilation=1, ceil_mode=True))
    assert pooled(IMAGE).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_what_no_average_does_stays() -> None:
    pooled = AVERAGE.around()(lambda x: F.max_pool2d(x, 2, stride=1, dilation=2))
    assert pooled(IMAGE).max().item() == 15.0


def test_one_call_alone_changes_and_is_noted() -> None:
    whole = ForwardEdit(
        functions={"max_pool2d": "adaptive_avg_pool2d"}, arguments={"output_size": 1}, numbers=frozenset({1})
    )

    def forward(x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(F.max_pool2d(x, 2), 2)

    assert whole.around()(forward)(IMAGE).item() == (5 + 7 + 13 + 15) / 4
    found: list[str] = []
    with noting(whole, found.append):
        assert forward(IMAGE).item() == 15.0
    assert found == ["max_pool2d"]


def test_a_copy_of_a_model_copies_it_too() -> None:
    pooled = copy.deepcopy(AVERAGE.around()(_pooled))
    assert pooled(IMAGE).item() == IMAGE.mean().item()


def _pooled(image: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(image, 4)
