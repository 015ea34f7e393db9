"""The text of what a search looks for."""

from __future__ import annotations

import pytest

from constraints.errors import UnusableInputError
from nas.objective_text import Aim, check, read


def test_the_first_is_an_accuracy_and_the_others_are_metrics() -> None:
    assert read("accuracy") == ("accuracy", ())
    assert read("balanced_accuracy, params,own:max,macs:min") == (
        "balanced_accuracy",
        (Aim("params"), Aim("own", True), Aim("macs", False)),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params", "the first objective is an accuracy: 'params': use one of accuracy, balanced_accuracy"),
        ("acuracy,params", "'acuracy': did you mean accuracy"),
        ("accuracy,", "no objective: '': write a metric"),
        ("accuracy,params:most", "no objective: 'params:most': write a metric, or METRIC:max"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy,parms", "unknown metric: 'parms': did you mean params"),
        ("accuracy,latency", "unknown metric: 'latency': did you mean latency_ms"),
        ("accuracy,convs_per_stage", "no objective: 'convs_per_stage' is several numbers"),
        ("accuracy,params,params:max", "an objective twice: 'params': name each once"),
    ],
)
def test_metrics_that_are_no_objective(text: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        check(read(text)[1])


def test_metrics_of_the_user_are_known_by_name() -> None:
    check(read("accuracy,own,ram_bytes")[1], ["own"])
