"""The table at 80 columns, folding, the mark, and the machine's formats, parsed back."""

import io
import json
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from rich.console import Console
from torch import nn

from constraints import Report, check
from constraints.metrics import Layer
from constraints.output.formats import FORMATS, junit, markdown, sarif
from constraints.output.table import print_report, text
from constraints.output.tree import describe, rows
from tests.constraints.written import Written


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(8, 8, 3, padding=2, dilation=2, bias=False)

    def forward(self, x):  # type: ignore[no-untyped-def]
        return x + self.last(self.norm(self.conv(x)).relu())


def net(blocks: int = 4) -> nn.Sequential:
    body = nn.Sequential(*(Block() for _ in range(blocks)))
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


@pytest.fixture(scope="module")
def report() -> Report:
    return check(net(), require=["receptive_field > 20", "params < 2k", "max_pools == 0"], target="a<b>.py:Net")


def shown(report: Report, width: int, *, encoding: str = "utf-8", colour: bool = False) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, force_terminal=colour, color_system="standard" if colour else None)
    print_report(report, console)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal(report: Report, width: int) -> None:
    assert max(map(len, shown(report, width).splitlines())) <= width


def test_repeated_blocks_are_folded_with_what_they_cost_together(report: Report) -> None:
    lines = shown(report, 80).splitlines()
    (block,) = [line for line in lines if "(×4)" in line]  # noqa: RUF001
    assert f"{4 * (576 + 16 + 576):,}" in block
    assert sum("conv2d 3x3 d2" in line for line in lines) == 1


def test_blocks_that_differ_are_not_folded() -> None:
    model = nn.Sequential(Block(), nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)), Block())
    assert all(row.times == 1 for row in rows(check(model, (8, 16, 16), []).layers))


def test_the_layer_that_passes_the_limit_is_marked(report: Report) -> None:
    # 3, then each block adds 2 + 4: 9, 15, 21
    lines = shown(report, 80).splitlines()
    assert "◄ the receptive field passes 20 in layer 1.2.last" in lines
    assert len([line for line in lines if re.search(r"\d+ ◄", line)]) == 1


def test_norms_and_activations_follow_their_layer(report: Report) -> None:
    assert "conv2d 3x3 + bn + relu" in shown(report, 80)


def test_a_layer_is_described_by_what_is_not_plain() -> None:
    layer = Layer(name="a", op="conv2d", output=(4, 8, 8), kernel=(1, 7), stride=(1, 2), dilation=(1, 1), groups=4)
    assert describe(layer) == "conv2d 1x7 s1x2 g4"


def test_totals_reasons_and_summary_are_there(report: Report) -> None:
    plain = text(report)
    params = 27 * 8 + 8 + 4 * (576 + 16 + 576) + 8 * 10 + 10
    assert f"params {params:,} ({params:,} trainable)" in plain
    assert f"{params:,} is {params - 2000:,} above 2,000, must be < 2,000" in plain
    assert "a<b>.py:Net: 1 of 3 constraints fail" in plain


def test_an_ascii_terminal_gets_ascii(report: Report) -> None:
    assert shown(report, 80, encoding="ascii").isascii()


def test_colour_only_where_it_is_wanted(report: Report) -> None:
    assert "\x1b[" not in text(report)
    assert "\x1b[" in shown(report, 80, colour=True)


def test_names_are_shown_as_they_are() -> None:
    odd = nn.Sequential()
    odd.add_module("[red]x", nn.Conv2d(3, 4, 3))
    assert "[red]x" in text(check(odd, require=[]))


def test_unknown_metrics_are_said_to_be() -> None:
    base = check(net(), require=["receptive_field > 3"], fixes=False)
    verdict = replace(base.constraints[0], value=None, ok=False, why="receptive_field is unknown: fft")
    unknown = replace(
        base, constraints=(verdict,), metrics={**base.metrics, "receptive_field_hw": None, "receptive_field": None}
    )
    assert "unknown" in text(unknown)
    assert "| unknown |" in markdown(unknown)
    assert json.loads(FORMATS["json"](unknown))["constraints"][0]["value"] is None


def test_unknown_multiply_accumulates_are_said_to_be() -> None:
    def scaled(model: Any, x: torch.Tensor) -> Any:
        return model.conv(x) * torch.linalg.det(x[:, 0, :3, :3])[:, None, None, None]

    report = check(Written(scaled, conv=nn.Conv2d(3, 4, 3)), require=["macs < 3k"], fixes=False)
    assert report.metrics["macs"] is None
    assert "MACs unknown" in text(report)


def test_markdown_has_a_row_for_each_constraint(report: Report) -> None:
    lines = markdown(report).splitlines()
    assert sum(line.startswith(("| ✅", "| ❌")) for line in lines) == 3
    assert "| ❌ | `params < 2000` |" in "\n".join(lines)
    assert all(line.count("|") in {3, 5} for line in lines if line.startswith("|"))


def test_junit_counts_and_names_the_failures(report: Report) -> None:
    root = ElementTree.fromstring(junit(report))
    suite = root[0]
    assert (root.get("tests"), root.get("failures")) == ("3", "1")
    assert suite.get("name") == "a<b>.py:Net"
    failing = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failing == ["params < 2000"]


def test_sarif_points_at_the_model(report: Report) -> None:
    document = json.loads(sarif(replace(report, location=("models.py", 7))))
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    (result,) = run["results"]
    assert result["ruleId"] in [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("models.py", 7)
    assert "params < 2000: " in result["message"]["text"]


def test_code_of_a_page_scrolls_in_its_own_place(report: Report) -> None:
    assert re.search(r"\bpre \{[^}]*overflow-x: auto", FORMATS["html"](report))
