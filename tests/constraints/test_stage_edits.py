"""Stages by arithmetic: what is offered keeps the rules, on the path and when it is made."""

import pytest
from torch import nn

from constraints.conv_sites import sites
from constraints.edits import Change, applied, words
from constraints.rules import parse_all
from constraints.stage_edits import restaged, unstrided
from constraints.stages import split
from constraints.tracer import trace

ASSIGNED = parse_all(["stages == 4", "convs_per_stage >= 3"])


def chain(text: str) -> nn.Sequential:
    """``c`` a 3x3 convolution, ``s`` strided, ``d`` dilated."""
    made = {"c": (1, 1, 1), "s": (2, 1, 1), "d": (1, 2, 2)}
    return nn.Sequential(*(nn.Conv2d(4, 4, 3, *made[letter]) for letter in text))


def offered(text: str, rules: tuple[str, ...] = ()) -> list[Change]:
    model, asked = chain(text), parse_all(rules) or ASSIGNED
    traced = trace(model, (4, 32, 32))
    found = list(restaged(sites(model, traced.layers), traced.path, asked))
    for change in found:
        with applied(model, change):
            made = split(trace(model, (4, 32, 32)).path, asked)
        assert all(map(made.keeps, asked))
    return found


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("cccccccccccc", "stride 2 in layers 2, 5 and 8", "dilation 2 and padding 2 in layers 2, 5 and 8"),
        ("ccscccccsccc", "stride 2 in layer 5", "dilation 2 and padding 2 in layer 5"),
        ("ccdccccccccc", "stride 2 in layers 5 and 8", "dilation 2 and padding 2 in layers 5 and 8"),
    ],
)
def test_ends_by_stride_and_by_dilation(text: str, first: str, second: str) -> None:
    found = [words(change) for change in offered(text)]
    assert {first, second} <= set(found)
    assert found[0] in {first, second}


def test_no_more_layers_than_are_needed() -> None:
    strided = [c for c in offered("ccscccccsccc") if {edit.text for edit in c} == {"stride 2 in {}"}]
    found = [{edit.layer for edit in change} for change in strided]
    assert found
    assert not any(a < b for a in found for b in found)


@pytest.mark.parametrize(
    ("text", "words_"),
    [
        ("ccsccsccscc", "one more {} after layer 10"),
        ("ccscsccsccc", "one more {} after layer 3"),
        ("ccssccsccc", "2 more {} before layer 3"),
        ("ccsccsccs", "3 more {} after layer 8"),
    ],
)
def test_stages_that_are_short_are_filled(text: str, words_: str) -> None:
    kernel = "3x3 convolution" + "s" * (not words_.startswith("one"))
    assert words_.format(f"{kernel}, with batch norm and ReLU between,") in map(words, offered(text))


def test_strides_are_taken_back() -> None:
    model = chain("sccsccsccc")
    traced = trace(model, (4, 32, 32))
    found = unstrided(sites(model, traced.layers), traced.path, parse_all(["stages == 3", "convs_per_stage >= 3"]))
    assert [words(change) for change in found] == ["stride 1 in layer 0"]
