"""The moving average against arithmetic."""

import pytest
import torch
from torch import nn

from nas.training.averaging import Average
from nas.training.recipes import Recipe


def scalar() -> nn.Linear:
    """One weight, 0, and one count."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    model.register_buffer("count", torch.tensor(0))
    return model


def follow(average: Average, model: nn.Linear, values: list[float]) -> list[float]:
    """The average after each of the weight's values."""
    found = []
    for value in values:
        nn.init.constant_(model.weight, value)
        average.advance()
        average.update()
        found.append(float(average.model.get_parameter("weight").detach()))
    return found


def test_it_takes_the_first_weights_and_forgets_them_soon() -> None:
    model = scalar()
    average = Average(model, 0.99)
    # kept: 0, then (1+1)/(1+10), then (2+1)/(2+10)
    assert follow(average, model, [8.0, 0.0, 0.0]) == pytest.approx([8, 8 * 2 / 11, 8 * 2 / 11 * 3 / 12])


def test_it_keeps_no_more_than_the_decay() -> None:
    model = scalar()
    average = Average(model, 0.1)
    assert follow(average, model, [1.0, 0.0, 0.0]) == pytest.approx([1, 0.1, 0.01])


def test_counts_are_copied_and_the_model_is_left_alone() -> None:
    model = scalar()
    average = Average(model, 0.9)
    model.get_buffer("count").fill_(7)
    assert follow(average, model, [1.0, 3.0]) != [1.0, 3.0]
    assert average.model.get_buffer("count") == 7
    assert model.weight == 3
    average.model.get_parameter("weight").sum().backward()  # type: ignore[no-untyped-call]
    assert model.weight.grad is None


def test_the_average_requires_gradients_where_the_model_does() -> None:
    model = nn.Sequential(scalar(), scalar())
    model[1].requires_grad_(False)
    average = Average(model, 0.5)
    assert [p.requires_grad for p in average.model.parameters()] == [True, False]


def test_complex_weights_are_averaged_as_real_ones_are() -> None:
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros((), dtype=torch.complex64))
    average = Average(model, 0.5)
    for value in (8 + 4j, 0j):
        torch.nn.init.constant_(torch.view_as_real(model.weight.data), 0)
        model.weight.data += value
        average.advance()
        average.update()
    assert complex(average.model.get_parameter("weight").detach()) == pytest.approx((8 + 4j) * 2 / 11)


def test_it_resumes_from_its_state() -> None:
    model = scalar()
    average = Average(model, 0.99)
    follow(average, model, [1.0, 2.0])
    other = Average(scalar(), 0.99)
    twin = scalar()
    other = Average(twin, 0.99)
    other.restore(average.state())
    assert follow(other, twin, [5.0, 7.0]) == follow(average, model, [5.0, 7.0])


def test_a_recipe_without_a_decay_has_no_average() -> None:
    assert Recipe(name="own").average_of(scalar()) is None
    average = Recipe(name="own", ema_decay=0.75).average_of(scalar())
    assert average is not None
    assert average.decay == 0.75


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_computed_weight_follows_from_the_averages_of_what_it_is_computed_from() -> None:
    model = nn.utils.weight_norm(nn.Linear(2, 1, bias=False))
    model.weight_v, model.weight_g = nn.Parameter(torch.tensor([[3.0, 4.0]])), nn.Parameter(torch.tensor([[10.0]]))
    model(torch.ones(1, 2))  # the weight has a history now, with which torch makes no copy
    average = Average(model, 0.5)
    average.advance()
    average.update()
    model.weight_g.data.zero_()
    average.advance()
    average.update()
    # kept: (1+1)/(1+10) of g = 10; the weight is g v / |v|, and v / |v| is (0.6, 0.8)
    assert average.model(torch.ones(1, 2)).item() == pytest.approx(20 / 11 * 1.4)


def test_of_infinite_values_the_latest_are_kept() -> None:
    model = scalar()
    model.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    model.register_buffer("least", torch.tensor(torch.inf))
    average = Average(model, 0.9)
    for value in (3.0, 2.0):
        model.get_buffer("least").fill_(value)
        follow(average, model, [1.0])
    assert average.model.get_buffer("mask").tolist() == [0.0, -torch.inf]
    assert average.model.get_buffer("least") == 2.0
