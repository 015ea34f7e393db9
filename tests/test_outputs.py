"""The program prints and writes what it did before; tests/outputs.py describes how to change that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outputs import KEPT, commands, output, prepared


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with prepared() as folder:
        yield folder


@pytest.mark.parametrize("name", commands())
def test_a_command_prints_what_it_did(folder: Path, name: str) -> None:
    assert output(name, commands()[name], folder) == (KEPT / f"{name}.txt").read_text()


def test_no_output_is_kept_of_a_command_that_is_gone() -> None:
    assert {path.name for path in KEPT.iterdir()} == {f"{name}.txt" for name in commands()}
