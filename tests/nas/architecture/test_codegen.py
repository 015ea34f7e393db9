"""Architecture -> self-contained source."""

import ast
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from constraints import check
from nas.architecture.codegen import source
from nas.architecture.model import build
from nas.architecture.named import MOBILENET, NAMED, SEED, TINIEST
from nas.architecture.spec import Architecture, parse
from nas.space import space as spaces

EVERY_UNIT = [
    "BR/c16-se4-%mx3_5d2a3.gl16:bLT-+pw32.dw.pw16:B-c16s2/c32:GL-mx1_3:N-mx3_5s2:bB-gl16:B-gl8:b-c9:bR/conv",
    "LS.1x9x11.7/c8k5p0:H-dw16:LT-se3/pw7:N/gap",
    "b/c8-dwk5s2d2:RB-c12g4:SB/fc",
    "BR/c8-3c8-2dw.pw8-2+dw.pw8:B-2%mx3_5:bL.gl8:bT.pw8:b-2se4/fc",
]
ALL = [*map(str, NAMED.values()), *EVERY_UNIT]


def namespace(code: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(code, "generated", "exec"), found)
    return found


def randomise(model: nn.Module) -> None:
    """Weights and running statistics away from where they begin, so that no layer could be left out unseen."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 1.5) if name.endswith("var") else nn.init.normal_(tensor, std=0.2)


def assert_same(architecture: Architecture) -> None:
    torch.manual_seed(0)
    made, trained = namespace(source(architecture))["Net"]().eval(), build(architecture).eval()
    randomise(trained)
    assert list(made.state_dict()) == list(trained.state_dict())
    made.load_state_dict(trained.state_dict(), strict=True)
    images = torch.randn(2, *architecture.input)
    with torch.no_grad():
        assert torch.allclose(made(images), trained(images), rtol=1e-5, atol=1e-5)


def ruff(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "ruff", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", ALL)
def test_every_kind_of_block_computes_the_same(text: str) -> None:
    assert_same(parse(text))


@pytest.mark.parametrize("preset", spaces.PRESETS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_random_networks_of_the_presets_compute_the_same(preset: str, seed: int) -> None:
    space = spaces.load(preset)
    assert_same(space.decode(space.random(random.Random(seed))))


def test_a_trained_step_is_the_same_too() -> None:
    """Gradients reach the same weights: nothing is detached, shared or frozen."""
    architecture = parse(EVERY_UNIT[0])
    made, trained = namespace(source(architecture))["Net"](), build(architecture)
    made.load_state_dict(trained.state_dict())
    images = torch.randn(4, *architecture.input)
    for model in (made, trained):
        model(images).square().sum().backward()
    for (name, left), right in zip(made.named_parameters(), trained.parameters(), strict=True):
        assert left.grad is not None, name
        assert torch.allclose(left.grad, right.grad, rtol=1e-4, atol=1e-5), name  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", ["88", "120"])
def test_it_is_formatted_as_ruff_formats(tmp_path: Path, columns: str) -> None:
    for number, text in enumerate(ALL):
        (tmp_path / f"net_{number}.py").write_text(source(parse(text), about="A line.\n\nAnother.  \n"))
    ruff("format", "--isolated", "--line-length", columns, "--check", str(tmp_path))
    ruff("check", "--isolated", "--select", "E4,E7,E9,F,W,I,UP,B,SIM,C4,RUF,D1", str(tmp_path))


def test_it_needs_only_torch() -> None:
    for text in ALL:
        tree = ast.parse(source(parse(text)))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert modules <= {"collections", "torch", "torch.nn"}


def test_only_the_classes_that_the_network_uses_are_there() -> None:
    def classes(architecture: Architecture) -> list[str]:
        return [n.name for n in ast.parse(source(architecture)).body if isinstance(n, ast.ClassDef)]

    assert classes(SEED) == ["Net"]
    assert classes(MOBILENET) == ["Residual", "Net"]
    assert classes(TINIEST) == ["ChannelNorm", "TanhExp", "Product", "MixedConv", "ScaledResidual", "Net"]


def test_layers_are_under_their_stage() -> None:
    code = source(parse("BR/c16-c24s2/+c24-c32s2/fc"))
    first, second = code.index("c1 = nn.Sequential("), code.index("c2 = nn.Sequential(")
    assert "# 3x32x32 -> 24x16x16" in code[:first]
    assert "conv_bn_relu(16, 24, 3, stride=2, padding=1)," in code[first:second]
    assert "# 24x16x16 -> 32x8x8" in code[first:second]
    assert "Residual(conv_bn_relu(24, 24, 3, padding=1))," in code[second:]


def test_validate_passes_on_the_seed_network(tmp_path: Path) -> None:
    file = tmp_path / "seed.py"
    file.write_text(source(SEED))
    command = [sys.executable, "search.py", "validate", f"{file}:Net", "--classes", "10", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["metrics"]["params"] == 94_116


def test_its_metrics_are_those_of_the_original() -> None:
    for text in ALL:
        made = check(namespace(source(parse(text)))["Net"](), parse(text).input, ["params > 0"])
        assert made.metrics == check(build(parse(text)), parse(text).input, ["params > 0"]).metrics


@given(about=st.text(max_size=60), name=st.text(max_size=20))
def test_no_text_breaks_out_of_its_place(about: str, name: str) -> None:
    code = source(SEED, about=f"x{about}", constants={"CLASSES": (name, "dog")})
    tree = ast.parse(code)
    assert isinstance(tree.body[0], ast.Expr)
    assert [type(node).__name__ for node in tree.body[1:5]] == ["ImportFrom", "Import", "ImportFrom", "Assign"]
    assert ast.literal_eval(tree.body[4].value) == (name, "dog")  # type: ignore[attr-defined]


def test_hostile_texts_stay_formatted(tmp_path: Path) -> None:
    texts = [
        '"""; import os',
        'ends with "',
        "back\\slash \\n",
        "tab\there",
        'it\'s "both"',
        "'",
        '"',
        "\u202e",
        "\udc80",
    ]
    for number, text in enumerate(texts):
        code = source(SEED, about=f"Title\n\n{text}", constants={"CLASSES": (text, "dog"), "MEAN": (0.1, 0.5)})
        (tmp_path / f"net_{number}.py").write_text(code)
        assert namespace(code)["CLASSES"] == (text, "dog")
    ruff("format", "--isolated", "--check", str(tmp_path))


def test_constants_are_below_the_imports() -> None:
    found = namespace(source(SEED, constants={"MEAN": (0.49139968, 0.5, 1.0), "ONE": ("a",)}))
    assert found["MEAN"] == (0.4914, 0.5, 1.0)
    assert found["ONE"] == ("a",)
