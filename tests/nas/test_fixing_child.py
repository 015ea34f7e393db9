"""The fixed network is written as an architecture, keeps its weights, and every rule."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import search
from constraints import check
from nas.architecture import codegen, named
from tests.engines import validate_in_this_process

SEED = codegen.source(named.architecture("seed"))
CHAIN = """import torch
from torch import nn
class Chain(nn.Sequential):
    def __init__(self):
        layers = [nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(8)]
        layers += [nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(8)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
chain = Chain()
for i, weights in enumerate(chain.parameters()):
    nn.init.uniform_(weights, 0.1, 0.2 + i, generator=torch.Generator().manual_seed(i))
"""
CALLS = """import torch.nn.functional as F
from torch import nn
class Calls(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 10)
    def forward(self, x):
        return self.head(F.adaptive_max_pool2d(F.relu(self.conv(x)), 1).flatten(1))
"""
UNWRITTEN = CALLS.replace("Calls", "Chain").replace("F.relu", "F.softplus")
NAMELESS = UNWRITTEN.replace("F.adaptive_max_pool2d(", "(lambda pool, *given: pool(*given))(F.adaptive_max_pool2d, ")
GATED = CHAIN.replace("nn.Linear", "nn.Softplus(), nn.Linear")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    """Validate the network of a text with ``--fix``; returns the exit code and the output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    validate_in_this_process(monkeypatch)

    def validated(text: str, name: str, *rules: str, more: tuple[str, ...] = ()) -> tuple[int, str]:
        Path("given.py").write_text(text, "utf-8")
        asked = [part for rule in rules for part in ("--require", rule)]
        code = search.run(["validate", f"given.py:{name}", *asked, "--fix", "out.py", *more])
        return code, capsys.readouterr().err.strip()

    return validated


def written() -> nn.Module:
    """The network that was written, with its weights."""
    names: dict[str, type[nn.Module]] = {}
    exec(compile(Path("out.py").read_text("utf-8"), "out.py", "exec"), names)
    model = names["Net"]()
    model.load_state_dict(load_file("out.safetensors"))
    return model.eval()


def test_the_seed_network_whose_activation_is_before_its_norm_is_fixed(run: object) -> None:
    assert callable(run)
    rules = ("params < 90k", "receptive_field > 44", "stages == 4")
    code, said = run(SEED, "Net", *rules)
    assert code == 1  # of what was given
    assert said.startswith("wrote out.py: the class Net, RB/")
    assert check(written(), require=rules).ok
    assert "Made of given.py:Net by these edits: " in Path("out.py").read_text("utf-8")


def test_weights_are_kept_where_their_shapes_agree(run: object) -> None:
    """A dilation changes what a convolution reads, and none of its weights."""
    assert callable(run)
    _, said = run(CHAIN, "chain", "dilated_convs >= 1", "params < 1k")
    assert "c8d2" in said
    names: dict[str, nn.Sequential] = {}
    exec(CHAIN, names)
    given = names["chain"].eval()
    first = given[0]
    assert isinstance(first, nn.Conv2d)
    first.dilation = first.padding = (2, 2)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(written()(images), given(images))


def test_a_network_that_keeps_every_rule_is_written_as_it_is(run: object) -> None:
    assert callable(run)
    code, said = run(CHAIN, "Chain", "params < 1k")
    assert (code, said.split(":")[0]) == (0, "wrote out.py")
    assert "Made of given.py:Chain, which kept every constraint." in Path("out.py").read_text("utf-8")


def test_what_a_forward_pass_calls_is_fixed_too(run: object) -> None:
    assert callable(run)
    _, said = run(CALLS, "Calls", "max_pools == 0")
    assert said.startswith("wrote out.py: the class Net, bR/c8/fc, "), said
    assert check(written(), require=["max_pools == 0", "global_average_pools == 1"]).ok


@pytest.mark.parametrize("name", ["Chain", "chain"])
def test_a_model_that_is_no_architecture_is_written_as_its_own_file_with_the_edits(name: str, run: object) -> None:
    """A dilation of 2 in the first layer, and the weights that were given."""
    assert callable(run)
    code, said = run(GATED, name, "dilated_convs >= 1", "params < 1k")
    assert code == 1
    assert said.startswith("wrote out.py: given.py with the function fixed_model")
    text = Path("out.py").read_text("utf-8")
    assert text.startswith(GATED.rstrip())
    names: dict[str, Any] = {}
    exec(compile(text, "out.py", "exec"), names)
    made = names["fixed_model"]().eval()
    made.load_state_dict(load_file("out.safetensors"))
    assert check(made, require=["dilated_convs >= 1"]).ok
    given = names["chain"].eval() if name == "chain" else names["Chain"]().eval()
    given.load_state_dict(made.state_dict())
    first = given[0]
    first.dilation = first.padding = (2, 2)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(made(images), given(images))


HELPERS = """
def fixed_model():
    return 1
def on_the_input():
    return 2
functools = "mine"
model = Chain()
class Wide(nn.Module):
    def forward(self, x):
        return nn.functional.softplus(x).mean((2, 3))
"""


@pytest.mark.parametrize(("name", "rule"), [("model", "dilated_convs >= 1"), ("Wide", "stages == 2")])
def test_what_is_written_takes_no_name_of_the_files(name: str, rule: str, run: object) -> None:
    assert callable(run)
    _, said = run(GATED + HELPERS, name, rule)
    assert "given.py with the function fixed_model_2" in said
    names: dict[str, Any] = {}
    exec(compile(Path("out.py").read_text("utf-8"), "out.py", "exec"), names)
    assert (names["fixed_model"](), names["on_the_input"](), names["functools"]) == (1, 2, "mine")
    assert check(names["fixed_model_2"](), require=[rule]).ok


def test_a_file_that_was_written_can_be_fixed_again(run: object) -> None:
    assert callable(run)
    run(GATED, "Chain", "dilated_convs >= 1")
    _, said = run(Path("out.py").read_text("utf-8"), "fixed_model", "dilated_convs >= 2", more=("--fix", "again.py"))
    assert "with the function fixed_model_2" in said


def test_calls_in_a_forward_method_are_edited_in_the_lines_of_the_file(run: object) -> None:
    assert callable(run)
    _, said = run(UNWRITTEN, "Chain", "max_pools == 0")
    assert said.startswith("wrote out.py: given.py with the edits in its lines, keeps every constraint")
    names: dict[str, type[nn.Module]] = {}
    exec(compile(Path("out.py").read_text("utf-8"), "out.py", "exec"), names)
    names["Chain"]().load_state_dict(load_file("out.safetensors"))
    assert Path("out.py").read_text("utf-8") == UNWRITTEN.replace("adaptive_max_pool2d", "adaptive_avg_pool2d")


@pytest.mark.parametrize(
    ("text", "rule", "more", "reason"),
    [
        (NAMELESS, "max_pools == 0", (), "no architecture can be written of this model: softplus"),
        (
            NAMELESS,
            "max_pools == 0",
            (),
            "its own file cannot be given the edits: given.py:8 calls pool, not adaptive_max_pool2d",
        ),
        (CHAIN, "fully_connected >= 5", (), "no set of edits was found that makes every constraint hold"),
        (CHAIN, "dilated_convs >= 1", ("--input", "input=3,32,32"), "no architecture takes other inputs"),
    ],
)
def test_what_cannot_be_written_is_said(run: object, text: str, rule: str, more: tuple[str, ...], reason: str) -> None:
    assert callable(run)
    code, said = run(text, "Chain", rule, more=more)
    assert code == 1
    assert said.startswith("out.py is not written: ")
    assert reason in said
    assert not Path("out.py").exists()
    assert not Path("out.safetensors").exists()


def test_tables_of_arguments_are_written_with_their_attributes(run: Any) -> None:
    code = UNWRITTEN.replace("__init__(self)", "__init__(self, cfg, more)").replace(
        "3, 8, 3", "3, cfg.net['width'], more[0].k"
    )
    given = ("--arg", "cfg={net={width=8}}", "--arg", "more=[{k=3}]")
    _, said = run(code, "Chain", "dilated_convs >= 1", more=given)
    assert said.startswith("wrote out.py: given.py with the function fixed_model"), said
    written = Path("out.py").read_text("utf-8")
    assert "    model = Chain(cfg=Table({'net': Table({'width': 8})}), more=[Table({'k': 3})])\n" in written
    space: dict[str, Any] = {}
    exec(written, space)
    assert space["fixed_model"]().conv.dilation == (2, 2)


def test_entries_that_are_missing_in_a_table_are_missing_in_the_written_file(run: Any) -> None:
    read = "3, args.width * getattr(args, 'depth', 2) + hasattr(args, 'act') + len(vars(args)) - 1, 3"
    code = UNWRITTEN.replace("__init__(self)", "__init__(self, args)").replace("3, 8, 3", read)
    _, said = run(code, "Chain", "dilated_convs >= 1", more=("--arg", "args={width=4}"))
    assert said.startswith("wrote out.py: given.py with the function fixed_model"), said
    space: dict[str, Any] = {}
    exec(Path("out.py").read_text("utf-8"), space)
    assert space["fixed_model"]().conv.out_channels == 4 * 2


def test_a_file_with_relative_imports_is_written_beside_what_it_imports(
    run: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pkg_fixed"
    folder.mkdir()
    (folder / "parts.py").write_text("width = 8\n")
    (folder / "net.py").write_text(
        "from .parts import width\n" + GATED.replace("nn.Conv2d(3, 8,", "nn.Conv2d(3, width,")
    )
    asked = ["validate", "pkg_fixed/net.py:chain", "--require", "dilated_convs >= 1", "--fix"]
    assert search.run([*asked, "out.py"]) == 1
    assert re.match(r"out\.py is not written: .*\.parts", capsys.readouterr().err)
    assert search.run([*asked, "pkg_fixed/out.py"]) == 1
    assert capsys.readouterr().err.startswith("wrote pkg_fixed/out.py: pkg_fixed/net.py with the function fixed_model")
    assert search.run(["validate", "pkg_fixed/out.py", "--require", "dilated_convs >= 1"]) == 0


def test_a_file_that_leaves_the_working_folder_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("elsewhere").mkdir()
    Path("given.py").write_text(f"import os\nos.chdir({str(tmp_path / 'elsewhere')!r})\n{GATED}")
    asked = ["--require", "dilated_convs >= 1", "--fix", "out.py", "--patch", "out.diff"]
    assert search.run(["validate", "given.py:chain", *asked]) == 1
    assert [line[:13] for line in capsys.readouterr().err.strip().splitlines()] == ["wrote out.py:", "wrote out.dif"]
