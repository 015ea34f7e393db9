"""Source as ruff formats it; tests/nas/architecture/test_codegen.py runs ruff over whole files."""

from __future__ import annotations

import pytest

from nas.architecture.calls import ModuleCall
from nas.architecture.formatting import call, constant, docstring, explode, join


@pytest.mark.parametrize(("length", "lines"), [(86, 1), (87, 1), (88, 3)])
def test_a_line_breaks_where_it_and_a_comma_are_longer_than_88(length: int, lines: int) -> None:
    argument = "x" * (length - len("    call()"))
    assert len(join("call", [argument], 4).splitlines()) == lines


def test_one_argument_a_line() -> None:
    assert explode("f", ["a", "b=1"], 4) == "f(\n        a,\n        b=1,\n    )"


def test_calls_within_calls() -> None:
    conv = ModuleCall("nn.Conv2d", (3, "filters", 1), {"bias": False})
    assert call(conv, 0, before="conv=") == "conv=nn.Conv2d(3, filters, 1, bias=False)"
    assert call(ModuleCall("Product", (None,)), 0) == "Product(None)"
    assert call(ModuleCall("Residual", (conv, ModuleCall("nn.ReLU"))), 0) == (
        "Residual(nn.Conv2d(3, filters, 1, bias=False), nn.ReLU())"
    )


def test_constants_are_tuples() -> None:
    assert constant("MEAN", (0.12345678, 1.0)) == "MEAN = (0.123457, 1.0)"
    assert constant("CLASSES", ('a"b',)) == "CLASSES = ('a\"b',)"


def test_docstrings_cannot_be_left() -> None:
    assert docstring(' a """b" \n') == '"""' + "a '''b'" + '"""'
    assert docstring("one\n\ntwo  ") == '"""one\n\ntwo\n"""'
