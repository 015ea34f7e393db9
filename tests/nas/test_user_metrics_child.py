"""A user's metrics in the process that measures: what each network gives, and whose fault an error is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.request import Target
from nas import user_metrics_child
from tests.engines import forget_users_modules

NETWORK = "BR/c8-c8s2/dw-pw16:N/fc"
PARAMS = (3 * 8 * 9 + 16) + (8 * 8 * 9 + 16) + (8 * 9 + 16) + 8 * 16 + 170
HEAD = "from constraints import metric\n"
METRICS = f"""{HEAD}
@metric
def doubled(model, trace):
    return 2 * trace.metrics.params
@metric(maximised=True)
def channels(model, trace):
    return max(layer.output[0] for layer in trace.layers)
"""
OWN = """from torch import nn
def make(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
class Silent(nn.Sequential):
    def train(self, mode=True):
        super().train(mode)
def silent(width=4):
    return Silent(*make(width))
"""


@pytest.fixture(autouse=True)
def _process() -> Iterator[None]:
    before, threads = set(sys.modules), torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    forget_users_modules(before)


@pytest.fixture
def stages() -> list[str]:
    return []


def call(function: Any, folder: Path, stages: list[str], text: str = METRICS, **arguments: Any) -> Any:
    (folder / "own.py").write_text(text, "utf-8")
    sent = {"path": str(folder / "own.py"), **arguments}
    return function(sent, lambda line: stages.append(line["stage"]))


def measured(folder: Path, stages: list[str], text: str = METRICS, *networks: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(
        user_metrics_child.measure, folder, stages, text, architectures=list(networks or [NETWORK])
    )
    return found


def test_metrics_are_named_with_what_a_search_does_with_them(tmp_path: Path, stages: list[str]) -> None:
    assert call(user_metrics_child.names, tmp_path, stages) == [("doubled", False), ("channels", True)]
    assert stages == ["import"]


def test_each_network_is_measured_by_each_metric(tmp_path: Path, stages: list[str]) -> None:
    wider = NETWORK.replace("pw16", "pw32")
    found = measured(tmp_path, stages, METRICS, NETWORK, wider)
    assert found == [
        {"doubled": 2 * PARAMS, "channels": 16},
        {"doubled": 2 * (PARAMS + 8 * 16 + 10 * 16), "channels": 32},
    ]
    assert [text for text in stages if text.startswith("metric 'channels'")] == [
        f"metric 'channels' of network {text}" for text in (NETWORK, wider)
    ]
    assert measured(tmp_path, stages, METRICS, *[NETWORK] * 2) == [found[0]] * 2


def test_no_network_gives_nothing_and_is_no_error(tmp_path: Path, stages: list[str]) -> None:
    assert call(user_metrics_child.measure, tmp_path, stages, architectures=[]) == []


@pytest.mark.parametrize("name", ["make", "silent"])
def test_code_of_the_user_is_built_with_its_arguments(tmp_path: Path, stages: list[str], name: str) -> None:
    (tmp_path / "net.py").write_text(OWN, "utf-8")
    target = asdict(Target(text=f"net.py:{name}", file=tmp_path / "net.py", module="", name=name))
    found = call(
        user_metrics_child.measure_code, tmp_path, stages, target=target, arguments={"width": 6}, shape=[3, 8, 8]
    )
    assert found == [{"doubled": 2 * (6 * 27 + 6 + 60 + 10), "channels": 10}]
    assert f"network net.py:{name}" in stages


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", r"^metric 'own' raised ZeroDivisionError: division by zero: network BR/"),
        ("return float('nan')", "^metric 'own' gave nan: return a finite number: network BR/"),
        ("return -float('inf')", "^metric 'own' gave -inf: return a finite number: network BR/"),
        ("return 10 ** 400", "^metric 'own' gave .*: return a finite number: network BR/"),
        ("return 'many'", "^metric 'own' gave 'many': return one number or truth value: network BR/"),
        ("return None", "^metric 'own' gave None: return one number or truth value: network BR/"),
        ("raise SystemExit(3)", r"metric 'own' of network BR/.*SystemExit"),
    ],
)
def test_what_is_no_number_is_refused_with_the_network(
    tmp_path: Path, stages: list[str], body: str, message: str
) -> None:
    with pytest.raises(ModelFailedError, match=message) as caught:
        measured(tmp_path, stages, f"{HEAD}@metric\ndef own(model, trace):\n    {body}\n")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("body", "value"), [("return True", True), ("return 0", 0), ("return -2.5", -2.5)])
def test_a_number_is_handed_on_as_it_is(tmp_path: Path, stages: list[str], body: str, value: object) -> None:
    (found,) = measured(tmp_path, stages, f"{HEAD}@metric\ndef own(model, trace):\n    {body}\n")
    assert found == {"own": value}
    assert type(found["own"]) is type(value)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x = 1\n", UnusableInputError, r"^no metric in .*own\.py: decorate a function of \(model, trace\)"),
        ("1 / 0\n", ModelFailedError, "raised at import: ZeroDivisionError"),
        (f"x = undefined\n{METRICS}", ModelFailedError, "raised at import: NameError: name 'undefined'"),
    ],
)
def test_a_file_of_which_a_part_is_missing_measures_nothing(
    tmp_path: Path, stages: list[str], text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(user_metrics_child.names, tmp_path, stages, text)


def test_a_metric_that_changes_the_model_does_not_change_the_next_networks(tmp_path: Path, stages: list[str]) -> None:
    spoils = f"""{HEAD}
@metric
def left(model, trace):
    for parameter in model.parameters():
        parameter.data.zero_()
    return sum(p.numel() for p in model.parameters())
"""
    assert measured(tmp_path, stages, spoils, NETWORK, NETWORK) == [{"left": PARAMS}] * 2
