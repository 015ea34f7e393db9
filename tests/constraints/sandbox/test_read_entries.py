"""Which entries of an argument a constructor reads."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from constraints.sandbox.read_entries import as_toml, entries_in, entries_of

CLASS = (
    "class Net(nn.Module):\n    def __init__(self, cfg):\n        {}\n    def forward(self, x):\n        return {}\n"
)


class Base:
    """A constructor that a subclass inherits."""

    def __init__(self, args: Any) -> None:
        self.width = args.width + args["depth"]


class Net(Base):
    """Has no constructor of its own."""


@pytest.mark.parametrize(
    ("line", "result", "found"),
    [
        ("self.c = conv(cfg.width, cfg['drop'])", "x", "{width=..., drop=...}"),
        (
            "self.c = conv(cfg.model.width, cfg['model']['depth'], cfg.lr)",
            "x",
            "{model={width=..., depth=...}, lr=...}",
        ),
        ("self.cfg = cfg", "self.c(x, self.cfg.scale)", "{scale=...}"),
        ("self.save_hyperparameters(cfg)", "self.hparams.width * x", "{width=...}"),
        ("self.c = conv(cfg.get('width', 3), other.width)", "cfg.outside", "{}"),
        ("for key, value in cfg.items():\n            setattr(self, key, value)", "x", "{}"),
    ],
)
def test_attributes_and_items_are_entries(line: str, result: str, found: str) -> None:
    (definition,) = ast.parse(CLASS.format(line, result)).body
    assert as_toml(entries_in(definition, "cfg")) == found


def test_a_function_and_an_inherited_constructor_read_them_too() -> None:
    (function,) = ast.parse("def make(args):\n    return conv(args.width)\n").body
    assert as_toml(entries_in(function, "args")) == "{width=...}"
    assert as_toml(entries_of(Net, "args")) == "{width=..., depth=...}"
    assert entries_of(len, "args") == {}


def test_a_method_that_the_constructor_calls_reads_them_under_its_own_name() -> None:
    code = (
        "class Net(nn.Module):\n    def __init__(self, args):\n        self.build(3, args)\n"
        "    def build(self, depth, cfg):\n        return conv(cfg.width, depth.bits)\n"
        "    def other(self, cfg):\n        return cfg.unread\n"
    )
    (definition,) = ast.parse(code).body
    assert as_toml(entries_in(definition, "args")) == "{width=...}"
