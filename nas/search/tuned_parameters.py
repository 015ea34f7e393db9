"""Optuna distributions of tuned recipe options; imported only where Optuna is loaded anyway."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from nas.training.tuning import Range, is_whole


def distribution(option: str, one: Range) -> BaseDistribution:
    """The distribution from which Optuna draws a recipe option."""
    if one.choices:
        return CategoricalDistribution(one.choices)
    assert one.low is not None
    assert one.high is not None
    if is_whole(option):
        return IntDistribution(int(one.low), int(one.high), log=one.log)
    return FloatDistribution(float(one.low), float(one.high), log=one.log)
