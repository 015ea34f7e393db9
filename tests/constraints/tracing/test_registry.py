"""Parameters and buffers of a model."""

import pytest
import torch
from torch import nn

from constraints.tracing.handles import Handle
from constraints.tracing.registry import Fixed, Registry, memory_of, new_handle


class Nobody:
    """A run of which nothing is copied."""

    def copied(self, handle: Handle) -> Handle | None:
        return None


def registry(model: nn.Module, *hidden: str) -> Registry:
    return Registry(dict(model.named_modules()), hidden, Nobody())


def test_each_parameter_is_there_once_by_its_first_path() -> None:
    tied = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    tied[2].weight = tied[0].weight
    found = registry(tied)
    assert list(found.parameters) == ["0.weight", "0.bias", "1.weight", "1.bias", "2.bias"]
    assert [h.name for h in found.handles.values()] == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        *("",) * 3,
        "2.bias",
    ]
    assert [h.kind for h in found.handles.values() if h.name == ""] == ["real", "real", "integer"]


def test_a_parameter_without_a_shape_is_not_counted() -> None:
    found = registry(nn.Sequential(nn.LazyLinear(2)))
    assert list(found.uncounted) == ["0.weight", "0.bias"]
    assert not found.parameters


def test_parameters_of_hidden_modules_are_counted_apart() -> None:
    aside = nn.Linear(3, 1, bias=False)
    found = registry(nn.Sequential(nn.Linear(2, 3), aside), "1")
    assert list(found.parameters) == ["0.weight", "0.bias"]
    alone = nn.Parameter(torch.zeros(5))
    assert found.unregistered([aside.weight, alone, torch.zeros(9)]) == {"1": 3, "": 5}


def test_tensors_of_one_memory_are_found_by_it() -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("view", model.weight.data)
    found = registry(model)
    assert [t.dim() for t in found.memories[memory_of(model.weight[1:])]] == [2, 2]  # the weight and the buffer
    assert [t.dim() for t in found.memories[memory_of(model.bias)]] == [1]


def test_elements_are_as_large_as_in_float32() -> None:
    sizes = [
        new_handle(Nobody(), torch.zeros(1, dtype=d), (1,)).itemsize for d in (torch.float64, torch.int64, torch.bool)
    ]
    assert sizes == [4, 8, 1]


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"))],
)
def test_elements_are_the_same_wherever_a_tensor_is(device: str) -> None:
    index, kernel = torch.tensor([2, 0, 1], device=device), torch.ones(1, 1, 3, 3, device=device)
    assert Fixed(index).digest() == Fixed(torch.tensor([2, 0, 1])).digest()
    assert Fixed(kernel).pattern() == Fixed(torch.ones(1, 1, 3, 3)).pattern() is not None
    assert Fixed(kernel.to("meta")).pattern() is None
