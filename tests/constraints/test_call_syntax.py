"""What a call in source gives for a parameter, and where its text ends."""

from __future__ import annotations

import ast

import pytest

from constraints.call_syntax import Position, argument, call_at, imported_as, last_argument, last_parameter, written
from constraints.errors import UnusableInputError

NAMES = ("inputs", "outputs", "kernel", "stride")


def test_no_call_at_a_place() -> None:
    with pytest.raises(UnusableInputError, match="no call is at line 7"):
        call_at(ast.parse("f(1)"), Position(7, 7, 0, 4))


def test_what_a_call_gives_for_a_parameter() -> None:
    def given(text: str, name: str) -> str | None:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        found = argument(call, NAMES, name)
        return ast.unparse(found) if found else None

    assert given("f(a, b)", "outputs") == "b"
    assert given("f(a, stride=s)", "stride") == "s"
    assert given("f(a)", "stride") is None
    for text, star in (("f(*a)", r"\*a"), ("f(**a)", r"\*\*a"), ("f(1, *a, kernel=3)", r"\*a")):
        with pytest.raises(UnusableInputError, match=f"{star} at line 1 may give outputs"):
            given(text, "outputs")
    assert given("f(1, *a, kernel=3)", "inputs") == "1"
    assert given("f(1, *a, kernel=3)", "kernel") == "3"


@pytest.mark.parametrize(
    ("parameters", "behind"),
    [
        ("i, o=(8) ,", "i, o=(8)"),
        ("i: 'int' = (8)  # width )\n", "i: 'int' = (8)"),
        ("i, o, /", "i, o, /"),
        ("i, *ö", "i, *ö"),
    ],
)
def test_behind_the_last_parameter(parameters: str, behind: str) -> None:
    header = f"def f({parameters}) -> tuple[int]:\n    "
    assert header.encode()[: last_parameter(header)].decode() == f"def f({behind}"


@pytest.mark.parametrize(
    ("call", "behind"),
    [
        ("f()", ("f(", True)),
        ("f( )", ("f(", True)),
        ("f(a)", ("f(a", False)),
        ("f(a, )", ("f(a", False)),
        ("f(a, b=(1, 2),\n  # last\n)", ("f(a, b=(1, 2)", False)),
        ("f(ö, 'ü,')", ("f(ö, 'ü,'", False)),
        ("f(g(x),\n  h())", ("f(g(x),\n  h()", False)),
        ("f(x)(y)", ("f(x)(y", False)),
    ],
)
def test_behind_the_last_argument(call: str, behind: tuple[str, bool]) -> None:
    end, is_empty = last_argument(call)

    assert (call.encode()[:end].decode(), is_empty) == behind


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "torch.nn.functional"),
        ("import torch", "torch.nn.functional"),
        ("import torch as t", "t.nn.functional"),
        ("import torch.nn as nn", "nn.functional"),
        ("from torch import nn", "nn.functional"),
        ("from torch.nn import functional", "functional"),
        ("from torch.nn import functional as F", "F"),
        ("import torch.nn.functional as F", "F"),
        ("from torchvision import nn", "torch.nn.functional"),
        ("def f():\n    import torch.nn.functional as inner", "inner"),
    ],
)
def test_a_module_is_named_as_the_file_does(text: str, name: str) -> None:
    assert imported_as(ast.parse(text), "torch.nn.functional") == name


@pytest.mark.parametrize("value", ["a", "self.a.b", "-a * 2", "a[1]", "(a, 3)", "a if b else c", "a < b and c", "'x'"])
def test_an_argument_without_effects_may_be_written_twice(value: str) -> None:
    call = ast.parse(f"f({value})", mode="eval").body
    assert isinstance(call, ast.Call)

    assert written(call, NAMES, "inputs") == value
    assert written(call, NAMES, "outputs") is None


@pytest.mark.parametrize("value", ["g()", "[a]", "a[g()]", "(a, next(b))", "(a := 1)", "lambda: a", "f'{a}'"])
def test_no_argument_with_effects_is_written_twice(value: str) -> None:
    call = ast.parse(f"f({value})", mode="eval").body
    assert isinstance(call, ast.Call)

    with pytest.raises(UnusableInputError, match=r" at line 1, which would be written there twice: give it a name$"):
        written(call, NAMES, "inputs")
