"""Arguments that a class needs, and those that no flag can give."""

from __future__ import annotations

import inspect
import re

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox.arguments import check_arguments
from constraints.sandbox.standins import StandIns


class Config:
    """An object that no TOML describes."""


def simple(width: int, names: list[str], depth: int) -> None:
    """Takes what TOML has."""


def of_config(cfg: Config, width: int, more: int = 3) -> None:
    """Takes an object."""


def of_missing(cfg: object) -> None:
    """Takes an object of a class that is not installed."""


of_config.__annotations__["cfg"] = Config  # as without postponed annotations
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
    ],
)
def test_what_is_missing_is_named_with_the_way_to_give_it(function: object, said: str) -> None:
    assert callable(function)
    with pytest.raises(UnusableInputError, match=f"^{re.escape(said)}$"):
        check_arguments("f", [*inspect.signature(function).parameters.values()], ())
