"""What ``argparse`` returns for a file whose arguments a check does not give, and which of them it warns of."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from constraints.sandbox.no_arguments import nothing_required

Add = Callable[[argparse.ArgumentParser], object]


def parsed(add: Add, method: str = "parse_args") -> tuple[dict[str, object], list[str]]:
    """The arguments of a parser without a command line, and the names in each warning."""
    warnings = list[str]()
    parser = argparse.ArgumentParser()
    add(parser)
    with nothing_required(warnings.append):
        found = vars(getattr(parser, method)([]))
    begin = "no command line arguments are given: those that are required are None or empty: "
    assert all(warning.startswith(begin) for warning in warnings)
    return found, [warning.removeprefix(begin).partition(": ")[0] for warning in warnings]


def group(parser: argparse.ArgumentParser) -> None:
    one_of = parser.add_mutually_exclusive_group(required=True)
    one_of.add_argument("--a-place")
    one_of.add_argument("--b")


def group_with_a_default(parser: argparse.ArgumentParser) -> None:
    one_of = parser.add_mutually_exclusive_group(required=True)
    one_of.add_argument("--a", default=2)
    one_of.add_argument("--b")


def commands(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True)
    kinds.add_parser("train").add_argument("data")
    kinds.add_parser("test")


@pytest.mark.parametrize(
    ("add", "found", "warned"),
    [
        (lambda p: p.add_argument("name"), {"name": None}, ["name"]),
        (lambda p: p.add_argument("--name", required=True), {"name": None}, ["name"]),
        (lambda p: p.add_argument("--name", required=True, default=5), {"name": 5}, []),
        (lambda p: p.add_argument("name", type=int, default="7"), {"name": 7}, []),
        (lambda p: p.add_argument("name", choices=["x", "y"]), {"name": None}, ["name"]),
        (lambda p: p.add_argument("name", default=argparse.SUPPRESS), {}, ["name"]),
        (lambda p: p.add_argument("pair", nargs=2), {"pair": None}, ["pair"]),
        (lambda p: p.add_argument("files", nargs="+"), {"files": []}, ["files"]),
        (lambda p: p.add_argument("files", nargs="+", choices=["x"]), {"files": None}, ["files"]),
        (lambda p: p.add_argument("--files", nargs="+", required=True), {"files": None}, ["files"]),
        (lambda p: p.add_argument("--files", nargs="*", required=True), {"files": None}, ["files"]),
        (group, {"a_place": None, "b": None}, ["a_place or b"]),
        (group_with_a_default, {"a": 2, "b": None}, []),
        (commands, {}, ["train/test"]),
    ],
)
def test_what_is_required_is_none_or_empty(add: Add, found: dict[str, object], warned: list[str]) -> None:
    assert parsed(add) == (found, warned)


@pytest.mark.parametrize("method", ["parse_args", "parse_intermixed_args"])
@pytest.mark.parametrize(
    "add",
    [
        lambda p: p.add_argument("files", nargs="*"),
        lambda p: p.add_argument("files", nargs="*", default=["a"]),
        lambda p: p.add_argument("file", nargs="?"),
        lambda p: p.add_argument("--file"),
        lambda p: p.add_argument("--flag", action=argparse.BooleanOptionalAction, default=True),
    ],
)
def test_what_is_not_required_is_as_without_a_check(add: Add, method: str) -> None:
    usual = argparse.ArgumentParser()
    add(usual)

    assert parsed(add, method) == (vars(getattr(usual, method)([])), [])


def test_mixed_arguments_are_each_warned_of_once() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--data", required=True)

    assert parsed(add, "parse_intermixed_args") == ({"name": None, "data": None}, ["data", "name"])


def test_a_parser_requires_the_same_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser(prog="net")
    parser.add_argument("files", nargs="+")
    group(parser)
    with nothing_required(lambda _: None):
        parser.parse_args([])

    for given, what in (([], "files"), (["x"], "--a-place --b is required")):
        with pytest.raises(SystemExit, match=r"^2$"):
            parser.parse_args(given)
        assert what in capsys.readouterr().err


def test_an_error_in_parsing_leaves_a_parser_as_it_was() -> None:
    parser = argparse.ArgumentParser()
    action = parser.add_argument("size", type=int)
    with nothing_required(lambda _: None), pytest.raises(SystemExit, match=r"^2$"):
        parser.parse_args(["x"])

    assert (action.required, action.nargs) == (True, None)
