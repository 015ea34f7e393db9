from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import goals as promised
from benchmarks import verdicts
from benchmarks.goals import Goal, quantities, read
from benchmarks.runs import Run, run
from benchmarks.verdicts import Board, Row, judge
from constraints.errors import UnusableInputError
from tests import processes

ROOT = Path(__file__).parents[2]
FAST = """
import json, sys
assert sys.argv[1:] == ["--turns", "2", "--quick", "--json"], sys.argv
print("loading", file=sys.stderr)
print(json.dumps({"ratio": 2.5, "by model": {"resnet18@224": 1.0}, "seconds": 3.0, "peer": 2.0, "none": None}))
"""
CRASHING = 'import sys\nprint("{}")\nraise ValueError("the disk is full")\n'
DIFFERING = "import sys\nprint('{\"differing\": 3}')\nsys.exit(1)\n"
HANGING = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]], start_new_session=True)
time.sleep(600)
"""


def goal(**changes: Any) -> Goal:
    plain = {"name": "ratio", "benchmark": "fast --turns 2", "key": "ratio", "comparison": ">=", "goal": 2.5}
    return Goal(**{**plain, "where": "docs/page.md", "quote": "2.5 times", **changes})


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder with a package of benchmarks that are tiny scripts."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    texts = {"fast": FAST, "crashing": CRASHING, "differing": DIFFERING, "hanging": HANGING, "silent": "print('hello')"}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return tmp_path


def measured(value: float, **changes: Any) -> str:
    return judge(goal(**changes), Run(document={"ratio": value}), "AVX2").verdict


@pytest.mark.parametrize(
    ("comparison", "under", "at", "over"),
    [
        ("<=", "met", "met", "missed"),
        ("<", "met", "missed", "missed"),
        (">=", "missed", "met", "met"),
        (">", "missed", "missed", "met"),
        ("==", "missed", "met", "missed"),
    ],
)
def test_a_figure_is_held_just_under_at_and_just_over_its_goal(comparison: str, under: str, at: str, over: str) -> None:
    found = [measured(value, comparison=comparison) for value in (2.499, 2.5, 2.501)]
    assert found == [under, at, over]


def test_a_tolerance_widens_the_goal_to_its_kind_side() -> None:
    # 2.5 and a fifth of it: 2.0 below, 3.0 above
    assert [measured(v, tolerance=0.2) for v in (1.999, 2.0, 2.5, 9.0)] == ["missed", "met", "met", "met"]
    found = [measured(v, tolerance=0.2, comparison="<=") for v in (3.001, 3.0, 2.5, 0.1)]
    assert found == ["missed", "met", "met", "met"]


def test_a_goal_may_depend_on_the_processor() -> None:
    by_class = goal(goal={"avx512_bf16": 2.5, "avx2": 1.0})
    document = Run(document={"ratio": 2.0})
    found = [judge(by_class, document, on) for on in ("AVX-512 with bfloat16", "AVX2", "AVX-512", "aarch64")]
    assert [row.verdict for row in found] == ["missed", "met", "no goal", "no goal"]
    assert [row.cells()[2] for row in found] == [">= 2.5", ">= 1", "-", "-"]


@pytest.mark.parametrize(
    ("key", "over", "expected"),
    [("by model.resnet18@224", "", 1.0), ("seconds", "peer", 1.5), ("peer", "seconds", 2 / 3)],
)
def test_a_figure_is_found_by_its_path_and_may_be_a_quotient(key: str, over: str, expected: float) -> None:
    document = {"by model": {"resnet18@224": 1.0}, "seconds": 3.0, "peer": 2.0}
    assert goal(key=key, over=over).measured_in(document) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"ratios": 1.0, "seconds": 2.0}, "no 'ratio' of ratio in the benchmark's JSON, where ratios, seconds is"),
        ({"ratio": None}, "ratio is None in the benchmark's JSON, not a number"),
        ({"ratio": float("nan")}, "ratio is nan in the benchmark's JSON, not a number"),
        ({"ratio": [1.0]}, "ratio is [1.0] in the benchmark's JSON, not a number"),
    ],
)
def test_a_figure_that_is_not_there_has_failed(document: dict[str, Any], reason: str) -> None:
    row = judge(goal(), Run(document=document), "AVX2")
    assert (row.verdict, row.measured, row.reason) == ("failed", None, reason)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7.50 million/s", [7.5e6]),
        ("0 %, 42.4 %", [0, 0.424]),
        ("102,875", [102_875]),
        ("**0.23**", [0.23]),
        ("none", []),
    ],
)
def test_numbers_are_read_as_pages_write_them(text: str, expected: list[float]) -> None:
    assert quantities(text) == pytest.approx(expected)


FIGURE = """timeout_seconds = 9
[[figure]]
name = "ratio"
benchmark = "space --compare 0"
key = "ratio"
comparison = ">="
goal = 2.5
where = "docs/space.md"
quote = "2.5 times"
"""


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('comparison = ">="', 'comparison = "=>"', r"figure\.1\.comparison: '=>': did you mean "),
        (
            "goal = 2.5",
            "goal = { avx3 = 2.5 }",
            r"figure\.1\.goal\.avx3.*: 'avx3': give any, avx512_bf16, ",
        ),
        ("goal = 2.5", "goal = nan", r"figure\.1\.goal"),
        ("goal = 2.5", "goal = 2.4", r"the page states '2.5 times', which is not the goal: give both the same number"),
        ('">="', '"=="\ntolerance = 0.1', r"must equal its goal has no tolerance"),
        ("goal = 2.5", "goal = 2.5\ntolerance = 1", r"figure\.1\.tolerance: 1: give less than 1"),
        ('key = "ratio"', 'keys = "ratio"', r"figure\.1\.keys: 'ratio': unknown key: did you mean key\?"),
        (
            'key = "ratio"',
            'key = "ratio"\nfloor = 1',
            r"figure\.1\.floor: 1: unknown key: known are benchmark, comparison,",
        ),
        ("space --compare 0", "spaces", r"ratio: no benchmark 'spaces': name a file of "),
        ("timeout_seconds = 9", "timeout_seconds = 0", r"timeout_seconds: 0: give more than 0"),
        ("[[figure]]", "[[figure", r"is not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_reported_in_one_line(old: str, new: str, error: str, tmp_path: Path) -> None:
    file = tmp_path / "goals.toml"
    assert old in FIGURE
    file.write_text(FIGURE.replace(old, new, 1))
    with pytest.raises(UnusableInputError, match=error) as raised:
        read(file)
    assert "\n" not in str(raised.value)


def test_two_figures_have_two_names(tmp_path: Path) -> None:
    file = tmp_path / "goals.toml"
    file.write_text(FIGURE + FIGURE.partition("\n")[2])
    with pytest.raises(UnusableInputError, match="two figures are called 'ratio': give one another name"):
        read(file)


def test_a_benchmark_runs_quickly_and_gives_its_json(scripts: Path) -> None:
    found = run("fast --turns 2", 60, package="scripts", root=scripts)
    assert found.reason == ""
    assert found.document == {
        "ratio": 2.5,
        "by model": {"resnet18@224": 1.0},
        "seconds": 3.0,
        "peer": 2.0,
        "none": None,
    }


@pytest.mark.parametrize(
    ("benchmark", "reason"),
    [
        ("crashing", "ValueError: the disk is full"),
        ("fast --turns 3", "AssertionError: ['"),
        ("silent", "its output is not JSON"),
        ("missing", "No module named scripts.missing"),
    ],
)
def test_a_benchmark_that_crashes_has_its_last_line_as_the_reason(benchmark: str, reason: str, scripts: Path) -> None:
    found = run(benchmark, 60, package="scripts", root=scripts)
    assert found.document is None
    assert reason in found.reason


def test_exit_code_1_with_figures_is_a_difference_that_the_figures_tell(scripts: Path) -> None:
    assert run("differing", 60, package="scripts", root=scripts).document == {"differing": 3}


def test_a_benchmark_that_hangs_is_ended_with_all_it_started(scripts: Path) -> None:
    name = f"mark-{time.monotonic_ns()}"
    found = run(f"hanging {name}", 2, package="scripts", root=scripts)
    assert found == Run(document=None, reason="not done after 2 s")
    assert not [pid for pid in processes.numbers() if name.encode() in processes.read(pid, "cmdline").split(b"\0")]


Main = Callable[..., int]


@pytest.fixture
def main(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> Main:
    """The command over tiny scripts; goals are given as (name, benchmark, comparison, goal)."""

    def call(*goals: tuple[str, str, str, float], arguments: tuple[str, ...] = ()) -> int:
        names = {"fast --turns 2": "ratio", "differing": "differing"}
        several = tuple(
            goal(name=n, benchmark=b, comparison=c, goal=g, quote="x", key=names.get(b, "ratio"))
            for n, b, c, g in goals
        )
        monkeypatch.setattr(promised, "read", lambda path: (60.0, several))
        monkeypatch.setattr(command, "run", lambda name, seconds: run(name, seconds, package="scripts", root=scripts))
        return command.main(arguments)

    return call


MET, MISSED = ("a", "fast --turns 2", ">=", 2.5), ("b", "fast --turns 2", "<", 2.5)
CRASHED = ("c", "crashing", "==", 0)


def test_exit_code_0_where_every_goal_is_met(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(MET) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("running fast --turns 2 … ")
    assert captured.err.count("\n") == 1
    assert [word in captured.out for word in ("a", "2.5", ">= 2.5", "met")] == [True] * 4


def test_exit_code_1_where_one_is_missed_and_each_benchmark_runs_once(
    main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(MET, MISSED) == 1
    captured = capsys.readouterr()
    assert captured.err.count("running") == 1
    assert "missed" in captured.out


def test_a_crash_is_a_row_and_the_others_still_run(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(CRASHED, MET, arguments=("--json",)) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(r["name"], r["measured"], r["verdict"], r["reason"]) for r in found["rows"]] == [
        ("c", None, "failed", "ValueError: the disk is full"),
        ("a", 2.5, "met", ""),
    ]
    assert found["ok"] is False
    assert {"commit", "cpu_class", "cores", "seconds"} <= set(found)


def test_named_benchmarks_alone_run(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(CRASHED, MET, arguments=("fast",)) == 0
    assert "crashing" not in capsys.readouterr().err
    assert main(CRASHED, MET, arguments=("fastest",)) == 2
    assert capsys.readouterr().err == "error: no goals for benchmark 'fastest': known are crashing, fast\n"


def board(*rows: Row) -> Board:
    return Board(rows=rows, cpu_class="AVX2", commit="0123abc", cores=2, seconds=90.0)


def test_the_table_has_every_figure_in_full_where_it_is_not_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    long = goal(name="a name that is much longer than a narrow terminal would show beside all other columns")
    verdicts.show(
        board(judge(long, Run(document=None, reason="[red] is no tag"), "AVX2")), Console(width=verdicts.UNLIMITED)
    )
    out = capsys.readouterr().out
    assert "commit 0123abc, AVX2, 2 cores, 1.5 minutes in all" in out
    assert long.name in out
    assert "\x1b" not in out
    assert out.endswith("fast --turns 2: [red] is no tag\n")


def test_markdown_links_the_page_that_states_the_figure() -> None:
    rows = [judge(goal(where=where, tolerance=0.1, unit="times"), Run(document={"ratio": 2.345}), "AVX2")
            for where in ("docs/page.md", "README.md")]  # fmt: skip
    assert verdicts.markdown(board(*rows)).splitlines() == [
        "`python -m benchmarks --write`, commit `0123abc`, AVX2, 2 cores, 1.5 minutes in all:",
        "",
        "| figure | measured | goal | verdict | stated in |",
        "|---|---|---|---|---|",
        "| ratio | 2.35 times | >= 2.5 times - 10 % | met | [page.md](page.md) |",
        "| ratio | 2.35 times | >= 2.5 times - 10 % | met | [README.md](../README.md) |",
    ]


def test_the_table_takes_its_place_on_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Goals\n\n{command.BEGIN}\nprevious\n{command.END}\n\nmore\n")
    for _ in range(2):  # the second time in place of the first
        command.write(board(judge(goal(), Run(document={"ratio": 3.0}), "AVX2")), page)
    text = page.read_text()
    assert text.startswith(f"# Goals\n\n{command.BEGIN}\n\n`python -m benchmarks --write`, commit `0123abc`")
    assert text.endswith(f"[page.md](page.md) |\n\n{command.END}\n\nmore\n")
    assert "previous" not in text
    page.write_text("# Goals\n")
    with pytest.raises(UnusableInputError, match="has no markers for the table: add the lines"):
        command.write(board(), page)


def test_the_commit_says_whether_the_tree_is_changed(tmp_path: Path) -> None:
    assert verdicts.commit(tmp_path) == "unknown"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("1")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "one"], ["tag", "-a", "v1", "-m", "v1"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert verdicts.commit(tmp_path) == head[:7]
    (tmp_path / "file").write_text("2")
    assert verdicts.commit(tmp_path) == f"{head[:7]}-dirty"


def test_writing_needs_every_figure_and_a_tree_without_changes(
    main: Main, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(MET, arguments=("fast", "--write")) == 2
    assert capsys.readouterr().err == ("error: --write with fast: the page holds every figure: name no benchmark\n")
    monkeypatch.setattr(command, "commit", lambda root: "0123abc-dirty")
    assert main(MET, arguments=("--write",)) == 2
    assert (
        capsys.readouterr().err
        == "error: --write needs a commit to cite: the tree is 0123abc-dirty: commit its changes first\n"
    )


def test_help_needs_no_torch() -> None:
    code = "import sys\nfrom benchmarks.__main__ import main\ntry:\n main(['--help'])\nexcept SystemExit: pass\n"
    code += "sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: python -m benchmarks ")
