"""Metrics of a user's own."""

from __future__ import annotations

from typing import Any

import pytest

from constraints.custom import CustomMetric, found_in, metric
from constraints.errors import ModelFailedError


def widths(model: Any, trace: Any) -> int:
    """Sum of two numbers.

    In whole.
    """
    return int(model) + int(trace)


def test_the_name_and_the_docstring_are_the_functions() -> None:
    made = metric(widths)
    assert (made.name, made.definition) == ("widths", "Sum of two numbers.\n\nIn whole.")
    assert made(3, 4) == 3 + 4
    assert metric(lambda model, trace: True).definition == ""


def test_a_built_in_name_is_taken() -> None:
    def params(model: Any, trace: Any) -> int:
        return 1

    with pytest.raises(ValueError, match="a built-in metric has this name: 'params': choose another"):
        metric(params)


@pytest.mark.parametrize("value", [0, -3, 2.5, True, False])
def test_numbers_and_truth_values_are_figures(value: float | bool) -> None:
    made = CustomMetric(name="mine", definition="", compute=lambda model, trace: value)
    assert made(None, None) is value


@pytest.mark.parametrize("value", [None, "3", [3], 1j])
def test_nothing_else_is(value: Any) -> None:
    made = CustomMetric(name="mine", definition="", compute=lambda model, trace: value)
    with pytest.raises(ModelFailedError, match="metric 'mine' gave .*: return one number or truth value"):
        made(None, None)


def test_what_it_raises_is_told_with_its_name_and_kept_as_the_cause() -> None:
    def broken(model: Any, trace: Any) -> int:
        raise KeyError("depth")

    with pytest.raises(ModelFailedError, match="metric 'broken' raised KeyError: 'depth'") as error:
        metric(broken)(None, None)
    assert isinstance(error.value.__cause__, KeyError)


def test_a_namespace_holds_each_metric_once_in_order() -> None:
    first, second = metric(widths), CustomMetric(name="other", definition="", compute=lambda model, trace: 1)
    assert found_in({"b": second, "widths": widths, "a": first, "again": second, "x": 3}) == (second, first)
    assert found_in({}) == ()
