"""Arguments that a class needs, and those that no flag can give."""

from __future__ import annotations

import inspect
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox.argument_tables import with_attributes
from constraints.sandbox.arguments import check_arguments, flags_for, missing_entry
from constraints.sandbox.standins import StandIns


class Config:
    """An object that no TOML describes."""

    def __init__(self, width: int) -> None:
        """Needs an argument of its own."""


@dataclass(kw_only=True)
class Defaults:
    """A configuration whose values have defaults."""

    width: int = 8


def simple(width: int, names: list[str], depth: int) -> None:
    """Takes what TOML has."""


def of_config(cfg: Config, width: int, more: int = 3) -> None:
    """Takes an object."""


def of_missing(cfg: object) -> None:
    """Takes an object of a class that is not installed."""


def of_defaults(cfg: Defaults, width: int) -> None:
    """Takes an object that is made without arguments."""


def of_namespace(args: Namespace) -> None:
    """Takes an object whose entries a table has too."""


of_config.__annotations__["cfg"] = Config  # as without postponed annotations
of_defaults.__annotations__["cfg"] = Defaults
of_namespace.__annotations__["args"] = Namespace
of_missing.__annotations__["cfg"] = StandIns().part("omegaconf_x.DictConfig")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (simple, "'f' needs arguments: width, names, depth: give --arg width=... --arg names=... --arg depth=..."),
        (
            of_config,
            "'f' needs arguments: cfg, width: no flag can give a Config: write in the file "
            "net = f(cfg=Config(...), width=...), and name net",
        ),
        (
            of_missing,
            "'f' needs arguments: cfg: no flag can give a DictConfig: write in the file "
            "net = f(cfg=DictConfig(...)), and name net",
        ),
        (
            of_defaults,
            "'f' needs arguments: cfg, width: no flag can give a Defaults: write in the file "
            "net = f(cfg=Defaults(), width=...), and name net",
        ),
        (of_namespace, "'f' needs arguments: args: give --arg 'args={...}'"),
    ],
)
def test_what_is_missing_is_named_with_the_way_to_give_it(function: object, said: str) -> None:
    assert callable(function)
    with pytest.raises(UnusableInputError, match=f"^{re.escape(said)}$"):
        check_arguments("f", [*inspect.signature(function).parameters.values()], ())


@pytest.mark.parametrize(
    ("entries", "variables", "said"),
    [
        ({"width": {"first": {}}}, set(), "give --arg 'width={first=...}' --arg names=... --arg depth=..."),
        ({}, {"depth", "other"}, "write in the file net = f(width=..., names=..., depth=depth), and name net"),
    ],
)
def test_entries_make_a_table_and_a_variable_of_the_file_is_taken(
    entries: dict[str, Any], variables: set[str], said: str
) -> None:
    parameters = [*inspect.signature(simple).parameters.values()]
    with pytest.raises(UnusableInputError, match=f"depth: {re.escape(said)}$"):
        check_arguments("f", parameters, (), entries=entries, variables=variables)


def by_name(**options: int) -> int:
    """Reads one of its keyword arguments in two ways."""
    return options.pop("width") if "depth" in options else options["width"]


def by_another_table(**options: int) -> int:
    """Fails by a dictionary of its own, although it has the argument."""
    return {"width": options["depth"]}["depth"]


ACTIVATIONS = {"relu": 1}


def by_a_table_of_the_file(act: str = "relu", **options: int) -> int:
    """Fails by the table that its own argument is looked up in."""
    return ACTIVATIONS[act] + options.get("width", 0)


def with_an_annotation_that_fails(w: Any) -> None:
    """Its annotation raises a KeyError where it is evaluated."""


with_an_annotation_that_fails.__annotations__["w"] = "ACTIVATIONS['gelu']"


def by_entry(cfg: Any) -> Any:
    """Reads entries of a table."""
    return cfg["width"], cfg["depth"], cfg.height


def of_many(widths: Sequence, more: Mapping) -> None:  # type: ignore[type-arg]  # as people write them
    """Takes a list and a table."""


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        (by_name, {}, "'f' needs arguments: width: give --arg width=..."),
        (by_name, {"depth": 3}, "'f' needs arguments: width: give --arg width=..."),
        (by_another_table, {}, "'f' needs arguments: depth: give --arg depth=..."),
        (by_another_table, {"depth": 3}, ""),
        (by_a_table_of_the_file, {"act": "gelu"}, ""),
        (
            by_entry,
            {"cfg": {"depth": 3}},
            "the table cfg has no width: add it: --arg 'cfg={depth=..., width=..., height=...}'",
        ),
        (
            by_entry,
            {"cfg": {"width": 1, "depth": 3}},
            "the table cfg has no height: add it: --arg 'cfg={width=..., depth=..., height=...}'",
        ),
    ],
)
def test_an_argument_that_only_the_code_names_is_asked_for(function: Any, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises((KeyError, AttributeError)) as caught:
        function(**{name: with_attributes(value) for name, value in arguments.items()})
    error = caught.value
    assert isinstance(error, (KeyError, AttributeError))
    assert missing_entry("f", function, arguments, error) == said


def test_flags_are_named_only_where_they_can_give_every_argument() -> None:
    assert flags_for(simple) == " --arg width=... --arg names=... --arg depth=..."
    assert flags_for(by_entry) == " --arg 'cfg={width=..., depth=..., height=...}'"
    assert flags_for(with_an_annotation_that_fails) == " --arg w=..."
    assert flags_for(of_many) == " --arg widths=... --arg more=..."
    assert [flags_for(f) for f in (of_config, by_name, len, 3)] == [""] * 4
