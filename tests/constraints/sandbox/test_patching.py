"""A patch of the user's file makes the very layers that were announced, or there is none and a reason."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import search
from tests.engines import validate_in_this_process

HEAD = """from torch import nn
def cbr(i, o, s=1, d=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride=s, padding=d, dilation=d, bias=False), nn.ReLU())
def fixed(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU())
def sized(k, o):
    return nn.Sequential(*[nn.Conv2d(3, 3, k, padding=1) for _ in range(2)])
class Padded(nn.Sequential):
    def __init__(self, i, o, k=3, d=1):
        super().__init__(nn.Conv2d(i, o, k, padding=d * (k // 2), dilation=d))
"""


def added(diff: str) -> str:
    """The new lines of a diff, each expression that has several of them on one."""
    new = "\n".join(line[1:] for line in diff.splitlines() if line.startswith("+"))
    joined = re.sub(r"(?<=[(\[])\s+|,?\s+(?=[)\]])", "", new)
    return re.sub(r",\n\s+|\n\s+(?=if |else )", lambda gap: gap.group()[: gap.group().startswith(",")] + " ", joined)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    """Validate a network of these lines with ``--patch``; returns the diff and the output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    validate_in_this_process(monkeypatch)

    def validated(layers: str, *rules: str, more: Sequence[str] = ()) -> tuple[str, str]:
        Path("net.py").write_text(
            f"{HEAD}net = nn.Sequential({layers}, nn.AdaptiveAvgPool2d(1), nn.Flatten())", "utf-8"
        )
        asked = [part for rule in rules for part in ("--require", rule)]
        search.run(["validate", "net.py:net", *asked, "--patch", "out.diff", *more])
        said = capsys.readouterr().err.strip()
        return Path("out.diff").read_text("utf-8") if Path("out.diff").exists() else "", said

    return validated


@pytest.mark.parametrize(
    ("layers", "rule", "changed"),
    [
        ("nn.Conv2d(3, 8, 3, padding=1)", "dilated_convs >= 1", "nn.Conv2d(3, 8, 3, padding=2, dilation=2)"),
        ("cbr(3, 8), cbr(8, 8)", "dilated_convs >= 2", "cbr(3, 8, d=2), cbr(8, 8, d=2)"),
        ("cbr(3, 8), cbr(8, 8)", "downsampled_by >= 4", "cbr(3, 8, s=2), cbr(8, 8, s=2)"),
        ("Padded(3, 8), Padded(8, 8)", "dilated_convs >= 2", "Padded(3, 8, d=2), Padded(8, 8, d=2)"),
        ("nn.Conv2d(3, 8, 3), nn.MaxPool2d(2)", "max_pools == 0", "nn.Conv2d(3, 8, 3), nn.AvgPool2d(2)"),
        (
            "nn.Conv2d(4, 8, 3, 2)",
            "depthwise_separable_convs >= 1",
            "nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, groups=4, bias=False), nn.Conv2d(4, 8, 1))",
        ),
        (
            "nn.Conv2d(3, 4, 3)",
            "convs >= 2",
            "nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), "
            "nn.Conv2d(4, 4, 3, padding=1, bias=False))",
        ),
        ("*[cbr(3, 3) for _ in range(2)]", "dilated_convs >= 2", "*[cbr(3, 3, d=2) for _ in range(2)]"),
    ],
)
def test_calls_that_change(run: object, layers: str, rule: str, changed: str) -> None:
    assert callable(run)
    inputs = ["--input", "4,32,32"] if "(4, 8" in layers else []
    diff, said = run(layers, rule, more=inputs)
    new = [line for line in added(diff).splitlines() if line.startswith("net")]
    assert (new[0] if new else "") == (
        f"net = nn.Sequential({changed}, nn.AdaptiveAvgPool2d(1), nn.Flatten())" if changed else ""
    )
    assert said.startswith("wrote out.diff" if changed else "out.diff is not written"), said


@pytest.mark.parametrize(
    ("layers", "rule", "reason"),
    [
        ("*map(cbr, (3, 8), (8, 8))", "dilated_convs == 1", "map(cbr, (3, 8), (8, 8))"),
        ("*[sized(k, 8) for k in sorted([3])]", "dilated_convs == 1", "kernel_size is k, not a constant: net.py:7"),
        ("cbr(3, 8)", "fully_connected >= 1", "no set of edits was found that makes every constraint hold"),
        ("cbr(3, 8)", "convs >= 1", "every constraint holds, so nothing needs to change"),
    ],
)
def test_what_cannot_be_written_so_is_said(run: object, layers: str, rule: str, reason: str) -> None:
    assert callable(run)
    diff, said = run(layers, rule)
    assert diff == ""
    (line,) = said.splitlines()
    assert line.startswith("out.diff is not written: ")
    assert reason in line


SHARED = """from torch import nn
ROWS = [(3, 8, 1), (8, 8, 1), (8, 8, 1)]
class Unit(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv = nn.Conv2d(i, o, 3, padding=1)
    def forward(self, x):
        return self.conv(x)
def fixed(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU())
def units(n, i=8):
    made = []
    for o in [8] * n:
        made.append(Unit(i, o))
        i = o
    return nn.Sequential(*made)
def rows():
    made = []
    for i, o, d in ROWS:
        made += [nn.Conv2d(i, o, 3, padding=d, dilation=d)]
    return nn.Sequential(*made)
def turns():
    return nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)])
def grid():
    made, i = [], 3
    for w in (3, 3):
        for turn in range(3):
            made.append(nn.Conv2d(i, w, 3, padding=1))
    return nn.Sequential(*made)
def pooled():
    made = [nn.Conv2d(3, 3, 3)]
    for size in (2, "M", 3):
        made.append(nn.MaxPool2d(2) if size == "M" else nn.Conv2d(3, 3, size))
    return nn.Sequential(*made, nn.MaxPool2d(3))
"""


@pytest.mark.parametrize(
    ("layers", "rule", "lines"),
    [
        (
            "fixed(3, 8), fixed(8, 8)", "dilated_convs >= 1",
            [
                "def fixed(i, o, dilation=1, padding=1):",
                "    return nn.Sequential(nn.Conv2d(i, o, 3, padding=padding, dilation=dilation), nn.ReLU())",
                "net = nn.Sequential(fixed(3, 8, dilation=2, padding=2), fixed(8, 8)",
            ],
        ),
        ("rows()", "dilated_convs == 1", ["ROWS = [(3, 8, 2), (8, 8, 1), (8, 8, 1)]"]),
        (
            "turns()", "dilated_convs == 1",
            [
                "    return nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=2 if j == 0 else 1, "
                "dilation=2 if j == 0 else 1) for j, _ in enumerate(range(2))])"
            ],
        ),
        (
            "nn.Conv2d(3, 8, 1), units(1), units(2)", "downsampled_by >= 4",
            [
                "    def __init__(self, i, o, stride=1):",
                "        self.conv = nn.Conv2d(i, o, 3, padding=1, stride=stride)",
            ],
        ),
        (
            "fixed(3, 8), fixed(8, 8)", "depthwise_separable_convs >= 1",
            [
                "def fixed(i, o, is_changed=False):",
                "    return nn.Sequential((nn.Sequential(nn.Conv2d(i, i, 3, padding=1, groups=i, bias=False), "
                "nn.Conv2d(i, o, 1)) if is_changed else nn.Conv2d(i, o, 3, padding=1)), nn.ReLU())",
                "net = nn.Sequential(fixed(3, 8), fixed(8, 8, is_changed=True)",
            ],
        ),
        (
            "*[fixed(3, 3) for _ in range(2)]", "depthwise_separable_convs == 1",
            ["net = nn.Sequential(*[fixed(3, 3, is_changed=j == 0) for j, _ in enumerate(range(2))]"],
        ),
        (
            "grid()", "dilated_convs == 1",
            [
                "    for j, w in enumerate((3, 3)):",
                "            made.append(nn.Conv2d(i, w, 3, padding=2 if j == 0 and turn == 0 else 1, "
                "dilation=2 if j == 0 and turn == 0 else 1))",
            ],
        ),
        (
            "grid()", "depthwise_separable_convs == 2",
            ["            made.append((nn.Sequential(nn.Conv2d(i, i, 3, padding=1, groups=i, bias=False), "
             "nn.Conv2d(i, w, 1)) if (j, turn) in ((0, 0), (0, 1)) else nn.Conv2d(i, w, 3, padding=1)))"],
        ),
        ("pooled()", "max_pools == 0", ["        made.append(nn.AvgPool2d(2) if size"]),
    ],
)  # fmt: skip
def test_layers_of_one_call_are_distinguished(
    run: object, capsys: pytest.CaptureFixture[str], layers: str, *, rule: str, lines: list[str]
) -> None:
    net = f"{SHARED}net = nn.Sequential({layers}, nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    Path("net.py").write_text(net, "utf-8")
    search.run(["validate", "net.py:net", "--require", rule, "--patch", "out.diff"])
    assert capsys.readouterr().err.startswith("wrote out.diff")
    new = added(Path("out.diff").read_text("utf-8")).splitlines()
    assert all(any(written.startswith(line) for written in new) for line in lines), new


HELPER = """from torch import nn
def made(i, o, k):
    return nn.Conv2d(i, o, k, padding=k // 2)
def stage(i, o):
    return nn.Sequential(made(i, o, 3), made(o, o, 3))
"""


@pytest.mark.parametrize(
    ("layers", "rules", "lines"),
    [
        (  # the old value is worked out, so that it can be no default
            "made(3, 8, 3), made(8, 8, 5)", ["dilated_convs == 1"],
            [
                "def made(i, o, k, dilation=1, padding=None):",
                "    return nn.Conv2d(i, o, k, padding=k // 2 if padding is None else padding, dilation=dilation)",
                "net = nn.Sequential(made(3, 8, 3, dilation=2, padding=2), made(8, 8, 5)",
            ],
        ),
        (  # kernels differ, and the text that is written is the same
            "made(8, 8, 3), made(8, 8, 5)", ["depthwise_separable_convs >= 2"],
            ["    return nn.Sequential(nn.Conv2d(i, i, k, padding=k // 2, groups=i, bias=False), nn.Conv2d(i, o, 1))"],
        ),
        (  # one layer is given arguments, another is replaced
            "made(3, 8, 3), nn.MaxPool2d(2), made(8, 8, 3)",
            ["depthwise_separable_convs == 1", "dilated_convs == 1", "convs == 3"],
            [
                "net = nn.Sequential(made(3, 8, 3, dilation=2, padding=2), nn.MaxPool2d(2), "
                "made(8, 8, 3, is_changed=True)",
            ],
        ),
        (  # two layers are replaced in two ways
            "made(3, 8, 3), nn.MaxPool2d(2), made(8, 8, 3)", ["depthwise_separable_convs >= 1", "convs == 4"],
            ["def made(i, o, k, is_changed=False, is_changed_1=False):"],
        ),
        (  # calls of one function that change in different runs of it
            "stage(3, 8), stage(8, 8)", ["depthwise_separable_convs == 2"],
            [
                "def stage(i, o, is_changed=False, is_changed_1=False):",
                "    return nn.Sequential(made(i, o, 3, is_changed=is_changed_1), "
                "made(o, o, 3, is_changed=is_changed))",
                "net = nn.Sequential(stage(3, 8, is_changed=True), stage(8, 8, is_changed_1=True)",
            ],
        ),
    ],
)  # fmt: skip
def test_layers_of_one_call_change_in_different_ways(
    run: object, capsys: pytest.CaptureFixture[str], layers: str, rules: Sequence[str], lines: list[str]
) -> None:
    given = "8,32,32" if layers.startswith("made(8") else "3,32,32"
    net = f"{HELPER}net = nn.Sequential({layers}, nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    Path("net.py").write_text(net, "utf-8")
    asked = [part for rule in rules for part in ("--require", rule)]
    search.run(["validate", "net.py:net", "--input", given, *asked, "--patch", "out.diff"])
    assert capsys.readouterr().err.startswith("wrote out.diff")
    new = added(Path("out.diff").read_text("utf-8")).splitlines()
    assert all(any(written.startswith(line) for written in new) for line in lines), new


STARS = """from torch import nn
def conv(i, o, *args, **kwargs):
    return nn.Conv2d(i, o, *args, bias=False, **kwargs)
def cbr(i, o, **more):
    return nn.Sequential(conv(i, o, 3, **more), nn.BatchNorm2d(o))
def unit(*args):
    return nn.Conv2d(*args)
def several(i, n=2, **more):
    return nn.Sequential(*[cbr(i, i, padding=1) for _ in range(n)], cbr(i, i, **more))
def twice(i, o, **more):
    return nn.Sequential(nn.Conv2d(i, o, 3, **more), nn.Conv2d(o, o, 3, **more))
def both(i, o, p=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=p), nn.Conv2d(o, o, 3, padding=p))
"""


@pytest.mark.parametrize(
    ("layers", "rule", "lines"),
    [
        (
            "cbr(3, 8, padding=1), cbr(8, 8, padding=1)", "dilated_convs == 1",
            ["net = nn.Sequential(cbr(3, 8, padding=2, dilation=2), cbr(8, 8, padding=1)"],
        ),
        (
            "conv(3, 8, 3, 1, 1), conv(8, 8, 3, 1, 1)", "dilated_convs == 1",
            ["net = nn.Sequential(conv(3, 8, 3, 1, 2, dilation=2), conv(8, 8, 3, 1, 1)"],
        ),
        (
            "unit(3, 8, 3, 1), unit(8, 8, 3, 1)", "downsampled_by >= 4",
            ["net = nn.Sequential(unit(3, 8, 3, 2), unit(8, 8, 3, 2)"],
        ),
        (
            "several(3), several(3)", "dilated_convs == 1",
            [
                "def several(i, n=2, dilation=1, padding=1, **more):",
                "    return nn.Sequential(*[cbr(i, i, padding=padding if j == 0 else 1, "
                "dilation=dilation if j == 0 else 1) for j, _ in enumerate(range(n))], cbr(i, i, **more))",
                "net = nn.Sequential(several(3, dilation=2, padding=2), several(3)",
            ],
        ),
        ("twice(3, 3, padding=1)", "dilated_convs == 2", ["net = nn.Sequential(twice(3, 3, padding=2, dilation=2)"]),
        (
            "both(3, 3), both(3, 3)", "dilated_convs == 1",
            [
                "def both(i, o, p=1, dilation=1, padding=None):",
                "    return nn.Sequential(nn.Conv2d(i, o, 3, padding=p if padding is None else padding, "
                "dilation=dilation), nn.Conv2d(o, o, 3, padding=p))",
                "net = nn.Sequential(both(3, 3, dilation=2, padding=2), both(3, 3)",
            ],
        ),
        (
            "twice(3, 3, padding=1), twice(3, 3, padding=1)", "dilated_convs == 1",
            [
                "def twice(i, o, new_dilation=None, new_padding=None, **more):",
                "        **more,",
                '        "dilation": more.get("dilation", 1) if new_dilation is None else new_dilation,',
                '        "padding": more.get("padding", 0) if new_padding is None else new_padding,',
                "net = nn.Sequential(twice(3, 3, padding=1, new_dilation=2, new_padding=2), twice(3, 3, padding=1)",
            ],
        ),
        (
            "twice(3, 3, padding=1)", "dilated_convs == 1",
            ["        **more,", '        "dilation": 2,', '        "padding": 2,'],
        ),
    ],
)  # fmt: skip
def test_arguments_that_a_function_passes_on_by_stars_change_where_it_is_called(
    run: object, capsys: pytest.CaptureFixture[str], layers: str, rule: str, lines: list[str]
) -> None:
    Path("net.py").write_text(f"{STARS}net = nn.Sequential({layers}, nn.AdaptiveAvgPool2d(1))\n", "utf-8")
    search.run(["validate", "net.py:net", "--require", rule, "--patch", "out.diff"])
    said = capsys.readouterr().err
    assert said.startswith("wrote out.diff"), said
    diff = Path("out.diff").read_text("utf-8")
    new = added(diff).splitlines() + [line[1:] for line in diff.splitlines()]
    assert all(any(written.startswith(line) for written in new) for line in lines), new


@pytest.mark.parametrize(
    ("made", "rule", "expected"),
    [
        (
            "nn.Conv2d(w, w, 3, padding=1)",
            "depthwise_separable_convs >= 1",
            "nn.Sequential(nn.Conv2d(w, w, 3, padding=1, groups=w, bias=False), nn.Conv2d(w, w, 1))",
        ),
        (
            "nn.Conv2d(w, 2 * w, 3)",
            "convs >= 2",
            "nn.Sequential(nn.Conv2d(w, 2 * w, 3), nn.BatchNorm2d(2 * w), nn.ReLU(), "
            "nn.Conv2d(2 * w, 2 * w, 3, padding=1, bias=False))",
        ),
        ("nn.Conv2d(w, w, 3, padding=1)", "dilated_convs >= 1", "nn.Conv2d(w, w, 3, padding=2, dilation=2)"),
        ("nn.Conv2d(w, w, k, padding=k // 2)", "dilated_convs >= 1", "kernel_size is k, not a constant: net.py:5"),
        ("nn.Conv2d(w, w, 3, s)", "downsampled_by >= 2", "stride is s, not a constant: net.py:5"),
        ("nn.Conv2d(w, int(w), 3)", "convs >= 2", "out_channels is int(w) at line 5"),
        ("nn.Conv2d(w, w, *(3, 1, 1))", "dilated_convs >= 1", "*(3, 1, 1) at line 5 may give"),
        ("nn.Conv2d(w, w, **KW)", "dilated_convs >= 1", "**KW at line 5 may give"),
        ("Conv(w, w)", "dilated_convs >= 1", "Conv, which net.py:5 calls, is a partial"),
        ("Conv(w, w)", "depthwise_separable_convs >= 1", "Conv, which net.py:5 calls, is a partial"),
        ("[Conv][0](w, w)", "dilated_convs >= 1", "padding is also set outside of [Conv][0](w, w) at line 5"),
    ],
)
def test_no_number_of_this_run_is_written(
    run: object, capsys: pytest.CaptureFixture[str], made: str, rule: str, expected: str
) -> None:
    """What a call is given by names, stars and partials is rewritten from them, or not at all."""
    head = (
        "from functools import partial\nfrom torch import nn\n"
        "KW = dict(kernel_size=3, padding=1); Conv = partial(nn.Conv2d, **KW)\n"
    )
    Path("net.py").write_text(
        f"{head}def make(w=8, k=3, s=1):\n    return nn.Sequential({made}, nn.AdaptiveAvgPool2d(1))\n", "utf-8"
    )
    asked = ["--arg", "w=12", "--input", "12,16,16", "--require", rule, "--patch", "out.diff"]
    search.run(["validate", "net.py:make", *asked])
    said, is_written = capsys.readouterr().err, expected.startswith("nn.")
    assert Path("out.diff").exists() == is_written, said
    assert (
        added(Path("out.diff").read_text("utf-8")).endswith(f"{expected}, nn.AdaptiveAvgPool2d(1))")
        if is_written
        else expected in said
    )


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the program patch")
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "shift_jis"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_keeps_its_encoding_and_its_line_ends(run: object, encoding: str, end: str) -> None:
    word = "ソ" if encoding == "shift_jis" else "ü"
    cookie = "" if encoding == "utf-8-sig" else f"# -*- coding: {encoding} -*-{end}"
    net = f"name = '{word}'; net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1))  # {word}"
    code = f"{cookie}from torch import nn{end}{net}{end}"
    Path("code.py").write_bytes(code.encode(encoding))
    Path("net.py").symlink_to("code.py")
    search.run(["validate", "net.py:net", "--require", "dilated_convs >= 1", "--patch", "out.diff"])
    assert Path("out.diff").read_bytes().startswith(b"--- code.py\n+++ b/code.py\n")
    subprocess.run(["patch", "--binary", "-p0", "-i", "out.diff"], check=True, capture_output=True)
    new = code.replace("padding=1", "padding=2, dilation=2")
    assert Path("code.py").read_bytes() == new.encode(encoding)


@pytest.mark.parametrize("module", ["bundle.net:Net", "parcel.net"])
def test_the_file_of_a_module_is_patched(run: object, capsys: pytest.CaptureFixture[str], module: str) -> None:
    package = module.partition(".")[0]
    Path(package).mkdir()
    Path(f"{package}/__init__.py").touch()
    Path(f"{package}/parts.py").write_text("from torch import nn\n", "utf-8")
    net = "from .parts import nn\nNet = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1))\n"
    Path(f"{package}/net.py").write_text(net, "utf-8")
    search.run(["validate", module, "--require", "dilated_convs >= 1", "--patch", "out.diff"])
    assert "wrote out.diff" in capsys.readouterr().err
    diff = Path("out.diff").read_text("utf-8")
    assert diff.startswith(f"--- {package}/net.py\n")
    assert "+Net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=2, dilation=2))\n" in diff


def test_a_file_of_a_package_is_patched_too(run: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Its package imports it, so that Python knows it by another path."""
    Path("package").mkdir()
    Path("package/__init__.py").write_text("from .net import Net\n", "utf-8")
    parts = "from torch import nn\ndef conv(i, o, d=1):\n    return nn.Conv2d(i, o, 3, padding=d, dilation=d)\n"
    Path("package/parts.py").write_text(parts, "utf-8")
    net = "from torch import nn\nfrom .parts import conv\ndef Net():\n    return nn.Sequential(conv(3, 8), conv(8, 8))"
    Path("package/net.py").write_text(net, "utf-8")
    search.run(["validate", "package/net.py:Net", "--require", "dilated_convs >= 1", "--patch", "out.diff"])
    assert "wrote out.diff" in capsys.readouterr().err
    assert "+    return nn.Sequential(conv(3, 8, d=2), conv(8, 8))\n" in Path("out.diff").read_text("utf-8")


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the program patch")
def test_a_layer_that_another_file_makes_is_said_to_be(run: object) -> None:
    """Its call is on a line of that file, so that no line of the target's own is meant."""
    assert callable(run)
    Path("base.py").write_text(
        "from torch import nn\ndef block():\n    return nn.Conv2d(3, 8, 3, padding=1)\n", "utf-8"
    )
    diff, said = run("__import__('base').block()", "depthwise_separable_convs >= 1")
    assert not diff
    assert said == "out.diff is not written: layer 0 is made in another file: base.py:3: take --fix OUT.py"


def test_patch_applies_it_and_the_file_keeps_every_rule(run: object) -> None:
    assert callable(run)
    rules = ["receptive_field > 8", "dilated_convs >= 1", "max_pools == 0"]
    diff, said = run("cbr(3, 8), nn.MaxPool2d(2), cbr(8, 8)", *rules)
    assert "\\ No newline at end of file" in diff
    assert said.endswith("patch -p0 < out.diff")
    subprocess.run(["patch", "-p0", "-i", "out.diff"], check=True, capture_output=True)
    asked = [part for rule in rules for part in ("--require", rule)]
    assert search.run(["validate", "net.py:net", *asked]) == 0


FORWARD = """import torch
from torch import nn
import torch.nn.functional as F
def halve(x):
    return F.max_pool2d(x, 2)
def wide(x, w):
    return F.conv2d(x, w, padding=1)
def twice(x, w, v):
    return wide(wide(x, w), v)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Linear(LINEAR, 10)
        self.p = 1
        self.register_buffer("fix", torch.ones(8, 8, 3, 3))
        self.register_buffer("next", torch.ones(8, 8, 3, 3))  # one kernel, called twice, would be one layer
    def forward(self, x):
        x = self.conv(x)
        x = BODY
        return self.fc(torch.flatten(x, 1))
"""


@pytest.mark.parametrize(
    ("linear", "body", "rule", "expected"),
    [
        (
            "8", "F.max_pool2d(F.relu(F.max_pool2d(self.pool(x), 2)), kernel_size=8)", "max_pools == 0",
            "        x = F.avg_pool2d(F.relu(F.avg_pool2d(self.pool(x), 2)), kernel_size=8)",
        ),
        ("512", "halve(halve(x))", "max_pools == 0", "    return F.avg_pool2d(x, 2)"),
        ("8", "F.avg_pool2d(self.pool(x), 9)", "global_average_pools >= 1",
         "        x = F.adaptive_avg_pool2d(self.pool(x), output_size=1)"),
        ("2048", "self.pool(x)", "global_average_pools >= 1", "nn.Unflatten(1, (8, 16, 16)), nn.AdaptiveAvgPool2d(1)"),
        ("512", "(lambda f: f(self.pool(x), 2))(F.max_pool2d)", "max_pools == 0", "net.py:19 calls f, not"),
        (
            "8", "F.conv2d(F.conv2d(self.pool(x), self.fix, None, 1, 1), self.next, padding=1).mean((2, 3))",
            "dilated_convs >= 3",
            "F.conv2d(F.conv2d(self.pool(x), self.fix, None, 1, 2, dilation=2), self.next, padding=2, dilation=2).mean",
        ),
        ("8", "F.conv2d(self.pool(x), self.fix, padding=1).mean((2, 3))", "downsampled_by >= 8", "g=1, stride=2)"),
        ("8", "F.conv2d(self.pool(x), self.fix, padding=self.p).mean((2, 3))", "dilated_convs >= 2", "is self.p, not"),
        ("8", "twice(self.pool(x), self.fix, self.next).mean((2, 3))", "dilated_convs >= 3",
         "d(x, w, padding=2, dilation=2)"),
        ("8", "twice(self.pool(x), self.fix, self.next).mean((2, 3))", "dilated_convs == 2",
         "not all of them change: write one"),
    ],
)  # fmt: skip
def test_calls_in_a_forward_method_change(
    run: object, capsys: pytest.CaptureFixture[str], linear: str, body: str, *, rule: str, expected: str
) -> None:
    Path("net.py").write_text(FORWARD.replace("LINEAR", linear).replace("BODY", body), "utf-8")
    search.run(["validate", "net.py:Net", "--require", rule, "--patch", "out.diff"])
    said = capsys.readouterr().err
    diff = Path("out.diff").read_text("utf-8") if Path("out.diff").exists() else said
    assert expected in (added(diff) if said.startswith("wrote") else said)
    assert said.startswith("wrote") == ("not" not in expected), said


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the program patch")
def test_a_notebook_is_patched_and_written_as_a_file(run: object, capsys: pytest.CaptureFixture[str]) -> None:
    """One cell makes layers for another, and a loop counts them; lines of shell stay."""
    assert callable(run)
    made = "    return nn.Conv2d(i, 8, 3, padding=d, dilation=d)"
    block = f"!pip list\nimport torch\nfrom torch import nn\ndef block(i, d=1):\n{made}"
    net = "net = nn.Sequential(*[block(i) for i in (3, 8)], nn.AdaptiveAvgPool2d(1), nn.Softplus(), nn.Flatten())"
    cells = [{"cell_type": "code", "source": [text]} for text in ("print(1)", block, f"{net}\nnet.train(1)")]
    Path("net.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1), "utf-8")
    rule = ["--require", "dilated_convs == 1"]
    search.run(["validate", "net.ipynb", *rule, "--patch", "out.diff", "--fix", "out.py"])
    said = capsys.readouterr().err
    assert "wrote out.diff: the edited lines of net.ipynb" in said
    assert "wrote out.py: net.ipynb with the function fixed_model" in said
    subprocess.run(["patch", "-p0", "-i", "out.diff"], check=True, capture_output=True)
    new = ["".join(cell["source"]) for cell in json.loads(Path("net.ipynb").read_text("utf-8"))["cells"]]
    looped = "[block(i, d=2 if j == 0 else 1) for j, i in enumerate((3, 8))]"
    assert new == ["print(1)", block, f"{net}\nnet.train(1)".replace("[block(i) for i in (3, 8)]", looped)]
    assert search.run(["validate", "net.ipynb", *rule]) == 0
    assert search.run(["validate", "out.py:fixed_model", *rule]) == 0


def test_layers_of_a_class_made_of_torchs_change_where_it_takes_what_changes(
    run: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(run)
    made = "        super().__init__(i, o, k, dilation=d)\n"
    own = f"class Own(nn.Conv2d):\n    def __init__(self, i, o, k=3, d=1):\n{made}"
    net = "net = nn.Sequential(Own(3, 8), Own(8, 8), nn.AdaptiveAvgPool2d(1))\n"
    Path("net.py").write_text(f"from torch import nn\n{own}{net}", "utf-8")
    search.run(["validate", "net.py:net", "--require", "dilated_convs == 1", "--patch", "out.diff"])
    assert capsys.readouterr().err.startswith("wrote out.diff")
    assert added(Path("out.diff").read_text("utf-8")).endswith(net.replace("8)", "8, d=2)", 1).strip())


def test_layers_of_a_file_that_a_cell_writes_are_said_to_be_there(
    run: object, capsys: pytest.CaptureFixture[str]
) -> None:
    net = "from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1))\n"
    cells = [f"%%writefile written_p.py\n{net}", "from written_p import make\nnet = make()\n"]
    found = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
    Path("net.ipynb").write_text(
        json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), "utf-8"
    )
    search.run(["validate", "net.ipynb:net", "--require", "dilated_convs >= 1", "--patch", "out.diff"])
    said = capsys.readouterr().err
    assert "out.diff is not written: " in said
    assert "written_p.py: run the cell that writes it, and name that file" in said
