"""Which layers a call makes, in which runs of its function and which iterations of its loops."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from tests.constraints.sandbox.made import made_layers

TEXT = """from torch import nn
def pair(i, o, d=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=d, dilation=d), nn.Conv2d(o, o, 1))
net = nn.Sequential(*[pair(i, 8) for i in (3, 8)])
"""


def test_layers_by_their_calls_runs_and_iterations(tmp_path: Path) -> None:
    made = made_layers(tmp_path, TEXT)
    inner, outer = (level.call for level in made.layers["0.0"])
    assert made.made_by((inner,)) == {"0.0", "1.0"}, "each call of the function makes one by this call"
    assert made.made_by((inner, outer)) == {"0.0", "1.0"}
    assert made.level((inner,), "0.0").frame is not made.level((inner,), "1.0").frame
    (loop,) = made.source.loops_around(outer)
    assert made.by_turn((inner, outer), loop, {"1.0": "2"}, {"0.0", "1.0"}) == {1: "2"}
    assert made.is_uniform((inner,), {"1.0": "2"}), "one layer in each run has one value"
    runs = [id(made.level((inner,), layer).frame) for layer in ("0.0", "1.0")]
    assert made.by_frame((inner,), {"1.0": "2"}) == dict(zip(runs, [None, "2"], strict=True))


def test_an_iteration_with_two_values_has_none(tmp_path: Path) -> None:
    text = TEXT.replace("nn.Conv2d(o, o, 1)", "*[nn.Conv2d(o, o, 1) for _ in range(2)]")
    made = made_layers(tmp_path, text)
    inner, outer = (level.call for level in made.layers["0.1"])
    (loop,) = made.source.loops_around(outer)
    several = {"0.1", "0.2", "1.1", "1.2"}
    assert made.made_by((inner, outer)) == several
    assert made.by_turn((inner, outer), loop, {"0.1": "2"}, several) is None
    assert not made.is_uniform((inner,), {"0.1": "2"})


def test_a_variable_that_another_call_reads_sets_its_layers_too(tmp_path: Path) -> None:
    made = made_layers(tmp_path, TEXT)
    (inner, _) = (level.call for level in made.layers["0.0"])
    assert made.sets_others((inner,), "o", {"0.0": "16"}), "the second convolution reads o as well"
    assert not made.sets_others((inner,), "d", {"0.0": "2"})
    assert not made.sets_others((inner,), "o", {"0.0": "16", "0.1": "16"})


def test_arguments_that_the_file_does_not_settle_are_refused(tmp_path: Path) -> None:
    made = made_layers(
        tmp_path, TEXT.replace("net =", "import sys\nsize = len(sys.path)\nnet =").replace("i, 8", "i, size")
    )
    made.check_settled("0.0", ["dilation", "kernel_size"])
    with pytest.raises(UnusableInputError, match=r"layer 0\.0: out_channels is o, not a constant: net\.py:3"):
        made.check_settled("0.0", ["out_channels"])
