"""Edits by hand: networks that differ in one change, and the least number of edits for several."""

import random
import re

import pytest

from nas.architecture.named import SEED, TINIEST
from nas.architecture.spec import parse
from nas.space.edit_alignment import edits
from nas.space.layer_reading import read
from nas.space.space import load

HERE = "BR/c16-c16-c32s2/c32-c32-c64s2/c64-c64-c64/fc"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (HERE, []),
        (HERE.replace("/fc", "/conv"), ["head conv instead of fc"]),
        (HERE.replace("BR", "BS"), ["activation silu instead of relu"]),
        (HERE.replace("BR", "LR"), ["norm layer instead of batch"]),
        (HERE.replace("BR", "RB"), ["order activation first instead of norm first"]),
        (HERE.replace("BR", "BR.1x28x28.7"), ["input 1x28x28 instead of 3x32x32", "classes 7 instead of 10"]),
        (HERE.replace("BR/c16-", "BR/c16k5-"), ["c5 instead of c3 in C1"]),
        (HERE.replace("/c32-c32-", "/c32-dw-pw32-"), ["sep3 instead of c3 in C2"]),
        (HERE.replace("/c32-c32-", "/c32-c32-c32-"), ["c3 added in C2"]),
        (HERE.replace("/c32-c32-", "/c32-2c32-"), ["2c3 instead of c3 in C2"]),
        (
            HERE.replace("/c32-c32-", "/c32-2+dw.pw32-"),
            ["2sep3 instead of c3 in C2", "a residual instead of no residual in C2"],
        ),
        (HERE.replace("/c32-c32-", "/c32-"), ["c3 removed in C2"]),
        (HERE.replace("/c32-c32-", "/+c32-+c32-"), ["a residual instead of no residual in C2"]),
        (HERE.replace("c64s2", "c64"), ["c3 instead of c3s2 in C2"]),
        (HERE.replace("c64s2/c64-c64-c64", "c96s2/c96-c96-c96"), ["width 96 instead of 64 in C2-C3"]),
        (HERE.replace("c32s2/c32-c32-", "c48s2/c48-c48-"), ["width 48 instead of 32 in C1-C2"]),
        (
            HERE.replace("/c32-c32-", "/c48-c48-"),  # the layer before keeps its width, the one after has its own
            ["width 48 instead of 32 in C2"],
        ),
        (
            HERE.replace("c64-c64-c64/fc", "c64-c64-c64-pw10:N/gap"),  # the last layer belongs to this head
            ["head gap instead of fc"],
        ),
    ],
)
def test_the_edits_in_words(there: str, words: list[str]) -> None:
    assert [str(edit) for edit in edits(parse(HERE), parse(there))] == words


def test_there_and_back_take_as_many() -> None:
    assert len(edits(SEED, TINIEST)) == len(edits(TINIEST, SEED))


def test_no_detour_is_shorter() -> None:
    space, generator = load("tiny"), random.Random(3)
    for _ in range(10):
        a, b, c = (space.decode(space.random(generator)) for _ in range(3))
        assert len(edits(a, c)) <= len(edits(a, b)) + len(edits(b, c))


@pytest.mark.parametrize("preset", ["assignment", "wide", "small"])
def test_the_layers_of_a_space_are_read_in_its_own_words(preset: str) -> None:
    space, generator = load(preset), random.Random(1)
    for _ in range(20):
        chosen = {name: values[0] for name, values in space.parameters.items()} | space.random(generator)
        words = []
        for i in range(1, len(space.stages) + 1):
            words += [chosen[f"c{i}.layer{j}"] for j in range(1, int(chosen[f"c{i}.depth"]))]
            words.append(chosen[f"c{i}.down"])
        reading = read(space.decode(chosen))
        assert [plain(layer.word) for layer in reading.layers] == [plain(str(word)) for word in words]
        assert reading.frame.post == (f"{chosen['norm']}_norm", chosen["activation"])


def plain(word: str) -> str:
    """Without a mark, stride and dilations, which follow from the place and the form of a network."""
    return re.sub(r"^[+%]|d\d+|s2$", "", word)


def test_as_json() -> None:
    (edit,) = edits(parse(HERE), parse(HERE.replace("/c32-c32-", "/c32-dw-pw32-")))
    assert edit.as_dict() == {
        "kind": "layer", "stage": "C2", "before": "c3", "after": "sep3", "text": "sep3 instead of c3 in C2",
    }  # fmt: skip
