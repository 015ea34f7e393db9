"""Arguments that a class needs, and those that no flag can give."""

from __future__ import annotations

import inspect
import re
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox.arguments import check_arguments
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
