"""The table of several targets at the widths of terminals."""

from __future__ import annotations

import io

import pytest
from torch import nn

from constraints import ASSIGNMENT, check
from constraints.findings import Refused, Result
from constraints.output.console import SafeConsole
from constraints.output.summary import outcome, print_summary, skipped_line

PATH = "a/path/of/people/model_file.py:Network"


def printed(results: list[Result], width: int) -> list[str]:
    console = SafeConsole(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        print_summary(results, console)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_every_rule_is_a_whole_word(width: int) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 10, 3))
    report = check(model, fixes=False, target=PATH)
    lines = printed([report, Refused(target="aug.py", error="no model in aug.py: name one", exit_code=2)], width)
    assert max(map(len, lines)) == width
    words = {word.strip(",") for line in lines for word in line.split()}
    assert {v.name for v in report.constraints if not v.ok} <= words
    assert lines[-1] == "0 of 2 targets keep every constraint"
    assert ("MACs" in words) == (width >= 100)
    assert "".join(line[: width // 3].split("  ")[0] for line in lines[3:6]).startswith(PATH)


def test_names_take_no_more_than_they_need() -> None:
    report = check(nn.Conv2d(3, 8, 3), fixes=False, target="net.py", require=ASSIGNMENT)
    assert printed([report], 80)[1].startswith("target  verdict")


@pytest.mark.parametrize(
    ("count", "ending"), [(1, "f0"), (12, "f11"), (13, "f11 and 1 more"), (200, "f11 and 188 more")]
)
def test_the_first_files_without_a_model_are_named(count: int, ending: str) -> None:
    said = skipped_line([f"f{i}" for i in range(count)])
    assert said.startswith(f"skipped {count} file{'s' * (count > 1)} without a model: f0")
    assert said.endswith(f" {ending}")


@pytest.mark.parametrize(
    ("require", "said"),
    [
        (["params < 1k"], "net.py: the constraint holds"),
        (["params < 1"], "net.py: the constraint fails"),
        (["params < 1k", "convs == 1"], "net.py: all 2 constraints hold"),
        (["params < 1k", "convs == 2"], "net.py: 1 of 2 constraints fail"),
    ],
)
def test_one_constraint_is_singular(require: list[str], said: str) -> None:
    assert outcome(check(nn.Conv2d(3, 8, 3), fixes=False, target="net.py", require=require)) == said
