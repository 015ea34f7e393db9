"""User-defined metrics: their names, and how they fail."""

import re
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.user_metrics import CustomMetric, found_in, metric


def twice(model: Any, trace: Any) -> int:
    """Twice
    the model.
    """
    return int(model) * 2


def test_name_and_definition_are_the_functions() -> None:
    made = metric(twice)
    assert (made.name, made.definition) == ("twice", "Twice\nthe model.")
    assert made(21, None) == 42
    assert metric(lambda model, trace: True).definition == ""


@pytest.mark.parametrize("value", [0, -1.5, True, float("nan")])
def test_numbers_and_truth_values_are_metrics(value: float) -> None:
    found = CustomMetric(name="own", definition="", compute=lambda model, trace: value)(None, None)
    assert found is value


@pytest.mark.parametrize("value", [None, "3", (1, 2), [1]])
def test_anything_else_is_none(value: Any) -> None:
    own = CustomMetric(name="own", definition="", compute=lambda model, trace: value)
    with pytest.raises(ModelFailedError, match=re.escape(f"metric 'own' gave {value!r}: return one number")):
        own(None, None)


def test_what_a_metric_raises_is_reported_on_one_line_with_its_cause() -> None:
    def broken(model: Any, trace: Any) -> int:
        raise KeyError("a\nb")

    with pytest.raises(ModelFailedError, match=r"^metric 'broken' raised KeyError: 'a\\nb'$") as error:
        metric(broken)(None, None)
    assert isinstance(error.value.__cause__, KeyError)


def test_a_built_in_metrics_name_is_taken() -> None:
    def params(model: Any, trace: Any) -> int:
        return 0

    with pytest.raises(ValueError, match="a built-in metric has this name: 'params': choose another"):
        metric(params)


@pytest.mark.parametrize("nameless", [partial(twice), 3, "twice"])
def test_what_is_no_function_with_a_name_is_refused(nameless: Any) -> None:
    with pytest.raises(UnusableInputError, match=r"^a metric has the name of its function: .* has none: decorate"):
        metric(nameless)


@pytest.mark.parametrize("least", [2**1024 - 2**970, -(2**1024) + 2**970])
def test_the_last_whole_number_that_is_near_a_float_is_taken(least: int) -> None:
    nearer = least - (1 if least > 0 else -1)
    assert metric(named(nearer))(None, None) == nearer
    with pytest.raises(ModelFailedError, match=r"^metric 'own' gave -?\d{99,100}: return a finite number$"):
        metric(named(least))(None, None)


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("given", "raised"),
    [
        (Fraction(10**400), "OverflowError: integer division result too large for a float"),
        (Decimal("sNaN"), "ValueError: cannot convert signaling NaN to float"),
        (Unprintable(), "RuntimeError: no text"),
    ],
)
def test_a_value_that_cannot_be_read_is_the_fault_of_its_function(given: object, raised: str) -> None:
    with pytest.raises(ModelFailedError, match=f"^metric 'own' raised {raised}$"):
        metric(named(given))(None, None)


def test_a_number_past_every_float_is_asked_to_be_finite() -> None:
    def huge(model: Any, trace: Any) -> int:
        return 10**400

    with pytest.raises(ModelFailedError, match=r"^metric 'huge' gave 1(0{99}): return a finite number$"):
        metric(huge)(None, None)


def test_a_namespace_holds_each_metric_once_in_order() -> None:
    first, second = metric(twice), CustomMetric(name="other", definition="", compute=twice)
    namespace = {"b": second, "x": 3, "a": first, "again": second, "function": twice}
    assert found_in(namespace) == (second, first)
    assert found_in({}) == ()


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (np.float32(2.5), 2.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(4), 4),
        (torch.tensor(1.5), 1.5),
        (torch.ones(1, requires_grad=True), 1.0),
        (Fraction(1, 4), 0.25),
        (Decimal("0.5"), 0.5),
    ],
)
def test_a_number_of_any_kind_is_one_of_python_s_own(given: object, number: float) -> None:
    found = metric(named(given))(None, None)
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize("given", ["3", None, 1j, np.ones(2), torch.ones(2), [1]])
def test_what_is_no_number_is_refused_in_one_line(given: object) -> None:
    with pytest.raises(ModelFailedError, match=r"^metric 'own' gave .{1,100}: return one number or truth value$"):
        metric(named(given))(None, None)


def named(value: object) -> Any:
    """A user's function of the name ``own`` that returns a value."""

    def own(model: object, trace: object) -> Any:
        return value

    return own
