"""What the table shows besides numbers: stages as sections, and wrapped lines indented below their beginning."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from torch import nn

from constraints import Report, check
from constraints.findings import FixAll
from constraints.output.table import text
from tests.constraints.written import Written

LONG = "a word " * 30


@pytest.fixture(scope="module")
def report() -> Report:
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3))
    model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return check(model, (3, 16, 16), ["stages == 2", "params < 3"], fixes=False)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_stages_are_sections_of_the_layers(report: Report, width: int) -> None:
    lines = [line.rstrip() for line in text(report, width).splitlines()]
    first = lines.index("stage 1 (stride): 2 convolutions to 0.1")
    assert lines[first + 1].startswith("├─0 ")
    second = lines.index("stage 2 (no end): 1 convolution")
    assert "2  conv2d 3x3" in lines[second + 1]
    last = lines.index("after the stages")
    assert "├─1  mean" in lines[last + 1]
    assert first < second < last
    assert max(map(len, lines)) <= width


def test_what_follows_the_stages_begins_behind_a_layer_that_runs_again() -> None:
    conv, down = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, stride=2, padding=1)
    model = Written(lambda m, x: m.conv(m.down(m.conv(x))).mean((2, 3)), conv=conv, down=down)
    report = check(model, (3, 16, 16), ["stages == 2"], fixes=False)
    lines = [line.rstrip() for line in text(report, 100).splitlines()]
    assert lines[lines.index("after the stages") + 1].startswith("└─mean")


def block(stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, stride, padding=2, dilation=2), nn.ReLU()
    )


@pytest.mark.parametrize(
    ("stride", "rule", "by"),
    [(1, "stages == 4", "dilation"), (2, "stages == 4", "stride"), (2, "params < 3", "stride")],
)
def test_every_stage_of_equal_blocks_has_its_heading(stride: int, rule: str, by: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sequential(*(block(stride) for _ in range(4))))
    lines = text(check(model, (3, 32, 32), [rule], fixes=False), 140).splitlines()
    at = [i for i, line in enumerate(lines) if line.startswith("stage ")]
    last = "stage 4 (no end): 2 convolutions" if by == "dilation" else "stage 4 (stride): 2 convolutions to 1.3.2"
    assert [lines[i].rstrip() for i in at] == [
        f"stage 1 ({by}): 3 convolutions to 1.0.2",
        f"stage 2 ({by}): 2 convolutions to 1.1.2",
        f"stage 3 ({by}): 2 convolutions to 1.2.2",
        last,
    ]
    assert [lines[i + 1].lstrip("│├└─ ")[0] for i in at] == ["0", "1", "2", "3"]


def test_equal_blocks_of_one_stage_are_folded() -> None:
    lines = text(
        check(nn.Sequential(*(block() for _ in range(4))), (3, 32, 32), ["params < 3"], fixes=False)
    ).splitlines()
    first = lines.index(next(line for line in lines if line.startswith("stage 1 (no end): 8 convolutions")))
    assert "3 (×4)" in lines[first + 1]  # noqa: RUF001


@pytest.mark.parametrize(("name", "lines"), [("a_convolution_with_quite_a_long_name", 1), ("so_long_" * 9, 2)])
def test_a_heading_has_the_whole_width_and_is_not_cut(name: str, lines: int) -> None:
    inner = nn.Sequential()
    inner.add_module(name, nn.Conv2d(3, 3, 3, stride=2))
    below = text(check(inner, (3, 32, 32), ["params < 3"]), 80).splitlines()[3 : 3 + lines]
    assert " ".join(line.strip() for line in below) == f"stage 1 (stride): 1 convolution to {name}"
    assert all(
        line.startswith("    ") for line in below[1:]
    )  # unlike the names of layers, which begin with a tree's line


def test_code_that_wraps_is_indented_and_runs(report: Report) -> None:
    call = "nn.Conv2d(in_channels=128, out_channels=128, kernel_size=3, padding=1, groups=128, bias=False)"
    whole = FixAll(text="", edits=(), code=("f(", f"    {call},", ")"))
    lines = text(replace(report, fix_all=whole), 80).splitlines()
    at = lines.index("    f(")
    code = lines[at : at + 4]
    assert [len(line) - len(line.lstrip()) for line in code] == [4, 8, 12, 4]
    assert ast.unparse(ast.parse("\n".join(code).strip())) == f"f({call})"


def test_a_layer_s_name_holds_no_escape() -> None:
    model = nn.Sequential()
    model.add_module("\x1b[31mEVIL", nn.Conv2d(3, 3, 3, stride=2))
    written = text(check(model, (3, 32, 32), ["params < 3", "stages == 4"]))
    assert "\x1b" not in written
    assert "└─␛[31mEVIL  conv2d 3x3 s2" in written


@pytest.mark.parametrize("width", [80, 100, 140])
def test_what_wraps_is_indented_below_its_beginning(report: Report, width: int) -> None:
    verdicts = tuple(v if v.ok else replace(v, fix=(LONG,)) for v in report.constraints)
    lines = [
        line.rstrip() for line in text(replace(report, constraints=verdicts, warnings=(LONG,)), width).splitlines()
    ]
    for mark in ("  → ", "warning: "):
        at = next(i for i, line in enumerate(lines) if line.startswith(mark))
        assert lines[at + 1][: len(mark) + 1].isspace() is False
        assert lines[at + 1][: len(mark)].isspace()


def test_a_wide_terminal_spreads_no_columns(report: Report) -> None:
    assert text(report, 140) == text(report, 100)


def test_layers_that_need_more_columns_get_them(report: Report) -> None:
    deep = replace(report.layers[0], name=".".join(["block"] * 20))
    lines = text(replace(report, layers=(deep, *report.layers[1:])), 200).splitlines()
    assert "…" not in "\n".join(lines)
    assert 100 < len(lines[0]) == max(map(len, lines)) < 200


@pytest.mark.parametrize(
    ("width", "left_out"), [(56, []), (48, ["Jump"]), (40, ["Jump", "MACs"]), (30, ["Jump", "MACs", "Output"])]
)
def test_a_narrow_terminal_shows_fewer_columns_and_each_reason_below_its_constraint(
    report: Report, width: int, left_out: list[str]
) -> None:
    lines = [line.rstrip() for line in text(report, width).splitlines()]
    assert max(map(len, lines)) <= width
    assert [name for name in ("Output", "Params", "MACs", "RF", "Jump") if name not in lines[1].split()] == sorted(
        left_out, key=["Output", "MACs", "Jump"].index
    )
    said = f"left out, as the terminal is narrow: {', '.join(left_out)}"
    assert (said in " ".join(lines)) == bool(left_out)
    assert any(line.startswith("├─0  Sequential") or "2  conv2d 3x3" in line for line in lines), "names are read"
    at = next(i for i, line in enumerate(lines) if line.split()[:4] == ["ok", "stages", "==", "2"])
    is_below = width < 48
    assert lines[at].endswith(" 2" if is_below else "2 is at the limit 2")
    assert lines[at + 1].startswith("        2 is at the" if is_below else "FAIL")
