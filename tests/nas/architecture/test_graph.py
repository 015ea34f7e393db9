"""The operations of a forward pass: which are seen, through what, and under which names."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.errors import UnusableInputError
from nas.architecture.graph import Graph, arguments, op, place, refused, shape
from tests.constraints.written import Written


def graph(model: nn.Module) -> Graph:
    return Graph(model, (3, 8, 8))


def test_operations_that_change_nothing_are_seen_through() -> None:
    parts = {"conv": nn.Conv2d(3, 4, 3, padding=1), "drop": nn.Dropout(0.5)}
    found = graph(Written(lambda m, x: F.relu(m.drop(m.conv(x.contiguous()).clone())).detach(), **parts))
    conv = found.only_user(found.images)
    assert conv is not None
    assert op(conv) == "conv2d"
    relu = found.only_user(conv)
    assert relu is found.result
    assert op(found.result) == "relu"
    assert found.takes(found.result, conv)
    assert not found.takes(found.result, found.images)


def test_what_leads_to_no_result_is_left_out() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        m.unused(x)
        return m.used(x)  # type: ignore[no-any-return]

    found = graph(Written(run, used=nn.Conv2d(3, 4, 1), unused=nn.Conv2d(3, 5, 1)))
    (user,) = found.users(found.images)
    assert shape(user) == (2, 4, 8, 8)


def test_a_result_or_a_value_taken_twice_has_no_single_user() -> None:
    found = graph(Written(lambda m, x: torch.relu(x) + torch.tanh(x)))
    assert [op(user) for user in found.users(found.images)] == ["relu", "tanh"]
    assert found.only_user(found.images) is None
    assert found.only_user(found.result) is None


def test_tensors_have_their_own_names() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    found = graph(model)
    conv = found.only_user(found.images)
    assert conv is not None
    norm = found.only_user(conv)
    assert norm is not None
    given = arguments(norm)
    assert found.tensor(given["running_mean"]) == "1.running_mean"
    assert found.tensor(arguments(conv)["weight"]) == "0.weight"
    assert found.tensor(found.images) is None
    assert found.tensor(3) is None


def test_arguments_that_were_not_given_have_their_defaults() -> None:
    found = graph(nn.Conv2d(3, 6, 3, bias=False, groups=3))
    given = arguments(found.result)
    assert (given["bias"], list(given["stride"]), list(given["padding"]), given["groups"]) == (None, [1, 1], [0, 0], 3)


def test_places_are_dotted_module_names() -> None:
    found = graph(nn.Sequential(nn.Sequential(nn.ReLU())))
    assert place(found.result) == "0.0"
    plain = graph(Written(lambda m, x: torch.relu_(x + 1)))
    assert (op(plain.result), place(plain.result)) == ("relu", "the forward pass")
    assert str(refused(plain.images, "why")) == "no architecture can be written of this model: the images: why"
    assert str(refused(found.result, "why")).endswith("this model: relu in 0.0: why")


def test_the_model_is_judged_in_eval_mode_and_left_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1, dtype=torch.float64), nn.BatchNorm2d(4, dtype=torch.float64)).train()
    found = graph(model)
    assert arguments(found.result)["training"] is False
    assert model.training
    assert model[0].weight.dtype == torch.float64


def test_branches_on_values_are_refused_on_one_line() -> None:
    model = Written(lambda m, x: x if x.sum() > 0 else -x)
    with pytest.raises(
        UnusableInputError, match=r"^cannot follow the model's forward pass: .*: write it without branches"
    ):
        graph(model)


def test_several_outputs_are_refused() -> None:
    with pytest.raises(UnusableInputError, match=r"^a model of 1 inputs and 2 outputs: give one of one each$"):
        graph(Written(lambda m, x: (torch.relu(x), torch.tanh(x))))
