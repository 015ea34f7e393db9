"""The count finds quadratic work in any function, and changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from nas import pareto
from nas.space import uniform_draws
from tests.growth import assert_growth, count

Call = Callable[[], object]
N = 64


def loop(n: int) -> Call:
    def call() -> int:
        total = 0
        for _ in range(n):
            total += 1
        return total

    return call


def pairs(n: int) -> Call:
    return lambda: [i for i in range(n) for j in range(n) if i < j]


def copies(n: int) -> Call:
    return lambda: [sum(1 for _ in range(i)) for i in range(n)]


def broadcast(n: int) -> Call:
    values = np.arange(n)
    return lambda: int((values[:, None] < values[None]).sum())


def sums_of_beginnings(n: int) -> Call:
    values = np.arange(n)
    return lambda: [values[:i].sum() for i in range(n)]


def copies_of_masked(n: int) -> Call:
    values = np.arange(n)
    return lambda: [values[values == i] for i in range(n)]


def made_inside(n: int) -> Call:
    return lambda: np.ones((n, n)).max()


def one_sort(n: int) -> Call:
    values = np.arange(n)
    return lambda: list(values[np.argsort(-values)])


def steps(n: int) -> Call:
    values = np.arange(n)
    return lambda: [values[i] for i in range(n)]


@pytest.mark.parametrize("linear", [loop, one_sort, steps])
def test_linear_work_passes(linear: Callable[[int], Call]) -> None:
    assert_growth(linear, N)


@pytest.mark.parametrize("quadratic", [pairs, copies, broadcast, sums_of_beginnings, copies_of_masked, made_inside])
def test_quadratic_work_fails(quadratic: Callable[[int], Call]) -> None:
    with pytest.raises(AssertionError, match=f"from {N} to {4 * N}: "):
        assert_growth(quadratic, N)


def test_a_call_that_does_nothing_fails() -> None:
    with pytest.raises(AssertionError, match="nothing that grows was called"):
        assert_growth(lambda n: lambda: None, N)


def test_counts_are_those_of_arithmetic() -> None:
    assert count(partial(loop, 10)).lines == 1 + 11 + 10 + 1  # the loop's head is run once more than its body
    assert count(partial(broadcast, 10)).elements == 2 + 100 + 100  # two views, a comparison, a sum


def test_two_counts_are_equal() -> None:
    losses = np.random.default_rng(0).random((50, 3))
    found = [count(lambda: partial(pareto.ranks, losses.tolist())) for _ in range(2)]
    assert found[0] == found[1]


@pytest.mark.parametrize("fails", [False, True])
def test_tracer_and_numpy_are_as_before(fails: bool) -> None:
    def tracer(*_: Any) -> None:
        return None

    def call() -> None:
        if fails:
            raise KeyError

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        try:
            count(lambda: call)
        except KeyError:
            assert fails
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert vars(uniform_draws)["np"] is np
    assert isinstance(np, type(sys))
