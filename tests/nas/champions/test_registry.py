"""The champions' file: that it is true by arithmetic, and how names are read."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, parse_all
from constraints.verdicts import judge
from nas.architecture.spec import parse
from nas.champions import registry
from nas.champions.names import is_champion
from nas.champions.registry import Champion, champions, find
from nas.space.analytic import metrics

ENTRY = """
[champion-a]
architecture = "BR/c4-c4s2/c4s2/fc"
found = "by hand"
params = 10
macs = 20
data = "digits"
recipe = "default"
augmentation = "none"
epochs = 1
seeds = [0]
test_accuracies = [0.5]
machine = "AVX2"
date = 2026-01-02
commit = "abc"
command = "train"
"""


@pytest.mark.parametrize("one", champions().values(), ids=lambda one: one.name)
def test_a_champion_keeps_every_rule_and_its_metrics_are_those_of_its_text(one: Champion) -> None:
    rules = parse_all(ASSIGNMENT)
    found = metrics(parse(one.architecture), rules).as_dict()
    assert [v.expr for v in judge(rules, found) if not v.ok] == []
    assert (found["params"], found["macs"]) == (one.params, one.macs)
    assert one.path is None or one.path.stat().st_size <= 500_000


def test_a_limit_is_the_most_accurate_below_it() -> None:
    under = [one for one in champions().values() if one.params < 200_000]
    assert find("champion-200k").test_accuracy == max(one.test_accuracy for one in under)
    least = min(champions().values(), key=lambda one: one.params)
    assert find(f"champion-{(least.params + 1) / 1000}k") is least
    assert find("champion-0.2M") is find(" champion-200k ")
    with pytest.raises(UnusableInputError, match="no such champion: 'champion-1k': known are champion-search"):
        find("champion-1k")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("champion-widee", "champion-wide"),
        ("champion-wide-31", "champion-wide-30"),
        ("champion-serch", "champion-search"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(given: str, meant: str) -> None:
    with pytest.raises(UnusableInputError, match=rf"no such champion: '{given}': did you mean {meant}\b"):
        find(given)


def test_mean_and_deviation_are_those_of_the_seeds() -> None:
    wide = find("champion-wide")
    assert wide.test_accuracy == pytest.approx((0.8584 + 0.8563 + 0.8548) / 3)
    assert wide.test_std == pytest.approx(statistics.stdev([0.8584, 0.8563, 0.8548]))
    assert find("champion-search").test_std is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("champion-x", True), (" champion-x ", True), ("champion-0.2M", True), ("champion-200k", True),
        ("champion/x", False), ("champion-x/y", False), ("champion-x\\y", False), ("champion-x:y", False),
        ("champion-net.py", False), ("champion-net.safetensors", False), ("champion-net.pt2", False),
        ("champion-0.2M.py", False), (" champion-net.onnx ", False), ("net.py", False),
    ],
)  # fmt: skip
def test_what_is_written_as_a_name(text: str, is_one: bool) -> None:
    assert is_champion(text) == is_one


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("seeds = [0]", "seeds = [0, 1]", "give one of test_accuracies for each of seeds"),
        ("champion-a", "champion-100k", "a name begins with champion-, is no file's, and is no limit of parameters"),
        ("champion-a]", "'champion-a.py']", "a name begins with champion-, is no file's"),
        ("params = 10", "params = 0", "champion-a: params: 0: give 1 or more"),
        ("epochs = 1", "epoch = 1", "champion-a: epoch"),
    ],
)
def test_an_entry_that_is_off_is_named(before: str, after: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "champions.toml"
    file.write_text(ENTRY)
    assert list(registry.champions(file)) == ["champion-a"]
    other = tmp_path / "other.toml"
    other.write_text(ENTRY.replace(before, after))
    with pytest.raises(UnusableInputError, match=message):
        registry.champions(other)
