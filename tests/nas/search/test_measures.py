"""What candidates are measured by before they train."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.rules import parse_all
from constraints.sandbox.parent import Sandbox
from nas.architecture.spec import parse
from nas.results.rows import Row
from nas.results.trial_card import Card
from nas.search.measures import TAKEN, Measures, check_names, needs_latency, split_rules
from nas.space.analytic import metrics
from nas.user_metrics import UserMetrics, read_metrics
from tests.forked_guard import fork_guards

NETWORK = parse("BR/c8-c8s2/dw-pw16:N/fc")
FILE = """
from constraints import metric

@metric
def norms(model, trace):
    "batch norms"
    return sum(type(m).__name__ == "BatchNorm2d" for m in model.modules())

@metric(maximised=True)
def depth(model, trace):
    return trace.metrics.convs
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, Sandbox() as sandbox:
        fork_guards(patch)
        yield sandbox


@pytest.fixture
def own(tmp_path: Path, sandbox: Sandbox) -> UserMetrics:
    (tmp_path / "own.py").write_text(FILE)
    return read_metrics(tmp_path / "own.py", sandbox)


def test_a_network_is_measured_once_and_judged(own: UserMetrics) -> None:
    assert (own.names, own.maximised) == (("norms", "depth"), frozenset({"depth"}))
    rules = parse_all(["norms < 3"], own.names)
    measures = Measures(own=own, objectives=("ram_bytes", "params"), rules=rules)
    assert measures.broken(NETWORK) == "norms < 3"
    own.path.unlink()  # from here on only stored values can be read
    assert measures.of(NETWORK) == {"norms": 3, "depth": 4, "ram_bytes": metrics(NETWORK).ram_bytes}


def test_without_a_rule_nothing_is_measured() -> None:
    assert Measures(own=None).broken(NETWORK) is None
    assert Measures(own=None, objectives=("params",)).of(NETWORK) == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "return 1 // 0",
            f"metric 'odd' raised ZeroDivisionError: .*: network {NETWORK}: fix own.py, or launch without",
        ),
        ("return float('nan')", f"metric 'odd' gave nan: return a finite number: network {NETWORK}: fix own.py"),
        ("return 'many'", f"metric 'odd' gave 'many': return one number or truth value: network {NETWORK}: fix own.py"),
    ],
)
def test_what_is_wrong_with_a_metric_is_one_line(tmp_path: Path, sandbox: Sandbox, body: str, message: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"from constraints import metric\n@metric\ndef odd(model, trace):\n    {body}\n")
    with pytest.raises(ModelFailedError, match=message):
        Measures(own=UserMetrics(path=path, names=("odd",), sandbox=sandbox)).of(NETWORK)


def test_rules_are_split_by_what_judges_them() -> None:
    counted, measured = split_rules(["params < 3", "own >= 1", "latency_ms < 5"], ["own"])
    assert [[rule.metric for rule in rules] for rules in (counted, measured)] == [["params"], ["own", "latency_ms"]]
    with pytest.raises(UnusableInputError, match="unknown metric: 'owm': did you mean own"):
        split_rules(["owm < 1"], ["own"])


def test_the_latency_is_needed_where_a_rule_or_an_objective_is_on_it() -> None:
    assert not needs_latency(["params < 3"], "accuracy,macs")
    assert needs_latency(["latency_ms < 3"], "accuracy")
    assert needs_latency(["params < 3"], "accuracy,latency_ms")


def test_a_metric_may_not_have_the_name_of_a_column(tmp_path: Path, sandbox: Sandbox) -> None:
    taken = UserMetrics(path=tmp_path / "own.py", names=("seconds",), sandbox=sandbox)
    with pytest.raises(UnusableInputError, match="the name of a column of the leaderboard: 'seconds': call the metric"):
        check_names([], "accuracy", taken)
    apart = {"scores", "measure", "measured", "source", "row", "sizes", "key"}  # no keys of a document
    assert {field.name for value in (Row, Card) for field in fields(value)} - apart <= TAKEN
