"""Networks by name or text."""

from __future__ import annotations

import pytest

from nas.architecture.named import NAMED, SEED, architecture, is_network
from nas.architecture.spec import ArchitectureError, parse


@pytest.mark.parametrize("name", NAMED)
def test_a_name_and_its_text_are_one_network(name: str) -> None:
    assert architecture(name) == architecture(str(NAMED[name])) == NAMED[name]
    assert architecture(f" {name}\n") == NAMED[name]


def test_the_seed_has_the_parameters_of_the_assignments_network() -> None:
    body = sum(placed.component.params(placed.input[0]) for placed in SEED.placed)
    assert body == 94_116  # a global pool, and nothing after it


def test_what_is_no_name_is_read_as_text() -> None:
    assert architecture("BR/c16/fc") == parse("BR/c16/fc")
    with pytest.raises(ArchitectureError, match="not a layer: 'x16'"):
        architecture("BR/x16/fc")


@pytest.mark.parametrize("text", ["", "Seed", "best", "3"])
def test_an_unknown_name_is_answered_with_what_there_is(text: str) -> None:
    with pytest.raises(ArchitectureError, match=f"^no such architecture: '{text}': give seed, tiniest, mobilenet or a"):
        architecture(text)


@pytest.mark.parametrize(("text", "is_one"), [("seed", True), ("BR/c16/fc", True), ("12", False), ("best", False)])
def test_a_number_is_no_network(text: str, is_one: bool) -> None:
    assert is_network(text) is is_one
