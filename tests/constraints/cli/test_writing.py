"""Files that are written beside a report: nothing is written over, and what is not written says why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from constraints.cli.target import parse_target
from constraints.cli.writing import Check, check_distinct, check_path, drafted, written
from constraints.errors import ModelFailedError, UnusableInputError
from constraints.findings import FixAll
from constraints.report import Report
from constraints.sandbox.parent import CheckOutcome
from constraints.sandbox.request import Request
from constraints.verdicts import Verdict

BROKEN = Verdict(name="convs", expr="convs > 1", value=1, ok=False, why="few")
REPORT = Report(target="n", input=(3,), output=(1,), metrics={}, constraints=(BROKEN,), layers=())
FIX = FixAll(text="t", edits=("e",))


@dataclass(frozen=True)
class Words:
    path: Path = Path("out.txt")
    flag: str = "--out"
    follow_up: str = "m:f"

    def write(self, found: Mapping[str, Any], draft: Path, request: Request, check: Check) -> str:
        """Say what it was given."""
        if found.get("breaks"):
            raise UnusableInputError("it breaks a rule")
        if found.get("raises"):
            raise ModelFailedError(f"the file's own code raised ({draft}:3)")
        return f"{found['x']} {draft} {request.follow_ups} {request.fixes_seconds:g}"


@pytest.mark.parametrize(
    ("report", "follow_ups", "line"),
    [
        (REPORT, {}, "out.txt is not written: no set of edits was found that makes every constraint hold"),
        (replace(REPORT, fix_all=FIX), {}, "out.txt is not written: the check was cut short"),
        (replace(REPORT, fix_all=FIX), {"m:f": {"refused": "no chain"}}, "out.txt is not written: no chain"),
        (replace(REPORT, fix_all=FIX), {"m:f": {"breaks": 1}}, "out.txt is not written: it breaks a rule"),
        (replace(REPORT, fix_all=FIX), {"m:f": {"x": 1}}, "1 .out.xy/d () 0"),
        (
            replace(REPORT, fix_all=FIX),
            {"m:f": {"raises": 1}},
            "out.txt is not written: the file's own code raised (./d:3)",
        ),
        (replace(REPORT, constraints=()), {"m:f": {"x": 1}}, "1 .out.xy/d () 0"),
        (replace(REPORT, constraints=(replace(BROKEN, name="augmentation"),)), {"m:f": {"x": 1}}, "1 .out.xy/d () 0"),
    ],
)
def test_what_is_said(report: Report, follow_ups: Mapping[str, Mapping[str, Any]], line: str) -> None:
    request = Request(target=parse_target("a.py:N"), require=(), follow_ups=("m:f",), drafts={"m:f": Path(".out.xy/d")})
    outcome = CheckOutcome(report=report, printed="", follow_ups=follow_ups)
    assert written(Words(), outcome, request, lambda _: outcome) == line


@pytest.mark.parametrize(
    ("name", "reason"),
    [("out.txt", "end --out with .py"), ("here.py", "the file exists"), ("no/out.py", "no such folder")],
)
def test_paths_that_are_refused(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "here.py").touch()
    with pytest.raises(UnusableInputError, match=reason):
        check_path(tmp_path / name, "--out", (".py",))
    check_path(tmp_path / "new.py", "--out", (".py",))


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(tmp_path / "none.py")
    with pytest.raises(UnusableInputError, match=r"leads nowhere: .*link\.py"):
        check_path(tmp_path / "link.py", "--out")


def test_outputs_are_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    check_distinct({"a": tmp_path / "real/x", "b": tmp_path / "real/y"})
    with pytest.raises(UnusableInputError, match="a and b are one file"):
        check_distinct({"a": tmp_path / "real/x", "b": tmp_path / "link/../link/x"})


def test_no_search_is_named(tmp_path: Path) -> None:
    request = Request(target=parse_target("a.py:N"), require=(), fixes_seconds=0.0)
    outcome = CheckOutcome(report=REPORT, printed="")
    line = "out.txt is not written: --fixes-timeout 0 looks for no edits: give it more seconds"
    assert written(Words(), outcome, request, lambda _: outcome) == line


def test_a_draft_leaves_nothing(tmp_path: Path) -> None:
    with drafted(tmp_path / "out.py") as draft:
        draft.touch()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnusableInputError, match="cannot write"), drafted(tmp_path / "no" / "out.py"):
        pass
